//! How often callers may ask: by address before anybody is asked who they are, and then by the class of the method, an account's own
//! count or, without one, its address's. What decides is pure (`gcra`, `table`); what several gateways count together, `redis` asks
//! Redis for.

mod client;
mod gcra;
mod redis;
mod table;

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;

use micronet_transport::metrics::Metrics;
use micronet_transport::records::Story;
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::rest::Answer;

pub(crate) use self::client::{Who, client};
pub use self::gcra::{Left, Limit, Used};
use self::redis::Shared;
pub use self::redis::{RedisAt, SHARED_WAIT_MS_MAX};
use self::table::Table;
use crate::settings::Rates as Limits;

/// Whoever may ask oftener than this needn't be told how much is left: nobody paces themselves by it, and it would be in each answer.
const TOLD_PER_S_MAX: u64 = 1_000;

/// What a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything that comes from an address.
    Address,
    /// Credentials from an address that were refused.
    Refused,
    /// Signing in.
    Auth,
    /// What belongs to no other class.
    Api,
    /// Looking at how things are.
    Monitoring,
    /// Large pieces of work.
    Bulk,
    /// The public shop.
    Shop,
    /// The load-balancing lab.
    Lab,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Address,
        Self::Refused,
        Self::Auth,
        Self::Api,
        Self::Monitoring,
        Self::Bulk,
        Self::Shop,
        Self::Lab,
    ];

    /// The class of a method, by its name in the schema; one that isn't known is limited as `api` is, together with it.
    pub(crate) fn of_class(name: &str) -> Self {
        match name {
            "auth" => Self::Auth,
            "monitoring" => Self::Monitoring,
            "bulk" => Self::Bulk,
            "shop" => Self::Shop,
            "lab" => Self::Lab,
            _ => Self::Api,
        }
    }

    /// Its name, in settings and in keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Refused => "refused",
            Self::Auth => "auth",
            Self::Api => "api",
            Self::Monitoring => "monitoring",
            Self::Bulk => "bulk",
            Self::Shop => "shop",
            Self::Lab => "lab",
        }
    }

    /// What holds unless it is set. Those of addresses, of the shop and of the lab are more than a gateway can answer, so that
    /// load runs measure it and not them.
    pub(crate) fn limit_unless_set(self) -> &'static str {
        match self {
            Self::Auth => "5/min",
            Self::Api => "100/min",
            Self::Monitoring | Self::Refused => "1000/min",
            Self::Bulk => "10/hour",
            Self::Address | Self::Shop | Self::Lab => "100000/s",
        }
    }
}

/// How much of the limits everybody has used.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    tables: RefCell<[Table<Who>; Kind::ALL.len()]>,
    /// What other gateways count, too.
    shared: Option<Rc<Shared>>,
    refused: [Cell<u64>; Kind::ALL.len()],
}

/// What is left of a limit after a request, for the answer to tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    kind: Kind,
    limit: Limit,
    left: Left,
}

impl Rates {
    /// Nothing is used. With Redis, counts are shared with other gateways.
    pub(crate) fn new(redis: Option<RedisAt>) -> Rc<Self> {
        Rc::new(Self { shared: redis.map(Shared::new), ..Self::default() })
    }

    /// Shows it among the metrics.
    pub(crate) fn show(self: &Rc<Self>, metrics: &Metrics) {
        for kind in Kind::ALL {
            let rates = Rc::clone(self);
            metrics.tally(
                "micronet_rate_limited_total",
                "Requests that were refused since there were too many, by the limit.",
                ("class", kind.name()),
                move || rates.refused[kind as usize].get(),
            );
        }
        let rates = Rc::clone(self);
        metrics.watch("micronet_rate_limited_callers", "Callers of whom counts are kept.", move || {
            rates.remembered()
        });
        if self.shared.is_some() {
            let rates = Rc::clone(self);
            let help =
                "Whether limits are shared by Redis, 1, or it is away and they are this gateway's own, 0.";
            metrics.watch("micronet_rate_limits_shared", help, move || {
                usize::from(rates.shared.as_ref().is_some_and(|shared| shared.answers()))
            });
        }
    }

    /// The same as [`pass`](Self::pass), by a count that gateways share where they do.
    pub(crate) async fn pass_shared(
        &self,
        limits: &Limits,
        kind: Kind,
        who: Who,
        now: u64,
    ) -> Option<Passed> {
        let limit = *limits.limit(kind)?;
        let Some(shared) = self.shared.as_ref().filter(|_| Shared::has(&limit)) else {
            return self.pass(limits, kind, who, now);
        };
        let own = self.look(limits, kind, who, now)?;
        if own.is_refused() {
            // What is too many here is too many for all of them.
            return Some(self.counted(own));
        }
        let key = format!("rate_limit:{who}:{}", kind.name());
        match Box::pin(shared.pass(&key, &limit)).await {
            None => self.pass(limits, kind, who, now),
            Some(left) if left.wait_ns.is_some() => Some(self.counted(Passed { kind, limit, left })),
            Some(left) => {
                // So that it is known here, should Redis go away.
                self.pass(limits, kind, who, now);
                Some(Passed { kind, limit, left })
            }
        }
    }

    fn counted(&self, passed: Passed) -> Passed {
        if passed.is_refused() {
            let count = &self.refused[passed.kind as usize];
            count.set(count.get() + 1);
        }
        passed
    }

