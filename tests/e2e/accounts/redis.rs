//! What stands in Redis of sessions and revoked tokens, and what depends on it: nothing.

use micronet_tests::patience::until;
use micronet_tests::redis::RedisServer;
use serde_json::{Value, json};

use super::{Person, ask, client, network, refused_everywhere};

/// The claim `jti` of a token, without checking it.
fn jti(person: &Person) -> String {
    let claims = person.access.split('.').nth(1).expect("three parts");
    let mut bits = 0_u32;
    let mut bytes = Vec::new();
    for (at, digit) in claims.bytes().enumerate() {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = digits.iter().position(|each| *each == digit).expect("base64url");
        bits = bits << 6 | u32::try_from(value).expect("6 bits");
        if at % 4 != 0 {
            bytes.push(u8::try_from(bits >> (6 - 2 * (at % 4)) & 0xff).expect("8 bits"));
        }
    }
    let claims: Value = serde_json::from_slice(&bytes).expect("JSON");
    claims["jti"].as_str().expect("a text").to_owned()
}

fn answers(redis: &RedisServer, command: &str, wanted: impl Fn(&str) -> bool) {
    until(command, || {
        let answer = redis.ask(command);
        if wanted(&answer) { Ok(()) } else { Err(answer) }
    });
}

#[test]
fn sessions_and_revoked_tokens_are_in_redis_and_nothing_waits_for_it() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    let network = network(&["--redis", &url]);
    let (gateway, auth) = (network.gateway(), network.address("auth-1"));
    let person = client(gateway);
    let key = format!("session:{}", person.session);
    answers(&redis, &format!("HGET {key} user_id"), |answer| answer.contains("\r\n2\r\n"));
    let fields = redis.ask(&format!("HGETALL {key}"));
    let permissions = r#"["alerts:read","control:read","devices:read","network:read","reports:read"]"#;
    for part in ["organization_id", "expires_at", "permissions", permissions] {
        assert!(fields.contains(part), "{part}: {fields}");
    }
    let left: i64 = redis.ask(&format!("TTL {key}"))[1..].lines().next().unwrap().parse().unwrap();
    assert!((2_500_000..=2_592_000).contains(&left), "{left}");

    let listed = format!("EXISTS blacklist:token:{}", jti(&person));
    ask(gateway, Some(&person), "POST /auth/logout", &json!({})).check(200);
    answers(&redis, &listed, |answer| answer.starts_with(":1"));
    answers(&redis, &format!("EXISTS {key}"), |answer| answer.starts_with(":0"));

    // Away, and silent: people sign in and out as ever, and what is revoked is revoked.
    redis.freeze();
    let second = client(gateway);
    ask(gateway, Some(&second), "POST /auth/logout", &json!({})).check(200);
    refused_everywhere(&[gateway, auth], &second);
    redis.thaw();
    redis.crash();
    let third = client(gateway);
    refused_everywhere(&[gateway, auth], &person);
    ask(gateway, Some(&third), "GET /auth/me", &Value::Null).check(200);

    // When it is back it hears what it has missed.
    redis.restart();
    answers(&redis, &format!("EXISTS session:{}", third.session), |answer| answer.starts_with(":1"));
    refused_everywhere(&[gateway, auth], &second);
}
