//! What lines lead to, with a clock that the test sets.

use micronet_wire::error::Code;

use super::{names, session};
use crate::control::chat::limits::{CONFIRM_S, UNDERWAY_MAX};
use crate::control::chat::session::{Execution, Refusal, Session, Step, Withdrawn};

const SECOND: u64 = 1_000_000_000;
const QUARTER: usize = 250_000_000;
const CLIENT: &[&str] = &["control:read", "network:read"];

fn hear(session: &mut Session, line: &str, now: u64) -> Step {
    session.hear(line, &names(), now, "4f2a").unwrap_or_else(|| panic!("{line} leads to nothing"))
}

#[track_caller]
fn begun(step: Step) -> Execution {
    match step {
        Step::Begin(execution) => execution,
        other => panic!("it should have begun, and did {other:?}"),
    }
}

#[track_caller]
fn refused(step: Step) -> Refusal {
    match step {
        Step::Refuse(refusal) => refusal,
        other => panic!("it should be refused, and did {other:?}"),
    }
}

#[track_caller]
fn withdrawn(step: Step) -> Withdrawn {
    match step {
        Step::Withdraw(withdrawn) => withdrawn,
        other => panic!("it should be withdrawn, and did {other:?}"),
    }
}

#[test]
fn a_client_looks_and_a_manager_controls() {
    let mut client = session(CLIENT);
    for looks in ["status", "instances product", "top", "algorithm", "weight node-1", "call product.query {}"]
    {
        assert_eq!(begun(hear(&mut client, looks, 0)).order.line, looks);
        let id = format!("16b92b53-{}", client.underway());
        client.done(&id);
    }
    let mut client = session(CLIENT);
    let cases = [
        ("fail user", "control:write"),
        ("recover user", "control:write"),
        ("stop product-1", "control:write"),
        ("drill stall product", "control:write"),
        ("scale node 1", "control:write"),
        ("latency product-1 200", "control:write"),
        ("weight node-1 50", "control:write"),
        ("algorithm product weighted", "balancer:write"),
        ("tap", "tap:read"),
        ("why 1", "tap:read"),
        ("audit", "audit:read"),
    ];
    for (line, permission) in cases {
        let refusal = refused(hear(&mut client, line, 0));
        let name = line.split(' ').next().unwrap();
        assert!(
            refusal.words.starts_with(&format!("{name} needs the permission {permission}")),
            "{}",
            refusal.words
        );
        assert_eq!(refusal.of.unwrap().1.code, Code::InsufficientPermissions, "{line}");
    }
    assert_eq!((client.underway(), client.due_ns()), (0, None), "nobody is asked about what they may not do");
    let mut manager = session(&["*"]);
    let first = begun(hear(&mut manager, "drain product-1", 0));
    let second = begun(hear(&mut manager, "latency product-1 200ms for 30s", 0));
    assert_eq!((&*first.id, &*second.id), ("16b92b53-1", "16b92b53-2"));
}

#[test]
fn what_is_dangerous_is_asked_about() {
    let mut manager = session(&["*"]);
    let asks = [
        "drill slow product load 50",
        "fail user",
        "fail user-1",
        "fail product for 5s",
        "stop node-3",
        "stop gateway",
        "scale node 2",
    ];
    for line in asks {
        let Step::Ask(words) = hear(&mut manager, line, 0) else { panic!("{line} should be asked about") };
        assert!(words.text.contains("yes 4f2a or no, within 30 s"), "{}", words.text);
        assert!(words.data.unwrap().contains("\"code\":\"4f2a\""));
    }
    // The last question is the one that waits.
    let execution = begun(hear(&mut manager, "yes", SECOND));
    assert_eq!((&*execution.order.line, execution.confirmed), ("scale node 2", true));
    assert!(refused(hear(&mut manager, "yes", SECOND)).words.contains("not asked"), "good once");
    for line in ["fail product-1", "scale node 4", "scale node 3", "restart user", "drain user", "stop"] {
        let step = hear(&mut manager, line, SECOND);
        assert!(!matches!(step, Step::Ask(_) | Step::Refuse(_)), "{line}: {step:?}");
    }
}

