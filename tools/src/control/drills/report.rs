//! What a drill came to, put together from what callers saw and what its load has measured. Pure.

use super::figures::{Bounds, Figures};
use super::verdict;
use crate::control::api::drills::{Drill, DrillKind, DrillReport, DrillState, Moment, MomentKind};
use crate::control::api::faults::{Fault, Noticed};

/// For so long after it was mended it may still come out that somebody had noticed, in milliseconds.
const LATE_MS: u64 = 500;
/// For so long after all got calls again what was waiting may still fail, in milliseconds.
const SETTLED_MS: u64 = 1_000;

/// Whether all that was broken gets calls again, so long after it was mended.
pub(super) fn is_well(fault: &Fault, mended_ms_ago: u64) -> bool {
    let never_was_otherwise = fault.report.detected.is_none() && mended_ms_ago >= LATE_MS;
    fault.over && (fault.report.recovered_after_ms.is_some() || never_was_otherwise)
}

/// How long after it was mended all was well; of one that was killed, after it was.
fn recovered_after_ms(kind: DrillKind, fault: &Fault) -> Option<u64> {
    let lasted_ms = u64::try_from(fault.until.0 - fault.since.0).unwrap_or(0) / 1_000;
    match (fault.over, fault.report.recovered_after_ms) {
        (false, _) => None,
        (true, None) => fault.report.detected.is_none().then_some(0),
        (true, Some(ms)) if kind == DrillKind::KillInstance => Some(lasted_ms + ms),
        (true, Some(ms)) => Some(ms),
    }
}

/// Enters what was measured and seen into a drill.
pub(super) fn enter(drill: &mut Drill, figures: &mut Figures, fault: Option<&Fault>, now_us: u64) {
    drill.seconds = figures.seconds(now_us).to_vec();
    let [before, during, after] = figures.phases(now_us);
    let lost_by_kind = figures.lost_by_kind();
    let mut report = DrillReport {
        requests: before.requests + during.requests + after.requests,
        lost: before.lost + during.lost + after.lost,
        lost_by_kind,
        before,
        during,
        after,
        routes: figures.routes().to_vec(),
        ..DrillReport::default()
    };
    if let Some(fault) = fault {
        drill.fault = Some(fault.id);
        report.detected = fault.report.detected.clone();
        report.ejected = fault.report.ejected.clone();
        report.retried = fault.report.tried_again;
        report.recovered_after_ms = recovered_after_ms(drill.kind, fault);
    }
    drill.report = report;
    drill.timeline = timeline(drill, figures.bounds);
    drill.report.grade = verdict::grade(drill.state, &drill.report, settled(drill));
    drill.report.verdict = verdict::words(drill);
}

/// Requests that came to an end once all had been called again for a second, and those of them that were lost.
fn settled(drill: &Drill) -> (u64, u64) {
    let is_well = |moment: &&Moment| matches!(moment.what, MomentKind::Mended | MomentKind::Recovered);
    let well_ms = drill.timeline.iter().rfind(is_well).map_or(u64::MAX, |moment| moment.at_ms);
    let after = drill
        .seconds
        .iter()
        .filter(|second| u64::from(second.at_s) * 1_000 >= well_ms.saturating_add(SETTLED_MS));
    after.fold((0, 0), |(requests, lost), second| {
        (requests + u64::from(second.requests), lost + u64::from(second.lost))
    })
}

/// What happened, in its order.
fn timeline(drill: &Drill, Bounds { broken_us, mended_us }: Bounds) -> Vec<Moment> {
    let report = &drill.report;
    let moment = |at_ms, what, words: String| Moment { at_ms, what, words };
    let mut moments = vec![moment(
        0,
        MomentKind::Load,
        format!("{} requests a second, nothing is broken", drill.load_per_s),
    )];
    let broken_ms = broken_us.map(|us| us / 1_000);
    let mended_ms = mended_us.map(|us| us / 1_000);
    if let Some(broken_ms) = broken_ms {
        moments.push(moment(broken_ms, MomentKind::Fault, drill.what.clone()));
        let saw = |noticed: &Noticed| {
            let Noticed { by, instance, state, reason, .. } = noticed;
            format!("{by} saw {instance} as {state} ({reason})")
        };
        if let Some(detected) = &report.detected {
            moments.push(moment(broken_ms + detected.after_ms, MomentKind::Detected, saw(detected)));
        }
        if let Some(ejected) = &report.ejected {
            let words = format!("no more calls: {}", saw(ejected));
            moments.push(moment(broken_ms + ejected.after_ms, MomentKind::Ejected, words));
        }
    }
    if let Some(mended_ms) = mended_ms {
        let words = match drill.kind {
            DrillKind::KillInstance => "it runs again",
            _ => "it is mended",
        };
        moments.push(moment(mended_ms, MomentKind::Mended, words.into()));
        if let (Some(after_ms), Some(_)) = (report.recovered_after_ms, &report.detected) {
            let since_ms = if drill.kind == DrillKind::KillInstance { broken_ms } else { Some(mended_ms) };
            let at_ms = since_ms.unwrap_or(mended_ms) + after_ms;
            moments.push(moment(at_ms, MomentKind::Recovered, "it gets calls again".into()));
        }
    }
    if matches!(drill.state, DrillState::Done | DrillState::Aborted | DrillState::Failed) {
        let words = drill.reason.clone().unwrap_or_else(|| "it is over".into());
        moments.push(moment(drill.elapsed_ms, MomentKind::End, words));
    }
    moments.sort_by_key(|moment| moment.at_ms);
    moments
}

