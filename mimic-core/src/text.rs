//! Text that is cheap to clone and `Send` in every mode.

use alloc::format;
use alloc::string::String;
use core::any::Any;
use core::fmt::{self, Write};
use core::ops::Deref;
use core::time::Duration;

#[cfg(not(target_has_atomic = "ptr"))]
type Inner = alloc::boxed::Box<str>;
#[cfg(target_has_atomic = "ptr")]
type Inner = alloc::sync::Arc<str>;

/// An immutable string: the value of [`Scheme`](crate::Scheme), [`Host`](crate::Host) and [`Path`](crate::Path).
///
/// Cloning counts a reference; on targets without atomics it copies, because values must be `Send` there too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Inner);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Plain(self))
    }
}

/// Text for people: what a terminal may take for more than letters is escaped. As `str::escape_debug`, but without its
/// tables of all Unicode, which take 3 KiB: beside ASCII, it knows some alphabets, and escapes the others.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a str);

/// Latin, Greek and Cyrillic; Japanese, Chinese, Korean; and what this crate writes itself.
#[rustfmt::skip]
const LETTERS: [(char, char); 10] = [
    (' ', '~'), ('\u{a1}', '\u{ac}'), ('\u{ae}', '\u{2ff}'), ('\u{391}', '\u{3a1}'), ('\u{3a3}', '\u{482}'),
    ('\u{48a}', '\u{52f}'), ('…', '…'), ('\u{3041}', '\u{3096}'), ('\u{4e00}', '\u{9fff}'), ('\u{ac00}', '\u{d7a3}'),
];

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '\0' => f.write_str("\\0"),
            '\t' => f.write_str("\\t"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            _ if LETTERS.iter().any(|(first, last)| (*first..=*last).contains(&letter)) => f.write_char(letter),
            _ => write!(f, "\\u{{{:x}}}", u32::from(letter)),
        })
    }
}

/// A value as `Debug` prints it; a string without the tables of `Debug`: which it is, the compiler knows.
pub(crate) fn debug<T: fmt::Debug + 'static>(value: &T) -> String {
    match (value as &dyn Any).downcast_ref::<&'static str>() {
        Some(text) => format!("\"{}\"", Plain(text)),
        None => format!("{value:?}"),
    }
}

/// A duration for people, as its `Debug` prints it, which can do more and takes 2 KiB.
pub(crate) struct Brief(pub(crate) Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.subsec_nanos();
        let (whole, mut fraction, mut digits, unit) = match (self.0.as_secs(), nanos) {
            (0, 0..1_000) => (nanos.into(), 0, 0, "ns"),
            (0, 1_000..1_000_000) => (u64::from(nanos / 1_000), nanos % 1_000, 3, "µs"),
            (0, _) => (u64::from(nanos / 1_000_000), nanos % 1_000_000, 6, "ms"),
            (secs, _) => (secs, nanos, 9, "s"),
        };
        write!(f, "{whole}")?;
        if fraction > 0 {
            while fraction % 10 == 0 {
                fraction /= 10;
                digits -= 1;
            }
            write!(f, ".{fraction:0digits$}")?;
        }
        f.write_str(unit)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails panics")]

    use alloc::format;

    use super::{Brief, Duration, Plain};

    #[test]
    fn a_brief_duration_is_that_of_debug() {
        for nanos in [0, 1, 999, 1_000, 1_500, 999_999, 1_000_000, 250_000_000, 999_999_999, 1_000_000_000] {
            for more in [0, 10, 1_234, 5_000_000, 30_000_000_000, 86_400_000_000_000] {
                let duration = Duration::from_nanos(nanos + more);
                assert_eq!(format!("{}", Brief(duration)), format!("{duration:?}"));
            }
        }
        assert_eq!(format!("{}", Brief(Duration::MAX)), format!("{:?}", Duration::MAX));
    }

    #[test]
    fn plain_text_escapes_what_debug_escapes() {
        let last = if cfg!(miri) { '\u{400}' } else { char::MAX };
        for letter in ('\0'..=last).filter(|letter| *letter != '\'') {
            let escaped = format!("{}", letter.escape_debug());
            let plain = format!("{}", Plain(letter.encode_utf8(&mut [0; 4])));
            // Or more.
            let more = !letter.is_ascii() && plain == format!("{}", letter.escape_unicode());
            assert!(plain == escaped || more, "{plain} {escaped}");
        }
        assert_eq!(format!("{}", Plain("Bücher\u{202e}.例")), "Bücher\\u{202e}.例");
    }
}
