//! Endpoint strings: where to connect or listen, as people write it.
//!
//! ```text
//!   https://user:secret@[fe80::1%25eth0]:443/path?query#fragment
//!   scheme  user password       host     port path query  dropped
//!           └───────── authority ────────┘
//! ```

use alloc::format;
use alloc::string::String;
use core::fmt::{self, Write};
use core::net::Ipv6Addr;
use core::str::FromStr;

use zeroize::Zeroizing;

use super::percent::{check_encoding, percent_decode};
use super::redact::{check, fault, located, short, shown_len, split, split_before};
use crate::escape::{Clean, Escaped, HIDDEN, debug_as_display};
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
///   with `25` and is longer has to be written in the first form.
/// - An empty port, user or password counts as none.
/// - User and password are percent-decoded. The path and the query stay as written:
///   [`percent_decode`](crate::percent_decode) reads them.
/// - A fragment is dropped, because it stays with the client. A path without a host has none.
///
/// Not accepted, each with an error that names it: percent-encoding in a host, any character
/// outside ASCII, spaces, and more than [`MAX_LEN`](Endpoint::MAX_LEN) bytes.
///
/// `Display` and `Debug` print neither user, password nor query: `…` stands for them. An endpoint
/// that has none of them prints as a string that is parsed to the same; one that was printed with
/// `…` is refused.
///
/// Any scheme is accepted. The candidates of [`Connect`](crate::Connect) and
/// [`Listen`](crate::Listen) decide later which one has a meaning.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The scheme, in lower case.
    pub scheme: Text,
    /// The user, percent-decoded: UTF-8 without control characters, and not empty.
    pub user: Option<Text>,
    /// The password, percent-decoded: UTF-8 without control characters, and not empty.
    pub password: Option<Secret>,
    /// The host: a name, an IPv4 address, or an IPv6 address without its brackets, perhaps with a
    /// zone (`fe80::1%eth0`). A zone has a meaning only on this machine: it must not go into the
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
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), in
    /// [`Phase::Endpoint`](crate::Phase::Endpoint), naming what is wrong and what to write.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|error| located(error, text))
    }
}

fn parse(text: &str) -> Result<Endpoint, Error> {
    if text.len() > Endpoint::MAX_LEN {
        let reason = format!("{} bytes are too many, the limit is {}", text.len(), Endpoint::MAX_LEN);
        return Err(fault(reason, "give a shorter endpoint"));
    }
    // All later steps may cut at any byte, and none meets a space or a control character.
    if let Some((at, bad)) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
        return Err(bad_character(bad, at < shown_len(text)));
    }
    let (scheme, Some(after)) = split(text, b':') else {
        return Err(fault("it has no scheme", "write for example `tcp://host:port` or `unix:/path`"));
    };
    let is_scheme = scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let reason = "the scheme is not a letter followed by letters, digits, `+`, `-` or `.`";
    check(is_scheme, reason, "write for example `tcp://host:port`")?;

    let reason = "it has no scheme, or neither `//` nor `/` follows it";
    check(after.starts_with('/'), reason, "write `scheme://host:port` or `scheme:/path`")?;
    let (authority, rest) = match after.strip_prefix("//") {
        Some(rest) => split_before(rest, b"/?#"),
        None => ("", after),
    };
    // The first `#` ends the query, and the first `?` before it the path (RFC 3986, section 3). The
    // fragment stays with the client (section 3.5).
    let (rest, fragment) = split(rest, b'#');
    let (path, query) = split(rest, b'?');
    let (scheme, path) = (scheme.to_ascii_lowercase().into(), Some(path).filter(|path| !path.is_empty()));
    let mut endpoint = Endpoint { scheme, user: None, password: None, host: None, port: None, path: None, query: None };
    if authority.is_empty() {
        check(path.is_some(), "the host is empty", "write `scheme://host:port` or `scheme:///path`")?;
        check(fragment.is_none(), "a path without a host has no fragment", "write `#` as `%23`")?;
    } else {
        parse_authority(authority, &mut endpoint, shown_len(text) > 0)?;
    }
    check_encoding(path.unwrap_or_default())?;
    check_encoding(query.unwrap_or_default())?;
    (endpoint.path, endpoint.query) = (path.map(Text::from), query.map(Text::from));
    Ok(endpoint)
}

/// Returns the error for a character that no endpoint has. Quotes it only with `shown`: it may
/// belong to a password.
fn bad_character(bad: char, shown: bool) -> Error {
    let (what, advice) = match bad {
        ' ' => ("a space", "percent-encode it as `%20` in a path, remove it elsewhere"),
        _ if bad.is_ascii() => ("a control character", "remove it"),
        _ => ("a character outside ASCII", "write a host in its `xn--` form (IDNA) and percent-encode a path"),
    };
    let which = if shown && bad != ' ' { [": ", &quoted(bad)].concat() } else { String::new() };
    fault(["it contains ", what, &which].concat(), advice)
}

/// Tells if a letter may stand in a name: unreserved, or a delimiter within a component (RFC 3986,
/// sections 2.2, 2.3).
fn is_name(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&letter)
}

