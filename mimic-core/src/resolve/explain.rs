//! Explains what a resolve would do, without calling anything.
//!
//! ```text
//! goal        its registrations                        outcomes of the goal
//! Host        function #1: applies or skipped          applies or skipped
//! Transport   "in-order": applies                      applies
//!             layer "socks5": skipped                  applies
//! Connect     "tcp" needs both: applies or errors      applies or errors = "maybe"
//!               req Host: applies or errors, since "tcp" is committed
//!               over Transport: applies
//! ```
//!
//! The walk is the engine's: a stack of goals, the same rule for each need ([`NeedSpec::is_met`]).
//! Where the engine has one outcome, this has the set of those that the functions leave open. Each
//! goal is judged once. A need of a goal on the stack closes a circle: it errors if every goal
//! around is certain to get there, and may error otherwise.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::engine::unknown_value;
use super::outcomes::Outcomes;
use crate::id::Id;
use crate::registry::Registry;
use crate::registry::need::{NeedKind, NeedSpec};
use crate::registry::plan::{Answers, Registration};
use crate::registry::table::Table;
use crate::registry::value::Value;
use crate::sync::Arc;
use crate::{Choice, ChoiceKind, Deadline, Explanation, Goal, GoalKind, Mode, NeedOutcome, PlanError, Sleep, Verdict};

/// Explains the plan for a report, with the feature `reports`.
pub(crate) fn explain_for_report<M: Mode>(registry: &Registry<M>, root: Id, answers: &Answers) -> Explanation {
    if cfg!(feature = "reports") { explain(registry, root, answers) } else { Explanation::default() }
}

/// Explains `root`. The answers of a resolve turn "maybe" into what the functions said.
pub(crate) fn explain<M: Mode>(registry: &Registry<M>, root: Id, answers: &Answers) -> Explanation {
    let mut judge = Judge { registry, answers, goals: Vec::new(), known: Table::default(), stack: Vec::new() };
    judge.explain(root);
    // The timer of the deadline is had before all else.
    let (id, mut sleep, own) = (Id::role(&Sleep), None, judge.goals.len());
    if root != id && registry.value(&Deadline).is_some() {
        sleep = judge.explain(id);
        let verdict = sleep.map_or(Verdict::Applies, |sleep| judge.goals[sleep].verdict.clone());
        let whole = &mut judge.goals[0].verdict;
        match verdict {
            Verdict::Depends(reason) if *whole == Verdict::Applies => {
                *whole = Verdict::Depends(format!("{id}: {reason}"))
            }
            Verdict::Skipped(reason) | Verdict::Errors(reason) => {
                *whole = Verdict::Errors(format!("the deadline needs {id}: {reason}"));
            }
            Verdict::Depends(_) => {}
            Verdict::Applies | Verdict::NotConsidered => {
                sleep = None;
                judge.goals.truncate(own);
            }
        }
    }
    Explanation { goals: judge.goals, sleep }
}

/// How many names are shown of each end of a circle, if it is long.
const ENDS: usize = 8;

/// Judges goals and their registrations.
struct Judge<'a, M: Mode> {
    registry: &'a Registry<M>,
    answers: &'a Answers,
    goals: Vec<Goal>,
    /// The number of each goal, and its outcomes; `None` while it is on the stack.
    known: Table<(usize, Option<Outcomes>)>,
    stack: Vec<Frame<'a, M>>,
}

/// A goal that is being explained.
struct Frame<'a, M: Mode> {
    id: Id,
    goal: usize,
    /// Still to be judged, the next one last.
    rest: Vec<&'a Arc<Registration<M>>>,
    /// The outcomes of the registrations so far.
    outcomes: Outcomes,
    /// Whether a resolve that decides this goal certainly asks for the goal above it on the stack.
    sure: bool,
}

/// What there is for a need.
struct Source<'v> {
    value: Option<&'v Value>,
    outcomes: Outcomes,
    /// The goal it leads to.
    goal: Option<usize>,
    /// Whether that goal is on the stack.
    closes_circle: bool,
    reason: Cow<'static, str>,
}

