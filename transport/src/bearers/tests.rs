//! Tokens that are in order, and those that aren't.

mod followed;
mod issuer;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use micronet_wire::authority::{Revocation, Revoked};
use micronet_wire::principal::Principal;
use micronet_wire::schema::Timestamp;

use self::issuer::{Claims, Issuer, NOW_S, base64url, claims};
use super::*;

const NOW_US: i64 = NOW_S * 1_000_000;

/// Who believes these issuers, and has been told all that is revoked.
fn believing(issuers: &[&Issuer]) -> Bearers {
    let bearers = Bearers::default();
    bearers.begins(NOW_US);
    bearers.set_keys(&keys(issuers));
    bearers.hear(&RevocationNews { through: 0, revocation: None }, NOW_US);
    bearers
}

fn keys(issuers: &[&Issuer]) -> Keys {
    Keys { keys: issuers.iter().map(|issuer| issuer.public()).collect() }
}

fn revoked(of: Revoked) -> RevocationNews {
    let until = Timestamp((NOW_S + 900) * 1_000_000);
    RevocationNews { through: 1, revocation: Some(Revocation { of, until }) }
}

/// What is decided of a token without waiting for anything.
fn judged(bearers: &Bearers, token: &str, unix_us: i64) -> Result<Rc<Verified>, (Code, String)> {
    bearers.judge(token, unix_us).map_err(|doubt| {
        let error = RpcError::from(doubt);
        (error.code, error.message)
    })
}

fn code(bearers: &Bearers, token: &str, unix_us: i64) -> Option<Code> {
    judged(bearers, token, unix_us).err().map(|(code, _)| code)
}

#[test]
fn a_token_in_order_is_believed_and_read_once() {
    let issuer = Issuer::new("k1");
    let (bearers, token) = (believing(&[&issuer]), issuer.token(&claims("t1", NOW_S)));
    let first = judged(&bearers, &token, NOW_US).unwrap();
    let user = Principal::User {
        subject: "7".into(),
        organization: "1".into(),
        session: "s1".into(),
        permissions: vec!["orders:read".into()],
    };
    assert_eq!(first.principal, user);
    assert_eq!((&*first.jti, &first.scopes[..]), ("t1", &["api".to_owned()][..]));
    assert_eq!((first.issued_s, first.expires_s), (NOW_S, NOW_S + 900));
    let second = judged(&bearers, &token, NOW_US + 1).unwrap();
    assert!(Rc::ptr_eq(&first, &second));
    assert_eq!((bearers.counts.verified.get(), bearers.counts.reused.get()), (1, 1));
}

#[test]
fn clocks_may_differ_a_little() {
    let issuer = Issuer::new("k1");
    let bearers = believing(&[&issuer]);
    for (issued_s, expected) in [
        (NOW_S - 901, None),
        (NOW_S - 902, Some(Code::TokenExpired)),
        (NOW_S + 2, None),
        (NOW_S + 3, Some(Code::InvalidCredentials)),
    ] {
        let token = issuer.token(&claims(&format!("t{issued_s}"), issued_s));
        assert_eq!(code(&bearers, &token, NOW_US), expected, "issued at {issued_s}");
    }
    // What was remembered expires too.
    let token = issuer.token(&claims("t", NOW_S));
    let at = |s: i64| code(&bearers, &token, (NOW_S + s) * 1_000_000);
    bearers.hear(&RevocationNews { through: 0, revocation: None }, NOW_US + 900_000_000);
    assert_eq!(
        [at(0), at(901), at(902), at(902)],
        [None, None, Some(Code::TokenExpired), Some(Code::TokenExpired)]
    );
}

