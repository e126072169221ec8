//! How a drill went, in a grade and in words, from what was measured. Pure.

use std::fmt::Write;

use crate::control::api::drills::{Drill, DrillKind, DrillReport, DrillState, Grade};

/// Of so many requests one may be lost once all get calls again.
const LOST_ONE_IN: u64 = 100;

/// How a drill went that has ended; `settled` are the requests that came to an end after all got calls again, and those of them that were
/// lost.
pub(super) fn grade(state: DrillState, report: &DrillReport, settled: (u64, u64)) -> Grade {
    let (requests, lost) = settled;
    let is_well = report.recovered_after_ms.is_some() && lost * LOST_ONE_IN <= requests;
    match state {
        DrillState::Done if !is_well => Grade::Broke,
        DrillState::Done if report.during.lost + report.after.lost > 0 => Grade::Bent,
        DrillState::Done => Grade::Held,
        _ => Grade::Open,
    }
}

/// The same in words.
pub(super) fn words(drill: &Drill) -> String {
    let report = &drill.report;
    match drill.state {
        DrillState::Done => {}
        DrillState::Aborted | DrillState::Failed => {
            let reason = drill.reason.as_deref().unwrap_or("it was given up");
            let mended =
                if drill.fault.is_some() { "what was broken is mended" } else { "nothing was broken" };
            return format!("No verdict: {reason}; {mended}.");
        }
        _ => return String::new(),
    }
    let mut words = cost(drill);
    let _ = write!(words, " {}", noticed(report));
    if report.retried > 0 {
        let were = if report.retried == 1 { "was" } else { "were" };
        let _ = write!(words, " {} {were} tried again elsewhere.", counted(report.retried, "call"));
    }
    let _ = write!(words, " {}", latency(report));
    let _ = write!(words, " {}", recovery(drill));
    words
}

fn cost(drill: &Drill) -> String {
    let (report, service) = (&drill.report, &drill.service);
    let (lost, of) = (report.during.lost + report.after.lost, report.during.requests + report.after.requests);
    let grade = match report.grade {
        Grade::Held => "Held",
        Grade::Bent => "Bent, and came back",
        Grade::Broke | Grade::Open | Grade::Unknown => "Broke",
    };
    let mut words = if lost == 0 {
        format!("{grade}: none of the {} after the fault began was lost.", counted(of, "request"))
    } else {
        let share = share(lost, of);
        format!(
            "{grade}: {} of the {} after the fault began ({share}) were lost.",
            number(lost),
            counted(of, "request")
        )
    };
    if drill.kind == DrillKind::DependencyDown {
        let others: Vec<String> = (report.routes.iter())
            .filter(|route| route.service.as_ref().is_some_and(|other| other != service))
            .map(|route| {
                format!("{} lost {} of {}", route.route, number(route.lost_during), number(route.requests))
            })
            .collect();
        if !others.is_empty() {
            let _ = write!(words, " Of those who depend on it, {}.", others.join(", "));
        }
    }
    words
}

fn noticed(report: &DrillReport) -> String {
    match (&report.detected, &report.ejected) {
        (None, _) => "No caller saw a change of state.".into(),
        (Some(detected), None) => {
            format!(
                "{} noticed after {} ms, and went on calling it ({}).",
                detected.by, detected.after_ms, detected.reason
            )
        }
        (Some(detected), Some(ejected)) if detected.after_ms == ejected.after_ms => {
            format!("{} noticed after {} ms, and called it no more.", detected.by, detected.after_ms)
        }
        (Some(detected), Some(ejected)) => format!(
            "{} noticed after {} ms, and called it no more after {} ms.",
            detected.by, detected.after_ms, ejected.after_ms
        ),
    }
}

fn latency(report: &DrillReport) -> String {
    let [before, during, after] =
        [&report.before, &report.during, &report.after].map(|phase| milliseconds(phase.p99_us));
    format!("P99 was {before} before, {during} during and {after} after it.")
}

fn recovery(drill: &Drill) -> String {
    let since = if drill.kind == DrillKind::KillInstance {
        "after it was killed"
    } else {
        "after the end of the fault"
    };
    let is_one = drill.instances.len() == 1;
    match drill.report.recovered_after_ms {
        Some(_) if drill.report.detected.is_none() => "Nothing had to recover.".into(),
        Some(ms) if is_one => format!("It was called again {ms} ms {since}."),
        Some(ms) => format!("All were called again {ms} ms {since}."),
        None => "Not all is called again so far: see micronet instances.".into(),
    }
}

/// A latency, as people read it.
pub(crate) fn milliseconds(us: u64) -> String {
    match us {
        0..100_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{} ms", number(us / 1_000)),
    }
}

/// A part of a whole, in hundredths with one digit more; what is not nothing is not shown as nothing.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let permille = (part * 1_000).checked_div(whole).unwrap_or(0);
    match permille {
        0 if part > 0 => "under 0.1 %".into(),
        _ => format!("{}.{} %", permille / 10, permille % 10),
    }
}

