//! What `resolve` would do and why, without calling anything: the twin of the engine.
//!
//! It walks as the engine does, with an explicit stack, and visits every key and role once, so that it takes linear
//! time and no stack, whatever the graph.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::context::Ctx;
use crate::error::PlanError;
use crate::key::Id;
use crate::memo::{Memo, State};
use crate::mode::Mode;
use crate::needs::{How, Spec};
use crate::plan::{Kind, Priority, Unit};
use crate::sync::Arc;
use crate::values::Value;

/// What would be tried for a role, and why not the rest. Plain data; `Display` is a text tree, [`dot`](Self::dot) a
/// Graphviz graph.
///
/// The verdicts hold as far as can be said without running functions; a function that fails ends any resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    goals: Vec<Goal>,
}

/// A role or key that takes part, and everything registered for it. A key with a value is an [`Input`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Goal {
    /// The name of the role or key.
    pub name: String,
    /// Which of the two.
    pub kind: GoalKind,
    /// Whether it can be had.
    pub verdict: Verdict,
    /// Candidates in the order of trying and then layers, innermost first; or functions, newest first.
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
    /// Its name; empty for functions.
    pub name: Cow<'static, str>,
    /// The rank of a candidate.
    pub priority: Option<Priority>,
    /// Whether it applies.
    pub verdict: Verdict,
    /// Whether it certainly takes part: the first candidate that applies, every layer that is not skipped.
    pub taken: bool,
    /// Its inputs, gates first, as far as they were looked at.
    pub inputs: Vec<Input>,
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
pub struct Input {
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
    Yes,
    /// It does not, for this reason.
    No(String),
    /// A function decides, which may say "not me".
    Maybe(String),
    /// It would end the resolve with this error: the gates match and a need is missing, or needs run in a circle.
    Fails(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::No(reason) => write!(f, "no: {reason}"),
            Self::Maybe(reason) => write!(f, "maybe: {reason}"),
            Self::Fails(reason) => write!(f, "fails: {reason}"),
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
        Dot(self)
    }

    /// The lines of the text tree.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut printed = Vec::new();
        printed.resize(self.goals.len(), false);
        // Where to go on: a goal and how many of its choices are printed, with how many inputs of the last one.
        let mut stack: Vec<(usize, usize, usize)> = Vec::new();
        if let Some(root) = self.goals.first() {
            lines.push(root.name.clone());
            printed[0] = true;
            stack.push((0, 0, 0));
        }
        while let Some((goal, choices, inputs)) = stack.pop() {
            let depth = 2 * stack.len() + 1;
            let all = &self.goals[goal].choices;
            let choice = choices.checked_sub(1).and_then(|last| all.get(last));
            if let Some((choice, input)) = choice.and_then(|choice| Some((choice, choice.inputs.get(inputs)?))) {
                stack.push((goal, choices, inputs + 1));
                // Of a choice that does not apply, the verdict has said why, unless the reason lies deeper.
                if choice.is_open() || input.goal.is_some() {
                    let below = input.goal.filter(|&below| !core::mem::replace(&mut printed[below], true));
                    let above = if input.goal.is_some() && below.is_none() { " (see above)" } else { "" };
                    lines.push(format!("{}{}: {}{above}", indent(depth + 1), input.need, input.state));
                    stack.extend(below.map(|below| (below, 0, 0)));
                }
            } else if let Some(choice) = all.get(choices) {
                stack.push((goal, choices + 1, 0));
                lines.push(format!("{}{choice}", indent(depth)));
            }
        }
        lines
    }
}

