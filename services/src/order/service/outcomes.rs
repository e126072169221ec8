//! What became of the writes of the order service.

use std::rc::Rc;

use micronet_transport::clock::unix_us;
use micronet_wire::outcomes::{Asked, Asking, Outcomes, TokenOutcome, not_kept};

use super::Shop;
use super::place::answer;
use crate::calls::Token;
use crate::order::api::OrderMethods;
use crate::order::store::Recalled;
use crate::outcomes::answered;

/// Asks the store, for what isn't under way here.
pub(super) struct OrderOutcomes {
    pub(super) shop: Rc<Shop>,
}

impl Outcomes for OrderOutcomes {
    fn outcome(&self, asked: Asked) -> Asking {
        let shop = Rc::clone(&self.shop);
        Box::pin(async move {
            if asked.method != OrderMethods::BUY {
                return Err(not_kept());
            }
            let token = Token::new(&asked.principal, "order.buy", &asked.token);
            // It isn't written down before it is decided: asking the store could keep it from happening.
            if shop.placing.has(&token.key) {
                return Ok(TokenOutcome::Running);
            }
            Ok(match shop.store.ask(token, unix_us()).await? {
                None => TokenOutcome::NeverStarted,
                Some((_, Recalled::Open { .. } | Recalled::Left(_))) => TokenOutcome::Running,
                Some((request, Recalled::Decided(decision))) => answered(answer(decision, &request)),
            })
        })
    }
}
