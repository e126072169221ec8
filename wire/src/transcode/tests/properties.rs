//! Random messages there and back, and random bytes.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::*;
use crate::encoding::decode;
use crate::transcode::TranscodeErrorKind;

fn states() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::New),
        Just(State::Lost {}),
        (any::<String>(), any::<Option<u16>>()).prop_map(|(carrier, days)| State::Shipped { carrier, days }),
    ]
}

fn items() -> impl Strategy<Value = Item> {
    (any::<String>(), any::<u32>(), option::of(any::<i64>().prop_map(Decimal)))
        .prop_map(|(name, quantity, discount)| Item { name, quantity, discount })
}

fn small() -> impl Strategy<Value = Small> {
    any::<(u8, u16, i8, i16, i32, i64)>().prop_map(|(a, b, c, d, e, f)| Small { a, b, c, d, e, f })
}

pub(super) fn orders() -> impl Strategy<Value = Order> {
    let times = (-62_167_219_200_000_000_i64..253_402_300_800_000_000).prop_map(Timestamp);
    let maps = (
        btree_map(any::<String>(), any::<i64>().prop_map(Decimal), 0..5),
        btree_map(any::<i32>(), vec(any::<u8>(), 0..300), 0..5),
        btree_map(any::<bool>(), any::<Option<u8>>(), 0..3),
    );
    let plain = any::<(u64, Option<String>, bool, Vec<u8>)>();
    let others = (states(), vec(items(), 0..4), times, small(), option::of(states()));
    (plain, maps, others).prop_map(
        |((id, note, paid, photo), (prices, by_day, flags), (state, items, at, small, previous))| {
            let photo = Blob(photo);
            Order { id, state, items, prices, by_day, flags, note, paid, at, photo, small, previous }
        },
    )
}

/// Writes a value with the fields of its objects in an order that `picks` decides, leaving out what is null sometimes.
fn shuffled(value: &Value, picks: &mut impl FnMut(usize) -> usize) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| shuffled(item, picks)).collect();
            format!("[{} ]", items.join(" ,"))
        }
        Value::Object(fields) => {
            let mut left: Vec<_> = fields.iter().collect();
            let mut written = Vec::new();
            while !left.is_empty() {
                let (name, value) = left.swap_remove(picks(left.len()));
                // The values of `flags` are options too, but an entry of a map can't be left out.
                let may_go = value.is_null() && !matches!(name.as_str(), "true" | "false");
                if !may_go || picks(2) == 0 {
                    written.push(format!(" {} :\n{}", Value::from(name.as_str()), shuffled(value, picks)));
                }
            }
            format!("{{{}}}", written.join(","))
        }
        plain => plain.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn there_and_back(order in orders()) {
        let binary = encoded(&order);
        let json = unpack::<Order>(&binary).unwrap();
        prop_assert_eq!(pack::<Order>(json.as_bytes(), &[]).unwrap(), binary);
    }

    #[test]
    fn in_any_order(order in orders(), picks in vec(any::<Index>(), 1..40)) {
        let binary = encoded(&order);
        let value: Value = serde_json::from_str(&unpack::<Order>(&binary).unwrap()).unwrap();
        // Our decimals have more digits than f64 keeps; as strings they pass through serde_json unharmed.
        let mut value = value;
        for (key, price) in &order.prices {
            value["prices"][key] = Value::from(price.to_string());
        }
        for (index, item) in order.items.iter().enumerate() {
            value["items"][index]["discount"] = item.discount.map_or(Value::Null, |d| Value::from(d.to_string()));
        }
        let mut picks = picks.iter().cycle();
        let text = shuffled(&value, &mut |size| picks.next().unwrap().index(size));
        prop_assert_eq!(pack::<Order>(text.as_bytes(), &[]).unwrap(), binary, "{}", text);
    }

    /// What the types decode, the schema transcodes, and the other way round, but for maps in disorder and times
    /// without a text.
    #[test]
    fn any_bytes_are_judged_as_the_types_judge_them(
        order in orders(), edits in vec((any::<Index>(), any::<u8>()), 0..4), end in option::of(any::<Index>()),
    ) {
        let mut binary = encoded(&order);
        for (at, byte) in edits {
            let at = at.index(binary.len());
            binary[at] = byte;
        }
        if let Some(end) = end {
            binary.truncate(end.index(binary.len() + 1));
        }
        match (decode::<Order>(&binary), unpack::<Order>(&binary)) {
            (Ok(order), Ok(json)) => prop_assert_eq!(pack::<Order>(json.as_bytes(), &[]).unwrap(), encoded(&order)),
            (Err(_), Err(error)) => prop_assert_eq!(error.kind, TranscodeErrorKind::Undecodable),
            (Ok(_), Err(error)) => prop_assert!(
                error.words == "the keys of a map don't ascend" || error.words.starts_with("a timestamp lies outside"),
                "{}", error
            ),
            (Err(error), Ok(json)) => prop_assert!(false, "{} but {}", error, json),
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        let _ = unpack::<Order>(&bytes);
        let _ = unpack::<Vec<Item>>(&bytes);
        let _ = unpack::<BTreeMap<String, Vec<State>>>(&bytes);
        let _ = pack::<Order>(&bytes, &[]);
    }

    #[test]
    fn mutated_text_never_panics(order in orders(), at: Index, byte: u8, length in 0_usize..3) {
        let mut json = unpack::<Order>(&encoded(&order)).unwrap().into_bytes();
        let at = at.index(json.len());
        json.splice(at..(at + length).min(json.len()), [byte]);
        match pack::<Order>(&json, &[]) {
            // What is accepted is a message.
            Ok(binary) => prop_assert!(decode::<Order>(&binary).is_ok()),
            Err(error) => prop_assert_eq!(
                matches!(error.kind, TranscodeErrorKind::Malformed),
                crate::json::check(&json).is_err(),
                "{}", error
            ),
        }
    }

    #[test]
    fn numbers_are_as_bincode_writes_them(a: u8, b: u16, c: u32, d: u64, e: i8, f: i16, g: i32, h: i64, shift in 0_u32..64) {
        let (d, h) = (d >> shift, h >> shift);
        let standard = bincode::config::standard();
        macro_rules! check {
            ($($value:ident),*) => {$({
                let expected = bincode::encode_to_vec($value, standard).unwrap();
                prop_assert_eq!(pack_any($value, $value.to_string().as_bytes()), expected);
            })*};
        }
        check!(a, b, c, d, e, f, g, h);
    }
}

/// Packs text as the type of a value.
fn pack_any<T: Message>(_: T, json: &[u8]) -> Vec<u8> {
    pack::<T>(json, &[]).unwrap()
}

proptest! {
    // Each case tries thousands of prefixes.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_prefix_is_refused(order in orders()) {
        let (schema, of) = schema_of::<Order>();
        let (mut json, mut out) = (BytesMut::new(), BytesMut::new());
        let binary = encoded(&order);
        to_json(&schema, of, &binary, &mut json).unwrap();
        for end in 0..binary.len() {
            let error = to_json(&schema, of, &binary[..end], &mut out).unwrap_err();
            prop_assert_eq!(error.kind, TranscodeErrorKind::Undecodable, "{}", error);
        }
        for end in 1..json.len() {
            let error = to_binary(&schema, of, &json[..end], &[], &mut out).unwrap_err();
            prop_assert_eq!(error.kind, TranscodeErrorKind::Malformed, "{}", error);
        }
        prop_assert!(out.is_empty());
    }
}