impl Choice {
    /// Whether it may take part.
    fn is_open(&self) -> bool {
        !matches!(self.verdict, Verdict::No(_))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.taken { "+ " } else { "- " })?;
        match self.kind {
            ChoiceKind::Function => f.write_str("function")?,
            ChoiceKind::Candidate => f.write_str(&self.name)?,
            ChoiceKind::Layer => write!(f, "layer {}", self.name)?,
            ChoiceKind::Given => write!(f, "{} (given dialer)", self.name)?,
        }
        if let Some(priority) = self.priority {
            write!(f, " [{priority}]")?;
        }
        write!(f, ": {}", self.verdict)?;
        if self.verdict == Verdict::Yes && !self.taken {
            f.write_str(", but one before it applies")?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// Two spaces per level, up to a limit; a number says what the limit hides.
pub(crate) fn indent(depth: usize) -> String {
    const LIMIT: usize = 30;
    match depth {
        0..=LIMIT => "  ".repeat(depth),
        _ => format!("{}({depth}) ", "  ".repeat(LIMIT)),
    }
}

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
    }
}

/// Explains `root`. After a resolve, its memo turns "maybe" into what the functions said.
pub(crate) fn explain<M: Mode>(ctx: &Ctx<M>, root: Id, memo: Option<&Memo<M>>) -> Explanation {
    let mut twin = Twin { ctx, memo, goals: Vec::new(), known: BTreeMap::new(), stack: Vec::new() };
    twin.enter(root, true);
    while let Some(frame) = twin.stack.pop() {
        twin.step(frame);
    }
    Explanation { goals: twin.goals }
}

struct Twin<'a, M: Mode> {
    ctx: &'a Ctx<M>,
    memo: Option<&'a Memo<M>>,
    goals: Vec<Goal>,
    /// The goals, by identity and whether it is a role: where it stands, and whether it is still on the stack.
    known: BTreeMap<(Id, bool), (usize, bool)>,
    stack: Vec<Frame<'a, M>>,
}

/// A goal that is being explained.
struct Frame<'a, M: Mode> {
    id: Id,
    is_role: bool,
    goal: usize,
    units: Vec<&'a Arc<Unit<M>>>,
    /// Which of them is being judged.
    unit: usize,
    /// Position in the evaluation order of the current unit.
    step: usize,
    inputs: Vec<Input>,
    /// Why the current unit is not certain to apply.
    maybe: Option<String>,
    /// The same for its gates alone: it is not certain to be committed.
    maybe_gate: bool,
}

/// What is known of one input.
enum Known {
    Value(Value),
    Missing(String),
    Maybe(String),
    Fails(String),
    Yes,
}

impl<'a, M: Mode> Twin<'a, M> {
    fn enter(&mut self, id: Id, is_role: bool) {
        let mut choices = Vec::new();
        let mut units: Vec<&Arc<Unit<M>>> = Vec::new();
        match self.ctx.registry.roles.get(&id).filter(|_| is_role) {
            Some(entry) => {
                match &entry.given {
                    None => units.extend(&entry.candidates),
                    Some(given) => choices.push(Choice {
                        kind: ChoiceKind::Given,
                        name: given.unit.name.clone(),
                        priority: None,
                        verdict: Verdict::Yes,
                        taken: true,
                        inputs: Vec::new(),
                    }),
                }
                units.extend(&entry.layers);
            }
            None if is_role => {}
            None => units.extend(self.ctx.functions(id)),
        }
        let goal = self.goals.len();
        let kind = if is_role { GoalKind::Role } else { GoalKind::Key };
        self.goals.push(Goal { name: id.to_string(), kind, verdict: Verdict::Yes, choices });
        self.known.insert((id, is_role), (goal, true));
        self.stack.push(Frame {
            id,
            is_role,
            goal,
            units,
            unit: 0,
            step: 0,
            inputs: Vec::new(),
            maybe: None,
            maybe_gate: false,
        });
    }

