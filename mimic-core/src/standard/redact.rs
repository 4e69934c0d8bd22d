//! Errors of endpoint strings, which are logged and must show no secret.
//!
//! ```text
//! written                    shown
//! tcp://user:secret@host:x   tcp://…@host:x   before an `@`: user information
//! tcp://user:secret%40host   tcp://user:…     a port not of digits: maybe a password
//! http://host:x/path?secret  http://host:…?…  a query
//! http://host/?secret@word   http://…         `?` or `#` before an `@`: ambiguous
//! ```

use alloc::borrow::Cow;
use alloc::string::String;

use embedded_io_async::ErrorKind;

use crate::escape::{Escaped, HIDDEN};
use crate::{Error, Phase};

/// Makes an error of `reason` and what to write instead.
#[cold]
#[inline(never)]
pub(super) fn fault(reason: impl Into<Cow<'static, str>>, advice: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, reason).in_phase(Phase::Endpoint).advise(advice)
}

/// Returns a [`fault`] unless `is_right`.
pub(super) fn check(is_right: bool, reason: &'static str, advice: &'static str) -> Result<(), Error> {
    if is_right { Ok(()) } else { Err(fault(reason, advice)) }
}

/// Adds the endpoint string to its error.
pub(super) fn located(error: Error, text: &str) -> Error {
    error.to_target(Escaped(&short(&redacted(text))))
}

/// Returns the text before the first of some ASCII bytes, and the text from there on.
pub(super) fn split_before<'a>(text: &'a str, at: &[u8]) -> (&'a str, &'a str) {
    let place = text.bytes().position(|byte| at.contains(&byte));
    // Not by an index, which would bring the panic for a bad one.
    place.and_then(|place| text.split_at_checked(place)).unwrap_or((text, ""))
}

/// Returns the text before the first of an ASCII byte, and the text after it, if it is there.
pub(super) fn split(text: &str, at: u8) -> (&str, Option<&str>) {
    let (before, after) = split_before(text, &[at]);
    (before, after.get(1..))
}

/// Returns the length of the scheme with the delimiter that follows it; 0 if there is none.
fn scheme_len(text: &str) -> usize {
    let (before, after) = split_before(text, b":");
    match after {
        // No scheme has an `@`, but users may look like one.
        _ if before.bytes().any(|byte| byte == b'@') => 0,
        _ if after.starts_with("://") => before.len() + 3,
        _ if after.starts_with(":/") => before.len() + 1,
        _ => 0,
    }
}

/// Returns how many bytes at the beginning are certainly no secret. They end before a query, and
/// before a port that is not a number: without an `@`, that may be a password whose host was
/// forgotten, or whose `@` is encoded.
pub(super) fn shown_len(text: &str) -> usize {
    if text.bytes().any(|byte| byte == b'@') {
        return 0;
    }
    let (shown, _) = split_before(text, b"?#");
    let rest = shown.get(scheme_len(shown)..).unwrap_or_default();
    let (authority, path) = split_before(rest.strip_prefix("//").unwrap_or(rest), b"/");
    let bracketed = authority.strip_prefix('[').and_then(|address| split(address, b']').1);
    match split(bracketed.unwrap_or(authority), b':') {
        // A line feed at the end belongs to what the string was read from.
        (_, Some(port)) if !port.trim_ascii_end().bytes().all(|c| c.is_ascii_digit()) => {
            shown.len() - path.len() - port.len()
        }
        _ => shown.len(),
    }
}

/// Returns the text without what may be user information (RFC 3986, section 3.2.1) or part of a
/// query, even if it is malformed.
fn redacted(text: &str) -> String {
    let (shown, query) = split_before(text, b"?#");
    let last_at = |text: &str| text.bytes().rposition(|byte| byte == b'@');
    let scheme = text.get(..scheme_len(shown)).unwrap_or_default();
    match (last_at(query), last_at(shown)) {
        (Some(_), _) => [scheme, HIDDEN].concat(),
        (None, Some(at)) => {
            let query = if query.is_empty() { "" } else { HIDDEN };
            [scheme, HIDDEN, shown.get(at..).unwrap_or_default(), query].concat()
        }
        (None, None) => {
            let clear = shown.get(..shown_len(text)).unwrap_or_default();
            let port = if clear.len() < shown.len() { HIDDEN } else { "" };
            [clear, port, query.get(..1).unwrap_or_default(), if query.len() > 1 { HIDDEN } else { "" }].concat()
        }
    }
}

/// Cuts a text to a length that is enough for a message.
pub(super) fn short(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN).and_then(|(end, _)| text.get(..end)) {
        Some(start) => [start, HIDDEN].concat().into(),
        None => text.into(),
    }
}