impl<'a, M: Mode> Judge<'a, M> {
    /// Explains a goal and all that it needs. Returns its number.
    fn explain(&mut self, root: Id) -> Option<usize> {
        if self.known.get(&root).is_none() {
            self.enter(root);
        }
        while let Some(frame) = self.stack.last_mut() {
            let Some(registration) = frame.rest.last().copied() else {
                self.leave();
                continue;
            };
            let is_layer = registration.kind == ChoiceKind::Layer;
            let considered = if is_layer { frame.outcomes.applies } else { frame.outcomes.skipped };
            if !considered {
                self.judged(choice(registration, Verdict::NotConsidered, Vec::new()), None);
                continue;
            }
            match self.judge(registration) {
                Ok((choice, outcomes)) => self.judged(choice, Some(outcomes)),
                Err(needed) => self.enter(needed),
            }
        }
        self.known.get(&root).map(|(goal, _)| *goal)
    }

    /// Puts a goal on the stack, with its registrations still to be judged.
    fn enter(&mut self, id: Id) {
        let (mut choices, mut rest, mut outcomes) = (Vec::new(), Vec::new(), Outcomes::SKIPPED);
        if let Some(entry) = self.registry.entries.get(&id) {
            rest.extend(entry.layers.iter().rev().chain(entry.registrations.iter().rev()));
            if let Some(given) = &entry.given {
                outcomes = Outcomes::APPLIES;
                let given = choice(&given.registration, Verdict::Applies, Vec::new());
                choices.push(Choice { kind: ChoiceKind::Given, priority: None, taken: true, ..given });
            }
        }
        let goal = self.goals.len();
        let kind = if id.is_role { GoalKind::Role } else { GoalKind::Key };
        self.goals.push(Goal { name: id.to_string(), kind, verdict: Verdict::Applies, choices });
        self.known.insert(id, (goal, None));
        self.stack.push(Frame { id, goal, rest, outcomes, sure: false });
    }

    /// Judges one registration of the goal on top, or returns the goal that must be judged before.
    fn judge(&mut self, registration: &Registration<M>) -> Result<(Choice, Outcomes), Id> {
        let Some(frame) = self.stack.last() else {
            return Ok((choice(registration, Verdict::Applies, Vec::new()), Outcomes::ANY));
        };
        let (id, so_far) = (frame.id, [Outcomes::SKIPPED, Outcomes::APPLIES].contains(&frame.outcomes));
        let (mut outcomes, mut reason, mut inputs) = (Outcomes::APPLIES, String::new(), Vec::new());
        for spec in &registration.needs.specs {
            // For a circle: a resolve gets to this need if no earlier one can stop it.
            if let Some(frame) = self.stack.last_mut() {
                frame.sure = so_far && outcomes == Outcomes::APPLIES;
            }
            let source = self.source(spec)?;
            let met = Outcomes::of_need(spec, source.outcomes, source.value, registration.is_committed());
            inputs.push(NeedOutcome { need: format!("{spec:?}"), state: state(spec, &source), goal: source.goal });
            let why = why(spec, &source);
            // That all needs so far apply is replaced by what this one adds; the rest stays.
            outcomes = Outcomes { applies: false, ..outcomes }.or(met);
            match met {
                Outcomes::APPLIES => {}
                Outcomes::ERRORS if outcomes != met => reason = format!("if it gets that far, it fails: {why}"),
                Outcomes::ERRORS => reason = why,
                _ if reason.is_empty() => reason = why,
                _ => {}
            }
            if !met.applies {
                break;
            }
        }
        // A function that is reached may still say "not me", unless it has answered.
        if registration.is_function() && outcomes != Outcomes::SKIPPED {
            if let Some(None) = self.answers.get(&id) {
                (outcomes, reason) = (Outcomes::SKIPPED, "it said \"not me\"".into());
            } else if outcomes.applies {
                if outcomes == Outcomes::APPLIES {
                    reason = format!("{id} is computed by a function");
                }
                outcomes.skipped = true;
            }
        }
        Ok((choice(registration, outcomes.verdict(reason), inputs), outcomes))
    }

