//! What the engine promises, written down as a recursion: slow, and plain.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::engine::{Does, Kind, Unit};

/// A context: values, functions (newest first), and who fills which role.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) values: BTreeMap<usize, u8>,
    functions: BTreeMap<usize, Vec<Rc<Unit>>>,
    roles: BTreeMap<usize, Entry>,
}

#[derive(Clone, Default)]
struct Entry {
    given: Option<usize>,
    /// In the order of trying.
    candidates: Vec<Rc<Unit>>,
    /// Innermost first.
    layers: Vec<Rc<Unit>>,
}

/// Why there is no output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    NoCandidate,
    Missing,
    Cycle,
    Function(usize),
    Connect(usize),
}

#[derive(Clone)]
enum Found {
    Nothing,
    Value(u8),
    Node(Rc<Node>),
}

/// What a unit receives, as text, and the first dialer among it.
type Args = (String, Option<Rc<Node>>);

/// Who fills a role.
enum Node {
    Given(usize),
    Unit { unit: Rc<Unit>, args: String, over: Option<Rc<Node>>, below: Option<Rc<Node>> },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Key(usize),
    Role(usize),
}

#[derive(Clone, Copy)]
enum Need {
    Req(usize),
    Opt(usize),
    Default(usize),
    Is(usize, u8),
    Given(usize),
    Over(usize),
}

impl Need {
    fn id(self) -> Id {
        match self {
            Self::Req(key) | Self::Opt(key) | Self::Default(key) | Self::Is(key, _) | Self::Given(key) => Id::Key(key),
            Self::Over(role) => Id::Role(role),
        }
    }

    fn is_gate(self) -> bool {
        matches!(self, Self::Is(..) | Self::Given(_))
    }

    fn is_met(self, found: &Found) -> bool {
        match (self, found) {
            (Self::Is(_, wanted), Found::Value(value)) => wanted == *value,
            (Self::Opt(_) | Self::Default(_), _) => true,
            (_, found) => !matches!(found, Found::Nothing),
        }
    }
}

impl Unit {
    /// As `add` in engine.rs declares them.
    fn needs(&self) -> Vec<Need> {
        use Need::{Default, Given, Is, Opt, Over, Req};
        let ([a, b, c], [r, s], value) = (self.keys, self.roles, self.value);
        match self.shape {
            0 => vec![],
            1 => vec![Req(a)],
            2 => vec![Opt(a)],
            3 => vec![Default(a)],
            4 => vec![Is(a, value)],
            5 => vec![Given(a)],
            6 => vec![Over(r)],
            7 => vec![Is(a, value), Req(b)],
            8 => vec![Given(a), Over(r)],
            9 => vec![Req(a), Opt(b), Over(r)],
            10 => vec![Opt(a), Is(b, value)],
            11 => vec![Over(r), Over(s)],
            12 => vec![Req(a), Opt(b), Given(c)],
            _ => vec![Is(a, value), Given(b), Default(c), Over(r)],
        }
    }

    fn args(&self, found: &[(Need, Found)]) -> Args {
        let mut texts = Vec::new();
        let mut over = None;
        for (need, found) in found {
            match (need, found) {
                (Need::Req(_), Found::Value(value)) => texts.push(format!("{value:?}")),
                (Need::Opt(_), Found::Value(value)) => texts.push(format!("{:?}", Some(value))),
                (Need::Opt(_), _) => texts.push("None".into()),
                (Need::Default(_), Found::Value(value)) => texts.push(format!("{value:?}")),
                (Need::Default(_), _) => texts.push("7".into()),
                (Need::Over(_), Found::Node(node)) => drop(over.get_or_insert_with(|| node.clone())),
                _ => {}
            }
        }
        let text = match (self.shape, &texts[..]) {
            (0 | 4 | 5, _) => "()".into(),
            (_, [one]) => one.clone(),
            (_, []) => String::new(),
            (_, many) => format!("({})", many.join(", ")),
        };
        (text, over)
    }

    /// A candidate with gates is committed once they match, and a layer always is.
    fn is_committed(&self) -> bool {
        match self.kind {
            Kind::Function(_) => false,
            Kind::Candidate(..) => self.needs().into_iter().any(Need::is_gate),
            Kind::Layer(_) => true,
        }
    }
}

impl Model {
    pub(super) fn add(&mut self, unit: &Unit) {
        self.insert(&Rc::new(unit.clone()));
    }

    fn insert(&mut self, unit: &Rc<Unit>) {
        let list = match unit.kind {
            Kind::Function(key) => self.functions.entry(key).or_default(),
            Kind::Candidate(role, _) => &mut self.roles.entry(role).or_default().candidates,
            Kind::Layer(role) => &mut self.roles.entry(role).or_default().layers,
        };
        if list.iter().any(|other| other.id == unit.id) {
            return;
        }
        match unit.kind {
            Kind::Function(_) => list.insert(0, unit.clone()),
            Kind::Candidate(_, priority) => {
                let earlier = |other: &&Rc<Unit>| matches!(other.kind, Kind::Candidate(_, p) if p < priority);
                list.insert(list.iter().filter(earlier).count(), unit.clone());
            }
            Kind::Layer(_) => list.push(unit.clone()),
        }
    }

