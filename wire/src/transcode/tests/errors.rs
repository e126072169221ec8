//! Each error in JSON and parameters, with its kind, its place, its path and its words.

use super::*;
use crate::faults::{FaultCode, Faults};
use crate::limits::NESTING_MAX;
use crate::transcode::Place;
use crate::transcode::TranscodeErrorKind::{self, *};

/// The text of an error without what is wrong besides. It is the first fault, when there are faults.
fn first(error: &TranscodeError) -> String {
    match error.faults.list().first() {
        Some(fault) => {
            let code = error.kind.fault_code().map(FaultCode::name);
            assert_eq!(
                (Some(fault.code.as_str()), &fault.field, &fault.message),
                (code, &error.path, &error.words)
            );
        }
        None => assert!(matches!(error.kind, Malformed | TooDeep), "{error}"),
    }
    TranscodeError { faults: Faults::new(), ..error.clone() }.to_string()
}

/// Packing fails with this kind and text, at this line and column.
fn check<T: Message>(json: &str, kind: TranscodeErrorKind, at: (usize, usize), text: &str) {
    let error = pack::<T>(json.as_bytes(), &[]).expect_err(json);
    assert_eq!((error.kind, first(&error).as_str()), (kind, text), "{json}");
    let Place::Json { line, column, offset } = error.place else { panic!("{:?}", error.place) };
    assert_eq!((line, column), at, "{json}");
    let before = &json.as_bytes()[..offset];
    assert_eq!(line, 1 + before.iter().filter(|byte| **byte == b'\n').count());
}

#[test]
fn values_of_another_type() {
    check::<()>("0", Type, (1, 1), "line 1, column 1: expected null, found 0");
    check::<bool>("\"true\"", Type, (1, 1), "line 1, column 1: expected true or false, found \"true\"");
    check::<bool>(" null", Type, (1, 2), "line 1, column 2: expected true or false, found null");
    check::<String>("\n\n 5", Type, (3, 2), "line 3, column 2: expected a string, found 5");
    check::<Vec<u8>>("{}", Type, (1, 1), "line 1, column 1: expected an array, found an object");
    check::<BTreeMap<String, u8>>("[]", Type, (1, 1), "line 1, column 1: expected an object, found an array");
    check::<Item>("true", Type, (1, 1), "line 1, column 1: expected an object, found true");
    check::<u32>(
        "\"1\"",
        Type,
        (1, 1),
        "line 1, column 1: expected an integer from 0 to 4294967295, found \"1\"",
    );
    check::<u64>(
        "\"1x\"",
        Type,
        (1, 1),
        "line 1, column 1: expected an integer from 0 to 18446744073709551615, found \"1x\"",
    );
    for text in ["\"\"", "\"01\"", "\"+1\"", "\" 1\"", "\"-\"", "\"1_0\"", "\"٣\""] {
        assert_eq!(pack::<i64>(text.as_bytes(), &[]).unwrap_err().kind, Type, "{text}");
        assert_eq!(pack::<Decimal<2>>(text.as_bytes(), &[]).unwrap_err().kind, Type, "{text}");
    }
    for text in ["1.5", "1e3", "1E3", "-0.01", "0e0", "1.0e1"] {
        let words =
            format!("expected an integer from -128 to 127 without fraction or exponent, found {text}");
        check::<i8>(text, Type, (1, 1), &format!("line 1, column 1: {words}"));
    }
    let long = format!("\"{}\"", "é".repeat(40));
    let words = format!("line 1, column 1: expected true or false, found \"{}…\"", "é".repeat(16));
    check::<bool>(&long, Type, (1, 1), &words);
}

