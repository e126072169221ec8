//! Tests of relays: what a consumer hears, and in which order, whatever becomes of it and of the relay.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::sync::mpsc;

use super::*;
use crate::database::testing::sequences::check_sequences;

on_both_databases! {
    tokio: [
        what_could_not_be_told_holds_back_its_key_and_no_other,
        a_consumer_that_was_away_hears_all_once_it_is_back,
        a_relay_tells_what_another_instance_has_written,
    ],
    threads: [whatever_fails_each_event_is_told_in_the_order_of_its_key],
}

/// So long a test waits for what has to come, before it fails.
const HEARD_MAX: Duration = Duration::from_secs(20);

const KEYS: [&str; 3] = ["a", "b", "c"];

async fn what_could_not_be_told_holds_back_its_key_and_no_other(on: On) {
    let (_place, database) = empty(on).await;
    for (key, number) in [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("c", 1), ("a", 3)] {
        count(&database, key, number, 1).await;
    }
    let events = all(&database).await;
    let heard = RefCell::new(Vec::new());
    // It says no to the second of `a` and to the first of `c`.
    let tell = async |event: &Recorded<Counted>| {
        tokio::task::yield_now().await;
        heard.borrow_mut().push((event.key.clone(), event.change.number));
        let no = [("a", 2), ("c", 1)].contains(&(event.key.as_str(), event.change.number));
        if no { Told::No } else { Told::Yes }
    };
    let relay = Relay::new(&database, "consumer");
    assert_eq!(relay.tell_all(&async |events: &[_]| tell_each(events, tell).await).await, Told::No);
    let of = |key: &str| {
        let heard = heard.borrow();
        heard.iter().filter(|(of, _)| of == key).map(|(_, number)| *number).collect::<Vec<_>>()
    };
    assert_eq!((of("a"), of("b"), of("c")), (vec![1, 2], vec![1, 2], vec![1]));
    assert_eq!(cursor(&database, "consumer").await, events[2].id - 1, "it stands before the first no");
}

/// One step in the life of a relay.
#[derive(Clone, Debug)]
enum Step {
    /// Events are written, one of each of these keys.
    Write(Vec<&'static str>),
    /// The relay tells what there is, to a consumer that is away every few calls.
    Tell { away: Vec<bool> },
    /// Another relay takes over, as after a crash: it knows only what was noted.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => vec(select(&KEYS[..]), 1..30).prop_map(Step::Write),
        3 => vec(any::<bool>(), 1..9).prop_map(|away| Step::Tell { away }),
        1 => Just(Step::Restart),
    ]
}

fn whatever_fails_each_event_is_told_in_the_order_of_its_key(on: On) {
    check_sequences(on, &[Migration::events_and_replies(1)], step(), async |database, steps| {
        let mut written: BTreeMap<&str, u64> = BTreeMap::new();
        // What the consumer knows: how far each key has come.
        let known: RefCell<BTreeMap<String, u64>> = RefCell::default();
        let mut relay = Relay::new(&database, "consumer");
        // At the end it is there, so that it hears all.
        for step in steps.into_iter().chain([Step::Tell { away: vec![false] }]) {
            match step {
                Step::Write(keys) => {
                    let events = keys.into_iter().map(|key| {
                        let number = written.entry(key).or_default();
                        *number += 1;
                        count(&database, key, *number, 1)
                    });
                    join_all(events).await;
                }
                Step::Tell { away } => {
                    let calls = Cell::new(0);
                    let tell = async |event: &Recorded<Counted>| {
                        let call = calls.replace(calls.get() + 1);
                        // Others are told meanwhile.
                        tokio::task::yield_now().await;
                        if away[call % away.len()] {
                            return Told::No;
                        }
                        let mut known = known.borrow_mut();
                        let number = known.entry(event.key.clone()).or_default();
                        assert!(event.change.number <= *number + 1, "{event:?} is told before others");
                        *number = event.change.number.max(*number);
                        Told::Yes
                    };
                    let told = relay.tell_all(&async |events: &[_]| tell_each(events, tell).await).await;
                    if !away.contains(&true) {
                        assert_eq!(told, Told::Yes);
                    }
                    let known = known.borrow().clone();
                    check_cursor(&database, &known, told).await;
                }
                Step::Restart => relay = Relay::new(&database, "consumer"),
            }
        }
        let written = written.into_iter().map(|(key, number)| (key.to_owned(), number));
        assert_eq!(*known.borrow(), written.collect());
    });
}

