//! What is counted of RPC: calls by method and code and how long they took, where they are answered and where they are made.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use micronet_wire::error::Code;
use micronet_wire::schema::ServiceSchema;
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::{HistogramVec, IntCounter, IntCounterVec};

use super::{Metrics, seconds};

/// What takes the place of a name that isn't known here.
const UNKNOWN: &str = "unknown";
/// The code of a call that succeeded.
const OK: &str = "OK";
/// The code of a call whose answer nobody wanted any more: it was cancelled, its deadline passed, or the connection ended.
const ABANDONED: &str = "ABANDONED";

/// The meters of all methods that a port answers, in the order of their ids.
pub(crate) struct ServerMeters {
    methods: Vec<MethodMeter>,
    unknown: MethodMeter,
}

impl ServerMeters {
    /// The meters of these services' methods. Those of the first, the port's own, are on the page from the start, so that a rate is
    /// right from the first call on.
    pub(crate) fn of(metrics: &Metrics, own: &ServiceSchema, others: &[&ServiceSchema]) -> Self {
        let families = &metrics.families;
        let meter = |id, service: &str, method: &str| {
            let labels = vec![service.to_owned(), method.to_owned()];
            let unsettled = &metrics.unsettled;
            MethodMeter::new(id, labels, &families.server_requests, &families.server_duration, unsettled)
        };
        let of = |schema: &ServiceSchema| -> Vec<MethodMeter> {
            schema.methods.iter().map(|method| meter(method.id, &schema.name, &method.name)).collect()
        };
        let mut methods = of(own);
        for method in &methods {
            method.resolved();
        }
        methods.extend(others.iter().flat_map(|schema| of(schema)));
        methods.sort_by_key(|method| method.id);
        Self { methods, unknown: meter(0, UNKNOWN, UNKNOWN) }
    }

    /// A call has ended: well, or with this code, after its handler took so many nanoseconds.
    pub(crate) fn ended(&self, method: u32, failed: Option<Code>, ns: u64) {
        self.of_method(method).ended(failed.map_or(OK, Code::name), ns);
    }

    /// A call was given up after its handler took so many nanoseconds: nobody wants its answer.
    pub(crate) fn abandoned(&self, method: u32, ns: u64) {
        self.of_method(method).ended(ABANDONED, ns);
    }

    fn of_method(&self, method: u32) -> &MethodMeter {
        let found = self.methods.binary_search_by_key(&method, |each| each.id);
        found.map_or(&self.unknown, |at| &self.methods[at])
    }
}

/// The meters of the methods that are called on one instance, in the order of their ids. Nothing of them stays on the page when the
/// instance is forgotten.
#[derive(Default)]
pub(crate) struct ClientMeters(RefCell<Vec<MethodMeter>>);

impl ClientMeters {
    /// A call of `method` has ended: well, or with this code, after so many nanoseconds. `names` are those of the service, the
    /// instance and the method.
    pub(crate) fn ended(
        &self,
        metrics: &Metrics,
        method: u32,
        failed: Option<Code>,
        ns: u64,
        names: impl FnOnce() -> [String; 3],
    ) {
        let mut methods = self.0.borrow_mut();
        let at = methods.binary_search_by_key(&method, |each| each.id).unwrap_or_else(|at| {
            let families = &metrics.families;
            let meter = MethodMeter::new(
                method,
                names().into(),
                &families.client_requests,
                &families.client_duration,
                &metrics.unsettled,
            );
            methods.insert(at, meter);
            at
        });
        methods[at].ended(failed.map_or(OK, Code::name), ns);
    }

    /// Forgets everything: it is another instance from now on.
    pub(crate) fn clear(&self) {
        for method in self.0.take() {
            method.forget();
        }
    }
}

impl Drop for ClientMeters {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for ClientMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMeters").finish_non_exhaustive()
    }
}

/// Counts the calls of one method.
struct MethodMeter {
    id: u32,
    /// What its series are told from others by, but for the code.
    labels: Vec<String>,
    requests: IntCounterVec,
    durations: HistogramVec,
    unsettled: Rc<Unsettled>,
    resolved: OnceCell<Rc<Resolved>>,
    failed: RefCell<Vec<(&'static str, IntCounter)>>,
}

/// What every call needs. It is counted on this thread alone, without an atomic operation, until somebody wants to see it.
struct Resolved {
    ok: LocalIntCounter,
    duration: LocalHistogram,
}

/// The meters of which something may not be on the page yet.
#[derive(Default)]
pub(super) struct Unsettled(RefCell<Vec<Weak<Resolved>>>);

impl Unsettled {
    /// One more counts by itself. Those that are no more are forgotten, also where nobody ever asks for the page.
    fn add(&self, meter: &Rc<Resolved>) {
        let mut meters = self.0.borrow_mut();
        meters.retain(|meter| meter.strong_count() > 0);
        meters.push(Rc::downgrade(meter));
    }

    /// Everything that was counted is on the page now.
    pub(super) fn settle(&self) {
        self.0.borrow_mut().retain(|meter| {
            let Some(resolved) = meter.upgrade() else { return false };
            resolved.ok.flush();
            resolved.duration.flush();
            true
        });
    }
}

impl MethodMeter {
    fn new(
        id: u32,
        labels: Vec<String>,
        requests: &IntCounterVec,
        durations: &HistogramVec,
        unsettled: &Rc<Unsettled>,
    ) -> Self {
        Self {
            id,
            labels,
            requests: requests.clone(),
            durations: durations.clone(),
            unsettled: Rc::clone(unsettled),
            resolved: OnceCell::new(),
            failed: RefCell::default(),
        }
    }

    fn ended(&self, code: &'static str, ns: u64) {
        let Resolved { ok, duration } = self.resolved();
        match code {
            OK => ok.inc(),
            failed => self.failed(failed),
        }
        duration.observe(seconds(ns));
    }

    fn failed(&self, code: &'static str) {
        let mut failed = self.failed.borrow_mut();
        match failed.iter().find(|(each, _)| *each == code) {
            Some((_, count)) => count.inc(),
            None => {
                let count = self.requests.with_label_values(&self.with_code(code));
                count.inc();
                failed.push((code, count));
            }
        }
    }

    fn resolved(&self) -> &Resolved {
        self.resolved.get_or_init(|| {
            let resolved = Rc::new(Resolved {
                ok: self.requests.with_label_values(&self.with_code(OK)).local(),
                duration: self.durations.with_label_values(&self.labels).local(),
            });
            self.unsettled.add(&resolved);
            resolved
        })
    }

    fn with_code<'m>(&'m self, code: &'m str) -> Vec<&'m str> {
        self.labels.iter().map(String::as_str).chain([code]).collect()
    }

    /// Takes its series from the page. Those that aren't there need no taking.
    fn forget(self) {
        let failed = self.failed.borrow();
        for code in failed.iter().map(|(code, _)| *code).chain([OK]) {
            let _ = self.requests.remove_label_values(&self.with_code(code));
        }
        let _ = self.durations.remove_label_values(&self.labels);
    }
}
