//! The reader against what RFC 8259 says, and against serde_json.

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::Value;

use super::{Kind, Reader, SyntaxError, check, put_decimal, put_signed, put_string, put_unsigned};
use crate::limits::NESTING_MAX;

#[test]
fn accepts_what_is_json() {
    let texts = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "10",
        "-1",
        "1.5",
        "0.0",
        "1e5",
        "1E+5",
        "1.5e-5",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "\t{ \"a\" : [ { } , null ] }\r\n",
        r#""\"\\\/\b\f\n\r\t\u00e9\uD83d\uDe00""#,
        "\"é😀\u{2028}\u{7f}\"",
        "1e999",
    ];
    for text in texts {
        assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    let texts: [(&[u8], usize, &str); 48] = [
        (b"", 0, "expected a value, but the text ends"),
        (b"  ", 2, "expected a value, but the text ends"),
        (b"\xef\xbb\xbf1", 0, "expected a value"),
        (b"nul", 0, "expected null"),
        (b"True", 0, "expected a value"),
        (b"tru", 0, "expected true or false"),
        (b"nullx", 4, "expected nothing more after the value"),
        (b"NaN", 0, "expected a value"),
        (b"-Infinity", 1, "expected a digit"),
        (b"1 2", 2, "expected nothing more after the value"),
        (b"01", 1, "a number can't start with a needless 0"),
        (b"-01", 2, "a number can't start with a needless 0"),
        (b"+1", 0, "expected a value"),
        (b".5", 0, "expected a value"),
        (b"1.", 2, "expected a digit after the point"),
        (b"1.e5", 2, "expected a digit after the point"),
        (b"1e", 2, "expected a digit in the exponent"),
        (b"1e+", 3, "expected a digit in the exponent"),
        (b"-", 1, "expected a digit"),
        (b"0x10", 1, "expected nothing more after the value"),
        (b"'a'", 0, "expected a value"),
        (b"\"a", 2, "the text ends inside a string"),
        (b"\"a\nb\"", 2, "a control character in a string must be escaped"),
        (b"\"\x00\"", 1, "a control character in a string must be escaped"),
        (br#""\x41""#, 1, "unknown escape after '\\'"),
        (br#""\"#, 1, "unknown escape after '\\'"),
        (br#""\u12""#, 1, "expected four hexadecimal digits after '\\u'"),
        (br#""\u12g4""#, 1, "expected four hexadecimal digits after '\\u'"),
        (br#""\u+123""#, 1, "expected four hexadecimal digits after '\\u'"),
        (br#""a\ud800""#, 2, "half of a surrogate pair alone"),
        (br#""a\ud800b""#, 2, "half of a surrogate pair alone"),
        (br#""a\ud800\n""#, 2, "half of a surrogate pair alone"),
        (br#""a\ud800\ud800""#, 2, "half of a surrogate pair alone"),
        (br#""a\udc00""#, 2, "half of a surrogate pair alone"),
        (b"\"a\xffb\"", 2, "a string that is not UTF-8"),
        (b"\"\xed\xa0\x80\"", 1, "a string that is not UTF-8"),
        (b"[1", 2, "expected ',' or ']' after an item"),
        (b"[1 2]", 3, "expected ',' or ']' after an item"),
        (b"[1,]", 3, "expected a value"),
        (b"[,1]", 1, "expected a value"),
        (b"[1}", 2, "expected ',' or ']' after an item"),
        (b"{\"a\":1,}", 7, "expected a field's name in double quotes"),
        (b"{a:1}", 1, "expected a field's name in double quotes"),
        (b"{\"a\" 1}", 5, "expected ':' after a field's name"),
        (b"{\"a\":1 \"b\":2}", 7, "expected ',' or '}' after a field"),
        (b"{\"a\":}", 5, "expected a value"),
        (b"// a comment\n1", 0, "expected a value"),
        (b"1 /* a comment */", 2, "expected nothing more after the value"),
    ];
    for (text, offset, words) in texts {
        let expected = SyntaxError { offset, too_deep: false, words };
        assert_eq!(check(text), Err(expected), "{}", text.escape_ascii());
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(check(nested(NESTING_MAX).as_bytes()), Ok(()));
        let error = check(nested(NESTING_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!((error.too_deep, error.offset), (true, NESTING_MAX * open.len()));
    }
    // Depth is what is open at once, not what was opened.
    check(format!("[{}[]]", "[],{},".repeat(1000)).as_bytes()).unwrap();
}

#[test]
fn a_name_is_taken_whole_or_not_at_all() {
    let mut reader = Reader::new(b" { \"a\" : 1 , \"ab\" :2,\"c\\u0064\":3,\"e\" 4}");
    reader.begin_object().unwrap();
    assert!(!reader.take_name("ab") && reader.take_name("a"));
    assert_eq!(reader.number(), Ok("1"));
    assert!(!reader.take_name("a") && !reader.take_name("abc") && reader.take_name("ab"));
    assert_eq!(reader.number(), Ok("2"));
    assert!(!reader.take_name("cd"), "it isn't written without escapes");
    assert!(reader.next_name().unwrap().unwrap().is("cd"));
    assert_eq!(reader.number(), Ok("3"));
    assert!(!reader.take_name("e"));
    assert_eq!(reader.next_name().unwrap_err().words, "expected ':' after a field's name");
    let mut ended = Reader::new(b"{}");
    ended.begin_object().unwrap();
    assert!(!ended.take_name(""));
    assert!(ended.next_name().unwrap().is_none());
}

#[test]
fn numbers_are_written_in_full() {
    let text = |put: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        put(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    };
    for number in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX] {
        assert_eq!(text(&|out| put_unsigned(out, number)), number.to_string());
    }
    for number in [0, 7, -7, -10, i64::MAX, i64::MIN] {
        assert_eq!(text(&|out| put_signed(out, number)), number.to_string());
    }
    let decimals = [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (2599, 2, "25.99"),
        (-2599, 0, "-2599"),
        (1, 18, "0.000000000000000001"),
        (i64::MIN, 18, "-9.223372036854775808"),
        (i64::MAX, 3, "9223372036854775.807"),
        (7, 30, "0.000000000000000000000000000007"),
    ];
    for (units, scale, expected) in decimals {
        assert_eq!(text(&|out| put_decimal(out, units, scale)), expected);
    }
}

/// What serde_json would have made of the text, made by our reader.
fn tree(reader: &mut Reader<'_>) -> Result<Value, SyntaxError> {
    Ok(match reader.peek()? {
        Kind::Null => reader.null().map(|()| Value::Null)?,
        Kind::Bool => Value::Bool(reader.boolean()?),
        Kind::Number => serde_json::from_str(reader.number()?).unwrap_or(Value::Null),
        Kind::String => {
            let text = reader.string()?;
            let mut put = BytesMut::new();
            text.put(&mut put);
            assert_eq!((&put[..], text.length()), (text.unescaped().as_bytes(), put.len()));
            assert!(text.is(&text.unescaped()) && !text.is("something else"));
            Value::String(text.unescaped().into_owned())
        }
        Kind::Array => {
            reader.begin_array()?;
            let mut items = Vec::new();
            while reader.next_item()? {
                items.push(tree(reader)?);
            }
            Value::Array(items)
        }
        Kind::Object => {
            reader.begin_object()?;
            let mut fields = serde_json::Map::new();
            while let Some(name) = reader.next_name()? {
                let name = name.unescaped().into_owned();
                fields.insert(name, tree(reader)?);
            }
            Value::Object(fields)
        }
    })
}

/// Both readers accept or refuse, and read the same. Where they differ on purpose: a number beyond f64 is a number to us;
/// we nest to 64, serde_json to 127.
fn check_against_serde(text: &[u8]) -> Result<(), TestCaseError> {
    let mut reader = Reader::new(text);
    let ours = tree(&mut reader).and_then(|value| reader.end().map(|()| value));
    prop_assert_eq!(ours.as_ref().err().copied(), check(text).err(), "skip() checks as much as reading does");
    match (ours, serde_json::from_slice::<Value>(text)) {
        (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => {
            prop_assert!(error.to_string().starts_with("number out of range"), "{}", error);
        }
        (Err(error), Ok(_)) => prop_assert!(error.too_deep, "{:?}", error),
    }
    Ok(())
}

const SAMPLES: [&str; 6] = [
    r#"{"name":"Tux","price":25.99,"sizes":[1,2,3],"parent":null,"stock":{"a":-1,"b":20},"ok":true}"#,
    r#"[{"a":[[],{}]}, -0.5e+10, "\"\\\/\b\f\n\r\t", "é😀 \u00e9\ud83d\ude00", false, 1E-3]"#,
    r#"  { "a" : [ 1 , { "b" : { } } ] , "c" : "x" }  "#,
    r#""\ud83d\ude00 \ud7ff \ue000 \udbff\udfff \uFFFF \u0000""#,
    "[0,-0,0.0,1e1,123456789012345678901234567890,1e400]",
    r#"{"a":{"a":{"a":{"a":{"a":[[[[[["deep"]]]]]]}}}}}"#,
];

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let bytes = proptest::sample::select(&br#"{}[]:,"\/0123456789.eE+-tfn udD8cCbB'x"#[..]);
    let byte = prop_oneof![8 => bytes, 1 => any::<u8>()];
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), 0..4, byte), 0..4);
    (proptest::sample::select(&SAMPLES[..]), edits).prop_map(|(sample, edits)| {
        let mut text = sample.as_bytes().to_vec();
        for (at, operation, byte) in edits {
            let at = at.index(text.len() + 1);
            match operation {
                0 if at < text.len() => text[at] = byte,
                1 if at < text.len() => drop(text.remove(at)),
                2 => text.truncate(at),
                _ => text.insert(at, byte),
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn mutated_text_is_judged_as_serde_judges_it(text in mutated()) {
        check_against_serde(&text)?;
    }

    #[test]
    fn any_bytes_are_judged_as_serde_judges_them(text: Vec<u8>) {
        check_against_serde(&text)?;
    }

    #[test]
    fn strings_are_written_so_that_serde_reads_them(text in "(.|[\\x00-\\x1f\"\\\\])*") {
        let mut out = BytesMut::new();
        put_string(&mut out, &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), &*text);
        prop_assert_eq!(Reader::new(&out).string().unwrap().unescaped(), &*text);
    }
}

#[test]
fn every_prefix_of_a_sample_is_refused() {
    for sample in SAMPLES {
        let whole = sample.trim_end();
        for end in 0..whole.len() {
            assert!(
                check(&whole.as_bytes()[..end]).is_err(),
                "{:?}",
                &whole.as_bytes()[..end].escape_ascii()
            );
        }
    }
}
