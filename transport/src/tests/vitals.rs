//! What a server tells in its PONGs, over real sockets.

use micronet_wire::frame::{Health, Pong};

use super::*;

/// The answer to a PING.
async fn pong(client: &Client) -> Pong {
    let before = client.last_pong().map(|(_, pong)| pong.opaque);
    client.ping();
    loop {
        tokio::task::yield_now().await;
        if let Some((_, pong)) = client.last_pong()
            && Some(pong.opaque) != before
        {
            return pong;
        }
    }
}

#[test]
fn a_pong_says_how_the_process_does() {
    run(async {
        let probing = Probing::default();
        let (address, _trigger, _serving) = start(probing.clone());
        let (busy, idle) = (connect(address).await, connect(address).await);
        let probe = ProbeClient::new(busy.clone());
        let request = text("waits");
        let mut waiting = std::pin::pin!(probe.wait(&request, CallOptions::default()));
        assert!(begin(waiting.as_mut()).await);
        // A call that blocks has the next one wait, and the process's timers with it.
        let blocked = tokio::join!(probe.block(CallOptions::default()), client_echo(&probe, 1));
        blocked.0.unwrap();
        let seen = pong(&idle).await;
        assert_eq!((seen.calls_in_flight, seen.instance_calls_in_flight), (0, 1), "{seen:?}");
        assert!(seen.queue_delay_us >= 40_000, "{seen:?}");
        assert_eq!((seen.health, seen.load_permille), (Health::Serving, 0));
        probing.gate.notify_one();
        waiting.await.unwrap();
        assert_eq!(pong(&idle).await.instance_calls_in_flight, 0);
    });
}

async fn connect(address: SocketAddr) -> Client {
    Client::connect(address, &identity("caller", "s")).await.unwrap()
}
