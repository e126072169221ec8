//! What became of the writes of the product service.

use micronet_transport::clock::unix_us;
use micronet_wire::error::RpcError;
use micronet_wire::outcomes::{Asked, Asking, Outcomes, TokenOutcome, not_kept};
use micronet_wire::service::CallError;

use super::{nothing_created, reserved, sold, upload};
use crate::calls::Token;
use crate::outcomes::{answered, decoded, replied};
use crate::product::api::{Pieces, ProductError, ProductInfo, ProductMethods};
use crate::product::store::{ProductStore, Recalled};

/// Asks the store.
pub(super) struct ProductOutcomes {
    pub(super) store: ProductStore,
}

impl Outcomes for ProductOutcomes {
    fn outcome(&self, asked: Asked) -> Asking {
        let store = self.store.clone();
        Box::pin(async move { outcome(&store, &asked).await })
    }
}

async fn outcome(store: &ProductStore, asked: &Asked) -> Result<TokenOutcome, RpcError> {
    let token = |method: &str| Token::new(&asked.principal, method, &asked.token);
    match asked.method {
        ProductMethods::CREATE => {
            // What is stored is a list, as of an import.
            let Some(stored) = store.ask_once(token("product.create"), unix_us()).await? else {
                return Ok(TokenOutcome::NeverStarted);
            };
            let created: Vec<ProductInfo> = decoded(&stored)?;
            let created = created.into_iter().next().ok_or_else(nothing_created);
            Ok(answered::<_, ProductError>(created.map_err(CallError::Rpc)))
        }
        ProductMethods::IMPORT => Ok(replied(store.ask_once(token("product.import"), unix_us()).await?)),
        ProductMethods::UPDATE => Ok(replied(store.ask_once(token("product.update"), unix_us()).await?)),
        ProductMethods::REMOVE => Ok(replied(store.ask_once(token("product.remove"), unix_us()).await?)),
        ProductMethods::RESTOCK => Ok(replied(store.ask_once(token("product.restock"), unix_us()).await?)),
        ProductMethods::PURCHASE => {
            let recalled = store.ask(token("product.purchase"), unix_us()).await?;
            Ok(recalled.map_or(TokenOutcome::NeverStarted, |recalled| {
                let request = asked_for(&recalled);
                answered(sold(recalled.reservation, recalled.sold, &request))
            }))
        }
        ProductMethods::RESERVE => {
            let recalled = store.ask(token("product.reserve"), unix_us()).await?;
            Ok(recalled.map_or(TokenOutcome::NeverStarted, |recalled| {
                answered(reserved(recalled.reservation, &asked_for(&recalled)))
            }))
        }
        ProductMethods::UPLOAD => upload::outcome(store, asked).await,
        _ => Err(not_kept()),
    }
}

fn asked_for(recalled: &Recalled) -> Pieces {
    Pieces { name: recalled.wanted.clone(), quantity: u32::try_from(recalled.quantity).unwrap_or(u32::MAX) }
}
