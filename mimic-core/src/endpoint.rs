//! Endpoint strings: where to connect, or to listen, as people write it.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use embedded_io_async::ErrorKind;

use crate::text::Plain;
use crate::{Error, Phase, Text};

/// A parsed endpoint string: `tcp://example.org:7`, `http://[::1]/index.html`, `unix:/run/app.sock`.
///
/// The grammar is RFC 3986's, with less: `scheme:///path` or `scheme:/path`, or
/// `scheme://host[:port][/path[?query]]`. Schemes and hosts are lowered to ASCII lower case. An IPv6 address stands in
/// brackets (and without them here). A fragment is dropped: it is for the client. Not accepted, each with an error
/// that names it: user information, zone ids, percent-encoding in a host, any character outside ASCII, spaces, and
/// more than [`MAX_LEN`](Endpoint::MAX_LEN) bytes.
///
/// Which schemes exist is not known here but by the candidates of [`Stream`](crate::Stream) and
/// [`Listen`](crate::Listen).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The scheme, in lower case.
    pub scheme: Text,
    /// The host: a name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: Option<Text>,
    /// The port, if one was given.
    pub port: Option<u16>,
    /// The path and query as they were written (still percent-encoded), if there is one. Starts with `/`.
    pub path: Option<Text>,
}

impl Endpoint {
    /// The longest endpoint string that is read, in bytes (RFC 9110, section 4.1, asks for at least 8000).
    pub const MAX_LEN: usize = 8192;
}

impl FromStr for Endpoint {
    type Err = Error;

    /// Parses an endpoint string.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput), in [`Phase::Endpoint`], naming what is wrong and what to write.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|error| located(error, text))
    }
}

/// What a path means where it names a file: percent-decoded (RFC 3986, section 2.1).
pub(crate) fn decode(path: &str) -> Result<Vec<u8>, Error> {
    let mut decoded = Vec::with_capacity(path.len());
    percent_decode(path, |byte| decoded.push(byte)).map_err(|error| located(error, path))?;
    Ok(decoded)
}

/// What is wrong, and what to write.
#[cold]
#[inline(never)]
fn fault(reason: impl Into<Cow<'static, str>>, advice: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, reason).in_phase(Phase::Endpoint).advise(advice)
}

fn located(error: Error, text: &str) -> Error {
    error.to_target(Plain(&short(&without_user(text))))
}

fn percent_decode(path: &str, mut decoded: impl FnMut(u8)) -> Result<(), Error> {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => u8::try_from(high * 16 + low).into_iter().for_each(&mut decoded),
            _ => return Err(fault("a `%` is not followed by two hexadecimal digits", "write a percent sign as `%25`")),
        }
    }
    Ok(())
}

/// The text before the first of some ASCII bytes, and the text from there on.
fn split_before<'a>(text: &'a str, at: &[u8]) -> (&'a str, &'a str) {
    let place = text.bytes().position(|byte| at.contains(&byte));
    // Not by an index, which would bring the panic for a bad one.
    place.and_then(|place| text.split_at_checked(place)).unwrap_or((text, ""))
}

/// The texts before and after the first of some ASCII byte.
fn split_at(text: &str, at: u8) -> Option<(&str, &str)> {
    let (before, after) = split_before(text, &[at]);
    Some((before, after.get(1..)?))
}

fn parse(text: &str) -> Result<Endpoint, Error> {
    if text.len() > Endpoint::MAX_LEN {
        let reason = format!("{} bytes are too many, the limit is {}", text.len(), Endpoint::MAX_LEN);
        return Err(fault(reason, "give a shorter endpoint"));
    }
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic()) {
        let (what, why, advice) = match bad {
            ' ' => ("a space", "", "percent-encode it as `%20` in a path, remove it elsewhere"),
            _ if bad.is_ascii() => ("the control character ", "", "remove it"),
            _ => ("", ", which is not ASCII", "write a host in its `xn--` form (IDNA) and percent-encode a path"),
        };
        let reason = if bad == ' ' { String::new() } else { quoted(bad) };
        return Err(fault(["it contains ", what, &reason, why].concat(), advice));
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

    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => split_before(rest, b"/?#"),
        None if rest.starts_with('/') => ("", rest),
        None => {
            let advice = "write `scheme://host:port` or `scheme:/path`";
            return Err(fault("neither `//` nor `/` follows the scheme", advice));
        }
    };
    let (host, port) = match authority {
        "" if !path.starts_with('/') => {
            return Err(fault("the host is empty", "write `scheme://host:port` or `scheme:///path`"));
        }
        "" if path.bytes().any(|c| b"?#".contains(&c)) => {
            let reason = "a path without a host has no query and no fragment";
            return Err(fault(reason, "write `?` as `%3F` and `#` as `%23`"));
        }
        "" => (None, None),
        authority => {
            let (host, port) = parse_authority(authority)?;
            (Some(Text::from(host.to_ascii_lowercase())), port)
        }
    };
    // The fragment is the client's.
    let (path, _) = split_before(path, b"#");
    percent_decode(path, |_| ())?;
    let path = match path.bytes().next() {
        None => None,
        Some(b'/') => Some(Text::from(path)),
        // `http://host?query` has the path `/`.
        Some(_) => Some(Text::from(["/", path].concat())),
    };
    Ok(Endpoint { scheme, host, port, path })
}

