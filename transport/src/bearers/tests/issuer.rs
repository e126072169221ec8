//! Somebody who signs tokens, rightly or not.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use micronet_wire::authority::Key;
use micronet_wire::schema::Timestamp;
use serde::Serialize;

/// When the tests take place, in seconds since 1970.
pub(super) const NOW_S: i64 = 1_800_000_000;

/// The claims of a token, those that an attack changes too.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Claims {
    pub(super) iss: &'static str,
    pub(super) aud: Vec<&'static str>,
    pub(super) sub: String,
    pub(super) org: String,
    pub(super) sid: String,
    pub(super) jti: String,
    pub(super) exp: i64,
    pub(super) iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<i64>,
    pub(super) permissions: Vec<String>,
    pub(super) scopes: Vec<String>,
}

/// What a token that is in order says, issued at this time.
pub(super) fn claims(jti: &str, issued_s: i64) -> Claims {
    Claims {
        iss: "micronet",
        aud: vec!["micronet"],
        sub: "7".into(),
        org: "1".into(),
        sid: "s1".into(),
        jti: jti.into(),
        exp: issued_s + 900,
        iat: issued_s,
        nbf: None,
        permissions: vec!["orders:read".into()],
        scopes: vec!["api".into()],
    }
}

/// Whoever has a key.
pub(super) struct Issuer {
    pub(super) kid: String,
    key: EncodingKey,
    point: Vec<u8>,
}

impl Issuer {
    pub(super) fn new(kid: &str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let (key, point) = (EncodingKey::from_ec_der(&pair.serialize_der()), pair.public_key_raw().to_vec());
        Self { kid: kid.into(), key, point }
    }

    /// The public key, as an authority tells it.
    pub(super) fn public(&self) -> Key {
        Key {
            kid: self.kid.clone(),
            kty: "EC".into(),
            crv: "P-256".into(),
            x: base64url(&self.point[1..33]),
            y: base64url(&self.point[33..]),
            r#use: "sig".into(),
            alg: "ES256".into(),
            since: Timestamp(0),
        }
    }

    /// The public key's bytes, which are no secret.
    pub(super) fn point(&self) -> &[u8] {
        &self.point
    }

    /// The header of its tokens.
    pub(super) fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        (header.typ, header.kid) = (Some("at+jwt".into()), Some(self.kid.clone()));
        header
    }

    pub(super) fn token(&self, claims: &Claims) -> String {
        self.token_with(&self.header(), claims)
    }

    pub(super) fn token_with(&self, header: &Header, claims: &impl Serialize) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }
}

/// RFC 4648 section 5, without padding.
pub(super) fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let of_three = |three: &[u8]| {
        let number = three.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte))
            << (8 * (3 - three.len()));
        let digits = (0..=three.len()).map(move |at| char::from(DIGITS[(number >> (18 - 6 * at)) & 63]));
        digits.collect::<String>()
    };
    bytes.chunks(3).map(of_three).collect()
}
