//! What `explain` says, as data, as a text tree and as a graph.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::Priority;
use crate::escape::Escaped;

/// What would be tried for a role, and why not the rest. Escaped data; `Display` is a text tree,
/// [`dot`](Self::dot) a Graphviz graph.
///
/// The verdicts hold as far as can be said without running anything: a function that fails ends any
/// resolve, and a candidate may still refuse the values that it is given (port 0, a Unix socket
/// with a query).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    pub(crate) goals: Vec<Goal>,
    /// The goal of what tells when the deadline strikes, if it is not certain that it can be had.
    pub(crate) sleep: Option<usize>,
}

/// A role or key that takes part, and everything registered for it. A key with a value is an
/// [`NeedOutcome`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Goal {
    /// The name of the role or key.
    pub name: String,
    /// Which of the two.
    pub kind: GoalKind,
    /// Whether it can be had.
    pub verdict: Verdict,
    /// Candidates in the order of trying and then layers, innermost first; or functions in the
    /// order of asking.
    pub choices: Vec<Choice>,
}

/// What a [`Goal`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoalKind {
    /// A role.
    Role,
    /// A key with functions.
    Key,
}

/// One registration, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// What was registered.
    pub kind: ChoiceKind,
    /// Its name. A function without one is called by its number in the order of asking: `#1`.
    pub name: Cow<'static, str>,
    /// The rank of a candidate or a function.
    pub priority: Option<Priority>,
    /// Whether it applies.
    pub verdict: Verdict,
    /// Whether it certainly takes part: the first candidate that applies, every layer that is not
    /// skipped.
    pub taken: bool,
    /// Its inputs, gates first, as far as they were looked at.
    pub inputs: Vec<NeedOutcome>,
}

/// What a [`Choice`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChoiceKind {
    /// One way to fill a role.
    Candidate,
    /// A dialer given by `with_dialer`.
    Given,
    /// A layer.
    Layer,
    /// A function for a key.
    Function,
}

/// One need of a [`Choice`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NeedOutcome {
    /// The need as written: `req Host`, `Scheme is "tcp"`, `over Transport`.
    pub need: String,
    /// What there is for it.
    pub state: Cow<'static, str>,
    /// The [`Goal`] it leads to, as an index into [`Explanation::goals`].
    pub goal: Option<usize>,
}

/// Whether something applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Applies,
    /// It does not, for this reason.
    Skipped(String),
    /// A function decides, which may say "not me".
    Depends(String),
    /// It would end the resolve with this error: the gates match and a need is missing, or needs
    /// run in a circle.
    Errors(String),
    /// No resolve gets there: a candidate before it applies for certain, or a layer has nothing to
    /// wrap.
    NotConsidered,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applies => f.write_str("yes"),
            Self::Skipped(reason) => write!(f, "no: {reason}"),
            Self::Depends(reason) => write!(f, "maybe: {reason}"),
            Self::Errors(reason) => write!(f, "fails: {reason}"),
            Self::NotConsidered => f.write_str("not considered"),
        }
    }
}

impl Explanation {
    /// Every role and key that takes part. The first is the one that was asked for.
    #[must_use]
    pub fn goals(&self) -> &[Goal] {
        &self.goals
    }

