//! Placing an order: durable intent, stock reserved, decision. A repeat waits for the first copy, or carries on with what another
//! instance has begun: each step is one that can be repeated.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use micronet_transport::clock::unix_us;
use micronet_transport::identity::random_bytes;
use micronet_transport::tasks;
use micronet_transport::upstream::{told_to_caller, unavailable};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::DEADLINE_US_DEFAULT;
use micronet_wire::service::{CallContext, CallError, CallOptions};

use super::{Answer, Shop};
use crate::calls::{request_hash, token_key};
use crate::order::api::{Buy, OrderError, Placed};
use crate::order::store::{Attempt, Decision, Intent, NewAttempt, Refusal};
use crate::product::api::{Pieces, ProductError, Reserved};
use crate::store::{StoreError, row_id};
use crate::underway::{First, NoTurn, Turn};
use crate::user;
use crate::user::api::UserError;

/// How long an attempt is its instance's own: longer than any call to product may take by default, so that no live attempt is
/// abandoned by another instance.
const LEASE_US: i64 = 60_000_000;
/// How often leases are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Attempts that are abandoned at once.
const SWEEP_ROWS: u32 = 64;
/// Orders that are placed at once.
pub(super) const PLACING_MAX: usize = 1024;

const _: () = assert!(LEASE_US > 2 * DEADLINE_US_DEFAULT as i64);

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

    /// Places an order: durable intent, stock reserved under a token of its own, decision. Each step can be repeated.
    async fn place(&self, context: &CallContext, request: &Buy, key: &Key) -> Answer<Placed> {
        loop {
            let attempt = match self.intend(request, key).await? {
                Intent::Fresh(attempt) | Intent::Pending(attempt) => attempt,
                Intent::Decided(decision) => return answer(decision, request),
            };
            let is_ours = attempt.owner == self.owner || attempt.lease_until_us < unix_us();
            let decision = self.carry_out(context, &attempt, request, is_ours).await;
            self.wake();
            match decision? {
                // The other instance has given it up. That has freed the token, and so we try.
                Decision::Refused(refusal) if !is_ours && !refusal.is_lasting() => {}
                decision => return answer(decision, request),
            }
        }
    }

    async fn intend(&self, request: &Buy, key: &Key) -> Result<Intent, StoreError<OrderError>> {
        let now_us = unix_us();
        let intent = self.store.intend(NewAttempt {
            token_key: key.token_key.clone(),
            body_hash: key.body_hash,
            reservation: format!("{:032x}", u128::from_ne_bytes(random_bytes())),
            product: request.name.clone(),
            quantity: request.quantity,
            customer: request.customer.map(row_id),
            owner: self.owner.clone(),
            lease_until_us: now_us + LEASE_US,
            now_us,
        });
        intent.await
    }

    /// Brings an attempt to its decision. One that isn't ours is another instance's, which works on it too.
    async fn carry_out(
        &self,
        context: &CallContext,
        attempt: &Attempt,
        request: &Buy,
        is_ours: bool,
    ) -> Answer<Decision> {
        let decision = match self.reserve(context, attempt, request).await {
            Ok(reserved) => self.store.confirm(attempt, reserved.price.0, unix_us()).await,
            Err(CallError::Service(No::Product(error))) => {
                self.store.refuse(attempt, refusal(&error), unix_us()).await
            }
            Err(CallError::Service(No::Customer(error))) => {
                let (code, message) = (CUSTOMER_NOT_FOUND.into(), error.to_string());
                let refusal = Refusal { code, message, available: None };
                self.store.decline(attempt, refusal, unix_us()).await
            }
            // The other instance may fare better, or its caller have more time: it isn't ours to give up.
            Err(CallError::Rpc(error)) if !is_ours => return Err(CallError::Rpc(error)),
            // Whoever had to be asked could not be, or didn't answer: whatever product has done, there will be no order, unless
            // somebody else with the same token has come further.
            Err(CallError::Rpc(error)) => {
                let given_up = self.store.abandon(attempt, unreachable(&error), unix_us()).await;
                if let Ok(Decision::Refused(_)) = given_up {
                    return Err(CallError::Rpc(error));
                }
                given_up
            }
        };
        Ok(decision?)
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

    /// Abandons attempts that are nobody's any more; at the start also all that bear our own name.
    pub(super) async fn abandon_left(&self, at_start: bool) -> Result<usize, StoreError<OrderError>> {
        let owner = at_start.then_some(self.owner.as_str());
        let mut abandoned = 0;
        loop {
            let left = self.store.recoverable(owner, unix_us(), SWEEP_ROWS).await?;
            if left.is_empty() {
                return Ok(abandoned);
            }
            let refusal = Refusal {
                code: Code::Unavailable.name().into(),
                message: "the order service stopped before it was decided".into(),
                available: None,
            };
            let decisions =
                left.iter().map(|attempt| self.store.abandon(attempt, refusal.clone(), unix_us()));
            for decision in join_all(decisions).await {
                decision?;
            }
            abandoned += left.len();
        }
    }
}

/// Looks after expired leases.
pub(super) async fn sweep_forever(shop: Rc<Shop>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        match shop.abandon_left(false).await {
            Ok(0) => {}
            Ok(_) => shop.wake(),
            Err(error) => tracing::error!(%error, "cannot look after expired attempts"),
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

/// Product has said no, and holds nothing. (A token that it has released is one that somebody else has abandoned before.)
fn refusal(error: &ProductError) -> Refusal {
    let (code, available) = match error {
        ProductError::OutOfStock { available, .. } => (OUT_OF_STOCK, i64::try_from(*available).ok()),
        ProductError::ProductNotFound { .. } => (PRODUCT_NOT_FOUND, None),
        _ => (Code::Unavailable.name(), None),
    };
    Refusal { code: code.into(), message: error.to_string(), available }
}

fn unreachable(error: &RpcError) -> Refusal {
    Refusal { code: error.code.name().into(), message: error.message.clone(), available: None }
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
