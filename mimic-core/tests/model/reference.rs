//! The semantics of planning and dialling, written to be read: recursive, slow, without mimic.

use std::collections::HashMap;
use std::rc::Rc;

use mimic_core::{ErrorKind, Phase};

use super::graph::{Does, Graph, Id, Kind, Need, Of, Op, Unit, both};
use super::seen::{Got, Seen};

/// A context.
#[derive(Clone, Default)]
pub struct Reference {
    values: HashMap<u32, u32>,
    /// In the order of registration.
    units: Vec<Rc<Unit>>,
    given: HashMap<u32, Rc<Node>>,
    /// Building it took more dials than are worth trying.
    pub is_large: bool,
}

/// More dials than are worth trying.
const MANY: u32 = 10_000;

/// Somebody who will dial, with inputs.
pub struct Node {
    role: u32,
    run: Run,
    inputs: Vec<Input>,
    below: Option<Rc<Node>>,
}

enum Run {
    Unit(Rc<Unit>),
    /// A dialer made of a function, and whether it fails.
    Given(usize, bool),
}

impl Node {
    fn name(&self) -> String {
        match &self.run {
            Run::Unit(unit) => title(unit, 0),
            Run::Given(..) => format!("{} \"given\"", Id::Role(self.role).name()),
        }
    }
}

/// A unit as mimic prints it; a function without a name by its number in the order of asking.
fn title(unit: &Unit, number: usize) -> String {
    match unit.of {
        Of::Function(key, _) if unit.is_plain() => format!("the function #{number} for {}", Id::Key(key).name()),
        Of::Function(key, _) => format!("the function {:?} for {}", unit.name(), Id::Key(key).name()),
        Of::Candidate(..) | Of::Layer(_) => format!("{} {:?}", unit.id().name(), unit.name()),
    }
}

#[derive(Clone)]
enum Input {
    Value(Option<u32>),
    Below(u32, Rc<Node>),
}

/// What there is for a key or role.
#[derive(Clone)]
enum Found {
    Value(u32),
    Below(Rc<Node>),
}

/// Why it ended.
#[derive(Clone, Debug)]
pub struct Fault {
    reason: String,
    kind: ErrorKind,
    layer: Option<String>,
    target: Option<String>,
    /// The target of what the layer that failed had dialled below.
    via: Option<u32>,
    phase: Option<Phase>,
    computing: Option<String>,
    /// The context is at fault, not a function or connect.
    pub is_plan: bool,
    /// Nothing fills the role that was asked for.
    pub is_no_candidate: bool,
}

impl Fault {
    fn new(kind: ErrorKind, reason: String) -> Self {
        let (layer, target, via, phase, computing) = Default::default();
        Self { reason, kind, layer, target, via, phase, computing, is_plan: false, is_no_candidate: false }
    }

    fn plan(reason: String) -> Self {
        Self { phase: Some(Phase::Plan), is_plan: true, ..Self::new(ErrorKind::InvalidInput, reason) }
    }
}

/// What became of a registration that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Applied,
    /// A gate was shut, or a need missing.
    Skipped,
    /// It was called and said so.
    NotMe,
    /// It ended the resolve, or something it needs did. Says whether the context was at fault.
    Ended {
        by_plan: bool,
    },
}

/// One resolve, or one dial of a kept dialer.
pub struct Resolve<'a> {
    ctx: &'a Reference,
    pub decided: HashMap<Id, bool>,
    found: HashMap<Id, Option<Found>>,
    /// What is being decided, outermost first.
    path: Vec<Id>,
    pub fates: HashMap<usize, Fate>,
    calls: Vec<String>,
    started: u32,
    dials: u32,
    attempts: Vec<Attempt>,
    /// What the layers have dialled below with success, by the numbers of their own dials.
    hops: HashMap<u32, u32>,
}

struct Attempt {
    id: u32,
    parent: u32,
    text: String,
}

impl<'a> Resolve<'a> {
    fn new(ctx: &'a Reference) -> Self {
        let (decided, found, fates) = Default::default();
        let (path, calls, attempts, hops) = Default::default();
        Self { ctx, decided, found, path, fates, calls, started: 0, dials: 0, attempts, hops }
    }

    pub fn is_large(&self) -> bool {
        self.dials > MANY
    }

