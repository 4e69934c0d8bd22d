//! Printing for people without the tables of `Debug`, which take flash.
//!
//! ```text
//!   written                  Escaped             clean
//!   a "quote"                a \"quote\"         a "quote"
//!   a line feed              \n                  \n
//!   ESC [31m, an order       \u{1b}[31m          \u{1b}[31m
//!   a letter of Arabic       \u{645}             as it is: no alphabet is lost
//! ```
//!
//! [`Escaped`] quotes a name inside a line. [`clean`] makes a text of others a part of a line.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::any::Any;
use core::fmt::{self, Write};
use core::time::Duration;

/// Stands for text that must not be printed. No endpoint string may contain it, so that no printed
/// one is parsed as another.
pub(crate) const HIDDEN: &str = "…";

/// Prints by `Debug` as by `Display`: a derived `Debug` takes more flash.
macro_rules! debug_as_display {
    ($type:ty) => {
        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(crate) use debug_as_display;

/// Prints text for people. Escapes all that a terminal may take for more than letters. Works as
/// `str::escape_debug` without its tables of all Unicode, which take 3 KiB: it knows ASCII and some
/// alphabets, and escapes the others.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

/// Latin, Greek and Cyrillic; Japanese, Chinese and Korean; and the ellipsis of [`HIDDEN`].
#[rustfmt::skip]
const LETTERS: [(char, char); 10] = [
    (' ', '~'), ('\u{a1}', '\u{ac}'), ('\u{ae}', '\u{2ff}'), ('\u{391}', '\u{3a1}'), ('\u{3a3}', '\u{482}'),
    ('\u{48a}', '\u{52f}'), ('…', '…'), ('\u{3041}', '\u{3096}'), ('\u{4e00}', '\u{9fff}'), ('\u{ac00}', '\u{d7a3}'),
];

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            _ if is_in(&LETTERS, letter) => f.write_char(letter),
            _ => escape(f, letter),
        })
    }
}

/// Characters that move the cursor, give orders to a terminal, or change the order in which letters
/// are read: C0, DEL, C1, the soft hyphen, and the marks, joiners, separators, overrides and tags
/// of Unicode that have no width.
#[rustfmt::skip]
const UNSEEN: [(char, char); 11] = [
    ('\0', '\u{1f}'), ('\u{7f}', '\u{9f}'), ('\u{ad}', '\u{ad}'), ('\u{61c}', '\u{61c}'),
    ('\u{180e}', '\u{180e}'), ('\u{200b}', '\u{200f}'), ('\u{2028}', '\u{202e}'), ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'), ('\u{fff9}', '\u{fffb}'), ('\u{e0000}', '\u{e007f}'),
];

fn is_in(ranges: &[(char, char)], letter: char) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter))
}

fn escape(to: &mut dyn Write, letter: char) -> fmt::Result {
    match letter {
        '\0' => to.write_str("\\0"),
        '\t' => to.write_str("\\t"),
        '\n' => to.write_str("\\n"),
        '\r' => to.write_str("\\r"),
        _ => write!(to, "\\u{{{:x}}}", u32::from(letter)),
    }
}

/// Writes text to another writer with every [`UNSEEN`] character escaped. Writing its output again
/// changes nothing. For the text of others that becomes part of a line: names, paths, errors of the
/// system and of peers.
pub(crate) struct Clean<'a>(pub(crate) &'a mut dyn Write);

impl Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match is_in(&UNSEEN, letter) {
            true => escape(self.0, letter),
            false => self.0.write_char(letter),
        })
    }
}

/// Formats through [`Clean`].
pub(crate) fn clean(text: fmt::Arguments<'_>) -> String {
    let mut cleaned = String::new();
    // A `String` takes everything.
    let _ = Clean(&mut cleaned).write_fmt(text);
    cleaned
}

/// Works as [`clean`], and copies only a text that must be changed.
pub(crate) fn cleaned(text: Cow<'static, str>) -> Cow<'static, str> {
    match text.chars().any(|letter| is_in(&UNSEEN, letter)) {
        true => clean(format_args!("{text}")).into(),
        false => text,
    }
}

/// Formats a value as `Debug` does. A string is formatted without the tables of `Debug`; the
/// compiler decides which of the two it is.
pub(crate) fn debug<T: fmt::Debug + 'static>(value: &T) -> String {
    match (value as &dyn Any).downcast_ref::<&'static str>() {
        Some(text) => format!("\"{}\"", Escaped(text)),
        None => clean(format_args!("{value:?}")),
    }
}