    /// The same as a graph in Graphviz's language, to pipe into `dot -Tsvg`.
    pub fn dot(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| {
            writeln!(f, "digraph explain {{\n  rankdir=LR;\n  node [fontname=\"monospace\"];")?;
            for (at, goal) in self.goals.iter().enumerate() {
                let shape = if goal.kind == GoalKind::Role { "box" } else { "ellipse" };
                writeln!(f, "  g{at} [shape={shape}, label={:?}];", goal.name)?;
                for (number, choice) in goal.choices.iter().enumerate() {
                    let node = format!("g{at}c{number}");
                    let style = if choice.taken { "bold" } else { "dashed" };
                    let mut label = choice.to_string();
                    let plain = choice.inputs.iter().filter(|input| input.goal.is_none());
                    plain.for_each(|input| label += &format!("\n{}: {}", input.need, input.state));
                    writeln!(f, "  {node} [shape=note, style={style}, label={:?}];", label)?;
                    writeln!(f, "  g{at} -> {node} [style={style}];")?;
                    for input in &choice.inputs {
                        if let Some(below) = input.goal {
                            writeln!(f, "  {node} -> g{below} [style={style}, label={:?}];", input.need)?;
                        }
                    }
                }
            }
            f.write_str("}")
        })
    }

    /// Prints the text tree.
    pub(crate) fn print(&self, printer: &mut TreePrinter<'_, '_>, margin: usize) -> fmt::Result {
        let mut printed = Vec::new();
        printed.resize(self.goals.len(), false);
        // Where to go on: a goal and how many of its choices are printed, with how many inputs of
        // the last one.
        let mut stack: Vec<(usize, usize, usize)> = Vec::new();
        for root in self.goals.first().map(|_| 0).into_iter().chain(self.sleep) {
            let Goal { name, verdict, .. } = &self.goals[root];
            match root {
                0 => printer.line(margin, 0, format_args!("{name}"))?,
                _ => printer.line(margin, 0, format_args!("{name}, which the deadline needs: {verdict}"))?,
            }
            if core::mem::replace(&mut printed[root], true) {
                continue;
            }
            stack.push((root, 0, 0));
            while let Some((goal, choices, inputs)) = stack.pop() {
                let depth = 2 * stack.len() + 1;
                let all = &self.goals[goal].choices;
                let choice = choices.checked_sub(1).and_then(|last| all.get(last));
                if let Some((choice, input)) = choice.and_then(|choice| Some((choice, choice.inputs.get(inputs)?))) {
                    stack.push((goal, choices, inputs + 1));
                    // Of a choice that does not apply, the verdict has said why, unless the reason
                    // lies deeper.
                    if choice.is_open() || input.goal.is_some() {
                        let below = input.goal.filter(|&below| !core::mem::replace(&mut printed[below], true));
                        let above = if input.goal.is_some() && below.is_none() { " (see above)" } else { "" };
                        printer.line(margin, depth + 1, format_args!("{}: {}{above}", input.need, input.state))?;
                        stack.extend(below.map(|below| (below, 0, 0)));
                    }
                } else if let Some(choice) = all.get(choices) {
                    stack.push((goal, choices + 1, 0));
                    printer.line(margin, depth, format_args!("{choice}"))?;
                }
            }
        }
        Ok(())
    }
}

/// Prints lines of a tree, with line feeds between them.
pub(crate) struct TreePrinter<'a, 'b> {
    pub(crate) to: &'a mut fmt::Formatter<'b>,
    pub(crate) any: bool,
}

impl TreePrinter<'_, '_> {
    /// Two spaces per level, up to a limit; a number says what the limit hides.
    pub(crate) fn line(&mut self, margin: usize, depth: usize, line: fmt::Arguments<'_>) -> fmt::Result {
        const LIMIT: usize = 30;
        if core::mem::replace(&mut self.any, true) {
            self.to.write_str("\n")?;
        }
        for _ in 0..margin + depth.min(LIMIT) {
            self.to.write_str("  ")?;
        }
        if depth > LIMIT {
            write!(self.to, "({depth}) ")?;
        }
        self.to.write_fmt(line)
    }
}

impl Choice {
    /// Whether it may take part.
    fn is_open(&self) -> bool {
        !matches!(self.verdict, Verdict::Skipped(_) | Verdict::NotConsidered)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.verdict {
            Verdict::Depends(_) => "? ",
            _ if self.taken => "+ ",
            _ => "- ",
        })?;
        match self.kind {
            ChoiceKind::Function => write!(f, "function {}", Escaped(&self.name))?,
            ChoiceKind::Candidate => write!(f, "{}", Escaped(&self.name))?,
            ChoiceKind::Layer => write!(f, "layer {}", Escaped(&self.name))?,
            ChoiceKind::Given => write!(f, "{} (given dialer)", Escaped(&self.name))?,
        }
        if let Some(priority) = self.priority {
            write!(f, " [{priority}]")?;
        }
        write!(f, ": {}", self.verdict)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(&mut TreePrinter { to: f, any: false }, 0)
    }
}