    /// Finds what there is for a need, or returns the goal that must be judged before.
    fn source(&self, spec: &NeedSpec) -> Result<Source<'_>, Id> {
        let plain = |value, outcomes, reason| Ok(Source { value, outcomes, goal: None, closes_circle: false, reason });
        let answer = || self.answers.get(&spec.id)?.as_ref();
        if let Some(value) = self.registry.values.get(&spec.id) {
            return plain(Some(value), Outcomes::APPLIES, "given".into());
        } else if let Some(value) = answer() {
            return plain(Some(value), Outcomes::APPLIES, "computed".into());
        } else if matches!(spec.kind, NeedKind::Handshake) {
            return plain(None, Outcomes::APPLIES, "".into());
        } else if !spec.id.is_role && self.registry.entries.get(&spec.id).is_none() {
            return plain(None, Outcomes::SKIPPED, "not given".into());
        }
        let &(goal, outcomes) = self.known.get(&spec.id).ok_or(spec.id)?;
        // The need leads back to a goal on the stack: a circle.
        let Some(outcomes) = outcomes else {
            let begin = self.stack.iter().position(|frame| frame.id == spec.id).unwrap_or_default();
            let around = &self.stack[begin..];
            // Of a long circle its ends: the reason is repeated at every level above.
            let (first, rest) = around.split_at(around.len().min(ENDS));
            let last = &rest[rest.len().saturating_sub(ENDS)..];
            let dots = (last.len() < rest.len()).then(|| "…".into());
            let name = |frame: &Frame<'_, M>| frame.id.to_string();
            let path = first.iter().map(name).chain(dots).chain(last.iter().map(name)).chain([spec.id.to_string()]);
            let path = path.collect();
            // The goal on top is the one that asks.
            let is_certain = around.iter().rev().skip(1).all(|frame| frame.sure);
            let outcomes = if is_certain { Outcomes::ERRORS } else { Outcomes::ANY };
            let reason = PlanError::Cycle { path, key: None }.to_string().into();
            return Ok(Source { value: None, outcomes, goal: Some(goal), closes_circle: true, reason });
        };
        let reason = match &self.goals[goal].verdict {
            // The reason stands where it arose. Repeated at every level above, a long chain would
            // fill the memory.
            Verdict::Errors(_) => format!("{} fails", spec.id).into(),
            Verdict::Skipped(reason) | Verdict::Depends(reason) => reason.clone().into(),
            Verdict::Applies | Verdict::NotConsidered => "".into(),
        };
        Ok(Source { value: None, outcomes, goal: Some(goal), closes_circle: false, reason })
    }

    /// Adds a judged registration to the goal on top. One that was not considered has no outcomes.
    fn judged(&mut self, mut choice: Choice, outcomes: Option<Outcomes>) {
        let Some(frame) = self.stack.last_mut() else { return };
        frame.rest.pop();
        let is_layer = choice.kind == ChoiceKind::Layer;
        choice.taken = choice.verdict == Verdict::Applies && (is_layer || frame.outcomes == Outcomes::SKIPPED);
        if let Some(outcomes) = outcomes {
            // A skipped layer leaves the role filled. A skipped candidate or function leaves the
            // goal to the next one.
            match is_layer {
                true => frame.outcomes.applies = outcomes.applies || outcomes.skipped,
                false => frame.outcomes.applies |= outcomes.applies,
            }
            frame.outcomes.skipped = if is_layer { frame.outcomes.skipped } else { outcomes.skipped };
            frame.outcomes.errors |= outcomes.errors;
        }
        let choices = &mut self.goals[frame.goal].choices;
        if choice.kind == ChoiceKind::Function && choice.name.is_empty() {
            choice.name = format!("#{}", choices.len() + 1).into();
        }
        choices.push(choice);
    }

    /// Takes the judged goal off the stack.
    fn leave(&mut self) {
        let Some(Frame { id, goal, outcomes, .. }) = self.stack.pop() else { return };
        let reason = match outcomes {
            Outcomes::SKIPPED if self.goals[goal].choices.is_empty() => "nothing is registered for it".into(),
            Outcomes::SKIPPED if id.is_role => {
                let candidates = self.registry.entries.get(&id).map_or(&[][..], |entry| &entry.registrations);
                let error = unknown_value(id, candidates, |id| self.value(id));
                error.map_or("no candidate applies".into(), |error| error.to_string())
            }
            Outcomes::SKIPPED => "no function applies".into(),
            _ => {
                let reasons = self.goals[goal].choices.iter().filter_map(|choice| match &choice.verdict {
                    Verdict::Depends(_) if outcomes == Outcomes::ERRORS => None,
                    Verdict::Depends(reason) | Verdict::Errors(reason) => Some(reason.clone()),
                    _ => None,
                });
                { reasons }.next().unwrap_or_default()
            }
        };
        self.goals[goal].verdict = outcomes.verdict(reason);
        self.known.insert(id, (goal, Some(outcomes)));
    }

    /// Returns the value of a key, or that it has none; `None` if that is not known.
    fn value(&self, id: &Id) -> Option<Option<&Value>> {
        let given = self.registry.values.get(id);
        let computed = self.answers.get(id).map(Option::as_ref);
        let lacks = match self.known.get(id) {
            Some((_, outcomes)) => *outcomes == Some(Outcomes::SKIPPED),
            None => self.registry.entries.get(id).is_none(),
        };
        given.map(Some).or(computed).or(lacks.then_some(None))
    }
}

