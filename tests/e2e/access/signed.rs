//! Tokens that a key of `auth` has signed, and that are no good all the same.

use std::fs;
use std::path::PathBuf;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::{Value, json};

use super::tokens::{check_refused, claims};
use super::{Browser, network};

const ME: &str = "GET /auth/me";

/// The private key by which `auth` signs, and its name.
fn key(network: &Network) -> (EncodingKey, String) {
    let files = fs::read_dir(network.folder().path().join("auth")).expect("auth's folder");
    let is_key = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "key");
    let [path] = &files.map(|file| file.expect("a file").path()).filter(is_key).collect::<Vec<_>>()[..]
    else {
        panic!("one key")
    };
    let kid = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
    (EncodingKey::from_ec_der(&fs::read(path).expect("a key")), kid)
}

#[test]
fn the_right_key_is_not_enough() {
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let manager = browser.manager().access;
    let (key, kid) = key(&network);
    let right = claims(&manager);
    let signed = |typ: &str, claims: &Value| {
        let mut header = Header::new(Algorithm::ES256);
        (header.typ, header.kid) = (Some(typ.into()), Some(kid.clone()));
        encode(&header, claims, &key).expect("a token")
    };
    let with = |changes: Value| {
        let mut claims = right.clone();
        for (name, value) in changes.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        signed("at+jwt", &claims)
    };
    // Signed anew it is as good as it was: what is refused below isn't for its signature.
    browser.ask(Some(&with(json!({}))), ME, &Value::Null).check(200);
    let now_s = right["iat"].as_i64().expect("a time");
    check_refused(
        &mut browser,
        "expired",
        &with(json!({ "iat": now_s - 1_000, "exp": now_s - 100 })),
        "TOKEN_EXPIRED",
    );
    let without = |name: &str| {
        let mut claims = right.clone();
        claims.as_object_mut().expect("claims").remove(name);
        signed("at+jwt", &claims)
    };
    for (what, token) in [
        ("another issuer", with(json!({ "iss": "https://elsewhere.example" }))),
        ("for somebody else", with(json!({ "aud": "elsewhere" }))),
        ("not good yet", with(json!({ "nbf": now_s + 1_000 }))),
        ("issued in future", with(json!({ "iat": now_s + 1_000, "exp": now_s + 2_000 }))),
        ("no issuer", without("iss")),
        ("without end", without("exp")),
        ("of nobody", without("sub")),
        ("no access token", signed("JWT", &right)),
    ] {
        check_refused(&mut browser, what, &token, "INVALID_CREDENTIALS");
    }
    // A service on its own port says the same.
    let mut order = Browser::at(network.address("order-1"));
    until("order to have heard of auth", || match order.ask(Some(&manager), "GET /orders", &Value::Null) {
        answer if answer.status() == 200 => Ok(()),
        answer => Err(answer.shown()),
    });
    for (changes, code) in [
        (json!({ "iat": now_s - 1_000, "exp": now_s - 100 }), "TOKEN_EXPIRED"),
        (json!({ "iss": "https://elsewhere.example" }), "INVALID_CREDENTIALS"),
    ] {
        let answer = order.ask(Some(&with(changes)), "GET /orders", &Value::Null).check(401);
        assert_eq!(answer.at("/error/code"), code, "{}", answer.shown());
    }
}
