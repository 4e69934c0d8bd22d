//! What a resolve looks like from outside: compared between mimic and the reference.

use mimic_core::{ErrorKind, Phase};

use super::graph::Unit;

/// What a role gives: who made it of what.
#[derive(Clone, Debug)]
pub struct Got {
    pub by: String,
    /// The role refuses it.
    pub refused: bool,
}

impl Got {
    pub fn of(unit: &Unit, to: u32, parts: &[String], refused: bool) -> Self {
        Self { by: format!("{}@{to}[{}]", unit.name(), parts.join(" ")), refused }
    }
}

/// Everything that shows of one resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Every function, connect and check that ran, with its inputs, in order.
    pub calls: Vec<String>,
    /// Who made the output of what, or why there is none.
    pub result: Result<String, String>,
    pub kind: Option<ErrorKind>,
    pub layer: Option<String>,
    pub target: Option<String>,
    /// What the layer that failed had dialled below.
    pub via: Option<String>,
    pub phase: Option<Phase>,
    /// The dials that failed, in the order of starting.
    pub attempts: Vec<String>,
    /// The function that ran when it ended.
    pub computing: Option<String>,
    /// Whether the advice for a cycle names a key on it, if there is one.
    pub advised: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            calls: Vec::new(),
            result: Ok(String::new()),
            kind: None,
            layer: None,
            target: None,
            via: None,
            phase: None,
            attempts: Vec::new(),
            computing: None,
            advised: true,
        }
    }
}
