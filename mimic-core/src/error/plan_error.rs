//! The errors of planning, each with its advice.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::ErrorKind;

use super::{Error, Phase};
use crate::escape::debug_as_display;

/// Says what a context lacks. The source of errors in [`Phase::Plan`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// No candidate of the role applied, or none is registered.
    NoCandidate {
        /// The role.
        role: String,
    },
    /// Every candidate of the role has a gate [`is`](crate::is) on one key, for another value than
    /// the key has: a scheme that nothing was registered for.
    #[non_exhaustive]
    UnknownValue {
        /// The role.
        role: String,
        /// The key.
        key: String,
        /// The value, as `Debug` prints it; `None` if the key has none.
        found: Option<String>,
        /// The values that the candidates ask for, sorted.
        known: Vec<String>,
        /// Whether the key is [`Scheme`](crate::Scheme), and not another of that name.
        is_scheme: bool,
    },
    /// A candidate was committed (its gates matched), or a layer was, and a need is missing.
    Missing {
        /// The key, or the role.
        need: String,
        /// The registration that needs it.
        of: String,
    },
    /// Keys or roles need each other in a circle.
    Cycle {
        /// The circle, first and last alike.
        path: Vec<String>,
        /// A key of the circle, if it has one. A value for it breaks the circle.
        key: Option<String>,
    },
    /// A deadline is set and nothing fills `Sleep`.
    NoSleep,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCandidate { role } => write!(f, "no candidate for {role} applies"),
            Self::UnknownValue { role, key, found, known, is_scheme } => {
                match found {
                    Some(found) if *is_scheme => write!(f, "the scheme {found} is not known here; known: ")?,
                    Some(found) => write!(f, "{key} is {found}; {role} has candidates for ")?,
                    None => write!(f, "{key} is not given; {role} has candidates for ")?,
                }
                write_list(f, known, ", ")
            }
            Self::Missing { need, of } => write!(f, "{of} needs {need}, which is missing"),
            Self::Cycle { path, .. } => {
                f.write_str("a cycle: ")?;
                write_list(f, path, " -> ")
            }
            Self::NoSleep => f.write_str("a deadline is set, and nothing fills Sleep"),
        }
    }
}

/// Writes names. (`join` takes 0.3 KiB of flash.)
fn write_list(f: &mut fmt::Formatter<'_>, names: &[String], between: &str) -> fmt::Result {
    let mut names = names.iter().enumerate();
    names.try_for_each(|(at, name)| write!(f, "{}{name}", if at > 0 { between } else { "" }))
}

debug_as_display!(PlanError);

impl core::error::Error for PlanError {}

impl PlanError {
    /// Says what to do about it.
    fn advice(&self) -> String {
        match self {
            Self::NoCandidate { role } => {
                format!("register a protocol that fills {role}, or check the keys that its gates ask for")
            }
            Self::UnknownValue { key, found: None, .. } => give(key),
            Self::UnknownValue { role, is_scheme: true, .. } => {
                format!("check the scheme, or register a protocol for it that fills {role}")
            }
            Self::UnknownValue { role, key, .. } => {
                format!("check {key}, or register a protocol for that value that fills {role}")
            }
            Self::Missing { need, .. } => match need.strip_prefix("over ") {
                Some(role) => format!("register a protocol that fills {role}"),
                None => give(need),
            },
            Self::Cycle { key: Some(key), .. } => {
                format!("break it: give one of its keys a value, for example with({key}, …)")
            }
            Self::Cycle { path, key: None } => {
                let role = path.first().map_or("", |role| role);
                format!("a layer dials `below`, not over its own role; or give a dialer, with_dialer({role}, …)")
            }
            Self::NoSleep => "install an adapter, register Sleep, or drop the key Deadline".into(),
        }
    }
}

/// Says how to give a key a value.
fn give(key: &str) -> String {
    let part = match key {
        "Scheme" | "Host" | "Port" => "scheme://host:port",
        "Path" => "scheme://host/path` or `scheme:/path",
        "User" | "Password" => "scheme://user:password@host",
        "Query" => "scheme://host?query",
        _ => return format!("give it: with({key}, …)"),
    };
    format!("write it in the endpoint (`{part}`), or give it: with({key}, …)")
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        let advice = error.advice();
        Self::with_source(ErrorKind::InvalidInput, error).in_phase(Phase::Plan).advise(advice)
    }
}
