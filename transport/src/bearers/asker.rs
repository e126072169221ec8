//! Who sends a request over HTTP: by the bearer token that it shows, or by the connection that it came on.

use std::rc::Rc;

use micronet_wire::error::RpcError;
use micronet_wire::http1::RequestHead;
use micronet_wire::principal::Principal;
use micronet_wire::rest::{Answer, Lead, Refused, bearer_token};

use super::token::Verified;
use crate::clock;
use crate::identity::Identity;

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// Somebody who shows no access token: nobody in particular, the operator, or whom a certificate names.
    Known(Principal),
    /// The bearer of an access token.
    Bearer(Rc<Verified>),
}

impl Asker {
    /// As whom it asks.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        match self {
            Self::Known(principal) => principal,
            Self::Bearer(verified) => &verified.principal,
        }
    }

    /// The same, where it matters: what leads to no call is answered alike whoever asks.
    ///
    /// # Errors
    /// Those of [`of`](Self::of).
    pub async fn of_lead(
        lead: &Lead<'_>,
        head: &RequestHead,
        peer: &Principal,
        identity: &Identity,
    ) -> Result<Self, Refused> {
        match lead {
            Lead::Method(..) | Lead::Outcome(_) => Self::of(head, peer, identity).await,
            Lead::Answered(_) | Lead::Nowhere(_) => Ok(Self::Known(peer.clone())),
        }
    }

    /// Who sends this request. A credential in it comes before the certificate of the connection, which is `peer`'s; a wrong one is
    /// refused rather than ignored.
    ///
    /// # Errors
    /// The answer to a credential that isn't known, isn't good any more, or can't be judged now.
    pub async fn of(head: &RequestHead, peer: &Principal, identity: &Identity) -> Result<Self, Refused> {
        let Some(token) = bearer_token(head)? else { return Ok(Self::Known(peer.clone())) };
        Self::of_token(token, identity).await.map_err(|error| Box::new(Answer::unidentified(&error)))
    }

    /// Who shows this token: the operator's, or an access token.
    ///
    /// # Errors
    /// Those of [`Bearers::verify`](super::Bearers::verify).
    pub async fn of_token(token: &str, identity: &Identity) -> Result<Self, RpcError> {
        let unix_us = clock::unix_us();
        // First, since comparing secrets takes longer: what is remembered was compared with the operator's before it was verified.
        if let Some(verified) = identity.bearers.remembered(token, unix_us) {
            return Ok(Self::Bearer(verified));
        }
        if identity.operator_token.as_ref().is_some_and(|operator| operator.matches(token.as_bytes())) {
            return Ok(Self::Known(Principal::Operator));
        }
        Box::pin(identity.bearers.verify(token, unix_us)).await.map(Self::Bearer)
    }
}