    /// What there is for a key or role: decided once.
    fn need(&mut self, id: Id) -> Result<Option<Found>, Fault> {
        if let Id::Key(key) = id
            && let Some(value) = self.ctx.values.get(&key)
        {
            return Ok(Some(Found::Value(*value)));
        }
        if let Some(found) = self.found.get(&id) {
            return Ok(found.clone());
        }
        if let Some(begin) = self.path.iter().position(|open| *open == id) {
            let circle = self.path[begin..].iter().chain([&id]).map(|id| id.name());
            return Err(Fault::plan(format!("a cycle: {}", circle.collect::<Vec<_>>().join(" -> "))));
        }
        self.path.push(id);
        let found = match id {
            Id::Key(_) => self.function(id)?.map(Found::Value),
            Id::Role(role) => self.fill(role)?.map(Found::Below),
        };
        self.path.pop();
        self.decided.insert(id, found.is_some());
        self.found.insert(id, found.clone());
        Ok(found)
    }

    fn value(&mut self, key: u32) -> Result<Option<u32>, Fault> {
        Ok(match self.need(Id::Key(key))? {
            Some(Found::Value(value)) => Some(value),
            _ => None,
        })
    }

    /// The first function that applies and does not say "not me".
    fn function(&mut self, key: Id) -> Result<Option<u32>, Fault> {
        for (number, unit) in (1..).zip(self.ctx.tried(key)) {
            if let Some(inputs) = self.inputs(&unit)? {
                let answer = self.compute(&unit, &inputs).map_err(|mut fault| {
                    fault.phase.get_or_insert(Phase::Plan);
                    fault.layer.get_or_insert_with(|| title(&unit, number));
                    Fault { computing: Some(title(&unit, number)), ..fault }
                });
                let fate = match &answer {
                    Ok(Some(_)) => Fate::Applied,
                    Ok(None) => Fate::NotMe,
                    Err(_) => Fate::Ended { by_plan: false },
                };
                self.fates.insert(unit.number, fate);
                if let Some(value) = answer? {
                    return Ok(Some(value));
                }
            }
        }
        Ok(None)
    }

    /// The first candidate that applies, or the given dialer, and the layers around it.
    fn fill(&mut self, role: u32) -> Result<Option<Rc<Node>>, Fault> {
        let mut node = self.ctx.given.get(&role).cloned();
        for unit in self.ctx.tried(Id::Role(role)) {
            if node.is_none()
                && let Some(inputs) = self.inputs(&unit)?
            {
                self.fates.insert(unit.number, Fate::Applied);
                node = Some(Rc::new(Node { role, run: Run::Unit(unit), inputs, below: None }));
            }
        }
        for unit in self.ctx.layers(Id::Role(role)) {
            if let Some(below) = &node
                && let Some(inputs) = self.inputs(&unit)?
            {
                self.fates.insert(unit.number, Fate::Applied);
                node = Some(Rc::new(Node { role, run: Run::Unit(unit), inputs, below: Some(below.clone()) }));
            }
        }
        Ok(node)
    }

    /// The inputs of a unit, or `None` if it does not apply.
    fn inputs(&mut self, unit: &Unit) -> Result<Option<Vec<Input>>, Fault> {
        let inputs = self.look(unit);
        match &inputs {
            Ok(Some(_)) => {}
            Ok(None) => drop(self.fates.insert(unit.number, Fate::Skipped)),
            Err(fault) => drop(self.fates.insert(unit.number, Fate::Ended { by_plan: fault.is_plan })),
        }
        inputs
    }

    fn look(&mut self, unit: &Unit) -> Result<Option<Vec<Input>>, Fault> {
        let mut committed = matches!(unit.of, Of::Layer(_));
        for need in unit.needs.iter().filter(|need| is_gate(need)) {
            committed |= !matches!(unit.of, Of::Function(..));
            let value = self.value(need.key)?;
            let open = match need.kind {
                Kind::Has | Kind::Given => value.is_some(),
                _ => value == Some(need.value),
            };
            if !open {
                return Ok(None);
            }
        }
        let mut inputs = Vec::new();
        for need in &unit.needs {
            let missing = |id: Id| {
                let what = if matches!(id, Id::Role(_)) { "over " } else { "" };
                let fault = Fault::plan(format!("{} needs {what}{}, which is missing", title(unit, 0), id.name()));
                if committed { Err(fault) } else { Ok(None) }
            };
            match need.kind {
                Kind::Is | Kind::Has => {}
                Kind::Req | Kind::Given => match self.value(need.key)? {
                    Some(value) => inputs.push(Input::Value(Some(value))),
                    None => return missing(Id::Key(need.key)),
                },
                Kind::Inside => match self.value(need.other)? {
                    Some(value) => inputs.push(Input::Value(Some(value))),
                    None => return missing(Id::Key(need.other)),
                },
                Kind::Both => match self.value(need.key)? {
                    Some(value) => inputs.push(Input::Value(Some(both(value, self.value(need.other)?)))),
                    None => return missing(Id::Key(need.key)),
                },
                Kind::Opt => inputs.push(Input::Value(self.value(need.key)?)),
                Kind::OrDefault => inputs.push(Input::Value(Some(self.value(need.key)?.unwrap_or(need.value)))),
                Kind::Over => match self.need(Id::Role(need.key))? {
                    Some(Found::Below(node)) => inputs.push(Input::Below(need.key, node)),
                    _ => return missing(Id::Role(need.key)),
                },
            }
        }
        Ok(Some(inputs))
    }

