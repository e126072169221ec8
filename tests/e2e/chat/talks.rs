//! What is said in the chat, and what it does.

use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::{Value, json};

use super::talker::{CLIENT, MANAGER, Talker, data, token, words};
use crate::websocket::client::Client;

/// Whether the shop's users can be asked for.
fn users(http: &mut HttpClient, bearer: &str) -> (u16, String) {
    let answer = http.request("GET", "/users", &[("Authorization", bearer)], b"");
    (answer.status(), answer.shown())
}

#[test]
fn who_comes_is_greeted_and_told_what_can_be_said() {
    let network = Network::start("shop");
    for (account, role) in [(MANAGER, "manager"), (CLIENT, "client")] {
        let mut talker = Talker::enter(&network, account);
        let first = format!("Connected to Network Management ChatOps! Role: {role}");
        assert_eq!(words(&talker.greetings[0]), first);
        let user = talker.user.clone();
        let second = format!("Your User ID: {user} | Role: {role} | Type 'help' for commands");
        assert_eq!(words(&talker.greetings[1]), second);
        let digits = user.strip_prefix("user_").expect("an id");
        assert!(digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{user}");
        let greeting = data(&talker.greetings[1]);
        assert_eq!((&greeting["user"], &greeting["role"]), (&json!(user), &json!(role)));
        for (at, greeting) in talker.greetings.iter().enumerate() {
            assert_eq!((&greeting["id"], &greeting["kind"]), (&json!(at + 1), &json!("greeting")));
            let time = greeting["timestamp"].as_str().expect("a time");
            assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
        }
        // As plain text, and as JSON.
        for line in ["help", r#"{"text":"help"}"#] {
            talker.say(line);
            let help = talker.hear("answer", "Commands:");
            assert_eq!(words(&help).contains("Not for you: fail, recover"), role == "client", "{help}");
        }
        talker.say("help fail");
        assert!(words(&talker.hear("answer", "fail <process>")).contains("control:write"));
        talker.say("status");
        let status = talker.hear("result", "user: RUNNING, 1 of 1");
        let told = &data(&status)["processes"];
        assert!(told.as_array().expect("processes").iter().any(|process| process["instance"] == "user-1"));
        talker.say("statsu");
        talker.hear("error", "did you mean \"status\"?");
        talker.say("whoami");
        talker.hear("answer", &format!("{user} | Role: {role} | account "));
        talker.say("quit");
        talker.hear("answer", "Goodbye");
        assert_eq!(talker.client().closed().0, 1000);
    }
    // Nobody else comes in.
    let mut nobody = Client::open(network.gateway(), "/ws/chatops");
    nobody.send("help");
    assert_eq!(nobody.json()["error"]["code"], "UNAUTHENTICATED");
}

#[test]
fn a_client_tests_and_a_manager_controls() {
    let network = Network::start("shop");
    let mut client = Talker::enter(&network, CLIENT);
    for (line, permission) in [
        ("fail user", "control:write"),
        ("algorithm product weighted", "balancer:write"),
        ("tap", "tap:read"),
    ] {
        client.say(line);
        let refused = client.hear("error", &format!("needs the permission {permission}"));
        assert!(words(&refused).starts_with(line.split(' ').next().expect("a word")), "{refused}");
        assert_eq!(data(&refused)["code"], "INSUFFICIENT_PERMISSIONS");
    }
    let query = client.command(r#"call product.query {"name":"Tux"}"#);
    assert!(words(&query).starts_with("product-") && words(&query).contains(r#""name":"Tux""#), "{query}");
    let log = client.command("call order.list {}");
    assert_eq!((&log["kind"], &data(&log)["status"]), (&json!("error"), &json!(403)), "{log}");

    let mut manager = Talker::enter(&network, MANAGER);
    let set = manager.command("algorithm product least_connections");
    assert!(words(&set).contains("least_connections"), "{set}");
    let weight = manager.command("weight product-2 50");
    assert!(words(&weight).contains("product-2 has the weight 50"), "{weight}");
    manager.say("instances product");
    let seen = data(&manager.hear("result", "product-2"));
    let weight_of = |instance: &Value| instance["weight"].clone();
    let instances = seen["services"][0]["instances"].as_array().expect("instances");
    assert_eq!(instances.iter().map(weight_of).collect::<Vec<_>>(), [json!(100), json!(50)]);

    // All of it stands in the audit log: who, what, from where, and what came of it.
    let wanted = [
        ("control.fail", "user", "INSUFFICIENT_PERMISSIONS"),
        ("gateway.set_balancer", "product", "INSUFFICIENT_PERMISSIONS"),
        ("control.tap", "", "INSUFFICIENT_PERMISSIONS"),
        ("product.query", "", "ok"),
        ("gateway.set_balancer", "product", "ok"),
        ("control.weigh", "product-2", "ok"),
    ];
    until("the audit log has it", || {
        manager.say("audit 50");
        let log = data(&manager.hear("result", "CAME TO"));
        let items = log["items"].as_array().expect("entries");
        for (action, object, outcome) in wanted {
            let is_it = |entry: &&Value| {
                entry["action"] == action && entry["object"] == object && entry["outcome"] == outcome
            };
            let Some(entry) = items.iter().find(is_it) else { return Err(format!("{action}: {log}")) };
            assert_eq!(
                (&entry["method"], &entry["address"]),
                (&json!("CHAT"), &json!("127.0.0.1")),
                "{entry}"
            );
            assert!(entry["subject"] == "1" || entry["subject"] == "2", "{entry}");
        }
        Ok(())
    });
}

#[test]
fn what_fails_is_announced_and_recovers_from_the_chat() {
    let network = Network::start("shop");
    let (mut http, bearer) = (network.http(), format!("Bearer {}", token(&network, MANAGER)));
    let (mut one, mut other) = (Talker::enter(&network, MANAGER), Talker::enter(&network, MANAGER));
    assert_eq!(users(&mut http, &bearer).0, 200);

    one.say("fail user");
    let asked = one.hear("confirm", "nobody could call user any more");
    let code = data(&asked)["code"].as_str().expect("a code").to_owned();
    // Somebody else can't say yes to it.
    other.say(&format!("yes {code}"));
    other.hear("error", "only who gave a command can confirm it");
    assert_eq!(users(&mut http, &bearer).0, 200);
    one.say(&format!("yes {code}"));
    let begun = one.hear("ack", "fail user: under way as ");
    let execution = begun["execution"].as_str().expect("an execution").to_owned();
    assert!(execution.starts_with(one.user.trim_start_matches("user_")));
    let failed = one.end_of(&execution);
    assert!(words(&failed).contains("user is failed"), "{failed}");
    let (status, shown) = users(&mut http, &bearer);
    assert!(status == 503 && shown.contains("Sorry, user service is unavailable right now"), "{shown}");
    // The other one sees who did what.
    let said = other.hear("said", "fail user");
    assert_eq!((&said["from"], &said["execution"]), (&json!(one.user), &json!(execution)));
    other.hear("announcement", "user is failed");
    one.say("status user");
    one.hear("result", "user: STOPPED (BLOCKED), 0 of 1");

    let recovered = one.command("recover user");
    assert!(words(&recovered).contains("user: RUNNING, 1 of 1"), "{recovered}");
    until("users are there again", || match users(&mut http, &bearer) {
        (200, _) => Ok(()),
        (_, shown) => Err(shown),
    });
    other.hear("said", "recover user");

    // A process that dies is announced to everybody.
    network.kill("user-1");
    for talker in [&mut one, &mut other] {
        let died = talker.hear("announcement", "user-1: died: signal: 9");
        assert_eq!(died["from"], "network", "{died}");
    }
}

#[test]
fn a_question_gets_old_and_commands_do_not_wait_for_each_other() {
    let network = Network::start("shop");
    let mut manager = Talker::enter(&network, MANAGER);
    manager.say("stop product-2");
    let asked = manager.hear("confirm", "it ends product-2");
    let code = data(&asked)["code"].as_str().expect("a code").to_owned();
    // While it waits, a tap goes on, and so do commands.
    manager.say("tap gateway for 5m");
    let tap = manager.hear("ack", "tap gateway")["execution"].as_str().expect("an execution").to_owned();
    until("the tap tells of a request", || {
        network.http().get("/products/Tux").check(200);
        manager.say("whoami");
        loop {
            let said = manager.next();
            match said["kind"].as_str() {
                Some("answer") if said["execution"].is_null() => {
                    return Err("only the answer came".to_owned());
                }
                Some("answer") if words(&said).contains("GET /products/Tux") => return Ok(()),
                _ => {}
            }
        }
    });
    manager.say("stop");
    manager.hear("answer", &format!("ending {tap}"));
    let over = manager.end_of(&tap);
    assert!(words(&over).starts_with("the tap is over: "), "{over}");
    manager.hear("answer", "nobody said yes");
    manager.say(&format!("yes {code}"));
    manager.hear("error", "only who gave a command");
    manager.say("status product");
    manager.hear("result", "product: RUNNING, 2 of 2");
    // Two at once end when they end.
    manager.say("restart product");
    let restart = manager.hear("ack", "restart product")["execution"].as_str().expect("one").to_owned();
    manager.say("top");
    manager.hear("result", "requests since the start");
    let restarted = manager.end_of(&restart);
    assert_eq!(restarted["kind"], "result", "{restarted}");
}