/// Parses `[user[:password]@]host[:[port]]`. With `shown`, errors repeat what was written.
fn parse_authority(authority: &str, endpoint: &mut Endpoint, shown: bool) -> Result<(), Error> {
    // The last `@`, so that a password with one that is not encoded is refused, not cut.
    let place = authority.bytes().rposition(|letter| letter == b'@');
    let (user, authority) = match place.and_then(|place| authority.split_at_checked(place)) {
        Some((user, rest)) => (user, rest.get(1..).unwrap_or_default()),
        None => ("", authority),
    };
    check(
        user.bytes().all(|letter| is_name(letter) || b":%".contains(&letter)),
        "the user information contains a character that has to be percent-encoded",
        "write for example `@` as `%40` and `/` as `%2F` in a user and a password",
    )?;
    let (user, password) = split(user, b':');
    endpoint.user = decode_text(user)?;
    endpoint.password = decode_text(password.unwrap_or_default())?;

    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => parse_bracketed(rest, shown)?,
        None => parse_name(authority, shown)?,
    };
    endpoint.host = Some(host);
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        // Without the digits, which may belong to a password: `user:pass/word@host`.
        let is_number = port.bytes().all(|c| c.is_ascii_digit());
        check(is_number, "the port is not a number", "write a number from 0 to 65535 after `:`")?;
        let above = |_| fault("the port is above 65535", "write a number from 0 to 65535");
        endpoint.port = Some(port.parse().map_err(above)?);
    }
    Ok(())
}

/// Decodes a user or a password; an empty one is none.
fn decode_text<T: for<'a> From<&'a str>>(part: &str) -> Result<Option<T>, Error> {
    // Wiped, also after an error.
    let decoded = Zeroizing::new(percent_decode(part)?);
    let Ok(text) = core::str::from_utf8(&decoded) else {
        let reason = "the user information is not UTF-8 when it is percent-decoded";
        return Err(fault(reason, "percent-encode the bytes of its UTF-8 form"));
    };
    let reason = "the user information contains a control character";
    check(!text.chars().any(char::is_control), reason, "a user and a password are text")?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// Parses a name or an IPv4 address, and returns it with the port.
fn parse_name(authority: &str, shown: bool) -> Result<(Text, Option<&str>), Error> {
    let (host, port) = split(authority, b':');
    let colons = port.is_some_and(|port| port.bytes().any(|c| c == b':'));
    check(!colons, "it has more than one `:`", "put an IPv6 address in brackets: `[::1]:port`")?;
    check(!host.is_empty(), "the host is empty", "write `scheme://host:port`")?;
    match host.bytes().find(|letter| !is_name(*letter)).map(char::from) {
        None => {}
        Some('%') => return Err(fault("the host is percent-encoded", "write a host in its `xn--` form (IDNA)")),
        Some(bad) => {
            let which = if shown { quoted(bad) } else { "that character".into() };
            let advice = "a host is a name, an IPv4 address or `[IPv6]`";
            return Err(fault(["a host cannot contain ", &which].concat(), advice));
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

/// Parses an IPv6 address, after its opening bracket, and returns it with the port.
fn parse_bracketed(rest: &str, shown: bool) -> Result<(Text, Option<&str>), Error> {
    let (host, Some(rest)) = split(rest, b']') else {
        return Err(fault("the bracket of an IPv6 address is not closed", "write `[::1]:port`"));
    };
    let about = |text, what: &str, advice| {
        let text = short(if shown { text } else { HIDDEN });
        Err(fault(["\"", &text, "\"", what].concat(), advice))
    };
    let (address, zone) = split(host, b'%');
    if address.parse::<Ipv6Addr>().is_err() {
        return about(address, " is not an IPv6 address", "only IPv6 addresses stand in brackets");
    }
    let mut host = address.to_ascii_lowercase();
    if let Some(zone) = zone {
        // `%25eth0` is the form of RFC 6874, `%eth0` that of people, and `%25` alone the zone 25.
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
        let is_zone = |letter: u8| letter.is_ascii_alphanumeric() || b"-._~".contains(&letter);
        if zone.is_empty() || zone.len() > 200 || !zone.bytes().all(is_zone) {
            let advice = "write the name or number of an interface: `[fe80::1%25eth0]:port`";
            return about(zone, " is not a zone", advice);
        }
        host = [&host, "%", zone].concat();
    }
    // What follows the colon may be a password.
    match split(rest, b':') {
        ("", port) => Ok((host.into(), port)),
        (word, _) => about(word, " follows the bracket", "write `[::1]:port`"),
    }
}

fn quoted(letter: char) -> String {
    format!("'{}'", Escaped(letter.encode_utf8(&mut [0; 4])))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The parts are public, so they may not come from the parser.
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
            // Without `//` in front, the path would be parsed as a host.
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

debug_as_display!(Endpoint);

/// Prints a host as it is parsed again: an IPv6 address in brackets, its zone behind `%25` (RFC
/// 6874).
pub(super) fn write_host(f: &mut impl Write, host: &str) -> fmt::Result {
    match split(host, b'%') {
        _ if !host.bytes().any(|letter| letter == b':') => f.write_str(host),
        (address, Some(zone)) => write!(f, "[{address}%25{zone}]"),
        (address, None) => write!(f, "[{address}]"),
    }
}