#[test]
fn decimals_are_never_rounded() {
    let words = |found: &str| {
        format!(
            "line 1, column 1: expected a plain number with at most 2 digits after the point, found {found}"
        )
    };
    for text in ["1.234", "1.230", "1e2", "1.5e1", "\"1.234\""] {
        check::<Decimal<2>>(text, Type, (1, 1), &words(text));
    }
    for text in ["\"1.\"", "\".5\"", "\"1.-5\"", "\"1.2.3\"", "\"1,5\"", "null"] {
        check::<Decimal<2>>(text, Type, (1, 1), &words(text));
    }
    check::<Decimal<0>>(
        "1.0",
        Type,
        (1, 1),
        "line 1, column 1: expected a number without digits after the point, found 1.0",
    );
    let range = "expected a number from -92233720368547758.08 to 92233720368547758.07";
    for text in
        ["92233720368547758.08", "-92233720368547758.09", "99999999999999999999999", "92233720368547759"]
    {
        check::<Decimal<2>>(text, Range, (1, 1), &format!("line 1, column 1: {range}, found {text}"));
    }
}

#[test]
fn values_out_of_range() {
    let words = |range: &str, found: &str| {
        format!("line 1, column 1: expected an integer from {range}, found {found}")
    };
    check::<u8>("256", Range, (1, 1), &words("0 to 255", "256"));
    check::<u8>("-1", Range, (1, 1), &words("0 to 255", "-1"));
    check::<u16>("65536", Range, (1, 1), &words("0 to 65535", "65536"));
    check::<u32>("4294967296", Range, (1, 1), &words("0 to 4294967295", "4294967296"));
    check::<i8>("128", Range, (1, 1), &words("-128 to 127", "128"));
    check::<i16>("-32769", Range, (1, 1), &words("-32768 to 32767", "-32769"));
    check::<i32>("2147483648", Range, (1, 1), &words("-2147483648 to 2147483647", "2147483648"));
    let (least, greatest) = ("-9223372036854775809", "18446744073709551616");
    check::<i64>(least, Range, (1, 1), &words("-9223372036854775808 to 9223372036854775807", least));
    check::<u64>(greatest, Range, (1, 1), &words("0 to 18446744073709551615", greatest));
    let long = "9".repeat(100);
    check::<u8>(&long, Range, (1, 1), &words("0 to 255", &format!("{}…", "9".repeat(32))));
}

