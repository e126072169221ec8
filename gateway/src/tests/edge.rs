//! What stands before the services: limits, conditions, and the response cache.

use std::cell::RefCell;

use micronet_wire::service::Outgoing;
use tokio::sync::{Notify, watch};

use super::*;
use crate::settings::Settings;

#[derive(Message, Debug, Clone)]
struct Which {
    name: String,
}

#[derive(Message, Debug, Clone)]
struct Since {
    after: Option<u64>,
}

#[derive(Message, Debug, Clone)]
struct Count {
    name: String,
    count: u64,
}

/// Numbers.
#[service(name = "numbers")]
trait Numbers {
    /// One of them.
    #[rpc(http("GET /numbers/{name}"), public, idempotent, cache = "watch")]
    async fn get(&self, context: &CallContext, request: Which) -> Result<Count, CallError<ThingError>>;
    /// One that nobody keeps.
    #[rpc(http("GET /fresh/{name}"), public, idempotent, rate = "monitoring")]
    async fn fresh(&self, context: &CallContext, request: Which) -> Result<Count, RpcError>;
    /// Counts one up.
    #[rpc(http("POST /numbers"), public, rate = "shop")]
    async fn add(&self, context: &CallContext, request: Which) -> Result<Count, RpcError>;
    /// Tells of changes.
    #[rpc(service, idempotent)]
    async fn watch(
        &self,
        context: &CallContext,
        request: Since,
        replies: Outgoing<Count>,
    ) -> Result<(), RpcError>;
}

/// A number, who asks for it, and who hears of it.
struct Abacus {
    count: Cell<u64>,
    /// Calls of `get`.
    asked: Cell<u64>,
    changes: watch::Sender<u64>,
    /// While there is one, `get` waits for it.
    gate: RefCell<Option<Rc<Notify>>>,
}

