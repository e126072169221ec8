//! Somebody in the chat.

use micronet_tests::network::Network;
use serde_json::{Value, json};

use crate::websocket::client::Client;

/// The manager of the demonstration.
pub(super) const MANAGER: (&str, &str) = ("manager@demo.example", "manager-demo");
/// Its client.
pub(super) const CLIENT: (&str, &str) = ("client@demo.example", "client-demo");

/// Somebody who has come to the chat, and was greeted.
pub(super) struct Talker {
    client: Client,
    /// The id of the connection.
    pub(super) user: String,
    /// The greetings.
    pub(super) greetings: [Value; 2],
}

/// The access token of an account.
pub(super) fn token(network: &Network, (email, password): (&str, &str)) -> String {
    let login = json!({ "email": email, "password": password }).to_string();
    let token = network.http().post("/auth/login", &login).check(200).at("/data/access_token");
    token.as_str().expect("a token").to_owned()
}

impl Talker {
    #[track_caller]
    pub(super) fn enter(network: &Network, account: (&str, &str)) -> Self {
        let bearer = format!("Authorization: Bearer {}", token(network, account));
        let opened = Client::try_open(network.gateway(), "/ws/chatops", &[&bearer]);
        let mut client = opened.unwrap_or_else(|answer| panic!("it is answered with\n{answer}"));
        let greetings = [client.json(), client.json()];
        let words = greetings[1]["message"].as_str().expect("words");
        let user = words.strip_prefix("Your User ID: ").and_then(|rest| rest.split(' ').next());
        let user = user.unwrap_or_else(|| panic!("another greeting: {words}")).to_owned();
        Self { client, user, greetings }
    }

    /// Says a line.
    pub(super) fn say(&mut self, line: &str) {
        self.client.send(line);
    }

    /// What is told next.
    #[track_caller]
    pub(super) fn next(&mut self) -> Value {
        self.client.json()
    }

    /// The next message of this kind that has this in it; others are passed over.
    #[track_caller]
    pub(super) fn hear(&mut self, kind: &str, part: &str) -> Value {
        let mut others = Vec::new();
        loop {
            let said = self.next();
            if said["kind"] == kind && words(&said).contains(part) {
                return said;
            }
            others.push(format!("{}: {}", said["kind"], words(&said)));
            assert!(others.len() < 400, "no {kind} with {part:?} among {others:#?}");
        }
    }

    /// Gives a command, and hears what came of it by its execution.
    #[track_caller]
    pub(super) fn command(&mut self, line: &str) -> Value {
        self.say(line);
        let ack = self.hear("ack", line);
        let execution = ack["execution"].as_str().expect("an execution").to_owned();
        self.end_of(&execution)
    }

    /// What came of an execution.
    #[track_caller]
    pub(super) fn end_of(&mut self, execution: &str) -> Value {
        loop {
            let said = self.next();
            if said["execution"] == execution && (said["kind"] == "result" || said["kind"] == "error") {
                return said;
            }
        }
    }

    /// The connection.
    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// A message's words.
#[track_caller]
pub(super) fn words(said: &Value) -> &str {
    said["message"].as_str().unwrap_or_else(|| panic!("no words: {said}"))
}

/// A message's data.
#[track_caller]
pub(super) fn data(said: &Value) -> Value {
    let text = said["data"].as_str().unwrap_or_else(|| panic!("no data: {said}"));
    serde_json::from_str(text).expect("JSON")
}