    fn compute(&mut self, unit: &Unit, inputs: &[Input]) -> Result<Option<u32>, Fault> {
        self.calls.push(format!("{}({})", unit.name(), show(inputs)));
        let sum: u32 = inputs.iter().map(|input| if let Input::Value(Some(value)) = input { *value } else { 0 }).sum();
        match unit.does {
            Does::Little => return Ok(None),
            Does::Fail => return Err(Fault::new(ErrorKind::Other, format!("{} fails", unit.name()))),
            Does::Half if sum.is_multiple_of(2) => return Ok(None),
            Does::Half | Does::Work | Does::FirstOk => {}
        }
        for (at, input) in (1..).zip(inputs) {
            if let Input::Below(_, node) = input {
                let got = self.dial(node, at, 0);
                if got.is_err() && unit.does == Does::FirstOk {
                    return Ok(None);
                }
                got?;
            }
        }
        Ok(Some(sum % 2))
    }

    /// A dial below another, or of a function.
    fn dial(&mut self, node: &Rc<Node>, to: u32, parent: u32) -> Result<Got, Fault> {
        self.dials += 1;
        if self.is_large() {
            return Err(Fault::plan("too many dials".into()));
        }
        self.started += 1;
        let id = self.started;
        self.connect(node, to, id).map_err(|mut fault| {
            let below = fault.layer.is_some() && self.attempts.iter().any(|attempt| attempt.parent == id);
            let phase = fault.phase.map(|phase| format!("{phase}: ")).unwrap_or_default();
            let outcome = if below { "failed below".into() } else { format!("{phase}{}", fault.reason) };
            let via = self.hops.get(&id).copied().filter(|hop| !below && *hop != to);
            let told = via.map_or(String::new(), |hop| format!(" via to {hop}"));
            let text = format!("{} to to {to}{told}: {outcome}", node.name());
            if fault.layer.is_none() {
                fault.via = via;
            }
            self.attempts.push(Attempt { id, parent, text });
            self.attempts.sort_by_key(|attempt| attempt.id);
            if self.attempts.len() > 32 {
                self.attempts.remove(8);
            }
            fault.layer.get_or_insert_with(|| node.name());
            fault.target.get_or_insert_with(|| format!("to {to}"));
            fault
        })
    }

    fn connect(&mut self, node: &Rc<Node>, to: u32, id: u32) -> Result<Got, Fault> {
        let got = match &node.run {
            Run::Given(number, fails) => {
                self.calls.push(format!("g{number} {to}"));
                if *fails {
                    return Err(Fault::new(ErrorKind::BrokenPipe, format!("g{number} refuses")));
                }
                Got { by: format!("g{number}@{to}"), refused: false }
            }
            Run::Unit(unit) => self.work(node, unit, to, id)?,
        };
        self.calls.push(format!("verify {to}: {}", got.by));
        if got.refused { Err(Fault::new(ErrorKind::InvalidData, "refused".into())) } else { Ok(got) }
    }

    fn work(&mut self, node: &Node, unit: &Unit, to: u32, id: u32) -> Result<Got, Fault> {
        self.calls.push(format!("{} {to} ({})", unit.name(), show(&node.inputs)));
        let over =
            node.inputs.iter().filter_map(|input| if let Input::Below(_, node) = input { Some(node) } else { None });
        let dialers: Vec<_> = node.below.iter().chain(over).cloned().collect();
        let mut parts = Vec::new();
        match unit.does {
            Does::Fail => {
                let fault = Fault::new(ErrorKind::ConnectionRefused, format!("{} refuses", unit.name()));
                return Err(Fault { phase: Some(Phase::Connect), ..fault });
            }
            Does::Little => {}
            Does::FirstOk => {
                let mut last = None;
                for (at, dialer) in (1..).zip(&dialers) {
                    match self.dial(dialer, to * 3 % 101 + at, id) {
                        Ok(got) => {
                            self.reached(node, id, to * 3 % 101 + at, at);
                            return Ok(Got::of(unit, to, &[got.by], false));
                        }
                        Err(fault) => last = Some(fault),
                    }
                }
                last.map_or(Ok(()), Err)?;
            }
            Does::Work | Does::Half => {
                for (at, dialer) in (1..).zip(&dialers) {
                    parts.push(self.dial(dialer, to * 3 % 101 + at, id)?.by);
                    self.reached(node, id, to * 3 % 101 + at, at);
                }
            }
        }
        Ok(Got::of(unit, to, &parts, unit.does == Does::Half))
    }

