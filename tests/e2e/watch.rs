//! Watching what changes: each change is heard once and in order, whoever writes it, dies or doesn't read meanwhile.

mod slow;

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use micronet_services::events::EventsAfter;
use micronet_services::order::api::{OrderChange, OrderClient, Watch as WatchOrders};
use micronet_services::product::api::{
    Pieces, ProductChange, ProductClient, ProductEvent, ProductNews, Update, Watch, product_schema,
};
use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::{PATIENCE, until};
use micronet_tests::process::{Process, memory, micronet};
use micronet_tests::rpc::{self, Caller};
use micronet_tests::server::Server;
use micronet_transport::client::Client;
use micronet_transport::resume::Resuming;
use micronet_transport::upstream::Upstream;
use micronet_wire::error::Code;
use micronet_wire::schema::Decimal;
use micronet_wire::service::{CallError, CallOptions};
use rustix::process::Signal;

/// How long a change may take to a watcher of another instance; a tenth of a second is what it is looked for.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

fn options() -> CallOptions {
    CallOptions::default()
}

fn with_token(token: &str) -> CallOptions {
    CallOptions { token: Some(token.into()), ..options() }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HEARD_WITHIN, work).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}

#[test]
fn what_one_instance_writes_is_heard_at_the_other() {
    let network = Network::start("shop");
    let identity = Caller::Operator.identity(network.folder());
    let [first, second, orders] = ["product-1", "product-2", "order-1"].map(|name| network.address(name));
    rpc::call(first, &identity, async |client| {
        let connect = async |address| Client::connect(address, &identity).await.expect("a connection");
        let watched = ProductClient::new(client);
        let writer = ProductClient::new(connect(second).await);
        let shop = OrderClient::new(connect(orders).await);
        let mut news = watched.watch(&Watch::default(), options()).await.expect("a watch");
        let tux = Watch { product: Some("Tux".into()), after: Some(0) };
        let mut of_tux = watched.watch(&tux, options()).await.expect("a watch");
        let mut of_orders = shop.watch(&WatchOrders::default(), options()).await.expect("a watch");
        let beat = within("the first word", news.next()).await.expect("news").expect("a beat");
        assert!(beat.change.is_none() && beat.oldest == Some(1), "{beat:?}");
        let mut last = beat.through;
        for number in 1..=10 {
            let update = Update { product: "Whale".into(), name: None, price: Some(Decimal(1_000 + number)) };
            writer.update(&update, with_token(&format!("u{number}"))).await.expect("an update");
            let heard = within("a change", news.next()).await.expect("news").expect("a change");
            assert!(heard.through > last, "{heard:?} after {last}");
            last = heard.through;
            let Some(ProductChange::Updated { price, .. }) = heard.change else { panic!("{heard:?}") };
            assert_eq!(price, Decimal(1_000 + number));
        }
        let more = Pieces { name: "Tux".into(), quantity: 5 };
        writer.restock(&more, with_token("r")).await.expect("pieces");
        loop {
            let heard = within("a change", of_tux.next()).await.expect("news").expect("a change");
            match heard.change {
                Some(ProductChange::Stock { product: 2, quantity: 85, .. }) => break,
                Some(ProductChange::Created { product: 2, .. } | ProductChange::Stock { product: 2, .. })
                | None => {}
                other => panic!("{other:?} is no change of Tux"),
            }
        }
        // An order is heard of too, and what it does to the stock.
        within("the first word", of_orders.next()).await.expect("news").expect("a beat");
        network.http().post("/orders", r#"{"name":"Tux","quantity":2}"#).check(201);
        let placed = within("an order", of_orders.next()).await.expect("news").expect("an order");
        assert!(matches!(placed.change, Some(OrderChange::Placed { quantity: 2, .. })), "{placed:?}");
        let sold = within("a change", of_tux.next()).await.expect("news").expect("a change");
        assert!(matches!(sold.change, Some(ProductChange::Stock { quantity: 83, .. })), "{sold:?}");
    });
}

#[test]
fn who_may_not_watch_hears_why() {
    let network = Network::start("shop");
    let address = network.address("product-1");
    let refused = |caller: Caller, watch: Watch| {
        rpc::call(address, &caller.identity(network.folder()), async |client| {
            let mut news = ProductClient::new(client).watch(&watch, options()).await.expect("a call");
            match news.next().await.expect_err("nobody may hear this") {
                CallError::Rpc(error) => error.code,
                CallError::Service(error) => panic!("{error}"),
            }
        })
    };
    // The catalog is for everybody; what is ordered isn't.
    let orders = network.address("order-1");
    rpc::call(orders, &Caller::Stranger.identity(network.folder()), async |client| {
        let mut news =
            OrderClient::new(client).watch(&WatchOrders::default(), options()).await.expect("a call");
        let error = news.next().await.expect_err("nobody may hear this");
        assert!(matches!(error, CallError::Rpc(error) if error.code == Code::Unauthenticated));
    });
    let ahead = Watch { after: Some(1_000_000), product: None };
    assert_eq!(refused(Caller::Operator, ahead), Code::InvalidInput);
    let long = Watch { product: Some("x".repeat(201)), after: None };
    assert_eq!(refused(Caller::Member("order"), long), Code::InvalidInput);
}

#[test]
fn a_watch_on_the_command_line_counts_and_stops() {
    let network = Network::start("shop");
    let first = network.command(&["call", "product.watch", r#"{"after":0}"#, "--count", "3"]).check(0);
    let lines: Vec<&str> = first.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", first.stdout);
    assert!(
        lines[0].contains(r#""change":null"#) && lines[1].starts_with(r#"{"through":1,"change":{"Created":"#)
    );
    let data = network.folder().path();
    let mut watch = Process::start("watch", &mut micronet(data, &["call", "order.watch"]));
    let heard = |watch: &Process, words: &str| match watch.stdout() {
        said if said.contains(words) => Ok(()),
        said => Err(said),
    };
    until("the first word", || heard(&watch, "through"));
    network.http().post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
    until("the order", || heard(&watch, r#""Placed":{"order_num":3,"name":"Whale""#));
    watch.signal(Signal::INT);
    assert_eq!(watch.wait().code(), Some(0), "{}", watch.said());
    let refused = network.command(&["call", "order.watch", "--anonymous"]).check(5);
    assert!(refused.stderr.contains("UNAUTHENTICATED"), "{}", refused.stderr);
    let refused = network.command(&["call", "product.watch", r#"{"product":"Nobody"}"#]).check(3);
    assert!(refused.stderr.contains("PRODUCT_NOT_FOUND"), "{}", refused.stderr);
    network.command(&["call", "product.query", r#"{"name":"Tux"}"#, "--count", "2"]).check(2);
}

/// The price by which a watcher knows that it has heard all.
const LAST_PRICE: Decimal<2> = Decimal(123);

#[test]
fn a_watch_goes_on_while_instances_die_and_leave() {
    let folder = Folder::new();
    let data = folder.path();
    let start = |name: &str| Server::start(data, name, &["service", "product", "--demo", "shop"]);
    let mut products = [start("product-1"), start("product-2")];
    let addresses = products.each_ref().map(Server::address);
    let peer = format!("product={},{}", addresses[0], addresses[1]);
    let order = Server::start(data, "order-1", &["service", "order", "--demo", "shop", "--peer", &peer]);
    let shop = order.address();

    let (saying, said) = mpsc::channel();
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_to_the_end(&folder, &addresses, &saying));
        said.recv_timeout(PATIENCE).expect("the watcher's first word");
        let (stop, stopped) = mpsc::channel();
        let buyer = scope.spawn(move || buy_until(shop, &stopped));
        for round in 0..6 {
            let product = &mut products[round % 2];
            // In the middle of things: so many changes more have been heard.
            for _ in 0..15 {
                said.recv_timeout(PATIENCE).expect("the watcher goes on");
            }
            if round % 3 == 0 {
                product.process().signal(Signal::TERM);
                product.process().wait();
            } else {
                product.process().kill();
            }
            product.restart(data);
        }
        stop.send(()).expect("the buyer");
        let bought = buyer.join().expect("the buyer");
        let identity = Caller::Operator.identity(&folder);
        let feed = rpc::call(addresses[0], &identity, async |client| {
            let client = ProductClient::new(client);
            let update = Update { product: "Whale".into(), name: None, price: Some(LAST_PRICE) };
            client.update(&update, with_token("last")).await.expect("an update");
            whole_feed(&client).await
        });
        let (heard, opened) = watcher.join().expect("the watcher");
        assert!(opened > 2, "it was opened {opened} times");
        assert!(bought > 20, "{bought} were bought");
        // Order may settle the last ones behind the change that ended the watch.
        let told: Vec<(u64, Option<ProductChange>)> =
            feed.into_iter().map(|event| (event.id, Some(event.change))).collect();
        let begin = told
            .iter()
            .position(|(id, _)| Some(*id) == heard.first().map(|(id, _)| *id))
            .expect("it is there");
        assert!(heard == told[begin..begin + heard.len()], "heard {heard:?}, told {told:?}");
        assert!(begin <= 10, "it began to watch before anything was bought");
    });
}

/// Hears all changes until one says that it is the last: what it has heard, and how often it had to begin again.
fn watch_to_the_end(
    folder: &Folder,
    addresses: &[SocketAddr],
    said: &mpsc::Sender<u64>,
) -> (Vec<(u64, Option<ProductChange>)>, u64) {
    let identity = Rc::new(Caller::Member("order").identity(folder));
    rpc::run(async {
        let upstream = Upstream::connect_typed(product_schema(), addresses, &identity).expect("a schema");
        let products = ProductClient::new(upstream);
        let open = async |after| products.watch(&Watch { after, product: None }, options()).await;
        let mut news = Resuming::new(None, open, |news: &ProductNews| news.through);
        let mut heard = Vec::new();
        loop {
            let next = tokio::time::timeout(PATIENCE, news.next()).await.expect("news in time");
            let ProductNews { through, change, .. } = next.expect("news").expect("it goes on");
            said.send(through).expect("somebody who counts");
            let Some(change) = change else { continue };
            let is_last = matches!(&change, ProductChange::Updated { price, .. } if *price == LAST_PRICE);
            heard.push((through, Some(change)));
            if is_last {
                return (heard, news.opened());
            }
        }
    })
}

/// Buys until it is told to stop; how many orders there were. While an instance is away an order may be refused.
fn buy_until(shop: SocketAddr, stopped: &mpsc::Receiver<()>) -> u32 {
    let mut http = HttpClient::connect(shop);
    let mut bought = 0;
    while stopped.try_recv().is_err() {
        let name = if bought % 2 == 0 { "Whale" } else { "Tux" };
        let answer = http.post("/orders", &format!(r#"{{"name":"{name}","quantity":1}}"#));
        if answer.status() == 201 {
            bought += 1;
        } else {
            assert!([409, 503].contains(&answer.status()), "{}", answer.shown());
        }
    }
    bought
}

/// All that has happened to products.
async fn whole_feed(client: &ProductClient<Client>) -> Vec<ProductEvent> {
    let mut all: Vec<ProductEvent> = Vec::new();
    loop {
        let after = EventsAfter { after: all.last().map(|event| event.id), limit: Some(500) };
        let some = client.events(&after, options()).await.expect("events").events;
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

/// A file of products, a line each.
pub(crate) fn products_file(path: &Path, count: usize, line: impl Fn(usize) -> String) {
    let lines: String = (0..count).map(|number| line(number) + "\n").collect();
    std::fs::write(path, lines).expect("a file can be written");
}
