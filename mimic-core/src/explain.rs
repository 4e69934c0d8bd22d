//! What `resolve` would do and why, without calling anything: the twin of the engine.
//!
//! It walks as the engine does, with an explicit stack, and visits every key and role once, so that
//! it takes linear time and no stack, but for circles within circles, which are looked at again at
//! each level.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::key::Id;
use crate::plan::{Memo, Unit};
use crate::registry::Registry;
use crate::spec::{How, Spec, unknown};
use crate::sync::Arc;
use crate::table::Table;
use crate::values::Value;
use crate::{Choice, ChoiceKind, Deadline, Explanation, Goal, GoalKind, Mode, NeedOutcome, PlanError, Sleep, Verdict};

/// The plan that an error tells of, with the feature `reports`.
pub(crate) fn for_report<M: Mode>(registry: &Registry<M>, root: Id, memo: &Memo) -> Explanation {
    if cfg!(feature = "reports") { explain(registry, root, memo) } else { Explanation::default() }
}

/// Explains `root`. After a resolve, its memo turns "maybe" into what the functions said.
pub(crate) fn explain<M: Mode>(registry: &Registry<M>, root: Id, memo: &Memo) -> Explanation {
    let (goals, known, stack, half, behind) = (Vec::new(), Table::default(), Vec::new(), Vec::new(), Vec::new());
    let mut twin = Twin { registry, memo, goals, known, stack, half, behind };
    twin.explain(root);
    // What tells when the deadline strikes is had before all else.
    let (id, mut sleep, own) = (Id::role(&Sleep), None, twin.goals.len());
    if root != id && registry.value(&Deadline).is_some() {
        sleep = twin.explain(id);
        let verdict = sleep.map_or(Verdict::Applies, |sleep| twin.goals[sleep].verdict.clone());
        let whole = &mut twin.goals[0].verdict;
        match verdict {
            Verdict::Applies => {
                sleep = None;
                twin.goals.truncate(own);
            }
            Verdict::Depends(reason) if *whole == Verdict::Applies => {
                *whole = Verdict::Depends(format!("{id}: {reason}"))
            }
            Verdict::Depends(_) => {}
            Verdict::Skipped(reason) | Verdict::Errors(reason) => {
                *whole = Verdict::Errors(format!("the deadline needs {id}: {reason}"));
            }
        }
    }
    Explanation { goals: twin.goals, sleep }
}

struct Twin<'a, M: Mode> {
    registry: &'a Registry<M>,
    memo: &'a Memo,
    goals: Vec<Goal>,
    known: Table<Known>,
    stack: Vec<Frame<'a, M>>,
    /// The goals, judged, that need one on the stack: in a circle, a verdict holds while that one
    /// is decided.
    half: Vec<Id>,
    /// What no resolve asks for.
    behind: Vec<Frame<'a, M>>,
}

/// What is known of a goal.
#[derive(Clone, Copy)]
struct Known {
    /// Where it stands.
    goal: usize,
    /// What can come of it; `None` while it is on the stack.
    can: Option<Can>,
    /// Where on the stack the outermost goal is that it hangs on, because it is in a circle with
    /// it.
    circle: usize,
}

/// In no circle.
const NONE: usize = usize::MAX;

/// What can come of a goal or of a registration, whatever the functions say. More than one of them
/// is a maybe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Can {
    /// It can be had; it applies.
    be: bool,
    /// It is passed over.
    lack: bool,
    /// The resolve ends there.
    fail: bool,
}

impl Can {
    const BE: Self = Self { be: true, lack: false, fail: false };
    const LACK: Self = Self { be: false, lack: true, fail: false };
    const FAIL: Self = Self { be: false, lack: false, fail: true };
    const ANY: Self = Self { be: true, lack: true, fail: true };

    fn verdict(self, reason: String) -> Verdict {
        match self {
            Self::BE => Verdict::Applies,
            Self::LACK => Verdict::Skipped(reason),
            Self::FAIL => Verdict::Errors(reason),
            _ => Verdict::Depends(reason),
        }
    }
}

fn may_fail(reason: &str) -> String {
    format!("if it gets that far, it fails: {reason}")
}

/// A goal that is being explained.
struct Frame<'a, M: Mode> {
    id: Id,
    goal: usize,
    /// Still to be judged, the next one last.
    units: Vec<&'a Arc<Unit<M>>>,
    /// Those that no resolve asks: candidates behind one that is certain, and layers over nothing.
    /// They are judged when all else is, so that no verdict hangs on them.
    unasked: Vec<&'a Arc<Unit<M>>>,
    /// Whether only those are left.
    late: bool,
    /// What can come of the goal so far.
    can: Can,
    /// Where on the stack the outermost goal is that is needed again from here.
    circle: usize,
    /// Whether this goal itself is.
    again: bool,
    /// How many of [`Twin::half`] were judged before it was entered.
    half: usize,
}

