//! The handlers of the order service, and the work behind them: placing an order, and telling product what was decided.

mod watch;

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use micronet_transport::clock::unix_us;
use micronet_transport::identity::random_bytes;
use micronet_transport::upstream::{Upstream, told_to_caller, unavailable};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{DEADLINE_US_DEFAULT, MESSAGE_BYTES_MAX};
use micronet_wire::schema::{Access, Decimal, Timestamp};
use micronet_wire::service::{CallContext, CallError, CallOptions, Outgoing};
use tokio::sync::watch::Sender;
use tokio::task::JoinHandle;

use super::api::{
    Buy, Get, List, Log, Order, OrderChange, OrderError, OrderEvent, OrderEvents, OrderInfo, OrderMethods,
    OrderNews, OrderServer, OrderStatus, Orders, Placed, Update, Watch,
};
use super::store::{self, Attempt, Decision, Filter, Intent, NewAttempt, OrderStore, Refusal};
use crate::calls::{request_hash, token_key};
use crate::demo::Demo;
use crate::events::watch::Watched;
use crate::events::{EventsAfter, Recorded, Relay, Told, tell_each};
use crate::paging::{Page, order_by};
use crate::product::api::{Pieces, ProductClient, ProductError, Reservation, Reserved, product_schema};
use crate::run::{Definition, Environment, Running, StartError};
use crate::store::{Store as _, StoreError, open, prepare, row_id};
use crate::user;
use crate::user::api::{Purchase, Purchases, UserClient, UserError, user_schema};

/// How this service is prepared and started.
pub const DEFINITION: Definition = Definition {
    name: "order",
    port_offsets: &[3],
    requires: &["product"],
    wants: &["user"],
    environment: "ORDER",
    prepare: |environment| Box::pin(prepare::<OrderStore>(environment)),
    start: |environment| Box::pin(start(environment)),
};

/// What a list can be sorted by.
pub(super) const SORT_KEYS: [(&str, &str); 4] =
    [("order_num", "order_num"), ("name", "product"), ("quantity", "quantity"), ("total", "total_minor")];

/// How long an attempt is its instance's own: longer than any call to product may take by default, so that no live attempt is
/// abandoned by another instance.
const LEASE_US: i64 = 60_000_000;
/// How often leases are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Time to finish, after the last connection is gone, what callers have left behind.
const FINISH_MAX: Duration = Duration::from_secs(2);
/// Attempts that are abandoned at once.
const SWEEP_ROWS: u32 = 64;
/// Orders that are placed at once.
const PLACING_MAX: usize = 1024;
/// How much of the order log one answer holds; the rest of a message is left for one last page of lines.
const LOG_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;
/// Lines that are read from the store at once.
const LOG_PAGE_LINES: u32 = 500;

const _: () = {
    assert!(LEASE_US > 2 * DEADLINE_US_DEFAULT as i64);
    // A line is a name of so many characters, each of which takes at most 8 bytes, and two numbers.
    assert!(LOG_PAGE_LINES as usize * (store::NAME_CHARS_MAX * 8 + 48) <= MESSAGE_BYTES_MAX);
};

