//! Text that is cheap to clone and `Send` in every mode.

use alloc::string::String;
use core::fmt;
use core::ops::Deref;

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
        fmt::Debug::fmt(&**self, f)
    }
}
