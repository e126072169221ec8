//! `bench http` beside wrk, against the same server in turns: both say the same of its throughput and its median. By `tests/run --long`, since
//! it takes a machine that does nothing else.

use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::process::run;
use micronet_tests::server::Server;

use super::{bench, figure, json_of};

/// Turns of both.
const TURNS: usize = 5;
/// How far apart they may be.
const APART_MAX: f64 = 0.1;

/// What one of them has seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    per_s: f64,
    p50_us: f64,
}

fn by_wrk(wrk: &str, url: &str) -> Seen {
    let mut command = Command::new(wrk);
    command.args(["-t1", "-c64", "-d3s", "--latency", url]);
    let said = run(command).check(0).stdout;
    let value =
        |name: &str| said.lines().find_map(|line| Some(line.trim().strip_prefix(name)?.trim().to_owned()));
    let per_s = value("Requests/sec:").and_then(|text| text.parse().ok());
    let p50_us = value("50%").and_then(|text| {
        let unit_at = text.find(|byte: char| byte.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at(unit_at);
        let scale = match unit {
            "us" => 1.0,
            "ms" => 1e3,
            "s" => 1e6,
            _ => return None,
        };
        number.parse::<f64>().ok().map(|number| number * scale)
    });
    per_s
        .zip(p50_us)
        .map(|(per_s, p50_us)| Seen { per_s, p50_us })
        .unwrap_or_else(|| panic!("wrk said: {said}"))
}

fn by_bench(folder: &Folder, url: &str) -> Seen {
    let flags = ["-c", "64", "--duration", "3s", "--warm-up", "300ms", "--repeat", "1", "--json"];
    let results = json_of(&bench(folder, &[&["http", url], &flags[..]].concat()).check(0));
    Seen { per_s: figure(&results, 0, "throughput", ""), p50_us: figure(&results, 0, "latency", "P50") / 1e3 }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[test]
fn it_agrees_with_wrk_where_one_is_named() {
    let Ok(wrk) = std::env::var("MICRONET_WRK") else { return };
    let folder = Folder::new();
    let server = Server::start(folder.path(), "bench-1", &["bench", "serve"]);
    let url = format!("http://{}/api/v1/bench/delay?us=0", server.address());
    // The turns of both that follow each other saw the same machine: of their ratios, the median counts.
    let turns: Vec<(Seen, Seen)> =
        (0..TURNS).map(|_| (by_wrk(&wrk, &url), by_bench(&folder, &url))).collect();
    let ratio = |of: fn(&Seen) -> f64| median(turns.iter().map(|(wrk, bench)| of(bench) / of(wrk)).collect());
    let (per_s, p50) = (ratio(|seen| seen.per_s), ratio(|seen| seen.p50_us));
    println!("bench to wrk: throughput {per_s:.3}, P50 {p50:.3}; {turns:#?}");
    let agrees = |ratio: f64| (ratio - 1.0).abs() <= APART_MAX;
    assert!(agrees(per_s) && agrees(p50), "throughput {per_s:.3}, P50 {p50:.3}: {turns:#?}");
}
