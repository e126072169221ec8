//! What a request shows of who asks: the bearer token of its `Authorization` header. Whose it is, others decide.

use super::answer::{Answer, Refused};
use super::request::single;
use crate::error::{Code, RpcError};
use crate::http1::RequestHead;

/// The bearer token of a request; `None` for one without a credential.
///
/// # Errors
/// The answer to one whose credential is of an unknown kind ([`Code::Unauthenticated`]), can't be a token
/// ([`Code::InvalidCredentials`]), or is given twice.
pub fn bearer_token(head: &RequestHead) -> Result<Option<&str>, Refused> {
    let Some(credential) = single(head, "Authorization")? else { return Ok(None) };
    let (scheme, token) = match credential.iter().position(|byte| *byte == b' ') {
        Some(at) => (&credential[..at], credential[at..].trim_ascii()),
        None => (credential, &b""[..]),
    };
    let refused = |code, words: &str| Box::new(Answer::unidentified(&RpcError::new(code, words)));
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() {
        return Err(refused(Code::Unauthenticated, "the Authorization header has to be: Bearer TOKEN"));
    }
    let text = std::str::from_utf8(token);
    text.map(Some).map_err(|_| refused(Code::InvalidCredentials, "the bearer token is not known here"))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::http1::ServerConnection;

    /// The token of a request with these headers, or the status and the code of its answer.
    fn token(headers: &str) -> Result<Option<String>, (u16, String)> {
        let mut input = BytesMut::from(format!("GET / HTTP/1.1\r\nHost: test\r\n{headers}\r\n").as_str());
        let head = ServerConnection::new().poll_head(&mut input).unwrap().unwrap();
        let given = bearer_token(&head).map(|token| token.map(str::to_owned));
        given.map_err(|answer| {
            let body = String::from_utf8_lossy(answer.body()).into_owned();
            let code = body.split('"').nth(7).unwrap_or_default().to_owned();
            (answer.status.code(), code)
        })
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        assert_eq!(token(""), Ok(None));
        for given in ["Bearer correct horse", "bearer  correct horse ", "BEARER correct horse"] {
            assert_eq!(
                token(&format!("Authorization: {given}\r\n")),
                Ok(Some("correct horse".into())),
                "{given}"
            );
        }
        for unknown in ["Bearer", "Bearer ", "Basic correct horse", "", "correct horse"] {
            let refused = Err((401, "UNAUTHENTICATED".into()));
            assert_eq!(token(&format!("Authorization: {unknown}\r\n")), refused, "{unknown}");
        }
        let twice = "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n";
        assert_eq!(token(twice), Err((400, "BAD_REQUEST".into())));
    }
}
