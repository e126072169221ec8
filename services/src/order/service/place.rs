//! Placing an order: stock reserved, then the decision. A repeat waits for the first copy, or carries on with what another instance has
//! begun: each step is one that can be repeated.

use std::rc::Rc;

use micronet_transport::clock::unix_us;
use micronet_transport::tasks;
use micronet_transport::upstream::{told_to_caller, unavailable};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::{CallContext, CallError, CallOptions};

use super::{Answer, Shop};
use crate::calls::{request_hash, token_key};
use crate::order::api::{Buy, OrderError, Placed};
use crate::order::store::{Attempt, Decision, Recalled, Refusal, Verdict};
use crate::product::api::{Pieces, ProductError, Reservation, Reserved};
use crate::store::{StoreError, row_id};
use crate::underway::{First, NoTurn, Turn};
use crate::user;
use crate::user::api::UserError;

/// Orders that are placed at once.
pub(super) const PLACING_MAX: usize = 1024;

/// Who says no to an order.
enum No {
    Product(ProductError),
    Customer(UserError),
}

/// The token of an order, and the hash of its request.
struct Key {
    token_key: String,
    body_hash: [u8; 32],
}

impl Shop {
    /// Buys: places the order, or waits for the copy of the request that is already at it.
    pub(super) async fn buy(self: &Rc<Self>, context: &CallContext, request: Buy) -> Answer<Placed> {
        let request = Rc::new(request);
        loop {
            let key = Key { token_key: token_key(context, "order.buy")?, body_hash: request_hash(&*request) };
            match self.placing.begin(&key.token_key, key.body_hash) {
                Ok(Turn::First(first)) => return self.place_apart(context, &request, key, first).await,
                Ok(Turn::Later(later)) => match later.end().await {
                    Some(answer @ (Ok(_) | Err(CallError::Service(_)))) => return answer,
                    // It came to nothing, perhaps since its caller had less time: now we try.
                    Some(Err(CallError::Rpc(_))) | None => {}
                },
                Err(NoTurn::Reused) => return Err(StoreError::TokenReused.into()),
                Err(NoTurn::Full) => {
                    return Err(RpcError::new(Code::Overloaded, "too many orders are being placed").into());
                }
            }
        }
    }

    /// Places an order in a task of its own: a caller who leaves doesn't leave an attempt half done behind, nor whoever waits
    /// for its end.
    async fn place_apart(
        self: &Rc<Self>,
        context: &CallContext,
        request: &Rc<Buy>,
        key: Key,
        first: First<Answer<Placed>>,
    ) -> Answer<Placed> {
        let (shop, context, request) = (Rc::clone(self), context.clone(), Rc::clone(request));
        let placing = tasks::spawn("order", async move {
            let answer = shop.place(&context, &request, &key).await;
            first.done(answer.clone());
            answer
        });
        placing
            .await
            .unwrap_or_else(|_| Err(RpcError::new(Code::Internal, "placing the order failed").into()))
    }

    /// Places an order: stock reserved under a token that follows from the caller's, decision. Each step can be repeated.
    async fn place(&self, context: &CallContext, request: &Buy, key: &Key) -> Answer<Placed> {
        loop {
            let reservation = match self.store.recall(&key.token_key, &key.body_hash, unix_us()).await? {
                Recalled::Decided(decision) => return answer(decision, request),
                Recalled::Open { reservation } => reservation,
                Recalled::Left(held) => {
                    self.disown(held).await?;
                    continue;
                }
            };
            let attempt = Attempt {
                token_key: key.token_key.clone(),
                body_hash: key.body_hash,
                reservation,
                product: request.name.clone(),
                quantity: request.quantity,
                customer: request.customer.map(row_id),
                owner: self.owner.clone(),
                came_at_us: unix_us(),
            };
            let (verdict, failed) = verdict(self.reserve(context, &attempt, request).await);
            let reservation = Reservation { token: attempt.reservation.clone() };
            let decision = self.store.decide(attempt, verdict, unix_us()).await;
            match &decision {
                Ok(_) => self.wake(),
                Err(_) => self.undecided.notify_one(),
            }
            match (decision?, failed) {
                // Whatever product has done, there will be no order of it.
                (Decision::Refused(refusal), Some(error)) if !refusal.is_lasting() => {
                    return Err(CallError::Rpc(error));
                }
                // Somebody else has given it up. That has freed the token, and so we try, when what was reserved can be had again:
                // it is released sooner or later in any case.
                (Decision::Refused(refusal), None) if !refusal.is_lasting() => {
                    let _ = self.product.release(&reservation, CallOptions::within(context)).await;
                }
                (decision, _) => return answer(decision, request),
            }
        }
    }

