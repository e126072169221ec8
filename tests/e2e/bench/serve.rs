//! The server that is measured: what it answers by itself, behind a gateway, and by the driver without a runtime.

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::process::{Finished, micronet, run};
use micronet_tests::server::Server;

const ITEM: &str = r#"{"id":12345,"name":"widget-alpha","amount":19.95,"active":true}"#;
const ACCEPTED: &str = r#"{"id":12345,"name":"widget-alpha","amount":19.95,"active":true,"status":"accepted","note":"processed by backend"}"#;

#[track_caller]
fn call(folder: &Folder, server: &Server, method: &str, json: &str) -> Finished {
    run(micronet(folder.path(), &["call", "--to", &server.address().to_string(), method, json]))
}

#[test]
fn it_answers_by_itself_and_behind_a_gateway() {
    let folder = Folder::new();
    let server = Server::start(folder.path(), "bench-1", &["bench", "serve"]);
    let peer = format!("bench={}", server.address());
    let gateway =
        Server::start(folder.path(), "gateway-1", &["gateway", "--rpc", "127.0.0.1:0", "--peer", &peer]);
    for server in [&server, &gateway] {
        let mut http = HttpClient::connect(server.address());
        let data = http.post("/api/v1/bench/item", ITEM).check(200).at("/data").to_string();
        let wanted: serde_json::Value = serde_json::from_str(ACCEPTED).expect("JSON");
        assert_eq!(data, wanted.to_string());
        let echoed = http.post("/api/v1/bench/echo", r#"{"bytes":"AQID"}"#).check(200);
        assert_eq!(echoed.at("/data/bytes"), "AQID");
        let delayed = http.get("/api/v1/bench/delay?us=3000").check(200).at("/data/us");
        assert!(delayed.as_u64() >= Some(3_000), "{delayed}");
        // It wasn't started for that.
        http.post("/api/v1/bench/stall", r#"{"ms":1}"#).check(403);
    }
}

#[test]
fn either_driver_answers_alike() {
    let folder = Folder::new();
    let answers = |flags: &[&str]| {
        let server =
            Server::start(folder.path(), "bench-1", &[&["bench", "serve", "--stall"], flags].concat());
        let calls = [
            ("bench.item", ITEM),
            ("bench.echo", r#"{"bytes":"AQID"}"#),
            ("bench.stream", r#"{"count":3,"bytes":2}"#),
        ];
        let answers = calls.map(|(method, json)| call(&folder, &server, method, json).check(0).stdout);
        call(&folder, &server, "bench.stall", r#"{"ms":1}"#).check(0);
        answers
    };
    let [item, echo, stream] = answers(&[]);
    assert_eq!((item.trim(), echo.trim()), (ACCEPTED, r#"{"bytes":"AQID"}"#));
    assert_eq!(stream, "{\"bytes\":\"Bwc=\"}\n".repeat(3));
    assert_eq!(answers(&["--sync"]), [item, echo, stream]);
}
