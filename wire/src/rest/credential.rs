//! Who asks: from the `Authorization` header to a principal.

use crate::error::{Code, RpcError};
use crate::hello::Secret;
use crate::principal::Principal;

/// The principal of a request. No credential means anonymous; a wrong one is refused rather than ignored.
///
/// # Errors
/// [`Code::Unauthenticated`] when the credential is of an unknown kind, [`Code::InvalidCredentials`] when it is not right.
pub fn principal(
    authorization: Option<&[u8]>,
    operator_token: Option<&Secret>,
) -> Result<Principal, RpcError> {
    let Some(credential) = authorization else { return Ok(Principal::Anonymous) };
    let (scheme, token) = match credential.iter().position(|byte| *byte == b' ') {
        Some(at) => (&credential[..at], credential[at..].trim_ascii()),
        None => (credential, &b""[..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() {
        return Err(RpcError::new(Code::Unauthenticated, "the Authorization header has to be: Bearer TOKEN"));
    }
    match operator_token {
        Some(operator) if operator.matches(token) => Ok(Principal::Operator),
        _ => Err(RpcError::new(Code::InvalidCredentials, "the bearer token is not known here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_operators_token_makes_an_operator() {
        let secret = Secret::new("correct horse");
        let check = |header: Option<&str>, expected: Result<Principal, Code>| {
            let got = principal(header.map(str::as_bytes), Some(&secret)).map_err(|error| error.code);
            assert_eq!(got, expected, "{header:?}");
        };
        check(None, Ok(Principal::Anonymous));
        check(Some("Bearer correct horse"), Ok(Principal::Operator));
        check(Some("bearer  correct horse "), Ok(Principal::Operator));
        check(Some("Bearer wrong"), Err(Code::InvalidCredentials));
        for unknown in ["Bearer", "Bearer ", "Basic correct horse", "", "correct horse"] {
            check(Some(unknown), Err(Code::Unauthenticated));
        }
        assert!(principal(Some(b"Bearer x"), None).is_err());
    }
}
