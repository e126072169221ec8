//! Schemas to fuzz with, and values of their types as JSON.

use std::sync::OnceLock;

use micronet_tests::random::Random;
use micronet_wire::builtin::builtin_schema;
use micronet_wire::schema::{
    EncodedSchema, Field, Message, ServiceSchema, Type, TypeRef, TypeRegistry, Variant,
};

/// Schemas that were made at random.
const RANDOM: u64 = 24;
/// Types of each of them, at most.
const TYPES_MAX: u64 = 14;

/// The schemas: those of the services, the schema of schemas, and random ones.
pub(crate) fn schemas() -> &'static [EncodedSchema] {
    static SCHEMAS: OnceLock<Vec<EncodedSchema>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let fixed = [
            of_schemas(),
            micronet_services::product::api::product_schema(),
            micronet_services::order::api::order_schema(),
            builtin_schema(),
        ];
        let all = fixed.into_iter().chain((0..RANDOM).map(random_schema));
        all.map(|schema| EncodedSchema::new(schema).unwrap()).collect()
    })
}

/// The schema whose last type is that of schemas.
pub(crate) fn of_schemas() -> ServiceSchema {
    let mut types = TypeRegistry::default();
    let at = ServiceSchema::describe(&mut types);
    let types = types.into_types();
    assert_eq!(at as usize + 1, types.len());
    only_types(types)
}

fn only_types(types: Vec<Type>) -> ServiceSchema {
    ServiceSchema { name: "fuzz".into(), doc: String::new(), types, methods: Vec::new() }
}

/// A valid schema of types that refer to each other at random.
fn random_schema(seed: u64) -> ServiceSchema {
    let mut random = Random::new(seed);
    let mut schema = only_types(vec![Type::String, Type::U32]);
    let count = random.between(4, TYPES_MAX);
    while (schema.types.len() as u64) < count {
        let described = random_type(&mut random, schema.types.len() as u64);
        schema.types.push(described);
        if schema.validate().is_err() {
            schema.types.pop();
        }
    }
    schema
}

fn random_type(random: &mut Random, known: u64) -> Type {
    let earlier = |random: &mut Random| TypeRef::try_from(random.below(known)).unwrap_or(0);
    let fields = |random: &mut Random| -> Vec<Field> {
        let count = random.below(6);
        (0..count).map(|at| random_field(random, at, known)).collect()
    };
    let doc = String::new;
    match random.below(20) {
        0 => Type::Unit,
        1 => Type::Bool,
        2 => Type::U8,
        3 => Type::U16,
        4 => Type::U64,
        5 => Type::I8,
        6 => Type::I16,
        7 => Type::I32,
        8 => Type::I64,
        9 => Type::Bytes,
        10 => Type::Timestamp,
        11 => Type::Decimal { scale: random.below(19).to_le_bytes()[0] },
        12 => Type::Option { item: earlier(random) },
        13 => Type::List { item: earlier(random) },
        14 => Type::Map { key: earlier(random), value: earlier(random) },
        15..18 => Type::Struct { name: format!("S{known}"), doc: doc(), fields: fields(random) },
        _ => {
            let variant =
                |at| Variant { name: format!("V{at}"), doc: doc(), fields: fields(random), http_status: 0 };
            Type::Enum { name: format!("E{known}"), doc: doc(), variants: (0..3).map(variant).collect() }
        }
    }
}

fn random_field(random: &mut Random, at: u64, known: u64) -> Field {
    let of = TypeRef::try_from(random.below(known)).unwrap_or(0);
    let min = random.percent(50).then(|| *random.pick(&[0, 1, 2]));
    let max = random.percent(50).then(|| *random.pick(&[2, 3, 127]));
    let format = if random.percent(20) { "email" } else { "" };
    let (doc, example) = (String::new(), String::new());
    let field = Field { name: format!("f{at}"), doc, of, min, max, format: format.into(), example };
    // The first two types can be constrained, strings and numbers; of the others few can, and a schema would be refused.
    match of {
        0 => field,
        1 => Field { format: String::new(), ..field },
        _ => unconstrained_field(&field),
    }
}

fn unconstrained_field(field: &Field) -> Field {
    Field { min: None, max: None, format: String::new(), ..field.clone() }
}

/// The same schema, whose fields take every value of their types.
pub(crate) fn unconstrained(schema: &ServiceSchema) -> ServiceSchema {
    let mut free = schema.clone();
    for described in &mut free.types {
        let fields: Vec<&mut Field> = match described {
            Type::Struct { fields, .. } => fields.iter_mut().collect(),
            Type::Enum { variants, .. } => variants.iter_mut().flat_map(|one| &mut one.fields).collect(),
            _ => Vec::new(),
        };
        fields.into_iter().for_each(|field| *field = unconstrained_field(field));
    }
    free
}

/// Some value of a type as JSON.
pub(crate) fn json(schema: &ServiceSchema, of: TypeRef, random: &mut Random) -> String {
    match &schema.types[of as usize] {
        Type::Unit => "null".into(),
        Type::Bool => (*random.pick(&["true", "false"])).into(),
        Type::U8 | Type::U16 | Type::U32 => random.pick(&["0", "7", "250", "251"]).to_string(),
        Type::U64 => random.pick(&["0", "\"18446744073709551615\"", "9007199254740991"]).to_string(),
        Type::I8 | Type::I16 | Type::I32 => random.pick(&["0", "-1", "-128", "127"]).to_string(),
        Type::I64 => random.pick(&["-1", "\"-9223372036854775808\"", "9007199254740991"]).to_string(),
        Type::String => random.pick(&["\"\"", "\"Tux\"", "\"ä\\u00e4\\ud83d\\ude00\\n\""]).to_string(),
        Type::Bytes => random.pick(&["\"\"", "\"AP8=\"", "\"AAAA\""]).to_string(),
        Type::Timestamp => random
            .pick(&[
                "\"1970-01-01T00:00:00Z\"",
                "\"2024-02-29T23:59:59.999999+23:59\"",
                "\"0000-01-01T00:00:00Z\"",
            ])
            .to_string(),
        Type::Decimal { scale } => match (scale, random.below(3)) {
            (0, _) | (_, 0) => "1".into(),
            (scale, _) => format!("-0.{:0>1$}", 5, usize::from(*scale)),
        },
        Type::Option { .. } if random.percent(40) => "null".into(),
        Type::Option { item } => json(schema, *item, random),
        Type::List { item } => {
            let items = (0..random.below(3)).map(|_| json(schema, *item, random)).collect::<Vec<_>>();
            format!("[{}]", items.join(","))
        }
        Type::Map { key, value } => {
            let key = json(schema, *key, random);
            format!("{{\"{}\":{}}}", key.trim_matches('"'), json(schema, *value, random))
        }
        Type::Struct { fields, .. } => object(schema, fields, random),
        Type::Enum { variants, .. } => {
            let variant = random.pick(variants);
            if variant.fields.is_empty() {
                format!("{:?}", variant.name)
            } else {
                format!("{{{:?}:{}}}", variant.name, object(schema, &variant.fields, random))
            }
        }
    }
}

fn object(schema: &ServiceSchema, fields: &[Field], random: &mut Random) -> String {
    let field = |field: &Field| format!("{:?}:{}", field.name, json(schema, field.of, random));
    format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
}

/// All schemas as they travel.
pub(crate) fn encoded() -> Vec<Vec<u8>> {
    schemas().iter().map(|schema| schema.encoded().to_vec()).collect()
}
