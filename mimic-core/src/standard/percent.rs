//! Percent-encoding: `a%20b` is `a b`.

use alloc::vec::Vec;

use super::redact::{fault, located};
use crate::Error;

/// Decodes the percent-encoding of a part of an endpoint (RFC 3986, section 2.1), such as the value
/// of [`Path`](crate::Path) or of [`Query`](crate::Query). A `+` stays one.
///
/// Split the part at its delimiters first: an encoded one (`%2F`, `%26`) belongs to the text.
///
/// ```
/// # use mimic_core::{Context, Error, Query, percent_decode};
/// let ctx = Context::new().with_url("mqtt://host/?topic=a%26b&id=7")?;
/// let query = ctx.get(Query).unwrap();
/// let values: Vec<_> = query.split('&').map(percent_decode).collect::<Result<_, _>>()?;
/// assert_eq!(values, [&b"topic=a&b"[..], b"id=7"]);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// [`InvalidInput`](crate::ErrorKind::InvalidInput), in [`Phase::Endpoint`](crate::Phase::Endpoint), if two hexadecimal digits do
/// not follow a `%`. It does not repeat the text, which may be secret.
pub fn percent_decode(text: &str) -> Result<Vec<u8>, Error> {
    let mut decoded = Vec::with_capacity(text.len());
    decode_each(text, |byte| decoded.push(byte))?;
    Ok(decoded)
}

/// Decodes a path, which the error names.
pub(super) fn decode_path(path: &str) -> Result<Vec<u8>, Error> {
    percent_decode(path).map_err(|error| located(error, path))
}

/// Calls `decoded` with each byte of the decoded text.
pub(super) fn decode_each(text: &str, mut decoded: impl FnMut(u8)) -> Result<(), Error> {
    let mut bytes = text.bytes();
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