    /// Counts a request that has come at `now`. Nothing comes back where no limit holds.
    pub(crate) fn pass(&self, limits: &Limits, kind: Kind, who: Who, now: u64) -> Option<Passed> {
        let limit = *limits.limit(kind)?;
        let left = self.tables.borrow_mut()[kind as usize].pass(who, &limit, now);
        Some(self.counted(Passed { kind, limit, left }))
    }

    /// How it stands, and nothing counted.
    pub(crate) fn look(&self, limits: &Limits, kind: Kind, who: Who, now: u64) -> Option<Passed> {
        let limit = *limits.limit(kind)?;
        let left = self.tables.borrow()[kind as usize].look(who, &limit, now);
        Some(Passed { kind, limit, left })
    }

    /// Callers of whom something is remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.tables.borrow().iter().map(Table::len).sum()
    }
}

impl Passed {
    /// Whether it was too many.
    pub(crate) fn is_refused(&self) -> bool {
        self.left.wait_ns.is_some()
    }

    /// Tells the story of the request that there is this limit, and what was left.
    pub(crate) fn told(&self, story: &Story) {
        story.limit(self.kind.name(), self.left.remaining, self.limit.burst(), self.is_refused());
    }

    /// The answer to what was too many.
    pub(crate) fn refusal(&self) -> Answer {
        let wait_ns = self.left.wait_ns.unwrap_or(0);
        let wait_s = seconds(wait_ns);
        let what = match self.kind {
            Kind::Address => "requests from this address".to_owned(),
            Kind::Refused => "credentials from this address that were refused".to_owned(),
            class => format!("requests of the class {}", class.name()),
        };
        let words = format!("too many {what}: {} are allowed; the next one in {wait_s} s", self.limit);
        let wait_ms = u32::try_from(wait_ns.div_ceil(1_000_000)).unwrap_or(u32::MAX);
        let error = RpcError::new(Code::RateLimitExceeded, words).retry(Retry::Never, wait_ms);
        let mut answer = Answer::rpc_error(&error);
        self.tell(&mut answer);
        answer
    }

    /// Says in an answer what is left, by draft-ietf-httpapi-ratelimit-headers-06. Those of high limits say so only when they refuse.
    pub(crate) fn tell(&self, answer: &mut Answer) {
        if !self.is_refused() && self.limit.each_ns() < 1_000_000_000 / TOLD_PER_S_MAX {
            return;
        }
        let (count, burst) = (self.limit.count(), self.limit.burst());
        let mut policy = format!("{count};w={}", self.limit.span_s());
        if burst != count {
            let _ = write!(policy, ";burst={burst}");
        }
        let fields = [
            ("RateLimit-Policy", policy),
            ("RateLimit-Limit", burst.to_string()),
            ("RateLimit-Remaining", self.left.remaining.to_string()),
            ("RateLimit-Reset", seconds(self.left.whole_ns).to_string()),
        ];
        for (name, value) in &fields {
            // Digits break no header.
            let _ = answer.lines.put(name, value);
        }
    }
}

fn seconds(ns: u64) -> u64 {
    ns.div_ceil(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use micronet_wire::principal::Principal;

    use super::*;

    fn who(address: &str) -> Who {
        Who::at(address.parse().expect("an address"))
    }

    #[test]
    fn classes_count_apart_and_so_do_callers() {
        let (rates, limits) = (Rates::default(), Limits::default());
        let passes = |kind, who| !rates.pass(&limits, kind, who, 1).expect("a limit").is_refused();
        let (one, two) = (who("10.0.0.1"), who("10.0.0.2"));
        assert_eq!((0..9).filter(|_| passes(Kind::Auth, one)).count(), 5);
        assert!(passes(Kind::Api, one) && passes(Kind::Auth, two));
        let user = Principal::from_key("user/7").and_then(|user| Who::asks(&user, one)).expect("a user");
        assert!(passes(Kind::Auth, user));
        assert!(rates.look(&limits, Kind::Auth, one, 1).expect("a limit").is_refused());
        assert_eq!(rates.remembered(), 4);
    }

    #[test]
    fn a_refusal_says_when_to_go_on() {
        let (rates, limits) = (Rates::default(), Limits::default());
        let last = (0..6).map(|_| rates.pass(&limits, Kind::Auth, who("::1"), 1).expect("a limit")).last();
        let answer = last.expect("six of them").refusal();
        assert_eq!((answer.status.code(), answer.retry_after_s), (429, Some(12)));
        let headers = std::str::from_utf8(answer.lines.bytes()).expect("ASCII");
        assert_eq!(
            headers,
            "RateLimit-Policy: 5;w=60\r\nRateLimit-Limit: 5\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 60\r\n"
        );
        let body = std::str::from_utf8(answer.body()).expect("JSON");
        assert!(body.contains("RATE_LIMIT_EXCEEDED") && body.contains("the class auth: 5/min"), "{body}");
    }

    #[test]
    fn what_nobody_knows_is_limited_as_api_is() {
        for kind in Kind::ALL {
            let wanted = if matches!(kind, Kind::Address | Kind::Refused) { Kind::Api } else { kind };
            assert_eq!(Kind::of_class(kind.name()), wanted);
        }
        assert_eq!(Kind::of_class("made-up"), Kind::Api);
    }
}