#[cfg(test)]
mod tests {
    use micronet_wire::schema::Timestamp;

    use super::*;
    use crate::control::api::drills::{Grade, Route};
    use crate::control::api::faults::{FaultKind, Report};
    use crate::control::drills::example::drill;
    use crate::control::drills::figures::Ended;

    /// A fault from 1 s to 3 s that was noticed after 400 ms, and well 200 ms after its end.
    fn fault() -> Fault {
        let noticed = Noticed { by: "gateway-1".into(), after_ms: 400, ..Noticed::default() };
        Fault {
            id: 9,
            kind: FaultKind::Stall,
            what: "product-2 is stalled".into(),
            instances: vec!["product-2".into()],
            since: Timestamp(1_000_000),
            until: Timestamp(3_000_000),
            over: true,
            report: Report {
                detected: Some(noticed),
                recovered_after_ms: Some(200),
                tried_again: 7,
                ..Report::default()
            },
        }
    }

    #[test]
    fn all_is_well_when_callers_say_so_or_had_nothing_to_say() {
        assert!(is_well(&fault(), 0));
        assert!(!is_well(&Fault { over: false, ..fault() }, 1_000));
        let mut unwell = fault();
        unwell.report.recovered_after_ms = None;
        assert!(!is_well(&unwell, 10_000));
        unwell.report.detected = None;
        assert!(!is_well(&unwell, LATE_MS - 1) && is_well(&unwell, LATE_MS));
    }

    #[test]
    fn a_report_has_what_was_measured_and_what_was_seen() {
        let mut figures = Figures::new(vec![Route::default()]).unwrap();
        figures.bounds = Bounds { broken_us: Some(1_000_000), mended_us: Some(3_000_000) };
        for due_ms in [500, 1_500, 3_500] {
            let (due_us, at_us) = (due_ms * 1_000, due_ms * 1_000 + 2_000);
            figures.note(Ended { at_us, due_us, route: 0, is_answered: true, lost: None });
        }
        let mut drill = drill();
        enter(&mut drill, &mut figures, Some(&fault()), 5_000_000);
        let report = &drill.report;
        assert_eq!((report.requests, report.lost, report.retried, drill.fault), (3, 0, 7, Some(9)));
        assert_eq!((report.recovered_after_ms, report.grade), (Some(200), Grade::Held));
        assert!(report.verdict.starts_with("Held: none of the 2 requests"), "{}", report.verdict);
        let moments: Vec<(u64, MomentKind)> =
            drill.timeline.iter().map(|moment| (moment.at_ms, moment.what)).collect();
        let wanted = [
            (0, MomentKind::Load),
            (1_000, MomentKind::Fault),
            (1_400, MomentKind::Detected),
            (3_000, MomentKind::Mended),
            (3_200, MomentKind::Recovered),
            (20_000, MomentKind::End),
        ];
        assert_eq!(moments, wanted);
        assert_eq!(drill.seconds.len(), 5);
        // One that was killed was missing from then on.
        drill.kind = DrillKind::KillInstance;
        enter(&mut drill, &mut figures, Some(&fault()), 5_000_000);
        assert_eq!(drill.report.recovered_after_ms, Some(2_200));
        assert!(
            drill.timeline.iter().any(|moment| moment.what == MomentKind::Recovered && moment.at_ms == 3_200)
        );
    }

    #[test]
    fn before_anything_is_broken_there_is_nothing_to_report() {
        let mut drill = drill();
        (drill.state, drill.fault) = (DrillState::Baseline, None);
        enter(&mut drill, &mut Figures::new(Vec::new()).unwrap(), None, 700_000);
        assert_eq!((drill.report.grade, &*drill.report.verdict), (Grade::Open, ""));
        assert_eq!(drill.timeline.len(), 1);
    }
}
