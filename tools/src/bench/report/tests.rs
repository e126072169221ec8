//! Results whose numbers are known by hand, and what is made of them.

use std::collections::BTreeMap;
use std::io::Cursor;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::comparison::Comparison;
use super::latencies::Latencies;
use super::model::{Cpu, Interval, Kind, LedgerMeans, Load, Repetition, Results, Role, Run, Settings};
use super::{hdr, html, json, plots, saved, text};
use crate::machine::Machine;
use crate::plot::figure;
use crate::terminal::Style;

/// 1, 2, …, `last` microseconds, each once, times `times`.
fn micros(last: u64, times: u64) -> Latencies {
    let mut latencies = Latencies::new();
    (1..=last).for_each(|us| latencies.record_ns(us * times * 1_000));
    latencies
}

/// A repetition of two seconds with 2,000 requests: half of them in each second, every one slower by `times`.
fn repetition(times: u64) -> Repetition {
    let interval = |from_s: f64| Interval {
        from_s,
        seconds: 1.0,
        requests: 1_000,
        errors: if from_s > 0.5 { 4 } else { 0 },
        latencies: micros(1_000, times),
    };
    let mut latencies = micros(1_000, times);
    latencies.add(&micros(1_000, times));
    let cpu = |process: &str, role, user_us| Cpu {
        process: process.into(),
        role,
        user_us: user_us * times,
        system_us: 1_000,
        voluntary_switches: 500,
        involuntary_switches: 2,
        rss_kib: Some(10_240),
    };
    Repetition {
        seconds: 2.0,
        requests: 2_000,
        errors: BTreeMap::from([("timeout".to_owned(), 4)]),
        bytes: None,
        latencies,
        corrected: false,
        uncorrected: None,
        intervals: vec![interval(0.0), interval(1.0)],
        cpu: vec![cpu("micronet", Role::Client, 3_000), cpu("bench-1", Role::Server, 5_000)],
        ledger: Some(LedgerMeans {
            replies: 2_000,
            receive_queue_us: 3.0,
            handler_us: 1.5,
            credit_wait_us: 0.0,
            write_queue_us: 2.0,
        }),
    }
}

fn run(target: &str, times: &[u64]) -> Run {
    Run {
        target: target.into(),
        kind: Kind::Rpc,
        settings: Settings {
            load: Load::Closed { in_flight: 64 },
            connections: 1,
            payload_bytes: Some(64),
            warm_up_s: 1.0,
            seconds: 2.0,
            other: BTreeMap::from([("driver".to_owned(), "tokio".to_owned())]),
        },
        started_unix_us: 1_700_000_000_000_000,
        machine: Machine::look(),
        repetitions: times.iter().map(|times| repetition(*times)).collect(),
    }
}

fn pair(first: &[u64], second: &[u64]) -> Results {
    Results::of(vec![run("one <b>", first), run("two", second)])
}

/// The cells of the row that begins so.
fn row<'t>(text: &'t str, begins: &[&str]) -> Vec<&'t str> {
    let cells = |line: &'t str| -> Vec<&'t str> {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
    };
    let rows: Vec<Vec<&str>> = text.lines().map(cells).collect();
    let found = rows.iter().find(|row| row.starts_with(begins));
    found.unwrap_or_else(|| panic!("no row {begins:?} in\n{text}")).clone()
}

