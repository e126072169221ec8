//! Deadlines, on a clock that the test moves: what a handler's own calls have left, and what waits for too long.

use micronet_wire::metadata::Metadata;
use tokio::io::duplex;
use tokio::time::advance;

use super::*;
use crate::clock;

#[derive(Message, Debug, Clone, PartialEq)]
struct Left {
    us: u64,
    tenant: Option<String>,
}

/// A service that calls itself.
#[service(name = "chain")]
trait Chain {
    /// What is left of the deadline.
    #[rpc(public, idempotent)]
    async fn left(&self, context: &CallContext) -> Result<Left, RpcError>;
    /// Works for 200 ms; then the same, by a call of its own.
    #[rpc(public, idempotent)]
    async fn nested(&self, context: &CallContext) -> Result<Left, RpcError>;
    /// Holds up the whole process for 200 ms.
    #[rpc(public)]
    async fn block(&self, context: &CallContext) -> Result<(), RpcError>;
}

#[derive(Default)]
struct Link {
    next: Option<Client>,
    hands_on_metadata: bool,
    ran: Rc<RefCell<u32>>,
}

impl Chain for Link {
    async fn left(&self, context: &CallContext) -> Result<Left, RpcError> {
        *self.ran.borrow_mut() += 1;
        let tenant = context.metadata.get("tenant").map(str::to_owned);
        Ok(Left { us: context.deadline_ns.saturating_sub(clock::now()) / 1_000, tenant })
    }
    async fn nested(&self, context: &CallContext) -> Result<Left, RpcError> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut options = CallOptions::within(context);
        if self.hands_on_metadata {
            options = options.metadata(context.metadata.clone());
        }
        ChainClient::new(self.next.clone().unwrap()).left(options).await
    }
    async fn block(&self, _: &CallContext) -> Result<(), RpcError> {
        // The clock has moved when this waits for the first time, and with it the other calls that came along.
        advance(Duration::from_millis(200)).await;
        Ok(())
    }
}

/// A connection to a new instance.
fn connect(link: Link) -> Client {
    let (near, far) = duplex(64 << 10);
    let service =
        Rc::new(WithBuiltin::new(ChainServer::new(link).unwrap(), "chain-1", "0", Timestamp(0)).unwrap());
    let serving = async move {
        // Whoever holds the trigger could begin to drain; without it the connection would.
        let (_trigger, drain) = channel();
        serve_connection(far, service, identity("chain", "s"), drain).await;
    };
    tokio::task::spawn_local(serving);
    Client::over(near, &identity("caller", "s"))
}

fn within_ms(ms: u64) -> CallOptions {
    CallOptions { deadline_ns: clock::now() + ms * 1_000_000, ..CallOptions::default() }
}

#[test]
fn a_handlers_own_calls_have_what_is_left() {
    run_paused(async {
        let last = connect(Link::default());
        last.ready().await.unwrap();
        let first = connect(Link { next: Some(last), ..Link::default() });
        first.ready().await.unwrap();
        let left = ChainClient::new(first.clone()).nested(within_ms(500)).await.unwrap();
        assert!((250_000..=300_000).contains(&left.us), "{left:?}");
        // With nothing left, nothing is called.
        let error = ChainClient::new(first).nested(within_ms(150)).await.unwrap_err();
        assert_eq!(error.code, Code::DeadlineExceeded);
    });
}

#[test]
fn metadata_is_handed_on_only_where_the_handler_says_so() {
    run_paused(async {
        for (hands_on_metadata, expected) in [(false, None), (true, Some("one".to_owned()))] {
            let last = connect(Link::default());
            last.ready().await.unwrap();
            let first = connect(Link { next: Some(last), hands_on_metadata, ..Link::default() });
            first.ready().await.unwrap();
            let mut metadata = Metadata::default();
            metadata.set("tenant", "one").unwrap();
            let options = within_ms(500).metadata(metadata);
            let chain = ChainClient::new(first);
            assert_eq!(chain.left(options.clone()).await.unwrap().tenant.as_deref(), Some("one"));
            assert_eq!(chain.nested(options).await.unwrap().tenant, expected);
        }
    });
}

#[test]
fn what_waits_beyond_its_deadline_or_is_given_up_does_not_run() {
    run_paused(async {
        let ran = Rc::default();
        let client = connect(Link { ran: Rc::clone(&ran), ..Link::default() });
        client.ready().await.unwrap();
        let chain = ChainClient::new(client.clone());
        // All of them arrive in one read, behind the one that blocks.
        let (blocking, late, in_time) = tokio::join!(
            chain.block(within_ms(1_000)),
            chain.left(within_ms(100)),
            chain.left(within_ms(1_000))
        );
        blocking.unwrap();
        assert_eq!(late.unwrap_err().code, Code::DeadlineExceeded);
        assert_eq!((*ran.borrow(), in_time.unwrap().us / 100_000), (1, 8));
        // The same for one that is cancelled before it was read.
        let given_up = async {
            let mut left = std::pin::pin!(chain.left(within_ms(1_000)));
            assert!(begin(left.as_mut()).await);
        };
        let (blocked, ()) = tokio::join!(chain.block(within_ms(1_000)), given_up);
        blocked.unwrap();
        assert_eq!(*ran.borrow(), 1);
    });
}
