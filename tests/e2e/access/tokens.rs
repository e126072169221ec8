//! Tokens that are no good: what was tampered with, taken back or stolen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::server::Server;
use serde_json::{Value, json};

use super::{Browser, network};

/// What somebody who has signed in may always ask.
const ME: &str = "GET /auth/me";
/// What only an admin of the first organization may ask.
const LOG: &str = "GET /api/v1/orders/log";

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let of_three = |three: &[u8]| {
        let number = three.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte))
            << (8 * (3 - three.len()));
        let digits = (0..=three.len()).map(move |at| char::from(DIGITS[(number >> (18 - 6 * at)) & 63]));
        digits.collect::<String>()
    };
    bytes.chunks(3).map(of_three).collect()
}

/// What base64url text stands for.
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for digit in text.chars() {
        bits = (bits << 6) | DIGITS.find(digit).expect("base64url");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xFF).expect("a byte"));
        }
    }
    bytes
}

/// The claims of a token.
pub(super) fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    serde_json::from_slice(&decoded(part)).expect("JSON")
}

#[track_caller]
pub(super) fn check_refused(browser: &mut Browser, what: &str, token: &str, code: &str) {
    for request in [ME, LOG] {
        let answer = browser.ask(Some(token), request, &Value::Null);
        assert_eq!(
            (answer.status(), answer.at("/error/code")),
            (401, json!(code)),
            "{what}: {}",
            answer.shown()
        );
        assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer error=\"invalid_token\""), "{what}");
    }
}

#[test]
fn forged_tokens_are_refused_at_the_gateway_and_at_every_service() {
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let viewer = browser.sign_in("client@demo.example", "client-demo").access;
    let parts: Vec<&str> = viewer.split('.').collect();
    let keys = browser.ask(None, "GET /.well-known/jwks.json", &Value::Null).check(200);
    let key = &keys.json()["keys"][0];
    let text = |name: &str| key[name].as_str().expect("a member").to_owned();
    let kid = text("kid");
    let point = [&[4][..], &decoded(&text("x")), &decoded(&text("y"))].concat();
    // What an attacker would like to be.
    let mut wanted = claims(&viewer);
    (wanted["sub"], wanted["permissions"]) = (json!("1"), json!(["*"]));
    let wanted_part = base64url(wanted.to_string().as_bytes());
    let header = |algorithm| {
        let mut header = Header::new(algorithm);
        (header.typ, header.kid) = (Some("at+jwt".into()), Some(kid.clone()));
        header
    };
    let own = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let own = EncodingKey::from_ec_der(&own.serialize_der());
    let mut forged = vec![
        ("other claims under the signature", format!("{}.{wanted_part}.{}", parts[0], parts[2])),
        ("no signature", format!("{}.{wanted_part}.", parts[0])),
        ("a signature of zeros", format!("{}.{wanted_part}.{}", parts[0], base64url(&[0; 64]))),
        (
            "another's key under the name of the right one",
            encode(&header(Algorithm::ES256), &wanted, &own).expect("a token"),
        ),
        ("cut short", viewer[..viewer.len() - 2].to_owned()),
        ("no token", "nonsense".to_owned()),
    ];
    for alg in ["none", "None", "NONE"] {
        let header = base64url(json!({ "typ": "at+jwt", "alg": alg, "kid": kid }).to_string().as_bytes());
        forged.push(("no algorithm", format!("{header}.{wanted_part}.")));
    }
    for secret in [point, text("x").into_bytes(), key.to_string().into_bytes()] {
        let secret = EncodingKey::from_secret(&secret);
        let token = encode(&header(Algorithm::HS256), &wanted, &secret).expect("a token");
        forged.push(("HS256 with the public key", token));
    }
    let mut unknown = header(Algorithm::ES256);
    unknown.kid = Some("../../etc/passwd".into());
    forged.push(("a key that isn't there", encode(&unknown, &wanted, &own).expect("a token")));
    for (what, token) in &forged {
        check_refused(&mut browser, what, token, "INVALID_CREDENTIALS");
    }
    // The right one still is, and still lacks what it lacks.
    browser.ask(Some(&viewer), ME, &Value::Null).check(200);
    browser.ask(Some(&viewer), LOG, &Value::Null).check(403);
    // A service on its own port believes the same tokens, and no others.
    let admin = browser.manager().access;
    let mut order = Browser::at(network.address("order-1"));
    until("order to have heard of auth", || match order.ask(Some(&admin), LOG, &Value::Null) {
        answer if answer.status() == 200 => Ok(()),
        answer => Err(answer.shown()),
    });
    order.ask(Some(&viewer), LOG, &Value::Null).check(403);
    order.ask(None, LOG, &Value::Null).check(401);
    for (what, token) in &forged {
        let answer = order.ask(Some(token), LOG, &Value::Null);
        assert_eq!(
            (answer.status(), answer.at("/error/code")),
            (401, json!("INVALID_CREDENTIALS")),
            "{what}"
        );
    }
}

