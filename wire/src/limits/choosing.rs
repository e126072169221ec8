//! Limits of choosing instances: balancers, breakers and retries. SPEC.md doesn't state them.

/// Instances of one service of which a balancer remembers anything, unless more are there at once.
pub const BALANCED_INSTANCES_KEPT: usize = 256;
/// The time in which an instance's response times lose their weight by a factor of e, in milliseconds (Finagle's and linkerd's).
pub const LATENCY_DECAY_MS: u64 = 10_000;
/// A failed call counts as an answer that took so long, in milliseconds (linkerd's), unless its error advises a delay.
pub const FAILURE_PENALTY_MS: u64 = 5_000;
/// The most that an advised delay makes of it, in milliseconds.
pub const FAILURE_PENALTY_MS_MAX: u64 = 60_000;
/// The time in which a new instance comes to its whole share of the calls, in milliseconds.
pub const SLOW_START_MS: u64 = 30_000;
/// The share that it starts with, in thousandths (Envoy's floor).
pub const SLOW_START_PERMILLE_MIN: u32 = 100;

/// How long `adaptive` measures before it decides, in milliseconds.
pub const ADAPTIVE_WINDOW_MS: u64 = 5_000;
/// Calls in a window without which nothing is decided by it.
pub const ADAPTIVE_CALLS_MIN: u64 = 100;
/// Calls of one instance in a window without which it is not compared with others.
pub const ADAPTIVE_INSTANCE_CALLS_MIN: u64 = 10;
/// How long it stays with an algorithm before it changes its mind, in milliseconds.
pub const ADAPTIVE_STAY_MS_MIN: u64 = 20_000;
/// How long it leaves alone an algorithm that made things worse, in milliseconds.
pub const ADAPTIVE_HOLD_OFF_MS: u64 = 300_000;

/// Failures one after the other that open a breaker.
pub const BREAKER_FAILURES_IN_A_ROW: u32 = 5;
/// The share of good results, in percent, below which a breaker opens.
pub const BREAKER_SUCCESS_PERCENT_MIN: u64 = 50;
/// Results in the last 10 seconds without which their share of good ones opens no breaker.
pub const BREAKER_RESULTS_MIN: u64 = 20;
/// The first pause of an open breaker before it lets a probe through, in milliseconds; it doubles from there.
pub const BREAKER_PAUSE_MS_MIN: u64 = 1_000;
/// The longest such pause, in milliseconds, before its jitter.
pub const BREAKER_PAUSE_MS_MAX: u64 = 60_000;
/// How far chance makes a pause longer or shorter, in percent.
pub const BREAKER_JITTER_PERCENT: u64 = 20;
/// How long a breaker must have been closed before its pauses are short again, in milliseconds.
pub const BREAKER_SETTLED_MS: u64 = 30_000;
/// How long a breaker waits for its probe before it sends another, in milliseconds.
pub const BREAKER_PROBE_MS_MAX: u64 = 60_000;

/// Retries that are allowed for 100 calls of the last 10 seconds.
pub const RETRY_BUDGET_PERCENT: u64 = 20;
/// Retries a second that are allowed besides, however few calls there are.
pub const RETRY_BUDGET_PER_S: u64 = 3;

/// Taps that a process has at once; another is refused.
pub const TAPS_MAX: usize = 8;
/// What waits to be told to the reader of a tap; what doesn't fit is lost and counted. In bytes.
pub const TAP_QUEUE_BYTES_MAX: usize = 4 << 20;
/// What a tap tells at once, before the last item, in bytes.
pub const TAP_BATCH_BYTES: usize = 32 << 10;
/// The longest JSON of a message that a tap tells; longer ones are cut. In bytes.
pub const TAP_MESSAGE_BYTES_MAX: usize = 8 << 10;
/// The silence after which a tap says that it is there, in milliseconds.
pub const TAP_SILENCE_MS: u64 = 10_000;
