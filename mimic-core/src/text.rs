//! Text that is cheap to clone and `Send` in every mode.

use alloc::string::String;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use zeroize::Zeroizing;

#[cfg(not(target_has_atomic = "ptr"))]
use alloc::boxed::Box as Inner;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc as Inner;

use crate::escape::{Escaped, HIDDEN};

/// An immutable string: the value of [`Scheme`](crate::Scheme), [`Host`](crate::Host) and
/// [`Path`](crate::Path).
///
/// Cloning counts a reference; on targets without atomics it copies, because values must be `Send`
/// there too. `Display` prints the text as it is, for protocols; `Debug` quotes and escapes it, for
/// people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Inner<str>);

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
        write!(f, "\"{}\"", Escaped(self))
    }
}

/// A string that is never printed: the value of [`Password`](crate::Password).
///
/// `Debug` prints `…`, and there is no `Display`: what formats a command for a peer has to call
/// [`expose`](Secret::expose), so that a search for that name finds every place that reads the
/// text. The memory is overwritten when the last clone is dropped; the string that it was parsed
/// from, such as a URL, is the caller's to wipe. Comparing takes a time that depends on the
/// contents.
#[derive(Clone)]
pub struct Secret(Inner<Zeroizing<String>>);

impl Secret {
    /// Returns the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(String::from(text))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Inner::new(Zeroizing::new(text)))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}
