//! Streams that go on where they ended.

use std::cell::{Cell, RefCell};

use micronet_wire::service::{CallError, Incoming, Outgoing};

use super::*;
use crate::resume::{Resuming, may_resume};

#[derive(Message, Debug, Clone, PartialEq)]
struct From {
    after: Option<u64>,
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Step {
    number: u64,
}

/// Counts for ever.
#[service(name = "stairs")]
trait Stairs {
    /// The steps behind one.
    #[rpc(public, idempotent)]
    async fn climb(
        &self,
        context: &CallContext,
        request: From,
        replies: Outgoing<Step>,
    ) -> Result<(), RpcError>;
}

/// Ends after a few steps, with whatever comes next; then goes on for ever.
#[derive(Clone)]
struct Climbing {
    ends: Rc<RefCell<Vec<RpcError>>>,
    opened: Rc<Cell<u32>>,
}

impl Stairs for Climbing {
    async fn climb(
        &self,
        _: &CallContext,
        request: From,
        mut replies: Outgoing<Step>,
    ) -> Result<(), RpcError> {
        self.opened.set(self.opened.get() + 1);
        let first = request.after.map_or(0, |after| after + 1);
        for number in first.. {
            if number == first + 3
                && let Some(end) = self.ends.borrow_mut().pop()
            {
                return Err(end);
            }
            replies.send(&Step { number }).await?;
        }
        Ok(())
    }
}

async fn climbing(ends: &[Code], work: impl AsyncFnOnce(StairsClient<Client>, Climbing, DrainTrigger)) {
    let ends = ends.iter().rev().map(|code| RpcError::new(*code, "it ends")).collect();
    let climbing = Climbing { ends: Rc::new(RefCell::new(ends)), opened: Rc::default() };
    let service = StairsServer::new(climbing.clone()).unwrap();
    let service = Rc::new(WithBuiltin::new(service, "stairs-1", "0", Timestamp(0)).unwrap());
    let (listener, address) = listen();
    let (trigger, drain) = channel();
    tokio::task::spawn_local(serve(listener, service, identity("stairs", "secret"), drain));
    let client = Client::connect(address, &identity("reader", "secret")).await.unwrap();
    work(StairsClient::new(client), climbing, trigger).await;
}

fn listen() -> (tokio::net::TcpListener, SocketAddr) {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn options() -> CallOptions {
    CallOptions::default()
}

type Steps = Incoming<Step, RpcError>;

#[test]
fn each_step_comes_once_however_often_the_stream_breaks() {
    run(async {
        let ends = [Code::Draining, Code::DeadlineExceeded, Code::Database, Code::Overloaded];
        climbing(&ends, async |client, climbing, _trigger| {
            let open = async |after| client.climb(&From { after }, options()).await;
            let mut steps = Resuming::new(Some(6), open, |step: &Step| step.number);
            for number in 7..40 {
                assert_eq!(steps.next().await, Ok(Some(Step { number })));
                assert_eq!(steps.last(), Some(number));
            }
            assert_eq!((steps.opened(), climbing.opened.get()), (5, 5));
        })
        .await;
    });
}

#[test]
fn what_no_repeat_mends_is_told() {
    run(async {
        climbing(&[Code::Unavailable, Code::InsufficientPermissions], async |client, climbing, _trigger| {
            let open = async |after| client.climb(&From { after }, options()).await;
            let mut steps = Resuming::new(None, open, |step: &Step| step.number);
            for number in 0..6 {
                assert_eq!(steps.next().await, Ok(Some(Step { number })));
            }
            assert_eq!(steps.next().await.unwrap_err().code, Code::InsufficientPermissions);
            assert_eq!(climbing.opened.get(), 2);
        })
        .await;
    });
}

#[test]
fn a_reader_waits_until_there_is_an_instance_again() {
    run(async {
        climbing(&[], async |client, _climbing, trigger| {
            let failures = Cell::new(0);
            let open = async |after| -> Result<Steps, RpcError> {
                // Nobody can be reached at first, and for a while after the instance has drained.
                if failures.get() % 4 < 3 {
                    failures.set(failures.get() + 1);
                    return Err(RpcError::new(Code::Unavailable, "nobody is there"));
                }
                client.climb(&From { after }, options()).await
            };
            let mut steps = Resuming::new(None, open, |step: &Step| step.number);
            assert_eq!(steps.next().await, Ok(Some(Step { number: 0 })));
            assert_eq!(failures.get(), 3);
            trigger.drain();
            // What was on its way comes; then the stream is sent elsewhere, and there is nowhere to go.
            let waiting = async {
                loop {
                    steps.next().await.unwrap();
                }
            };
            assert!(tokio::time::timeout(Duration::from_millis(500), waiting).await.is_err());
        })
        .await;
    });
}

#[test]
fn failures_are_told_apart() {
    let check =
        |failure: CallError<Text>, expected| assert_eq!(may_resume(&failure), expected, "{failure:?}");
    check(CallError::Service(Text { text: "no".into() }), false);
    for (code, expected) in [
        (Code::Draining, true),
        (Code::ConnectionLost, true),
        (Code::Silent, true),
        (Code::DeadlineExceeded, true),
        (Code::Unavailable, true),
        (Code::Protocol, false),
        (Code::Internal, false),
        (Code::Unauthenticated, false),
        (Code::InvalidInput, false),
    ] {
        check(CallError::Rpc(RpcError::new(code, "")), expected);
    }
}
