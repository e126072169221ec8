//! What is counted of RPC where calls are answered: calls by method and code, and how long their handlers took.

use std::cell::{OnceCell, RefCell};

use micronet_wire::error::Code;
use micronet_wire::schema::ServiceSchema;
use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::{Metrics, observe};

/// What takes the place of a method's name that isn't known here.
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

/// Counts the calls of one method.
struct MethodMeter {
    id: u32,
    service: String,
    method: String,
    families: (IntCounterVec, prometheus::HistogramVec),
    resolved: OnceCell<Resolved>,
    failed: RefCell<Vec<(&'static str, IntCounter)>>,
}

struct Resolved {
    ok: IntCounter,
    duration: Histogram,
}

impl ServerMeters {
    /// The meters of these services' methods. Those of the first, the port's own, are on the page from the start, so that a rate is
    /// right from the first call on.
    pub(crate) fn of(metrics: &Metrics, own: &ServiceSchema, others: &[&ServiceSchema]) -> Self {
        let families =
            || (metrics.families.server_requests.clone(), metrics.families.server_duration.clone());
        let meter = |id, service: &str, method: &str| MethodMeter {
            id,
            service: service.to_owned(),
            method: method.to_owned(),
            families: families(),
            resolved: OnceCell::new(),
            failed: RefCell::default(),
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

impl MethodMeter {
    fn resolved(&self) -> &Resolved {
        self.resolved.get_or_init(|| Resolved {
            ok: self.requests(OK),
            duration: self.families.1.with_label_values(&[&self.service, &self.method]),
        })
    }

    fn requests(&self, code: &str) -> IntCounter {
        self.families.0.with_label_values(&[self.service.as_str(), self.method.as_str(), code])
    }

    fn ended(&self, code: &'static str, ns: u64) {
        let Resolved { ok, duration } = self.resolved();
        if code == OK {
            ok.inc();
        } else {
            self.failed(code);
        }
        observe(duration, ns);
    }

    fn failed(&self, code: &'static str) {
        let mut failed = self.failed.borrow_mut();
        match failed.iter().find(|(each, _)| *each == code) {
            Some((_, count)) => count.inc(),
            None => {
                let count = self.requests(code);
                count.inc();
                failed.push((code, count));
            }
        }
    }
}