fn parse_authority(authority: &str) -> Result<(&str, Option<u16>), Error> {
    if authority.bytes().any(|c| c == b'@') {
        let advice = "remove it and give credentials to the client itself";
        return Err(fault("it contains user information (`…@`)", advice));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => parse_bracketed(rest)?,
        None => {
            let (host, port) = match split_at(authority, b':') {
                Some((_, port)) if port.bytes().any(|c| c == b':') => {
                    return Err(fault("it has more than one `:`", "put an IPv6 address in brackets: `[::1]:port`"));
                }
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            if host.is_empty() {
                return Err(fault("the host is empty", "write `scheme://host:port`"));
            }
            match host.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.' | '_')) {
                None => {}
                Some('%') => {
                    return Err(fault("the host is percent-encoded", "write a host in its `xn--` form (IDNA)"));
                }
                Some(bad) => {
                    let reason = ["a host cannot contain ", &quoted(bad)].concat();
                    return Err(fault(reason, "a host is a name, an IPv4 address or `[IPv6]`"));
                }
            }
            if host.len() > 253 {
                let reason = format!("a host of {} bytes is too long, DNS allows 253", host.len());
                return Err(fault(reason, "check the host"));
            }
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some("") => return Err(fault("the port is empty", "write a number from 1 to 65535 after `:`")),
        // Without the digits, which may belong to a password: `user:pass/word@host`.
        Some(digits) if !digits.bytes().all(|c| c.is_ascii_digit()) => {
            return Err(fault("the port is not a number", "write a number from 1 to 65535 after `:`"));
        }
        Some(digits) => match digits.parse() {
            Ok(port) => Some(port),
            Err(_) => return Err(fault("the port is above 65535", "write a number from 1 to 65535")),
        },
    };
    Ok((host, port))
}

/// An IPv6 address, after its opening bracket, and the port.
fn parse_bracketed(rest: &str) -> Result<(&str, Option<&str>), Error> {
    let Some((host, rest)) = split_at(rest, b']') else {
        return Err(fault("the bracket of an IPv6 address is not closed", "write `[::1]:port`"));
    };
    let about = |before: &str, text: &str, after: &str, advice| {
        let text = short(text);
        Err(fault([before, "\"", &text, "\"", after].concat(), advice))
    };
    if let Some((_, zone)) = split_at(host, b'%') {
        let zone = zone.strip_prefix("25").unwrap_or(zone);
        let advice = "dial the role Link with a SocketAddrV6 that has the scope id";
        return about("the zone id ", zone, " of a link-local address is not supported", advice);
    }
    if host.parse::<Ipv6Addr>().is_err() {
        return about("", host, " is not an IPv6 address", "only IPv6 addresses stand in brackets");
    }
    match rest.strip_prefix(':') {
        None if !rest.is_empty() => about("", rest, " follows the bracket", "write `[::1]:port`"),
        port => Ok((host, port)),
    }
}

fn quoted(letter: char) -> String {
    format!("'{}'", Plain(letter.encode_utf8(&mut [0; 4])))
}

/// Errors are logged: whatever may be a password is left out (RFC 3986, section 3.2.1), even of a malformed string.
fn without_user(text: &str) -> Cow<'_, str> {
    let place = |wanted| text.bytes().position(|byte| byte == wanted);
    match (place(b':'), text.bytes().rposition(|byte| byte == b'@')) {
        (Some(colon), Some(at)) if colon < at => {
            let cut = |range| text.get(range).unwrap_or_default();
            [cut(0..colon + 1), "…", cut(at..text.len())].concat().into()
        }
        _ => text.into(),
    }
}

/// Enough of a string for a message.
fn short(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN).and_then(|(end, _)| text.get(..end)) {
        Some(start) => [start, "…"].concat().into(),
        None => text.into(),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        if let Some(host) = &self.host {
            f.write_str("//")?;
            write_host(f, host)?;
            if let Some(port) = self.port {
                write!(f, ":{port}")?;
            }
        }
        match (&self.host, &self.path) {
            // Or the path would be read as a host.
            (None, Some(path)) if path.starts_with("//") => write!(f, "//{path}"),
            (_, Some(path)) => f.write_str(path),
            (_, None) => Ok(()),
        }
    }
}

/// An IPv6 address goes into brackets.
pub(crate) fn write_host(f: &mut fmt::Formatter<'_>, host: &str) -> fmt::Result {
    if host.contains(':') { write!(f, "[{host}]") } else { f.write_str(host) }
}
