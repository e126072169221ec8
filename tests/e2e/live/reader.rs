//! A reader of the feed, who knows what it was told.

use std::collections::BTreeMap;

use micronet_tests::network::Network;
use serde_json::{Value, json};

use crate::websocket::client::Client;

/// Where the feed is.
pub(super) const FEED: &str = "/ws/api/v1/control/live";
/// The client of the demonstration.
pub(super) const CLIENT: (&str, &str) = ("client@demo.example", "client-demo");
/// Its manager.
pub(super) const MANAGER: (&str, &str) = ("manager@demo.example", "manager-demo");

/// The header by which an account is believed.
pub(super) fn bearer(network: &Network, (email, password): (&str, &str)) -> String {
    let login = json!({ "email": email, "password": password }).to_string();
    let token = network.http().post("/auth/login", &login).check(200).at("/data/access_token");
    format!("Bearer {}", token.as_str().expect("a token"))
}

/// Somebody who reads the feed.
pub(super) struct Reader {
    client: Client,
    sequence: u64,
    /// When it was so what is known.
    pub(super) at: String,
    /// Entries by the name of their list and their own.
    known: BTreeMap<(&'static str, String), Value>,
    /// All events that were told.
    pub(super) events: Vec<Value>,
    /// Events that were not.
    pub(super) lost: u64,
}

impl Reader {
    /// Opens the feed, and hears how everything is.
    #[track_caller]
    pub(super) fn open(network: &Network, account: (&str, &str)) -> Self {
        let header = format!("Authorization: {}", bearer(network, account));
        let opened = Client::try_open(network.gateway(), FEED, &[&header]);
        let client = opened.unwrap_or_else(|answer| panic!("it is answered with\n{answer}"));
        let mut reader = Self {
            client,
            sequence: 0,
            at: String::new(),
            known: BTreeMap::new(),
            events: Vec::new(),
            lost: 0,
        };
        reader.read();
        reader
    }

    /// Hears the next message.
    #[track_caller]
    pub(super) fn read(&mut self) {
        let live = self.client.json();
        self.sequence += 1;
        assert_eq!(live["sequence"], self.sequence, "{live}");
        assert_eq!(live["whole"], self.sequence == 1, "{live}");
        let at = live["at"].as_str().expect("a time").to_owned();
        assert!(at >= self.at, "{at} after {}", self.at);
        self.at = at;
        for name in ["network", "totals"] {
            if !live[name].is_null() {
                self.known.insert((name, String::new()), live[name].clone());
            }
        }
        for (list, name) in LISTS {
            for entry in live[list].as_array().expect("a list") {
                self.known.insert((list, name(entry)), entry.clone());
            }
        }
        for (list, name) in LISTS {
            for gone in live["gone"][list].as_array().into_iter().flatten() {
                let gone = if list == "links" { name(gone) } else { shown(gone) };
                assert!(self.known.remove(&(list, gone.clone())).is_some(), "{gone} wasn't there");
            }
        }
        let events = live["events"].as_array().expect("a list");
        for event in events {
            let last = self.events.last().map_or(0, |last| number(&last["id"]));
            assert!(number(&event["id"]) > last, "{event}");
            self.events.push(event.clone());
        }
        self.lost += number(&live["lost"]);
    }

    /// Reads on until this is found.
    #[track_caller]
    pub(super) fn until<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        // One message a second: what takes longer than a minute doesn't come.
        for _ in 0..120 {
            if let Some(found) = look(self) {
                return found;
            }
            self.read();
        }
        panic!("{what} didn't come: {:#?}\n{:#?}", self.known, self.events);
    }

    /// What is known of an instance.
    #[track_caller]
    pub(super) fn instance(&self, name: &str) -> &Value {
        &self.known[&("instances", name.to_owned())]
    }

    /// What is known of a service.
    #[track_caller]
    pub(super) fn service(&self, name: &str) -> &Value {
        &self.known[&("services", name.to_owned())]
    }

    /// What is known of everything together.
    pub(super) fn totals(&self) -> &Value {
        &self.known[&("totals", String::new())]
    }

    /// The last alert of this kind about somebody.
    pub(super) fn alert(&self, kind: &str, subject: &str) -> Option<&Value> {
        let mut alerts = self.known.iter().filter(|((list, _), _)| *list == "alerts").map(|(_, alert)| alert);
        alerts.rfind(|alert| alert["kind"] == kind && alert["subject"] == subject)
    }

    /// The event of this kind about somebody whose words have this in them.
    pub(super) fn event(&self, kind: &str, subject: &str, part: &str) -> Option<&Value> {
        let has = |event: &&Value| event["words"].as_str().is_some_and(|words| words.contains(part));
        self.events.iter().filter(|event| event["kind"] == kind && event["subject"] == subject).find(has)
    }

    /// The names of what is known, and what doesn't change by itself.
    pub(super) fn lasting(&self) -> BTreeMap<(&'static str, String), Value> {
        let fields =
            ["service", "instance", "pid", "process", "health", "status", "running", "algorithm", "from"];
        let lasting = |entry: &Value| -> Value { fields.iter().map(|field| entry[field].clone()).collect() };
        self.known.iter().map(|(key, entry)| (key.clone(), lasting(entry))).collect()
    }
}

/// A list of a message, and how its entries are told apart.
type List = (&'static str, fn(&Value) -> String);

/// The lists of a message.
const LISTS: [List; 4] = [
    ("services", |entry| shown(&entry["service"])),
    ("instances", |entry| shown(&entry["instance"])),
    ("links", |entry| format!("{} {}", entry["from"], entry["to_instance"])),
    ("alerts", |entry| format!("{:06}", number(&entry["id"]))),
];

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => format!("{:06}", number.as_u64().expect("a number")),
        other => panic!("no name: {other}"),
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}
