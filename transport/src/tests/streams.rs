//! Streams of messages over real sockets, as services and their callers use them.

use micronet_wire::schema::Message;
use micronet_wire::service::{CallError, Incoming, Outgoing, service};
use tokio::task::JoinHandle;

use super::*;

#[derive(Message, Debug, Clone, PartialEq)]
struct Count {
    #[field(max = 1000000)]
    to: u32,
    /// Bytes of each reply.
    size: u32,
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Item {
    #[field(max = 1000000)]
    number: u32,
    padding: String,
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Sum {
    sum: u64,
    items: u32,
}

#[derive(Message, Debug, Clone, PartialEq)]
enum Trouble {
    #[status(409)]
    Unlucky { number: u32 },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unlucky")
    }
}

/// Numbers in streams.
#[service(name = "numbers")]
trait Numbers {
    /// Counts; fails at 13 if it is to go beyond.
    #[rpc(public, idempotent)]
    async fn count(
        &self,
        context: &CallContext,
        request: Count,
        replies: Outgoing<Item>,
    ) -> Result<(), CallError<Trouble>>;
    /// Adds up what it gets.
    #[rpc(public)]
    async fn sum(&self, context: &CallContext, requests: Incoming<Item>) -> Result<Sum, CallError<Trouble>>;
    /// Doubles each.
    #[rpc(service)]
    async fn double(
        &self,
        context: &CallContext,
        requests: Incoming<Item>,
        replies: Outgoing<Item>,
    ) -> Result<(), RpcError>;
    /// One long reply.
    #[rpc(public)]
    async fn long(&self, context: &CallContext, request: Count) -> Result<Item, RpcError>;
}

#[derive(Default, Clone)]
struct Counting {
    /// Items that handlers have sent.
    sent: Rc<std::cell::Cell<u32>>,
    dropped: Rc<Notify>,
}

fn item(number: u32, size: u32) -> Item {
    Item { number, padding: "x".repeat(size as usize) }
}

impl Numbers for Counting {
    async fn count(
        &self,
        _: &CallContext,
        request: Count,
        mut replies: Outgoing<Item>,
    ) -> Result<(), CallError<Trouble>> {
        let _guard = NotifyOnDrop(Rc::clone(&self.dropped));
        for number in 0..request.to {
            if number == 13 && request.size == 0 {
                return Err(CallError::Service(Trouble::Unlucky { number }));
            }
            replies.send(&item(number, request.size)).await?;
            self.sent.set(self.sent.get() + 1);
        }
        Ok(())
    }
    async fn sum(&self, _: &CallContext, mut requests: Incoming<Item>) -> Result<Sum, CallError<Trouble>> {
        let mut sum = Sum { sum: 0, items: 0 };
        while let Some(item) = requests.next().await? {
            sum = Sum { sum: sum.sum + u64::from(item.number), items: sum.items + 1 };
            if item.number == 13 {
                return Err(CallError::Service(Trouble::Unlucky { number: 13 }));
            }
        }
        Ok(sum)
    }
    async fn double(
        &self,
        _: &CallContext,
        mut requests: Incoming<Item>,
        mut replies: Outgoing<Item>,
    ) -> Result<(), RpcError> {
        while let Some(next) = requests.next().await? {
            replies.send(&item(next.number * 2, 0)).await?;
        }
        Ok(())
    }
    async fn long(&self, _: &CallContext, request: Count) -> Result<Item, RpcError> {
        Ok(item(0, request.size))
    }
}

struct Running {
    client: Client,
    numbers: NumbersClient<Client>,
    counting: Counting,
    trigger: DrainTrigger,
    serving: JoinHandle<()>,
}

async fn running() -> Running {
    let counting = Counting::default();
    let server = NumbersServer::new(counting.clone()).unwrap();
    let server = Rc::new(WithBuiltin::new(server, "numbers-1", "0", Timestamp(0)).unwrap());
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, drain) = channel();
    let serving = tokio::task::spawn_local(serve(listener, server, identity("numbers", "s"), drain));
    let client = Client::connect(address, &identity("caller", "s")).await.unwrap();
    Running { numbers: NumbersClient::new(client.clone()), client, counting, trigger, serving }
}

fn options() -> CallOptions {
    CallOptions::default()
}

#[test]
fn replies_come_in_order_and_end() {
    run(async {
        let running = running().await;
        let Running { numbers, client, .. } = &running;
        for (to, size) in [(0, 0), (10, 0), (10_000, 10), (40, 100_000)] {
            let mut replies = numbers.count(&Count { to, size }, options()).await.unwrap();
            for number in 0..to {
                assert_eq!(replies.next().await, Ok(Some(item(number, size))));
            }
            assert_eq!(replies.next().await, Ok(None));
            assert_eq!(replies.next().await, Ok(None));
        }
        assert_eq!(client.calls_in_flight(), 0);
    });
}

#[test]
fn an_error_comes_after_what_was_sent_before_it() {
    run(async {
        let running = running().await;
        let Running { numbers, .. } = &running;
        let mut replies = numbers.count(&Count { to: 100, size: 0 }, options()).await.unwrap();
        for number in 0..13 {
            assert_eq!(replies.next().await, Ok(Some(item(number, 0))));
        }
        let unlucky = Err(CallError::Service(Trouble::Unlucky { number: 13 }));
        assert_eq!(replies.next().await, unlucky);
        assert_eq!(replies.next().await, unlucky);
    });
}

