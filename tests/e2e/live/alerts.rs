//! Alerts as they are asked for, and as Prometheus reads them.

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{micronet, run};

use super::reader::{CLIENT, Reader, bearer};

#[test]
fn a_slow_service_raises_an_alert_everywhere_and_it_ends() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--alert", "response_time_ms=60"]);
    let mut reader = Reader::open(&network, CLIENT);
    for instance in ["product-1", "product-2"] {
        network.command(&["fault", "latency", instance, "150ms", "--for", "10m"]).check(0);
    }
    let target = network.gateway().to_string();
    let load = std::thread::spawn({
        let folder = network.folder().path().to_owned();
        move || {
            let url = format!("http://{target}/products/Tux");
            run(micronet(&folder, &["load", &url, "--rate", "10", "--duration", "15s"])).check(0)
        }
    });
    let active = |reader: &Reader| {
        reader.alert("ResponseTime", "product").filter(|alert| alert["active"] == true).cloned()
    };
    let alert = reader.until("an alert", active);
    let words = alert["words"].as_str().expect("words");
    assert!(words.starts_with("P95 of 1") && words.ends_with("ms, over 60 ms"), "{words}");
    // The same over REST, and for Prometheus.
    let (mut http, bearer) = (network.http(), bearer(&network, CLIENT));
    let alerts = http.request("GET", "/api/v1/control/alerts", &[("Authorization", &bearer)], b"").check(200);
    let kinds = alerts.at("/data/active");
    let kinds: Vec<_> = kinds.as_array().expect("alerts").iter().map(|alert| &alert["kind"]).collect();
    assert!(kinds.iter().any(|kind| **kind == "ResponseTime"), "{kinds:?}");
    let mut control = HttpClient::connect(network.address("control-1"));
    let page = control.get("/metrics").check(200).text();
    let line = r#"micronet_alert_active{alert="response_time",instance="",service="product"} 1"#;
    assert!(page.contains(line), "{page}");
    assert!(page.contains("micronet_alerts_total{alert=\"response_time\"} 1"), "{page}");
    load.join().expect("the load");
    network.command(&["fault", "recover", "product"]).check(0);
    reader.until("its end", |reader| {
        (reader.alert("ResponseTime", "product")?["active"] == false).then_some(())
    });
    assert!(reader.event("Alert", "product", "alert over after").is_some());
    until("Prometheus to see it", || {
        let page = control.get("/metrics").check(200).text();
        if page.contains("alert=\"response_time\",instance") { Err(page) } else { Ok(()) }
    });
}

#[test]
fn a_limit_that_there_is_not_is_refused_with_those_that_there_are() {
    let folder = Folder::new();
    let refused = run(micronet(folder.path(), &["up", "--alert", "speed=1"])).check(2);
    assert!(refused.stderr.contains("response_time_ms"), "{}", refused.stderr);
}