    /// Dial `id` has dialled `to`, the first of its dials if that is what a layer wraps.
    fn reached(&mut self, node: &Node, id: u32, to: u32, at: u32) {
        if node.below.is_some() && at == 1 {
            self.hops.insert(id, to);
        }
    }

    /// Why nothing fills a role: it may be that all candidates are for other values of one key.
    fn lacks(&self, role: u32) -> String {
        let units: Vec<_> = self.listed(role);
        // A key that nothing was registered for has no value; one that nobody asked for may have
        // any.
        let value = |key: u32| match (self.ctx.values.get(&key), self.found.get(&Id::Key(key))) {
            (Some(value), _) | (None, Some(Some(Found::Value(value)))) => Some(Some(*value)),
            (None, Some(_)) => Some(None),
            (None, None) => (!self.ctx.units.iter().any(|unit| unit.id() == Id::Key(key))).then_some(None),
        };
        let name = Id::Role(role).name();
        let decides = |need: &&Need| matches!(need.kind, Kind::Is | Kind::Inside);
        let gates = units.first().map_or(&[][..], |unit| &unit.needs);
        for Need { key, .. } in gates.iter().filter(decides) {
            let Some(value) = value(*key) else { continue };
            let shut = |unit: &Rc<Unit>| {
                let mut gates = unit.needs.iter().filter(decides).filter(|need| need.key == *key);
                Some(gates.find(|need| value != Some(need.value))?.value.to_string())
            };
            if let Some(mut known) = units.iter().map(shut).collect::<Option<Vec<_>>>() {
                known.sort();
                known.dedup();
                let found = value.map_or("not given".into(), |value| value.to_string());
                let (key, known) = (Id::Key(*key).name(), known.join(", "));
                return format!("{key} is {found}; {name} has candidates for {known}");
            }
        }
        format!("no candidate for {name} applies")
    }

    /// The candidates of a role in the order of trying.
    fn listed(&self, role: u32) -> Vec<Rc<Unit>> {
        let is_layer = |unit: &Unit| matches!(unit.of, Of::Layer(_));
        let listed = self.ctx.listed(Id::Role(role)).into_iter();
        listed.filter(|unit| !is_layer(unit)).collect()
    }

    /// Decides who fills the role that is asked for.
    fn plan(&mut self, root: u32) -> Result<Rc<Node>, Fault> {
        let name = Id::Role(root).name();
        match self.need(Id::Role(root)) {
            Ok(Some(Found::Below(node))) => Ok(node),
            Ok(_) => {
                let reason = self.lacks(root);
                Err(Fault { layer: Some(name), is_no_candidate: true, ..Fault::plan(reason) })
            }
            Err(mut fault) => {
                fault.layer.get_or_insert(name);
                Err(fault)
            }
        }
    }

    /// The dial that was asked for.
    fn root(&mut self, node: &Rc<Node>, to: u32) -> Result<Got, Fault> {
        self.connect(node, to, 0).map_err(|mut fault| {
            if fault.layer.is_none() {
                fault.layer = Some(node.name());
                fault.target = Some(format!("to {to}"));
                fault.via = self.hops.get(&0).copied().filter(|hop| *hop != to);
            }
            fault
        })
    }

    fn seen(&mut self, result: Result<Got, Fault>) -> Seen {
        let calls = std::mem::take(&mut self.calls);
        let fault = match result {
            Ok(got) => return Seen { calls, result: Ok(got.by), ..Seen::default() },
            Err(fault) => fault,
        };
        Seen {
            calls,
            result: Err(fault.reason),
            kind: Some(fault.kind),
            layer: fault.layer,
            target: fault.target,
            via: fault.via.map(|hop| format!("to {hop}")),
            phase: fault.phase,
            attempts: self.attempts.drain(..).map(|attempt| attempt.text).collect(),
            computing: fault.computing,
            advised: true,
        }
    }
}

