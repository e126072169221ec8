//! Accounts: signing in, what tokens permit and for how long, and who may change what, through the gateway and on services' own ports.

mod authority;
mod instances;
mod redis;
mod setup;
mod tokens;

use std::net::SocketAddr;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::{Value, json};

/// A network in which everybody may ask as often as wanted, since all tests have one address.
fn network(flags: &[&str]) -> Network {
    network_in(Folder::new(), flags)
}

fn network_in(folder: Folder, flags: &[&str]) -> Network {
    std::fs::create_dir_all(folder.path()).expect("the folder is made");
    let settings = folder.path().join("gateway.toml");
    std::fs::write(&settings, "[rates]\nauth = \"off\"\napi = \"off\"\n").expect("the settings are written");
    let settings = settings.display().to_string();
    Network::start_in(folder, &[&["--gateway-config", &settings], flags].concat())
}

/// Somebody who has signed in.
#[derive(Debug, Clone)]
struct Person {
    access: String,
    refresh: String,
    session: String,
}

impl Person {
    fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.at(&format!("/data/{name}")).as_str().expect("a text").to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), session: text("session") }
    }
}

/// Waits until somebody is heard: whoever has just started asks `auth` first what is revoked.
#[track_caller]
fn heard(server: SocketAddr, who: &Person, request: &str) {
    until("the token to be taken", || {
        let answer = ask(server, Some(who), request, &Value::Null);
        if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
    });
}

/// Asks in the name of somebody.
fn ask(server: SocketAddr, who: Option<&Person>, request: &str, body: &Value) -> Answer {
    let (method, target) = request.split_once(' ').expect("METHOD TARGET");
    let bearer = who.map(|person| format!("Bearer {}", person.access));
    let mut headers: Vec<(&str, &str)> =
        bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    if !body.is_empty() {
        headers.push(("Content-Type", "application/json"));
    }
    HttpClient::connect(server).request(method, target, &headers, body.as_bytes())
}

fn try_login(server: SocketAddr, email: &str, password: &str) -> Answer {
    ask(server, None, "POST /auth/login", &json!({ "email": email, "password": password }))
}

#[track_caller]
fn login(server: SocketAddr, email: &str, password: &str) -> Person {
    Person::of(&try_login(server, email, password).check(200))
}

fn manager(server: SocketAddr) -> Person {
    login(server, "manager@demo.example", "manager-demo")
}

fn client(server: SocketAddr) -> Person {
    login(server, "client@demo.example", "client-demo")
}

fn renew(server: SocketAddr, refresh: &str) -> Answer {
    ask(server, None, "POST /auth/refresh", &json!({ "refresh_token": refresh }))
}

/// Waits until this person's token is refused at all these places.
#[track_caller]
fn refused_everywhere(places: &[SocketAddr], person: &Person) {
    for place in places {
        until("the token to be refused", || {
            let answer = ask(*place, Some(person), "GET /auth/me", &Value::Null);
            // A service that isn't auth has no such path; who asks is looked at first.
            if answer.status() == 401 { Ok(()) } else { Err(answer.shown()) }
        });
    }
}

#[test]
fn a_token_is_good_at_the_gateway_and_on_every_port_until_its_session_ends() {
    let network = network(&[]);
    let (gateway, auth, order) = (network.gateway(), network.address("auth-1"), network.address("order-1"));
    for at in [gateway, auth] {
        let person = manager(at);
        for place in [gateway, order] {
            ask(place, Some(&person), "GET /orders", &Value::Null).check(200);
        }
        for place in [gateway, auth] {
            let me = ask(place, Some(&person), "GET /auth/me", &Value::Null).check(200);
            assert_eq!(me.at("/data/account/email"), "manager@demo.example");
            assert_eq!(me.at("/data/session"), person.session);
        }
        let ended = ask(at, Some(&person), "POST /auth/logout", &json!({})).check(200);
        assert_eq!(ended.at("/data/ended"), 1);
        refused_everywhere(&[gateway, auth], &person);
        until("the order service to hear of it", || {
            let answer = ask(order, Some(&person), "GET /orders", &Value::Null);
            if answer.status() == 401 { Ok(()) } else { Err(answer.shown()) }
        });
        renew(at, &person.refresh).check(401);
    }
    // A new one is as good as ever.
    ask(gateway, Some(&manager(gateway)), "GET /orders", &Value::Null).check(200);
}

#[test]
fn wrong_credentials_are_answered_alike() {
    let network = network(&[]);
    let auth = network.address("auth-1");
    let mut bodies = Vec::new();
    for (email, password) in
        [("client@demo.example", "wrong"), ("nobody@demo.example", "client-demo"), ("nobody", "y")]
    {
        let mut body = try_login(auth, email, password).check(401).json();
        body["meta"] = Value::Null;
        bodies.push(body);
    }
    assert_eq!(bodies[0]["error"]["code"], "INVALID_CREDENTIALS");
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    // After a few the address has to wait, and the answer says for how long.
    until("the address to have to wait", || {
        let answer = try_login(auth, "nobody@demo.example", "guess");
        match (answer.status(), answer.header("Retry-After")) {
            (429, Some(_)) => Ok(()),
            _ => Err(answer.shown()),
        }
    });
    client(auth);
    let logs = network.folder().logs();
    for (name, log) in logs {
        assert!(!log.contains("client-demo") && !log.contains("manager-demo"), "{name}: {log}");
    }
}

