//! Those who sign in, over HTTP: what each role may do, whom tokens make believed, and what is written down of it.

mod audit;
mod control;
mod roles;
mod signed;
mod tokens;

use std::net::SocketAddr;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use serde_json::{Value, json};

/// No limit of rates, so that tests may ask as often as they like.
const NO_RATES: &str = r#"[rates]
address = "off"
refused = "off"
auth = "off"
api = "off"
monitoring = "off"
bulk = "off"
"#;

/// A network with the demonstration's accounts, whose gateway doesn't count requests.
pub(crate) fn network(flags: &[&str]) -> Network {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path()).expect("a folder");
    let settings = folder.path().join("gateway.toml");
    std::fs::write(&settings, NO_RATES).expect("a file");
    let settings = settings.display().to_string();
    Network::start_in(folder, &[&["--demo", "shop", "--gateway-config", &settings], flags].concat())
}

/// Somebody's tokens.
#[derive(Debug, Clone)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.at(&format!("/data/{name}")).as_str().expect("a token").to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

/// A connection on which requests are made with tokens.
struct Browser(HttpClient);

impl Browser {
    fn at(server: SocketAddr) -> Self {
        Self(HttpClient::connect(server))
    }

    /// Asks with a bearer token, or without one.
    fn ask(&mut self, token: Option<&str>, request: &str, body: &Value) -> Answer {
        let (method, target) = request.split_once(' ').expect("a method and a target");
        let bearer = token.map(|token| format!("Bearer {token}"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend((!body.is_empty()).then_some(("Content-Type", "application/json")));
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        self.0.request(method, target, &headers, body.as_bytes())
    }

    fn sign_in(&mut self, email: &str, password: &str) -> Tokens {
        let who = json!({ "email": email, "password": password });
        Tokens::of(&self.ask(None, "POST /auth/login", &who).check(200))
    }

    /// The admin of the demonstration's organization.
    fn manager(&mut self) -> Tokens {
        self.sign_in("manager@demo.example", "manager-demo")
    }

    /// Enters an account with these roles, and signs in to it.
    fn enter(&mut self, admin: &Tokens, name: &str, roles: &[&str]) -> Tokens {
        let email = format!("{name}@access.example");
        let account = json!({
            "email": email, "password": "correct horse", "full_name": name, "roles": roles,
        });
        self.ask(Some(&admin.access), "POST /api/v1/accounts", &account).check(201);
        self.sign_in(&email, "correct horse")
    }

    /// Enters another organization, and signs in to its admin's account.
    fn register(&mut self, name: &str) -> Tokens {
        let email = format!("{name}@elsewhere.example");
        let account = json!({
            "email": email, "password": "correct horse", "full_name": name, "organization": name,
        });
        self.ask(None, "POST /auth/register", &account).check(201);
        self.sign_in(&email, "correct horse")
    }
}
