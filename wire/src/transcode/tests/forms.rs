//! Each JSON form, both ways.

use super::*;

/// The value is written as `json`, and both that and `others` are read as the value.
fn check<T: Message>(value: &T, json: &str, others: &[&str]) {
    let binary = encoded(value);
    assert_eq!(unpack::<T>(&binary).unwrap(), json);
    for text in std::iter::once(&json).chain(others) {
        let packed = pack::<T>(text.as_bytes(), &[]);
        assert_eq!(packed.as_ref(), Ok(&binary), "{text}");
    }
}

#[test]
fn plain_values() {
    check(&(), "null", &[" null\n"]);
    check(&true, "true", &[]);
    check(&false, "false", &[]);
    check(&"Tux".to_string(), "\"Tux\"", &[r#""\u0054u\u0078""#]);
    check(
        &"a\"b\\c\n\u{1}é😀".to_string(),
        r#""a\"b\\c\n\u0001é😀""#,
        &[r#""a\"b\\c\n\u0001\u00e9\ud83d\ude00""#],
    );
    check(&"x".repeat(70_000), &format!("\"{}\"", "x".repeat(70_000)), &[]);
}

#[test]
fn integers() {
    check(&0_u8, "0", &["-0"]);
    check(&255_u8, "255", &[]);
    check(&250_u16, "250", &[]);
    check(&251_u16, "251", &[]);
    check(&u16::MAX, "65535", &[]);
    check(&u32::MAX, "4294967295", &[]);
    check(&i8::MIN, "-128", &[]);
    check(&i16::MIN, "-32768", &[]);
    check(&i16::MAX, "32767", &[]);
    check(&i32::MIN, "-2147483648", &[]);
    check(&((1_u64 << 53) - 1), "9007199254740991", &["\"9007199254740991\""]);
    check(&(1_u64 << 53), "\"9007199254740992\"", &["9007199254740992"]);
    check(&u64::MAX, "\"18446744073709551615\"", &["18446744073709551615"]);
    check(&(1_i64 - (1 << 53)), "-9007199254740991", &[]);
    check(&-(1_i64 << 53), "\"-9007199254740992\"", &["-9007199254740992"]);
    check(&i64::MIN, "\"-9223372036854775808\"", &["-9223372036854775808"]);
    check(&0_i64, "0", &["-0", "\"-0\"", "\"0\""]);
}

#[test]
fn decimals() {
    check(&Decimal::<2>(2599), "25.99", &["\"25.99\""]);
    check(&Decimal::<2>(2590), "25.90", &["25.9"]);
    check(&Decimal::<2>(2500), "25.00", &["25", "25.0"]);
    check(&Decimal::<2>(0), "0.00", &["0", "-0", "-0.00"]);
    check(&Decimal::<2>(-5), "-0.05", &[]);
    check(&Decimal::<0>(-7), "-7", &[]);
    check(&Decimal::<2>(i64::MIN), "-92233720368547758.08", &[]);
    check(&Decimal::<18>(i64::MAX), "9.223372036854775807", &[]);
}

#[test]
fn timestamps() {
    // The seconds are as GNU date says them.
    check(
        &Timestamp(0),
        "\"1970-01-01T00:00:00.000000Z\"",
        &["\"1970-01-01T00:00:00Z\"", "\"1970-01-01t00:00:00z\""],
    );
    check(
        &Timestamp(1_795_231_878_000_123),
        "\"2026-11-21T03:31:18.000123Z\"",
        &["\"2026-11-21T05:31:18.000123+02:00\"", "\"2026-11-20T22:01:18.000123-05:30\""],
    );
    check(
        &Timestamp(1_795_231_878_500_000),
        "\"2026-11-21T03:31:18.500000Z\"",
        &["\"2026-11-21T03:31:18.5Z\""],
    );
    check(&Timestamp(-1), "\"1969-12-31T23:59:59.999999Z\"", &[]);
    check(&Timestamp(951_782_400_000_000), "\"2000-02-29T00:00:00.000000Z\"", &[]);
    check(&Timestamp(-2_203_891_201_000_000), "\"1900-02-28T23:59:59.000000Z\"", &[]);
    check(&Timestamp(-62_167_219_200_000_000), "\"0000-01-01T00:00:00.000000Z\"", &[]);
    check(&Timestamp(253_402_300_799_999_999), "\"9999-12-31T23:59:59.999999Z\"", &[]);
}

#[test]
fn bytes_are_base64() {
    // The vectors of RFC 4648 section 10.
    let vectors = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
    ];
    for (bytes, text) in vectors {
        check(&Blob(bytes.as_bytes().to_vec()), &format!("\"{text}\""), &[]);
    }
    check(&Blob(vec![0xfb, 0xff, 0xbf]), "\"+/+/\"", &[r#""+\/+\/""#]);
    check(&Blob(vec![0; 300]), &format!("\"{}\"", "A".repeat(400)), &[]);
}

#[test]
fn options_lists_and_maps() {
    check(&None::<u8>, "null", &[]);
    check(&Some(7_u8), "7", &[]);
    check(&Vec::<u8>::new(), "[]", &[" [ ] "]);
    check(&vec![Some(true), None], "[true,null]", &[]);
    check(&BTreeMap::<String, u8>::new(), "{}", &[]);
    check(
        &BTreeMap::from([("a".to_string(), 1_u8), ("b".into(), 2)]),
        r#"{"a":1,"b":2}"#,
        &[r#"{"b":2,"\u0061":1}"#],
    );
    // Numbers ascend by value, not by text.
    check(
        &BTreeMap::from([(-10_i64, 1_u8), (9, 2), (10, 3)]),
        r#"{"-10":1,"9":2,"10":3}"#,
        &[r#"{"10":3,"9":2,"-10":1}"#, r#"{"9":2,"10":3,"-10":1}"#],
    );
    check(&BTreeMap::from([(u64::MAX, 1_u8)]), r#"{"18446744073709551615":1}"#, &[]);
    check(
        &BTreeMap::from([(false, 0_u8), (true, 1)]),
        r#"{"false":0,"true":1}"#,
        &[r#"{"true":1,"false":0}"#],
    );
}

#[test]
fn counts_of_every_width() {
    for count in [1, 250, 251, 255, 256, 65_535, 65_536] {
        let list: Vec<u16> = (0..count).map(|at| u16::try_from(at % 1000).unwrap()).collect();
        assert_eq!(
            pack::<Vec<u16>>(unpack::<Vec<u16>>(&encoded(&list)).unwrap().as_bytes(), &[]).unwrap(),
            encoded(&list)
        );
        let map: BTreeMap<u32, u8> = (0..count).map(|at| (at, 7)).collect();
        let descending: Vec<String> =
            map.iter().rev().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let packed = pack::<BTreeMap<u32, u8>>(format!("{{{}}}", descending.join(",")).as_bytes(), &[]);
        assert!(packed.unwrap() == encoded(&map), "{count}");
    }
}

#[test]
fn enums() {
    check(&State::New, "\"New\"", &[r#""\u004eew""#]);
    check(&State::Lost {}, "\"Lost\"", &[]);
    check(
        &State::Shipped { carrier: "DHL".into(), days: Some(2) },
        r#"{"Shipped":{"carrier":"DHL","days":2}}"#,
        &[r#" { "Shipped" : { "days" : 2 , "carrier" : "DHL" } } "#],
    );
    check(
        &State::Shipped { carrier: "DHL".into(), days: None },
        r#"{"Shipped":{"carrier":"DHL","days":null}}"#,
        &[r#"{"Shipped":{"carrier":"DHL"}}"#],
    );
}

#[derive(Message)]
struct Search {
    a: Option<u8>,
    b: u16,
    c: Option<String>,
    d: Vec<u8>,
    e: Option<bool>,
}

#[test]
fn fields_in_any_order() {
    let search = Search { a: None, b: 300, c: Some("x".into()), d: vec![1, 2], e: None };
    check(
        &search,
        r#"{"a":null,"b":300,"c":"x","d":[1,2],"e":null}"#,
        &[
            r#"{"b":300,"c":"x","d":[1,2]}"#,
            r#"{"d":[1,2],"c":"x","b":300}"#,
            r#"{"b":300,"d":[1,2],"c":"x"}"#,
            r#"{"b":300,"d":[1,2],"a":null,"c":"x"}"#,
            r#"{"e":null,"d":[1,2],"c":"x","b":300,"a":null}"#,
            r#"{"c":"x","e":null,"d":[1,2],"b":300}"#,
        ],
    );
    let later = Search { a: Some(1), b: 2, c: None, d: vec![], e: Some(true) };
    check(
        &later,
        r#"{"a":1,"b":2,"c":null,"d":[],"e":true}"#,
        // `a` and `c` have been passed over as absent before they come.
        &[r#"{"b":2,"d":[],"e":true,"a":1}"#, r#"{"b":2,"d":[],"a":1,"c":null,"e":true}"#],
    );
}

#[derive(Message)]
struct Listing {
    category: String,
    page: Option<u32>,
    state: Option<State>,
    below: Option<Decimal<2>>,
    since: Timestamp,
    stocked: bool,
    names: Vec<String>,
}

#[test]
fn parameters_fill_fields() {
    let expected = encoded(&Listing {
        category: "\"a\" & b".into(),
        page: Some(2),
        state: Some(State::New),
        below: Some(Decimal(999)),
        since: Timestamp(0),
        stocked: true,
        names: vec!["x".into()],
    });
    let parameters = [
        ("state", "New"),
        ("since", "1970-01-01T00:00:00Z"),
        ("category", "\"a\" & b"),
        ("stocked", "true"),
        ("below", "9.99"),
        ("page", "2"),
    ];
    assert_eq!(pack::<Listing>(br#"{"names":["x"]}"#, &parameters).unwrap(), expected);
    let bodies: [(&[u8], usize); 3] = [
        (br#"{"names":["x"],"page":2}"#, 5),
        (br#"{"below":9.99,"names":["x"],"page":2}"#, 4),
        (br#"{"page":2,"names":["x"],"below":9.99}"#, 4),
    ];
    for (body, count) in bodies {
        assert_eq!(pack::<Listing>(body, &parameters[..count]).unwrap(), expected);
    }
}

#[test]
fn the_body_may_be_empty() {
    assert_eq!(pack::<()>(b"", &[]).unwrap(), encoded(&()));
    let small = Small { a: 1, b: 2, c: -3, d: -4, e: -5, f: 6 };
    let parameters = [("a", "1"), ("b", "2"), ("c", "-3"), ("d", "-4"), ("e", "-5"), ("f", "6")];
    assert_eq!(pack::<Small>(b"", &parameters).unwrap(), encoded(&small));
    assert_eq!(pack::<Small>(b"{}", &parameters).unwrap(), encoded(&small));
    let empty_text = Some(String::new());
    let expected = encoded(&(Item { name: String::new(), quantity: 1, discount: None }));
    assert_eq!(
        pack::<Item>(b"", &[("name", empty_text.as_deref().unwrap()), ("quantity", "1")]).unwrap(),
        expected
    );
}