impl Numbers for Rc<Abacus> {
    async fn get(&self, _: &CallContext, request: Which) -> Result<Count, CallError<ThingError>> {
        self.asked.set(self.asked.get() + 1);
        let gate = self.gate.borrow().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        match request.name.as_str() {
            "none" => Err(CallError::Service(ThingError::NoSuchThing { name: request.name })),
            _ => Ok(Count { name: request.name, count: self.count.get() }),
        }
    }
    async fn fresh(&self, _: &CallContext, request: Which) -> Result<Count, RpcError> {
        Ok(Count { name: request.name, count: self.count.get() })
    }
    async fn add(&self, _: &CallContext, request: Which) -> Result<Count, RpcError> {
        // Whoever watches hears nothing of this: what is written through the gateway doesn't need it.
        self.count.set(self.count.get() + 1);
        Ok(Count { name: request.name, count: self.count.get() })
    }
    async fn watch(&self, _: &CallContext, _: Since, mut replies: Outgoing<Count>) -> Result<(), RpcError> {
        let mut changes = self.changes.subscribe();
        loop {
            let count = *changes.borrow_and_update();
            replies.send(&Count { name: "all".into(), count }).await?;
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

struct Counting {
    abacus: Rc<Abacus>,
    gateway: Rc<Gateway>,
    service: Option<DrainTrigger>,
}

async fn counting(settings: &str) -> Counting {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let abacus = Rc::new(Abacus {
        count: Cell::new(0),
        asked: Cell::new(0),
        changes: watch::channel(0).0,
        gate: RefCell::default(),
    });
    let server = NumbersServer::new(Rc::clone(&abacus)).unwrap();
    let service = WithBuiltin::new(server, "numbers-1", "0", Timestamp(0)).unwrap();
    let (trigger, drain) = channel();
    tokio::task::spawn_local(server::serve(listener, Rc::new(service), identity("numbers"), drain));
    let peers = [("numbers".to_owned(), vec![address])].into();
    let settings = Settings::read(settings).unwrap();
    let config = Config { identity: identity("gateway"), peers, settings, ..Config::default() };
    let gateway = Gateway::start(&config).unwrap();
    gateway.tried().await;
    Counting { abacus, gateway, service: Some(trigger) }
}

async fn get(gateway: &Rc<Gateway>, path: &str, lines: &str) -> String {
    exchange(gateway, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await
}

async fn post(gateway: &Rc<Gateway>, lines: &str) -> String {
    let body = "{\"name\":\"a\"}";
    let head = format!("POST /numbers HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{lines}");
    exchange(gateway, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await
}

/// A header's value.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = answer.split("\r\n\r\n").next()?.lines();
    lines.find_map(|line| line.split_once(": ").filter(|(given, _)| *given == name)).map(|(_, value)| value)
}

/// Asks until it is answered from memory.
async fn until_kept(gateway: &Rc<Gateway>, path: &str) -> String {
    let kept = async {
        loop {
            let answer = get(gateway, path, "").await;
            if header(&answer, "X-Cache") == Some("HIT") {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), kept).await.unwrap()
}

const KEEPS: &str = "[cache]\nsize = \"1MiB\"\n[rates]\napi = \"off\"\n";

#[test]
fn without_settings_nothing_is_kept() {
    run(async {
        let Counting { abacus, gateway, service: _service } = counting("").await;
        for _ in 0..3 {
            let answer = get(&gateway, "/numbers/a", "").await;
            assert!(answer.contains("200 OK") && header(&answer, "X-Cache").is_none(), "{answer}");
        }
        assert_eq!(abacus.asked.get(), 3);
    });
}

#[test]
fn what_may_be_kept_is_until_somebody_writes_or_tells_of_a_change() {
    run(async {
        let Counting { abacus, gateway, service: _service } = counting(KEEPS).await;
        let first = until_kept(&gateway, "/numbers/a").await;
        assert!(first.contains("\"count\":0") && header(&first, "Age") == Some("0"), "{first}");
        let asked = abacus.asked.get();
        // Each has a request id of its own all the same.
        let again = get(&gateway, "/numbers/a", "X-Request-ID: mine\r\n").await;
        assert!(
            again.contains("\"request_id\":\"mine\"") && header(&again, "X-Cache") == Some("HIT"),
            "{again}"
        );
        assert_eq!(header(&again, "X-Micronet-Instance"), Some("numbers-1"));
        assert_eq!(header(&again, "ETag"), header(&first, "ETag"));
        assert_eq!(abacus.asked.get(), asked);
        // Somebody who isn't anybody, and whoever wants it fresh, is answered by the service.
        for lines in ["Authorization: Bearer sesame\r\n", "Cache-Control: no-cache\r\n"] {
            assert_eq!(header(&get(&gateway, "/numbers/a", lines).await, "X-Cache"), None, "{lines}");
        }
        // Never what was before, once a write through this gateway is acknowledged.
        for count in 1..20 {
            assert!(post(&gateway, "").await.contains(&format!("\"count\":{count}")));
            let answer = get(&gateway, "/numbers/a", "").await;
            assert!(answer.contains(&format!("\"count\":{count}")), "{count}: {answer}");
            until_kept(&gateway, "/numbers/a").await;
        }
        // What others have written is told.
        abacus.count.set(100);
        abacus.changes.send_replace(100);
        let told = async {
            while !get(&gateway, "/numbers/a", "").await.contains("\"count\":100") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
        let stats = gateway.cache.stats();
        assert!(stats.hits >= 20 && stats.misses >= 20 && stats.entries == 1, "{stats:?}");
        // Refusals are not kept.
        for _ in 0..2 {
            let none = get(&gateway, "/numbers/none", "").await;
            assert!(none.contains("404 ") && header(&none, "X-Cache") == Some("MISS"), "{none}");
        }
    });
}

#[test]
fn a_service_that_is_away_is_seen_at_once() {
    run(async {
        let Counting { gateway, service, .. } = counting(KEEPS).await;
        until_kept(&gateway, "/numbers/a").await;
        drop(service);
        let away = async {
            while !get(&gateway, "/numbers/a", "").await.contains("503 ") {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), away).await.unwrap();
    });
}

#[test]
fn who_asks_for_the_same_at_once_shares_a_call_and_its_end() {
    run(async {
        let Counting { abacus, gateway, service: _service } = counting(KEEPS).await;
        until_kept(&gateway, "/numbers/a").await;
        let asked = abacus.asked.get();
        let gate = Rc::new(Notify::new());
        abacus.gate.replace(Some(Rc::clone(&gate)));
        let arrived = async |wanted| {
            let arrived = async {
                while abacus.asked.get() < wanted {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), arrived).await.unwrap();
        };
        let ask = || {
            let gateway = Rc::clone(&gateway);
            tokio::task::spawn_local(async move { get(&gateway, "/numbers/b", "").await })
        };
        // The first one gives up: one of the others calls in its place.
        let (mut first, _trigger, serving) = connect(&gateway);
        first.write_all(b"GET /numbers/b HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        arrived(asked + 1).await;
        let others: Vec<_> = (0..20).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        serving.abort();
        arrived(asked + 2).await;
        abacus.gate.replace(None);
        gate.notify_waiters();
        let mut shared = 0;
        for other in others {
            let answer = other.await.unwrap();
            assert!(answer.contains("\"name\":\"b\""), "{answer}");
            // Some may have come when the answer was there.
            shared += usize::from(matches!(header(&answer, "X-Cache"), Some("SHARED" | "HIT")));
        }
        assert_eq!(shared, 19);
        assert!(abacus.asked.get() <= asked + 3, "{}", abacus.asked.get() - asked);
    });
}

#[test]
fn a_read_that_began_before_a_write_is_not_kept_behind_it() {
    run(async {
        let Counting { abacus, gateway, service: _service } = counting(KEEPS).await;
        until_kept(&gateway, "/numbers/a").await;
        let (asked, gate) = (abacus.asked.get(), Rc::new(Notify::new()));
        abacus.gate.replace(Some(Rc::clone(&gate)));
        let early = tokio::task::spawn_local({
            let gateway = Rc::clone(&gateway);
            async move { get(&gateway, "/numbers/b", "").await }
        });
        while abacus.asked.get() == asked {
            tokio::task::yield_now().await;
        }
        abacus.gate.replace(None);
        assert!(post(&gateway, "").await.contains("\"count\":1"));
        // Whoever asks now doesn't share the call that began before.
        let late = get(&gateway, "/numbers/b", "").await;
        assert!(late.contains("\"count\":1") && header(&late, "X-Cache") == Some("MISS"), "{late}");
        gate.notify_waiters();
        early.await.unwrap();
        assert!(get(&gateway, "/numbers/b", "").await.contains("\"count\":1"));
    });
}

#[test]
fn who_asks_too_often_waits() {
    run(async {
        let settings = "[rates]\napi = \"3/min\"\nrefused = \"2/min\"\n";
        let Counting { gateway, service: _service, .. } = counting(settings).await;
        for left in ["2", "1", "0"] {
            let answer = get(&gateway, "/numbers/a", "").await;
            assert!(answer.contains("200 OK"), "{answer}");
            assert_eq!(header(&answer, "RateLimit-Remaining"), Some(left));
            assert_eq!(header(&answer, "RateLimit-Policy"), Some("3;w=60"));
        }
        let refused = get(&gateway, "/numbers/a", "").await;
        assert!(refused.starts_with("HTTP/1.1 429 Too Many Requests"), "{refused}");
        assert!(refused.contains("\"code\":\"RATE_LIMIT_EXCEEDED\""), "{refused}");
        assert_eq!(header(&refused, "Retry-After"), Some("20"));
        // Other classes have counts of their own, and whoever could lift the limits isn't held by them.
        assert!(get(&gateway, "/fresh/a", "").await.contains("200 OK"));
        assert!(get(&gateway, "/numbers/a", "Authorization: Bearer sesame\r\n").await.contains("200 OK"));
        // Settings that are applied hold for the next request.
        gateway.apply(Settings::read("[rates]\napi = \"off\"\nrefused = \"2/min\"\n").unwrap());
        assert!(get(&gateway, "/numbers/a", "").await.contains("200 OK"));
        // Two wrong credentials, and no third one is looked at; without one everything is as ever.
        for code in ["401 ", "401 ", "429 "] {
            let answer = get(&gateway, "/fresh/a", "Authorization: Bearer wrong\r\n").await;
            assert!(answer.contains(code), "{answer}");
        }
        assert!(get(&gateway, "/fresh/a", "").await.contains("200 OK"));
        // The pages by which the process is operated are not limited.
        gateway.apply(Settings::read("[rates]\naddress = \"1/hour\"\n").unwrap());
        assert!(get(&gateway, "/fresh/a", "").await.contains("200 OK"));
        assert!(get(&gateway, "/fresh/a", "").await.contains("too many requests from this address"));
        assert!(get(&gateway, "/health", "").await.contains("200 OK"));
    });
}

#[test]
fn every_answer_tells_browsers_to_be_careful() {
    run(async {
        let settings =
            "[cors]\norigins = [\"https://app.example\"]\n[headers]\nreferrer_policy = \"same-origin\"\n";
        let Counting { gateway, service: _service, .. } = counting(settings).await;
        let broken = exchange(&gateway, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
        let mut answers = vec![broken];
        for path in
            ["/numbers/a", "/numbers/none", "/nowhere", "/health", "/metrics", "/openapi.json", "/stats"]
        {
            answers.push(get(&gateway, path, "Origin: https://app.example\r\n").await);
        }
        for answer in &answers {
            assert_eq!(header(answer, "X-Content-Type-Options"), Some("nosniff"), "{answer}");
            assert_eq!(header(answer, "Referrer-Policy"), Some("same-origin"), "{answer}");
            let policy = header(answer, "Content-Security-Policy").unwrap_or_default();
            assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
            assert!(header(answer, "Cache-Control").is_some() && header(answer, "Set-Cookie").is_none());
        }
        for answer in &answers[1..] {
            assert_eq!(
                header(answer, "Access-Control-Allow-Origin"),
                Some("https://app.example"),
                "{answer}"
            );
            assert_eq!(header(answer, "Vary"), Some("Origin"));
        }
        let preflight = "OPTIONS /numbers/a HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\
                         Access-Control-Request-Method: PUT\r\n\r\n";
        let answer = exchange(&gateway, preflight).await;
        assert!(
            answer.starts_with("HTTP/1.1 204 ") && answer.contains("Access-Control-Allow-Methods: "),
            "{answer}"
        );
        assert_eq!(answer.matches("Access-Control-Allow-Origin").count(), 1);
        // A page that isn't named can't have anything written, though it is anybody's right.
        assert!(post(&gateway, "Origin: https://evil.example\r\n").await.contains("CROSS_ORIGIN_REFUSED"));
        assert!(post(&gateway, "Origin: https://app.example\r\n").await.contains("200 OK"));
        assert!(post(&gateway, "If-Match: \"x\"\r\n").await.contains("412 "));
    });
}

#[test]
fn who_has_it_already_is_not_sent_it_again() {
    run(async {
        let Counting { gateway, service: _service, .. } = counting("").await;
        let first = get(&gateway, "/numbers/a", "").await;
        let tag = header(&first, "ETag").expect("a tag").to_owned();
        let again = get(&gateway, "/numbers/a", &format!("If-None-Match: {tag}\r\n")).await;
        assert!(again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"), "{again}");
        assert_eq!((header(&again, "ETag"), header(&again, "Content-Length")), (Some(&*tag), None));
        let head = format!("HEAD /numbers/a HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n");
        assert!(exchange(&gateway, &head).await.starts_with("HTTP/1.1 304 "));
        assert!(post(&gateway, "").await.contains("200 OK"));
        assert!(get(&gateway, "/numbers/a", &format!("If-None-Match: {tag}\r\n")).await.contains("200 OK"));
    });
}
