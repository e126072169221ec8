//! Tests of watching, on the feed of numbers.

use std::rc::Rc;
use std::time::Duration;

use super::super::watch::{BEAT_EVERY, News, WatchError, Watched, Watcher};
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
    let mut last = 0;
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
    let feed = Watched::new(&database);
    let mut watcher = watch_some(&feed, Some(0), |event| event.key == "b").await;
    assert_eq!(beat(&mut watcher).await.0, 0);
    for number in 1..=100 {
        count(&database, "a", number, 5).await;
    }
    count(&database, "b", 7, 5).await;
    assert_eq!(change(&mut watcher).await.1, 7);
    count(&database, "a", 101, 5).await;
    let last = all(&database).await.last().unwrap().id;
    // The beat comes in time, though nothing that is wanted does.
    let waited = tokio::time::Instant::now();
    let (through, oldest) = {
        let waiting = watcher.next();
        tokio::pin!(waiting);
        // Until it has read what there is, time stands still.
        assert!(tokio::time::timeout(Duration::from_secs(1), waiting.as_mut()).await.is_err());
        tokio::time::pause();
        match waiting.await.unwrap() {
            News::Beat { through, oldest } => (through, oldest),
            changed => panic!("{changed:?} is no beat"),
        }
    };
    tokio::time::resume();
    assert_eq!(through, last);
    assert_eq!(oldest, all(&database).await[0].id);
    assert!(waited.elapsed() <= BEAT_EVERY + Duration::from_secs(2), "{:?}", waited.elapsed());
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