    /// Sets the pieces of an attempt aside, for a customer that there is.
    async fn reserve(
        &self,
        context: &CallContext,
        attempt: &Attempt,
        request: &Buy,
    ) -> Result<Reserved, CallError<No>> {
        if let Some(customer) = request.customer {
            self.check_customer(context, customer).await?;
        }
        let options = CallOptions::within(context).token(attempt.reservation.clone());
        let wanted = Pieces { name: request.name.clone(), quantity: request.quantity };
        self.product.reserve(&wanted, options).await.map_err(|error| match error {
            CallError::Service(error) => CallError::Service(No::Product(error)),
            CallError::Rpc(error) => CallError::Rpc(told_to_caller("product", true, error)),
        })
    }

    async fn check_customer(&self, context: &CallContext, id: u64) -> Result<(), CallError<No>> {
        let Some(users) = &self.users else {
            return Err(CallError::Rpc(unavailable("user")));
        };
        let customer = user::api::Get { id };
        match users.get(&customer, CallOptions::within(context)).await {
            Ok(_) => {
                // Whether that is noticed decides nothing.
                let _ = users.seen(&customer, CallOptions::within(context)).await;
                Ok(())
            }
            Err(CallError::Service(error)) => Err(CallError::Service(No::Customer(error))),
            Err(CallError::Rpc(error)) => Err(CallError::Rpc(told_to_caller("user", true, error))),
        }
    }
}

/// The codes of refusals in the store.
const OUT_OF_STOCK: &str = "OUT_OF_STOCK";
const PRODUCT_NOT_FOUND: &str = "PRODUCT_NOT_FOUND";
const CUSTOMER_NOT_FOUND: &str = "CUSTOMER_NOT_FOUND";

impl Refusal {
    /// Whether a repeat hears it too: not if an attempt was only given up.
    fn is_lasting(&self) -> bool {
        [OUT_OF_STOCK, PRODUCT_NOT_FOUND, CUSTOMER_NOT_FOUND].contains(&&*self.code)
    }
}

/// What an attempt comes to by what product, or whoever else was asked, has said; and the error that leaves it open what product has done.
fn verdict(reserved: Result<Reserved, CallError<No>>) -> (Verdict, Option<RpcError>) {
    let no = |code: &str, message: String| Refusal { code: code.into(), message, available: None };
    match reserved {
        Ok(reserved) => (Verdict::Place { price_minor: reserved.price.0 }, None),
        Err(CallError::Service(No::Product(error))) => {
            let words = error.to_string();
            let verdict = match error {
                ProductError::OutOfStock { available, .. } => {
                    let available = i64::try_from(available).ok();
                    Verdict::Refuse(Refusal { available, ..no(OUT_OF_STOCK, words) })
                }
                ProductError::ProductNotFound { .. } => Verdict::Refuse(no(PRODUCT_NOT_FOUND, words)),
                // The reservation was released: somebody has abandoned its attempt.
                _ => Verdict::Abandon(no(Code::Unavailable.name(), words)),
            };
            (verdict, None)
        }
        Err(CallError::Service(No::Customer(error))) => {
            (Verdict::Decline(no(CUSTOMER_NOT_FOUND, error.to_string())), None)
        }
        // Whoever had to be asked could not be, or didn't answer.
        Err(CallError::Rpc(error)) => {
            (Verdict::Abandon(no(error.code.name(), error.message.clone())), Some(error))
        }
    }
}

pub(super) fn answer(decision: Decision, request: &Buy) -> Answer<Placed> {
    let refusal = match decision {
        Decision::Confirmed(order) => {
            return Ok(Placed { order_num: u64::try_from(order.order_num).unwrap_or(0) });
        }
        Decision::Refused(refusal) => refusal,
    };
    let name = request.name.clone();
    Err(match refusal.code.as_str() {
        OUT_OF_STOCK => CallError::Service(OrderError::OutOfStock {
            order_num: -1,
            name,
            requested: request.quantity,
            available: refusal.available.and_then(|pieces| u64::try_from(pieces).ok()).unwrap_or(0),
        }),
        PRODUCT_NOT_FOUND => CallError::Service(OrderError::ProductNotFound { order_num: -1, name }),
        CUSTOMER_NOT_FOUND => CallError::Service(OrderError::CustomerNotFound {
            order_num: -1,
            customer: request.customer.unwrap_or(0),
        }),
        // Somebody else, with the same token, has given this attempt up.
        _ => CallError::Rpc(RpcError::new(Code::Unavailable, "nothing was bought: try again")),
    })
}