async fn start(environment: Environment) -> Result<Running, StartError> {
    let store: OrderStore = open(&environment).await?;
    let upstream = environment.upstream(product_schema())?;
    let users = environment.upstream_if_known(user_schema());
    // Product gets its first chance before a customer is told that it is away.
    upstream.tried().await;
    let shop = Rc::new(Shop {
        to_product: Relay::new(store.database(), "product"),
        to_users: Relay::new(store.database(), "user"),
        store,
        product: ProductClient::new(upstream),
        users: users.map(UserClient::new),
        owner: environment.identity.instance.clone(),
        placing: Sender::new(0),
    });
    // What our former life left undecided is abandoned before anything new begins.
    let left = shop.abandon_left(true).await.map_err(|error| StartError::Store(error.to_string()))?;
    if left > 0 {
        tracing::warn!(attempts = left, "abandoned attempts that a former run had left");
    }
    let sweeping = tokio::task::spawn_local(sweep_forever(Rc::clone(&shop)));
    let mut telling = vec![tokio::task::spawn_local(tell_product_forever(Rc::clone(&shop)))];
    if let Some(users) = shop.users.clone() {
        telling.push(tokio::task::spawn_local(tell_users_forever(Rc::clone(&shop), users)));
    }
    let is_toy_store = environment.demo == Demo::ToyStore;
    let feed = Watched::new(shop.store.database());
    let service = OrderServer::with_schema(OrderService { shop: Rc::clone(&shop), feed }, |schema| {
        // The toy store's order log is public, as it always was.
        if let Some(log) = schema.method_mut(OrderMethods::LOG).filter(|_| is_toy_store) {
            log.access = Access::Public;
        }
    });
    let service = Box::new(service?);
    let finish = Box::pin(async move {
        // Callers may have left, but their orders are finished before the database closes. What can't be finished in time is
        // abandoned or told at the next start.
        let finishing = async {
            let _ = shop.placing.subscribe().wait_for(|count| *count == 0).await;
            sweeping.abort();
            telling.iter().for_each(JoinHandle::abort);
            shop.to_product
                .tell_all(&async |events: &[Recorded<OrderChange>]| shop.tell_product(events).await)
                .await
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
    feed: Watched,
}

/// What placing an order needs.
#[derive(Debug)]
struct Shop {
    store: OrderStore,
    product: ProductClient<Upstream>,
    /// Who customers are; `None` in a network without users.
    users: Option<UserClient<Upstream>>,
    /// Tells product what was decided.
    to_product: Relay,
    /// Tells the user service who has bought what.
    to_users: Relay,
    /// This instance's name, in the rows that it works on.
    owner: String,
    /// Orders that are being placed, also for callers who have left.
    placing: Sender<usize>,
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

/// What a handler answers.
type Answer<T> = Result<T, CallError<OrderError>>;

impl Order for OrderService {
    async fn buy(&self, context: &CallContext, request: Buy) -> Answer<Placed> {
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

    async fn get(&self, context: &CallContext, request: Get) -> Answer<OrderInfo> {
        let order = OrderInfo::from(self.shop.store.by_number(row_id(request.order_num)).await?);
        // Numbers have no gaps: whoever counts shouldn't learn who has bought what.
        let may_know = context.principal.has("orders:read");
        Ok(OrderInfo { customer: order.customer.filter(|_| may_know), ..order })
    }

    async fn list(&self, _: &CallContext, request: List) -> Result<Orders, RpcError> {
        let order = order_by(request.sort.as_deref().or(Some("-order_num")), &SORT_KEYS, "order_num")?;
        let page = Page::of(request.page, request.per_page);
        let customer = request.customer.map(row_id);
        let filter = Filter { status: request.status, customer, product: request.name };
        let (orders, total) = self.shop.store.list(&filter, &order, page).await?;
        let items = orders.into_iter().map(OrderInfo::from).collect();
        Ok(Orders { items, pagination: page.among(total) })
    }

    async fn update(&self, _: &CallContext, request: Update) -> Answer<OrderInfo> {
        self.shop.set_status(request.order_num, request.status).await
    }

    async fn cancel(&self, _: &CallContext, request: Get) -> Answer<OrderInfo> {
        self.shop.set_status(request.order_num, OrderStatus::Cancelled).await
    }

    async fn events(&self, _: &CallContext, request: EventsAfter) -> Result<OrderEvents, RpcError> {
        let (after, limit) = request.range();
        let (events, oldest) = self.shop.store.events(after, limit).await?;
        let events = events.into_iter().map(|event| OrderEvent {
            id: event.id.unsigned_abs(),
            at: Timestamp(event.at_us),
            change: event.change,
        });
        Ok(OrderEvents { events: events.collect(), oldest: oldest.unsigned_abs() })
    }

    async fn watch(&self, _: &CallContext, request: Watch, replies: Outgoing<OrderNews>) -> Answer<()> {
        watch::watch(&self.feed, request, replies).await
    }

    async fn log(&self, _: &CallContext, request: Log) -> Result<String, RpcError> {
        let mut after = row_id(request.after.unwrap_or(0));
        let mut left = request.limit.unwrap_or(u32::MAX);
        let mut text = String::new();
        while left > 0 {
            let page = self.shop.store.log_text(after, left.min(LOG_PAGE_LINES)).await?;
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

/// Who says no to an order.
enum No {
    Product(ProductError),
    Customer(UserError),
}

impl Shop {
    /// Places an order: durable intent, stock reserved under a token of its own, decision. Each step can be repeated.
    async fn place(&self, context: &CallContext, request: &Buy) -> Answer<Placed> {
        let now_us = unix_us();
        let intent = self.store.intend(NewAttempt {
            token_key: token_key(context, "order.buy")?,
            body_hash: request_hash(request),
            reservation: format!("{:032x}", u128::from_ne_bytes(random_bytes())),
            product: request.name.clone(),
            quantity: request.quantity,
            customer: request.customer.map(row_id),
            owner: self.owner.clone(),
            lease_until_us: now_us + LEASE_US,
            now_us,
        });
        let attempt = match intent.await? {
            Intent::Fresh(attempt) | Intent::Pending(attempt) => attempt,
            Intent::Decided(decision) => return answer(decision, request),
        };
        let decision = match self.reserve(context, &attempt, request).await {
            Ok(reserved) => self.store.confirm(&attempt, reserved.price.0, unix_us()).await,
            Err(CallError::Service(No::Product(error))) => {
                self.store.refuse(&attempt, refusal(&error), unix_us()).await
            }
            Err(CallError::Service(No::Customer(error))) => {
                let (code, message) = (CUSTOMER_NOT_FOUND.into(), error.to_string());
                let refusal = Refusal { code, message, available: None };
                self.store.decline(&attempt, refusal, unix_us()).await
            }
            // Whoever had to be asked could not be, or didn't answer: whatever product has done, there will be no order, unless
            // somebody else with the same token has come further.
            Err(CallError::Rpc(error)) => {
                let given_up = self.store.abandon(&attempt, unreachable(&error), unix_us()).await;
                if let Ok(Decision::Refused(_)) = given_up {
                    self.wake();
                    return Err(CallError::Rpc(error));
                }
                given_up
            }
        };
        self.wake();
        answer(decision?, request)
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

    async fn set_status(&self, order_num: u64, to: OrderStatus) -> Answer<OrderInfo> {
        let order = self.store.set_status(row_id(order_num), to, unix_us()).await?;
        self.wake();
        Ok(order.into())
    }

    /// Abandons attempts that are nobody's any more; at the start also all that bear our own name.
    async fn abandon_left(&self, at_start: bool) -> Result<usize, StoreError<OrderError>> {
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

    /// There is something to tell.
    fn wake(&self) {
        self.to_product.wake();
        self.to_users.wake();
    }

    /// Tells product what has become of the pieces that it holds.
    async fn tell_product(&self, events: &[Recorded<OrderChange>]) -> Option<i64> {
        tell_each(events, async |event| self.tell_product_of(event).await).await
    }

    async fn tell_product_of(&self, event: &Recorded<OrderChange>) -> Told {
        let reservation = Reservation { token: event.key.clone() };
        let told = match event.change {
            OrderChange::Placed { .. } => self.product.settle(&reservation, CallOptions::default()).await,
            OrderChange::Abandoned { .. } => self.product.release(&reservation, CallOptions::default()).await,
            OrderChange::Cancelled { .. } => self.product.restore(&reservation, CallOptions::default()).await,
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

async fn tell_product_forever(shop: Rc<Shop>) {
    shop.to_product.run(async |events: &[Recorded<OrderChange>]| shop.tell_product(events).await).await;
}

/// Tells the user service who has bought what: many events in one call, since it counts each of them once.
async fn tell_users_forever(shop: Rc<Shop>, users: UserClient<Upstream>) {
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

/// Looks after expired leases.
async fn sweep_forever(shop: Rc<Shop>) {
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

impl From<store::Order> for OrderInfo {
    fn from(order: store::Order) -> Self {
        Self {
            order_num: order.order_num.unsigned_abs(),
            name: order.product,
            quantity: order.quantity.unsigned_abs(),
            price: Decimal(order.price_minor),
            total: Decimal(order.total_minor),
            status: order.status,
            customer: order.customer.map(i64::unsigned_abs),
            created_at: Timestamp(order.created_at_us),
            updated_at: Timestamp(order.status_at_us),
        }
    }
}

fn answer(decision: Decision, request: &Buy) -> Answer<Placed> {
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
