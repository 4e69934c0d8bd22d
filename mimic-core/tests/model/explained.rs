//! What must hold of an explanation, given what the resolve came to.

use mimic_core::Priority;
use mimic_core::explain::{Choice, ChoiceKind, Explanation, GoalKind, Verdict};

use super::graph::Id;
use super::reference::{Fate, Fault, Reference, Resolve};
use super::seen::Seen;

/// How often what came up.
#[derive(Debug, Default)]
pub struct Count {
    models: u32,
    connected: u32,
    refused: u32,
    missing: u32,
    cycle: u32,
    no_candidate: u32,
    function_failed: u32,
    yes: u32,
    no: u32,
    maybe: u32,
    fails: u32,
    /// Dials that failed without failing the resolve, or more than one.
    attempts: u32,
    calls: usize,
}

impl Count {
    pub fn add(&mut self, explanation: &Explanation, seen: &Seen, plan: &Result<(), Fault>) {
        self.models += 1;
        self.calls += seen.calls.len();
        self.attempts += u32::from(seen.attempts.len() > 1);
        let reason = seen.result.as_ref().err().map_or("", |reason| reason);
        match plan {
            Ok(()) if seen.result.is_ok() => self.connected += 1,
            Ok(()) => self.refused += 1,
            Err(fault) if !fault.is_plan => self.function_failed += 1,
            Err(_) if reason.starts_with("a cycle") => self.cycle += 1,
            Err(fault) if fault.is_no_candidate => self.no_candidate += 1,
            Err(_) => self.missing += 1,
        }
        match explanation.goals()[0].verdict {
            Verdict::Applies => self.yes += 1,
            Verdict::Skipped(_) => self.no += 1,
            Verdict::Depends(_) => self.maybe += 1,
            Verdict::Errors(_) => self.fails += 1,
            _ => {}
        }
    }

    pub fn assert_everything_is_reached(&self) {
        let Self { models, connected, refused, missing, cycle, no_candidate, function_failed, .. } = self;
        let Self { yes, no, maybe, fails, attempts, .. } = self;
        for count in
            [connected, refused, missing, cycle, no_candidate, function_failed, yes, no, maybe, fails, attempts]
        {
            assert!(count * 200 >= *models, "something comes up in less than half a percent of models: {self:?}");
        }
    }
}

fn id_of(name: &str, kind: GoalKind) -> Id {
    let number = name.split_once('#').map_or(0, |(_, number)| number.parse().unwrap());
    if kind == GoalKind::Role { Id::Role(number) } else { Id::Key(number) }
}