#[test]
fn a_question_is_answered_by_who_was_asked_and_in_time() {
    let (mut manager, mut other) = (session(&["*"]), session(&["*"]));
    hear(&mut manager, "fail user", 0);
    let words = refused(hear(&mut other, "yes 4f2a", 0)).words;
    assert!(words.contains("only who gave a command can confirm it"), "{words}");
    let words = refused(hear(&mut manager, "yes 0000", 0)).words;
    assert!(words.contains("asked about fail user: answer with yes 4f2a"), "{words}");
    let left = withdrawn(hear(&mut manager, "no", SECOND));
    assert_eq!((&*left.order.line, left.outcome), ("fail user", "DECLINED"));

    hear(&mut manager, "fail user", SECOND);
    let due_ns = (1 + CONFIRM_S) * SECOND;
    assert_eq!(manager.due_ns(), Some(due_ns));
    assert!(manager.expire(due_ns - 1).is_none());
    let late = withdrawn(hear(&mut manager, "yes 4f2a", due_ns));
    assert_eq!(late.outcome, "EXPIRED");
    assert_eq!((manager.underway(), manager.due_ns()), (0, None));
    hear(&mut manager, "stop user", 0);
    assert_eq!(withdrawn(manager.expire(CONFIRM_S * SECOND).unwrap()).outcome, "EXPIRED");
}

#[test]
fn only_so_many_commands_are_under_way_and_taps_can_be_stopped() {
    let mut manager = session(&["*"]);
    let ids: Vec<String> = (0..UNDERWAY_MAX).map(|_| begun(hear(&mut manager, "tap", 0)).id).collect();
    let refusal = refused(hear(&mut manager, "status", 0));
    assert_eq!(refusal.of.unwrap().1.code, Code::Overloaded);
    let Step::Interrupt(taps) = hear(&mut manager, "stop", 0) else { panic!("it ends taps") };
    assert_eq!(taps, ids);
    assert!(matches!(hear(&mut manager, "whoami", 0), Step::Answer(_)), "what calls nothing goes on");
    manager.done(&ids[3]);
    begun(hear(&mut manager, "status", 0));
}

/// An hour of lines, four a second, among them everything that is wrong: nothing grows, and everything ends.
#[test]
fn an_hour_of_commands_leaves_nothing_behind() {
    const LINES: [&str; 12] = [
        "status",
        "fail user",
        "yes 4f2a",
        "stop product",
        "no",
        "latency node-1 5ms for 1s",
        "nonsense",
        "fail",
        "tap for 1s",
        "help",
        "scale node 1",
        "call a.b {}",
    ];
    let mut manager = session(&["*"]);
    let (mut begun, mut asked, mut refused, mut withdrawn) = (0_u64, 0, 0, 0);
    let mut underway: Vec<(u64, String)> = Vec::new();
    for (turn, now) in (0..4 * 3_600).zip((0..).step_by(QUARTER)) {
        underway.retain(|(until, id)| {
            if *until <= now {
                manager.done(id);
            }
            *until > now
        });
        withdrawn += u64::from(manager.expire(now).is_some());
        // Every third of a minute nobody says anything, so that questions get old.
        if usize::is_multiple_of(turn / 160, 3) {
            continue;
        }
        // Not in step with anything.
        let line = LINES[(turn * 7 + turn / 11) % LINES.len()];
        match manager.hear(line, &names(), now, "4f2a") {
            Some(Step::Begin(execution)) => {
                begun += 1;
                underway.push((now + SECOND, execution.id));
            }
            Some(Step::Ask(_)) => asked += 1,
            Some(Step::Refuse(_)) => refused += 1,
            Some(Step::Withdraw(_)) => withdrawn += 1,
            Some(_) => {}
            None => panic!("{line} says nothing"),
        }
        assert_eq!(manager.underway(), underway.len());
        assert!(manager.underway() <= UNDERWAY_MAX);
    }
    assert!(
        begun > 3_000 && asked > 1_000 && refused > 1_000 && withdrawn > 10,
        "{begun} {asked} {refused} {withdrawn}"
    );
    for (_, id) in underway {
        manager.done(&id);
    }
    manager.expire(u64::MAX);
    assert_eq!((manager.underway(), manager.due_ns()), (0, None));
}
