//! The pages by which a process is operated, on every port that speaks HTTP: how it is doing, and what it has counted. They are no
//! part of a service's schema, and go before its routes.

use std::sync::LazyLock;

use bytes::BytesMut;
use micronet_wire::http1::{Method, RequestHead, Status};
use micronet_wire::json::{put_decimal, put_string};
use micronet_wire::rest::{Answer, other_methods};
use micronet_wire::transcode::put_timestamp;

use crate::checks::Found;
use crate::clock;
use crate::identity::Identity;
use crate::metrics;

/// The parts that services may have. One that isn't configured says so.
const PARTS: [&str; 4] = ["database", "redis", "message_queue", "external_apis"];

/// The version of what is deployed: that of the program, unless the environment says another one.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let said = std::env::var("APP_VERSION").ok().filter(|version| !version.trim().is_empty());
    said.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned())
});

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// Whether its parts are well.
    Health,
    /// Whether it wants requests.
    Ready,
    /// Whether it runs at all.
    Alive,
    /// What it has counted.
    Metrics,
}

impl Page {
    /// The page at a path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path {
            "/health" => Some(Self::Health),
            "/ready" => Some(Self::Ready),
            "/alive" => Some(Self::Alive),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }

    /// The page as a process shows it that is draining, or isn't.
    pub(crate) async fn show(self, head: &RequestHead, identity: &Identity, draining: bool) -> Answer {
        if !matches!(head.method(), Method::Get | Method::Head) {
            return *other_methods(head.method(), &["GET"]);
        }
        self.look(identity, draining).await
    }

    /// What the page shows, whoever asks for it and how.
    pub(crate) async fn look(self, identity: &Identity, draining: bool) -> Answer {
        match self {
            Self::Health => health(identity).await,
            Self::Ready => ready(identity, draining).await,
            Self::Alive => status(Status::OK, identity, "alive", |_| {}),
            Self::Metrics => {
                let network = &identity.network;
                Answer::body_of(Status::OK, metrics::CONTENT_TYPE, &network.metrics().page(network))
            }
        }
    }
}

async fn health(identity: &Identity) -> Answer {
    let found = identity.network.checks().look().await;
    let (code, word) = match found.iter().all(|each| each.wrong.is_none()) {
        true => (Status::OK, "healthy"),
        false => (Status::SERVICE_UNAVAILABLE, "unhealthy"),
    };
    status(code, identity, word, |out| put_checks(out, &found))
}

async fn ready(identity: &Identity, draining: bool) -> Answer {
    let found = identity.network.checks().look().await;
    let mut reasons: Vec<String> = Vec::new();
    if draining {
        reasons.push("it is draining".into());
    }
    let wrong = found.iter().filter_map(|each| Some(format!("{}: {}", each.part, each.wrong.as_ref()?)));
    reasons.extend(wrong);
    match reasons.is_empty() {
        true => status(Status::OK, identity, "ready", |_| {}),
        false => status(Status::SERVICE_UNAVAILABLE, identity, "not_ready", |out| {
            out.extend_from_slice(b",\"reason\":");
            put_string(out, &reasons.join("; "));
        }),
    }
}

/// A page that says in one word how things are, and what else there is to say.
fn status(code: Status, identity: &Identity, word: &str, more: impl FnOnce(&mut BytesMut)) -> Answer {
    let mut out = BytesMut::new();
    let fields = [
        ("{\"status\":", word),
        (",\"version\":", VERSION.as_str()),
        (",\"service\":", &identity.node),
        (",\"instance\":", &identity.instance),
    ];
    for (name, value) in fields {
        out.extend_from_slice(name.as_bytes());
        put_string(&mut out, value);
    }
    out.extend_from_slice(b",\"timestamp\":");
    put_timestamp(&mut out, clock::unix_us());
    more(&mut out);
    out.extend_from_slice(b"}\n");
    Answer::body_of(code, "application/json", &out)
}

fn put_checks(out: &mut BytesMut, found: &[Found]) {
    let is_found = |part: &str| found.iter().any(|each| each.part == part);
    let missing = PARTS.into_iter().filter(|part| !is_found(part)).map(|part| (part, None));
    let parts = found.iter().map(|each| (each.part, Some(each))).chain(missing);
    let mut between = &b",\"checks\":{"[..];
    for (part, found) in parts {
        out.extend_from_slice(between);
        between = b",";
        put_string(out, part);
        out.extend_from_slice(b":{\"status\":");
        match found {
            None => put_string(out, "not configured"),
            Some(Found { wrong, took_us, .. }) => {
                put_string(out, if wrong.is_none() { "healthy" } else { "unhealthy" });
                if let Some(wrong) = wrong {
                    out.extend_from_slice(b",\"reason\":");
                    put_string(out, wrong);
                }
                out.extend_from_slice(b",\"latency_ms\":");
                put_decimal(out, i64::try_from(*took_us).unwrap_or(i64::MAX), 3);
            }
        }
        out.extend_from_slice(b"}");
    }
    out.extend_from_slice(b"}");
}

#[cfg(test)]
mod tests {
    use micronet_wire::http1::ServerConnection;

    use super::*;

    /// The answer to a request: its status and its body.
    async fn ask(identity: &Identity, request: &str, draining: bool) -> (u16, String) {
        let mut input = BytesMut::from(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n").as_str());
        let head = ServerConnection::new().poll_head(&mut input).unwrap().unwrap();
        let answer = Page::at(head.path()).unwrap().show(&head, identity, draining).await;
        (answer.status.code(), String::from_utf8_lossy(answer.body()).into_owned())
    }

    #[test]
    fn a_process_says_how_it_is() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
        runtime.unwrap().block_on(async {
            let identity =
                Identity { node: "order".into(), instance: "order-1".into(), ..Identity::default() };
            let check = async |request: &str, draining: bool, status: u16, words: &[&str]| {
                let (code, body) = ask(&identity, request, draining).await;
                assert_eq!(code, status, "{request}: {body}");
                for word in words {
                    assert!(body.contains(word), "{request}: {word} is missing in {body}");
                }
            };
            let none =
                ["\"status\":\"healthy\"", "\"database\":{\"status\":\"not configured\"}", "\"order-1\""];
            check("GET /health", false, 200, &none).await;
            check("GET /ready", false, 200, &["\"status\":\"ready\""]).await;
            check("GET /alive", true, 200, &["\"status\":\"alive\"", "\"timestamp\":\"", "\"version\":\""])
                .await;
            check("GET /metrics", false, 200, &["# TYPE micronet_build_info gauge"]).await;
            check("POST /metrics", false, 405, &["GET, HEAD, OPTIONS"]).await;
            check("GET /ready", true, 503, &["\"status\":\"not_ready\"", "draining"]).await;
            identity.network.checks().add("database", || async { Ok(()) });
            check("GET /health", true, 200, &["\"database\":{\"status\":\"healthy\",\"latency_ms\":"]).await;
            identity.network.checks().add("database", || async { Err("it is away".into()) });
            let wrong =
                ["\"status\":\"unhealthy\"", "\"reason\":\"it is away\"", "\"redis\":{\"status\":\"not c"];
            check("GET /health", false, 503, &wrong).await;
            check("GET /ready", false, 503, &["\"reason\":\"database: it is away\""]).await;
            check("GET /alive", false, 200, &[]).await;
        });
    }
}