#[test]
fn a_table_says_medians_and_ranges() {
    let text = text::text(&Results::of(vec![run("bench.echo", &[1, 3, 2])]), Style::PLAIN);
    let check = |wanted: &[&str], named: usize| assert_eq!(row(&text, &wanted[..named]), wanted);
    // 2,000 requests in 2 s, of which 4 failed.
    check(&["throughput", "998/s", "998/s to 998/s"], 1);
    // The half of 1…1,000 us is 500 us; in the other repetitions it is two and three times as much.
    check(&["latency", "P50", "1.00 ms", "500 us to 1.50 ms"], 2);
    check(&["P90", "1.80 ms", "900 us to 2.70 ms"], 1);
    check(&["P99", "1.98 ms", "990 us to 2.97 ms"], 1);
    check(&["max", "2.00 ms", "1.00 ms to 3.00 ms"], 1);
    check(&["errors", "4", "4 to 4"], 1);
    check(&["timeout", "4", "4 to 4"], 1);
    // (6,000 + 1,000 + 10,000 + 1,000) / 2,000 in the median repetition.
    check(&["CPU a request", "9.00 us", "5.00 us to 13.0 us"], 1);
    check(&["server: bench-1", "5.50 us", "3.00 us to 8.00 us"], 1);
    check(&["in the server", "until the handler starts", "3.00 us", "3.00 us to 3.00 us"], 2);
    // The mean of 1…1,000 us is 500.5 us, twice that is 1,001: less 6.5 us in the server.
    check(&["elsewhere: client, network, kernel", "995 us", "494 us to 1,495 us"], 1);
    for words in ["rpc bench.echo", "closed loop, 64 in flight on 1 connection, 64 B, driver tokio; 3 x 2 s"]
    {
        assert!(text.contains(words), "{text}");
    }
    assert!(text.contains(&format!("\non {}", Machine::look())), "{text}");
    assert!(text.ends_with("build with --release to measure.") || !cfg!(debug_assertions), "{text}");
}

#[test]
fn colours_are_for_terminals_alone() {
    let results = pair(&[1, 1], &[3, 3]);
    assert!(!text::text(&results, Style::PLAIN).contains('\x1b'));
}

#[test]
fn two_that_took_turns_have_ratios_and_ranges() {
    let text = text::text(&pair(&[1, 1, 1], &[2, 4, 3]), Style::PLAIN);
    assert_eq!(
        row(&text, &["latency", "P50"]),
        ["latency", "P50", "500 us", "1.50 ms", "3.00", "[2.00 to 4.00]"]
    );
    assert_eq!(row(&text, &["throughput"])[..4], ["throughput", "998/s", "998/s", "1.00"]);
    // Numbers that are the same overlap, and nobody should read a difference in them.
    assert!(row(&text, &["throughput"]).contains(&"ranges overlap: may be chance"), "{text}");
    let text = text::text(&pair(&[1, 4], &[2, 5]), Style::PLAIN);
    let p50 = row(&text, &["latency", "P50"]);
    assert_eq!(p50[4..], ["1.62", "[1.25 to 2.00]", "ranges overlap: may be chance"]);
    let text = text::text(&pair(&[1], &[2]), Style::PLAIN);
    assert_eq!(row(&text, &["latency", "P50"])[4..], ["2.00", "measured once: may be chance"]);
}

#[test]
fn a_process_is_the_same_one_with_another_id() {
    let named = |names: [&str; 2]| {
        let mut run = run("a", &[1]);
        for (cpu, name) in run.repetitions[0].cpu.iter_mut().zip(names) {
            (cpu.process, cpu.role) = (name.into(), Role::Server);
        }
        run
    };
    let (first, second) = (named(["one (pid 1)", "two (pid 2)"]), named(["two (pid 4)", "one (pid 3)"]));
    let text = text::text(&Results::of(vec![first, second]), Style::PLAIN);
    assert_eq!(row(&text, &["server: one"])[1..4], ["2.00 us", "3.00 us", "1.50"]);
    // But two of one name are two.
    let text = text::text(&Results::of(vec![named(["one (pid 1)", "one (pid 2)"])]), Style::PLAIN);
    assert_eq!(row(&text, &["server: one (pid 2)"])[1], "3.00 us");
}

#[test]
fn an_open_loop_that_fell_behind_says_so() {
    let mut slow = run("slow", &[1]);
    slow.settings.load = Load::Open { rate_per_s: 1_500.0 };
    let said = text::text(&Results::of(vec![slow.clone()]), Style::PLAIN);
    assert!(said.contains("slow: 1000 of 1500 requests a second came to an end"), "{said}");
    slow.settings.load = Load::Open { rate_per_s: 1_000.0 };
    assert!(!text::text(&Results::of(vec![slow]), Style::PLAIN).contains("came to an end"));
}

