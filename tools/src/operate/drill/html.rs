//! A drill's report as one file for browsers: nothing is fetched, it is light or dark as the reader's system is, it can be printed, and it is
//! well-formed XML too, so that programs read it.

use std::fmt::Write;

use super::plot::{Curve, Plot};
use super::text::{facts, outcome, phases, seconds, title};
use crate::control::api::drills::{Drill, MomentKind, Second};
use crate::control::drills::verdict::{milliseconds, number};
use crate::page;
use crate::plot::escaped;

/// What is drawn besides the curves.
const CAPTION: &str = "Shaded: the fault. Dashed: when it was noticed, when there were no more calls, and when there were calls again.";

/// The report.
pub(super) fn page(drill: &Drill) -> String {
    let mut content = String::new();
    let _ =
        writeln!(content, "<p class=\"verdict {}\">{}</p>", outcome(drill), escaped(&drill.report.verdict));
    page::facts(&mut content, "What was seen", &facts(drill));
    for plot in plots(drill) {
        page::figure(&mut content, plot.title, &plot.svg(), CAPTION);
    }
    tables(&mut content, drill);
    let _ = writeln!(
        content,
        "<footer>micronet {}, drill {} by {}: {} before and after, {} s of fault.</footer>",
        env!("CARGO_PKG_VERSION"),
        drill.id,
        escaped(&drill.who),
        seconds(u64::from(drill.quiet_s) * 1_000),
        drill.duration_s
    );
    page::document(&title(drill), &content)
}

fn tables(page: &mut String, drill: &Drill) {
    let head = ["phase", "lasted", "requests", "lost", "P50", "P95", "P99", "longest"];
    let rows = phases(drill).map(|(name, phase)| {
        let mut row =
            vec![name.to_owned(), seconds(phase.lasted_ms), number(phase.requests), number(phase.lost)];
        row.extend([phase.p50_us, phase.p95_us, phase.p99_us, phase.max_us].map(milliseconds));
        row
    });
    page::table(page, "Phases", &head, 1..head.len(), &rows);
    let routes = drill.report.routes.iter().map(|route| {
        let service = route.service.clone().unwrap_or_else(|| "-".into());
        vec![route.route.clone(), service, number(route.requests), number(route.lost)]
    });
    page::table(
        page,
        "What was asked",
        &["request", "service", "requests", "lost"],
        2..4,
        &routes.collect::<Vec<_>>(),
    );
    let moments = drill.timeline.iter().map(|moment| vec![seconds(moment.at_ms), moment.words.clone()]);
    page::table(page, "What happened", &["at", "what"], 2..2, &moments.collect::<Vec<_>>());
}

/// Rate, latency and losses over the seconds, with the fault shaded.
fn plots(drill: &Drill) -> [Plot; 2] {
    let at = |kind: MomentKind| {
        drill.timeline.iter().find(|moment| moment.what == kind).map(|moment| at_s(moment.at_ms))
    };
    let elapsed_s = at_s(drill.elapsed_ms);
    let bands = at(MomentKind::Fault)
        .map(|from| (from, at(MomentKind::Mended).unwrap_or(elapsed_s), "fault"))
        .into_iter()
        .collect::<Vec<_>>();
    let is_marked =
        |kind: MomentKind| matches!(kind, MomentKind::Detected | MomentKind::Ejected | MomentKind::Recovered);
    let marks: Vec<(f64, String)> = (drill.timeline.iter())
        .filter(|moment| is_marked(moment.what))
        .map(|moment| (at_s(moment.at_ms), format!("{}: {}", seconds(moment.at_ms), moment.words)))
        .collect();
    let curve = |name, class, of: &dyn Fn(&Second) -> f64| Curve {
        name,
        class,
        // A second's figures stand in its middle.
        points: drill.seconds.iter().map(|second| (f64::from(second.at_s) + 0.5, of(second))).collect(),
    };
    let plot = |title, unit, curves| Plot {
        title,
        unit,
        seconds: elapsed_s,
        curves,
        bands: bands.clone(),
        marks: marks.clone(),
    };
    let answered = |second: &Second| f64::from(second.requests - second.lost.min(second.requests));
    let rate = vec![curve("answered", "a", &answered), curve("lost", "c", &|second| f64::from(second.lost))];
    let latency =
        vec![curve("P50", "a", &|second| ms(second.p50_us)), curve("P99", "b", &|second| ms(second.p99_us))];
    [plot("Requests a second", "requests", rate), plot("Latency in milliseconds", "ms", latency)]
}

fn at_s(ms: u64) -> f64 {
    f64::from(u32::try_from(ms).unwrap_or(u32::MAX)) / 1_000.0
}

fn ms(us: u64) -> f64 {
    f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::drills::{Moment, Route};
    use crate::control::drills::example::drill;

    #[test]
    fn a_report_stands_alone_and_has_its_plots() {
        let mut drill = drill();
        let second = |at_s| Second { at_s, requests: 200, p50_us: 1_000, p99_us: 4_000, ..Second::default() };
        drill.seconds = (0..20).map(second).collect();
        let moment = |at_ms, what, words: &str| Moment { at_ms, what, words: words.into() };
        drill.timeline = vec![
            moment(5_000, MomentKind::Fault, "product-2 is stalled"),
            moment(5_412, MomentKind::Detected, "gateway-1 saw <it>"),
            moment(15_000, MomentKind::Mended, "it is mended"),
        ];
        drill.report.routes = vec![Route { route: "GET /a?b&c".into(), ..Route::default() }];
        let page = page(&drill);
        assert_eq!((page.matches("<circle").count(), page.matches("<svg").count()), (80, 2));
        assert_eq!((page.matches("class=\"band\"").count(), page.matches("class=\"mark\"").count()), (2, 2));
        for words in [
            "prefers-color-scheme: dark",
            "@media print",
            "GET /a?b&amp;c",
            "&lt;it&gt;",
            "<html lang=\"en\">",
        ] {
            assert!(page.contains(words), "{words} is missing");
        }
        for fetched in ["src=", "href=", "url(", "<script", "@import"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        for tag in ["section", "table", "figure", "dl", "svg", "main", "tr", "td", "th", "p"] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn a_drill_that_never_began_has_a_report_too() {
        assert!(page(&drill()).ends_with("</html>\n"));
    }
}
