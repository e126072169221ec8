//! The response cache before real services: what is bought, changed and restarted is seen.

use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::patience::until;

use super::shop;

const TUX: &str = "/products/Tux";

/// Asks until it is answered from memory.
fn kept(http: &mut HttpClient) -> Answer {
    until("an answer from memory", || {
        let answer = http.get(TUX).check(200);
        if answer.header("X-Cache") == Some("HIT") { Ok(answer) } else { Err(answer.shown()) }
    })
}

#[test]
fn what_was_bought_is_seen_by_the_next_who_asks() {
    let network = shop("[cache]\nsize = \"8MiB\"\n");
    let mut http = network.http();
    let first = kept(&mut http);
    assert!(first.header("Age").is_some() && first.header("ETag").is_some(), "{}", first.shown());
    let mut stock = first.at("/data/quantity").as_u64().expect("a number");
    // By an order, of which the product service hears from another one, and by a purchase.
    for buys in [
        ("/orders", r#"{"name":"Tux","quantity":1}"#),
        ("/api/v1/products/Tux/purchase", r#"{"quantity":1}"#),
    ] {
        for _ in 0..5 {
            let bought = http.post(buys.0, buys.1);
            assert!(matches!(bought.status(), 200 | 201), "{}", bought.shown());
            stock -= 1;
            assert_eq!(http.get(TUX).check(200).at("/data/quantity"), stock);
            assert_eq!(kept(&mut http).at("/data/quantity"), stock);
        }
    }
    // What is written without this gateway is told by the service.
    let mut other = HttpClient::connect(network.address("product-1"));
    other.post("/api/v1/products/Tux/purchase", r#"{"quantity":1}"#).check(200);
    until("what others have bought", || {
        let seen = http.get(TUX).check(200).at("/data/quantity");
        if seen == stock - 1 { Ok(()) } else { Err(seen.to_string()) }
    });
    let stats = http.get("/stats").check(200);
    let hits = stats.at("/data/cache/hits").as_u64().expect("a number");
    assert!(hits >= 11, "{}", stats.shown());
    let metrics = http.get("/metrics").check(200).text();
    assert!(metrics.contains("micronet_cache_requests_total{result=\"hit\"}"), "{metrics}");
    assert!(metrics.contains("micronet_cache_hit_percent"), "{metrics}");
    let _ = network.stop();
}

#[test]
fn what_is_kept_does_not_hide_that_a_service_is_away() {
    let network = shop("[cache]\nsize = \"8MiB\"\n");
    let mut http = network.http();
    kept(&mut http);
    network.command(&["stop", "product"]).check(0);
    let away = until("the refusal", || {
        let answer = http.get(TUX);
        if answer.status() == 503 { Ok(answer) } else { Err(answer.shown()) }
    });
    assert!(away.text().contains("Sorry, product service is unavailable right now"), "{}", away.shown());
    network.command(&["start", "product"]).check(0);
    until("it is back", || {
        let answer = http.get(TUX);
        if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
    });
    kept(&mut http);
    let _ = network.stop();
}