#[test]
fn each_role_may_do_its_row_and_no_more() {
    let network = network(&[]);
    let gateway = network.gateway();
    let admin = manager(gateway);
    let enter = |email: &str, roles: &[&str]| {
        let new =
            json!({ "email": email, "password": "correct horse", "full_name": "Somebody", "roles": roles });
        ask(gateway, Some(&admin), "POST /api/v1/accounts", &new).check(201);
        login(gateway, email, "correct horse")
    };
    let people = [
        ("admin", manager(gateway)),
        ("operator", enter("operator@demo.example", &["operator"])),
        ("viewer", client(gateway)),
        ("api_user", enter("program@demo.example", &["api_user"])),
        ("none", enter("nothing@demo.example", &[])),
    ];
    let user = json!({ "name": "Ann", "email": "ann@example.org" });
    // What is asked, by whom it is allowed among them, and with which answer.
    let rows: [(&str, &Value, &[&str], u16); 8] = [
        ("GET /products/Tux", &Value::Null, &["admin", "operator", "viewer", "api_user", "none"], 200),
        ("GET /auth/me", &Value::Null, &["admin", "operator", "viewer", "api_user", "none"], 200),
        ("GET /users", &Value::Null, &["admin"], 200),
        ("POST /users", &user, &["admin"], 201),
        ("GET /orders", &Value::Null, &["admin"], 200),
        ("GET /api/v1/accounts", &Value::Null, &["admin"], 200),
        ("GET /api/v1/audit", &Value::Null, &["admin"], 200),
        ("POST /api/v1/auth/rotate", &Value::Null, &["admin"], 200),
    ];
    for (request, body, allowed, status) in rows {
        for (role, person) in &people {
            let expected = if allowed.contains(role) { status } else { 403 };
            let answer = ask(gateway, Some(person), request, body);
            assert_eq!(answer.status(), expected, "{role}: {request}: {}", answer.shown());
        }
    }
    let permissions = |person: &Person| {
        let me = ask(gateway, Some(person), "GET /auth/me", &Value::Null).check(200);
        me.at("/data/permissions")
    };
    assert_eq!(permissions(&people[0].1), json!(["*"]));
    assert_eq!(
        permissions(&people[1].1),
        json!(["alerts:read", "alerts:write", "devices:read", "devices:write"])
    );
    assert_eq!(
        permissions(&people[2].1),
        json!(["alerts:read", "control:read", "devices:read", "network:read", "reports:read"])
    );
    assert_eq!(permissions(&people[3].1), json!(["devices:read", "metrics:read"]));
    assert_eq!(permissions(&people[4].1), json!([]));
}

#[test]
fn another_organizations_accounts_are_not_there() {
    let network = network(&[]);
    let gateway = network.gateway();
    let new = json!({
        "email": "ada@example.com", "password": "correct horse", "full_name": "Ada", "organization": "Engines",
    });
    let registered = ask(gateway, None, "POST /auth/register", &new).check(201);
    assert_eq!(registered.at("/data/organization/slug"), "engines");
    assert_eq!(registered.at("/data/account/is_superuser"), false);
    ask(gateway, None, "POST /auth/register", &new).check(409);
    let short =
        json!({ "email": "eve@example.com", "password": "short", "full_name": "Eve", "organization": "E" });
    ask(gateway, None, "POST /auth/register", &short).check(422);

    let ada = login(gateway, "ada@example.com", "correct horse");
    let own = ask(gateway, Some(&ada), "GET /api/v1/accounts", &Value::Null).check(200);
    assert_eq!(own.at("/pagination/total"), 1);
    for request in [
        "GET /api/v1/accounts/1",
        "POST /api/v1/accounts/2/deactivate",
        "GET /api/v1/organizations/1",
        "GET /api/v1/accounts/9999",
    ] {
        ask(gateway, Some(&ada), request, &Value::Null).check(404);
    }
    let roles = json!({ "roles": ["admin"] });
    ask(gateway, Some(&ada), "PUT /api/v1/accounts/2/roles", &roles).check(404);
    // And nothing of what all share.
    for request in ["GET /users", "GET /orders", "POST /api/v1/auth/rotate"] {
        ask(gateway, Some(&ada), request, &Value::Null).check(403);
    }
    let all = ask(gateway, Some(&manager(gateway)), "GET /api/v1/accounts", &Value::Null).check(200);
    assert_eq!(all.at("/pagination/total"), 3);
}
