//! A drill, for tests.

use micronet_wire::schema::Timestamp;

use crate::control::api::drills::{Drill, DrillKind, DrillReport, DrillState, Phase};
use crate::control::api::faults::Noticed;

fn noticed_after(ms: u64, state: &str) -> Noticed {
    Noticed {
        by: "gateway-1".into(),
        instance: "product-2".into(),
        after_ms: ms,
        state: state.into(),
        reason: "no answer to a heartbeat".into(),
    }
}

fn phase(requests: u64, lost: u64, p99_us: u64) -> Phase {
    Phase { requests, lost, p99_us, ..Phase::default() }
}

/// A drill that has ended.
pub(crate) fn drill() -> Drill {
    let report = DrillReport {
        detected: Some(noticed_after(412, "suspect")),
        ejected: Some(noticed_after(1_034, "down")),
        recovered_after_ms: Some(212),
        requests: 4_000,
        retried: 57,
        before: phase(1_000, 0, 4_100),
        during: phase(2_000, 0, 87_400),
        after: phase(1_000, 0, 4_300),
        ..DrillReport::default()
    };
    Drill {
        id: 1,
        kind: DrillKind::Stall,
        service: "product".into(),
        what: "product-2 is stalled".into(),
        instances: vec!["product-2".into()],
        who: "operator".into(),
        load_per_s: 200,
        duration_s: 10,
        quiet_s: 5,
        state: DrillState::Done,
        reason: None,
        began: Timestamp(0),
        elapsed_ms: 20_000,
        left_ms: None,
        fault: Some(1),
        timeline: Vec::new(),
        seconds: Vec::new(),
        report,
    }
}