fn choice<M: Mode>(registration: &Registration<M>, verdict: Verdict, inputs: Vec<NeedOutcome>) -> Choice {
    let (kind, name) = (registration.kind, registration.name.clone());
    let priority = (kind != ChoiceKind::Layer).then_some(registration.priority);
    Choice { kind, name, priority, verdict, taken: false, inputs }
}

/// Tells what there is for a need.
fn state(spec: &NeedSpec, Source { value, outcomes, reason, closes_circle, .. }: &Source<'_>) -> Cow<'static, str> {
    match (&spec.kind, value, *outcomes) {
        (NeedKind::Is(wanted), Some(value), _) if !wanted.matches(value) => {
            format!("it is {}", wanted.shown(value)).into()
        }
        (NeedKind::Is(_), Some(_), _) => "yes".into(),
        (_, Some(_), _) => reason.clone(),
        (NeedKind::Handshake, ..) => "passed down with the target, if there is one".into(),
        (_, None, Outcomes::APPLIES) => "yes".into(),
        (NeedKind::Opt, _, Outcomes::SKIPPED) => format!("{reason}, which is fine").into(),
        (NeedKind::OrDefault, _, Outcomes::SKIPPED) => format!("{reason}, the default is taken").into(),
        (_, _, Outcomes::SKIPPED) => reason.clone(),
        (_, _, Outcomes::ERRORS) => format!("fails: {reason}").into(),
        (kind, ..) if *closes_circle || matches!(kind, NeedKind::Over) => format!("maybe: {reason}").into(),
        _ => "computed by a function".into(),
    }
}

/// Tells why a need is not met for certain.
fn why(spec: &NeedSpec, Source { value, outcomes, reason, .. }: &Source<'_>) -> String {
    match (&spec.kind, value) {
        (NeedKind::Is(wanted), Some(value)) => {
            format!("{} is {}, not {}", spec.id, wanted.shown(value), wanted.wanted())
        }
        _ if *outcomes != Outcomes::SKIPPED => reason.to_string(),
        _ if spec.is_gate() => format!("{}: {reason}", spec.id),
        _ => format!("{spec:?}: {reason}"),
    }
}
