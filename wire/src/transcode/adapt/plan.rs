//! How values of one type become values of another: found once for a pair of schemas, as steps that refer to each other.

use std::collections::HashMap;

use crate::limits::ADAPTER_MEMBERS_MAX;
use crate::schema::{Field, ServiceSchema, Type, TypeRef, Variant};

/// The name of the variant that stands for those that a schema doesn't know yet.
const UNKNOWN: &str = "Unknown";

/// The index of a step in its table.
pub(super) type StepRef = usize;

/// Where to begin with a message; `None` when it can stay as it is.
pub(super) type Plan = Option<StepRef>;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the caller to the server: nothing that the caller says may be lost.
    Outward,
    /// From the server to the caller, who doesn't miss what it doesn't know.
    Inward,
}

impl Way {
    /// Where the messages come from, in the caller's words.
    fn source(self) -> &'static str {
        if self == Self::Outward { "here" } else { "there" }
    }

    /// Where they go.
    pub(super) fn target(self) -> &'static str {
        if self == Self::Outward { "there" } else { "here" }
    }
}

/// What turns a value of one type into a value of another. Types are those of the schema that messages come in.
#[derive(Debug)]
pub(super) enum Step {
    /// Both types are encoded alike.
    Copy(TypeRef),
    /// An integer, which has to fit.
    Integer { from: Integer, to: Integer },
    /// A decimal of another scale.
    Scale { from: u8, to: u8 },
    /// What an option holds.
    Option(StepRef),
    /// A value becomes an option that holds it.
    Wrap(StepRef),
    /// An option becomes the value that it has to hold.
    Unwrap(StepRef),
    /// Each item.
    List(StepRef),
    /// Each key and value.
    Map { key_type: TypeRef, key: StepRef, value: StepRef },
    /// The fields of a struct.
    Struct(Members),
    /// The variants of an enum, by the index that they come with.
    Enum(Vec<Variation>),
}

/// An integer's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Integer {
    pub(super) bits: u8,
    pub(super) signed: bool,
}

/// The fields of a struct, or of a variant.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// The fields as they come.
    pub(super) given: Vec<Given>,
    /// The fields as they go: the place of the one that they come from, and what becomes of it. `None` is an option without value.
    pub(super) wanted: Vec<Option<(usize, StepRef)>>,
    /// The places ascend.
    pub(super) in_order: bool,
}

/// A field as it comes.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) of: TypeRef,
    /// Nobody asks for it, and it would be lost: it must be an option without value.
    pub(super) must_be_absent: bool,
}

/// What becomes of a variant.
#[derive(Debug)]
pub(super) enum Variation {
    /// The variant with this index.
    Known { name: String, index: u64, members: Members },
    /// The variant `Unknown`, which has this index; the types of the fields that are passed over.
    Unknown { index: u64, passed: Vec<TypeRef> },
    /// There is none for it.
    Refused { name: String },
}

/// Why a type can't become another.
#[derive(Debug)]
pub(super) struct Difference {
    /// The field, as `items[].price`; empty for the message itself.
    pub(super) path: String,
    /// Words that follow the field.
    pub(super) words: String,
}

impl Difference {
    fn new(words: impl Into<String>) -> Self {
        Self { path: String::new(), words: words.into() }
    }