#[test]
fn what_is_not_in_order_is_refused() {
    let (issuer, other) = (Issuer::new("k1"), Issuer::new("k1"));
    let bearers = believing(&[&issuer]);
    let right = issuer.token(&claims("t1", NOW_S));
    let parts: Vec<&str> = right.split('.').collect();
    let mut refused: Vec<(&str, String)> = Vec::new();
    let mut with_claims = |what, change: fn(&mut Claims)| {
        let mut claims = claims("t1", NOW_S);
        change(&mut claims);
        refused.push((what, issuer.token(&claims)));
    };
    with_claims("another issuer", |claims| claims.iss = "somebody");
    with_claims("another audience", |claims| claims.aud = vec!["somebody"]);
    with_claims("no audience", |claims| claims.aud = Vec::new());
    with_claims("not yet good", |claims| claims.nbf = Some(NOW_S + 60));
    with_claims("no account", |claims| claims.sub = String::new());
    with_claims("an account with a line break", |claims| claims.sub = "7\n8".into());
    with_claims("65 permissions", |claims| claims.permissions = vec!["p".into(); 65]);
    with_claims("a long permission", |claims| claims.permissions = vec!["p".repeat(65)]);
    with_claims("too long", |claims| claims.jti = "t".repeat(4096));
    let mut with_header = |what, change: fn(&mut Header)| {
        let mut header = issuer.header();
        change(&mut header);
        refused.push((what, issuer.token_with(&header, &claims("t1", NOW_S))));
    };
    with_header("no key named", |header| header.kid = None);
    with_header("a key that isn't there", |header| header.kid = Some("k2".into()));
    with_header("another type", |header| header.typ = Some("JWT".into()));
    with_header("no type", |header| header.typ = None);
    with_header("what must be understood", |header| header.crit = Some(vec!["exp".into()]));
    refused.push(("another's key", other.token(&claims("t1", NOW_S))));
    refused.push(("claims missing", issuer.token_with(&issuer.header(), &[("sub", "7")])));
    // The signature is left out, in whatever spelling.
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = base64url(format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"k1"}}"#).as_bytes());
        refused.push(("no algorithm", format!("{header}.{}.", parts[1])));
        refused.push(("no algorithm, signed", format!("{header}.{}.{}", parts[1], parts[2])));
    }
    // The public key, taken for a shared secret.
    let mut hmac = issuer.header();
    hmac.alg = Algorithm::HS256;
    let key = issuer.public();
    for secret in [issuer.point(), key.x.as_bytes(), b"", b"secret"] {
        let confused = jsonwebtoken::encode(&hmac, &claims("t1", NOW_S), &EncodingKey::from_secret(secret));
        refused.push(("HS256 with what everybody knows", confused.unwrap()));
    }
    let mine = base64url(br#"{"iss":"micronet","aud":"micronet","sub":"1","org":"1","sid":"s","jti":"t","exp":1800000900,"iat":1800000000,"permissions":["*"]}"#);
    refused.push(("other claims under the signature", format!("{}.{mine}.{}", parts[0], parts[2])));
    refused.push(("another signature", format!("{}.{}.{}", parts[0], parts[1], base64url(&[1; 64]))));
    refused.push(("a signature of zeros", format!("{}.{}.{}", parts[0], parts[1], base64url(&[0; 64]))));
    refused.push(("no signature", format!("{}.{}.", parts[0], parts[1])));
    refused.push(("cut short", right[..right.len() - 4].to_owned()));
    refused.push(("four parts", format!("{right}.{}", parts[2])));
    for text in ["x", "a.b.c", "..", ".", "", "\u{1F433}"] {
        refused.push(("no token at all", text.to_owned()));
    }
    for (what, token) in refused {
        assert_eq!(code(&bearers, &token, NOW_US), Some(Code::InvalidCredentials), "{what}: {token}");
    }
    assert_eq!(code(&bearers, &right, NOW_US), None);
}

#[test]
fn every_changed_character_breaks_a_token() {
    let issuer = Issuer::new("k1");
    let bearers = believing(&[&issuer]);
    let right = issuer.token(&claims("t1", NOW_S));
    for at in 0..right.len() {
        for other in ["A", "B", ".", "="] {
            let changed = format!("{}{other}{}", &right[..at], &right[at + 1..]);
            let believed = changed != right && code(&bearers, &changed, NOW_US).is_none();
            assert!(!believed, "{other} at {at}");
        }
    }
}