#[test]
fn requests_are_sent_one_by_one() {
    run(async {
        let running = running().await;
        let Running { numbers, client, .. } = &running;
        for (items, size) in [(0, 0), (1_000, 0), (50, 50_000), (3, 1_000_000)] {
            let (mut requests, reply) = numbers.sum(options()).await.unwrap();
            for number in 0..items {
                requests.send(&item(number + 100, size)).await.unwrap();
            }
            requests.finish();
            let sum = (0..items).map(|number| u64::from(number + 100)).sum();
            assert_eq!(reply.await, Ok(Sum { sum, items }));
        }
        // The answer may come before the end; then nothing more can be sent.
        let (mut requests, reply) = numbers.sum(options()).await.unwrap();
        requests.send(&item(13, 0)).await.unwrap();
        assert_eq!(reply.await, Err(CallError::Service(Trouble::Unlucky { number: 13 })));
        assert!(requests.send(&item(14, 0)).await.is_err());
        // Each request is checked.
        let (mut requests, reply) = numbers.sum(options()).await.unwrap();
        requests.send(&item(1_000_001, 0)).await.unwrap();
        let Err(CallError::Rpc(error)) = reply.await else { panic!("a constraint was not checked") };
        assert_eq!(error.code, Code::InvalidInput);
        // Whoever leaves before it has finished has not made the call.
        let (mut requests, reply) = numbers.sum(options()).await.unwrap();
        requests.send(&item(1, 0)).await.unwrap();
        drop(requests);
        let Err(CallError::Rpc(error)) = reply.await else { panic!("half of a call was answered") };
        assert_eq!(error.code, Code::Cancelled);
        client_is_idle(client).await;
    });
}

/// Waits until the peer has ended what was cancelled.
async fn client_is_idle(client: &Client) {
    while client.calls_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn both_sides_stream_at_once() {
    run(async {
        let running = running().await;
        let Running { numbers, .. } = &running;
        let (mut requests, mut replies) = numbers.double(options()).await.unwrap();
        for number in 0..100 {
            requests.send(&item(number, 0)).await.unwrap();
            assert_eq!(replies.next().await, Ok(Some(item(2 * number, 0))));
        }
        requests.finish();
        assert_eq!(replies.next().await, Ok(None));
    });
}

#[test]
fn a_slow_reader_holds_up_its_sender_and_nobody_else() {
    run(async {
        let running = running().await;
        let Running { numbers, client, counting, .. } = &running;
        let mut slow = numbers.count(&Count { to: 100_000, size: 1_000 }, options()).await.unwrap();
        assert_eq!(slow.next().await, Ok(Some(item(0, 1_000))));
        // What goes on meanwhile is not disturbed.
        for number in 0..200 {
            let long = numbers.long(&Count { to: number, size: 100_000 }, options()).await.unwrap();
            assert_eq!(long.padding.len(), 100_000);
        }
        let sent = counting.sent.get();
        assert!(sent < 200, "{sent} items of 1 kB were sent to one who doesn't read");
        drop(slow);
        counting.dropped.notified().await;
        client_is_idle(client).await;
    });
}

#[test]
fn who_drops_its_stream_stops_the_handler() {
    run(async {
        let running = running().await;
        let Running { numbers, counting, client, .. } = &running;
        let mut replies = numbers.count(&Count { to: 1_000_000, size: 100 }, options()).await.unwrap();
        assert_eq!(replies.next().await, Ok(Some(item(0, 100))));
        drop(replies);
        counting.dropped.notified().await;
        client_is_idle(client).await;
    });
}

#[test]
fn a_draining_instance_sends_its_streams_elsewhere() {
    run(async {
        let Running { numbers, trigger, serving, client: _client, .. } = running().await;
        let mut replies = numbers.count(&Count { to: 1_000_000, size: 100 }, options()).await.unwrap();
        assert_eq!(replies.next().await, Ok(Some(item(0, 100))));
        let (mut requests, reply) = numbers.sum(options()).await.unwrap();
        requests.send(&item(1, 0)).await.unwrap();
        // It has been read by now.
        numbers.long(&Count { to: 0, size: 1 }, options()).await.unwrap();
        trigger.drain();
        let error = loop {
            match replies.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended as if it were whole"),
                Err(CallError::Rpc(error)) => break error,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(error.code, Code::Draining);
        // Requests that are on their way are finished.
        requests.send(&item(2, 0)).await.unwrap();
        requests.finish();
        assert_eq!(reply.await, Ok(Sum { sum: 3, items: 2 }));
        serving.await.unwrap();
    });
}

#[test]
fn a_call_of_another_shape_is_refused() {
    use micronet_wire::service::Arity;
    use std::future::poll_fn;

    run(async {
        let running = running().await;
        let Running { client, .. } = &running;
        let refused = client.call(NumbersMethods::SUM, Default::default(), options()).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest);
        let opened = client.open(NumbersMethods::LONG, None, Arity::One, options()).await.unwrap();
        let refused = poll_fn(|cx| opened.poll_reply(cx)).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest);
    });
}
