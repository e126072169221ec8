//! Looking after pieces that product holds for nobody: whoever set them aside has stopped before it decided.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use micronet_transport::clock::unix_us;
use micronet_wire::error::Code;
use micronet_wire::service::{CallError, CallOptions};
use tokio::time::{sleep, timeout};

use super::Shop;
use crate::order::api::OrderError;
use crate::order::store::{Held, Refusal};
use crate::product::api::HeldFor;
use crate::store::StoreError;

/// How long pieces are held before it is asked for whom: much longer than a decision takes once they are. Whoever is later all the same
/// finds that its attempt was given up, and tries again.
const HELD_MS_MIN: u64 = 1_000;

/// Reservations that are looked after at once.
const HELD_MAX: u32 = 64;

/// How often it is looked: at first, and after something was found; then ever more seldom.
const LOOK_EVERY: Duration = Duration::from_millis(HELD_MS_MIN);

/// How often at least.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(16);

/// Why nothing has come of what is held.
const STOPPED: &str = "the order service stopped before it was decided";

/// Disowns what is held for nobody, for ever.
pub(super) async fn sweep_forever(shop: Rc<Shop>) {
    let mut pause = LOOK_EVERY / 2;
    loop {
        let disowned = shop.sweep().await.unwrap_or_else(|error| {
            // Product may be away: whoever needs it says so.
            tracing::debug!(%error, "cannot look after what product holds");
            0
        });
        if disowned > 0 {
            tracing::warn!(attempts = disowned, "abandoned attempts that were left undecided");
            pause = LOOK_EVERY;
        } else {
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
        if timeout(pause, shop.undecided.notified()).await.is_ok() {
            // What is held since now is told of then.
            sleep(LOOK_EVERY).await;
            pause = LOOK_EVERY;
        }
    }
}

impl Shop {
    /// Disowns what product has held for a while and nothing was decided on. How much it was.
    async fn sweep(&self) -> Result<usize, CallError<OrderError>> {
        let held = HeldFor { at_least_ms: HELD_MS_MIN, limit: HELD_MAX };
        let held = self.product.held(&held, CallOptions::default()).await?;
        let disowned = join_all(held.reservations.into_iter().map(|held| {
            let (reservation, product) = (held.token, held.name);
            self.disown(Held { reservation, product, quantity: held.quantity.into() })
        }));
        let mut count = 0;
        for is_first in disowned.await {
            count += usize::from(is_first?);
        }
        Ok(count)
    }

    /// Decides that what product holds is for no order, if nothing was decided yet. Whether this decides.
    pub(super) async fn disown(&self, held: Held) -> Result<bool, StoreError<OrderError>> {
        let refusal =
            Refusal { code: Code::Unavailable.name().into(), message: STOPPED.into(), available: None };
        let is_first = self.store.disown(held, refusal, self.owner.clone(), unix_us()).await?;
        if is_first {
            self.wake();
        }
        Ok(is_first)
    }
}
