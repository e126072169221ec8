//! Who opens a stream, for as long as it lasts: a page can't send the header by which programs say so.

use std::rc::Rc;
use std::time::Duration;

use micronet_transport::bearers::{Asker, Verified};
use micronet_transport::clock;
use micronet_wire::authority::{AUTHORITY, AuthorityClient, Ticket};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::json::Reader;
use micronet_wire::limits::BEARER_RECHECK_MS;
use micronet_wire::principal::Principal;
use micronet_wire::rest::{Answer, Refused};
use micronet_wire::service::CallOptions;

use crate::config::Gateway;

/// Who asks: by the ticket, where the request has no other credential.
pub(super) async fn asker(gateway: &Gateway, asker: Asker, ticket: Option<String>) -> Result<Asker, Refused> {
    let (Asker::Known(Principal::Anonymous), Some(ticket)) = (&asker, ticket) else { return Ok(asker) };
    let redeemed = redeem(gateway, ticket).await;
    redeemed.map(Asker::Bearer).map_err(|error| Box::new(Answer::unidentified(&error)))
}

async fn redeem(gateway: &Gateway, ticket: String) -> Result<Rc<Verified>, RpcError> {
    let authority = gateway.upstreams.iter().find(|upstream| upstream.service() == AUTHORITY);
    let unknown = || RpcError::new(Code::InvalidCredentials, "tickets are not known here");
    let client = AuthorityClient::new(authority.ok_or_else(unknown)?.clone());
    let bearer = client.redeem(&Ticket { ticket }, CallOptions::default()).await?;
    let verified = Verified::of_ticket(bearer)?;
    gateway.identity.bearers.recheck(&verified, clock::unix_us())?;
    Ok(Rc::new(verified))
}

/// The token of a message `{"token":"…"}`; `None` for any other message.
pub(super) fn token_of(message: &str) -> Option<String> {
    let mut json = Reader::new(message.as_bytes());
    json.begin_object().ok()?;
    let is_token = json.next_name().ok()??.is("token");
    let token = if is_token { json.string().ok()?.unescaped().into_owned() } else { return None };
    (json.next_name().ok()?.is_none() && json.end().is_ok()).then_some(token)
}

/// Completes when somebody is not to be believed any more: the token has expired, or was revoked.
pub(super) async fn doubted(gateway: &Gateway, asker: &Asker) -> RpcError {
    let Asker::Bearer(verified) = asker else { return std::future::pending().await };
    let bearers = &gateway.identity.bearers;
    let mut revisions = bearers.revisions();
    loop {
        revisions.mark_unchanged();
        if let Err(error) = bearers.recheck(verified, clock::unix_us()) {
            return error;
        }
        // Expiry is no revision, and the time of day may be set.
        let look_again = tokio::time::sleep(Duration::from_millis(BEARER_RECHECK_MS));
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { look_again_later().await },
            () = look_again => {}
        }
    }
}

/// Nobody tells of revocations any more: only expiry is left.
async fn look_again_later() {
    tokio::time::sleep(Duration::from_millis(BEARER_RECHECK_MS)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_a_token_and_nothing_else() {
        assert_eq!(token_of(r#" {"token" : "a\u0062c"} "#).as_deref(), Some("abc"));
        for other in [
            "",
            "{}",
            r#"{"token":1}"#,
            r#"{"token":"a","b":1}"#,
            r#"{"b":"a"}"#,
            r#"["token"]"#,
            r#"{"token":"a"} x"#,
        ] {
            assert_eq!(token_of(other), None, "{other}");
        }
    }
}
