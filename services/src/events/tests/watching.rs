//! Tests of watching, on the feed of numbers.

use std::rc::Rc;
use std::time::Duration;

use super::super::watch::{News, WatchError, Watched, Watcher};
use super::*;

type Wants = fn(&Recorded<Counted>) -> bool;

async fn watch(feed: &Watched, after: Option<u64>) -> Watcher<Counted, Wants> {
    watch_some(feed, after, |_| true).await
}

async fn watch_some(feed: &Watched, after: Option<u64>, wants: Wants) -> Watcher<Counted, Wants> {
    feed.watch(after, wants).await.unwrap()
}

async fn next(watcher: &mut Watcher<Counted, Wants>) -> News<Counted> {
    tokio::time::timeout(Duration::from_secs(30), watcher.next()).await.unwrap().unwrap()
}

/// The next change: its id and number.
async fn change(watcher: &mut Watcher<Counted, Wants>) -> (i64, u64) {
    match next(watcher).await {
        News::Changed(event) => (event.id, event.change.number),
        beat => panic!("{beat:?} is no change"),
    }
}

async fn beat(watcher: &mut Watcher<Counted, Wants>) -> (i64, i64) {
    match next(watcher).await {
        News::Beat { through, oldest } => (through, oldest),
        changed => panic!("{changed:?} is no beat"),
    }
}

pub(super) async fn a_watcher_hears_what_is_written_from_now_on(on: On) {
    let (_place, database) = empty(on).await;
    let feed = Watched::new(&database);
    assert_eq!(beat(&mut watch(&feed, None).await).await, (0, 0));
    count(&database, "a", 1, 5).await;
    let mut watcher = watch(&feed, None).await;
    let first = all(&database).await[0].id;
    assert_eq!(beat(&mut watcher).await, (first, first));
    // More than a page, in one go and one by one.
    join_all((2..=200).map(|number| count(&database, "a", number, 5))).await;
    for number in 2..=200 {
        assert_eq!(change(&mut watcher).await.1, number);
    }
    for number in 201..=203 {
        count(&database, "b", number, 5).await;
        assert_eq!(change(&mut watcher).await.1, number);
    }
}

pub(super) async fn a_watcher_goes_on_where_another_has_ended(on: On) {
    let (_place, database) = empty(on).await;
    let feed = Watched::new(&database);
    let mut last = 0_i64;
    let mut heard = Vec::new();
    for round in 0..5 {
        let mut watcher = watch(&feed, Some(last.unsigned_abs())).await;
        assert_eq!(beat(&mut watcher).await.0, last);
        for number in 1..=30 {
            count(&database, "a", 30 * round + number, 5).await;
        }
        for _ in 0..17 {
            let (id, number) = change(&mut watcher).await;
            assert!(id > last);
            last = id;
            heard.push(number);
        }
    }
    assert!(heard.into_iter().eq(1..=5 * 17));
    let Err(WatchError::Ahead { newest }) = feed.watch::<Counted, Wants>(Some(1_000_000), |_| true).await
    else {
        panic!("nobody can have heard that")
    };
    assert_eq!(newest, all(&database).await.last().unwrap().id);
}

pub(super) async fn what_another_instance_writes_is_heard_too(on: On) {
    let (place, database) = empty(on).await;
    let other = open(place.location()).await;
    let feed = Watched::new(&database);
    let mut watchers = [watch(&feed, Some(0)).await, watch(&feed, Some(0)).await];
    for watcher in &mut watchers {
        beat(watcher).await;
    }
    for number in 1..=5 {
        count(if number % 2 == 0 { &database } else { &other }, "a", number, 5).await;
        for watcher in &mut watchers {
            assert_eq!(change(watcher).await.1, number);
        }
    }
}

pub(super) async fn a_watcher_of_some_hears_of_the_others_by_beats(on: On) {
    let (_place, database) = empty(on).await;
    let feed = Watched::new(&database).with_beats(Duration::from_millis(50));
    let mut watcher = watch_some(&feed, Some(0), |event| event.key == "b").await;
    assert_eq!(beat(&mut watcher).await.0, 0);
    for number in 1..=100 {
        count(&database, "a", number, 5).await;
    }
    count(&database, "b", 7, 5).await;
    let (id, number) = loop {
        match next(&mut watcher).await {
            News::Changed(event) => break (event.id, event.change.number),
            News::Beat { .. } => {}
        }
    };
    assert_eq!(number, 7);
    count(&database, "a", 101, 5).await;
    let events = all(&database).await;
    // Though nothing that is wanted comes, beats do, and they go on.
    loop {
        let (through, oldest) = beat(&mut watcher).await;
        assert_eq!(oldest, events[0].id);
        assert!((id..=events[101].id).contains(&through));
        if through == events[101].id {
            break;
        }
    }
}

pub(super) async fn a_slow_watcher_holds_nobody_up(on: On) {
    let (_place, database) = empty(on).await;
    let feed = Rc::new(Watched::new(&database));
    let mut slow = watch(&feed, Some(0)).await;
    let mut quick = watch(&feed, Some(0)).await;
    beat(&mut slow).await;
    beat(&mut quick).await;
    assert_eq!(feed.watchers(), 2);
    for number in 1..=300 {
        count(&database, "a", number, 5).await;
        assert_eq!(change(&mut quick).await.1, number);
    }
    for number in 1..=300 {
        assert_eq!(change(&mut slow).await.1, number);
    }
    drop((slow, quick));
    assert_eq!(feed.watchers(), 0);
    // Whoever comes when nobody has watched for a while hears all as well.
    count(&database, "a", 301, 5).await;
    let mut late = watch(&feed, None).await;
    beat(&mut late).await;
    count(&database, "a", 302, 5).await;
    assert_eq!(change(&mut late).await.1, 302);
}