/// Prints a duration as its `Debug` does, which can do more and takes 2 KiB.
pub(crate) struct ShortDuration(pub(crate) Duration);

impl fmt::Display for ShortDuration {
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
    use alloc::string::ToString;

    use super::{Duration, Escaped, ShortDuration, clean};

    #[test]
    fn a_short_duration_is_that_of_debug() {
        for nanos in [0, 1, 999, 1_000, 1_500, 999_999, 1_000_000, 250_000_000, 999_999_999, 1_000_000_000] {
            for more in [0, 10, 1_234, 5_000_000, 30_000_000_000, 86_400_000_000_000] {
                let duration = Duration::from_nanos(nanos + more);
                assert_eq!(format!("{}", ShortDuration(duration)), format!("{duration:?}"));
            }
        }
        assert_eq!(format!("{}", ShortDuration(Duration::MAX)), format!("{:?}", Duration::MAX));
    }

    #[test]
    fn plain_text_escapes_what_debug_escapes() {
        let last = if cfg!(miri) { '\u{400}' } else { char::MAX };
        for letter in ('\0'..=last).filter(|letter| *letter != '\'') {
            let escaped = format!("{}", letter.escape_debug());
            let plain = format!("{}", Escaped(letter.encode_utf8(&mut [0; 4])));
            // Or more.
            let more = !letter.is_ascii() && plain == format!("{}", letter.escape_unicode());
            assert!(plain == escaped || more, "{plain} {escaped}");
        }
        assert_eq!(format!("{}", Escaped("Bücher\u{202e}.例")), "Bücher\\u{202e}.例");
    }

    #[test]
    fn clean_text_has_no_character_that_is_not_seen_and_stays_as_it_is() {
        // By Unicode, and not by the table that is tested: the controls (Cc), the soft hyphen, the
        // Arabic letter mark, the Mongolian vowel separator, the spaces without width and the marks
        // of direction, the separators and overrides, the joiners, operators and isolates, the mark
        // of byte order, the annotations, the tags.
        let unseen = |letter: char| {
            let cleaned = clean(format_args!("{letter}"));
            assert_eq!(clean(format_args!("{cleaned}")), cleaned);
            assert!(!cleaned.chars().any(char::is_control), "{cleaned:?}");
            assert!(cleaned == letter.to_string() || cleaned.is_ascii(), "{cleaned:?}");
            cleaned != letter.to_string()
        };
        #[rustfmt::skip]
        let ends = [
            ('\u{0}', '\u{1f}'), ('\u{7f}', '\u{9f}'), ('\u{ad}', '\u{ad}'), ('\u{61c}', '\u{61c}'),
            ('\u{180e}', '\u{180e}'), ('\u{200b}', '\u{200f}'), ('\u{2028}', '\u{202e}'), ('\u{2060}', '\u{206f}'),
            ('\u{feff}', '\u{feff}'), ('\u{fff9}', '\u{fffb}'), ('\u{e0000}', '\u{e007f}'),
        ];
        for (first, last) in ends {
            assert!((first..=last).all(unseen), "{first:?} to {last:?}");
        }
        // All else is left to readers of other alphabets: on either side of each range, and
        // between them.
        #[rustfmt::skip]
        let others = [
            ('\u{20}', '\u{7e}'), ('\u{a0}', '\u{ac}'), ('\u{ae}', '\u{61b}'), ('\u{61d}', '\u{180d}'),
            ('\u{180f}', '\u{200a}'), ('\u{2010}', '\u{2027}'), ('\u{202f}', '\u{205f}'), ('\u{2070}', '\u{fefe}'),
            ('\u{ff00}', '\u{fff8}'), ('\u{fffc}', '\u{dffff}'), ('\u{e0080}', char::MAX),
        ];
        for (first, last) in others {
            let last = if cfg!(miri) { first } else { last };
            assert!(!(first..=last).any(unseen), "{first:?} to {last:?}");
        }
        assert_eq!(
            clean(format_args!("{}\n{}", "\u{1b}[31m", "\"Bücher\" \\ مثال")),
            "\\u{1b}[31m\\n\"Bücher\" \\ مثال"
        );
    }
}
