//! What `#[derive(Message)]` writes, held against bincode's own derive and against the schema it should describe.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;

use crate::encoding::{decode, encode, words};
use crate::limits::DECODE_BYTES_MAX;
use crate::schema::{Blob, Decimal, Field, Message, ServiceSchema, Timestamp, Type, TypeRegistry, Variant};

/// One toy.
///
///   It has a price.
#[derive(Message, Debug, Clone, PartialEq)]
struct Toy {
    /// As `Tux`.
    name: String,
    price: Decimal<2>,
    r#type: Kind,
    sizes: Vec<u16>,
    parent: Option<Kind>,
    stock: BTreeMap<String, i64>,
    picture: Blob,
    since: Timestamp,
}

/** What it is. */
#[derive(Message, Debug, Clone, PartialEq)]
enum Kind {
    /// Soft.
    Plush,
    Puzzle {
        /// How many.
        pieces: u32,
        /// Named like a local variable of the expansion.
        encoder: bool,
    },
    Other {},
}

#[derive(Message, Debug, Clone, PartialEq)]
enum ToyError {
    /// Nobody has it.
    #[status(404)]
    NotFound,
    #[status(409)]
    OutOfStock {
        left: u64,
    },
    Odd,
}

/// Named like the generic parameters of the traits.
#[derive(Message, Debug, Clone, PartialEq)]
struct Context {
    left: i8,
    right: i32,
    items: Vec<Toy>,
}

/// The same types with bincode's own derive.
mod reference {
    use std::collections::BTreeMap;

    #[derive(bincode::Encode)]
    pub(super) struct Toy {
        pub(super) name: String,
        pub(super) price: i64,
        pub(super) r#type: Kind,
        pub(super) sizes: Vec<u16>,
        pub(super) parent: Option<Kind>,
        pub(super) stock: BTreeMap<String, i64>,
        pub(super) picture: Vec<u8>,
        pub(super) since: i64,
    }

    #[derive(bincode::Encode)]
    pub(super) enum Kind {
        Plush,
        Puzzle { pieces: u32, whole: bool }, // bincode's derive can't have a field called `encoder` here
        Other {},
    }
}

fn reference_kind(kind: &Kind) -> reference::Kind {
    match *kind {
        Kind::Plush => reference::Kind::Plush,
        Kind::Puzzle { pieces, encoder } => reference::Kind::Puzzle { pieces, whole: encoder },
        Kind::Other {} => reference::Kind::Other {},
    }
}

fn reference_toy(toy: Toy) -> reference::Toy {
    reference::Toy {
        name: toy.name,
        price: toy.price.0,
        r#type: reference_kind(&toy.r#type),
        sizes: toy.sizes,
        parent: toy.parent.as_ref().map(reference_kind),
        stock: toy.stock,
        picture: toy.picture.0,
        since: toy.since.0,
    }
}

prop_compose! {
    fn kinds()(which in 0..3, pieces: u32, encoder: bool) -> Kind {
        match which {
            0 => Kind::Plush,
            1 => Kind::Puzzle { pieces, encoder },
            _ => Kind::Other {},
        }
    }
}

prop_compose! {
    fn toys()(
        name: String, price: i64, kind in kinds(), sizes: Vec<u16>, parent in proptest::option::of(kinds()),
        stock in proptest::collection::btree_map(any::<String>(), any::<i64>(), 0..8), picture: Vec<u8>, since: i64,
    ) -> Toy {
        Toy {
            name, price: Decimal(price), r#type: kind, sizes, parent, stock, picture: Blob(picture),
            since: Timestamp(since),
        }
    }
}

/// Decoding may fail, but must neither panic nor lose anything that it accepts.
fn check_random<T: Message + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<T>(bytes) {
        assert_eq!(decode::<T>(&encode(&message).unwrap()).unwrap(), message);
    }
}

proptest! {
    #[test]
    fn bytes_are_those_of_bincode(toy in toys()) {
        let ours = encode(&toy).unwrap();
        prop_assert_eq!(&decode::<Toy>(&ours).unwrap(), &toy);
        let theirs = bincode::encode_to_vec(reference_toy(toy), bincode::config::standard()).unwrap();
        prop_assert_eq!(&ours[..], &theirs[..]);
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        check_random::<Toy>(&bytes);
        check_random::<Kind>(&bytes);
        check_random::<ToyError>(&bytes);
        check_random::<Context>(&bytes);
        check_random::<ServiceSchema>(&bytes);
    }

    #[test]
    fn a_flipped_byte_never_panics(toy in toys(), at: prop::sample::Index, flip in 1..=255_u8) {
        let mut bytes = encode(&Context { left: -1, right: 1, items: vec![toy] }).unwrap().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        check_random::<Context>(&bytes);
    }
}

#[test]
fn what_is_no_value_is_refused() {
    let decoding = |bytes: &[u8]| decode::<Kind>(bytes).map_err(|error| error.to_string());
    assert_eq!(decoding(&[0]), Ok(Kind::Plush));
    assert!(decoding(&[3]).is_err_and(|words| words.contains("no variant")), "an index that is too large");
    assert!(decoding(&[0, 0]).is_err_and(|words| words.contains("left over")));
    assert!(decoding(&[1, 5]).is_err(), "cut off");
    // A list that claims more than a message may take in memory is refused before memory is taken.
    let mut claim = vec![253];
    claim.extend_from_slice(&(DECODE_BYTES_MAX as u64).to_le_bytes());
    assert!(decode::<Vec<u16>>(&claim).is_err());
}

