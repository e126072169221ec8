//! Everything that is wrong with a request at once, and constraints: by hand, then with random limits and random faults.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::properties::orders;
use super::*;
use crate::faults::Faults;
use crate::limits::FAULTS_MAX;
use crate::schema::{EncodedSchema, Field, Measure, Type};
use crate::transcode::check_constraints;
use crate::transcode::survey::survey;

#[derive(Message, Debug)]
struct Buy {
    #[field(min = 2, max = 4)]
    name: String,
    #[field(min = 1, max = 1000)]
    quantity: u32,
    #[field(max = 2599)]
    price: Option<Decimal<2>>,
    #[field(format = "email")]
    email: Option<String>,
    #[field(min = 1, max = 2)]
    parts: Option<Vec<Part>>,
    #[field(max = 1)]
    stock: Option<BTreeMap<String, Part>>,
    #[field(min = 2, max = 3)]
    photo: Option<Blob>,
    way: Option<Way>,
}

#[derive(Message, Debug)]
struct Part {
    #[field(min = -5, max = 5)]
    shift: i8,
}

#[derive(Message, Debug)]
enum Way {
    Post {
        #[field(min = 5, max = 5)]
        code: String,
    },
    Shop,
}

fn lines(faults: &Faults) -> Vec<String> {
    faults.list().iter().map(|fault| format!("{} {}", fault.code, fault)).collect()
}

/// Packing fails with these faults, in this order.
fn check(json: &str, parameters: &[(&str, &str)], expected: &[&str]) {
    let error = pack::<Buy>(json.as_bytes(), parameters).expect_err(json);
    assert_eq!(lines(&error.faults), expected, "{json}");
    assert!(!error.faults.has_more());
}

#[test]
fn all_faults_are_listed() {
    let quantity = "TYPE quantity: expected an integer from 0 to 4294967295, found";
    check(
        r#"{"quantity":[{"deep":[]}],"way":{"Post":{"code":"123"}},"colour":{},"price":26}"#,
        &[],
        &[
            &format!("{quantity} an array"),
            "TOO_SHORT way.Post.code: expected at least 5 characters, found 3",
            "UNKNOWN colour: unknown field; the known ones are name, quantity, price, email, parts, stock, photo, way",
            "OUT_OF_RANGE price: expected at most 25.99, found 26.00",
            "MISSING name: this field is required",
        ],
    );
    // Parameters and the body together; what comes twice is told once.
    let unknown =
        "unknown parameter; the known ones are name, quantity, price, email, parts, stock, photo, way";
    check(
        r#"{"email":"x","quantity":2,"email":5}"#,
        &[("quantity", "x"), ("size", "1"), ("name", "T"), ("price", "1.234")],
        &[
            &format!("UNKNOWN size: {unknown}"),
            "FORMAT email: expected an e-mail address, found \"x\"",
            "DUPLICATE quantity: this field is given in the path or query and in the body too",
            "DUPLICATE email: this field is given twice",
            "TOO_SHORT name: expected at least 2 characters, found 1",
            &format!("{quantity} \"x\""),
            "TYPE price: expected a plain number with at most 2 digits after the point, found \"1.234\"",
        ],
    );
    check(
        "",
        &[("quantity", "0")],
        &["MISSING name: this field is required", "OUT_OF_RANGE quantity: expected at least 1, found 0"],
    );
    // What holds faults is looked at itself.
    check(
        r#"{"name":"Wölfe","quantity":1,"parts":[{"shift":6},{"shift":"a"},{}],"stock":{"a":{"shift":-6},"a":{"shift":0}},
            "photo":"AA==","way":{"Post":{"code":"12345"},"Shop":1}}"#,
        &[],
        &[
            "TOO_LONG name: expected at most 4 characters, found 5",
            "OUT_OF_RANGE parts[0].shift: expected at most 5, found 6",
            "TYPE parts[1].shift: expected an integer from -128 to 127, found \"a\"",
            "MISSING parts[2].shift: this field is required",
            "TOO_LONG parts: expected at most 2 items, found 3",
            "OUT_OF_RANGE stock[\"a\"].shift: expected at least -5, found -6",
            "DUPLICATE stock[\"a\"]: this key is given twice",
            "TOO_LONG stock: expected at most 1 item, found 2",
            "TOO_SHORT photo: expected at least 2 bytes, found 1",
            "TYPE way: expected an object with one variant as its only field",
        ],
    );
    check(
        "[1]",
        &[("size", "1")],
        &[&format!("UNKNOWN size: {unknown}"), "TYPE expected an object, found an array"],
    );
    for good in [
        r#"{"name":"Täxx","quantity":1000,"price":25.99,"email":"a@b","parts":[{"shift":-5}],"stock":{},"photo":"AAAA"}"#,
        r#"{"quantity":1,"name":"Tu","price":null,"email":null,"way":"Shop"}"#,
        r#"{"name":"Tux","way":{"Post":{"code":"ünfüü"}},"quantity":1}"#,
    ] {
        let binary = pack::<Buy>(good.as_bytes(), &[]).unwrap();
        let (schema, of) = encoded_schema::<Buy>();
        assert_eq!(check_constraints(&schema, of, &binary), Ok(()));
    }
}