/// A number in groups of three digits.
pub(crate) fn number(number: u64) -> String {
    crate::load::report::grouped(number)
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::super::example::drill;
    use super::*;
    use crate::control::api::drills::Route;

    fn check(mut drill: Drill, grade_wanted: Grade, wanted: &str) {
        drill.report.grade = grade(drill.state, &drill.report, (1_000, 10));
        assert_eq!((drill.report.grade, &*words(&drill)), (grade_wanted, wanted));
    }

    #[test]
    fn a_drill_that_nobody_noticed_has_held() {
        let wanted = "Held: none of the 3,000 requests after the fault began was lost. gateway-1 noticed after 412 ms, and called \
                      it no more after 1034 ms. 57 calls were tried again elsewhere. P99 was 4.1 ms before, 87.4 ms during and \
                      4.3 ms after it. It was called again 212 ms after the end of the fault.";
        check(drill(), Grade::Held, wanted);
        let mut slow = drill();
        (slow.report.detected, slow.report.ejected, slow.report.retried) = (None, None, 0);
        slow.report.recovered_after_ms = Some(0);
        slow.what = "product-2 takes 300 ms longer".into();
        let wanted = "Held: none of the 3,000 requests after the fault began was lost. No caller saw a change of state. \
                      P99 was 4.1 ms before, 87.4 ms during and 4.3 ms after it. Nothing had to recover.";
        check(slow, Grade::Held, wanted);
    }

    #[test]
    fn what_is_lost_is_said() {
        let mut bent = drill();
        bent.kind = DrillKind::KillInstance;
        bent.what = "product-2 is killed".into();
        bent.report.ejected = bent.report.detected.clone();
        (bent.report.during.lost, bent.report.retried) = (3, 1);
        let wanted = "Bent, and came back: 3 of the 3,000 requests after the fault began (0.1 %) were lost. gateway-1 noticed after \
                      412 ms, and called it no more. 1 call were tried again elsewhere. P99 was 4.1 ms before, 87.4 ms during and \
                      4.3 ms after it. It was called again 212 ms after it was killed.";
        check(bent, Grade::Bent, &wanted.replace("1 call were", "1 call was"));
        let mut broke = drill();
        (broke.report.recovered_after_ms, broke.report.during.lost) = (None, 1_000);
        broke.report.ejected = None;
        let mut grade_of_broke = broke.clone();
        grade_of_broke.report.recovered_after_ms = Some(1);
        assert_eq!(grade(DrillState::Done, &grade_of_broke.report, (1_000, 11)), Grade::Broke);
        let wanted = "Broke: 1,000 of the 3,000 requests after the fault began (33.3 %) were lost. gateway-1 noticed after 412 ms, \
                      and went on calling it (no answer to a heartbeat). 57 calls were tried again elsewhere. P99 was 4.1 ms before, \
                      87.4 ms during and 4.3 ms after it. Not all is called again so far: see micronet instances.";
        check(broke, Grade::Broke, wanted);
    }

    #[test]
    fn who_depends_on_what_is_down_is_named() {
        let mut down = drill();
        down.kind = DrillKind::DependencyDown;
        down.report.during.lost = 1_000;
        let route = |route: &str, service: &str, lost| Route {
            route: route.into(),
            service: Some(service.into()),
            requests: 2_000,
            lost,
            lost_during: lost,
        };
        down.report.routes =
            vec![route("GET /products", "product", 1_000), route("GET /orders/{order_num}", "order", 0)];
        down.report.grade = Grade::Bent;
        let words = words(&down);
        assert!(
            words.contains("Of those who depend on it, GET /orders/{order_num} lost 0 of 2,000."),
            "{words}"
        );
    }

    #[test]
    fn a_drill_that_did_not_end_has_no_verdict() {
        let mut aborted = drill();
        (aborted.state, aborted.reason) = (DrillState::Aborted, Some("the operator has aborted it".into()));
        check(
            aborted.clone(),
            Grade::Open,
            "No verdict: the operator has aborted it; what was broken is mended.",
        );
        aborted.fault = None;
        check(aborted.clone(), Grade::Open, "No verdict: the operator has aborted it; nothing was broken.");
        aborted.state = DrillState::Baseline;
        check(aborted, Grade::Open, "");
    }

    #[test]
    fn numbers_are_for_people() {
        for (us, wanted) in [(0, "0.0 ms"), (940, "0.9 ms"), (99_999, "99.9 ms"), (1_234_567, "1,234 ms")] {
            assert_eq!(milliseconds(us), wanted);
        }
        for (part, whole, wanted) in
            [(0, 0, "0.0 %"), (1, 10_000, "under 0.1 %"), (1, 3, "33.3 %"), (5, 5, "100.0 %")]
        {
            assert_eq!(share(part, whole), wanted);
        }
    }
}
