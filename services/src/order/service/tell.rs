//! Telling others what was decided: product, what becomes of the pieces that it holds, and the user service, who has bought what.

use std::rc::Rc;

use micronet_transport::upstream::Upstream;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::Decimal;
use micronet_wire::service::{CallError, CallOptions};

use super::Shop;
use crate::events::{Recorded, Told, tell_each};
use crate::order::api::{OrderChange, OrderStatus};
use crate::product::api::Reservation;
use crate::user::api::{Purchase, Purchases, UserClient};

impl Shop {
    /// There is something to tell.
    pub(super) fn wake(&self) {
        self.to_product.wake();
        self.to_users.wake();
    }

    /// Tells product what has become of the pieces that it holds.
    pub(super) async fn tell_product(&self, events: &[Recorded<OrderChange>]) -> Option<i64> {
        tell_each(events, async |event| self.tell_product_of(event).await).await
    }

    async fn tell_product_of(&self, event: &Recorded<OrderChange>) -> Told {
        let reservation = Reservation { token: event.key.clone() };
        let told = match event.change {
            OrderChange::Placed { .. } => self.product.settle(&reservation, CallOptions::default()).await,
            OrderChange::Abandoned { .. } => self.product.release(&reservation, CallOptions::default()).await,
            OrderChange::Cancelled { .. } => self.product.restore(&reservation, CallOptions::default()).await,
            // From here on it can't be cancelled.
            OrderChange::Moved { from: OrderStatus::Processing, .. } => {
                match self.product.finish(&reservation, CallOptions::default()).await {
                    // An instance from before there was this method keeps what it could forget.
                    Err(CallError::Rpc(RpcError { code: Code::UnknownMethod, .. })) => Ok(()),
                    told => told,
                }
            }
            OrderChange::Moved { .. } => return Told::Yes,
        };
        match told {
            Ok(()) => Told::Yes,
            Err(CallError::Rpc(error)) => {
                if !self.to_product.is_failing() {
                    tracing::warn!(%error, event = event.id, "product couldn't be told yet");
                }
                Told::No
            }
            Err(CallError::Service(error)) => {
                // So it is with demonstration orders of what product never had; else only with a lost database.
                tracing::warn!(%error, reservation = event.key, "product contradicts what was decided");
                Told::Yes
            }
        }
    }
}

pub(super) async fn tell_product_forever(shop: Rc<Shop>) {
    shop.to_product.run(async |events: &[Recorded<OrderChange>]| shop.tell_product(events).await).await;
}

/// Tells the user service who has bought what: many events in one call, since it counts each of them once.
pub(super) async fn tell_users_forever(shop: Rc<Shop>, users: UserClient<Upstream>) {
    let tell = async |events: &[Recorded<OrderChange>]| {
        let (first, last) = (events.first()?, events.last()?);
        let purchases: Vec<Purchase> = events.iter().filter_map(purchase).collect();
        if purchases.is_empty() {
            // Nobody has to hear that there is nothing to count.
            return None;
        }
        let told = Purchases { through: last.id.unsigned_abs(), purchases };
        let counted = users.count(&told, CallOptions::default()).await;
        let Err(error) = counted else { return None };
        if !shop.to_users.is_failing() {
            tracing::warn!(%error, event = first.id, "the user service couldn't be told yet");
        }
        Some(first.id)
    };
    shop.to_users.run(tell).await;
}

/// What a user has bought, or given back, if this event tells so.
fn purchase(event: &Recorded<OrderChange>) -> Option<Purchase> {
    let (user, orders, spent) = match event.change {
        OrderChange::Placed { customer, total, .. } => (customer?, 1, total),
        OrderChange::Cancelled { customer, total, .. } => (customer?, -1, Decimal(-total.0)),
        OrderChange::Abandoned { .. } | OrderChange::Moved { .. } => return None,
    };
    Some(Purchase { event: event.id.unsigned_abs(), user, orders, spent })
}