#[test]
fn what_is_slower_beyond_threshold_and_ranges_is_worse() {
    let worse = |old: &[u64], new: &[u64], threshold| {
        !Comparison::over_time(&run("a", old), &run("a", new)).worse(threshold).is_empty()
    };
    assert!(worse(&[10, 10, 10], &[12, 12, 12], 0.1));
    assert!(!worse(&[10, 10, 10], &[12, 12, 12], 0.25), "within the threshold");
    assert!(!worse(&[10, 10, 12], &[12, 13, 12], 0.1), "the ranges touch");
    assert!(!worse(&[12, 12, 12], &[10, 10, 10], 0.1), "it is faster");
    assert!(!worse(&[10, 10, 10], &[10, 10, 10], 0.0));
    let mut failing = run("a", &[10, 10]);
    for each in &mut failing.repetitions {
        each.errors.insert("status 503".into(), 40);
    }
    let said = Comparison::over_time(&run("a", &[10, 10]), &failing).worse(0.1);
    assert_eq!(said, ["2.20 % of the requests failed, and 0.20 % did before"]);
}

#[test]
fn what_was_not_measured_alike_is_pointed_out() {
    let (one, mut other) = (run("a", &[1]), run("a", &[1]));
    assert_eq!(Comparison::over_time(&one, &other).differences, Vec::<String>::new());
    other.settings.connections = 8;
    other.settings.other.insert("driver".into(), "mio".into());
    let mut machine = serde_json::to_value(&one.machine).unwrap();
    machine["cores"] = 999.into();
    other.machine = serde_json::from_value(machine).unwrap();
    let differences = Comparison::over_time(&one, &other).differences;
    assert_eq!(differences.len(), 3, "{differences:?}");
    assert!(
        differences[0].starts_with("machine: ") && differences[0].contains("999 cores"),
        "{differences:?}"
    );
    assert_eq!(differences[1..], ["connections: 1, and then 8", "driver: tokio, and then mio"]);
}

#[test]
fn saved_results_are_read_again_exactly() {
    let folder = std::env::temp_dir().join(format!("micronet-bench-report-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("results.json");
    let results = pair(&[1, 2], &[3, 4]);
    let read = |content: &str| {
        std::fs::write(&path, content).unwrap();
        saved::read(&path)
    };
    assert_eq!(read(&saved::encode(&results).unwrap()), Ok(results.clone()));
    // What --json prints holds all of it too.
    let json = json::json(&results);
    assert_eq!(read(&json.to_string()), Ok(results));
    assert_eq!(json["comparison"]["figures"][0]["group"], "throughput");
    assert_eq!(json["figures"][0][1]["name"], "P50");
    let mut later = json;
    later["format"] = 2.into();
    let refused = read(&later.to_string()).unwrap_err().to_string();
    assert!(refused.contains("its format is 2, and this program reads 1"), "{refused}");
    for wrong in ["", "{}", "[]", r#"{"format":1}"#, r#"{"format":1,"program":"x","runs":[]}"#] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_percentile_distribution_says_what_the_histogram_holds() {
    let text = hdr::hgrm(&run("a", &[1, 2]));
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    );
    assert_eq!(lines.next(), Some(""));
    let merged = hdr::merged(&run("a", &[1, 2]));
    let rows: Vec<Vec<f64>> = lines
        .clone()
        .take_while(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|number| number.parse().unwrap()).collect())
        .collect();
    assert!(
        rows.len() > 40 && rows.is_sorted_by(|one, other| one[0] <= other[0] && one[1] < other[1]),
        "{text}"
    );
    for row in &rows[..rows.len() - 1] {
        // Of a share that is met exactly it may be the next request.
        let at = |share: f64| merged.at(share).unwrap() as f64 / 1e6;
        assert!(at(row[1]) <= row[0] && row[0] <= at(row[1] + 1.0 / 4_000.0), "{row:?}");
        assert!((row[3] * (1.0 - row[1]) - 1.0).abs() < 0.01, "{row:?}");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "nanoseconds that were one"
        )]
        let up_to = (row[0] * 1e6) as u64;
        let below = merged.histogram().quantile_below(up_to) * 4_000.0;
        assert!((row[2] - below).abs() < 0.5, "{row:?}, and {below} are at most that");
    }
    // The last row is the longest of all, without the number that would be infinite.
    assert_eq!((rows.last().unwrap().len(), rows.last().unwrap()[2]), (3, 4_000.0));
    let tail: Vec<&str> = lines.filter(|line| line.starts_with('#')).collect();
    assert_eq!(tail.len(), 3, "{text}");
    assert!(tail[1].contains("Total count    =         4000]"), "{text}");
}