    pub(super) fn give(&mut self, role: usize, dialer: usize) {
        self.roles.insert(role, Entry { given: Some(dialer), ..Entry::default() });
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.values.extend(&other.values);
        for list in other.functions.values() {
            list.iter().rev().for_each(|unit| self.insert(unit));
        }
        for (role, entry) in &other.roles {
            if entry.given.is_some() {
                self.roles.insert(*role, Entry { given: entry.given, ..Entry::default() });
            }
            entry.candidates.iter().rev().chain(&entry.layers).for_each(|unit| self.insert(unit));
        }
    }

    pub(super) fn resolve(&self, role: usize) -> Expected {
        let mut run = Run { model: self, memo: BTreeMap::new(), open: Vec::new(), calls: Vec::new() };
        let mut connects = Vec::new();
        let node = run.root(role);
        let result = node.as_ref().map_err(|failure| *failure).and_then(|node| node.dial(&mut connects));
        Expected { result, planned: node.map(drop), functions: run.calls, connects }
    }
}

/// What `resolve` should come to.
pub(super) struct Expected {
    pub(super) result: Result<String, Failure>,
    /// Whether it came to dialling.
    pub(super) planned: Result<(), Failure>,
    /// Who is called, in order: all of these before all of those.
    pub(super) functions: Vec<usize>,
    pub(super) connects: Vec<usize>,
}

struct Run<'a> {
    model: &'a Model,
    memo: BTreeMap<Id, Found>,
    open: Vec<Id>,
    calls: Vec<usize>,
}

impl Run<'_> {
    fn root(&mut self, role: usize) -> Result<Rc<Node>, Failure> {
        match self.find(Id::Role(role))? {
            Found::Node(node) => Ok(node),
            _ => Err(Failure::NoCandidate),
        }
    }

    fn find(&mut self, id: Id) -> Result<Found, Failure> {
        if let Id::Key(key) = id
            && let Some(value) = self.model.values.get(&key)
        {
            return Ok(Found::Value(*value));
        }
        if let Some(found) = self.memo.get(&id) {
            return Ok(found.clone());
        }
        if self.open.contains(&id) {
            return Err(Failure::Cycle);
        }
        self.open.push(id);
        let found = match id {
            Id::Key(key) => self.compute(key)?,
            Id::Role(role) => self.fill(role)?,
        };
        self.open.pop();
        self.memo.insert(id, found.clone());
        Ok(found)
    }

    fn compute(&mut self, key: usize) -> Result<Found, Failure> {
        for unit in self.model.functions.get(&key).into_iter().flatten() {
            if self.inputs(unit)?.is_none() {
                continue;
            }
            self.calls.push(unit.id);
            match unit.does {
                Does::Answer => return Ok(Found::Value(unit.value)),
                Does::Pass => {}
                Does::Fail => return Err(Failure::Function(unit.id)),
            }
        }
        Ok(Found::Nothing)
    }

    fn fill(&mut self, role: usize) -> Result<Found, Failure> {
        let Some(entry) = self.model.roles.get(&role) else { return Ok(Found::Nothing) };
        let mut top = entry.given.map(|id| Rc::new(Node::Given(id)));
        for unit in &entry.candidates {
            if top.is_none()
                && let Some((args, over)) = self.inputs(unit)?
            {
                top = Some(Rc::new(Node::Unit { unit: unit.clone(), args, over, below: None }));
            }
        }
        let Some(mut top) = top else { return Ok(Found::Nothing) };
        for unit in &entry.layers {
            if let Some((args, over)) = self.inputs(unit)? {
                top = Rc::new(Node::Unit { unit: unit.clone(), args, over, below: Some(top) });
            }
        }
        Ok(Found::Node(top))
    }

    /// What a unit receives, if it applies. Gates are decided first.
    fn inputs(&mut self, unit: &Unit) -> Result<Option<Args>, Failure> {
        let (gates, others): (Vec<_>, Vec<_>) = unit.needs().into_iter().partition(|need| need.is_gate());
        let mut all = Vec::new();
        for need in gates.into_iter().chain(others) {
            let found = self.find(need.id())?;
            if !need.is_met(&found) {
                return if unit.is_committed() && !need.is_gate() { Err(Failure::Missing) } else { Ok(None) };
            }
            all.push((need, found));
        }
        Ok(Some(unit.args(&all)))
    }
}

impl Node {
    fn dial(&self, calls: &mut Vec<usize>) -> Result<String, Failure> {
        match self {
            Self::Given(id) => {
                calls.push(*id);
                Ok(format!("g{id}"))
            }
            Self::Unit { unit, args, over, below } => {
                let id = unit.id;
                calls.push(id);
                match (unit.does, below, over) {
                    (Does::Fail, ..) => Err(Failure::Connect(id)),
                    (Does::Answer, Some(below), _) => Ok(format!("l{id}({args})<{}>", below.dial(calls)?)),
                    (Does::Pass, Some(_), _) => Ok(format!("l{id}({args})")),
                    (Does::Answer, None, Some(over)) => Ok(format!("c{id}({args})[{}]", over.dial(calls)?)),
                    (_, None, _) => Ok(format!("c{id}({args})")),
                }
            }
        }
    }
}
