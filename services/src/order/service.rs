//! The handlers of the order service, and the work behind them: placing an order, and telling product what was decided.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use micronet_transport::clock::unix_us;
use micronet_transport::identity::random_bytes;
use micronet_transport::upstream::{Upstream, told_to_caller};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{DEADLINE_US_DEFAULT, MESSAGE_BYTES_MAX};
use micronet_wire::schema::{Access, Decimal, Timestamp};
use micronet_wire::service::{CallContext, CallError, CallOptions};
use tokio::sync::{Notify, watch};

use super::api::{Buy, Get, Log, Order, OrderError, OrderInfo, OrderMethods, OrderServer, Placed};
use super::store::{self, Decision, Intent, NewAttempt, OrderStore, Refusal, StoreError, Unsettled};
use crate::calls::{database_error, invalid, request_hash, token_key, token_reused};
use crate::demo::Demo;
use crate::product::api::{ProductClient, ProductError, Purchase, Reservation, product_schema};
use crate::run::{Definition, Environment, Running, StartError};

/// How this service is prepared and started.
pub const DEFINITION: Definition = Definition {
    name: "order",
    port_offsets: &[3],
    calls: &["product"],
    environment: "ORDER",
    prepare: |environment| Box::pin(prepare(environment)),
    start: |environment| Box::pin(start(environment)),
};

/// How long an attempt is its instance's own: longer than any call to product may take by default, so that no live attempt is
/// abandoned by another instance.
const LEASE_US: i64 = 60_000_000;
/// How often decisions and leases are looked at when nothing else gives cause.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Time to finish, after the last connection is gone, what callers have left behind.
const FINISH_MAX: Duration = Duration::from_secs(2);
/// Decisions that product is told at once.
const SWEEP_ROWS: u32 = 64;
/// Orders that are placed at once.
const PLACING_MAX: usize = 1024;
/// How much of the order log one answer holds; the rest of a message is left for one last page of lines.
const LOG_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;
/// Lines that are read from the store at once.
const LOG_PAGE_LINES: u32 = 500;

const _: () = {
    assert!(LEASE_US > 2 * DEADLINE_US_DEFAULT as i64);
    // A line is a name of at most 200 bytes, each of which may be escaped to at most 8, and two numbers.
    assert!(LOG_PAGE_LINES as usize * (store::NAME_BYTES_MAX * 8 + 48) <= MESSAGE_BYTES_MAX);
};

async fn prepare(environment: Environment) -> Result<(), StartError> {
    let store = open(&environment).await?;
    store.database().close().await;
    Ok(())
}

async fn open(environment: &Environment) -> Result<OrderStore, StartError> {
    let opened = async {
        let store = OrderStore::open(&environment.database("order")).await?;
        store.seed(environment.demo, unix_us()).await?;
        Ok(store)
    };
    opened.await.map_err(|error: StoreError| StartError::Store(error.to_string()))
}

async fn start(environment: Environment) -> Result<Running, StartError> {
    let store = open(&environment).await?;
    let upstream = environment.upstream(product_schema())?;
    // Product gets its first chance before a customer is told that it is away.
    upstream.tried().await;
    let shop = Rc::new(Shop {
        store,
        product: ProductClient::new(upstream),
        owner: environment.identity.instance.clone(),
        decided: Notify::new(),
        placing: watch::Sender::new(0),
    });
    // What our former life left undecided is abandoned before anything new begins.
    let left = shop.abandon_left(true).await.map_err(|error| StartError::Store(error.to_string()))?;
    if left > 0 {
        tracing::warn!(attempts = left, "abandoned attempts that a former run had left");
    }
    let sweeping = tokio::task::spawn_local(sweep_forever(Rc::clone(&shop)));
    // The toy store's order log is public, as it always was.
    let open_log = (environment.demo == Demo::ToyStore).then_some((OrderMethods::LOG, Access::Public));
    let service = Box::new(OrderServer::with_access(OrderService { shop: Rc::clone(&shop) }, open_log)?);
    let finish = Box::pin(async move {
        // Callers may have left, but their orders are finished before the database closes. What can't be finished in time is
        // abandoned or told at the next start.
        let finishing = async {
            let _ = shop.placing.subscribe().wait_for(|count| *count == 0).await;
            sweeping.abort();
            shop.tell_product().await
        };
        if tokio::time::timeout(FINISH_MAX, finishing).await.is_err() {
            tracing::warn!("stopped before all orders were finished; the next start does the rest");
        }
        shop.store.database().close().await;
    });
    Ok(Running { service, finish })
}