#[test]
fn times_and_base64() {
    let time = |text: &str| pack::<Timestamp>(format!("\"{text}\"").as_bytes(), &[]).unwrap_err();
    let malformed = [
        "",
        "2026-11-21",
        "2026-11-21 03:31:18Z",
        "2026-11-21T03:31:18",
        "2026-11-21T03:31:18.Z",
        "2026-11-21T03:31:18.1234567Z",
        "2026-11-21T03:31:18+0200",
        "2026-11-21T03:31:18+02",
        "2026-11-21T03:31:18Zx",
        "2026-11-21T03:31:18.5",
        "+026-11-21T03:31:18Z",
        "2026-11-21T03:31:1éZ",
        "2026-11-21T03:31:18+0a:00",
    ];
    for text in malformed {
        let error = time(text);
        assert_eq!(error.kind, Type, "{text}");
        assert!(
            error.words.starts_with("expected a time such as \"2026-11-21T03:31:18Z\", found \""),
            "{error}"
        );
    }
    let impossible = [
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-12-31T23:59:60Z",
        "2026-01-01T00:00:00+24:00",
        "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ];
    for text in impossible {
        assert_eq!(time(text).kind, Range, "{text}");
    }
    check::<Timestamp>(
        "0",
        Type,
        (1, 1),
        "line 1, column 1: expected a time such as \"2026-11-21T03:31:18Z\", found 0",
    );
    for text in
        ["Zg", "Zg=", "Zh==", "Zm9=", "Zm9v=", "Z===", "====", "=", "Zm-_", "Zm9v\\n", "Zm 9", "Zg==Zg=="]
    {
        let error = pack::<Blob>(format!("\"{text}\"").as_bytes(), &[]).expect_err(text);
        assert_eq!(error.kind, Type, "{text}");
        assert!(error.words.starts_with("expected a string of base64 with padding, found \""), "{error}");
    }
}

#[test]
fn fields() {
    let item = r#"{"name":"x","quantity":"two"}"#;
    check::<Item>(item, Type, (1, 24), "quantity: expected an integer from 0 to 4294967295, found \"two\"");
    check::<Item>("{\"quantity\":\n 1}", Missing, (1, 1), "name: this field is required");
    check::<Item>(r#"{"name":"x"}"#, Missing, (1, 1), "quantity: this field is required");
    check::<Item>(r#" {}"#, Missing, (1, 2), "name: this field is required");
    let known = "the known ones are name, quantity, discount";
    check::<Item>(r#"{"name":"x","colour":1}"#, Unknown, (1, 13), &format!("colour: unknown field; {known}"));
    check::<Item>("{\"na\\nme\":1}", Unknown, (1, 2), &format!("[\"na\\nme\"]: unknown field; {known}"));
    check::<Item>(r#"{"name":"x","name":"y"}"#, Duplicate, (1, 13), "name: this field is given twice");
    check::<Item>(
        r#"{"quantity":1,"name":"x","quantity":1}"#,
        Duplicate,
        (1, 26),
        "quantity: this field is given twice",
    );
    check::<Item>(r#"{"name":null}"#, Type, (1, 9), "name: expected a string, found null");
    let items = r#"[{"name":"x","quantity":1},{"name":"y","quantity":-1}]"#;
    check::<Vec<Item>>(
        items,
        Range,
        (1, 51),
        "[1].quantity: expected an integer from 0 to 4294967295, found -1",
    );
    let order = r#"{"items":[{"name":"x","quantity":1},{"name":"é","quantity":[]}]}"#;
    check::<Order>(
        order,
        Type,
        (1, 60),
        "items[1].quantity: expected an integer from 0 to 4294967295, found an array",
    );
}

#[test]
fn keys() {
    let prices = r#"{"prices":{"EUR":"x"}}"#;
    let words = "expected a plain number with at most 2 digits after the point, found \"x\"";
    check::<Order>(prices, Type, (1, 18), &format!("prices[\"EUR\"]: {words}"));
    check::<BTreeMap<i32, u8>>(
        r#"{"x":1}"#,
        Type,
        (1, 2),
        "[\"x\"]: expected an integer from -2147483648 to 2147483647, found \"x\"",
    );
    check::<BTreeMap<u8, u8>>(
        r#"{"1":1,"256":1}"#,
        Range,
        (1, 8),
        "[\"256\"]: expected an integer from 0 to 255, found \"256\"",
    );
    check::<BTreeMap<bool, u8>>(r#"{"1":1}"#, Type, (1, 2), "[\"1\"]: expected true or false, found \"1\"");
    for (map, key) in
        [(r#"{"1":1,"1":2}"#, "1"), (r#"{"0":1,"1":2,"-0":3}"#, "-0"), (r#"{"2":1,"1":2,"2":3}"#, "2")]
    {
        check::<BTreeMap<u8, u8>>(map, Duplicate, (1, 1), &format!("[\"{key}\"]: this key is given twice"));
    }
    check::<BTreeMap<bool, u8>>(
        r#"{"true":1,"true":1}"#,
        Duplicate,
        (1, 1),
        "[\"true\"]: this key is given twice",
    );
    check::<BTreeMap<String, u8>>(
        r#"{"a":1,"\u0061":1}"#,
        Duplicate,
        (1, 1),
        "[\"a\"]: this key is given twice",
    );
}

#[test]
fn variants() {
    let one_of = "line 1, column 1: expected one of New, Shipped, Lost, found";
    check::<State>("\"Paid\"", Unknown, (1, 1), &format!("{one_of} \"Paid\""));
    check::<State>("3", Type, (1, 1), &format!("{one_of} 3"));
    check::<State>(
        "{\"Paid\":{}}",
        Unknown,
        (1, 2),
        "line 1, column 2: expected one of New, Shipped, Lost, found \"Paid\"",
    );
    check::<State>(
        "\"Shipped\"",
        Type,
        (1, 1),
        "line 1, column 1: this variant has fields: {\"Shipped\":{…}} is wanted",
    );
    check::<State>(
        "{\"New\":{}}",
        Type,
        (1, 2),
        "line 1, column 2: this variant has no fields: \"New\" alone is wanted",
    );
    let one = "expected an object with one variant as its only field";
    check::<State>("{}", Type, (1, 1), &format!("line 1, column 1: {one}"));
    check::<State>(
        r#"{"Shipped":{"carrier":"x"},"New":{}}"#,
        Type,
        (1, 28),
        &format!("line 1, column 28: {one}"),
    );
    check::<State>(r#"{"Shipped":[]}"#, Type, (1, 12), "Shipped: expected an object, found an array");
    check::<Order>(
        r#"{"id":1,"state":{"Shipped":{}}}"#,
        Missing,
        (1, 28),
        "state.Shipped.carrier: this field is required",
    );
}

#[test]
fn text_that_is_no_json_is_told_first() {
    check::<Item>(
        r#"{"name":"x" "quantity":1}"#,
        Malformed,
        (1, 13),
        "line 1, column 13: expected ',' or '}' after a field",
    );
    check::<Item>(r#"{"name":5,"quantity":}"#, Malformed, (1, 22), "line 1, column 22: expected a value");
    check::<Item>(
        "{\n  \"name\": \"é\", x}",
        Malformed,
        (2, 16),
        "line 2, column 16: expected a field's name in double quotes",
    );
    check::<Item>("[1, 2", Malformed, (1, 6), "line 1, column 6: expected ',' or ']' after an item");
    check::<Item>(" ", Malformed, (1, 2), "line 1, column 2: expected a value, but the text ends");
    check::<u8>("1 1", Malformed, (1, 3), "line 1, column 3: expected nothing more after the value");
    check::<u8>("", Malformed, (1, 1), "line 1, column 1: expected a value, but the text ends");
    let error = pack::<Vec<u8>>(b"[1,\xff]", &[]).unwrap_err();
    assert_eq!((error.kind, error.path.as_str()), (Malformed, "[1]"));
    let deep = "[".repeat(NESTING_MAX + 1);
    check::<u8>(&deep, TooDeep, (1, NESTING_MAX + 1), "line 1, column 65: arrays and objects nest too deep");
}

#[test]
fn parameters() {
    let check = |json: &str, parameters: &[(&str, &str)], kind, text: &str| {
        let error = pack::<Order>(json.as_bytes(), parameters).unwrap_err();
        assert_eq!((error.kind, first(&error).as_str()), (kind, text));
        assert_eq!(matches!(error.place, Place::Parameter), json.is_empty(), "{error:?}");
    };
    check("", &[("id", "x")], Type, "id: expected an integer from 0 to 18446744073709551615, found \"x\"");
    check("", &[("id", "-1")], Range, "id: expected an integer from 0 to 18446744073709551615, found \"-1\"");
    check("", &[("id", "1")], Missing, "state: this field is required");
    check(
        "",
        &[("id", "1"), ("state", "Shipped")],
        Type,
        "state: expected one of New, Shipped, Lost, found \"Shipped\"",
    );
    check("", &[("id", "1"), ("id", "1")], Duplicate, "id: this parameter is given twice");
    let unfit = "a field of this type can't be given in the path or query";
    check("", &[("id", "1"), ("state", "New"), ("items", "[]")], Type, &format!("items: {unfit}"));
    let known = "id, state, items, prices, by_day, flags, note, paid, at, photo, small, previous";
    check("", &[("x", "1")], Unknown, &format!("x: unknown parameter; the known ones are {known}"));
    check("", &[("", "1")], Unknown, &format!("[\"\"]: unknown parameter; the known ones are {known}"));
    let both = "id: this field is given in the path or query and in the body too";
    check(r#"{"id":1}"#, &[("id", "1")], Duplicate, both);
    check(r#"{"note":null,"id":2}"#, &[("id", "1")], Duplicate, both);
    let none = pack::<()>(b"", &[("x", "1")]).unwrap_err();
    assert_eq!((none.kind, none.to_string().as_str()), (Unknown, "x: unknown parameter; none is known here"));
    let malformed = pack::<Small>(b"{", &[("a", "x")]).unwrap_err();
    assert_eq!(malformed.kind, Malformed);
}
