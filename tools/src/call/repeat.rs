//! `micronet call --repeat`: one call after another, and how long they took.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use micronet_transport::client::Client;
use micronet_wire::error::Code;
use micronet_wire::schema::{CallShape, Method, ServiceSchema};
use micronet_wire::service::Caller;
use serde_json::json;

use super::failed::exit_code;
use super::options;
use crate::config::{CallConfig, Repeat};
use crate::error::CommandError;
use crate::terminal;

/// Makes the call again and again. Its answers are not shown, but how long they took; it fails when a call failed.
pub(super) async fn repeat(
    config: &CallConfig,
    client: &Client,
    schema: &ServiceSchema,
    method: &Method,
    request: &Bytes,
    repeat: Repeat,
) -> Result<ExitCode, CommandError> {
    let called = format!("{}.{}", schema.name, method.name);
    if method.shape != CallShape::Unary {
        return Err(CommandError::usage(format!(
            "{called} isn't one request and one reply: it can't be repeated"
        )));
    }
    let mut tally = Tally::default();
    let calling = async {
        for number in 0..repeat.times {
            if number > 0 && !repeat.interval.is_zero() {
                tokio::time::sleep(repeat.interval).await;
            }
            let begun = Instant::now();
            match client.call(method.id, request.clone(), options(config)).await {
                Ok(_) => tally.took.push(begun.elapsed()),
                Err(error) => {
                    *tally.failed.entry(error.code).or_insert(0_u64) += 1;
                    // Nobody is there any more to be asked again.
                    if client.ended().is_some() {
                        break;
                    }
                }
            }
        }
    };
    tokio::select! {
        () = calling => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tally.took.sort_unstable();
    terminal::say(&if config.json { tally.json(&called) } else { tally.words(&called) });
    Ok(tally.failed.keys().next().map_or(ExitCode::SUCCESS, |code| ExitCode::from(exit_code(*code))))
}

/// What the calls came to.
#[derive(Debug, Default)]
struct Tally {
    /// How long those took that were answered, the quickest first.
    took: Vec<Duration>,
    failed: BTreeMap<Code, u64>,
}

impl Tally {
    /// The time within which this share of the answers came, in microseconds (nearest rank).
    fn within_us(&self, permille: usize) -> u128 {
        let rank = (self.took.len() * permille).div_ceil(1_000).max(1);
        self.took.get(rank - 1).map_or(0, Duration::as_micros)
    }

    fn calls(&self) -> u64 {
        self.took.len() as u64 + self.failed.values().sum::<u64>()
    }

    fn words(&self, called: &str) -> String {
        let mut lines = vec![format!("{called}: {} calls, {} answered", self.calls(), self.took.len())];
        if !self.took.is_empty() {
            let [min, median, p99, max] = [0, 500, 990, 1_000].map(|permille| ms(self.within_us(permille)));
            lines.push(format!("min {min}  median {median}  p99 {p99}  max {max}"));
        }
        lines.extend(self.failed.iter().map(|(code, count)| format!("{count} failed: {code}")));
        lines.join("\n")
    }

    fn json(&self, called: &str) -> String {
        let failed: serde_json::Map<_, _> =
            self.failed.iter().map(|(code, count)| (code.name().to_owned(), (*count).into())).collect();
        let mut summary =
            json!({"method": called, "calls": self.calls(), "answered": self.took.len(), "failed": failed});
        if !self.took.is_empty() {
            for (name, permille) in [("min_us", 0), ("median_us", 500), ("p99_us", 990), ("max_us", 1_000)] {
                summary[name] = u64::try_from(self.within_us(permille)).unwrap_or(u64::MAX).into();
            }
        }
        summary.to_string()
    }
}

fn ms(us: u128) -> String {
    format!("{}.{:03} ms", us / 1_000, us % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed_up_by_rank() {
        let took = (1..=200).map(Duration::from_micros).collect();
        let tally = Tally { took, failed: [(Code::Overloaded, 2)].into() };
        assert_eq!([0, 500, 990, 1_000].map(|permille| tally.within_us(permille)), [1, 100, 198, 200]);
        let words = tally.words("a.b");
        assert!(
            words.contains("202 calls, 200 answered") && words.contains("2 failed: OVERLOADED"),
            "{words}"
        );
        let json: serde_json::Value = serde_json::from_str(&tally.json("a.b")).unwrap();
        assert_eq!((&json["median_us"], &json["failed"]["OVERLOADED"]), (&100.into(), &2.into()));
        assert_eq!(Tally::default().words("a.b"), "a.b: 0 calls, 0 answered");
    }
}