fn described<T: Message>() -> Vec<Type> {
    let mut types = TypeRegistry::default();
    let at = T::describe(&mut types);
    let types = types.into_types();
    assert_eq!(at as usize + 1, types.len(), "a type stands after all that it refers to");
    types
}

fn field(name: &str, doc: &str, of: u32) -> Field {
    Field { name: name.into(), doc: doc.into(), of, ..Field::default() }
}

fn variant(name: &str, doc: &str, fields: Vec<Field>, http_status: u16) -> Variant {
    Variant { name: name.into(), doc: doc.into(), fields, http_status }
}

#[test]
fn a_struct_is_described_after_what_it_holds() {
    let types = described::<Toy>();
    let kind = Type::Enum {
        name: "Kind".into(),
        doc: "What it is.".into(),
        variants: vec![
            variant("Plush", "Soft.", vec![], 0),
            variant(
                "Puzzle",
                "",
                vec![
                    field("pieces", "How many.", 2),
                    field("encoder", "Named like a local variable of the expansion.", 3),
                ],
                0,
            ),
            variant("Other", "", vec![], 0),
        ],
    };
    let toy = Type::Struct {
        name: "Toy".into(),
        doc: "One toy.\n\n  It has a price.".into(),
        fields: vec![
            field("name", "As `Tux`.", 0),
            field("price", "", 1),
            field("type", "", 4),
            field("sizes", "", 6),
            field("parent", "", 7),
            field("stock", "", 9),
            field("picture", "", 10),
            field("since", "", 11),
        ],
    };
    let expected = [
        Type::String,
        Type::Decimal { scale: 2 },
        Type::U32,
        Type::Bool,
        kind,
        Type::U16,
        Type::List { item: 5 },
        Type::Option { item: 4 },
        Type::I64,
        Type::Map { key: 0, value: 8 },
        Type::Bytes,
        Type::Timestamp,
        toy,
    ];
    assert_eq!(types, expected);
}

#[derive(Message)]
struct Constrained {
    #[field(min = 1, max = 200, example = "a \"b\"\n")]
    name: String,
    #[field(format = "email", example = "ann@example.org")]
    email: String,
    #[field(min = -5, example = -3)]
    shift: Option<i32>,
    #[field(example = "\"Ann\"")]
    quoted: Option<String>,
    #[field(example = "[1,2]")]
    sizes: Vec<u16>,
    #[field(example = 25.99)]
    price: Decimal<2>,
    #[field(example = true)]
    whole: bool,
    #[field(example = "1970-01-01T00:00:00Z")]
    since: Timestamp,
}

#[test]
fn a_field_says_its_constraints_and_an_example() {
    let types = described::<Constrained>();
    let Some(Type::Struct { fields, .. }) = types.last() else { panic!("{types:?}") };
    let limits: Vec<_> = fields.iter().map(|field| (field.min, field.max, field.format.as_str())).collect();
    assert_eq!(limits[..3], [(Some(1), Some(200), ""), (None, None, "email"), (Some(-5), None, "")]);
    assert_eq!(limits[3..], [(None, None, ""); 5]);
    let examples: Vec<_> = fields.iter().map(|field| field.example.as_str()).collect();
    let expected = [
        r#""a \"b\"\u000a""#,
        r#""ann@example.org""#,
        "-3",
        r#""Ann""#,
        "[1,2]",
        "25.99",
        "true",
        r#""1970-01-01T00:00:00Z""#,
    ];
    assert_eq!(examples, expected);
    let schema = ServiceSchema { name: "a".into(), doc: String::new(), types, methods: vec![] };
    assert_eq!(schema.validate(), Ok(()));
}

#[test]
fn an_error_says_its_status() {
    let expected = Type::Enum {
        name: "ToyError".into(),
        doc: String::new(),
        variants: vec![
            variant("NotFound", "Nobody has it.", vec![], 404),
            variant("OutOfStock", "", vec![field("left", "", 0)], 409),
            variant("Odd", "", vec![], 0),
        ],
    };
    assert_eq!(described::<ToyError>(), [Type::U64, expected]);
}

#[derive(Message)]
struct Chain {
    next: Option<Link>,
}

#[derive(Message)]
struct Link {
    chain: Vec<Chain>,
}

#[test]
#[should_panic(expected = "contains itself")]
fn a_type_that_contains_itself_is_refused_when_the_schema_is_built() {
    described::<Chain>();
}

#[test]
fn what_is_wrong_with_bytes_is_told_in_words() {
    for (bytes, told) in [
        (&b""[..], "it is cut short"),
        (b"\x01\x03T", "it is cut short"),
        (b"\x01\x01\xff", "a string is not UTF-8"),
        (b"\x00!", "bytes are left over after the message"),
        (b"\xfe", "an integer is wider than its type"),
        (b"\xfd\x00\x00\x00\x00\x00\x00\x00\x01", "it takes too much memory"),
    ] {
        let error = decode::<Vec<String>>(bytes).unwrap_err();
        assert_eq!(words(&error), told, "{bytes:?}");
    }
    let error = decode::<Option<bool>>(b"\x02").unwrap_err();
    assert!(words(&error).ends_with("is neither 0 nor 1"), "{error:?}");
    assert_eq!(words(&decode::<Kind>(b"\x07").unwrap_err()), "no variant has this index");
}
