//! Secrets in messages: copies don't have them, and still decode.

use super::*;
use crate::schema::{EncodedSchema, Hidden};
use crate::transcode::{mask, to_json_masked};

#[derive(Message, Debug, Clone, PartialEq)]
struct SignUp {
    name: String,
    #[field(secret, min = 1)]
    password: Hidden,
    #[field(secret)]
    key: Option<Blob>,
    keepers: Vec<Keeper>,
    by_place: BTreeMap<String, Keeper>,
    age: u8,
}

#[derive(Message, Debug, Clone, PartialEq)]
enum Keeper {
    Nobody,
    Safe {
        place: String,
        #[field(secret)]
        code: Option<String>,
    },
}

fn sign_up(secret: &str) -> SignUp {
    let safe = || Keeper::Safe { place: "attic".into(), code: Some(secret.into()) };
    SignUp {
        name: "Ann".into(),
        password: Hidden(secret.into()),
        key: Some(Blob(secret.into())),
        keepers: vec![Keeper::Nobody, safe(), Keeper::Safe { place: "cellar".into(), code: None }],
        by_place: [("home".to_owned(), safe())].into(),
        age: 7,
    }
}

fn schema() -> (EncodedSchema, TypeRef) {
    let (schema, of) = schema_of::<SignUp>();
    (EncodedSchema::new(schema).unwrap(), of)
}

#[test]
fn a_masked_message_has_zeros_instead() {
    let (schema, of) = schema();
    for length in [1, 250, 251, 70_000] {
        let (secret, zeros) = ("s".repeat(length), "\0".repeat(length));
        let mut message = encoded(&sign_up(&secret));
        mask(&schema, of, &mut message);
        assert_eq!(message, encoded(&sign_up(&zeros)));
    }
}

#[test]
fn what_does_not_decode_is_masked_whole() {
    let (schema, of) = schema();
    let whole = encoded(&sign_up("sesame, open"));
    for end in 1..whole.len() {
        for more in [&b""[..], b"sesame, open too"] {
            let mut cut = [&whole[..end], more].concat();
            mask(&schema, of, &mut cut);
            assert!(cut.iter().all(|byte| *byte == 0), "{end}: {cut:?}");
        }
    }
    // Nothing is known of a type that isn't there.
    let mut message = *b"sesame";
    mask(&schema, 99, &mut message);
    assert_eq!(message, [0; 6]);
}

#[test]
fn a_message_without_secrets_stays() {
    let (schema, of) = schema_of::<Item>();
    let schema = EncodedSchema::new(schema).unwrap();
    let mut message = encoded(&Item { name: "Tux".into(), quantity: 1, discount: None });
    let before = message.clone();
    mask(&schema, of, &mut message);
    assert_eq!(message, before);
}

#[test]
fn json_for_people_says_that_there_is_a_secret() {
    let (schema, of) = schema();
    let mut json = BytesMut::new();
    to_json_masked(schema.schema(), of, &encoded(&sign_up("sesame")), &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let safe = serde_json::json!({ "Safe": { "place": "attic", "code": "***" } });
    assert_eq!(json["password"], "***");
    assert_eq!(json["key"], "***");
    assert_eq!(json["keepers"][1], safe);
    assert_eq!(json["by_place"]["home"], safe);
    assert_eq!(json["name"], "Ann");
    assert_eq!(json["age"], 7);
}
