//! `micronet instances`: the instances that a process calls, as it sees them.

use std::process::ExitCode;
use std::time::Duration;

use bytes::BytesMut;
use micronet_transport::clock;
use micronet_wire::encoding;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::network::{
    CalledInstance, Instances, InstancesOf, OperationClient, OperationMethods, operation_schema,
};
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::CallOptions;
use micronet_wire::transcode::{put_timestamp, to_json};

use crate::call::{Reached, deadline_ns, failure, reach};
use crate::config::InstancesConfig;
use crate::error::CommandError;
use crate::server_process;
use crate::table::{Align, Table};
use crate::terminal::{self, Style};

/// From one look to the next, in milliseconds.
const WATCH_MS: u64 = 1_000;

/// Asks, and shows the answer; again and again, if that is wanted.
pub(crate) fn run(config: &InstancesConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(show(config))
}

async fn show(config: &InstancesConfig) -> Result<ExitCode, CommandError> {
    let Reached { address, client, .. } = reach(&config.callee).await?;
    let operation = OperationClient::new(client);
    let of = InstancesOf { service: config.service.clone(), history: config.history };
    let style = Style::for_stdout();
    let mut shown = false;
    loop {
        let options = CallOptions { deadline_ns: deadline_ns(&config.callee), ..CallOptions::default() };
        let seen =
            operation.instances(&of, options).await.map_err(|error| refused(config, address, &error))?;
        if let Some(service) = config.service.as_ref().filter(|_| seen.services.is_empty()) {
            return Err(CommandError::usage(format!("{} calls no service {service:?}", seen.seen_by))
                .next("without a name, all that it calls are shown"));
        }
        let text = if config.json {
            json(OperationMethods::INSTANCES, &seen)?
        } else {
            text(&seen, clock::unix_us(), style)
        };
        if shown && !config.json {
            // A terminal shows it in the same place, a pipe below.
            terminal::say(if style.colours() { "\x1b[H\x1b[2J" } else { "" });
        }
        shown = true;
        terminal::say(&text);
        if !config.watch {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(Duration::from_millis(WATCH_MS)).await;
    }
}

fn refused(config: &InstancesConfig, address: std::net::SocketAddr, error: &RpcError) -> CommandError {
    let failure = failure(&config.callee, address, error);
    match error.code {
        Code::Unauthenticated | Code::InsufficientPermissions => {
            failure.next("the operator's token is found by --data, and not used with --anonymous")
        }
        _ => failure,
    }
}

/// What a method of the service `network` has answered.
pub(crate) fn json(method: u32, answer: &impl Message) -> Result<String, CommandError> {
    let unshown = |error: String| CommandError::new(format!("the answer can't be shown: {error}"));
    let schema = operation_schema();
    let method = schema.method(method).ok_or_else(|| unshown("no such method".into()))?;
    let encoded = encoding::encode(answer).map_err(|error| unshown(error.to_string()))?;
    let mut json = BytesMut::new();
    to_json(&schema, method.reply, &encoded, &mut json).map_err(|error| unshown(error.to_string()))?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// The instances as a table, what there is to say of their services below it, and their histories where there are any.
fn text(seen: &Instances, now_us: i64, style: Style) -> String {
    let mut table = Table::new(&[
        ("SERVICE", Align::Left),
        ("INSTANCE", Align::Left),
        ("ADDRESS", Align::Left),
        ("STATE", Align::Left),
        ("SINCE", Align::Right),
        ("CONNECTIONS", Align::Right),
        ("IN FLIGHT", Align::Right),
        ("CALLS", Align::Right),
        ("FAILED", Align::Right),
        ("MEAN", Align::Right),
        ("WHY", Align::Left),
    ]);
    for called in &seen.services {
        for each in &called.instances {
            table.row(vec![
                called.service.clone(),
                each.instance.clone(),
                each.address.clone(),
                state(each),
                span(now_us.saturating_sub(each.since.0)),
                each.connections.to_string(),
                each.in_flight.to_string(),
                each.calls.to_string(),
                each.failures.to_string(),
                if each.calls == 0 { "-".into() } else { milliseconds(each.mean_us) },
                each.reason.clone(),
            ]);
        }
    }
    let mut parts = vec![table.draw(style)];
    let notes = seen.services.iter().map(|called| {
        let panic = if called.panic { "; so few are healthy that all are tried" } else { "" };
        let known = |trouble: &String| format!("\n  {trouble}; what was found before still counts");
        let troubles: String = called.troubles.iter().map(known).collect();
        format!("{}: {}{panic}{troubles}", called.service, called.balancing)
    });
    parts.push(notes.collect::<Vec<_>>().join("\n"));
    let mut history = Table::new(&[
        ("AT", Align::Left),
        ("INSTANCE", Align::Left),
        ("STATE", Align::Left),
        ("WHY", Align::Left),
    ]);
    let instances = || seen.services.iter().flat_map(|called| &called.instances);
    for (each, change) in instances().flat_map(|each| each.history.iter().map(move |change| (each, change))) {
        let word = format!("{:?}", change.state).to_lowercase();
        history.row(vec![timestamp(change.at), each.instance.clone(), word, change.reason.clone()]);
    }
    if instances().any(|each| !each.history.is_empty()) {
        parts.push(history.draw(style));
    }
    parts.join("\n\n")
}

fn state(each: &CalledInstance) -> String {
    let word = format!("{:?}", each.state).to_lowercase();
    if each.share_permille < 1_000 { format!("{word} ({} %)", each.share_permille / 10) } else { word }
}

/// A span of microseconds for people: two units at most.
fn span(us: i64) -> String {
    let s = us.max(0) / 1_000_000;
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

fn milliseconds(us: u64) -> String {
    format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10)
}

pub(crate) fn timestamp(at: Timestamp) -> String {
    let mut text = BytesMut::new();
    put_timestamp(&mut text, at.0);
    String::from_utf8_lossy(&text).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use micronet_wire::network::{CalledService, InstanceState, StateChange};

    use super::*;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn instance() -> CalledInstance {
        CalledInstance {
            instance: "product-1".into(),
            address: "127.0.0.1:8002".into(),
            source: "static".into(),
            state: InstanceState::Up,
            since: Timestamp(NOW_US - 192_000_000),
            reason: "connected".into(),
            weight: 100,
            connections: 2,
            in_flight: 1,
            calls: 7,
            failures: 1,
            mean_us: 1_234,
            share_permille: 550,
            history: Vec::new(),
        }
    }

    fn seen(history: Vec<StateChange>) -> Instances {
        let called = CalledService {
            service: "product".into(),
            balancing: "round_robin: each in turn".into(),
            troubles: vec!["dns: the server is away".into()],
            instances: vec![CalledInstance { history, ..instance() }],
            ..CalledService::default()
        };
        Instances { seen_by: "gateway-1".into(), revision: 0, services: vec![called] }
    }

    #[test]
    fn instances_are_rows() {
        let wanted = "\
SERVICE  INSTANCE   ADDRESS         STATE          SINCE  CONNECTIONS  IN FLIGHT  CALLS  FAILED     MEAN  WHY
product  product-1  127.0.0.1:8002  up (55 %)  3 min 12 s            2          1      7       1  1.23 ms  connected

product: round_robin: each in turn
  dns: the server is away; what was found before still counts";
        let shown = text(&seen(Vec::new()), NOW_US, Style::PLAIN);
        assert_eq!(
            shown.split_whitespace().collect::<Vec<_>>(),
            wanted.split_whitespace().collect::<Vec<_>>()
        );
        let change = StateChange {
            at: Timestamp(0),
            state: InstanceState::Down,
            reason: "nobody listens there".into(),
        };
        let shown = text(&seen(vec![change]), NOW_US, Style::PLAIN);
        assert!(shown.ends_with("product-1  down   nobody listens there"), "{shown}");
        assert!(shown.contains("1970-01-01T00:00:00"), "{shown}");
    }

    #[test]
    fn programs_read_json() {
        let text = json(OperationMethods::INSTANCES, &seen(Vec::new())).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["services"][0]["instances"][0]["state"], "Up");
    }

    #[test]
    fn spans_have_two_units() {
        for (s, wanted) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(s * 1_000_000), wanted);
        }
    }
}
