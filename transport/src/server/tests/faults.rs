//! What a port does wrong because its operator wants it so.

use micronet_wire::builtin::BuiltinClient;
use micronet_wire::error::Code;
use micronet_wire::network::{InjectedFault, OperationClient, Rules};

use super::*;

/// A server with a proven client, and what both know of the network.
struct Faulty {
    network: Rc<crate::network::Network>,
    client: Client,
    serving: JoinHandle<()>,
    _trigger: DrainTrigger,
}

impl Faulty {
    async fn start() -> Self {
        let (ours, theirs) = duplex(1 << 20);
        let (trigger, drain) = channel();
        let identity_of_cups = identity("cups");
        let network = Rc::clone(&identity_of_cups.network);
        let serving = tokio::task::spawn_local(serve_connection(theirs, cupboard(), identity_of_cups, drain));
        let client = Client::over(ours, &identity("caller"));
        client.ready().await.unwrap();
        Self { network, client, serving, _trigger: trigger }
    }

    fn inject(&self, fault: InjectedFault) {
        let revision = self.network.revision() + 1;
        self.network.govern(Rules { revision, faults: vec![fault], ..Rules::default() });
    }

    /// How a call ends, and after how long.
    async fn call(&self) -> (Result<(), RpcError>, Duration) {
        let asked = Instant::now();
        let cup = Cup { name: "x".into(), size: None };
        let deadline_ns = crate::clock::now() + 3_000_000_000;
        let options = CallOptions { deadline_ns, ..CallOptions::default() };
        let answer = match CupsClient::new(self.client.clone()).get(&cup, options).await {
            Ok(_) => Ok(()),
            Err(CallError::Rpc(error)) => Err(error),
            Err(CallError::Service(error)) => panic!("{error}"),
        };
        (answer, asked.elapsed())
    }
}

#[test]
fn injected_faults_delay_fail_and_drop_calls_but_not_what_takes_them_back() {
    run_paused(async {
        let faulty = Faulty::start().await;
        let ms = Duration::from_millis;
        assert_eq!(faulty.call().await, (Ok(()), ms(0)));
        faulty.inject(InjectedFault { delay_us: 250_000, ..InjectedFault::default() });
        assert_eq!(faulty.call().await, (Ok(()), ms(250)));
        faulty.inject(InjectedFault {
            errors_permille: 1_000,
            reason: "a test".into(),
            ..InjectedFault::default()
        });
        let (failed, took) = faulty.call().await;
        let failed = failed.unwrap_err();
        assert_eq!((failed.code, took), (Code::Internal, ms(0)));
        assert_eq!(failed.message, "cups-1 fails by a fault that was injected: a test");
        let all_of_it = InjectedFault {
            delay_us: 100_000,
            drops_permille: 1_000,
            for_ms: Some(60_000),
            ..InjectedFault::default()
        };
        faulty.inject(all_of_it);
        let (dropped, took) = faulty.call().await;
        assert_eq!((dropped.unwrap_err().code, took), (Code::DeadlineExceeded, ms(3_000)));
        // What concerns the process is answered, and heartbeats too; nothing else is for a minute.
        let asked = Instant::now();
        let about = BuiltinClient::new(faulty.client.clone()).instance(CallOptions::default()).await;
        assert_eq!((about.unwrap().instance.as_str(), asked.elapsed()), ("cups-1", ms(0)));
        tokio::time::sleep(ms(49_999)).await;
        faulty.client.ping();
        tokio::time::sleep(ms(1)).await;
        assert!(faulty.client.is_serving() && faulty.client.last_pong().is_some());
        assert!(faulty.call().await.0.is_err());
        tokio::time::sleep(ms(10_000)).await;
        assert_eq!(faulty.call().await, (Ok(()), ms(0)));
        drop(faulty.client);
        faulty.serving.await.unwrap();
    });
}

#[test]
fn calls_over_http_meet_the_same_faults() {
    run_paused(async {
        let (mut stream, theirs) = duplex(1 << 20);
        let (_trigger, drain) = channel();
        let cups = identity("cups");
        let errors = InjectedFault { delay_us: 7_000, errors_permille: 1_000, ..InjectedFault::default() };
        cups.network.govern(Rules { revision: 1, faults: vec![errors], ..Rules::default() });
        tokio::task::spawn_local(serve_connection(theirs, cupboard(), cups, drain));
        let asked = Instant::now();
        stream.write_all(b"GET /cups/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 500 ") && answer.contains("a fault that was injected"),
            "{answer}"
        );
        assert_eq!(asked.elapsed(), Duration::from_millis(7));
    });
}

#[test]
fn an_operator_can_take_back_what_fails_every_call() {
    run_paused(async {
        let (ours, theirs) = duplex(1 << 20);
        let (_trigger, drain) = channel();
        tokio::task::spawn_local(serve_connection(theirs, cupboard(), identity("cups"), drain));
        let by_token = Identity { credential: Some(Credential::Operator), ..(*identity("operator")).clone() };
        let client = Client::over(ours, &by_token);
        client.ready().await.unwrap();
        let (operation, cups) = (OperationClient::new(client.clone()), CupsClient::new(client));
        let cup = Cup { name: "x".into(), size: None };
        let fault = InjectedFault { errors_permille: 1_000, drops_permille: 500, ..InjectedFault::default() };
        for (revision, faults) in [(1, vec![fault]), (2, vec![])] {
            let works = faults.is_empty();
            let rules = Rules { revision, faults, ..Rules::default() };
            let governed = operation.govern(&rules, CallOptions::default()).await.unwrap();
            assert_eq!(governed.revision, revision);
            assert_eq!(cups.get(&cup, CallOptions::default()).await.is_ok(), works);
        }
    });
}