#[test]
fn what_is_revoked_is_believed_no_longer() {
    let issuer = Issuer::new("k1");
    let bearers = believing(&[&issuer]);
    let mut of_another_session = claims("t2", NOW_S);
    of_another_session.sid = "s2".into();
    let mut of_another_account = claims("t3", NOW_S + 1);
    (of_another_account.sid, of_another_account.sub) = ("s3".into(), "8".into());
    let tokens =
        [claims("t1", NOW_S), of_another_session, of_another_account].map(|claims| issuer.token(&claims));
    let believed = || tokens.each_ref().map(|token| code(&bearers, token, NOW_US).is_none());
    assert_eq!(believed(), [true, true, true]);
    let held = judged(&bearers, &tokens[0], NOW_US).unwrap();
    let mut revisions = bearers.revisions();
    assert_eq!(bearers.recheck(&held, NOW_US), Ok(()));
    bearers.hear(&revoked(Revoked::Session { sid: "s1".into() }), NOW_US);
    assert_eq!(believed(), [false, true, true]);
    assert!(revisions.has_changed().unwrap());
    revisions.mark_unchanged();
    assert_eq!(bearers.recheck(&held, NOW_US).map_err(|error| error.code), Err(Code::InvalidCredentials));
    bearers.hear(&revoked(Revoked::Session { sid: "s2".into() }), NOW_US);
    assert_eq!(believed(), [false, false, true]);
    bearers.hear(&revoked(Revoked::Account { sub: "8".into(), through_s: NOW_S }), NOW_US);
    assert_eq!(believed(), [false, false, true]);
    bearers.hear(&revoked(Revoked::Account { sub: "8".into(), through_s: NOW_S + 1 }), NOW_US);
    assert_eq!(believed(), [false, false, false]);
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_along() {
    let (old, new) = (Issuer::new("k1"), Issuer::new("k2"));
    let bearers = believing(&[&old]);
    let tokens = [&old, &new].map(|issuer| issuer.token(&claims(&issuer.kid, NOW_S)));
    let believed = || tokens.each_ref().map(|token| code(&bearers, token, NOW_US).is_none());
    assert_eq!(believed(), [true, false]);
    bearers.set_keys(&keys(&[&new, &old]));
    assert_eq!(believed(), [true, true]);
    bearers.set_keys(&keys(&[&new]));
    assert_eq!(believed(), [false, true]);
}

#[test]
fn keys_for_something_else_are_not_used() {
    let issuer = Issuer::new("k1");
    let bearers = believing(&[]);
    let token = issuer.token(&claims("t1", NOW_S));
    let changes: [fn(&mut Key); 6] = [
        |key| key.alg = "HS256".into(),
        |key| key.kty = "oct".into(),
        |key| key.crv = "P-384".into(),
        |key| key.r#use = "enc".into(),
        |key| key.x = "AAAA".into(),
        |key| key.y = "not base64url!".into(),
    ];
    for change in changes {
        let mut key = issuer.public();
        change(&mut key);
        bearers.set_keys(&Keys { keys: vec![key.clone()] });
        assert_eq!(code(&bearers, &token, NOW_US), Some(Code::InvalidCredentials), "{key:?}");
    }
    bearers.set_keys(&keys(&[&issuer]));
    assert_eq!(code(&bearers, &token, NOW_US), None);
}

#[test]
fn without_news_of_what_is_revoked_nobody_is_believed() {
    let issuer = Issuer::new("k1");
    let token = issuer.token(&claims("t1", NOW_S));
    let bearers = Bearers::default();
    // Without an authority no token means anything.
    assert_eq!(code(&bearers, &token, NOW_US), Some(Code::InvalidCredentials));
    bearers.begins(NOW_US);
    assert_eq!(code(&bearers, "no token", NOW_US), Some(Code::InvalidCredentials));
    assert_eq!(code(&bearers, &token, NOW_US), Some(Code::Unavailable));
    bearers.set_keys(&keys(&[&issuer]));
    assert_eq!(code(&bearers, &token, NOW_US), Some(Code::Unavailable));
    // Some of what is revoked is not all of it.
    bearers.hear(&revoked(Revoked::Session { sid: "s0".into() }), NOW_US);
    assert_eq!(code(&bearers, &token, NOW_US), Some(Code::Unavailable));
    bearers.hear(&RevocationNews { through: 1, revocation: None }, NOW_US);
    assert_eq!(code(&bearers, &token, NOW_US), None);
    // A silence is borne for as long as tokens live.
    let late = issuer.token(&claims("t2", NOW_S + 900));
    assert_eq!(code(&bearers, &late, NOW_US + 900_000_000), None);
    assert_eq!(code(&bearers, &late, NOW_US + 900_000_001), Some(Code::Unavailable));
    let held = Verified::clone(&judged(&bearers, &late, NOW_US + 900_000_000).unwrap());
    assert_eq!(
        bearers.recheck(&held, NOW_US + 901_000_000).map_err(|error| error.code),
        Err(Code::Unavailable)
    );
    bearers.hear(&RevocationNews { through: 1, revocation: None }, NOW_US + 901_000_000);
    assert_eq!(code(&bearers, &late, NOW_US + 901_000_000), None);
}
