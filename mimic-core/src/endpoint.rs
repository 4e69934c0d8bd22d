//! Endpoint strings: where to connect, or to listen, as people write it.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use embedded_io_async::ErrorKind;

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
        parse(text).map_err(|fault| error(text, fault))
    }
}

/// What a path means where it names a file: percent-decoded (RFC 3986, section 2.1).
pub(crate) fn decode(path: &str) -> Result<Vec<u8>, Error> {
    percent_decode(path).map_err(|fault| error(path, fault))
}

/// What is wrong, and what to write.
type Fault = (Cow<'static, str>, &'static str);

fn fault<T>(reason: impl Into<Cow<'static, str>>, advice: &'static str) -> Result<T, Fault> {
    Err((reason.into(), advice))
}

fn error(text: &str, (reason, advice): Fault) -> Error {
    Error::new(ErrorKind::InvalidInput, reason)
        .in_phase(Phase::Endpoint)
        .to_target(short(&without_user(text)).escape_debug())
        .advise(advice)
}

fn percent_decode(path: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => decoded.extend(u8::try_from(high * 16 + low)),
            _ => return fault("a `%` is not followed by two hexadecimal digits", "write a percent sign as `%25`"),
        }
    }
    Ok(decoded)
}

fn parse(text: &str) -> Result<Endpoint, Fault> {
    if text.len() > Endpoint::MAX_LEN {
        let reason = format!("{} bytes are too many, the limit is {}", text.len(), Endpoint::MAX_LEN);
        return fault(reason, "give a shorter endpoint");
    }
    match text.chars().find(|c| !c.is_ascii_graphic()) {
        None => {}
        Some(' ') => {
            return fault("it contains a space", "percent-encode it as `%20` in a path, remove it elsewhere");
        }
        Some(c) if c.is_ascii() => return fault(format!("it contains the control character {c:?}"), "remove it"),
        Some(c) => {
            let advice = "write a host in its `xn--` form (IDNA) and percent-encode a path";
            return fault(format!("it contains {c:?}, which is not ASCII"), advice);
        }
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return fault("it has no scheme", "write for example `tcp://host:port` or `unix:/path`");
    };
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        || !scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
    {
        let reason = "the scheme is not a letter followed by letters, digits, `+`, `-` or `.`";
        return fault(reason, "write for example `tcp://host:port`");
    }
    let scheme = Text::from(scheme.to_ascii_lowercase());

    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None if rest.starts_with('/') => ("", rest),
        None => {
            return fault("neither `//` nor `/` follows the scheme", "write `scheme://host:port` or `scheme:/path`");
        }
    };
    let (host, port) = match authority {
        "" if !path.starts_with('/') => {
            return fault("the host is empty", "write `scheme://host:port` or `scheme:///path`");
        }
        "" if path.contains(['?', '#']) => {
            let reason = "a path without a host has no query and no fragment";
            return fault(reason, "write `?` as `%3F` and `#` as `%23`");
        }
        "" => (None, None),
        authority => {
            let (host, port) = parse_authority(authority)?;
            (Some(host), port)
        }
    };
    // The fragment is the client's.
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    percent_decode(path)?;
    let path = match path.bytes().next() {
        None => None,
        Some(b'/') => Some(Text::from(path)),
        // `http://host?query` has the path `/`.
        Some(_) => Some(Text::from(format!("/{path}"))),
    };
    Ok(Endpoint { scheme, host, port, path })
}

fn parse_authority(authority: &str) -> Result<(Text, Option<u16>), Fault> {
    if authority.contains('@') {
        let advice = "remove it and give credentials to the client itself";
        return fault("it contains user information (`…@`)", advice);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => parse_bracketed(rest)?,
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return fault("it has more than one `:`", "put an IPv6 address in brackets: `[::1]:port`");
                }
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            if host.is_empty() {
                return fault("the host is empty", "write `scheme://host:port`");
            }
            if host.contains('%') {
                return fault("the host is percent-encoded", "write a host in its `xn--` form (IDNA)");
            }
            if let Some(bad) = host.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._".contains(*c))) {
                let reason = format!("a host cannot contain {bad:?}");
                return fault(reason, "a host is a name, an IPv4 address or `[IPv6]`");
            }
            if host.len() > 253 {
                let reason = format!("a host of {} bytes is too long, DNS allows 253", host.len());
                return fault(reason, "check the host");
            }
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some("") => return fault("the port is empty", "write a number from 1 to 65535 after `:`"),
        // Without the digits, which may belong to a password: `user:pass/word@host`.
        Some(digits) if !digits.bytes().all(|c| c.is_ascii_digit()) => {
            return fault("the port is not a number", "write a number from 1 to 65535 after `:`");
        }
        Some(digits) => match digits.parse() {
            Ok(port) => Some(port),
            Err(_) => return fault("the port is above 65535", "write a number from 1 to 65535"),
        },
    };
    Ok((host.to_ascii_lowercase().into(), port))
}

/// An IPv6 address, after its opening bracket, and the port.
fn parse_bracketed(rest: &str) -> Result<(&str, Option<&str>), Fault> {
    let Some((host, rest)) = rest.split_once(']') else {
        return fault("the bracket of an IPv6 address is not closed", "write `[::1]:port`");
    };
    if let Some((_, zone)) = host.split_once('%') {
        let zone = zone.strip_prefix("25").unwrap_or(zone);
        let reason = format!("the zone id {:?} of a link-local address is not supported", short(zone));
        return fault(reason, "dial the role Link with a SocketAddrV6 that has the scope id");
    }
    if host.parse::<Ipv6Addr>().is_err() {
        let reason = format!("{:?} is not an IPv6 address", short(host));
        return fault(reason, "only IPv6 addresses stand in brackets");
    }
    match rest.strip_prefix(':') {
        None if !rest.is_empty() => fault(format!("{:?} follows the bracket", short(rest)), "write `[::1]:port`"),
        port => Ok((host, port)),
    }
}

/// Errors are logged: whatever may be a password is left out (RFC 3986, section 3.2.1), even of a malformed string.
fn without_user(text: &str) -> Cow<'_, str> {
    match (text.find(':'), text.rfind('@')) {
        (Some(colon), Some(at)) if colon < at => format!("{}…{}", &text[..=colon], &text[at..]).into(),
        _ => text.into(),
    }
}

/// Enough of a string for a message.
fn short(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
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
