//! Limits that several gateways hold together, by counts in Redis: one script that runs there as a whole decides as [`super::gcra`] does,
//! by Redis's own clock.
//!
//! Redis is never waited for long: where it doesn't answer in time, each gateway goes by its own counts, and soon doesn't ask any more
//! until it answers again. What was counted here meanwhile, the others don't know of.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::tasks;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};

use super::gcra::{Left, Limit};

/// The longest time that a request waits for Redis, in milliseconds.
pub const SHARED_WAIT_MS_MAX: u64 = 5;
/// Failures in a row after which Redis isn't asked for a while.
const FAILURES_MAX: u32 = 3;
/// How long it isn't asked then, in milliseconds; afterwards one request tries.
const REST_MS: u64 = 1_000;
/// How long connecting may take, in milliseconds. No request waits for it.
const CONNECT_MS_MAX: u64 = 1_000;
/// Limits that allow more than this a second are each gateway's own: to ask for each request would cost more than it is worth.
const SHARED_PER_S_MAX: u64 = 100;

/// KEYS[1] holds until when what has happened would have taken, in microseconds of Redis's clock. ARGV: what one takes, and what a burst
/// takes. Answers whether it passes, how far ahead that is then, and how long to wait.
const DECIDE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local used = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local ahead = used - now + each
if ahead > burst then return {0, used - now, ahead - burst} end
redis.call('SET', KEYS[1], string.format('%.0f', used + each), 'PX', math.ceil(ahead / 1000))
return {1, ahead, 0}
";

/// Where Redis is, as `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`.
#[derive(Clone)]
pub struct RedisAt(Client);

impl FromStr for RedisAt {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        // What the crate says of a bad URL doesn't repeat it, so no password gets into words.
        Client::open(url).map(Self).map_err(|error| error.to_string())
    }
}

/// Shown without what may be a password.
impl fmt::Debug for RedisAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAt({})", self.0.get_connection_info().addr())
    }
}

impl PartialEq for RedisAt {
    fn eq(&self, other: &Self) -> bool {
        format!("{:?}", self.0.get_connection_info()) == format!("{:?}", other.0.get_connection_info())
    }
}

/// Counts that are shared with other gateways.
pub(super) struct Shared {
    at: RedisAt,
    decide: Script,
    connection: RefCell<Option<MultiplexedConnection>>,
    connecting: Cell<bool>,
    failures: Cell<u32>,
    /// Until when Redis isn't asked.
    rests_until_ns: Cell<u64>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Shared {
    /// Counts there. It connects when it is asked first.
    pub(super) fn new(at: RedisAt) -> Rc<Self> {
        Rc::new(Self {
            at,
            decide: Script::new(DECIDE),
            connection: RefCell::default(),
            connecting: Cell::default(),
            failures: Cell::default(),
            rests_until_ns: Cell::default(),
        })
    }

    /// Whether a limit is counted together.
    pub(super) fn has(limit: &Limit) -> bool {
        limit.each_ns() >= 1_000_000_000 / SHARED_PER_S_MAX
    }

    /// Whether Redis answers, as far as that is known.
    pub(super) fn answers(&self) -> bool {
        self.connection.borrow().is_some() && self.failures.get() < FAILURES_MAX
    }

    /// One more by this key; `None` where Redis doesn't say, within [`SHARED_WAIT_MS_MAX`].
    pub(super) async fn pass(self: &Rc<Self>, key: &str, limit: &Limit) -> Option<Left> {
        if clock::now() < self.rests_until_ns.get() {
            return None;
        }
        let connection = self.connection.borrow().clone();
        let Some(mut connection) = connection else {
            self.connect();
            return None;
        };
        if self.failures.get() >= FAILURES_MAX {
            // The rest is over, and this one tries; the others wait for what it comes to.
            self.rest();
        }
        let us = |ns: u64| ns.div_ceil(1_000);
        let each_us = us(limit.each_ns());
        let mut asks = self.decide.key(key);
        asks.arg(each_us).arg(each_us * u64::from(limit.burst()));
        let asked = asks.invoke_async(&mut connection);
        let wait = Duration::from_millis(SHARED_WAIT_MS_MAX);
        match tokio::time::timeout(wait, asked).await {
            Ok(Ok(answer)) => {
                self.answered();
                let (passes, ahead_us, wait_us): (u8, u64, u64) = answer;
                let left = limit.left(ahead_us * 1_000);
                Some(Left { wait_ns: (passes == 0).then_some(wait_us * 1_000), ..left })
            }
            Ok(Err(error)) => self.failed(Some(&error)),
            Err(_) => self.failed(None),
        }
    }

    fn answered(&self) {
        if self.failures.replace(0) >= FAILURES_MAX {
            tracing::info!(redis = ?self.at, "answers again: limits are shared");
        }
        self.rests_until_ns.set(0);
    }

    fn failed<T>(self: &Rc<Self>, error: Option<&RedisError>) -> Option<T> {
        if error.is_some_and(|error| error.is_io_error() || error.is_unrecoverable_error()) {
            self.connection.take();
            self.failures.set(self.failures.get().max(FAILURES_MAX - 1));
        }
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        if failures == FAILURES_MAX {
            let why = error.map_or_else(|| "no answer in time".to_owned(), ToString::to_string);
            tracing::warn!(redis = ?self.at, why, "doesn't answer: each gateway goes by its own limits");
        }
        if failures >= FAILURES_MAX {
            self.rest();
        }
        None
    }

    fn rest(&self) {
        self.rests_until_ns.set(clock::now() + REST_MS * 1_000_000);
    }

    /// Connects in the background, once at a time.
    fn connect(self: &Rc<Self>) {
        if self.connecting.replace(true) {
            return;
        }
        let shared = Rc::clone(self);
        tasks::spawn("connecting to Redis", async move {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)))
                .set_response_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)));
            match shared.at.0.get_multiplexed_async_connection_with_config(&config).await {
                Ok(connection) => {
                    shared.connection.replace(Some(connection));
                    // Whether it answers in time is seen by the next request.
                    shared.rests_until_ns.set(0);
                }
                Err(error) => {
                    let _: Option<()> = shared.failed(Some(&error));
                    shared.rest();
                }
            }
            shared.connecting.set(false);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let at: RedisAt = "redis://ada:sesame@10.0.0.1:7000/2".parse().expect("a URL");
        assert_eq!(format!("{at:?}"), "RedisAt(10.0.0.1:7000)");
        let wrong = "http://ada:sesame@10.0.0.1".parse::<RedisAt>().expect_err("it is no Redis");
        assert!(!wrong.contains("sesame"), "{wrong}");
    }

    #[test]
    fn fast_limits_are_each_gateways_own() {
        let has = |text: &str| Shared::has(&Limit::parse(text).expect("a limit"));
        assert!(has("5/min") && has("100/min") && has("100/s"));
        assert!(!has("101/s") && !has("100000/s"));
    }
}
