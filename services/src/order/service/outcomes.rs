//! What became of the writes of the order service.

use micronet_transport::clock::unix_us;
use micronet_wire::outcomes::{Asked, Asking, Outcomes, TokenOutcome, not_kept};

use super::place::answer;
use crate::calls::Token;
use crate::order::api::OrderMethods;
use crate::order::store::{Intent, OrderStore};
use crate::outcomes::answered;

/// Asks the store.
pub(super) struct OrderOutcomes {
    pub(super) store: OrderStore,
}

impl Outcomes for OrderOutcomes {
    fn outcome(&self, asked: Asked) -> Asking {
        let store = self.store.clone();
        Box::pin(async move {
            if asked.method != OrderMethods::BUY {
                return Err(not_kept());
            }
            let token = Token::new(&asked.principal, "order.buy", &asked.token);
            Ok(match store.ask(token, unix_us()).await? {
                None => TokenOutcome::NeverStarted,
                Some((_, Intent::Fresh(_) | Intent::Pending(_))) => TokenOutcome::Running,
                Some((request, Intent::Decided(decision))) => answered(answer(decision, &request)),
            })
        })
    }
}
