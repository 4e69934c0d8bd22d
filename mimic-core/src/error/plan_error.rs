//! What a context lacks, and what to do about it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::ErrorKind;

use super::{Error, Phase};

/// What a context lacks: the source of errors in [`Phase::Plan`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// No candidate of the role applied, or none is registered.
    NoCandidate {
        /// The role.
        role: String,
    },
    /// Every candidate of the role has a gate [`is`](crate::is) on one key, and is for another
    /// value of it: a scheme that nothing was registered for.
    #[non_exhaustive]
    UnknownValue {
        /// The role.
        role: String,
        /// The key.
        key: String,
        /// The value, as `Debug` prints it; `None` if the key has none.
        found: Option<String>,
        /// The values that the candidates are for, sorted.
        known: Vec<String>,
        /// Whether the key is [`Scheme`](crate::Scheme), and not another of that name.
        is_scheme: bool,
    },
    /// A candidate was committed (its gates matched), or a layer was, and a need is missing.
    Missing {
        /// The key, or the role.
        need: String,
        /// Who needs it.
        of: String,
    },
    /// Keys or roles need each other in a circle.
    Cycle {
        /// The circle, first and last alike.
        path: Vec<String>,
        /// A key on it, if there is one: a value for it breaks the circle.
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
                list(f, known, ", ")
            }
            Self::Missing { need, of } => write!(f, "{of} needs {need}, which is missing"),
            Self::Cycle { path, .. } => {
                f.write_str("a cycle: ")?;
                list(f, path, " -> ")
            }
            Self::NoSleep => f.write_str("a deadline is set, and nothing fills Sleep"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, names: &[String], between: &str) -> fmt::Result {
    let mut names = names.iter().enumerate();
    names.try_for_each(|(at, name)| write!(f, "{}{name}", if at > 0 { between } else { "" }))
}

/// As `Display`: what is derived takes more flash.
impl fmt::Debug for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for PlanError {}

/// Says what to do where a key has no value.
fn give(key: &str) -> [&str; 5] {
    let place = match key {
        "Scheme" | "Host" | "Port" => "scheme://host:port",
        "Path" => "scheme://host/path` or `scheme:/path",
        "User" | "Password" => "scheme://user:password@host",
        "Query" => "scheme://host?query",
        _ => return ["give it: with(", key, ", …)", "", ""],
    };
    ["write it in the endpoint (`", place, "`), or give it: with(", key, ", …)"]
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        let fill = "register a protocol that fills ";
        let advice: &[&str] = match &error {
            PlanError::NoCandidate { role } => &[fill, role, ", or check the keys that its gates ask for"],
            PlanError::UnknownValue { role, found: Some(_), is_scheme: true, .. } => {
                &["check the scheme, or register a protocol for it that fills ", role]
            }
            PlanError::UnknownValue { role, key, found: Some(_), .. } => {
                &["check ", key, ", or register a protocol for that value that fills ", role]
            }
            PlanError::UnknownValue { key, found: None, .. } => &give(key),
            PlanError::Missing { need, .. } => match need.strip_prefix("over ") {
                Some(role) => &[fill, role],
                None => &give(need),
            },
            PlanError::Cycle { key: Some(key), .. } => {
                &["break it: give one of its keys a value, for example with(", key, ", …)"]
            }
            PlanError::Cycle { path, key: None } => {
                let role = path.first().map_or("", |role| role);
                &["a layer dials `below`, not over its own role; or give a dialer, with_dialer(", role, ", …)"]
            }
            PlanError::NoSleep => &["install an adapter, register Sleep, or drop the key Deadline"],
        };
        let advice = advice.concat();
        Self::with_source(ErrorKind::InvalidInput, error).in_phase(Phase::Plan).advise(advice)
    }
}
