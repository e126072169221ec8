//! What a gateway's operator declares: that it fails, and what its links are like.

use micronet_wire::network::{InjectedFault, LinkRule, Rules};

use super::*;

fn govern(gateway: &Gateway, faults: Vec<InjectedFault>, links: Vec<LinkRule>) {
    let network = &gateway.identity.network;
    network.govern(Rules { revision: network.revision() + 1, faults, links, ..Rules::default() });
}

#[test]
fn a_gateway_that_is_to_fail_does_and_its_service_is_not_blamed() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let fault =
            InjectedFault { errors_permille: 1_000, reason: "a test".into(), ..InjectedFault::default() };
        govern(&gateway, vec![fault], vec![]);
        let failed = ["500 ", "gateway-1 fails by a fault that was injected: a test"];
        check(&gateway, "GET /things/cup HTTP/1.1", &failed).await;
        check(&gateway, "GET /nowhere HTTP/1.1", &["404 "]).await;
        check(&gateway, "GET /openapi.json HTTP/1.1", &["200 OK"]).await;
        govern(&gateway, vec![], vec![]);
        check(&gateway, "GET /things/cup HTTP/1.1", &["200 OK"]).await;
    });
}

#[test]
fn a_call_that_the_network_does_not_allow_fails_at_once_and_says_why() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        check(&gateway, "GET /things/cup HTTP/1.1", &["200 OK"]).await;
        let reason = "gateway may not call things: only order may".to_owned();
        let denied = LinkRule { service: "things".into(), denied: true, reason, ..LinkRule::default() };
        govern(&gateway, vec![], vec![denied]);
        let asked = Instant::now();
        check(&gateway, "GET /things/cup HTTP/1.1", &["gateway may not call things: only order may"]).await;
        assert!(asked.elapsed() < Duration::from_secs(1));
        govern(&gateway, vec![], vec![]);
        let allowed = async {
            while !exchange(&gateway, "GET /things/cup HTTP/1.1\r\nHost: a\r\n\r\n").await.contains(" 200 OK")
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), allowed).await.unwrap();
    });
}
