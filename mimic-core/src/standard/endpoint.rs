//! Endpoint strings: where to connect, or to listen, as people write it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::Ipv6Addr;
use core::str::FromStr;

use zeroize::Zeroizing;

use super::percent::{decode_each, fault, located};
use super::redact::{is_shown, short, split_at, split_before};
use crate::escape::{Clean, Escaped, HIDDEN};
use crate::{Error, Secret, Text};

/// A parsed endpoint string: `tcp://example.org:7`, `https://[::1]/index.html`,
/// `unix:/run/app.sock`, `redis://:password@host`, `serial:///dev/ttyUSB0?baud=115200`.
///
/// The grammar is RFC 3986's, with less: `scheme:///path[?query]` or `scheme:/path[?query]`, or
/// `scheme://[user[:password]@]host[:[port]][/path][?query]`.
///
/// - The scheme and the host are lowered to ASCII lower case. A host is a name of letters, digits,
///   `-._~` and `!$&'()*+,;=`, at most 253 bytes without the dot of the root, or an IPv4 address,
///   or an IPv6 address in brackets (and without them here).
/// - An IPv6 address may have a zone (RFC 6874), of letters, digits and `-._~`: `[fe80::1%25eth0]`,
///   or as people write it, `[fe80::1%eth0]`. The host is then `fe80::1%eth0`. A zone that begins
///   with `25` and goes on has to be written in the first form.
/// - An empty port is none, and so are an empty user and an empty password.
/// - User and password are percent-decoded. The path and the query stay as written:
///   [`percent_decode`] reads them.
/// - A fragment is dropped, for it is the client's; a path without a host has none.
///
/// Not accepted, each with an error that names it: percent-encoding in a host, any character
/// outside ASCII, spaces, and more than [`MAX_LEN`](Endpoint::MAX_LEN) bytes.
///
/// `Display` and `Debug` print neither user, password nor query: `…` stands for them. An endpoint
/// that has none of them prints as a string that is parsed to the same; one that was printed with
/// `…` is refused.
///
/// Which schemes exist is not known here but by the candidates of [`Stream`](crate::Stream) and
/// [`Listen`](crate::Listen).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The scheme, in lower case.
    pub scheme: Text,
    /// The user, percent-decoded: UTF-8 without control characters, and not empty.
    pub user: Option<Text>,
    /// The password, percent-decoded: UTF-8 without control characters, and not empty.
    pub password: Option<Secret>,
    /// The host: a name, an IPv4 address, or an IPv6 address without its brackets, perhaps with a
    /// zone (`fe80::1%eth0`). A zone means something on this machine alone: it must not go into the
    /// `Host` of an HTTP request (RFC 6874, section 4).
    pub host: Option<Text>,
    /// The port, if one was given.
    pub port: Option<u16>,
    /// The path as it was written (still percent-encoded), if there is one. Starts with `/`.
    pub path: Option<Text>,
    /// The query as it was written (still percent-encoded), without its `?`. Empty if nothing
    /// follows the `?`.
    pub query: Option<Text>,
}

impl Endpoint {
    /// The longest endpoint string that is read, in bytes (RFC 9110, section 4.1, asks for at least
    /// 8000).
    pub const MAX_LEN: usize = 8192;
}

impl FromStr for Endpoint {
    type Err = Error;

    /// Parses an endpoint string.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput), in [`Phase::Endpoint`], naming what is wrong and
    /// what to write.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|error| located(error, text))
    }
}

