//! What is counted of HTTP: requests by the route that they took, and how long their answers took.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use micronet_wire::http1::{Method, RequestHead};
use micronet_wire::openapi;
use micronet_wire::rest::{Lead, OUTCOME_TEMPLATE, Routes};
use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::{Metrics, observe};

/// The endpoint of requests that lead nowhere: what a stranger asks for must not become a label.
const NOWHERE: &str = "none";

/// Counts the requests of one route.
pub struct HttpMeter {
    method: String,
    endpoint: String,
    requests: IntCounterVec,
    by_status: RefCell<Vec<(u16, IntCounter)>>,
    duration: Histogram,
}

impl fmt::Debug for HttpMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpMeter({} {})", self.method, self.endpoint)
    }
}

impl HttpMeter {
    /// A request was answered so, after so many nanoseconds.
    pub fn answered(&self, status: u16, ns: u64) {
        let known =
            self.by_status.borrow().iter().find(|(each, _)| *each == status).map(|(_, count)| count.inc());
        if known.is_none() {
            let labels = [self.method.as_str(), self.endpoint.as_str(), &status.to_string()];
            let count = self.requests.with_label_values(&labels);
            count.inc();
            self.by_status.borrow_mut().push((status, count));
        }
        observe(&self.duration, ns);
    }
}

/// The meters of a site's routes, each resolved when its route is taken first.
#[derive(Debug, Default)]
pub struct RouteMeters(Vec<OnceCell<Rc<HttpMeter>>>);

impl RouteMeters {
    /// The meters of these routes.
    #[must_use]
    pub fn of(routes: &Routes) -> Self {
        Self((0..routes.len()).map(|_| OnceCell::new()).collect())
    }

    /// The meter of a request that leads there.
    #[must_use]
    pub fn of_lead(&self, metrics: &Metrics, head: &RequestHead, lead: &Lead<'_>) -> Rc<HttpMeter> {
        match lead {
            Lead::Method(route, _) => match self.0.get(route.place) {
                Some(meter) => {
                    Rc::clone(meter.get_or_init(|| metrics.http(route.http_method(), &route.to_string())))
                }
                None => metrics.http(route.http_method(), &route.to_string()),
            },
            Lead::Outcome(_) => metrics.http("POST", OUTCOME_TEMPLATE),
            Lead::Answered(_) if head.path() == openapi::PATH => metrics.http_of(head, openapi::PATH),
            Lead::Answered(_) if head.path() == openapi::DOCS_PATH => {
                metrics.http_of(head, openapi::DOCS_PATH)
            }
            Lead::Answered(_) | Lead::Nowhere(_) => metrics.http_of(head, NOWHERE),
        }
    }
}

impl Metrics {
    /// The meter of requests to an endpoint that is no route.
    #[must_use]
    pub fn http_of(&self, head: &RequestHead, endpoint: &str) -> Rc<HttpMeter> {
        let method = match head.method() {
            Method::Extension => "OTHER",
            _ => head.method_name(),
        };
        self.http(method, endpoint)
    }

    /// The meter of requests that break HTTP.
    pub(crate) fn http_broken(&self) -> Rc<HttpMeter> {
        self.http("none", NOWHERE)
    }

    /// A meter; the same for the same route.
    fn http(&self, method: &str, endpoint: &str) -> Rc<HttpMeter> {
        let is_it = |meter: &&Rc<HttpMeter>| meter.endpoint == endpoint && meter.method == method;
        if let Some(meter) = self.http.borrow().iter().find(is_it) {
            return Rc::clone(meter);
        }
        let meter = Rc::new(HttpMeter {
            method: method.to_owned(),
            endpoint: endpoint.to_owned(),
            requests: self.families.http_requests.clone(),
            by_status: RefCell::default(),
            duration: self.families.http_duration.with_label_values(&[method, endpoint]),
        });
        self.http.borrow_mut().push(Rc::clone(&meter));
        meter
    }
}
