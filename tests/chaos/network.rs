//! The network survives its instances: one of three nodes is killed, stopped, made slow, cut off or deaf while requests come by
//! schedule, and none of them fails; the gateway takes the node out, leaves it alone, and takes it back.
//!
//! `MICRONET_CHAOS_SECONDS` says for how long each of it goes on, and `MICRONET_CHAOS_RUNS` how often it is done.

mod lab;
mod relay;
mod traffic;

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use micronet_tests::machine::Machine;
use micronet_tests::patience::until_or;
use micronet_wire::network::{CalledInstance, InstanceState};
use rustix::process::Signal;

use self::lab::{Lab, VICTIM};
use self::relay::Relay;
use self::traffic::Traffic;
use crate::number;

/// Requests a second.
const RATE_PER_S: u32 = 200;
static ALONE: Mutex<()> = Mutex::new(());
/// For how long it goes on without an environment variable, in seconds.
const SECONDS_DEFAULT: u64 = 12;
/// How long everything is fine before something happens.
const BEFORE: Duration = Duration::from_secs(5);
/// For how long at least it is looked whether the node that is out is left alone.
const ALONE_MIN: Duration = Duration::from_secs(3);
/// How long it may take until a node is taken out, or taken back.
const PATIENCE: Duration = Duration::from_secs(90);
/// Answers of a node that is back which show that it gets calls again.
const ANSWERS_BACK: usize = 20;

/// How the gateway may see a node that it can't reach.
const AWAY: &[InstanceState] = &[InstanceState::Down];
/// How it may see one whose calls go badly.
const UNWELL: &[InstanceState] = &[InstanceState::Ejected, InstanceState::Probing];

#[test]
fn nothing_fails_when_a_node_is_killed() {
    let (strike, lift) = (|lab: &mut Lab| lab.victim().kill(), Lab::restart_victim);
    survives("kill -9", Lab::open(), AWAY, strike, lift);
}

#[test]
fn nothing_fails_when_a_node_is_stopped() {
    let strike = |lab: &mut Lab| lab.victim().signal(Signal::STOP);
    survives("SIGSTOP", Lab::open(), AWAY, strike, |lab| lab.victim().signal(Signal::CONT));
}

#[test]
fn nothing_fails_when_a_node_is_twenty_times_slower() {
    survives("20 x slower", Lab::open(), UNWELL, |lab| lab.slow_down(20), |lab| lab.slow_down(1));
}

#[test]
fn nothing_fails_when_a_node_is_cut_off() {
    let Some(machine) = Machine::start() else { return };
    let lab = Lab::with_victim_on(&machine);
    survives("partition", lab, AWAY, |_| machine.unplug(), |_| machine.plug_in());
}

#[test]
fn nothing_fails_when_a_node_answers_nothing_on_open_connections() {
    let relay = Relay::start();
    let lab = Lab::with_victim_behind(&relay);
    survives("deaf", lab, AWAY, |_| relay.hold(true), |_| relay.hold(false));
}

/// Runs requests by schedule while something happens to a node.
fn survives(
    what: &str,
    mut lab: Lab,
    out: &[InstanceState],
    strike: impl Fn(&mut Lab),
    lift: impl Fn(&mut Lab),
) {
    // One at a time: they measure how soon something happens.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..number("MICRONET_CHAOS_RUNS").unwrap_or(1) {
        survives_once(what, &mut lab, out, &strike, &lift);
    }
}

fn survives_once(
    what: &str,
    lab: &mut Lab,
    out: &[InstanceState],
    strike: impl Fn(&mut Lab),
    lift: impl Fn(&mut Lab),
) {
    let run = Duration::from_secs(number("MICRONET_CHAOS_SECONDS").unwrap_or(SECONDS_DEFAULT));
    let began = Instant::now();
    let traffic = Traffic::start(lab.gateway(), RATE_PER_S);
    thread::sleep(BEFORE);
    assert!(traffic.answers_of(VICTIM) > 0, "{what}: the node gets requests while it is well");

    let probes_before = probes(&lab.seen());
    let struck = Instant::now();
    strike(lab);
    let is_out = |victim: &CalledInstance| out.contains(&victim.state) && victim.in_flight == 0;
    let taken_out = wait(what, "the node to be taken out", lab, &traffic, is_out);
    let after_out = struck.elapsed();
    // From here on it is left alone, but for probes.
    thread::sleep(run.saturating_sub(began.elapsed()).mul_f64(0.6).max(ALONE_MIN));
    let alone = lab.seen();
    let probes = probes(&alone) - probes_before;
    let calls = alone.calls + u64::from(alone.in_flight) - taken_out.calls;

    let lifted = Instant::now();
    let answers = traffic.answers_of(VICTIM);
    lift(lab);
    let is_back = |victim: &CalledInstance| {
        victim.state == InstanceState::Up && traffic.answers_of(VICTIM) >= answers + ANSWERS_BACK
    };
    wait(what, "the node to be taken back", lab, &traffic, is_back);
    let after_back = lifted.elapsed();
    thread::sleep(run.saturating_sub(began.elapsed()));

    let service = lab.service();
    let record = traffic.stop();
    eprintln!(
        "{what}: {record}; out after {after_out:.1?}, {calls} calls and {probes} probes while out, back after \
         {after_back:.1?}, {} retries, {} refused",
        service.retries, service.retries_refused
    );
    assert!(
        record.failed == 0,
        "{what}: requests failed: {record}\n{}\n{service:#?}",
        record.examples.join("\n")
    );
    assert!(out.contains(&alone.state), "{what}: it came back by itself: {alone:#?}");
    assert!(
        calls <= probes,
        "{what}: {calls} calls went to a node that was out, but {probes} probes: {alone:#?}"
    );
}

/// How often it was probed.
fn probes(victim: &CalledInstance) -> u64 {
    victim.history.iter().filter(|change| change.state == InstanceState::Probing).count() as u64
}

/// Waits until the gateway sees the victim so.
fn wait(
    what: &str,
    wanted: &str,
    lab: &Lab,
    traffic: &Traffic,
    is_so: impl Fn(&CalledInstance) -> bool,
) -> CalledInstance {
    let seen = until_or(wanted, PATIENCE, || {
        let victim = lab.seen();
        if is_so(&victim) { Ok(victim) } else { Err(format!("{victim:#?}")) }
    });
    seen.unwrap_or_else(|failure| panic!("{what}: {failure}\n{}", traffic.so_far()))
}
