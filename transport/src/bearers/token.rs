//! One access token: what it says, and whether the key that it names has signed it (RFC 7519, RFC 9068).

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use micronet_wire::authority::{AUDIENCE, Bearer, ISSUER, TOKEN_TYPE};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{ACCESS_TOKEN_BYTES_MAX, ACCESS_TOKEN_LEEWAY_S};
use micronet_wire::principal::Principal;
use micronet_wire::schema::Timestamp;
use serde::Deserialize;

/// Somebody who has shown an access token, or a ticket, that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who it is.
    pub principal: Principal,
    /// The token: its claim `jti`.
    pub jti: String,
    /// What it was issued for: its claim `scopes`.
    pub scopes: Vec<String>,
    /// When it was issued, in seconds since 1970.
    pub issued_s: i64,
    /// When it expires, in seconds since 1970.
    pub expires_s: i64,
}

impl Verified {
    /// Whom a ticket stands for, as the authority says.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`] when no call could be made on this account's behalf.
    pub fn of_ticket(bearer: Bearer) -> Result<Self, RpcError> {
        let Bearer { sub, org, sid, jti, permissions, scopes, issued, expires } = bearer;
        let seconds = |time: Timestamp| time.0.div_euclid(1_000_000);
        let principal = Principal::User { subject: sub, organization: org, session: sid, permissions };
        let (issued_s, expires_s) = (seconds(issued), seconds(expires));
        Self { principal, jti, scopes, issued_s, expires_s }.in_order()
    }

    /// Its account: the claim `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        match &self.principal {
            Principal::User { subject, .. } => subject,
            _ => "",
        }
    }

    /// Whether it has expired by then, in seconds since 1970.
    pub(super) fn expired(&self, now_s: i64) -> Result<(), RpcError> {
        if now_s < self.expires_s.saturating_add(ACCESS_TOKEN_LEEWAY_S) {
            return Ok(());
        }
        Err(RpcError::new(
            Code::TokenExpired,
            "the access token has expired: get another by the refresh token",
        ))
    }

    fn in_order(self) -> Result<Self, RpcError> {
        match self.principal.keeps_limits() {
            true => Ok(self),
            false => Err(refused("the access token names an account that can't be")),
        }
    }
}

/// The claims of a token. What else it says is of no interest here.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    org: String,
    sid: String,
    jti: String,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    permissions: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
}

/// RFC 7519 section 4.1.3: one text, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What a token's header says: the name of the key that it says has signed it.
///
/// # Errors
/// [`Code::InvalidCredentials`] when it is no access token of this network. Only one algorithm is allowed: what a token says of its
/// own algorithm decides nothing.
pub(super) fn key_of(token: &str) -> Result<String, RpcError> {
    if token.len() > ACCESS_TOKEN_BYTES_MAX {
        return Err(refused("the bearer token is too long"));
    }
    let header = decode_header(token).map_err(|_| refused("the bearer token is not known here"))?;
    if header.alg != Algorithm::ES256 {
        return Err(refused("the access token isn't signed by ES256"));
    }
    // RFC 9068 section 4, and RFC 7515 section 4.1.11: what must be understood isn't.
    let is_access_token = header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE));
    if !is_access_token || header.crit.is_some() {
        return Err(refused("the bearer token is no access token"));
    }
    header.kid.ok_or_else(|| refused("the access token names no key"))
}

/// What a token says, if this key has signed it and it is good at `unix_us`.
///
/// # Errors
/// [`Code::InvalidCredentials`], [`Code::TokenExpired`].
pub(super) fn read(token: &str, key: &DecodingKey, unix_us: i64) -> Result<Verified, RpcError> {
    let mut validation = Validation::new(Algorithm::ES256);
    // The claims are looked at below, by the caller's clock.
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let claims = decode::<Claims>(token, key, &validation)
        .map_err(|_| refused("the access token's signature or its claims are not right"))?
        .claims;
    let meant_for_us = match &claims.aud {
        Audience::One(aud) => aud == AUDIENCE,
        Audience::Several(all) => all.iter().any(|aud| aud == AUDIENCE),
    };
    if claims.iss != ISSUER || !meant_for_us {
        return Err(refused("the access token was issued by somebody else, or for somebody else"));
    }
    let now_s = unix_us.div_euclid(1_000_000);
    let begins_s = claims.iat.max(claims.nbf.unwrap_or(i64::MIN));
    if begins_s > now_s.saturating_add(ACCESS_TOKEN_LEEWAY_S) {
        return Err(refused("the access token isn't good yet"));
    }
    let Claims { sub, org, sid, jti, exp, iat, permissions, scopes, .. } = claims;
    let principal = Principal::User { subject: sub, organization: org, session: sid, permissions };
    let verified = Verified { principal, jti, scopes, issued_s: iat, expires_s: exp };
    verified.expired(now_s)?;
    verified.in_order()
}

pub(super) fn refused(words: &str) -> RpcError {
    RpcError::new(Code::InvalidCredentials, words)
}
