//! What a process counts of its own work, as Prometheus reads it (text format 0.0.4).
//!
//! Whoever counts resolves a meter once, for a route or a method, and keeps it: to count is then a few additions, without looking
//! anything up. What is a state rather than a count is looked at when the page is asked for.

mod families;
mod http;
mod process;
mod rpc;
mod timed;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use prometheus::{Encoder, Histogram, IntCounter, IntGauge, IntGaugeVec, Opts, TextEncoder};

use self::families::Families;
pub use self::http::{HttpMeter, RouteMeters};
pub(crate) use self::process::cpu_us;
pub use self::process::usage;
use self::rpc::Unsettled;
pub(crate) use self::rpc::{ClientMeters, ServerMeters};
use crate::network::Network;

/// The content type of the page.
pub(crate) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// What one process counts. It is reached through its [`Network`].
pub struct Metrics {
    families: Families,
    /// The meters of RPC that count by themselves.
    unsettled: Rc<Unsettled>,
    /// The meters of HTTP that were resolved, by method and endpoint.
    http: RefCell<Vec<Rc<HttpMeter>>>,
    /// States of the program's own.
    watched: RefCell<Vec<Watched>>,
    /// States of the program's own, of which there are several.
    watched_each: RefCell<Vec<WatchedEach>>,
    /// Counts of the program's own.
    tallies: RefCell<Vec<Tally>>,
}

/// A count that is kept elsewhere.
struct Tally {
    counter: IntCounter,
    total: Box<dyn Fn() -> u64>,
}

/// A state that is looked at when the page is asked for.
struct Watched {
    gauge: IntGauge,
    state: Box<dyn Fn() -> usize>,
}

/// States of one name, told apart by labels, that are looked at when the page is asked for.
struct WatchedEach {
    gauges: IntGaugeVec,
    look: Box<dyn Fn(&IntGaugeVec)>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            families: Families::new(),
            unsettled: Rc::default(),
            http: RefCell::default(),
            watched: RefCell::default(),
            watched_each: RefCell::default(),
            tallies: RefCell::default(),
        }
    }
}

impl Metrics {
    /// Everything that was counted, and how things stand now.
    #[must_use]
    pub fn page(&self, network: &Network) -> Vec<u8> {
        self.unsettled.settle();
        self.families.look(network);
        for Watched { gauge, state } in &*self.watched.borrow() {
            gauge.set(i64::try_from(state()).unwrap_or(i64::MAX));
        }
        for WatchedEach { gauges, look } in &*self.watched_each.borrow() {
            gauges.reset();
            look(gauges);
        }
        for Tally { counter, total } in &*self.tallies.borrow() {
            counter.inc_by(total().saturating_sub(counter.get()));
        }
        let mut page = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.families.registry.gather(), &mut page) {
            tracing::error!(%error, "the metrics can't be written");
        }
        page
    }

    /// Shows a count of the program's own from now on, which is looked at when the page is asked for: of several by one name, the one with this
    /// label.
    pub fn tally(
        &self,
        name: &str,
        help: &str,
        (label, value): (&str, &str),
        total: impl Fn() -> u64 + 'static,
    ) {
        let shown =
            IntCounter::with_opts(Opts::new(name, help).const_label(label, value)).and_then(|counter| {
                self.families.registry.register(Box::new(counter.clone()))?;
                Ok(counter)
            });
        match shown {
            Ok(counter) => self.tallies.borrow_mut().push(Tally { counter, total: Box::new(total) }),
            Err(error) => tracing::error!(name, %error, "this can't be shown among the metrics"),
        }
    }

    /// Shows a state of the program's own from now on, which is looked at when the page is asked for.
    pub fn watch(&self, name: &str, help: &str, state: impl Fn() -> usize + 'static) {
        let shown = IntGauge::new(name, help).and_then(|gauge| {
            self.families.registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        });
        match shown {
            Ok(gauge) => self.watched.borrow_mut().push(Watched { gauge, state: Box::new(state) }),
            Err(error) => tracing::error!(name, %error, "this can't be shown among the metrics"),
        }
    }

    /// The same of several states by one name, with the values of these labels for each. Those that there are no more are not shown.
    pub fn watch_each<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        states: impl Fn() -> Vec<([String; N], i64)> + 'static,
    ) {
        let look = move |gauges: &IntGaugeVec| {
            for (values, state) in states() {
                gauges.with_label_values(&values.each_ref().map(String::as_str)).set(state);
            }
        };
        let shown = IntGaugeVec::new(Opts::new(name, help), &labels).and_then(|gauges| {
            self.families.registry.register(Box::new(gauges.clone()))?;
            Ok(gauges)
        });
        match shown {
            Ok(gauges) => self.watched_each.borrow_mut().push(WatchedEach { gauges, look: Box::new(look) }),
            Err(error) => tracing::error!(name, %error, "this can't be shown among the metrics"),
        }
    }

    /// A call was refused, since there was too much work.
    pub(crate) fn shed(&self) {
        self.families.shed.inc();
    }

    /// How many calls were refused so.
    pub(crate) fn calls_shed(&self) -> u64 {
        self.families.shed.get()
    }

    /// No connection can be taken, for want of descriptors or memory.
    pub fn accept_failed(&self) {
        self.families.accept_failures.inc();
    }

    /// A connection was refused, or closed while it idled, since there were too many: `total`, `address` or `idle`.
    pub fn connection_shed(&self, reason: &str, count: u64) {
        self.families.connections_shed.with_label_values(&[reason]).inc_by(count);
    }

    /// The bytes that HTTP connections keep of requests and answers on their way.
    pub(crate) fn http_buffered(&self) -> IntGauge {
        self.families.http_buffered.clone()
    }

    /// Counts an open connection that speaks so, for as long as the answer lives.
    #[must_use]
    pub fn connection(&self, protocol: &str) -> OpenConnection {
        let open = self.families.connections.with_label_values(&[protocol]);
        open.inc();
        OpenConnection(open)
    }

    /// How many connections are open that speak so: `http`, `rpc` or `text`.
    #[must_use]
    pub fn connections_of(&self, protocol: &str) -> u64 {
        u64::try_from(self.families.connections.with_label_values(&[protocol]).get()).unwrap_or(0)
    }

    /// How many connections are open, whatever they speak.
    #[must_use]
    pub fn connections(&self) -> u64 {
        ["http", "rpc", "text"].map(|protocol| self.connections_of(protocol)).iter().sum()
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Takes account of something that took so many nanoseconds.
fn observe(duration: &Histogram, ns: u64) {
    duration.observe(seconds(ns));
}

/// 53 bits of nanoseconds are 104 days.
#[allow(clippy::cast_precision_loss)]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests;