fn parse(text: &str) -> Result<Endpoint, Error> {
    if text.len() > Endpoint::MAX_LEN {
        let reason = format!("{} bytes are too many, the limit is {}", text.len(), Endpoint::MAX_LEN);
        return Err(fault(reason, "give a shorter endpoint"));
    }
    if let Some((at, bad)) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
        let (what, advice) = match bad {
            ' ' => ("a space", "percent-encode it as `%20` in a path, remove it elsewhere"),
            _ if bad.is_ascii() => ("a control character", "remove it"),
            _ => ("a character outside ASCII", "write a host in its `xn--` form (IDNA) and percent-encode a path"),
        };
        // Does not quote a character that may belong to a password.
        let shown = bad != ' ' && is_shown(text, at);
        let which = if shown { [": ", &quoted(bad)].concat() } else { String::new() };
        return Err(fault(["it contains ", what, &which].concat(), advice));
    }
    let Some((scheme, rest)) = split_at(text, b':') else {
        return Err(fault("it has no scheme", "write for example `tcp://host:port` or `unix:/path`"));
    };
    let mut letters = scheme.bytes();
    if !letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        || !letters.all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
    {
        let reason = "the scheme is not a letter followed by letters, digits, `+`, `-` or `.`";
        return Err(fault(reason, "write for example `tcp://host:port`"));
    }
    let scheme = Text::from(scheme.to_ascii_lowercase());

    let (authority, rest) = match rest.strip_prefix("//") {
        Some(rest) => split_before(rest, b"/?#"),
        None if rest.starts_with('/') => ("", rest),
        None => {
            let advice = "write `scheme://host:port` or `scheme:/path`";
            return Err(fault("it has no scheme, or neither `//` nor `/` follows it", advice));
        }
    };
    // The fragment is the client's.
    let (rest, fragment) = split_before(rest, b"#");
    let (path, query) = split_before(rest, b"?");
    let mut endpoint = Endpoint { scheme, user: None, password: None, host: None, port: None, path: None, query: None };
    match authority {
        "" if path.is_empty() => {
            return Err(fault("the host is empty", "write `scheme://host:port` or `scheme:///path`"));
        }
        "" if !fragment.is_empty() => {
            return Err(fault("a path without a host has no fragment", "write `#` as `%23`"));
        }
        "" => {}
        authority => parse_authority(authority, &mut endpoint, is_shown(text, 0))?,
    }
    decode_each(path, |_| ())?;
    decode_each(query, |_| ())?;
    endpoint.path = Some(path).filter(|path| !path.is_empty()).map(Text::from);
    endpoint.query = query.get(1..).map(Text::from);
    Ok(endpoint)
}

/// Whether a letter of a name may be one: unreserved, or a delimiter within a component (RFC 3986,
/// sections 2.2, 2.3).
fn is_plain(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&letter)
}

/// `[user[:password]@]host[:[port]]`. With `shown`, errors repeat what was written.
fn parse_authority(authority: &str, endpoint: &mut Endpoint, shown: bool) -> Result<(), Error> {
    let place = authority.bytes().rposition(|letter| letter == b'@');
    let (user, authority) = match place.and_then(|place| authority.split_at_checked(place)) {
        Some((user, rest)) => (user, rest.get(1..).unwrap_or_default()),
        None => ("", authority),
    };
    if !user.bytes().all(|letter| is_plain(letter) || b":%".contains(&letter)) {
        let reason = "the user information contains a character that has to be percent-encoded";
        return Err(fault(reason, "write for example `@` as `%40` and `/` as `%2F` in a user and a password"));
    }
    let (user, password) = split_before(user, b":");
    endpoint.user = decode_text(user)?;
    endpoint.password = decode_text(password.get(1..).unwrap_or_default())?;

    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => parse_bracketed(rest, shown)?,
        None => parse_name(authority, shown)?,
    };
    endpoint.host = Some(host);
    endpoint.port = match port {
        "" => None,
        // Without the digits, which may belong to a password: `user:pass/word@host`.
        digits if !digits.bytes().all(|c| c.is_ascii_digit()) => {
            return Err(fault("the port is not a number", "write a number from 0 to 65535 after `:`"));
        }
        digits => match digits.parse() {
            Ok(port) => Some(port),
            Err(_) => return Err(fault("the port is above 65535", "write a number from 0 to 65535")),
        },
    };
    Ok(())
}

/// A user or a password; an empty one is none.
fn decode_text<T: for<'a> From<&'a str>>(part: &str) -> Result<Option<T>, Error> {
    // Of its final size, so that no copy of a password stays behind when it grows; wiped, also
    // after an error.
    let mut decoded = Zeroizing::new(Vec::with_capacity(part.len()));
    decode_each(part, |byte| decoded.push(byte))?;
    match core::str::from_utf8(&decoded) {
        Ok(text) if text.chars().any(char::is_control) => {
            Err(fault("the user information contains a control character", "a user and a password are text"))
        }
        Ok("") => Ok(None),
        Ok(text) => Ok(Some(text.into())),
        Err(_) => {
            let reason = "the user information is not UTF-8 when it is percent-decoded";
            Err(fault(reason, "percent-encode the bytes of its UTF-8 form"))
        }
    }
}

