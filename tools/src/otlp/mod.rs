//! Spans to a collector of OpenTelemetry (OTLP over HTTP, in Protocol Buffers), made of what the process records anyway.
//!
//! It follows the records as anybody may, and is never in the way of requests: what comes faster than the collector takes it, and what
//! it doesn't take after some attempts, is lost and counted.

mod protobuf;
mod settings;
mod spans;

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::backoff::Backoff;
use micronet_transport::drain::{self, Drain, DrainTrigger};
use micronet_transport::identity::{Identity, random_bytes};
use micronet_transport::records::{Followed, Following};
use micronet_transport::tasks;
use micronet_wire::network::{Record, RecordFilter};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::settings::OtlpConfig;
use self::spans::Resource;
use crate::error::CommandError;
use crate::load::engine::Channel;
use crate::load::http::{HttpChannel, HttpRequest};

/// How often one batch is sent at most.
const ATTEMPTS_MAX: usize = 5;
/// How long a process that ends waits for the collector, in milliseconds.
const LAST_MS_MAX: u64 = 1_000;

/// What was counted of spans.
#[derive(Debug, Default)]
struct Counts {
    sent: Cell<u64>,
    lost: Cell<u64>,
}

/// What sends the spans of this process.
#[derive(Debug, Default)]
#[must_use = "the last spans are sent when it finishes"]
pub(crate) struct Spans(Option<(DrainTrigger, JoinHandle<()>)>);

impl Spans {
    /// Sends what is left, if the collector takes it at once.
    pub(crate) async fn finish(self) {
        let Some((trigger, exporter)) = self.0 else { return };
        trigger.drain();
        let _ = timeout(Duration::from_millis(LAST_MS_MAX), exporter).await;
    }
}

/// Sends the spans of this process from now on, if the environment says where to. Within a runtime only.
pub(crate) fn begin(identity: &Identity) -> Result<Spans, CommandError> {
    let config = OtlpConfig::of(&|name| std::env::var(name).ok())?;
    Ok(config.map_or_else(Spans::default, |config| start(config, identity)))
}

fn start(config: OtlpConfig, identity: &Identity) -> Spans {
    let network = &identity.network;
    let Some(following) = network.records().follow(RecordFilter::default()) else { return Spans::default() };
    let counts = Rc::new(Counts::default());
    for (outcome, count) in [("sent", true), ("lost", false)] {
        let counts = Rc::clone(&counts);
        let help = "Spans that a collector has taken, or that were lost on the way to it.";
        network.metrics().tally("micronet_otlp_spans_total", help, ("outcome", outcome), move || {
            if count { counts.sent.get() } else { counts.lost.get() }
        });
    }
    let exporter = Exporter {
        resource: resource(&config, identity),
        channel: HttpChannel::unforgiving(config.server.clone(), config.patience),
        config,
        following,
        counts,
        followed_lost: 0,
    };
    tracing::info!(collector = %exporter.config.server, "sends its spans");
    let (trigger, drain) = drain::channel();
    Spans(Some((trigger, tasks::spawn("export of spans", exporter.run(drain)))))
}

fn resource(config: &OtlpConfig, identity: &Identity) -> Resource {
    let name = config.service_name.clone().unwrap_or_else(|| identity.node.clone());
    let own = [
        ("service.name", name),
        ("service.namespace", identity.cluster.clone()),
        ("service.instance.id", identity.instance.clone()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("telemetry.sdk.name", "micronet".to_owned()),
        ("telemetry.sdk.language", "rust".to_owned()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let is_own = |name: &str| own.iter().any(|(each, _)| each == name);
    let others: Vec<_> = config.attributes.iter().filter(|(name, _)| !is_own(name)).cloned().collect();
    Resource { attributes: own.into_iter().chain(others).collect() }
}

/// A record of which spans are made.
struct Kept(Rc<Record>);

impl AsRef<Record> for Kept {
    fn as_ref(&self) -> &Record {
        &self.0
    }
}

/// What carries spans to the collector.
struct Exporter {
    config: OtlpConfig,
    resource: Resource,
    channel: HttpChannel,
    following: Following,
    counts: Rc<Counts>,
    /// Records that were lost before they were taken here, as far as they are counted.
    followed_lost: u64,
}

impl Exporter {
    async fn run(mut self, mut drain: Drain) {
        loop {
            let mut batch = Vec::new();
            let gathering = self.gather(&mut batch);
            let is_over = tokio::select! {
                biased;
                () = gathering => false,
                () = drain.begun() => true,
            };
            if is_over {
                while let Some(followed) = self.following.try_next() {
                    take(&mut batch, followed);
                }
            }
            self.count_lost();
            if !batch.is_empty() {
                self.send(&batch, if is_over { 1 } else { ATTEMPTS_MAX }).await;
            }
            if is_over {
                return;
            }
        }
    }

    /// Waits for records, as many as are sent at once or as come in time. Dropping the future loses nothing.
    async fn gather(&mut self, batch: &mut Vec<Kept>) {
        take(batch, self.following.next().await);
        let due = Instant::now() + self.config.delay;
        while batch.len() < self.config.batch_max {
            match timeout_at(due, self.following.next()).await {
                Ok(followed) => take(batch, followed),
                Err(_) => return,
            }
        }
    }

    async fn send(&mut self, batch: &[Kept], attempts_max: usize) {
        let (body, count) = spans::request(&self.resource, batch);
        let mut headers = vec![(Cow::Borrowed("Content-Type"), "application/x-protobuf".to_owned())];
        headers.extend(
            self.config.headers.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())),
        );
        let request = HttpRequest { method: "POST", target: self.config.target.clone(), headers, body };
        let mut backoff = Backoff::default();
        for attempt in 1..=attempts_max {
            let why = match self.channel.exchange(&request).await {
                Ok(answer) if (200..300).contains(&answer.status) => {
                    self.counts.sent.set(self.counts.sent.get() + count);
                    return;
                }
                // What these statuses say may pass (OTLP specification, "Retryable Response Codes").
                Ok(answer) if matches!(answer.status, 429 | 502 | 503 | 504) => {
                    format!("status {}", answer.status)
                }
                Ok(answer) => {
                    tracing::warn!(status = answer.status, spans = count, "the collector refuses spans");
                    break;
                }
                Err(error) => format!("{}: {}", error.kind, error.detail),
            };
            tracing::debug!(why, attempt, "spans were not taken");
            if attempt == attempts_max {
                tracing::warn!(why, spans = count, "spans are lost: the collector doesn't take them");
                break;
            }
            sleep(Duration::from_millis(backoff.next_ms(u64::from_ne_bytes(random_bytes())))).await;
        }
        self.counts.lost.set(self.counts.lost.get() + count);
    }

    /// Counts what came faster than it was taken; a span each at least.
    fn count_lost(&mut self) {
        let lost = self.following.lost();
        self.counts.lost.set(self.counts.lost.get() + (lost - self.followed_lost));
        self.followed_lost = lost;
    }
}

/// Keeps a record whose trace is wanted by whoever began it.
fn take(batch: &mut Vec<Kept>, Followed { record, .. }: Followed) {
    if record.sampled {
        batch.push(Kept(record));
    }
}