/// Starts a gateway beside that of the network.
fn another_gateway(network: &Network) -> Server {
    let peer = |service: &str, instance: &str| format!("{service}={}", network.address(instance));
    let peers = [peer("auth", "auth-1"), peer("order", "order-1")];
    let settings = network.folder().path().join("gateway.toml").display().to_string();
    let flags = ["--rpc", "127.0.0.1:0", "--config", &settings];
    let arguments = [&["gateway", "--peer", &peers[0], "--peer", &peers[1]][..], &flags].concat();
    Server::start(network.folder().path(), "gateway-2", &arguments)
}

/// Waits until a token isn't believed there any more.
#[track_caller]
fn until_refused(server: SocketAddr, token: &str) {
    let mut browser = Browser::at(server);
    until("the token to be refused", || {
        let answer = browser.ask(Some(token), "GET /api/v1/orders/log", &Value::Null);
        if answer.status() == 401 { Ok(()) } else { Err(answer.shown()) }
    });
}

#[test]
fn whoever_signs_out_is_out_everywhere_within_a_second() {
    let network = network(&[]);
    let second = another_gateway(&network);
    let everywhere = [network.gateway(), second.address(), network.address("order-1")];
    let mut browser = Browser::at(network.gateway());
    let kept = browser.manager();
    // The fastest of three, for a machine that does other things too.
    let fastest = (0..3).map(|_| {
        let lost = browser.manager();
        for server in everywhere {
            let mut there = Browser::at(server);
            for tokens in [&kept, &lost] {
                until("the token to be believed", || {
                    let answer = there.ask(Some(&tokens.access), LOG, &Value::Null);
                    if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
                });
            }
        }
        let out = json!({ "refresh_token": lost.refresh });
        browser.ask(None, "POST /auth/logout", &out).check(200);
        let since = Instant::now();
        for server in everywhere {
            until_refused(server, &lost.access);
        }
        let took = since.elapsed();
        check_refused(&mut browser, "what was taken back", &lost.access, "INVALID_CREDENTIALS");
        took
    });
    let fastest = fastest.min();
    assert!(fastest < Some(Duration::from_secs(1)), "{fastest:?}");
    for server in everywhere {
        Browser::at(server).ask(Some(&kept.access), LOG, &Value::Null).check(200);
    }
}

#[test]
fn a_stolen_refresh_token_ends_the_session_of_both() {
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let first = browser.manager();
    let renew = |browser: &mut Browser, token: &str| {
        browser.ask(None, "POST /auth/refresh", &json!({ "refresh_token": token }))
    };
    let second = super::Tokens::of(&renew(&mut browser, &first.refresh).check(200));
    browser.ask(Some(&second.access), ME, &Value::Null).check(200);
    // The thief comes second.
    renew(&mut browser, &first.refresh).check(401);
    until_refused(network.gateway(), &second.access);
    check_refused(&mut browser, "the first", &first.access, "INVALID_CREDENTIALS");
    renew(&mut browser, &second.refresh).check(401);
}

#[test]
fn while_auth_is_away_tokens_are_believed_by_what_is_known() {
    let network = network(&["--no-restart"]);
    let mut browser = Browser::at(network.gateway());
    let manager = browser.manager().access;
    browser.ask(Some(&manager), LOG, &Value::Null).check(200);
    network.kill("auth-1");
    until("the gateway to have noticed", || {
        let answer = browser.ask(Some(&manager), ME, &Value::Null);
        if answer.status() == 503 { Ok(()) } else { Err(answer.shown()) }
    });
    browser.ask(Some(&manager), LOG, &Value::Null).check(200);
    browser.ask(None, LOG, &Value::Null).check(401);
    // A gateway that has never reached it can't judge, and says so.
    let second = another_gateway(&network);
    let mut there = Browser::at(second.address());
    let answer = there.ask(Some(&manager), LOG, &Value::Null).check(503);
    assert!(answer.header("Retry-After").is_some(), "{}", answer.shown());
    assert!(answer.text().contains("auth has not been reached"), "{}", answer.shown());
    there.ask(None, LOG, &Value::Null).check(401);
}