/// A name or an IPv4 address, and the port.
fn parse_name(authority: &str, shown: bool) -> Result<(Text, &str), Error> {
    let (host, port) = split_before(authority, b":");
    let port = port.get(1..).unwrap_or_default();
    if port.bytes().any(|c| c == b':') {
        return Err(fault("it has more than one `:`", "put an IPv6 address in brackets: `[::1]:port`"));
    }
    if host.is_empty() {
        return Err(fault("the host is empty", "write `scheme://host:port`"));
    }
    match host.bytes().find(|letter| !is_plain(*letter)).map(char::from) {
        None => {}
        Some('%') => return Err(fault("the host is percent-encoded", "write a host in its `xn--` form (IDNA)")),
        Some(bad) => {
            let which = if shown { quoted(bad) } else { "that character".into() };
            return Err(fault(
                ["a host cannot contain ", &which].concat(),
                "a host is a name, an IPv4 address or `[IPv6]`",
            ));
        }
    }
    // The root's dot takes no place in a name on the wire (RFC 1034, section 3.1).
    let length = host.strip_suffix('.').unwrap_or(host).len();
    if length > 253 {
        let reason = format!("a host of {length} bytes is too long, DNS allows 253");
        return Err(fault(reason, "check the host"));
    }
    Ok((host.to_ascii_lowercase().into(), port))
}

/// An IPv6 address, after its opening bracket, and the port.
fn parse_bracketed(rest: &str, shown: bool) -> Result<(Text, &str), Error> {
    let Some((host, rest)) = split_at(rest, b']') else {
        return Err(fault("the bracket of an IPv6 address is not closed", "write `[::1]:port`"));
    };
    let about = |text, what: &str, advice| {
        let text = short(if shown { text } else { HIDDEN });
        Err(fault(["\"", &text, "\"", what].concat(), advice))
    };
    let (address, zone) = split_before(host, b"%");
    if address.parse::<Ipv6Addr>().is_err() {
        return about(address, " is not an IPv6 address", "only IPv6 addresses stand in brackets");
    }
    let mut host = address.to_ascii_lowercase();
    if let Some(zone) = zone.get(1..) {
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
        let is_zone = |letter: u8| letter.is_ascii_alphanumeric() || b"-._~".contains(&letter);
        if zone.is_empty() || zone.len() > 200 || !zone.bytes().all(is_zone) {
            let advice = "write the name or number of an interface: `[fe80::1%25eth0]:port`";
            return about(zone, " is not a zone", advice);
        }
        host = [&host, "%", zone].concat();
    }
    match rest.strip_prefix(':') {
        None if !rest.is_empty() => {
            // A password may stand behind a colon.
            let (word, _) = split_before(rest, b":");
            about(word, " follows the bracket", "write `[::1]:port`")
        }
        port => Ok((host.into(), port.unwrap_or_default())),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its parts are public, and may have come from elsewhere.
        let mut f = Clean(f);
        write!(f, "{}:", self.scheme)?;
        if let Some(host) = &self.host {
            f.write_str("//")?;
            if self.user.is_some() || self.password.is_some() {
                write!(f, "{HIDDEN}@")?;
            }
            write_host(&mut f, host)?;
            if let Some(port) = self.port {
                write!(f, ":{port}")?;
            }
        }
        match (&self.host, &self.path) {
            // Or the path would be read as a host.
            (None, Some(path)) if path.starts_with("//") => write!(f, "//{path}")?,
            (_, Some(path)) => f.write_str(path)?,
            (_, None) => {}
        }
        match self.query.as_deref() {
            None => Ok(()),
            Some("") => f.write_str("?"),
            Some(_) => write!(f, "?{HIDDEN}"),
        }
    }
}

/// As `Display`.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An IPv6 address goes into brackets, and its zone behind `%25` (RFC 6874): as it is parsed again.
pub(super) fn write_host(f: &mut impl Write, host: &str) -> fmt::Result {
    if !host.bytes().any(|letter| letter == b':') {
        return f.write_str(host);
    }
    let (address, zone) = split_before(host, b"%");
    write!(f, "[{address}")?;
    if let Some(zone) = zone.get(1..) {
        write!(f, "%25{zone}")?;
    }
    f.write_str("]")
}

fn quoted(letter: char) -> String {
    format!("'{}'", Escaped(letter.encode_utf8(&mut [0; 4])))
}