/// The consumer knows whatever stands before the cursor; behind it there is something to tell, unless it was told all.
async fn check_cursor(database: &Database, known: &BTreeMap<String, u64>, told: Told) {
    let through = cursor(database, "consumer").await;
    let events = all(database).await;
    let is_known = |event: &Recorded<Counted>| {
        known.get(&event.key).is_some_and(|number| event.change.number <= *number)
    };
    for event in events.iter().filter(|event| event.id <= through) {
        assert!(is_known(event), "the cursor {through} has passed {event:?}");
    }
    assert_eq!(told == Told::Yes, events.iter().all(|event| event.id <= through));
}

/// A relay that runs for ever, to a consumer that says what it hears and may be away.
struct Running {
    relay: Rc<Relay>,
    is_away: Rc<Cell<bool>>,
    /// The numbers of each call.
    calls: mpsc::Receiver<Vec<u64>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// What the consumer hears next.
    async fn hears(&mut self) -> Vec<u64> {
        let heard = tokio::time::timeout(HEARD_MAX, self.calls.recv()).await;
        heard.expect("the consumer hears nothing").expect("the relay goes on")
    }
}

fn run(database: &Database) -> Running {
    let relay = Rc::new(Relay::new(database, "consumer"));
    let is_away = Rc::new(Cell::new(false));
    let (say, calls) = mpsc::channel(100);
    let (running, away) = (Rc::clone(&relay), Rc::clone(&is_away));
    let task = tokio::task::spawn_local(async move {
        let tell = async |events: &[Recorded<Counted>]| {
            say.send(events.iter().map(|event| event.change.number).collect()).await.unwrap();
            events.first().filter(|_| away.get()).map(|event| event.id)
        };
        running.run(tell).await;
    });
    Running { relay, is_away, calls, task }
}

/// Lets time pass for timers, and only for them: a database's threads know nothing of it. The relay must be asleep.
async fn sleep_over() {
    tokio::time::pause();
    tokio::time::advance(LOOK_EVERY).await;
    tokio::time::resume();
}

async fn a_consumer_that_was_away_hears_all_once_it_is_back(on: On) {
    let (_place, database) = empty(on).await;
    let mut running = run(&database);
    count(&database, "a", 1, 1).await;
    running.relay.wake();
    assert_eq!(running.hears().await, [1]);

    running.is_away.set(true);
    join_all((2..=4).map(|number| count(&database, "a", number, 1))).await;
    running.relay.wake();
    assert_eq!(running.hears().await, [2, 3, 4]);
    for _ in 0..2 {
        sleep_over().await;
        assert_eq!(running.hears().await, [2, 3, 4], "it is asked again");
    }
    count(&database, "b", 5, 1).await;
    running.is_away.set(false);
    sleep_over().await;
    assert_eq!(running.hears().await, [2, 3, 4, 5]);
    count(&database, "a", 6, 1).await;
    running.relay.wake();
    assert_eq!(running.hears().await, [6], "each was heard once since then");
    running.task.abort();
}

async fn a_relay_tells_what_another_instance_has_written(on: On) {
    let (place, database) = empty(on).await;
    let other = open(place.location()).await;
    let mut running = run(&database);
    count(&database, "a", 1, 1).await;
    running.relay.wake();
    assert_eq!(running.hears().await, [1]);
    // Nobody wakes it.
    count(&other, "a", 2, 1).await;
    assert_eq!(running.hears().await, [2]);
    running.task.abort();
}
