//! The length that unfinished input needs.
//!
//! rustls processes whole records, and whole handshake messages that lie side by side:
//!
//! ```text
//!   record header        message header           record header
//!   22  3 1  0 10        1  0 1 4   ……            22  3 1  0 250      …
//!            └─ 10 bytes    └─ 260 bytes: goes on in the next record
//!
//!   needed: 5 + 4 + 260 + 5 bytes, with the header of that next record
//! ```

/// The length of the header of a record.
pub(crate) const HEADER: usize = 5;

/// Returns the length of input at which rustls has something new to process, as far as the headers
/// tell. `input` begins with the header of a record.
pub(crate) fn needed_length(input: &[u8]) -> usize {
    const HANDSHAKE: u8 = 22;
    let Some(&[kind, _, _, high, low]) = input.first_chunk() else { return HEADER };
    let record = HEADER + usize::from(u16::from_be_bytes([high, low]));
    if input.len() < record {
        return record;
    }
    // The record is whole and rustls left it here, so its last message goes on in the next record.
    // In clear text the header of that message tells its length. Other messages may lie in front.
    // In cipher text these bytes are noise, which only the limit of the caller bounds.
    let mut at = HEADER;
    while kind == HANDSHAKE
        && let Some(&[_, high, middle, low]) = input.get(at..).and_then(|message| message.first_chunk())
    {
        let end = at + 4 + (usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low));
        if end > record {
            return if end + HEADER > input.len() { end + HEADER } else { input.len() * 2 };
        }
        at = end;
    }
    input.len() * 2
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::needed_length;

    #[test]
    fn headers_tell_how_long_the_input_has_to_become() {
        // Of a record: nothing, a part of the header, the header, and a part of its payload.
        let record = [22, 3, 1, 1, 44, 0, 0, 0];
        for (len, expected) in [(0, 5), (4, 5), (5, 305), (8, 305)] {
            assert_eq!(needed_length(&record[..len]), expected, "{len} bytes");
        }
        // A message of 260 bytes and its header, of which one record of ten bytes has come. Then
        // the same with another message in front.
        assert_eq!(needed_length(&[22, 3, 1, 0, 10, 1, 0, 1, 4, 0, 0, 0, 0, 0, 0]), 5 + 4 + 260 + 5);
        assert_eq!(needed_length(&[22, 3, 1, 0, 10, 1, 0, 0, 1, 9, 2, 0, 1, 4, 9]), 5 + 5 + 4 + 260 + 5);
        // Records of one byte, after rustls has moved their bytes together. First with less than
        // the message's header tells, then with more, because of the headers in between.
        let mut parts = vec![22, 3, 1, 0, 1, 1, 0, 1, 4, 0, 0, 0, 22, 3, 1, 0, 1, 0];
        assert_eq!(needed_length(&parts), 5 + 4 + 260 + 5);
        parts.resize(300, 0);
        assert_eq!(needed_length(&parts), 600);
        // Sealed.
        assert_eq!(needed_length(&[23, 3, 3, 0, 4, 1, 0, 1, 4, 23, 3]), 2 * 11);
    }
}
