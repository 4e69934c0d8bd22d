//! The outcome of `explain`, as data, as a text tree and as a graph.
//!
//! ```text
//!   Connect                                  goal 0
//!     - unix [100]: no: Scheme is "tcp"…      a choice that does not apply
//!     + tcp [100]: yes                        the choice that is taken
//!       req Host: given                         a need of it
//!       over Transport: yes                     a need that leads to goal 1
//!         + in-order [0]: yes                     goal 1: what was registered for it
//! ```
//!
//! A goal is printed once; a later need that leads to it says "(see above)".

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::Priority;
use crate::escape::Escaped;

/// Says what would be tried for a role, and why not the rest. Plain data; `Display` prints a text
/// tree, [`dot`](Self::dot) a Graphviz graph.
///
/// The verdicts hold as far as can be said without running anything. A function that fails ends any
/// resolve, and a candidate may still refuse the values that it is given (port 0, a Unix socket
/// with a query).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    pub(crate) goals: Vec<Goal>,
    /// The goal of `Sleep`, if a deadline needs it and it may be missing.
    pub(crate) sleep: Option<usize>,
}

/// A role or key that takes part, and everything registered for it. A key with a value has no goal,
/// only a [`NeedOutcome`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Goal {
    /// The name of the role or key.
    pub name: String,
    /// Whether it is a role or a key.
    pub kind: GoalKind,
    /// Whether it can be had.
    pub verdict: Verdict,
    /// Candidates in the order of trying and then layers, innermost first; or functions in the
    /// order of asking.
    pub choices: Vec<Choice>,
}

/// Tells roles and keys apart.
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
    /// Whether it certainly takes part: the first candidate that applies, and every layer that is
    /// not skipped.
    pub taken: bool,
    /// Its needs, gates first, as far as they were judged.
    pub inputs: Vec<NeedOutcome>,
}

/// The kind of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// What was found for it.
    pub state: Cow<'static, str>,
    /// The [`Goal`] it leads to, as an index into [`Explanation::goals`].
    pub goal: Option<usize>,
}

/// Says whether something applies. Prints "yes", "no", "maybe" or "fails".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It applies.
    Applies,
    /// It is passed over, for this reason.
    Skipped(String),
    /// It depends on a function, which may say "not me".
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
    /// Returns every role and key that takes part. The first is the one that was asked for.
    #[must_use]
    pub fn goals(&self) -> &[Goal] {
        &self.goals
    }

    /// Returns the same as a graph in Graphviz's language, to pipe into `dot -Tsvg`.
    pub fn dot(&self) -> impl fmt::Display + '_ {
        Dot(self)
    }

    /// Prints the text tree.
    pub(super) fn print(&self, printer: &mut TreePrinter<'_, '_>, margin: usize) -> fmt::Result {
        let mut printed = Vec::new();
        printed.resize(self.goals.len(), false);
        let mut is_first = |goal: &usize| !core::mem::replace(&mut printed[*goal], true);
        let choices = |goal: usize| self.goals[goal].choices.iter().rev().map(Line::Choice);
        // What is still to be printed, the next line last. No recursion: a tree may be deep.
        let mut stack = Vec::new();
        for root in self.goals.first().map(|_| 0).into_iter().chain(self.sleep) {
            let Goal { name, verdict, .. } = &self.goals[root];
            match root {
                0 => printer.line(margin, 0, format_args!("{name}"))?,
                _ => printer.line(margin, 0, format_args!("{name}, which the deadline needs: {verdict}"))?,
            }
            let below = Some(root).filter(&mut is_first);
            stack.extend(below.into_iter().flat_map(choices).map(|line| (1, line)));
            while let Some((depth, line)) = stack.pop() {
                match line {
                    Line::Choice(choice) => {
                        printer.line(margin, depth, format_args!("{choice}"))?;
                        // The verdict of a skipped choice says why, unless the reason lies deeper.
                        let is_open = !matches!(choice.verdict, Verdict::Skipped(_));
                        let needs = choice.inputs.iter().rev().filter(|need| is_open || need.goal.is_some());
                        stack.extend(needs.map(|need| (depth + 1, Line::Need(need))));
                    }
                    Line::Need(NeedOutcome { need, state, goal }) => {
                        let below = goal.filter(&mut is_first);
                        let above = if below == *goal { "" } else { " (see above)" };
                        printer.line(margin, depth, format_args!("{need}: {state}{above}"))?;
                        stack.extend(below.into_iter().flat_map(choices).map(|line| (depth + 1, line)));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Prints the graph.
struct Dot<'a>(&'a Explanation);

impl fmt::Display for Dot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "digraph explain {{\n  rankdir=LR;\n  node [fontname=\"monospace\"];")?;
        for (at, goal) in self.0.goals.iter().enumerate() {
            let shape = if goal.kind == GoalKind::Role { "box" } else { "ellipse" };
            writeln!(f, "  g{at} [shape={shape}, label={:?}];", goal.name)?;
            for (number, choice) in goal.choices.iter().enumerate() {
                let node = format!("g{at}c{number}");
                let style = if choice.taken { "bold" } else { "dashed" };
                let mut label = choice.to_string();
                for NeedOutcome { need, state, goal } in &choice.inputs {
                    match goal {
                        Some(below) => writeln!(f, "  {node} -> g{below} [style={style}, label={need:?}];")?,
                        None => label += &format!("\n{need}: {state}"),
                    }
                }
                writeln!(f, "  {node} [shape=note, style={style}, label={label:?}];")?;
                writeln!(f, "  g{at} -> {node} [style={style}];")?;
            }
        }
        f.write_str("}")
    }
}

/// A line of the tree.
enum Line<'a> {
    Choice(&'a Choice),
    Need(&'a NeedOutcome),
}

/// Prints lines of a tree, with line feeds between them.
pub(super) struct TreePrinter<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    any: bool,
}

impl<'a, 'b> TreePrinter<'a, 'b> {
    pub(super) fn new(to: &'a mut fmt::Formatter<'b>) -> Self {
        Self { to, any: false }
    }

    /// Prints a line, indented by two spaces per level up to a limit. A number says what the limit
    /// hides.
    pub(super) fn line(&mut self, margin: usize, depth: usize, line: fmt::Arguments<'_>) -> fmt::Result {
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

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match &self.verdict {
            Verdict::Depends(_) => '?',
            _ if self.taken => '+',
            _ => '-',
        };
        let (before, after) = match self.kind {
            ChoiceKind::Function => ("function ", ""),
            ChoiceKind::Candidate => ("", ""),
            ChoiceKind::Layer => ("layer ", ""),
            ChoiceKind::Given => ("", " (given dialer)"),
        };
        write!(f, "{mark} {before}{}{after}", Escaped(&self.name))?;
        if let Some(priority) = self.priority {
            write!(f, " [{priority}]")?;
        }
        write!(f, ": {}", self.verdict)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(&mut TreePrinter::new(f), 0)
    }
}
