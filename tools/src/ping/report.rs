//! What a ping prints: lines for people, or objects for programs.

use std::fmt::Write as _;
use std::net::SocketAddr;

use micronet_transport::diagnosis::{Fresh, Observations, Verdict};
use micronet_wire::frame::Pong;
use micronet_wire::hello::Hello;
use serde_json::{Map, Value, json};

use super::Heartbeat;
use super::tally::Tally;
use crate::terminal::{self, Style};

/// Where the lines go, and what stands at their start.
#[derive(Debug)]
pub(super) struct Report {
    name: String,
    address: SocketAddr,
    json: bool,
    style: Style,
}

impl Report {
    /// A report of an instance.
    pub(super) fn new(name: &str, address: SocketAddr, json: bool) -> Self {
        Self { name: name.to_owned(), address, json, style: Style::for_stdout() }
    }

    /// A connection was made, and the peer says who it is.
    pub(super) fn connected(&self, peer: &Hello) {
        let Hello { instance, node, cluster, software, .. } = peer;
        if self.json {
            let peer =
                json!({ "instance": instance, "node": node, "cluster": cluster, "software": software });
            return say(&json!({ "connected": { "address": self.address.to_string(), "peer": peer } }));
        }
        let who = if instance.is_empty() { "an instance without a name" } else { instance };
        let line = format!("PING {} at {}: {who} of {cluster}, {software}", self.name, self.address);
        terminal::say(&self.style.bold(line));
    }

    /// A heartbeat was answered, in time or late, or was not in time.
    pub(super) fn heartbeat(&self, beat: &Heartbeat<'_>) {
        if self.json {
            return say(&beat_in_json(beat));
        }
        terminal::say(&line(&self.name, beat, self.style));
    }

    /// All that was counted.
    pub(super) fn summary(&self, tally: &Tally) {
        if self.json {
            return say(&summary_in_json(tally));
        }
        terminal::say(&summary(&self.name, tally, self.style));
    }
}

fn say(value: &Value) {
    terminal::say(&value.to_string());
}

fn line(name: &str, beat: &Heartbeat<'_>, style: Style) -> String {
    let Heartbeat { sequence, seen, diagnosis } = beat;
    let mut line = format!("{name}: seq={sequence} ");
    let late = seen.round_trip_us.is_some_and(|took| took > seen.patience_us);
    let _ = match seen.round_trip_us {
        Some(took) if late => write!(line, "time={} (late)", ms(took)),
        Some(took) => write!(line, "time={}", ms(took)),
        None if seen.ended.is_some() => write!(line, "no answer"),
        None => write!(line, "no answer in {}", ms(seen.patience_us)),
    };
    let _ = write!(line, "  {}", coloured(diagnosis.verdict, style));
    if !diagnosis.reasons.is_empty() {
        let _ = write!(line, ": {}", diagnosis.reasons.join("; "));
    }
    if seen.round_trip_us.is_some()
        && let Some(pong) = seen.pong
    {
        let _ = write!(line, "  {}", style.dim(of_itself(&pong, seen)));
    }
    line
}

/// What the instance says of itself.
fn of_itself(pong: &Pong, seen: &Observations) -> String {
    format!(
        "queue={} lag={} calls={} load={}.{}% {} received {} of {} bytes",
        ms(u64::from(pong.queue_delay_us)),
        ms(u64::from(pong.scheduler_lag_us)),
        pong.instance_calls_in_flight,
        pong.load_permille / 10,
        pong.load_permille % 10,
        pong.health.name().to_lowercase(),
        pong.bytes_received,
        seen.bytes_sent + seen.backlog_bytes,
    )
}

fn coloured(verdict: Verdict, style: Style) -> String {
    match verdict {
        Verdict::Fine => style.green(verdict),
        _ => style.red(verdict),
    }
}

