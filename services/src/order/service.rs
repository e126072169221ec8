//! The handlers of the order service, and how it starts and ends.

mod outcomes;
mod place;
mod sweep;
mod tell;
mod watch;

use std::rc::Rc;
use std::time::Duration;

use micronet_transport::clock::unix_us;
use micronet_transport::tasks;
use micronet_transport::upstream::Upstream;
use micronet_wire::error::RpcError;
use micronet_wire::limits::MESSAGE_BYTES_MAX;
use micronet_wire::schema::{Access, Decimal, Timestamp};
use micronet_wire::service::{CallContext, CallError, Outgoing};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::outcomes::OrderOutcomes;
use self::place::PLACING_MAX;
use self::sweep::sweep_forever;
use self::tell::{tell_product_forever, tell_users_forever};
use super::api::{
    Buy, Get, List, Log, Order, OrderChange, OrderError, OrderEvent, OrderEvents, OrderInfo, OrderMethods,
    OrderNews, OrderServer, OrderStatus, Orders, Placed, Update, Watch,
};
use super::store::{self, Filter, OrderStore};
use crate::demo::Demo;
use crate::events::watch::Watched;
use crate::events::{EventsAfter, Recorded, Relay};
use crate::paging::{Page, order_by};
use crate::product::api::{ProductClient, product_schema};
use crate::run::{Definition, Environment, Running, StartError};
use crate::store::{Store as _, open, prepare, row_id};
use crate::underway::Underway;
use crate::user::api::{UserClient, user_schema};

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

/// Time to finish, after the last connection is gone, what callers have left behind.
const FINISH_MAX: Duration = Duration::from_secs(2);
/// How much of the order log one answer holds; the rest of a message is left for one last page of lines.
const LOG_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;
/// Lines that are read from the store at once.
const LOG_PAGE_LINES: u32 = 500;

const _: () = {
    // A line is a name of so many characters, each of which takes at most 8 bytes, and two numbers.
    assert!(LOG_PAGE_LINES as usize * (store::NAME_CHARS_MAX * 8 + 48) <= MESSAGE_BYTES_MAX);
};

async fn start(environment: Environment) -> Result<Running, StartError> {
    let store: OrderStore = open(&environment).await?;
    let upstream = environment.upstream(product_schema())?;
    let users = environment.upstream_if_known(user_schema())?;
    // Product gets its first chance before a customer is told that it is away.
    upstream.tried().await;
    let shop = Rc::new(Shop {
        to_product: Relay::new(store.database(), "product"),
        to_users: Relay::new(store.database(), "user"),
        store,
        product: ProductClient::new(upstream),
        users: users.map(UserClient::new),
        owner: environment.identity.instance.clone(),
        undecided: Notify::new(),
        placing: Underway::at_most(PLACING_MAX),
    });
    let sweeping = tasks::spawn("undecided orders", sweep_forever(Rc::clone(&shop)));
    let mut telling = vec![tasks::spawn("telling product", tell_product_forever(Rc::clone(&shop)))];
    if let Some(users) = shop.users.clone() {
        telling.push(tasks::spawn("telling user", tell_users_forever(Rc::clone(&shop), users)));
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
    let outcomes = Box::new(OrderOutcomes { shop: Rc::clone(&shop) });
    let finish = Box::pin(async move {
        // Callers may have left, but their orders are finished before the database closes. What can't be finished in time is
        // abandoned or told at the next start.
        let finishing = async {
            shop.placing.idle().await;
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
    Ok(Running { service, outcomes, finish })
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
    /// Notified when an attempt could not be decided: product may hold its pieces.
    undecided: Notify,
    /// Orders that are being placed, also for callers who have left.
    placing: Underway<Answer<Placed>>,
}

/// What a handler answers.
type Answer<T> = Result<T, CallError<OrderError>>;

impl Order for OrderService {
    async fn buy(&self, context: &CallContext, request: Buy) -> Answer<Placed> {
        self.shop.buy(context, request).await
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

impl Shop {
    async fn set_status(&self, order_num: u64, to: OrderStatus) -> Answer<OrderInfo> {
        let order = self.store.set_status(row_id(order_num), to, unix_us()).await?;
        self.wake();
        Ok(order.into())
    }
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
