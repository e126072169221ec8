//! The response cache: what anybody may read is answered from memory for as long as nothing has changed.
//!
//! Kept are replies to anonymous GETs of methods whose schema says so, by naming a stream of their service on which each change is told.
//! The gateway listens to it ([`feed`]); as long as it does, and for as long as nothing has come, a reply is good. Whatever this
//! gateway lets write, to any service, ends all that was kept before the writer is answered: so nobody who has written through it
//! reads what was before. What others write is heard of by the stream, a moment later.
//!
//! Requests for the same thing at the same time become one call, whose answer all of them get.

mod feed;
mod store;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use micronet_transport::clock;
use micronet_transport::metrics::Metrics;
use micronet_transport::upstream::Upstream;
use micronet_wire::http1::{Method, RequestHead};
use micronet_wire::rest::{Answer, Route, accepts};
use tokio::sync::watch;

use self::feed::Feed;
use self::store::{Kept, Source, Stamp, Store};
use crate::api::stats::CacheStats;
use crate::settings::Cache as Limits;
use crate::stats::percent;

/// The longest question of which an answer is kept: path and query, in bytes.
const KEY_BYTES_MAX: usize = 1 << 10;
/// Calls at once for whose answers others wait; more are made by everybody for themselves.
const FLIGHTS_MAX: usize = 1 << 10;

/// What the answer to a question comes to.
type Landed = watch::Receiver<Option<Rc<Answer>>>;

/// Answers that are kept, and calls under way for them.
#[derive(Debug)]
pub(crate) struct Cache {
    upstreams: Rc<[Upstream]>,
    feeds: Vec<Rc<Feed>>,
    store: RefCell<Store>,
    flights: RefCell<HashMap<Box<str>, (Source, Stamp, Landed)>>,
    /// Writes that this gateway has let through.
    written: Cell<u64>,
    counts: [Cell<u64>; Found::ALL.len()],
}

/// How a request was answered that could have been from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// From memory.
    Hit,
    /// By a call for another request.
    Shared,
    /// By a call.
    Miss,
    /// By a call whose reply can't be kept, since nobody tells of changes now.
    Bypass,
}

impl Found {
    const ALL: [Self; 4] = [Self::Hit, Self::Shared, Self::Miss, Self::Bypass];

    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Shared => "shared",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }

    /// What `X-Cache` says.
    fn shown(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Shared => "SHARED",
            Self::Miss => "MISS",
            Self::Bypass => "BYPASS",
        }
    }
}

/// What is to be done for a request.
enum Turn {
    /// It is answered.
    Answered(Answer),
    /// It is to call, for others too.
    Lead(Flight),
    /// It is to call, for itself.
    Alone,
}

/// Who calls, of those who ask the same.
enum Aboard {
    /// Somebody does already.
    Too(Landed),
    /// This one.
    First(Flight),
    /// Each for themselves.
    No,
}

/// A call under way for everybody who asks the same. When it is dropped without an answer, one of those who wait calls.
struct Flight {
    cache: Rc<Cache>,
    key: Box<str>,
    source: Source,
    stamp: Stamp,
    began_ns: u64,
    tell: watch::Sender<Option<Rc<Answer>>>,
}

impl Cache {
    /// An empty cache before these services.
    pub(crate) fn new(upstreams: &Rc<[Upstream]>) -> Rc<Self> {
        Rc::new(Self {
            upstreams: Rc::clone(upstreams),
            feeds: upstreams.iter().map(|_| Rc::default()).collect(),
            store: RefCell::default(),
            flights: RefCell::default(),
            written: Cell::default(),
            counts: <[Cell<u64>; 4]>::default(),
        })
    }

    /// Shows it among the metrics.
    pub(crate) fn show(self: &Rc<Self>, metrics: &Metrics) {
        for found in Found::ALL {
            let cache = Rc::clone(self);
            metrics.tally(
                "micronet_cache_requests_total",
                "Requests that could have been answered from the response cache, by whether they were.",
                ("result", found.name()),
                move || cache.counts[found as usize].get(),
            );
        }
        let cache = Rc::clone(self);
        let help = "What the answers in the response cache take.";
        metrics.watch("micronet_cache_bytes", help, move || cache.store.borrow().size().1);
        let cache = Rc::clone(self);
        let help = "Requests in a hundred that were answered from the response cache, of those that could have been.";
        metrics.watch("micronet_cache_hit_percent", help, move || {
            usize::try_from(cache.stats().hit_percent.0 / 100).unwrap_or(0)
        });
    }

    /// What was counted.
    pub(crate) fn stats(&self) -> CacheStats {
        let [hits, shared, misses, bypassed] = Found::ALL.map(|found| self.counts[found as usize].get());
        let (entries, bytes) = self.store.borrow().size();
        CacheStats {
            hits,
            shared,
            misses,
            bypassed,
            hit_percent: percent(hits + shared, hits + shared + misses + bypassed),
            entries: entries as u64,
            bytes: bytes as u64,
        }
    }

    /// Something may have been written: nothing that was kept before is good any more.
    pub(crate) fn written(&self) {
        self.written.set(self.written.get() + 1);
    }