    /// One input of the current unit, or its verdict, or the end of the goal.
    fn step(&mut self, mut frame: Frame<'a, M>) {
        let Some(&unit) = frame.units.get(frame.unit) else {
            let verdict = self.verdict(&frame);
            self.goals[frame.goal].verdict = verdict;
            self.known.insert((frame.id, frame.is_role), (frame.goal, false));
            return;
        };
        let Some(&index) = unit.needs.order.get(frame.step) else {
            let verdict = match frame.maybe.take() {
                Some(reason) => Verdict::Maybe(reason),
                None => Verdict::Yes,
            };
            self.judged(frame, unit, verdict);
            return;
        };
        let spec = &unit.needs.specs[index];
        let (known, goal) = match self.look(spec, &frame) {
            Some(known) => known,
            None => {
                self.stack.push(frame);
                self.enter(spec.id, matches!(spec.how, How::Over));
                return;
            }
        };
        frame.step += 1;
        let state: Cow<'static, str> = match &known {
            Known::Value(_) => "given".into(),
            Known::Yes => "yes".into(),
            Known::Missing(reason) => reason.clone().into(),
            Known::Maybe(_) => "computed by a function".into(),
            Known::Fails(reason) => format!("fails: {reason}").into(),
        };
        let state = match (&spec.how, &known) {
            (How::Over, Known::Maybe(reason)) => format!("maybe: {reason}").into(),
            (How::Opt, Known::Missing(reason)) => format!("{reason}, which is fine").into(),
            (How::OrDefault, Known::Missing(reason)) => format!("{reason}, the default is taken").into(),
            (How::Is(gate), Known::Value(value)) if !gate.matches(value) => {
                format!("it is {}", gate.found(value)).into()
            }
            (How::Is(_), Known::Value(_)) => "yes".into(),
            (_, Known::Value(_)) if self.ctx.values.get(spec.id).is_none() => "computed".into(),
            _ => state,
        };
        frame.inputs.push(Input { need: format!("{spec:?}"), state, goal });
        let end = match (&spec.how, known) {
            (How::Is(gate), Known::Value(value)) if gate.matches(&value) => None,
            (How::Is(gate), Known::Value(value)) => {
                Some(Verdict::No(format!("{} is {}, not {}", spec.id, gate.found(&value), gate.wanted())))
            }
            (How::Is(_) | How::Given, Known::Missing(reason)) => Some(Verdict::No(format!("{}: {reason}", spec.id))),
            (How::Opt | How::OrDefault, Known::Missing(_) | Known::Maybe(_)) => None,
            (_, Known::Missing(reason)) => {
                let reason = format!("{spec:?}: {reason}");
                Some(match () {
                    () if !unit.is_committed() => Verdict::No(reason),
                    () if frame.maybe_gate => Verdict::Maybe(format!("if its gates match, it fails: {reason}")),
                    () => Verdict::Fails(reason),
                })
            }
            (_, Known::Fails(reason)) if frame.maybe_gate => {
                Some(Verdict::Maybe(format!("if its gates match, it fails: {reason}")))
            }
            (_, Known::Fails(reason)) => Some(Verdict::Fails(reason)),
            (_, Known::Maybe(reason)) => {
                frame.maybe_gate |= spec.is_gate();
                frame.maybe.get_or_insert(reason);
                None
            }
            (_, Known::Value(_) | Known::Yes) => None,
        };
        match end {
            Some(verdict) => self.judged(frame, unit, verdict),
            None => self.stack.push(frame),
        }
    }

    /// What is known of an input, and the goal it leads to; `None` if that goal must be explained first.
    fn look(&self, spec: &Spec, frame: &Frame<'a, M>) -> Option<(Known, Option<usize>)> {
        let is_role = matches!(spec.how, How::Over);
        if !is_role {
            if let Some(value) = self.ctx.values.get(spec.id) {
                return Some((Known::Value(value.clone()), None));
            }
            match self.memo.and_then(|memo| memo.keys.get(spec.id)) {
                Some(State::Done(Some(value))) => return Some((Known::Value(value.clone()), None)),
                // Which of its functions said "not me", and what the others missed, is worth telling.
                Some(State::Done(None) | State::Open) | None => {}
            }
            if self.ctx.functions(spec.id).is_empty() {
                return Some((Known::Missing("not given".into()), None));
            }
        }
        let &(goal, open) = self.known.get(&(spec.id, is_role))?;
        if open {
            return Some((Known::Fails(self.cycle(spec.id, is_role, frame)), Some(goal)));
        }
        let known = match (&self.goals[goal].verdict, is_role) {
            (Verdict::Yes, _) => Known::Yes,
            (Verdict::No(_), true) if self.goals[goal].choices.is_empty() => {
                Known::Missing("nothing is registered for it".into())
            }
            (Verdict::No(_), true) => Known::Missing("no candidate applies".into()),
            (Verdict::No(_), false) => Known::Missing("no function applies".into()),
            (Verdict::Maybe(reason), _) => Known::Maybe(reason.clone()),
            // The reason stands where it arose: repeated at every level above, a long circle would fill the memory.
            (Verdict::Fails(_), _) => Known::Fails(format!("{} fails", spec.id)),
        };
        Some((known, Some(goal)))
    }

    /// The current unit is judged: on to the next.
    fn judged(&mut self, mut frame: Frame<'a, M>, unit: &Unit<M>, verdict: Verdict) {
        let choices = &mut self.goals[frame.goal].choices;
        let (kind, priority) = match unit.kind {
            Kind::Candidate => (ChoiceKind::Candidate, Some(unit.priority)),
            Kind::Layer => (ChoiceKind::Layer, None),
            Kind::Function => (ChoiceKind::Function, None),
        };
        // A function that is reached may still say "not me", unless it has.
        let verdict = match (verdict, self.memo.and_then(|memo| memo.keys.get(frame.id))) {
            (Verdict::Yes | Verdict::Maybe(_), Some(State::Done(None))) if kind == ChoiceKind::Function => {
                Verdict::No("it said \"not me\"".into())
            }
            (Verdict::Yes, _) if kind == ChoiceKind::Function => {
                Verdict::Maybe(format!("{} is computed by a function", unit.id))
            }
            (verdict, _) => verdict,
        };
        let reached = !choices.iter().any(Choice::is_open);
        let taken = verdict == Verdict::Yes && (kind == ChoiceKind::Layer || reached);
        let inputs = core::mem::take(&mut frame.inputs);
        choices.push(Choice { kind, name: unit.name.clone(), priority, verdict, taken, inputs });
        frame.unit += 1;
        frame.step = 0;
        frame.maybe = None;
        frame.maybe_gate = false;
        self.stack.push(frame);
    }

    /// The verdict on a goal whose choices are all judged: that of the first which is not a no, and of the layers.
    fn verdict(&self, frame: &Frame<'a, M>) -> Verdict {
        let choices = &self.goals[frame.goal].choices;
        let applies = |choice: &&Choice| choice.is_open();
        let is_layer = |choice: &&Choice| choice.kind == ChoiceKind::Layer;
        let Some(first) = choices.iter().filter(|choice| !is_layer(choice)).find(applies) else {
            return Verdict::No(PlanError::NoCandidate { role: frame.id.to_string() }.to_string());
        };
        let layers = choices.iter().filter(is_layer).filter(applies);
        let uncertain = core::iter::once(first).chain(layers).find(|choice| choice.verdict != Verdict::Yes);
        uncertain.map_or(Verdict::Yes, |choice| choice.verdict.clone())
    }

    fn cycle(&self, again: Id, is_role: bool, last: &Frame<'a, M>) -> String {
        let frames = self.stack.iter().chain([last]);
        let around = frames.skip_while(|frame| (frame.id, frame.is_role) != (again, is_role)).map(|frame| frame.id);
        PlanError::Cycle { path: around.chain([again]).map(|id| id.to_string()).collect() }.to_string()
    }
}