#[test]
fn a_log_has_each_second_of_each_repetition() {
    let results = pair(&[1, 2], &[3, 4]);
    let log = hdr::hlog(&results).unwrap();
    let mut seen = Vec::new();
    for entry in IntervalLogIterator::new(&log) {
        match entry.unwrap() {
            LogEntry::Interval(interval) => {
                let bytes = base64::Engine::decode(
                    &base64::engine::general_purpose::STANDARD,
                    interval.encoded_histogram(),
                );
                let read = Deserializer::new().deserialize(&mut Cursor::new(bytes.unwrap()));
                let histogram: Histogram<u64> = read.unwrap();
                let tag = interval.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
                seen.push((tag, interval.start_timestamp().as_secs(), histogram.len(), interval.max()));
            }
            LogEntry::BaseTime(time) | LogEntry::StartTime(time) => {
                assert_eq!(time.as_secs(), 1_700_000_000);
            }
        }
    }
    let said: Vec<(&str, u64, u64)> =
        seen.iter().map(|(tag, at, count, _)| (tag.as_str(), *at, *count)).collect();
    // Repetitions of A begin after 1 s of warm-up, and 6 s later: B took its turn, which is as long.
    let mut wanted = Vec::new();
    for (tag, at) in [("A", 1), ("A", 2), ("A", 7), ("A", 8), ("B", 1), ("B", 2), ("B", 7), ("B", 8)] {
        wanted.push((tag, at, 1_000));
    }
    wanted.sort_by_key(|(tag, at, _)| (*at, *tag));
    assert_eq!(said, wanted);
    assert!((seen[0].3 - 1.0).abs() < 0.01, "the longest of A is a millisecond: {seen:?}");
}

#[test]
fn plots_draw_what_there_is() {
    let mut results = pair(&[1, 2], &[3, 4]);
    results.runs[1].repetitions.iter_mut().for_each(|each| each.uncorrected = Some(micros(100, 1)));
    let figures: Vec<_> = plots::plots(&results).into_iter().map(|(figure, _)| figure).collect();
    let curves: Vec<Vec<&str>> = figures
        .iter()
        .map(|figure| figure.curves.iter().map(|curve| curve.name.as_str()).collect())
        .collect();
    assert_eq!(
        curves,
        [
            vec!["A: one <b>", "B: two", "B as sent"],
            vec!["A: one <b>", "B: two"],
            vec!["A P50", "A P99", "B P50", "B P99"]
        ]
    );
    // A line for each repetition, over its seconds.
    assert_eq!(
        figures[1].curves[0].parts,
        [vec![(0.5, 1_000.0), (1.5, 996.0)], vec![(2.5, 1_000.0), (3.5, 996.0)]]
    );
    assert_eq!(figures[1].marks.len(), 1);
    // Percentiles of all together end where one request decides: of 4,000 that is beyond the third nine.
    let last = figures[0].curves[0].parts[0].last().unwrap().0;
    assert!((0.999..=0.999_75).contains(&last), "{last}");
    let svg = figure::document("two", &figures);
    assert!(
        svg.matches("<polyline").count() == 3 + 4 + 8 && !svg.contains("NaN") && !svg.contains("<b>"),
        "{svg}"
    );
}

#[test]
fn a_page_stands_alone_and_is_well_formed() {
    for results in [pair(&[1, 2], &[3, 4]), Results::of(vec![run("a & b", &[1])])] {
        let page = html::page(&results);
        for fetched in ["src=", "href=", "url(", "<script", "@import", "<b>"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        assert_eq!(page.matches("<svg ").count(), 3);
        for tag in ["section", "table", "figure", "dl", "svg", "main", "tr", "td", "th", "polyline", "text"] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            let closed = page.matches(&format!("</{tag}>")).count();
            let alone = if tag == "polyline" { opened } else { 0 };
            assert_eq!(opened, closed + alone, "{tag}");
        }
        assert!(
            page.contains("prefers-color-scheme: dark") && page.contains("Percentiles of all repetitions")
        );
    }
}