fn summary(name: &str, tally: &Tally, style: Style) -> String {
    let mut text = format!(
        "\n--- {name} ---\n{} heartbeats, {} answered ({} late), {:.1}% lost",
        tally.all(),
        tally.answers(),
        tally.late(),
        tally.lost_percent()
    );
    let times = tally.round_trips();
    if !times.is_empty() {
        let names: Vec<_> = times.iter().map(|(name, _)| *name).collect();
        let values: Vec<_> = times.iter().map(|(_, us)| format!("{:.3}", us / 1_000.0)).collect();
        let _ = write!(text, "\nround trip {} = {} ms", names.join("/"), values.join("/"));
    }
    if let Some(last) = tally.last() {
        let counts: Vec<_> = tally.verdicts().map(|(verdict, count)| format!("{verdict} {count}")).collect();
        let _ = write!(text, "\nat last: {} ({})", coloured(last, style), counts.join(", "));
    }
    text
}

fn beat_in_json(beat: &Heartbeat<'_>) -> Value {
    let Heartbeat { sequence, seen, diagnosis } = beat;
    let pong = seen.pong.filter(|_| seen.round_trip_us.is_some());
    json!({
        "sequence": sequence,
        "answered": seen.round_trip_us.is_some(),
        "late": seen.round_trip_us.is_some_and(|took| took > seen.patience_us),
        "round_trip_us": seen.round_trip_us,
        "verdict": diagnosis.verdict.name(),
        "reasons": diagnosis.reasons,
        "pong": pong.map(|pong| json!({
            "bytes_received": pong.bytes_received,
            "calls_in_flight": pong.calls_in_flight,
            "instance_calls_in_flight": pong.instance_calls_in_flight,
            "queue_delay_us": pong.queue_delay_us,
            "scheduler_lag_us": pong.scheduler_lag_us,
            "health": pong.health.name(),
            "load_permille": pong.load_permille,
        })),
        "bytes_sent": seen.bytes_sent,
        "backlog_bytes": seen.backlog_bytes,
        "unacknowledged_bytes": seen.unacknowledged.map(|queue| queue.bytes),
        "retransmits": seen.unacknowledged.map(|queue| queue.retransmits),
        "new_connection": seen.fresh.map(Fresh::name),
        "ended": seen.ended,
    })
}

fn summary_in_json(tally: &Tally) -> Value {
    let times: Map<String, Value> =
        tally.round_trips().into_iter().map(|(name, us)| (name.to_owned(), json!(us))).collect();
    let verdicts: Map<String, Value> =
        tally.verdicts().map(|(verdict, count)| (verdict.name().to_owned(), json!(count))).collect();
    json!({ "summary": {
        "sent": tally.all(),
        "answered": tally.answers(),
        "late": tally.late(),
        "lost": tally.lost(),
        "lost_percent": tally.lost_percent(),
        "round_trip_us": times,
        "verdict": tally.last().map(Verdict::name),
        "verdicts": verdicts,
    }})
}

fn ms(us: u64) -> String {
    format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use micronet_transport::diagnosis::diagnose;

    use super::*;

    fn check(seen: &Observations, wanted: &str) {
        let diagnosis = diagnose(seen);
        let beat = Heartbeat { sequence: 7, seen, diagnosis: &diagnosis };
        assert_eq!(line("product-1", &beat, Style::PLAIN), wanted);
    }

    #[test]
    fn a_heartbeat_is_a_line() {
        let pong = Pong {
            bytes_received: 300,
            instance_calls_in_flight: 12,
            queue_delay_us: 1_234,
            scheduler_lag_us: 99,
            load_permille: 125,
            ..Pong::default()
        };
        let mut seen = Observations {
            patience_us: 1_000_000,
            round_trip_us: Some(412),
            pong: Some(pong),
            bytes_sent: 332,
            ..Observations::default()
        };
        let itself = "queue=1.23 ms lag=0.09 ms calls=12 load=12.5% serving received 300 of 332 bytes";
        check(&seen, &format!("product-1: seq=7 time=0.41 ms  fine  {itself}"));
        seen.round_trip_us = Some(1_500_000);
        check(
            &seen,
            &format!(
                "product-1: seq=7 time=1500.00 ms (late)  congested link: the answer took 1500.0 ms, more than \
                 1000.0 ms; the peer's process was at most 0.0 ms late itself; 32 bytes of ours were not received by \
                 the last answer  {itself}"
            ),
        );
        (seen.round_trip_us, seen.fresh) = (None, Some(Fresh::Refused));
        check(
            &seen,
            "product-1: seq=7 no answer in 1000.00 ms  gone process: nobody listens there: a new connection is refused",
        );
    }
}
