//! Copies of one order while the first of them waits for product: they wait with it, and whose caller leaves, or has less time,
//! spoils it for nobody.

use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use micronet_services::order::api::{Buy, OrderClient, OrderError, OrderMethods, Placed};
use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use micronet_tests::rpc::{Caller, call};
use micronet_transport::clock;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::outcomes::{OutcomeOf, TokenOutcome};
use micronet_wire::service::{CallError, CallOptions};
use rustix::process::{Pid, Signal, kill_process};

use crate::outcomes::Shop;

const KEY: &str = "copies";
/// More time than any of this takes.
const LONG: Duration = Duration::from_secs(60);
/// So little that a call that waits for product runs out of it.
const SHORT: Duration = Duration::from_millis(200);

type Answer = Result<Placed, CallError<OrderError>>;

/// Buys three whales under the key, within a time, and says when it is running. Without patience the caller leaves soon.
fn buy(shop: &Shop, order: SocketAddr, within: Duration, patience: Duration, running: &Sender<()>) -> Answer {
    call(order, &Caller::Stranger.identity(&shop.folder), async |client| {
        let deadline_ns = clock::now() + u64::try_from(within.as_nanos()).unwrap_or(u64::MAX / 2);
        let options = CallOptions { deadline_ns, ..CallOptions::default() }.token(KEY);
        let request = Buy { name: "Whale".into(), quantity: 3, customer: None };
        let (orders, builtin) = (OrderClient::new(client.clone()), BuiltinClient::new(client));
        // Dropping the call cancels it.
        let buying = tokio::time::timeout(patience, orders.buy(&request, options));
        // Calls of one connection are read in order, so this one comes when the other is at work.
        let asking = async {
            let of = OutcomeOf { method: OrderMethods::BUY, token: KEY.into(), principal: None };
            let outcome = builtin.outcome(&of, CallOptions::default()).await;
            assert_eq!(outcome, Ok(TokenOutcome::Running));
            let _ = running.send(());
        };
        let (bought, ()) = tokio::join!(buying, asking);
        bought.unwrap_or_else(|_| Err(CallError::Rpc(RpcError::new(Code::Cancelled, "left"))))
    })
}

/// One buys at the first of these instances while product is silent, with little time or patience, and then somebody else does at
/// the second, with much. What both hear.
fn buy_twice(instances: usize, [within, patience]: [Duration; 2], is_first_short: bool) -> [Answer; 2] {
    let mut shop = Shop::start(instances);
    let addresses = [shop.orders[0].address(), shop.orders[instances - 1].address()];
    let product =
        i32::try_from(shop.product.process().id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(product, Signal::STOP).expect("product can be stopped");
    let (short, long) = ([within, patience], [LONG, LONG]);
    let times = if is_first_short { [short, long] } else { [long, short] };
    let answers = thread::scope(|scope| {
        let (running, is_running) = channel();
        let buying = [0, 1].map(|at| {
            let (shop, running, address, [within, patience]) =
                (&shop, running.clone(), addresses[at], times[at]);
            let buyer = scope.spawn(move || buy(shop, address, within, patience, &running));
            is_running.recv().expect("the call is running");
            buyer
        });
        let [first, second] = buying;
        let (hasty, patient) = if is_first_short { (first, second) } else { (second, first) };
        let hasty = hasty.join().expect("the hasty one");
        kill_process(product, Signal::CONT).expect("product can go on");
        [hasty, patient.join().expect("the patient one")]
    });
    until("three whales to be sold", || match shop.whales() {
        [91, 0, 3] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(
        HttpClient::connect(addresses[0]).get("/orders/log").check(200).text().lines().last(),
        Some("1 Whale 3")
    );
    answers
}

#[test]
fn whoever_has_less_time_spoils_it_for_nobody() {
    for (instances, is_first_short) in [(1, true), (1, false), (2, true), (2, false)] {
        let [hasty, patient] = buy_twice(instances, [SHORT, LONG], is_first_short);
        let case = format!("{instances} instances, the first has less time: {is_first_short}");
        assert!(
            matches!(&hasty, Err(CallError::Rpc(error)) if error.code == Code::DeadlineExceeded),
            "{case}: {hasty:?}"
        );
        assert_eq!(patient, Ok(Placed { order_num: 1 }), "{case}");
    }
}

#[test]
fn whoever_leaves_takes_the_answer_from_nobody() {
    for (instances, is_first_short) in [(1, true), (1, false), (2, true), (2, false)] {
        let [hasty, patient] = buy_twice(instances, [LONG, SHORT], is_first_short);
        let case = format!("{instances} instances, the first leaves: {is_first_short}");
        assert!(
            matches!(&hasty, Err(CallError::Rpc(error)) if error.code == Code::Cancelled),
            "{case}: {hasty:?}"
        );
        assert_eq!(patient, Ok(Placed { order_num: 1 }), "{case}");
    }
}
