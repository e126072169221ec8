use super::*;

/// The longest pause that chance gives: the half that is fixed, and all of the other.
const LONGEST: u64 = u64::MAX;

/// A supervisor and a clock in milliseconds.
struct Run {
    supervisor: Supervisor,
    now_ms: u64,
}

impl Run {
    fn new() -> Self {
        Self { supervisor: Supervisor::new(0, true, false), now_ms: 1_000_000 }
    }

    /// One that runs.
    fn running() -> Self {
        let mut run = Self::new();
        assert_eq!(run.supervisor.start(run.now()), Some(Action::Launch));
        run.supervisor.ready(run.now());
        run.check(State::Running);
        run
    }

    fn now(&self) -> u64 {
        ns(self.now_ms)
    }

    #[track_caller]
    fn check(&self, state: State) {
        assert_eq!(self.supervisor.state(), state, "{:?}", self.supervisor);
    }

    fn dies(&mut self, random: u64) {
        assert_eq!(self.supervisor.ended(self.now(), "signal: 9", random), None);
    }

    /// Lets the time pass that it waits for, and says how long that was.
    #[track_caller]
    fn waits(&mut self, wanted: Option<Action>) -> u64 {
        let due_ns = self.supervisor.due_ns().expect("it waits for a time");
        assert_eq!(self.supervisor.on_time(due_ns - 1), None, "before its time");
        let waited_ms = due_ns / 1_000_000 - self.now_ms;
        self.now_ms += waited_ms;
        assert_eq!(self.supervisor.on_time(due_ns), wanted);
        waited_ms
    }

    #[track_caller]
    fn comes_back(&mut self) -> u64 {
        self.check(State::BackingOff);
        let pause_ms = self.waits(Some(Action::Launch));
        self.check(State::Starting);
        self.supervisor.ready(self.now());
        pause_ms
    }
}

#[test]
fn one_that_dies_is_started_again_after_a_pause_that_doubles() {
    let mut run = Run::running();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        // Long enough for no crash loop, too short to have recovered.
        run.now_ms += RECOVERED_MS - 1;
        run.dies(LONGEST - LONGEST % 60_000);
        let pause_ms = run.comes_back();
        pauses.push(pause_ms);
    }
    for (count, pause_ms) in pauses.iter().enumerate() {
        let longest_ms = (RESTART_MS_MIN << count).min(RESTART_MS_MAX);
        assert!((longest_ms / 2..=longest_ms).contains(pause_ms), "{pauses:?}");
    }
    assert_eq!(run.supervisor.restarts(), 12);
    assert_eq!(run.supervisor.last_exit(), Some("signal: 9"));
}

#[test]
fn chance_spreads_a_pause_over_its_second_half() {
    let pause_ms = |random| {
        let mut run = Run::running();
        run.dies(random);
        run.comes_back()
    };
    assert_eq!((pause_ms(0), pause_ms(50), pause_ms(51)), (50, 100, 50));
}

#[test]
fn one_that_has_recovered_begins_with_the_shortest_pause() {
    let mut run = Run::running();
    for _ in 0..3 {
        run.dies(0);
        run.comes_back();
    }
    run.now_ms += RECOVERED_MS;
    run.dies(0);
    assert_eq!(run.comes_back(), RESTART_MS_MIN / 2);
}

#[test]
fn one_that_dies_too_often_waits_for_the_operator() {
    let mut run = Run::running();
    for _ in 1..CRASH_LOOP_DEATHS {
        run.dies(0);
        run.comes_back();
    }
    run.dies(0);
    run.check(State::CrashLoop);
    assert!(run.supervisor.reason().contains("5 times within 60 s"), "{:?}", run.supervisor);
    assert_eq!(run.supervisor.due_ns(), None);
    // Then all is forgotten: it may die as often again.
    assert_eq!(run.supervisor.start(run.now()), Some(Action::Launch));
    for _ in 1..CRASH_LOOP_DEATHS {
        run.dies(0);
        assert!(run.comes_back() > 0);
    }
    run.check(State::Running);
}

#[test]
fn deaths_that_lie_far_apart_are_no_crash_loop() {
    let mut run = Run::running();
    for _ in 0..20 {
        run.now_ms += CRASH_LOOP_MS / 4;
        run.dies(0);
        run.comes_back();
    }
}

#[test]
fn one_that_never_gets_ready_is_killed_and_has_died() {
    let mut run = Run::new();
    run.supervisor.start(run.now());
    assert_eq!(run.waits(Some(Action::Kill)), READY_MS_MAX);
    run.check(State::Starting);
    assert_eq!(run.supervisor.due_ns(), None);
    run.dies(0);
    run.check(State::BackingOff);
    assert_eq!(run.supervisor.reason(), "died: signal: 9, killed since it was not ready within 10 s");
}