    /// Adds the field, the variant, or the `[]` of items that it stands in.
    fn within(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

/// Finds the steps from the types of one validated schema to those of another.
pub(super) struct Compiler<'a> {
    way: Way,
    from: &'a ServiceSchema,
    to: &'a ServiceSchema,
    steps: Vec<Step>,
    /// What is known of pairs of types already, so that each is compared once.
    known: HashMap<(TypeRef, TypeRef), StepRef>,
    /// Fields and variants that were looked at.
    members: usize,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(way: Way, from: &'a ServiceSchema, to: &'a ServiceSchema) -> Self {
        Self { way, from, to, steps: Vec::new(), known: HashMap::new(), members: 0 }
    }

    /// All steps that were found.
    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// The plan for messages of the one type that are to be of the other.
    pub(super) fn plan(&mut self, from: TypeRef, to: TypeRef) -> Result<Plan, Difference> {
        let root = self.step(from, to)?;
        Ok((!self.copies(root)).then_some(root))
    }

    fn copies(&self, step: StepRef) -> bool {
        matches!(self.steps[step], Step::Copy(_))
    }

    fn step(&mut self, from: TypeRef, to: TypeRef) -> Result<StepRef, Difference> {
        if let Some(known) = self.known.get(&(from, to)) {
            return Ok(*known);
        }
        self.count(1)?;
        let step = self.compile(from, to)?;
        self.steps.push(step);
        self.known.insert((from, to), self.steps.len() - 1);
        Ok(self.steps.len() - 1)
    }

    /// SPEC 10.10: types by their kind, structs and enums by the names of what they hold.
    fn compile(&mut self, from: TypeRef, to: TypeRef) -> Result<Step, Difference> {
        let (source, target) = (self.from, self.to);
        let (Some(given), Some(wanted)) = (source.type_at(from), target.type_at(to)) else {
            return Err(Difference::new("has a type that its schema doesn't have"));
        };
        if let (Some(given), Some(wanted)) = (integer(given), integer(wanted)) {
            let step = Step::Integer { from: given, to: wanted };
            return Ok(if given.is_encoded_as(wanted) { Step::Copy(from) } else { step });
        }
        if let (Some(given), Some(wanted)) = (fields_of(given), fields_of(wanted)) {
            let (members, copied) = self.members(given, wanted)?;
            return Ok(if copied { Step::Copy(from) } else { Step::Struct(members) });
        }
        let step = match (given, wanted) {
            (Type::Option { item: given }, Type::Option { item: wanted }) => {
                Step::Option(self.step(*given, *wanted)?)
            }
            (Type::Option { item }, _) => return Ok(Step::Unwrap(self.step(*item, to)?)),
            (_, Type::Option { item }) => return Ok(Step::Wrap(self.step(from, *item)?)),
            (Type::List { item: given }, Type::List { item: wanted }) => {
                Step::List(self.step(*given, *wanted).map_err(|difference| difference.within("[]"))?)
            }
            (Type::Map { key: key_type, value: given }, Type::Map { key, value }) => {
                let within = |difference: Difference| difference.within("[]");
                let (key_type, key) = (*key_type, self.step(*key_type, *key).map_err(within)?);
                Step::Map { key_type, key, value: self.step(*given, *value).map_err(within)? }
            }
            (Type::Enum { variants: given, .. }, Type::Enum { variants: wanted, .. }) => {
                return self.variants(from, given, wanted);
            }
            (Type::Decimal { scale: from }, Type::Decimal { scale: to }) if from != to => {
                Step::Scale { from: *from, to: *to }
            }
            (given, wanted) if given == wanted => Step::Copy(from),
            (given, wanted) => return Err(self.of_another_type(given, wanted)),
        };
        let copied = match &step {
            Step::Option(item) | Step::List(item) => self.copies(*item),
            Step::Map { key, value, .. } => self.copies(*key) && self.copies(*value),
            _ => false,
        };
        Ok(if copied { Step::Copy(from) } else { step })
    }

    /// Fields by name; and whether they are the same ones in the same order, encoded alike.
    fn members(&mut self, given: &[Field], wanted: &[Field]) -> Result<(Members, bool), Difference> {
        self.count(given.len() + wanted.len())?;
        let mut members = Members { in_order: true, ..Members::default() };
        let mut taken = vec![false; given.len()];
        let mut copied = given.len() == wanted.len();
        let mut next = 0;
        for (at, field) in wanted.iter().enumerate() {
            let Some(place) = position(given, at, &field.name) else {
                if !self.is_option(self.to, field) {
                    return Err(self.is_missing(field, self.way.target(), self.way.source()));
                }
                members.wanted.push(None);
                copied = false;
                continue;
            };
            let within = |difference: Difference| difference.within(&field.name);
            let step = self.step(given[place].of, field.of).map_err(within)?;
            members.wanted.push(Some((place, step)));
            taken[place] = true;
            members.in_order &= place >= next;
            next = place + 1;
            copied &= place == at && self.copies(step);
        }
        for (field, taken) in given.iter().zip(taken) {
            let must_be_absent = !taken && self.way == Way::Outward;
            if must_be_absent && !self.is_option(self.from, field) {
                return Err(self.is_missing(field, self.way.source(), self.way.target()));
            }
            members.given.push(Given { name: field.name.clone(), of: field.of, must_be_absent });
        }
        Ok((members, copied))
    }

    fn variants(&mut self, of: TypeRef, given: &[Variant], wanted: &[Variant]) -> Result<Step, Difference> {
        self.count(given.len() + wanted.len())?;
        let catch_all =
            wanted.iter().position(|variant| variant.name == UNKNOWN && variant.fields.is_empty());
        let (mut variations, mut copied, mut any) = (Vec::with_capacity(given.len()), true, false);
        for (at, variant) in given.iter().enumerate() {
            let name = variant.name.clone();
            let same_place = wanted.get(at).is_some_and(|wanted| wanted.name == name).then_some(at);
            let place = same_place.or_else(|| wanted.iter().position(|wanted| wanted.name == name));
            variations.push(match (place, catch_all) {
                (Some(place), _) => {
                    let within = |difference: Difference| difference.within(&name);
                    let fields = self.members(&variant.fields, &wanted[place].fields).map_err(within)?;
                    (copied, any) = (copied && place == at && fields.1, true);
                    Variation::Known { name, index: place as u64, members: fields.0 }
                }
                (None, Some(index)) => {
                    let passed = variant.fields.iter().map(|field| field.of).collect();
                    (copied, any) = (false, true);
                    Variation::Unknown { index: index as u64, passed }
                }
                (None, None) => {
                    copied = false;
                    Variation::Refused { name }
                }
            });
        }
        match (any, copied) {
            (false, _) => Err(Difference::new("has no variant in common")),
            (_, true) => Ok(Step::Copy(of)),
            _ => Ok(Step::Enum(variations)),
        }
    }

    fn is_option(&self, schema: &ServiceSchema, field: &Field) -> bool {
        matches!(schema.type_at(field.of), Some(Type::Option { .. }))
    }

    /// A field that one side needs and the other doesn't have.
    fn is_missing(&self, field: &Field, required: &str, unknown: &str) -> Difference {
        Difference::new(format!("is required {required} and unknown {unknown}")).within(&field.name)
    }

    fn of_another_type(&self, given: &Type, wanted: &Type) -> Difference {
        let (here, there) = if self.way == Way::Outward { (given, wanted) } else { (wanted, given) };
        Difference::new(format!("is {} here and {} there", type_name(here), type_name(there)))
    }

    fn count(&mut self, members: usize) -> Result<(), Difference> {
        self.members += members;
        if self.members > ADAPTER_MEMBERS_MAX {
            return Err(Difference::new("belongs to schemas that are too large to be compared"));
        }
        Ok(())
    }
}

/// The field of this name, looked for at its own place first.
fn position(fields: &[Field], at: usize, name: &str) -> Option<usize> {
    let same_place = fields.get(at).is_some_and(|field| field.name == name).then_some(at);
    same_place.or_else(|| fields.iter().position(|field| field.name == name))
}

/// The fields of a struct. Unit is one without.
fn fields_of(described: &Type) -> Option<&[Field]> {
    match described {
        Type::Struct { fields, .. } => Some(fields),
        Type::Unit => Some(&[]),
        _ => None,
    }
}

fn integer(described: &Type) -> Option<Integer> {
    let (bits, signed) = match described {
        Type::U8 => (8, false),
        Type::U16 => (16, false),
        Type::U32 => (32, false),
        Type::U64 => (64, false),
        Type::I8 => (8, true),
        Type::I16 => (16, true),
        Type::I32 => (32, true),
        Type::I64 => (64, true),
        _ => return None,
    };
    Some(Integer { bits, signed })
}

impl Integer {
    /// Whether every number of this type has the same bytes in the other. From 16 bits on they are written alike (SPEC 9.1).
    fn is_encoded_as(self, other: Self) -> bool {
        self == other || self.signed == other.signed && 16 <= self.bits && self.bits <= other.bits
    }
}

/// A type for people.
fn type_name(described: &Type) -> String {
    match described {
        Type::Decimal { scale } => format!("Decimal({scale})"),
        Type::Option { .. } => "Option".into(),
        Type::List { .. } => "List".into(),
        Type::Map { .. } => "Map".into(),
        Type::Struct { name, .. } => format!("the Struct {name}"),
        Type::Enum { name, .. } => format!("the Enum {name}"),
        plain => format!("{plain:?}"),
    }
}