impl<'a, M: Mode> Frame<'a, M> {
    /// The next unit to be judged.
    fn next(&mut self) -> Option<&'a Arc<Unit<M>>> {
        while let Some(unit) = self.units.last() {
            let asked = if unit.kind == ChoiceKind::Layer { self.can.be } else { self.can.lack };
            if asked || self.late {
                return Some(unit);
            }
            self.unasked.extend(self.units.pop());
        }
        None
    }
}

impl<'a, M: Mode> Twin<'a, M> {
    /// Explains what is asked for, and all that it takes. Says which goal that is.
    fn explain(&mut self, root: Id) -> Option<usize> {
        if self.known.get(&root).is_none() {
            self.enter(root);
        }
        while let Some(frame) = self.stack.last_mut() {
            match frame.next().map(|unit| (frame.id, unit)) {
                Some((id, unit)) => match self.judge(id, unit) {
                    Ok((choice, can, circles)) => self.judged(choice, can, &circles),
                    Err(needed) => self.enter(needed),
                },
                None => self.leave(),
            }
            if self.stack.is_empty() {
                self.stack.extend(self.behind.pop());
            }
        }
        self.known.get(&root).map(|known| known.goal)
    }

    fn enter(&mut self, id: Id) {
        let (mut choices, mut units, mut can) = (Vec::new(), Vec::new(), Can::LACK);
        if let Some(entry) = self.registry.entries.get(&id) {
            units.extend(entry.layers.iter().rev());
            units.extend(entry.units.iter().rev());
            if let Some(given) = &entry.given {
                can = Can::BE;
                let (kind, name, verdict) = (ChoiceKind::Given, given.unit.name.clone(), Verdict::Applies);
                choices.push(Choice { kind, name, priority: None, verdict, taken: true, inputs: Vec::new() });
            }
        }
        let goal = self.goals.len();
        let kind = if id.is_role() { GoalKind::Role } else { GoalKind::Key };
        self.goals.push(Goal { name: id.to_string(), kind, verdict: Verdict::Applies, choices });
        self.known.insert(id, Known { goal, can: None, circle: NONE });
        let (unasked, half) = (Vec::new(), self.half.len());
        self.stack.push(Frame { id, goal, units, unasked, late: false, can, circle: NONE, again: false, half });
    }

    /// Judges one registration for `goal`, or names what must be explained before. Says what can
    /// come of it, and which goals on the stack it needs again.
    fn judge(&self, goal: Id, unit: &Unit<M>) -> Result<(Choice, Can, Vec<usize>), Id> {
        let (mut inputs, mut circles) = (Vec::new(), Vec::new());
        let (mut can, mut reason) = self.inputs(unit, &mut inputs, &mut circles)?;
        // A function that is reached may still say "not me", unless it has.
        if unit.kind == ChoiceKind::Function && can != Can::LACK {
            if let Some(None) = self.memo.get(&goal) {
                (can, reason) = (Can::LACK, "it said \"not me\"".into());
            } else if can.be {
                if can == Can::BE {
                    reason = format!("{goal} is computed by a function");
                }
                can.lack = true;
            }
        }
        let priority = (unit.kind != ChoiceKind::Layer).then_some(unit.priority);
        let (name, verdict) = (unit.name.clone(), can.verdict(reason));
        let choice = Choice { kind: unit.kind, name, priority, verdict, taken: false, inputs };
        Ok((choice, can, circles))
    }