#[test]
fn text_that_is_no_json_has_no_faults() {
    for text in [
        r#"{"name":5,"quantity":"#,
        r#"{"name":5} x"#,
        r#"{"name":5,"colour":[1,2,}"#,
        r#"{"name":5,"a":"\x"}"#,
    ] {
        let error = pack::<Buy>(text.as_bytes(), &[]).unwrap_err();
        assert_eq!(
            (error.kind, error.faults),
            (crate::transcode::TranscodeErrorKind::Malformed, Faults::new())
        );
    }
    let deep = format!(r#"{{"name":5,"colour":{}"#, "[".repeat(100));
    let error = pack::<Buy>(deep.as_bytes(), &[]).unwrap_err();
    assert_eq!(error.kind, crate::transcode::TranscodeErrorKind::TooDeep);
}

#[test]
fn so_many_faults_are_listed_and_no_more() {
    let faults = |count: usize| {
        let text = format!("[{}]", vec!["-1"; count].join(","));
        pack::<Vec<u8>>(text.as_bytes(), &[]).unwrap_err()
    };
    assert_eq!(faults(1).to_string(), "[0]: expected an integer from 0 to 255, found -1");
    assert!(faults(2).to_string().ends_with(", and 1 more fault"));
    assert!(faults(FAULTS_MAX).to_string().ends_with(", and 15 more faults"));
    for count in [FAULTS_MAX + 1, 100_000] {
        let error = faults(count);
        assert_eq!((error.faults.list().len(), error.faults.has_more()), (FAULTS_MAX, true));
        assert!(error.to_string().ends_with(", and more than 15 more faults"));
        assert!(error.faults.to_string().ends_with("; and more"));
    }
    // Behind the last one that is listed the text is still checked.
    let text = format!("[{},]", vec!["-1"; 50].join(","));
    assert!(pack::<Vec<u8>>(text.as_bytes(), &[]).unwrap_err().faults.is_empty());
}

fn encoded_schema<T: Message>() -> (EncodedSchema, TypeRef) {
    let (schema, of) = schema_of::<T>();
    (EncodedSchema::new(schema).unwrap(), of)
}

/// The schema of orders with random constraints on some of its fields.
fn constrained(picks: &[(Index, i64, i64, bool)]) -> (EncodedSchema, TypeRef) {
    let (mut schema, of) = schema_of::<Order>();
    let plain = schema.clone();
    let mut fields: Vec<&mut Field> = Vec::new();
    for described in &mut schema.types {
        match described {
            Type::Struct { fields: of, .. } => fields.extend(of),
            Type::Enum { variants, .. } => {
                fields.extend(variants.iter_mut().flat_map(|variant| &mut variant.fields));
            }
            _ => {}
        }
    }
    for (index, a, b, email) in picks {
        let at = index.index(fields.len());
        let field = &mut *fields[at];
        let Some(measure) = plain.measure(field.of) else { continue };
        let (least, greatest) = match measure {
            Measure::Value { least, greatest } => (least, greatest),
            _ => (0, i64::MAX),
        };
        let (a, b) = (a.clamp(&least, &greatest), b.clamp(&least, &greatest));
        (field.min, field.max) = (Some(*a.min(b)), Some(*a.max(b)));
        if measure == Measure::Characters && *email {
            field.format = "email".into();
        }
    }
    (EncodedSchema::new(schema).unwrap(), of)
}

/// Limits that values are often near.
fn limits() -> impl Strategy<Value = Vec<(Index, i64, i64, bool)>> {
    let limit = || prop_oneof![-3_i64..6, any::<i8>().prop_map(i64::from), any::<i64>()];
    vec((any::<Index>(), limit(), limit(), any::<bool>()), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// JSON and bytes are judged alike, fault by fault.
    #[test]
    fn the_transcoder_takes_what_dispatch_takes(order in orders(), limits in limits()) {
        let (schema, of) = constrained(&limits);
        let binary = encoded(&order);
        let (mut json, mut packed) = (BytesMut::new(), BytesMut::new());
        to_json(schema.schema(), of, &binary, &mut json).unwrap();
        let transcoded = to_binary(schema.schema(), of, &json, &[], &mut packed);
        match (check_constraints(&schema, of, &binary), transcoded) {
            (Ok(()), Ok(())) => prop_assert_eq!(packed, binary),
            (Err(checked), Err(error)) => {
                prop_assert_eq!(checked.has_more(), error.faults.has_more());
                if !checked.has_more() {
                    let (mut checked, mut transcoded) = (lines(&checked), lines(&error.faults));
                    checked.sort();
                    transcoded.sort();
                    prop_assert_eq!(checked, transcoded);
                }
            }
            (checked, transcoded) => prop_assert!(false, "{:?} but {:?}", checked, transcoded),
        }
    }

    /// Whatever is put wrong is listed, and nothing else.
    #[test]
    fn every_injected_fault_is_listed(order in orders(), picks in vec((any::<Index>(), 0_u8..3), 0..10)) {
        let mut value: Value = serde_json::from_str(&unpack::<Order>(&encoded(&order)).unwrap()).unwrap();
        for (key, price) in &order.prices {
            value["prices"][key] = Value::from(price.to_string());
        }
        for (index, item) in order.items.iter().enumerate() {
            value["items"][index]["discount"] = item.discount.map_or(Value::Null, |d| Value::from(d.to_string()));
        }
        let mut expected = std::collections::BTreeSet::new();
        let names = ["id", "state", "items", "prices", "by_day", "flags", "paid", "at", "photo", "small"];
        let object = value.as_object_mut().unwrap();
        for (pick, what) in picks {
            let name = names[pick.index(names.len())];
            if expected.iter().any(|line: &String| line.ends_with(&format!(" {name}"))) {
                continue;
            }
            match what {
                0 => {
                    object.remove(name);
                    expected.insert(format!("MISSING {name}"));
                }
                1 => {
                    // No field takes this.
                    object.insert(name.into(), json!([[null]]));
                    let code = "TYPE";
                    let inner = if name == "items" { "items[0]" } else { name };
                    expected.insert(format!("{code} {inner}"));
                }
                _ => {
                    object.insert(format!("no_{name}"), json!({"any": [1, "thing"]}));
                    expected.insert(format!("UNKNOWN no_{name}"));
                }
            }
        }
        let found = match pack::<Order>(value.to_string().as_bytes(), &[]) {
            Ok(_) => std::collections::BTreeSet::new(),
            Err(error) => error.faults.list().iter().map(|fault| format!("{} {}", fault.code, fault.field)).collect(),
        };
        // A field that was put wrong twice counts as it was put last.
        prop_assert!(found.is_subset(&expected), "{:?} {:?}", found, expected);
        prop_assert_eq!(found.is_empty(), expected.is_empty());
        for line in &expected {
            let field = line.split(' ').nth(1).unwrap().trim_end_matches("[0]");
            prop_assert!(found.iter().any(|line| line.split(' ').nth(1).unwrap().trim_end_matches("[0]") == field));
        }
    }

    /// The survey finds something exactly where the packer stops for a value, and ends where the text does.
    #[test]
    fn the_survey_agrees_with_the_packer(
        order in orders(), limits in limits(), edits in vec((any::<Index>(), any::<u8>(), 0_usize..3), 0..4),
    ) {
        let (schema, of) = constrained(&limits);
        let (mut json, mut out) = (BytesMut::new(), BytesMut::new());
        to_json(schema.schema(), of, &encoded(&order), &mut json).unwrap();
        let mut json = json.to_vec();
        for (at, byte, length) in edits {
            let at = at.index(json.len());
            json.splice(at..(at + length).min(json.len()), [byte]);
        }
        let packed = to_binary(schema.schema(), of, &json, &[], &mut out);
        match (packed, survey(schema.schema(), of, &json, &[])) {
            (Ok(()), Ok(failures)) => prop_assert!(failures.is_empty()),
            (Err(error), Ok(failures)) => prop_assert_eq!(error.faults.list().is_empty(), failures.is_empty()),
            (Err(error), Err(_)) => prop_assert!(error.faults.is_empty()),
            (Ok(()), Err(failure)) => prop_assert!(false, "{:?}", failure),
        }
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>, limits in limits()) {
        let (schema, of) = constrained(&limits);
        let _ = check_constraints(&schema, of, &bytes);
        let _ = survey(schema.schema(), of, &bytes, &[("id", "x"), ("state", "y")]);
    }
}
