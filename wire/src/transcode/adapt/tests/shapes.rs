//! Random types, their descendants by edits that messages survive, and values of them.

use crate::schema::{Field, Type, TypeRef, Variant};

/// Numbers from a seed (`SplitMix64`).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    pub(super) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in 1..items.len() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// A type as a tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Bool, String, Bytes or Timestamp.
    Plain(Type),
    Integer(Type),
    Decimal(u8),
    Option(Box<Shape>),
    List(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Struct(Fields),
    Enum(Vec<(String, Fields)>),
}

pub(super) type Fields = Vec<(String, Shape)>;

const INTEGERS: [Type; 8] =
    [Type::U8, Type::U16, Type::U32, Type::U64, Type::I8, Type::I16, Type::I32, Type::I64];

fn integer(dice: &mut Dice) -> Shape {
    Shape::Integer(INTEGERS[dice.below(8)].clone())
}

pub(super) fn random(dice: &mut Dice, depth: usize) -> Shape {
    match dice.below(if depth == 0 { 6 } else { 12 }) {
        0 => Shape::Plain(Type::Bool),
        1 => Shape::Plain(Type::String),
        2 => Shape::Plain([Type::Bytes, Type::Timestamp][dice.below(2)].clone()),
        3 => Shape::Decimal([0, 2, 4, 18][dice.below(4)]),
        4 | 5 => integer(dice),
        6 | 7 => optional(random(dice, depth - 1)),
        8 => Shape::List(Box::new(random(dice, depth - 1))),
        9 => {
            let key = if dice.one_in(2) { Shape::Plain(Type::String) } else { integer(dice) };
            Shape::Map(Box::new(key), Box::new(random(dice, depth - 1)))
        }
        10 => Shape::Struct(fields(dice, depth, 1)),
        _ => {
            let count = 1 + dice.below(4);
            let mut variants: Vec<_> =
                (0..count).map(|at| (format!("V{at}"), fields(dice, depth, 0))).collect();
            if dice.one_in(3) {
                variants.push(("Unknown".into(), Vec::new()));
            }
            Shape::Enum(variants)
        }
    }
}

pub(super) fn fields(dice: &mut Dice, depth: usize, least: usize) -> Fields {
    let count = least + dice.below(4);
    (0..count).map(|at| (format!("f{at}"), random(dice, depth.saturating_sub(1)))).collect()
}

fn optional(shape: Shape) -> Shape {
    if matches!(shape, Shape::Option(_)) { shape } else { Shape::Option(Box::new(shape)) }
}

/// A descendant that values of the shape can become, most of them. `keeps` says that fields go only if they are optional.
pub(super) fn evolved(dice: &mut Dice, shape: &Shape, keeps: bool) -> Shape {
    let next = match shape {
        Shape::Plain(_) => shape.clone(),
        Shape::Integer(_) if dice.one_in(2) => integer(dice),
        Shape::Decimal(_) if dice.one_in(2) => Shape::Decimal([0, 2, 4, 18][dice.below(4)]),
        Shape::Integer(_) | Shape::Decimal(_) => shape.clone(),
        Shape::Option(item) if dice.one_in(6) => return evolved(dice, item, keeps),
        Shape::Option(item) => optional(evolved(dice, item, keeps)),
        Shape::List(item) => Shape::List(Box::new(evolved(dice, item, keeps))),
        Shape::Map(key, value) => {
            let key = match **key {
                Shape::Integer(_) if dice.one_in(2) => Box::new(integer(dice)),
                _ => key.clone(),
            };
            Shape::Map(key, Box::new(evolved(dice, value, keeps)))
        }
        Shape::Struct(fields) => Shape::Struct(evolved_fields(dice, fields, keeps, 1)),
        Shape::Enum(variants) => evolved_enum(dice, variants, keeps),
    };
    if dice.one_in(8) { optional(next) } else { next }
}

pub(super) fn evolved_fields(dice: &mut Dice, fields: &Fields, keeps: bool, least: usize) -> Fields {
    let mut next: Fields = Vec::new();
    for (at, (name, shape)) in fields.iter().enumerate() {
        let may_go = !keeps || matches!(shape, Shape::Option(_));
        if !(may_go && dice.one_in(4) && next.len() + fields.len() - at > least) {
            next.push((name.clone(), evolved(dice, shape, keeps)));
        }
    }
    while dice.one_in(3) || next.len() < least {
        let (name, shape) = (format!("n{}", next.len()), optional(random(dice, 1)));
        next.push((name, shape));
    }
    if dice.one_in(3) {
        dice.shuffle(&mut next);
    }
    next
}