fn is_gate(need: &Need) -> bool {
    matches!(need.kind, Kind::Is | Kind::Has | Kind::Given | Kind::Inside)
}

fn show(inputs: &[Input]) -> String {
    let shown = inputs.iter().map(|input| match input {
        Input::Value(Some(value)) => value.to_string(),
        Input::Value(None) => "-".into(),
        Input::Below(role, _) => format!("over {role}"),
    });
    shown.collect::<Vec<_>>().join(",")
}

impl Reference {
    /// Runs the program, and tells what it called.
    pub fn build(graph: &Graph) -> (Self, Vec<String>) {
        let mut contexts = [Self::default(), Self::default()];
        let mut calls = Vec::new();
        for (at, op) in &graph.ops {
            let other = contexts[1 - at].clone();
            let this = &mut contexts[*at];
            match op {
                Op::Register(unit) => this.units.push(unit.clone()),
                Op::With(key, value) => drop(this.values.insert(*key, *value)),
                Op::Without(key) => drop(this.values.remove(key)),
                Op::Give(role, number, fails) => {
                    let (run, inputs) = (Run::Given(*number, *fails), Vec::new());
                    this.give(*role, Rc::new(Node { role: *role, run, inputs, below: None }));
                }
                Op::Keep(role) => {
                    let mut resolve = Resolve::new(this);
                    let planned = resolve.plan(*role);
                    calls.append(&mut resolve.calls);
                    let is_large = resolve.is_large();
                    this.is_large |= is_large;
                    if let Ok(node) = planned {
                        this.give(*role, node);
                    }
                }
                Op::Clone => *this = other,
                Op::Merge => this.merge(other),
            }
        }
        let [this, _] = contexts;
        (this, calls)
    }

    /// In place of the candidates and layers so far.
    fn give(&mut self, role: u32, node: Rc<Node>) {
        self.units.retain(|unit| unit.id() != Id::Role(role));
        self.given.insert(role, node);
    }

    fn merge(&mut self, other: Self) {
        self.values.extend(other.values);
        for (role, node) in other.given {
            self.give(role, node);
        }
        for unit in other.units {
            if !self.units.iter().any(|own| Rc::ptr_eq(own, &unit)) {
                self.units.push(unit);
            }
        }
    }

    pub fn resolve(&self, root: u32) -> (Seen, Resolve<'_>, Result<(), Fault>) {
        let mut resolve = Resolve::new(self);
        let planned = resolve.plan(root);
        let (result, plan) = match planned {
            Ok(node) => (resolve.root(&node, 7), Ok(())),
            Err(fault) => (Err(fault.clone()), Err(fault)),
        };
        (resolve.seen(result), resolve, plan)
    }

    /// Plans once and dials twice.
    pub fn keep(&self, root: u32) -> Vec<Seen> {
        let mut resolve = Resolve::new(self);
        match resolve.plan(root) {
            Ok(node) => {
                let dials = (0..2).map(|at| {
                    (resolve.started, resolve.attempts, resolve.hops) = (0, Vec::new(), HashMap::new());
                    let result = resolve.root(&node, 7 + at);
                    resolve.seen(result)
                });
                dials.collect()
            }
            Err(fault) => vec![resolve.seen(Err(fault))],
        }
    }

    /// The functions or candidates in the order of trying: by rank, those without one last; of
    /// equal ones the latest.
    fn tried(&self, id: Id) -> Vec<Rc<Unit>> {
        let mut units: Vec<_> = self.of(id).filter(|unit| !matches!(unit.of, Of::Layer(_))).cloned().collect();
        units.reverse();
        units.sort_by_key(|unit| (unit.rank().is_none(), unit.rank()));
        units
    }

    /// The layers, innermost first.
    fn layers(&self, role: Id) -> Vec<Rc<Unit>> {
        self.of(role).filter(|unit| matches!(unit.of, Of::Layer(_))).cloned().collect()
    }

    fn of(&self, id: Id) -> impl Iterator<Item = &Rc<Unit>> {
        self.units.iter().filter(move |unit| unit.id() == id)
    }

    /// What was registered for a key or role, in the order in which an explanation lists it.
    pub fn listed(&self, id: Id) -> Vec<Rc<Unit>> {
        self.tried(id).into_iter().chain(self.layers(id)).collect()
    }

    pub fn is_given(&self, role: u32) -> bool {
        self.given.contains_key(&role)
    }
}