/// Of an explanation before the resolve: where it said yes or no, it was right.
pub fn before(
    explanation: &Explanation,
    reference: &Reference,
    resolve: &Resolve<'_>,
    plan: &Result<(), Fault>,
    root: u32,
) -> Result<(), String> {
    let mut functions = false;
    for goal in explanation.goals() {
        let id = id_of(&goal.name, goal.kind);
        let at = |what: &str| Err(format!("{}: {what}", goal.name));
        let listed = reference.listed(id);
        let given = matches!(id, Id::Role(role) if reference.is_given(role));
        let choices = match goal.choices.split_first() {
            Some((first, rest)) if given => {
                if first.kind != ChoiceKind::Given || !first.taken {
                    return at("the given dialer is not taken");
                }
                rest
            }
            _ => &goal.choices,
        };
        if choices.len() != listed.len() {
            return at("a registration is not listed");
        }
        // What the goal came to.
        match (resolve.decided.get(&id), &goal.verdict) {
            (Some(true), Verdict::Skipped(_) | Verdict::Errors(_)) => {
                return at("explained as not to be had, and was had");
            }
            (Some(false), Verdict::Applies | Verdict::Errors(_)) => return at("explained as to be had, and was not"),
            _ => {}
        }
        for (number, (choice, unit)) in (1..).zip(choices.iter().zip(&listed)) {
            functions |= choice.kind == ChoiceKind::Function;
            let name = if unit.is_plain() { format!("#{number}") } else { unit.name() };
            if choice.name != name {
                return at("not in the order of trying");
            }
            let rank = (choice.kind != ChoiceKind::Layer).then(|| unit.rank().map_or(Priority::NONE, Priority::from));
            if choice.priority != rank {
                return at("of another rank");
            }
            let fate = resolve.fates.get(&unit.number);
            if !agrees(&choice.verdict, fate) {
                return at(&format!("{} is explained as {:?}, and was {fate:?}", unit.name(), choice.verdict));
            }
            // A goal that was decided has asked everybody who takes part; a layer, if there is
            // something below it.
            let asked = match resolve.decided.get(&id) {
                Some(had) => *had || choice.kind != ChoiceKind::Layer,
                None => false,
            };
            if choice.taken && asked && fate != Some(&Fate::Applied) {
                return at(&format!("{} was to be taken, and was {fate:?}", unit.name()));
            }
            if matches!(choice.verdict, Verdict::Depends(_)) && !hangs_on_a_function(explanation, choice) {
                return at(&format!("{} is maybe, and no function decides", unit.name()));
            }
        }
    }
    let goals = explanation.goals();
    if goals.is_empty() || id_of(&goals[0].name, goals[0].kind) != Id::Role(root) {
        return Err("the first goal is not what was asked for".into());
    }
    let is_maybe = |verdict: &Verdict| matches!(verdict, Verdict::Depends(_));
    if !functions && goals.iter().any(|goal| is_maybe(&goal.verdict)) {
        return Err("there is no function, and something is maybe".into());
    }
    // What the root came to; a function that fails ends any resolve.
    match (&goals[0].verdict, plan) {
        (_, Err(fault)) if !fault.is_plan => Ok(()),
        (Verdict::Applies, Ok(())) | (Verdict::Skipped(_) | Verdict::Errors(_), Err(_)) | (Verdict::Depends(_), _) => {
            Ok(())
        }
        (verdict, plan) => Err(format!("explained as {verdict:?}, and was {plan:?}")),
    }
}

fn agrees(verdict: &Verdict, fate: Option<&Fate>) -> bool {
    match (verdict, fate) {
        // Not reached, or a function ended it.
        (_, None | Some(Fate::Ended { by_plan: false })) => true,
        (Verdict::Depends(_), _) => true,
        (Verdict::Applies, Some(fate)) => *fate == Fate::Applied,
        (Verdict::Skipped(_), Some(fate)) => *fate == Fate::Skipped,
        (Verdict::Errors(_), Some(fate)) => *fate == Fate::Ended { by_plan: true },
        // Not considered, and yet reached.
        (_, Some(_)) => false,
    }
}

/// Whether a function is at the bottom of it: its own, one below, or one that decides whether a
/// circle closes.
fn hangs_on_a_function(explanation: &Explanation, choice: &Choice) -> bool {
    let mut below = choice.inputs.iter().filter_map(|input| explanation.goals().get(input.goal?));
    let circle = matches!(&choice.verdict, Verdict::Depends(reason)
        if reason.starts_with("if it gets that far") || reason.starts_with("a cycle"));
    circle || choice.kind == ChoiceKind::Function || below.any(|goal| matches!(goal.verdict, Verdict::Depends(_)))
}

/// Of the explanation in a report, which knows what the functions said.
pub fn after(explanation: &Explanation, plan: &Result<(), Fault>) -> Result<(), String> {
    let root = &explanation.goals()[0];
    match plan {
        Ok(()) if root.verdict != Verdict::Applies => {
            Err(format!("in a report of a plan that was made: {:?}", root.verdict))
        }
        // Where nobody applied, all has been asked. Of a key that was being decided, the record
        // does not tell who had said "not me".
        Err(fault) if fault.is_plan => match (fault.is_no_candidate, &root.verdict) {
            (true, Verdict::Skipped(_)) | (false, Verdict::Errors(_) | Verdict::Depends(_)) => Ok(()),
            (_, verdict) => Err(format!("in a report of {fault:?}: {verdict:?}")),
        },
        _ => Ok(()),
    }
}
