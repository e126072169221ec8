//! Both builds behind one gateway: JSON is taken as the schema of the instance takes it that the call goes to.

use std::net::SocketAddr;
use std::rc::Rc;

use micronet_gateway::accept;
use micronet_gateway::config::{Config, Gateway};
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_transport::drain::{DrainTrigger, channel};
use micronet_transport::socket;
use serde_json::{Value, json};

use crate::network::{Server, identity, new_server, old_server, run};

async fn gateway(servers: &[&Server]) -> (SocketAddr, DrainTrigger) {
    let addresses = servers.iter().map(|server| server.address).collect();
    let peers = [("shelf".to_owned(), addresses)].into();
    let gateway =
        Gateway::start(&Config { identity: identity("gateway", "gateway-1"), peers, ..Config::default() })
            .unwrap();
    gateway.tried().await;
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, drain) = channel();
    tokio::task::spawn_local(accept::serve(listener, Rc::clone(&gateway), drain));
    (address, trigger)
}

/// The same request twice on one connection: instances take turns. Answers by the name of the instance, the old one first.
async fn twice(address: SocketAddr, ask: fn(&mut HttpClient) -> Answer) -> [Answer; 2] {
    let asked = tokio::task::spawn_blocking(move || {
        let mut client = HttpClient::connect(address);
        let mut answers = [ask(&mut client), ask(&mut client)];
        answers.sort_by_key(|answer| answer.header("X-Micronet-Instance").map(str::to_owned));
        answers
    });
    asked.await.unwrap()
}

fn instances(answers: &[Answer; 2]) -> [Option<&str>; 2] {
    answers.each_ref().map(|answer| answer.header("X-Micronet-Instance"))
}

#[test]
fn each_instance_is_asked_and_answers_in_its_own_schema() {
    run(async {
        let (old, new) = (old_server(), new_server());
        let (address, _trigger) = gateway(&[&old, &new]).await;
        let answers =
            twice(address, |http| http.post("/toys", r#"{"name":"Tux","count":9}"#).check(200)).await;
        assert_eq!(instances(&answers), [Some("shelf-1"), Some("shelf-2")]);
        let [old_answer, new_answer] = answers.map(|answer| answer.at("/data"));
        assert_eq!(old_answer, json!({"id": 7, "by": "v1", "mark": "m", "price": 19.99}));
        assert_eq!(new_answer, json!({"id": 7, "by": "v2", "price": 19.99}));
        let answers = twice(address, |http| http.get("/toys/Tux").check(200)).await;
        let [old_answer, new_answer] = answers.map(|answer| answer.at("/data/former"));
        assert_eq!(old_answer, json!(["New", "Unknown"]));
        assert_eq!(new_answer, json!(["New", {"Reserved": {"by": "Bob"}}]));
        assert_eq!((old.calls.take().len(), new.calls.take().len()), (2, 2));
    });
}

#[test]
fn what_an_instance_does_not_know_or_take_it_refuses() {
    run(async {
        let (old, new) = (old_server(), new_server());
        let (address, _trigger) = gateway(&[&old, &new]).await;
        // The colour is the new schema's, and so is a count beyond 255: the old instance has neither.
        let json = r#"{"name":"Tux","count":300,"colour":"red"}"#;
        let codes = |answer: &Answer| {
            let faults = answer.at("/error/details/faults");
            let code = |fault: &Value| format!("{} {}", fault["field"], fault["code"]).replace('"', "");
            faults.as_array().map(|faults| faults.iter().map(code).collect::<Vec<_>>())
        };
        let asked = tokio::task::spawn_blocking(move || {
            let mut http = HttpClient::connect(address);
            let mut answers = [http.post("/toys", json), http.post("/toys", json)];
            answers.sort_by_key(Answer::status);
            answers
        });
        let [taken, refused] = asked.await.unwrap();
        assert_eq!((taken.status(), refused.status()), (200, 422), "{}{}", taken.shown(), refused.shown());
        let mut faults = codes(&refused).unwrap();
        faults.sort();
        assert_eq!(faults, ["colour UNKNOWN", "count OUT_OF_RANGE"]);
        assert_eq!(new.calls.take(), ["put Tux 300 Some(\"red\")"]);
        assert!(old.calls.take().is_empty());
    });
}

#[test]
fn a_method_that_only_one_has_is_always_found_there() {
    run(async {
        let (old, new) = (old_server(), new_server());
        let (address, _trigger) = gateway(&[&old, &new]).await;
        let answers = twice(address, |http| http.get("/count").check(200)).await;
        assert_eq!(instances(&answers), [Some("shelf-2"), Some("shelf-2")]);
        assert!(old.calls.take().is_empty());
    });
}

#[test]
fn the_description_shows_each_path_once() {
    run(async {
        let (old, new) = (old_server(), new_server());
        let (address, _trigger) = gateway(&[&old, &new]).await;
        let [document, _] = twice(address, |http| http.get("/openapi.json").check(200)).await;
        let paths = document.at("/paths");
        // Those of the gateway itself, and of every process, stand there too.
        let of_shelf = |path: &Value| path.to_string().contains("\"shelf\"");
        let paths = paths.as_object().unwrap().iter().filter(|(_, path)| of_shelf(path));
        let paths: Vec<&str> = paths.map(|(name, _)| name.as_str()).collect();
        assert_eq!(paths, ["/count", "/toys", "/toys/{name}"]);
    });
}
