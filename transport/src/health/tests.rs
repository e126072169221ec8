//! What an instance goes through, and what its ledger says of it.

use micronet_wire::limits::{BREAKER_FAILURES_IN_A_ROW, BREAKER_PAUSE_MS_MAX};

use super::*;

const MS: u64 = 1_000_000;

struct Instance {
    ledger: Ledger,
    now: u64,
}

impl Instance {
    fn new() -> Self {
        Self { ledger: Ledger::new(0), now: 0 }
    }

    fn reached() -> Self {
        let mut instance = Self::new();
        instance.ledger.reached(0);
        instance
    }

    fn call(&mut self, verdict: Verdict, may_eject: bool) {
        self.now += MS;
        let Some(ticket) = self.ledger.begun(self.now) else { return };
        self.ledger.result(self.now, ticket, verdict, 7, || may_eject);
    }

    fn fail(&mut self, may_eject: bool) {
        (0..BREAKER_FAILURES_IN_A_ROW).for_each(|_| self.call(Verdict::Failed, may_eject));
    }

    #[track_caller]
    fn is(&mut self, state: InstanceState, standing: Standing, why: &str) {
        self.ledger.settle(self.now);
        let last = self.ledger.history().last().expect("a first entry").clone();
        assert_eq!((self.ledger.state(), self.ledger.standing(self.now)), (state, standing), "{last:?}");
        assert_eq!(last.state, state);
        assert!(last.reason.contains(why), "{}", last.reason);
    }
}

#[test]
fn it_joins_is_lost_and_comes_back() {
    let mut it = Instance::new();
    it.is(InstanceState::Joining, Standing::Out, "not reached yet");
    assert!(
        it.ledger.unreachable(0, "connection refused") && !it.ledger.unreachable(0, "connection refused")
    );
    it.is(InstanceState::Joining, Standing::Out, "connection refused");
    assert_eq!(it.ledger.good_signs_needed(it.now), 1);
    it.ledger.reached(it.now);
    it.is(InstanceState::Up, Standing::Ready, "it was reached");
    it.ledger.lost(it.now, "nothing was heard for 4000 ms");
    it.is(InstanceState::Down, Standing::Out, "nothing was heard");
    assert_eq!(it.ledger.good_signs_needed(it.now), GOOD_SIGNS_MIN);
    it.now += 2_500 * MS;
    it.ledger.reached(it.now);
    it.is(InstanceState::Up, Standing::Ready, "2 signs of life in a row, after 2.5 s away");
    assert_eq!(it.ledger.since_ns(), it.now);
}

#[test]
fn who_comes_and_goes_is_asked_for_more_signs_of_life() {
    let mut it = Instance::reached();
    let mut needed = Vec::new();
    for _ in 0..12 {
        it.ledger.lost(it.now, "gone");
        needed.push(it.ledger.good_signs_needed(it.now));
        it.ledger.reached(it.now);
    }
    assert_eq!(needed[..5], [2, 4, 8, 16, 16]);
    assert_eq!(*needed.last().unwrap(), GOOD_SIGNS_MAX);
    it.now += LOSS_MEMORY_MS * MS;
    assert_eq!(it.ledger.good_signs_needed(it.now), 1, "that is long ago");
}

#[test]
fn who_leaves_in_order_comes_back_at_once() {
    let mut it = Instance::reached();
    for _ in 0..5 {
        it.ledger.told(it.now, Some((Order::Drain, "it is about to be stopped")));
        it.ledger.lost(it.now, "the connection ended");
        it.ledger.told(it.now, None);
        it.ledger.announced(it.now, true);
        it.ledger.reached(it.now);
        it.ledger.announced(it.now, true);
        it.ledger.lost(it.now, "the connection ended");
        assert_eq!(it.ledger.good_signs_needed(it.now), 1);
        it.ledger.reached(it.now);
        it.is(InstanceState::Up, Standing::Ready, "1 signs of life in a row");
    }
}

#[test]
fn voices_of_more_weight_win() {
    let mut it = Instance::reached();
    it.ledger.heartbeats(it.now, true);
    it.is(InstanceState::Suspect, Standing::LastResort, "heartbeat");
    it.fail(true);
    it.is(InstanceState::Ejected, Standing::Ejected, "in a row failed");
    it.ledger.announced(it.now, true);
    it.is(InstanceState::Draining, Standing::LastResort, "announced");
    it.ledger.told(it.now, Some((Order::Drain, "maintenance")));
    it.is(InstanceState::Draining, Standing::LastResort, "announced");
    it.ledger.told(it.now, Some((Order::Block, "a drill")));
    it.is(InstanceState::Blocked, Standing::Out, "a drill");
    it.ledger.lost(it.now, "gone");
    it.is(InstanceState::Blocked, Standing::Out, "a drill");
    it.ledger.told(it.now, None);
    it.is(InstanceState::Down, Standing::Out, "gone");
    it.ledger.reached(it.now);
    it.is(InstanceState::Up, Standing::Ready, "answers again");
}

#[test]
fn one_probe_decides() {
    let mut it = Instance::reached();
    it.fail(true);
    assert!(it.ledger.begun(it.now).is_none(), "the breaker is open");
    it.now += 2 * BREAKER_PAUSE_MS_MAX * MS;
    it.is(InstanceState::Probing, Standing::Probe, "after a pause");
    let ticket = it.ledger.begun(it.now).expect("the probe");
    it.is(InstanceState::Probing, Standing::Ejected, "after a pause");
    it.ledger.abandoned(ticket);
    it.is(InstanceState::Probing, Standing::Probe, "after a pause");
    it.call(Verdict::Failed, true);
    it.is(InstanceState::Ejected, Standing::Ejected, "the call that tried it failed");
    it.now += 2 * BREAKER_PAUSE_MS_MAX * MS;
    it.call(Verdict::Good, true);
    it.is(InstanceState::Up, Standing::Ready, "its probe was answered well");
}

#[test]
fn who_must_stay_stays_however_it_fails() {
    let mut it = Instance::reached();
    for _ in 0..20 {
        it.fail(false);
        it.is(InstanceState::Up, Standing::Ready, "it was reached");
    }
}

#[test]
fn who_asks_to_be_spared_is_the_last_resort_for_so_long() {
    let mut it = Instance::reached();
    it.ledger.spare(5 * MS);
    it.is(InstanceState::Up, Standing::LastResort, "it was reached");
    it.now = 5 * MS;
    it.is(InstanceState::Up, Standing::Ready, "it was reached");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut it = Instance::reached();
    for at in 0..10 * HISTORY_CHANGES_MAX as u64 {
        it.ledger.lost(at, "gone");
        it.ledger.reached(at);
    }
    assert_eq!(it.ledger.history().count(), HISTORY_CHANGES_MAX);
    assert!(it.ledger.losses.len() <= LOSSES_REMEMBERED_MAX);
}

#[test]
fn calls_that_went_down_with_a_process_say_nothing_of_the_next() {
    let mut it = Instance::reached();
    let begun: Vec<Ticket> =
        (0..=BREAKER_FAILURES_IN_A_ROW).filter_map(|_| it.ledger.begun(it.now)).collect();
    it.ledger.lost(it.now, "the connection broke");
    it.ledger.reached(it.now);
    for ticket in begun {
        it.ledger.result(it.now, ticket, Verdict::Failed, 7, || true);
    }
    it.is(InstanceState::Up, Standing::Ready, "answers again");
}