fn evolved_enum(dice: &mut Dice, variants: &[(String, Fields)], keeps: bool) -> Shape {
    let mut next = Vec::new();
    for (at, (name, fields)) in variants.iter().enumerate() {
        if at == 0 || !dice.one_in(4) {
            next.push((name.clone(), evolved_fields(dice, fields, keeps, 0)));
        }
    }
    if dice.one_in(3) {
        next.push(("Grown".into(), Vec::new()));
    }
    if dice.one_in(2) && !next.iter().any(|(name, _)| name == "Unknown") {
        next.push(("Unknown".into(), Vec::new()));
    }
    if dice.one_in(3) {
        dice.shuffle(&mut next);
    }
    Shape::Enum(next)
}

/// Puts a shape into a table of types.
pub(super) fn describe(shape: &Shape, types: &mut Vec<Type>) -> TypeRef {
    let described = match shape {
        Shape::Plain(described) | Shape::Integer(described) => described.clone(),
        Shape::Decimal(scale) => Type::Decimal { scale: *scale },
        Shape::Option(item) => Type::Option { item: describe(item, types) },
        Shape::List(item) => Type::List { item: describe(item, types) },
        Shape::Map(key, value) => Type::Map { key: describe(key, types), value: describe(value, types) },
        Shape::Struct(fields) => {
            let fields = describe_fields(fields, types);
            Type::Struct { name: format!("S{}", types.len()), doc: String::new(), fields }
        }
        Shape::Enum(variants) => {
            let variants = variants
                .iter()
                .map(|(name, fields)| {
                    let fields = describe_fields(fields, types);
                    Variant { name: name.clone(), doc: String::new(), fields, http_status: 0 }
                })
                .collect();
            Type::Enum { name: format!("E{}", types.len()), doc: String::new(), variants }
        }
    };
    types.push(described);
    TypeRef::try_from(types.len() - 1).unwrap()
}

fn describe_fields(fields: &Fields, types: &mut Vec<Type>) -> Vec<Field> {
    let field = |(name, shape): &(String, Shape)| Field {
        name: name.clone(),
        of: describe(shape, types),
        ..Field::default()
    };
    fields.iter().map(field).collect()
}

/// A value, free of its type.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    /// Its JSON.
    Plain(String),
    Number(i128),
    Decimal(i64),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    Struct(Vec<(String, Value)>),
    Variant(String, Vec<(String, Value)>),
}

pub(super) fn value(dice: &mut Dice, shape: &Shape) -> Value {
    match shape {
        Shape::Plain(Type::Bool) => Value::Plain(["true", "false"][dice.below(2)].into()),
        Shape::Plain(Type::Bytes) => Value::Plain(["\"\"", "\"AP8=\""][dice.below(2)].into()),
        Shape::Plain(Type::Timestamp) => Value::Plain("\"2026-11-21T03:31:18.000123Z\"".into()),
        Shape::Plain(_) => Value::Plain(["\"\"", "\"Tux\"", "\"ä\u{1F600}\""][dice.below(3)].into()),
        Shape::Integer(of) => Value::Number(number(dice, of)),
        Shape::Decimal(_) => Value::Decimal([0, -1, 100, -2500, 259_900, i64::MAX, i64::MIN][dice.below(7)]),
        Shape::Option(_) if dice.one_in(2) => Value::Null,
        Shape::Option(item) => value(dice, item),
        Shape::List(item) => Value::List((0..dice.below(4)).map(|_| value(dice, item)).collect()),
        Shape::Map(key, of) => {
            let mut keys: Vec<String> = (0..dice.below(4))
                .map(|_| match &**key {
                    Shape::Integer(of) => number(dice, of).to_string(),
                    _ => ["a", "b", "ab", ""][dice.below(4)].into(),
                })
                .collect();
            keys.sort();
            keys.dedup();
            Value::Map(keys.into_iter().map(|key| (key, value(dice, of))).collect())
        }
        Shape::Struct(fields) => Value::Struct(values(dice, fields)),
        Shape::Enum(variants) => {
            let (name, fields) = &variants[dice.below(variants.len())];
            Value::Variant(name.clone(), values(dice, fields))
        }
    }
}

pub(super) fn values(dice: &mut Dice, fields: &Fields) -> Vec<(String, Value)> {
    fields.iter().map(|(name, shape)| (name.clone(), value(dice, shape))).collect()
}

fn number(dice: &mut Dice, of: &Type) -> i128 {
    let (least, greatest) = match of {
        Type::U8 => (0, i128::from(u8::MAX)),
        Type::U16 => (0, i128::from(u16::MAX)),
        Type::U32 => (0, i128::from(u32::MAX)),
        Type::U64 => (0, i128::from(u64::MAX)),
        Type::I8 => (i128::from(i8::MIN), i128::from(i8::MAX)),
        Type::I16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
        Type::I32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    [0, 1, 100, -1, 127, 128, 250, 251, 255, 256, least, greatest][dice.below(12)].clamp(least, greatest)
}