/// The order service.
#[derive(Debug)]
pub struct OrderService {
    shop: Rc<Shop>,
}

/// What placing an order needs.
#[derive(Debug)]
struct Shop {
    store: OrderStore,
    product: ProductClient<Upstream>,
    /// This instance's name, in the rows that it works on.
    owner: String,
    /// Notified when something was decided that product doesn't know yet.
    decided: Notify,
    /// Orders that are being placed, also for callers who have left.
    placing: watch::Sender<usize>,
}

/// One order that is being placed.
struct Underway(Rc<Shop>);

impl Underway {
    fn begin(shop: &Rc<Shop>) -> Result<Self, RpcError> {
        if *shop.placing.borrow() >= PLACING_MAX {
            return Err(RpcError::new(Code::Overloaded, "too many orders are being placed"));
        }
        shop.placing.send_modify(|count| *count += 1);
        Ok(Self(Rc::clone(shop)))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.placing.send_modify(|count| *count -= 1);
    }
}

impl Order for OrderService {
    async fn buy(&self, context: &CallContext, request: Buy) -> Result<Placed, CallError<OrderError>> {
        if request.quantity == 0 {
            return Err(invalid("quantity: at least 1 piece").into());
        }
        // A task of its own: a caller who leaves doesn't leave an attempt half done behind.
        let underway = Underway::begin(&self.shop)?;
        let (shop, context) = (Rc::clone(&self.shop), context.clone());
        let placing = tokio::task::spawn_local(async move {
            let _underway = underway;
            shop.place(&context, &request).await
        });
        placing
            .await
            .unwrap_or_else(|_| Err(RpcError::new(Code::Internal, "placing the order failed").into()))
    }

    async fn get(&self, _: &CallContext, request: Get) -> Result<OrderInfo, CallError<OrderError>> {
        let not_found = || CallError::Service(OrderError::OrderNotFound { order_num: request.order_num });
        let number = i64::try_from(request.order_num).map_err(|_| not_found())?;
        let order = self.shop.store.by_number(number).await.map_err(rpc_error)?.ok_or_else(not_found)?;
        Ok(OrderInfo {
            order_num: request.order_num,
            name: order.product,
            quantity: u64::try_from(order.quantity).unwrap_or(0),
            price: Decimal(order.price_minor),
            total: Decimal(order.total_minor),
            status: order.status,
            created_at: Timestamp(order.created_at_us),
        })
    }

    async fn log(&self, _: &CallContext, request: Log) -> Result<String, RpcError> {
        let mut after = i64::try_from(request.after.unwrap_or(0)).unwrap_or(i64::MAX);
        let mut left = request.limit.unwrap_or(u32::MAX);
        let mut text = String::new();
        while left > 0 {
            let page = self.shop.store.log_text(after, left.min(LOG_PAGE_LINES)).await.map_err(rpc_error)?;
            if page.lines == 0 {
                break;
            }
            if !text.is_empty() && text.len() + page.text.len() > LOG_BYTES_MAX {
                text.push_str(&format!("# there is more: ask for ?after={after}\n"));
                break;
            }
            text.push_str(&page.text);
            after = page.last;
            left -= page.lines;
        }
        Ok(text)
    }
}

impl Shop {
    /// Places an order: durable intent, stock reserved under a token of its own, decision. Each step can be repeated.
    async fn place(&self, context: &CallContext, request: &Buy) -> Result<Placed, CallError<OrderError>> {
        let now_us = unix_us();
        let intent = self.store.intend(NewAttempt {
            token_key: token_key(context, "order.buy")?,
            body_hash: request_hash(request),
            reservation: format!("{:032x}", u128::from_ne_bytes(random_bytes())),
            product: request.name.clone(),
            quantity: request.quantity,
            owner: self.owner.clone(),
            lease_until_us: now_us + LEASE_US,
            now_us,
        });
        let attempt = match intent.await.map_err(rpc_error)? {
            Intent::Fresh(attempt) | Intent::Pending(attempt) => attempt,
            Intent::Decided(decision) => return answer(decision, request),
        };
        let options = CallOptions::within(context).token(attempt.reservation.clone());
        let wanted = Purchase { name: request.name.clone(), quantity: request.quantity };
        let decision = match self.product.reserve(&wanted, options).await {
            Ok(reserved) => self.store.confirm(&attempt, reserved.price.0, unix_us()).await,
            Err(CallError::Service(error)) => self.store.refuse(&attempt, refusal(&error), unix_us()).await,
            // Product could not be asked, or didn't answer: whatever it has done, there will be no order, unless somebody else
            // with the same token has come further.
            Err(CallError::Rpc(error)) => {
                let given_up = self.store.abandon(&attempt, unreachable(&error), unix_us()).await;
                if let Ok(Decision::Refused(_)) = given_up {
                    self.decided.notify_one();
                    return Err(CallError::Rpc(told_to_caller("product", true, error)));
                }
                given_up
            }
        };
        self.decided.notify_one();
        answer(decision.map_err(rpc_error)?, request)
    }

