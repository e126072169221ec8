//! Calls beyond the adaptive limit of a port.

use micronet_wire::builtin::BuiltinClient;
use micronet_wire::error::{Code, Retry};
use tokio::task::yield_now;

use super::super::Port;
use super::super::places::Places;
use super::*;
use crate::limiter::Limiter;
use crate::strangers::Strangers;

/// A port that works on so many calls at once.
fn port(limit: u32) -> (Port, DrainTrigger) {
    let (trigger, drain) = channel();
    let places = Places::of(Limiter::starting_at(limit));
    (Port::with(cupboard(), identity("cups"), drain, places), trigger)
}

fn connect_to(port: &Port) -> DuplexStream {
    let (ours, theirs) = duplex(1 << 20);
    let served = port.clone().serve(theirs, crate::tap::Ends::default(), Strangers::default().enter());
    tokio::task::spawn_local(async move { served.await.unwrap() });
    ours
}

/// A call over HTTP that has its handler wait until the connection is dropped.
async fn wait_at(port: &Port) -> DuplexStream {
    let mut stream = connect_to(port);
    stream.write_all(b"GET /cups/endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    settle().await;
    stream
}

/// Lets the other tasks do what they can.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

#[test]
fn what_is_beyond_the_limit_is_refused_at_once_and_may_go_elsewhere() {
    run_paused(async {
        let (port, _trigger) = port(4);
        let client = Client::over(connect_to(&port), &identity("caller"));
        client.ready().await.unwrap();
        let cups = CupsClient::new(client.clone());
        let cup = Cup { name: "x".into(), size: None };
        let code = |answer: Result<Served, CallError<CupError>>| match answer {
            Ok(_) => None,
            Err(CallError::Rpc(error)) => Some((error.code, error.retry, error.retry_after_ms)),
            Err(CallError::Service(error)) => panic!("{error}"),
        };
        let refused = Some((Code::Overloaded, Retry::NeverStarted, 10));
        let bulk = || CallOptions { bulk: true, ..CallOptions::default() };
        // Three calls wait: bulk calls get no more of the four places, others the last one.
        let waiting = [wait_at(&port).await, wait_at(&port).await, wait_at(&port).await];
        assert_eq!(code(cups.get(&cup, bulk()).await), refused);
        assert_eq!(code(cups.get(&cup, CallOptions::default()).await), None);
        let last = wait_at(&port).await;
        assert_eq!(code(cups.get(&cup, CallOptions::default()).await), refused);
        let mut guest = connect_to(&port);
        guest.write_all(b"GET /cups/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        guest.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
        // What concerns the process is answered all the same.
        let about = BuiltinClient::new(client).instance(CallOptions::default()).await;
        assert_eq!(about.unwrap().instance, "cups-1");
        // What is over leaves its place: by its deadline here, and dropped with its connection.
        tokio::time::sleep(Duration::from_micros(u64::from(DEADLINE_US_DEFAULT))).await;
        drop((waiting, last));
        let endless = Cup { name: "endless".into(), size: None };
        for _ in 0..5 {
            let caller = Client::over(connect_to(&port), &identity("caller"));
            caller.ready().await.unwrap();
            let cups = CupsClient::new(caller);
            let call = cups.get(&endless, CallOptions::default());
            assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
        }
        settle().await;
        assert_eq!(code(cups.get(&cup, bulk()).await), None);
    });
}
