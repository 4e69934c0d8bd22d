//! What of an endpoint string may be printed, even if it is malformed.

use alloc::borrow::Cow;
use alloc::string::String;

use crate::escape::HIDDEN;

/// The text before the first of some ASCII bytes, and the text from there on.
pub(super) fn split_before<'a>(text: &'a str, at: &[u8]) -> (&'a str, &'a str) {
    let place = text.bytes().position(|byte| at.contains(&byte));
    // Not by an index, which would bring the panic for a bad one.
    place.and_then(|place| text.split_at_checked(place)).unwrap_or((text, ""))
}

/// The texts before and after the first of some ASCII byte.
pub(super) fn split_at(text: &str, at: u8) -> Option<(&str, &str)> {
    let (before, after) = split_before(text, &[at]);
    Some((before, after.get(1..)?))
}

/// Tells if [`redacted`] certainly shows what stands there.
pub(super) fn is_shown(text: &str, at: usize) -> bool {
    !text.bytes().any(|byte| byte == b'@')
        && !text.bytes().take(at).any(|byte| b"?#".contains(&byte))
        && hidden_port(text).is_none_or(|from| at < from)
}

/// Returns the length of the scheme with the delimiter that follows it; 0 if there is none.
fn scheme_len(text: &str) -> usize {
    let (before, after) = split_before(text, b":");
    match after {
        // No scheme has an `@`, but users may look like one.
        _ if split_at(before, b'@').is_some() => 0,
        _ if after.starts_with("://") => before.len() + 3,
        _ if after.starts_with(":/") => before.len() + 1,
        _ => 0,
    }
}

/// Finds the place behind the colon of a port that is not a number. Without an `@`, it may be a
/// password whose host was forgotten, or whose `@` is encoded.
fn hidden_port(text: &str) -> Option<usize> {
    let (shown, _) = split_before(text, b"?#");
    let rest = shown.get(scheme_len(shown)..)?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (authority, path) = split_before(rest, b"/");
    let bracketed = authority.strip_prefix('[').and_then(|address| split_at(address, b']'));
    let (_, port) = split_before(bracketed.map_or(authority, |(_, rest)| rest), b":");
    // A line feed at the end belongs to what the string was read from.
    let port = port.get(1..).filter(|port| !port.trim_ascii_end().bytes().all(|c| c.is_ascii_digit()))?;
    Some(shown.len() - path.len() - port.len())
}

/// Errors are logged: whatever may be user information (RFC 3986, section 3.2.1) or part of a query
/// is left out, even of a malformed string. If a `?` or `#` comes before an `@`, the parts cannot
/// be told apart. Then everything after the scheme is hidden.
pub(super) fn redacted(text: &str) -> String {
    let (shown, query) = split_before(text, b"?#");
    let scheme = scheme_len(shown);
    let cut = |range| shown.get(range).unwrap_or_default();
    let place = |text: &str| text.bytes().rposition(|byte| byte == b'@');
    match (place(query), place(shown)) {
        (Some(_), _) => [cut(0..scheme), HIDDEN].concat(),
        (None, Some(at)) => {
            let query = if query.is_empty() { "" } else { HIDDEN };
            [cut(0..scheme), HIDDEN, cut(at..shown.len()), query].concat()
        }
        (None, None) => {
            let (shown, port) = hidden_port(text).map_or((shown, ""), |from| (cut(0..from), HIDDEN));
            [shown, port, query.get(..1).unwrap_or_default(), if query.len() > 1 { HIDDEN } else { "" }].concat()
        }
    }
}

/// Enough of a string for a message.
pub(super) fn short(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN).and_then(|(end, _)| text.get(..end)) {
        Some(start) => [start, "…"].concat().into(),
        None => text.into(),
    }
}