    /// Answers a request that somebody anonymous has made, by `call` unless there is no need to.
    pub(crate) async fn answer(
        self: &Rc<Self>,
        limits: &Limits,
        head: &RequestHead,
        route: &Route,
        call: impl Future<Output = Answer>,
    ) -> Answer {
        if limits.size == 0 {
            // What was kept before that was set isn't needed.
            self.store.borrow_mut().clear();
            return call.await;
        }
        let Some(key) = key(head, route) else { return call.await };
        match self.turn(limits, head, key, route).await {
            Turn::Answered(answer) => answer,
            Turn::Alone => self.told(Found::Bypass, call.await),
            Turn::Lead(flight) => {
                let answer = call.await;
                flight.land(&answer, limits);
                self.told(Found::Miss, answer)
            }
        }
    }

    async fn turn(
        self: &Rc<Self>,
        limits: &Limits,
        head: &RequestHead,
        key: Box<str>,
        route: &Route,
    ) -> Turn {
        // Whoever doesn't take it hears so from whoever would have to give it.
        let takes = |answer: &Answer| accepts(head.headers().get_all("Accept"), answer.content_type());
        let source = Source { service: route.service, method: route.method };
        loop {
            let Some(stamp) = self.stamp(route) else { return Turn::Alone };
            let now = clock::now();
            let oldest_ns = now.saturating_sub(u64::try_from(limits.longest.as_nanos()).unwrap_or(u64::MAX));
            if let Some(kept) = self.store.borrow_mut().get(&key, source, stamp, oldest_ns, limits.size) {
                if !takes(&kept.answer) {
                    return Turn::Alone;
                }
                let mut answer = self.told(Found::Hit, Answer::clone(&kept.answer));
                let age_s = (now - kept.since_ns) / 1_000_000_000;
                answer.headers.push(("Age", age_s.to_string().into()));
                return Turn::Answered(answer);
            }
            let mut landed = match self.board(&key, source, stamp) {
                Aboard::No => return Turn::Alone,
                Aboard::First(flight) => return Turn::Lead(flight),
                Aboard::Too(landed) => landed,
            };
            // Whoever calls may give up: then somebody else does.
            if let Ok(answer) = landed.wait_for(Option::is_some).await
                && let Some(answer) = &*answer
            {
                if answer.status.code() == 406 || !takes(answer) {
                    return Turn::Alone;
                }
                return Turn::Answered(self.told(Found::Shared, Answer::clone(answer)));
            }
        }
    }

    /// The call under way for this question that began under this stamp; a new one if there is none.
    fn board(self: &Rc<Self>, key: &str, source: Source, stamp: Stamp) -> Aboard {
        let mut flights = self.flights.borrow_mut();
        match flights.get(key) {
            Some((of, since, landed)) if (*of, *since) == (source, stamp) => Aboard::Too(landed.clone()),
            _ if flights.len() >= FLIGHTS_MAX => Aboard::No,
            _ => {
                let (tell, landed) = watch::channel(None);
                flights.insert(key.into(), (source, stamp, landed));
                let (cache, key, began_ns) = (Rc::clone(self), key.into(), clock::now());
                Aboard::First(Flight { cache, key, source, stamp, began_ns, tell })
            }
        }
    }

    /// Until when an answer of a call that begins now is good; `None` where nobody would say when it isn't any more, or where there is
    /// nobody to call, which is to be seen at once.
    fn stamp(self: &Rc<Self>, route: &Route) -> Option<Stamp> {
        let upstream = self.upstreams.get(route.service)?;
        let feed = self.feeds.get(route.service)?;
        feed.listen(upstream, &route.cache);
        if !upstream.is_callable() {
            return None;
        }
        Some(Stamp { heard: feed.heard()?, written: self.written.get() })
    }

    fn told(&self, found: Found, mut answer: Answer) -> Answer {
        let count = &self.counts[found as usize];
        count.set(count.get() + 1);
        answer.headers.push(("X-Cache", found.shown().into()));
        answer
    }
}

impl Flight {
    /// The call has ended so: those who wait hear of it, and it is kept if it is good and still holds.
    fn land(self, answer: &Answer, limits: &Limits) {
        let mut answer = answer.clone();
        if answer.status.code() == 200 {
            answer.tagged();
            let kept = Kept {
                source: self.source,
                stamp: self.stamp,
                since_ns: self.began_ns,
                answer: Rc::new(answer.clone()),
            };
            // One that doesn't hold any more is never given: its stamp says so.
            self.cache.store.borrow_mut().put(self.key.clone(), kept, limits.size);
        }
        self.tell.send_replace(Some(Rc::new(answer)));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.cache.flights.borrow_mut();
        // Another one may have begun since: after a change.
        if flights.get(&self.key).is_some_and(|(_, _, landed)| landed.same_channel(&self.tell.subscribe())) {
            flights.remove(&self.key);
        }
    }
}

/// What is asked, if an answer may be from memory and be kept: a plain read of a method that says so.
fn key(head: &RequestHead, route: &Route) -> Option<Box<str>> {
    let headers = head.headers();
    let is_plain = !route.cache.is_empty()
        && matches!(head.method(), Method::Get | Method::Head)
        && head.body_length() == micronet_wire::http1::BodyLength::Empty
        && ["Authorization", "Idempotency-Key"].iter().all(|name| headers.get(name).is_none())
        // Whoever wants it fresh gets it fresh (RFC 9111 section 5.2.1).
        && !headers.list("Cache-Control").any(|said| {
            ["no-cache", "no-store", "max-age=0"].iter().any(|fresh| said.eq_ignore_ascii_case(fresh.as_bytes()))
        });
    let (path, query) = (head.path(), head.query());
    if !is_plain || path.len() + query.map_or(0, str::len) >= KEY_BYTES_MAX {
        return None;
    }
    Some(match query {
        None => path.into(),
        Some(query) => format!("{path}?{query}").into(),
    })
}