#[test]
fn one_that_is_stopped_stays_so() {
    let mut run = Run::running();
    assert_eq!(run.supervisor.stop(run.now()), Some(Action::Terminate));
    run.check(State::Stopping);
    assert_eq!(run.supervisor.stop(run.now()), None, "it was told already");
    assert_eq!(run.supervisor.ended(run.now(), "exit status: 0", 0), None);
    run.check(State::Stopped);
    assert_eq!((run.supervisor.due_ns(), run.supervisor.restarts()), (None, 0));
    // Also one that is to come back, and one that is not.
    let mut run = Run::running();
    run.dies(0);
    assert_eq!(run.supervisor.stop(run.now()), None);
    run.check(State::Stopped);
    assert_eq!(run.supervisor.due_ns(), None);
}

#[test]
fn one_that_does_not_drain_is_killed() {
    let mut run = Run::running();
    run.supervisor.stop(run.now());
    assert_eq!(run.waits(Some(Action::Kill)), STOP_MS_MAX);
    assert_eq!(run.supervisor.ended(run.now(), "signal: 9", 0), None);
    run.check(State::Stopped);
    let how = run.supervisor.last_exit().unwrap();
    assert!(how.starts_with("signal: 9, killed since it did not drain within "), "{how}");
}

#[test]
fn a_restart_is_a_stop_and_a_start_without_a_pause() {
    let mut run = Run::running();
    assert_eq!(run.supervisor.restart(run.now()), Some(Action::Terminate));
    assert_eq!(run.supervisor.ended(run.now(), "exit status: 0", 0), Some(Action::Launch));
    run.check(State::Starting);
    run.supervisor.ready(run.now());
    assert_eq!(run.supervisor.restarts(), 1);
    // What comes last counts.
    run.supervisor.restart(run.now());
    assert_eq!(run.supervisor.stop(run.now()), None);
    assert_eq!(run.supervisor.ended(run.now(), "exit status: 0", 0), None);
    run.check(State::Stopped);
    run.supervisor.start(run.now());
    run.supervisor.stop(run.now());
    assert_eq!(run.supervisor.start(run.now()), None);
    assert_eq!(run.supervisor.ended(run.now(), "exit status: 0", 0), Some(Action::Launch));
}

#[test]
fn one_that_is_not_to_come_back_stays_where_it_died() {
    let mut supervisor = Supervisor::new(0, false, false);
    supervisor.start(0);
    supervisor.ready(0);
    assert_eq!(supervisor.ended(1, "signal: 9", 0), None);
    assert_eq!(supervisor.state(), State::Stopped);
    assert_eq!(supervisor.reason(), "died: signal: 9");
    assert_eq!(supervisor.start(2), Some(Action::Launch));
}

/// One that overlaps, with a successor on its way.
fn succeeded() -> Run {
    let mut run = Run { supervisor: Supervisor::new(0, true, true), now_ms: 1_000_000 };
    run.supervisor.start(run.now());
    run.supervisor.ready(run.now());
    assert_eq!(run.supervisor.restart(run.now()), Some(Action::Launch));
    run.check(State::Running);
    assert!(run.supervisor.is_succeeded());
    assert_eq!(run.supervisor.restart(run.now()), None, "there is one on its way");
    run
}

#[test]
fn one_that_overlaps_serves_until_its_successor_is_ready() {
    let mut run = succeeded();
    run.supervisor.ready(run.now());
    run.check(State::Running);
    assert_eq!((run.supervisor.is_succeeded(), run.supervisor.due_ns()), (false, None));
    assert_eq!((run.supervisor.restarts(), run.supervisor.kept_its_place()), (1, false));
}

#[test]
fn one_whose_successor_never_gets_ready_goes_on() {
    let mut run = succeeded();
    run.supervisor.successor_ended(run.now(), "exit status: 2", false);
    run.check(State::Running);
    assert!(run.supervisor.kept_its_place() && run.supervisor.reason().ends_with("ready: exit status: 2"));
    // It takes too long.
    assert_eq!(run.supervisor.restart(run.now()), Some(Action::Launch));
    assert_eq!(run.waits(Some(Action::KillSuccessor)), READY_MS_MAX);
    run.supervisor.successor_ended(run.now(), "signal: 9", false);
    run.check(State::Running);
    assert!(run.supervisor.reason().contains("not ready within"), "{:?}", run.supervisor);
    // It was ready, so that the one before leaves already: another one follows.
    run.supervisor.restart(run.now());
    run.supervisor.successor_ended(run.now(), "signal: 9", true);
    run.check(State::Stopping);
    assert_eq!(run.supervisor.ended(run.now(), "exit status: 0", 0), Some(Action::Launch));
}

#[test]
fn a_successor_follows_early_one_that_dies() {
    let mut run = succeeded();
    run.supervisor.succeeded_early(run.now());
    run.check(State::Starting);
    run.supervisor.ready(run.now());
    run.check(State::Running);
    // And is ended with one that is stopped.
    let mut run = succeeded();
    assert_eq!(run.supervisor.stop(run.now()), Some(Action::Terminate));
    run.check(State::Stopping);
    assert!(!run.supervisor.is_succeeded() && !run.supervisor.is_wanted());
}