    /// Looks at the inputs of a unit until one of them decides, and says what they come to.
    fn inputs(
        &self,
        unit: &Unit<M>,
        inputs: &mut Vec<NeedOutcome>,
        circles: &mut Vec<usize>,
    ) -> Result<(Can, String), Id> {
        let mut maybe = String::new();
        let mut can = Can::BE;
        for spec in &unit.needs.specs {
            let (known, value, goal, found) = self.look(spec, circles)?;
            let (state, outcome): (Cow<'static, str>, Verdict) = match (&spec.how, known, value) {
                (How::Is(gate), Verdict::Applies, Some(value)) if !gate.matches(value) => {
                    let (found, wanted) = (gate.found(value), gate.wanted());
                    let reason = format!("{} is {found}, not {wanted}", spec.id);
                    (format!("it is {found}").into(), Verdict::Skipped(reason))
                }
                (How::Is(_), Verdict::Applies, _) | (_, Verdict::Applies, None) => ("yes".into(), Verdict::Applies),
                (_, Verdict::Applies, Some(_)) if self.registry.values.get(&spec.id).is_none() => {
                    ("computed".into(), Verdict::Applies)
                }
                (_, Verdict::Applies, Some(_)) => ("given".into(), Verdict::Applies),
                (How::Opt, Verdict::Skipped(reason), _) => {
                    (format!("{reason}, which is fine").into(), Verdict::Applies)
                }
                (How::OrDefault, Verdict::Skipped(reason), _) => {
                    (format!("{reason}, the default is taken").into(), Verdict::Applies)
                }
                (How::Is(_) | How::Given, Verdict::Skipped(reason), _) => {
                    let no = Verdict::Skipped(format!("{}: {reason}", spec.id));
                    (reason.into(), no)
                }
                (How::Req | How::Over, Verdict::Skipped(reason), _) => {
                    let missing = format!("{spec:?}: {reason}");
                    let verdict =
                        if unit.is_committed() { Verdict::Errors(missing) } else { Verdict::Skipped(missing) };
                    (reason.into(), verdict)
                }
                (How::Opt | How::OrDefault, Verdict::Depends(_), _) if !found.fail => {
                    ("computed by a function".into(), Verdict::Applies)
                }
                (How::Over, Verdict::Depends(reason), _) => {
                    (format!("maybe: {reason}").into(), Verdict::Depends(reason))
                }
                (_, Verdict::Depends(reason), _) => ("computed by a function".into(), Verdict::Depends(reason)),
                (_, Verdict::Errors(reason), _) => (format!("fails: {reason}").into(), Verdict::Errors(reason)),
            };
            inputs.push(NeedOutcome { need: format!("{spec:?}"), state, goal });
            match outcome {
                Verdict::Applies => {}
                Verdict::Depends(reason) => {
                    can.fail |= found.fail;
                    match spec.how {
                        How::Is(_) => can.lack = true,
                        How::Given => can.lack |= found.lack,
                        How::Req | How::Over if unit.is_committed() => can.fail |= found.lack,
                        How::Req | How::Over => can.lack |= found.lack,
                        How::Opt | How::OrDefault => {}
                    }
                    if maybe.is_empty() {
                        maybe = reason;
                    }
                }
                Verdict::Skipped(reason) => {
                    let can = Can { be: false, lack: true, ..can };
                    return Ok((can, if can.fail { maybe } else { reason }));
                }
                Verdict::Errors(reason) => {
                    let can = Can { be: false, fail: true, ..can };
                    return Ok((can, if can.lack { may_fail(&reason) } else { reason }));
                }
            }
        }
        Ok((can, maybe))
    }

    /// Whether there is something for an input, its value if that is known, and the goal it leads
    /// to with what can come of it; or that goal, if it must be explained first.
    #[allow(clippy::type_complexity, reason = "one caller")]
    fn look(&self, spec: &Spec, circles: &mut Vec<usize>) -> Result<(Verdict, Option<&Value>, Option<usize>, Can), Id> {
        // Which of the functions said "not me", and what the others missed, is worth telling.
        let computed = || self.memo.get(&spec.id)?.as_ref();
        if let Some(value) = self.registry.values.get(&spec.id).or_else(computed) {
            return Ok((Verdict::Applies, Some(value), None, Can::BE));
        }
        if !spec.id.is_role() && self.registry.entries.get(&spec.id).is_none() {
            return Ok((Verdict::Skipped("not given".into()), None, None, Can::LACK));
        }
        let &Known { goal, can, circle } = self.known.get(&spec.id).ok_or(spec.id)?;
        circles.extend(Some(circle).filter(|circle| *circle != NONE));
        let explained = &self.goals[goal];
        let verdict = match &explained.verdict {
            _ if can.is_none() => {
                let begin = self.stack.iter().position(|frame| frame.id == spec.id).unwrap_or_default();
                circles.push(begin);
                Verdict::Errors(self.cycle(begin, spec.id))
            }
            // The reason stands where it arose: repeated at every level above, a long circle would
            // fill the memory.
            Verdict::Errors(_) => Verdict::Errors(format!("{} fails", spec.id)),
            verdict => verdict.clone(),
        };
        Ok((verdict, None, Some(goal), can.unwrap_or(Can::FAIL)))
    }