    /// Abandons attempts that are nobody's any more; at the start also all that bear our own name.
    async fn abandon_left(&self, at_start: bool) -> Result<usize, StoreError> {
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

    /// Tells product all that was decided and that it may not know. False if product can't be reached.
    async fn tell_product(&self) -> bool {
        let mut after = 0;
        loop {
            let decisions = match self.store.unsettled(after, SWEEP_ROWS).await {
                Ok(decisions) => decisions,
                Err(error) => {
                    tracing::error!(%error, "cannot read what product has to be told");
                    return false;
                }
            };
            let Some(last) = decisions.last() else { return true };
            after = last.decided_seq;
            if !join_all(decisions.iter().map(|decision| self.tell(decision)))
                .await
                .iter()
                .all(|reached| *reached)
            {
                return false;
            }
        }
    }

    /// Tells product one decision. False if it can't be reached.
    async fn tell(&self, decision: &Unsettled) -> bool {
        let reservation = Reservation { token: decision.reservation.clone() };
        let told = if decision.sold {
            self.product.settle(&reservation, CallOptions::default()).await
        } else {
            self.product.release(&reservation, CallOptions::default()).await
        };
        match told {
            Ok(()) => {
                // What isn't noted is told again, and does no harm.
                if let Err(error) = self.store.mark_settled(&decision.reservation).await {
                    tracing::warn!(%error, "cannot note that product knows a decision");
                }
                true
            }
            Err(CallError::Rpc(error)) => {
                tracing::debug!(%error, "product couldn't be told a decision yet");
                false
            }
            Err(CallError::Service(error)) => {
                // This can't be, short of a lost database; it is kept, told again, and holds up no other decision.
                tracing::error!(%error, reservation = decision.reservation, "product contradicts a decision");
                true
            }
        }
    }
}

/// Tells product what was decided, as soon as it is decided, and again until it knows; and looks after expired leases.
async fn sweep_forever(shop: Rc<Shop>) {
    loop {
        if !shop.tell_product().await {
            // It is away: there is no sense in asking for each new decision.
            tokio::time::sleep(SWEEP_EVERY).await;
        }
        tokio::select! {
            () = shop.decided.notified() => {}
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        if let Err(error) = shop.abandon_left(false).await {
            tracing::error!(%error, "cannot look after expired attempts");
        }
    }
}

/// The codes of refusals in the store.
const OUT_OF_STOCK: &str = "OUT_OF_STOCK";
const PRODUCT_NOT_FOUND: &str = "PRODUCT_NOT_FOUND";

/// Product has said no, and holds nothing. (A token that it has released is one that somebody else has abandoned before.)
fn refusal(error: &ProductError) -> Refusal {
    let (code, available) = match error {
        ProductError::OutOfStock { available, .. } => (OUT_OF_STOCK, i64::try_from(*available).ok()),
        ProductError::ProductNotFound { .. } => (PRODUCT_NOT_FOUND, None),
        ProductError::NotReserved { .. } => (Code::Unavailable.name(), None),
    };
    Refusal { code: code.into(), message: error.to_string(), available }
}

fn unreachable(error: &RpcError) -> Refusal {
    Refusal { code: error.code.name().into(), message: error.message.clone(), available: None }
}

fn answer(decision: Decision, request: &Buy) -> Result<Placed, CallError<OrderError>> {
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
        // Somebody else, with the same token, has given this attempt up.
        _ => CallError::Rpc(RpcError::new(Code::Unavailable, "nothing was bought: try again")),
    })
}

fn rpc_error(error: StoreError) -> RpcError {
    match error {
        StoreError::TokenReused => token_reused(),
        StoreError::Invalid(words) => invalid(words),
        StoreError::Database(error) => database_error(&error),
        other => RpcError::new(Code::Internal, other.to_string()),
    }
}
