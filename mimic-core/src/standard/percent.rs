//! Percent-encoding: `a%20b` is `a b`.

use alloc::vec::Vec;

use super::redact::{check, located};
use crate::Error;

/// Decodes the percent-encoding of a part of an endpoint (RFC 3986, section 2.1), such as the value
/// of [`Path`](crate::Path) or of [`Query`](crate::Query). A `+` stays one.
///
/// Split the part at its delimiters first: an encoded one (`%2F`, `%26`) belongs to the text.
///
/// ```
/// # use mimic_core::{Context, Error};
/// # use mimic_core::adapter::percent_decode;
/// # use mimic_core::keys::Query;
/// let ctx = Context::new().with_url("mqtt://host/?topic=a%26b&id=7")?;
/// let query = ctx.get(Query).unwrap();
/// let values: Vec<_> = query.split('&').map(percent_decode).collect::<Result<_, _>>()?;
/// assert_eq!(values, [&b"topic=a&b"[..], b"id=7"]);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// [`InvalidInput`](crate::ErrorKind::InvalidInput), in
/// [`Phase::Endpoint`](crate::Phase::Endpoint), if two hexadecimal digits do not follow a `%`. It
/// does not repeat the text, which may be secret.
pub fn percent_decode(text: &str) -> Result<Vec<u8>, Error> {
    check_encoding(text)?;
    // Of its final size, so that no copy of a password stays behind when it grows.
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().map_or(0, |digit| (digit & 15) + if digit > b'9' { 9 } else { 0 });
        decoded.push(if byte == b'%' { digit() << 4 | digit() } else { byte });
    }
    Ok(decoded)
}

/// Decodes a path, which the error names.
pub(super) fn decode_path(path: &str) -> Result<Vec<u8>, Error> {
    percent_decode(path).map_err(|error| located(error, path))
}

/// Checks that two hexadecimal digits follow each `%`.
pub(super) fn check_encoding(text: &str) -> Result<(), Error> {
    let mut encoded = text.as_bytes().split(|byte| *byte == b'%').skip(1);
    let is_right = encoded.all(|part| part.len() >= 2 && part.iter().take(2).all(u8::is_ascii_hexdigit));
    check(is_right, "a `%` is not followed by two hexadecimal digits", "write a percent sign as `%25`")
}