    /// The value of a key, or that it has none, if that is known.
    fn value(&self, id: &Id) -> Option<Option<&Value>> {
        let given = self.registry.values.get(id);
        let computed = self.memo.get(id).map(Option::as_ref);
        let lacks = match self.known.get(id) {
            Some(known) => known.can == Some(Can::LACK),
            None => self.registry.entries.get(id).is_none(),
        };
        given.map(Some).or(computed).or(lacks.then_some(None))
    }

    /// The next unit of the current goal is judged.
    fn judged(&mut self, mut choice: Choice, can: Can, circles: &[usize]) {
        for &at in circles {
            self.stack[at].again = true;
        }
        let Some(frame) = self.stack.last_mut() else { return };
        frame.units.pop();
        frame.circle = circles.iter().fold(frame.circle, |circle, at| circle.min(*at));
        let is_layer = choice.kind == ChoiceKind::Layer;
        choice.taken = choice.verdict == Verdict::Applies && !frame.late && (is_layer || frame.can == Can::LACK);
        match is_layer {
            true => frame.can.be = can.be || can.lack,
            false => frame.can = Can { be: frame.can.be || can.be, lack: can.lack, ..frame.can },
        }
        frame.can.fail |= can.fail;
        // Candidates that were judged late stand in their place, before the layers.
        let choices = &mut self.goals[frame.goal].choices;
        if choice.kind == ChoiceKind::Function && choice.name.is_empty() {
            choice.name = format!("#{}", choices.len() + 1).into();
        }
        let layers = choices.iter().position(|choice| choice.kind == ChoiceKind::Layer).filter(|_| !is_layer);
        choices.insert(layers.unwrap_or(choices.len()), choice);
    }

    /// The units of a frame are judged.
    fn leave(&mut self) {
        let Some(Frame { late: false, id, goal, mut unasked, can, circle, again, half, .. }) = self.stack.pop() else {
            return;
        };
        let reasons = self.goals[goal].choices.iter().filter_map(|choice| match &choice.verdict {
            Verdict::Depends(_) if can == Can::FAIL => None,
            Verdict::Depends(reason) | Verdict::Errors(reason) => Some(reason.clone()),
            _ => None,
        });
        self.goals[goal].verdict = can.verdict(match can {
            Can::LACK if self.goals[goal].choices.is_empty() && unasked.is_empty() => {
                "nothing is registered for it".into()
            }
            Can::LACK if id.is_role() => {
                let units = self.registry.entries.get(&id).map_or(&[][..], |entry| &entry.units);
                unknown(id, units, |id| self.value(id)).map_or("no candidate applies".into(), |error| error.to_string())
            }
            Can::LACK => "no function applies".into(),
            _ => { reasons }.next().unwrap_or_default(),
        });
        let outer = if circle < self.stack.len() { circle } else { NONE };
        if again {
            if can == Can::FAIL {
                // Those in a circle that is certain hang on what it hangs on.
                for id in &self.half[half..] {
                    if let Some(known) = self.known.get_mut(id) {
                        known.circle = outer;
                    }
                }
            } else {
                self.half.split_off(half).iter().for_each(|id| self.released(id));
            }
        }
        self.known.insert(id, Known { goal, can: Some(can), circle: outer });
        match outer {
            NONE => self.half.truncate(half),
            _ => self.half.push(id),
        }
        if !unasked.is_empty() {
            unasked.reverse();
            let (units, unasked) = (unasked, Vec::new());
            self.behind.push(Frame { id, goal, units, unasked, late: true, can, circle, again, half });
        }
    }

    /// A goal that `half` needs again is decided, and need not fail. So `half` was judged too hard:
    /// asked for from elsewhere, anything can come of it.
    fn released(&mut self, half: &Id) {
        let Some(known) = self.known.get_mut(half) else { return };
        known.circle = NONE;
        known.can = Some(Can::ANY);
        let goal = &mut self.goals[known.goal];
        for verdict in goal.choices.iter_mut().map(|choice| &mut choice.verdict).chain([&mut goal.verdict]) {
            if let Verdict::Errors(reason) = verdict {
                *verdict = Verdict::Depends(may_fail(reason));
            }
        }
    }

    /// The circle from the goal on the stack at `begin` to itself.
    fn cycle(&self, begin: usize, again: Id) -> String {
        let around = self.stack.iter().map(|frame| frame.id).skip(begin);
        let path = around.chain([again]).map(|id| id.to_string()).collect();
        PlanError::Cycle { path, key: None }.to_string()
    }
}
