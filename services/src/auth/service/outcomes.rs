//! What became of the writes of `auth`.

use micronet_transport::clock::unix_us;
use micronet_wire::error::RpcError;
use micronet_wire::outcomes::{Asked, Asking, Outcomes, TokenOutcome, not_kept};
use micronet_wire::service::CallError;

use super::views::{account_info, organization_info, registered};
use crate::auth::api::AuthMethods;
use crate::auth::store::AuthStore;
use crate::calls::Token;
use crate::outcomes::{answered, decoded};
use crate::store::row_id;

/// Asks the store.
pub(super) struct AuthOutcomes {
    pub(super) store: AuthStore,
}

impl Outcomes for AuthOutcomes {
    fn outcome(&self, asked: Asked) -> Asking {
        let store = self.store.clone();
        Box::pin(async move { outcome(&store, &asked).await })
    }
}

async fn outcome(store: &AuthStore, asked: &Asked) -> Result<TokenOutcome, RpcError> {
    let method = match asked.method {
        AuthMethods::REGISTER => "auth.register",
        AuthMethods::SETUP => "auth.setup",
        AuthMethods::CREATE_ACCOUNT => "auth.create_account",
        AuthMethods::CREATE_ORGANIZATION => "auth.create_organization",
        _ => return Err(not_kept()),
    };
    let token = Token::new(&asked.principal, method, &asked.token);
    let Some(stored) = store.ask_once(token, unix_us()).await? else { return Ok(TokenOutcome::NeverStarted) };
    // Only the number is stored.
    let id = row_id(decoded(&stored)?);
    match asked.method {
        AuthMethods::CREATE_ORGANIZATION => told(store.organization(id).await.map(organization_info)),
        AuthMethods::CREATE_ACCOUNT => told(store.account(id).await.map(account_info)),
        _ => told(registered(store, id).await),
    }
}

/// What a repeat would be answered; that the database is away is no outcome.
fn told<T: micronet_wire::schema::Message>(
    found: Result<T, impl Into<CallError<crate::auth::api::AuthError>>>,
) -> Result<TokenOutcome, RpcError> {
    match found.map_err(Into::into) {
        Err(CallError::Rpc(error)) => Err(error),
        found => Ok(answered(found)),
    }
}
