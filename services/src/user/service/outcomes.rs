//! What became of the writes of the user service.

use micronet_transport::clock::unix_us;
use micronet_wire::error::RpcError;
use micronet_wire::outcomes::{Asked, Asking, Outcomes, TokenOutcome, not_kept};
use micronet_wire::service::CallError;

use crate::calls::Token;
use crate::outcomes::{answered, decoded, replied};
use crate::store::row_id;
use crate::user::api::{UserInfo, UserMethods};
use crate::user::store::UserStore;

/// Asks the store.
pub(super) struct UserOutcomes {
    pub(super) store: UserStore,
}

impl Outcomes for UserOutcomes {
    fn outcome(&self, asked: Asked) -> Asking {
        let store = self.store.clone();
        Box::pin(async move { outcome(&store, &asked).await })
    }
}

async fn outcome(store: &UserStore, asked: &Asked) -> Result<TokenOutcome, RpcError> {
    let token = |method: &str| Token::new(&asked.principal, method, &asked.token);
    match asked.method {
        UserMethods::CREATE => {
            // Only the number is stored: what a user is shouldn't outlive the user.
            let Some(stored) = store.ask_once(token("user.create"), unix_us()).await? else {
                return Ok(TokenOutcome::NeverStarted);
            };
            match store.find(row_id(decoded(&stored)?)).await.map_err(CallError::from) {
                Err(CallError::Rpc(error)) => Err(error),
                found => Ok(answered(found.map(UserInfo::from))),
            }
        }
        UserMethods::REMOVE => Ok(replied(store.ask_once(token("user.remove"), unix_us()).await?)),
        _ => Err(not_kept()),
    }
}
