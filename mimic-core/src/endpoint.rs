//! Endpoint strings: where to connect, or to listen, as people write it.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
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

/// What a path means where it names a file: percent-decoded (RFC 3986, section 2.1).
pub(crate) fn decode(path: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            let low = bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            match (high, low) {
                (Some(high), Some(low)) => decoded.extend(u8::try_from(high * 16 + low)),
                _ => {
                    return Err(fault(
                        path,
                        "a `%` is not followed by two hexadecimal digits",
                        "write a percent sign as `%25`",
                    ));
                }
            }
        } else {
            decoded.push(byte);
        }
    }
    Ok(decoded)
}

impl FromStr for Endpoint {
    type Err = Error;

    /// Parses an endpoint string.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput), in [`Phase::Endpoint`], naming what is wrong and what to write.
    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = |reason: &str, advice: &'static str| fault(text, reason, advice);
        if text.len() > Self::MAX_LEN {
            let reason = format!("{} bytes are too many, the limit is {}", text.len(), Self::MAX_LEN);
            return Err(fault(&reason, "give a shorter endpoint"));
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic()) {
            let (reason, advice) = match bad {
                ' ' => ("it contains a space".into(), "percent-encode it as `%20` in a path, remove it elsewhere"),
                c if c.is_ascii() => (format!("it contains the control character {c:?}"), "remove it"),
                c => {
                    let reason = format!("it contains {c:?}, which is not ASCII");
                    (reason, "write a host in its `xn--` form (IDNA) and percent-encode a path")
                }
            };
            return Err(fault(&reason, advice));
        }
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| fault("it has no scheme", "write for example `tcp://host:port` or `unix:/path`"))?;
        let mut letters = scheme.bytes();
        if !letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            || !letters.all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
        {
            return Err(fault(
                "the scheme is not a letter followed by letters, digits, `+`, `-` or `.`",
                "write for example `tcp://host:port`",
            ));
        }
        let scheme = Text::from(scheme.to_ascii_lowercase());

        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => match rest.find(['/', '?', '#']) {
                Some(end) => (&rest[..end], &rest[end..]),
                None => (rest, ""),
            },
            None if rest.starts_with('/') => ("", rest),
            None => {
                return Err(fault(
                    "neither `//` nor `/` follows the scheme",
                    "write `scheme://host:port` or `scheme:/path`",
                ));
            }
        };
        let (host, port) = match authority {
            "" if path.is_empty() || !path.starts_with('/') => {
                return Err(fault("the host is empty", "write `scheme://host:port` or `scheme:///path`"));
            }
            "" => (None, None),
            authority => {
                let (host, port) = parse_authority(authority).map_err(|(reason, advice)| fault(&reason, advice))?;
                (Some(host), port)
            }
        };
        let path = match (path.split_once('#'), &host) {
            (Some((path, _fragment)), Some(_)) => path,
            (None, Some(_)) => path,
            (_, None) if path.contains(['?', '#']) => {
                return Err(fault(
                    "a path without a host has no query and no fragment",
                    "write `?` as `%3F` and `#` as `%23`",
                ));
            }
            (_, None) => path,
        };
        decode(path)
            .map_err(|_| fault("a `%` is not followed by two hexadecimal digits", "write a percent sign as `%25`"))?;
        let path = match path.bytes().next() {
            None => None,
            Some(b'/') => Some(Text::from(path)),
            // `http://host?query` has the path `/`.
            Some(_) => Some(Text::from(format!("/{path}"))),
        };
        Ok(Self { scheme, host, port, path })
    }
}

type Fault = (String, &'static str);

fn parse_authority(authority: &str) -> Result<(Text, Option<u16>), Fault> {
    if authority.contains('@') {
        return Err((
            "it contains user information (`…@`)".into(),
            "remove it and give credentials to the client itself",
        ));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest
                .split_once(']')
                .ok_or(("the bracket of an IPv6 address is not closed".into(), "write `[::1]:port`"))?;
            if let Some((_, zone)) = host.split_once('%') {
                let zone = zone.strip_prefix("25").unwrap_or(zone);
                return Err((
                    format!("the zone id {:?} of a link-local address is not supported", short(zone)),
                    "dial the role Link with a SocketAddrV6 that has the scope id",
                ));
            }
            if host.parse::<Ipv6Addr>().is_err() {
                return Err((
                    format!("{:?} is not an IPv6 address", short(host)),
                    "only IPv6 addresses stand in brackets",
                ));
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err((format!("{:?} follows the bracket", short(rest)), "write `[::1]:port`")),
            }
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(("it has more than one `:`".into(), "put an IPv6 address in brackets: `[::1]:port`"));
                }
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            if host.is_empty() {
                return Err(("the host is empty".into(), "write `scheme://host:port`"));
            }
            if host.contains('%') {
                return Err(("the host is percent-encoded".into(), "write a host in its `xn--` form (IDNA)"));
            }
            if let Some(bad) = host.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._".contains(*c))) {
                return Err((
                    format!("a host cannot contain {bad:?}"),
                    "a host is a name, an IPv4 address or `[IPv6]`",
                ));
            }
            if host.len() > 253 {
                return Err((format!("a host of {} bytes is too long, DNS allows 253", host.len()), "check the host"));
            }
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some("") => return Err(("the port is empty".into(), "write a number from 1 to 65535 after `:`")),
        Some(digits) if !digits.bytes().all(|c| c.is_ascii_digit()) => {
            // Without the digits, which may belong to a password: `user:pass/word@host`.
            return Err(("the port is not a number".into(), "write a number from 1 to 65535 after `:`"));
        }
        Some(digits) => match digits.parse() {
            Ok(port) => Some(port),
            Err(_) => return Err(("the port is above 65535".into(), "write a number from 1 to 65535")),
        },
    };
    Ok((host.to_ascii_lowercase().into(), port))
}

fn fault(text: &str, reason: &str, advice: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, reason.to_string())
        .in_phase(Phase::Endpoint)
        .to_target(short(&without_user(text)).escape_debug())
        .advise(advice)
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
