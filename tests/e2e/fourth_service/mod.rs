//! A service more takes three files and one line: a gateway that was built without it leads to it, and describes it.

mod extended;

use std::net::SocketAddr;
use std::path::Path;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::ports;
use micronet_tests::postgres::PostgresServer;
use micronet_tests::process::{micronet, run};
use micronet_tests::server::Server;
use serde_json::json;

use self::extended::with_service;
use crate::envelope::check_envelope;

const ADA: &str = r#"{"name":"Ada"}"#;

#[test]
fn a_service_more_takes_three_files_and_one_line() {
    let extended = with_service("greeter");
    let files = ["api.rs", "service.rs", "store.rs"].map(|file| format!("services/src/greeter/{file}"));
    assert_eq!(extended.added, files);
    assert_eq!(extended.lines, [("services/src/lib.rs".to_owned(), "    greeter,".to_owned())]);
    beside_ordinary_processes(&extended.program);
    in_a_network_of_its_own(&extended.program, &[]);
    if let Some(postgres) = PostgresServer::start() {
        let url = postgres.new_database("greetings");
        in_a_network_of_its_own(&extended.program, &[("DATABASE_URL", &url)]);
    }
}

/// Gateway, product and commands are those of the ordinary program, which doesn't have the service.
fn beside_ordinary_processes(program: &Path) {
    let folder = Folder::new();
    let data = folder.path();
    let unknown = run(micronet(data, &["service", "greeter", "--listen", "127.0.0.1:0"])).check(2);
    assert!(unknown.stderr.contains("greeter"), "{}", unknown.stderr);
    let product = Server::start(data, "product-1", &["service", "product", "--demo", "shop"]);
    let listen = format!("127.0.0.1:{}", ports::free());
    let peers = [format!("product={}", product.address()), format!("greeter={listen}")];
    let gateway = Server::start(data, "gateway-1", &["gateway", "--peer", &peers[0], "--peer", &peers[1]]);
    HttpClient::connect(gateway.address()).get("/products/Tux").check(200);
    // The gateway runs before the service does, too.
    let greeter = Server::start_of(program, data, "greeter-1", &listen, &["service", "greeter"], &[]);
    until("the gateway to learn of the service", || {
        let answer = HttpClient::connect(gateway.address()).get("/api/v1/greetings/Ada");
        if answer.status() == 401 { Ok(()) } else { Err(answer.shown()) }
    });
    check_http(gateway.address(), &folder, "through-the-gateway");
    check_http(greeter.address(), &folder, "on-its-own-port");
    check_described(gateway.address(), true);
    check_described(greeter.address(), false);
    check_call(data, &listen);
}

/// Routes, transcoding, envelope, stored replies, constraints, permissions and errors of its own.
#[track_caller]
fn check_http(server: SocketAddr, folder: &Folder, key: &str) {
    let mut http = HttpClient::connect(server);
    let operator = format!("Bearer {}", folder.operator_token());
    let mut count = |name: &str| {
        http.request("GET", &format!("/api/v1/greetings/{name}"), &[("Authorization", &operator)], b"")
    };
    let before = count("Ada").at("/data/times").as_u64().unwrap_or(0);
    let never = count(key).check(404);
    check_envelope(&never);
    assert_eq!(never.at("/error/code"), "NEVER_GREETED");
    assert_eq!(never.at("/error/details/name"), key);
    let greeted = http.post("/greetings", ADA).check(201);
    check_envelope(&greeted);
    assert_eq!(greeted.header("X-Micronet-Instance"), Some("greeter-1"), "{}", greeted.shown());
    assert_eq!(greeted.at("/data"), json!({ "words": "Hello, Ada!", "times": before + 1 }));
    for _ in 0..2 {
        let once = http.post_once(key, "/api/v1/greetings", ADA).check(201);
        assert_eq!(once.at("/data/times"), before + 2, "{}", once.shown());
    }
    for (body, code, fault) in [
        (r#"{"name":""}"#, "INVALID_INPUT", "TOO_SHORT"),
        (r#"{"name":7}"#, "INVALID_INPUT", "TYPE"),
        (r"{}", "MISSING_REQUIRED_FIELD", "MISSING"),
    ] {
        let refused = http.post("/greetings", body).check(422);
        check_envelope(&refused);
        assert_eq!(refused.at("/error/code"), code, "{}", refused.shown());
        assert_eq!(refused.at("/error/details/faults/0/field"), "name", "{}", refused.shown());
        assert_eq!(refused.at("/error/details/faults/0/code"), fault, "{}", refused.shown());
    }
    assert_eq!(http.get("/api/v1/greetings/Ada").check(401).at("/error/code"), "UNAUTHENTICATED");
}

/// The OpenAPI document has the service; that of the gateway has the others' too.
#[track_caller]
fn check_described(server: SocketAddr, has_others: bool) {
    let document = HttpClient::connect(server).get("/openapi.json").check(200).json();
    let greet = &document["paths"]["/api/v1/greetings"]["post"];
    assert_eq!(greet["operationId"], "greeter.greet", "{document}");
    assert!(document["paths"]["/api/v1/greetings/{name}"]["get"].is_object(), "{document}");
    assert!(document.to_string().contains("NEVER_GREETED"), "{document}");
    assert_eq!(document["paths"]["/api/v1/products/{name}"].is_object(), has_others, "{document}");
}

/// `micronet call` of the ordinary program.
#[track_caller]
fn check_call(data: &Path, to: &str) {
    let call = |arguments: &[&str]| run(micronet(data, &[&["call"], arguments, &["--to", to]].concat()));
    let listed = call(&["greeter"]).check(0).stdout;
    for words in ["greeter.greet", "greeter.count", "greetings:read", "POST /api/v1/greetings"] {
        assert!(listed.contains(words), "{words:?} is missing in: {listed}");
    }
    let described = call(&["greeter.count", "--describe"]).check(0).stdout;
    assert!(described.contains("NEVER_GREETED"), "{described}");
    let counted = call(&["greeter.count", ADA]).check(0).stdout;
    let greeted = call(&["greeter.greet", ADA]).check(0).stdout;
    let times = |said: &str| {
        let said: serde_json::Value = serde_json::from_str(said).expect("JSON");
        assert_eq!(said["words"], "Hello, Ada!");
        said["times"].as_u64().expect("a number")
    };
    assert_eq!(times(&greeted), times(&counted) + 1);
    let refused = call(&["greeter.greet", r#"{"name":"Somebody with a very long name"}"#]).check(2);
    assert!(refused.stderr.contains("name") && refused.stderr.contains("20"), "{}", refused.stderr);
}

/// `up` of the program with the service starts it, its gateway leads to it, and the ordinary program finds it by its name.
fn in_a_network_of_its_own(program: &Path, environment: &[(&str, &str)]) {
    let network = Network::start_of(program, Folder::new(), &["--demo", "shop"], environment);
    let greeted = network.http().post("/greetings", ADA).check(201);
    assert_eq!(greeted.at("/data/times"), 1, "{}", greeted.shown());
    check_described(network.gateway(), true);
    let called = network.command(&["call", "greeter.greet", ADA]).check(0);
    assert_eq!(called.stdout, "{\"words\":\"Hello, Ada!\",\"times\":2}\n");
}
