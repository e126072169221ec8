//! The families of metrics: their names, their labels, and what they are about. Labels have bounded values: routes, methods, codes
//! and instances, and nothing that a stranger can choose.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::process::usage;
use crate::network::Network;
use crate::vitals;
use micronet_wire::network::Usage;

/// The upper bounds of durations, in seconds: from what a call on this machine takes to the default deadline.
const BOUNDS_S: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 15.0,
];

/// All families of a process.
pub(super) struct Families {
    pub(super) registry: Registry,
    pub(super) http_requests: IntCounterVec,
    pub(super) http_duration: HistogramVec,
    pub(super) server_requests: IntCounterVec,
    pub(super) server_duration: HistogramVec,
    pub(super) client_requests: IntCounterVec,
    pub(super) client_duration: HistogramVec,
    pub(super) connections: IntGaugeVec,
    pub(super) shed: IntCounter,
    pub(super) connections_shed: IntCounterVec,
    pub(super) accept_failures: IntCounter,
    pub(super) http_buffered: IntGauge,
    calls_at_work_limit: IntGauge,
    frames_received: IntCounter,
    frames_sent: IntCounter,
    calls_in_flight: IntGauge,
    queue_delay: Gauge,
    scheduler_lag: Gauge,
    cpu: prometheus::Counter,
    resident: IntGauge,
    open_fds: IntGauge,
    fds_max: IntGauge,
    threads: IntGauge,
    started: Gauge,
    instance_state: IntGaugeVec,
    instance_connections: IntGaugeVec,
    instance_in_flight: IntGaugeVec,
    instance_share: GaugeVec,
    instance_mean: GaugeVec,
    instance_calls: IntCounterVec,
    instance_failures: IntCounterVec,
    retries: IntCounterVec,
    retries_refused: IntCounterVec,
    panic: IntGaugeVec,
}

impl Families {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let all = Declared(&registry);
        let build = all.gauges("micronet_build_info", "The version of the program; always 1.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let instance = &["service", "peer"];
        Self {
            http_requests: all.counters(
                "http_requests_total",
                "HTTP requests that were answered, by the route that they took.",
                &["method", "endpoint", "status"],
            ),
            http_duration: all.durations(
                "http_request_duration_seconds",
                "How long HTTP requests took, from their last byte to their answer.",
                &["method", "endpoint"],
            ),
            server_requests: all.counters(
                "micronet_rpc_server_requests_total",
                "Calls over RPC that were answered here, by the code of their answer.",
                &["service", "method", "code"],
            ),
            server_duration: all.durations(
                "micronet_rpc_server_duration_seconds",
                "How long the handlers of calls over RPC took.",
                &["service", "method"],
            ),
            client_requests: all.counters(
                "micronet_rpc_client_requests_total",
                "Calls over RPC that were made from here, each attempt by itself, by the code of their answer.",
                &["service", "peer", "method", "code"],
            ),
            client_duration: all.durations(
                "micronet_rpc_client_duration_seconds",
                "How long calls over RPC took that were made from here.",
                &["service", "peer", "method"],
            ),
            connections: all.gauges(
                "micronet_connections",
                "Connections that others have opened.",
                &["protocol"],
            ),
            shed: all.declared(IntCounter::new(
                "micronet_calls_shed_total",
                "Calls that were refused before they began, over RPC or HTTP, since there was too much work.",
            )),
            connections_shed: all.counters(
                "micronet_connections_shed_total",
                "HTTP connections that were too many: refused in all or by their address, or closed while they idled.",
                &["reason"],
            ),
            accept_failures: all.declared(IntCounter::new(
                "micronet_accept_failures_total",
                "Failures to take a connection for want of descriptors or memory.",
            )),
            http_buffered: all.gauge(
                "micronet_http_buffered_bytes",
                "Memory that HTTP connections keep of long requests and answers on their way.",
            ),
            calls_at_work_limit: all.gauge(
                "micronet_calls_at_work_limit",
                "How many handlers this process would have at work at once as things stand.",
            ),
            frames_received: all.declared(IntCounter::new(
                "micronet_rpc_frames_received_total",
                "Frames that came on connections of RPC, those of heartbeats too.",
            )),
            frames_sent: all.declared(IntCounter::new(
                "micronet_rpc_frames_sent_total",
                "Frames that were written to connections of RPC, those of heartbeats too.",
            )),
            calls_in_flight: all.gauge("micronet_calls_in_flight", "Calls that this process is working on."),
            queue_delay: all.float(
                "micronet_queue_delay_seconds",
                "How long calls have lately waited for their handlers at most; it halves every second.",
            ),
            scheduler_lag: all.float(
                "micronet_scheduler_lag_seconds",
                "How late this process has lately run when a timer was due at most; it halves every second.",
            ),
            cpu: all.declared(prometheus::Counter::new(
                "process_cpu_seconds_total",
                "CPU time of this process, in seconds.",
            )),
            resident: all
                .gauge("process_resident_memory_bytes", "Memory of this process that is in RAM, in bytes."),
            open_fds: all.gauge("process_open_fds", "Open file descriptors."),
            fds_max: all.gauge("process_max_fds", "How many file descriptors may be open."),
            threads: all.gauge("process_threads", "Threads of this process."),
            started: all.float(
                "process_start_time_seconds",
                "When this process started, in seconds since 1970-01-01 UTC.",
            ),
            instance_state: all.gauges(
                "micronet_instance_state",
                "How the instances that this process calls stand with it: 1 for the state that one is in.",
                &["service", "peer", "state"],
            ),
            instance_connections: all.gauges(
                "micronet_instance_connections",
                "Connections to an instance that this process calls.",
                instance,
            ),
            instance_in_flight: all.gauges(
                "micronet_instance_calls_in_flight",
                "Calls of this process that an instance has not answered yet.",
                instance,
            ),
            instance_share: all.floats(
                "micronet_instance_share_ratio",
                "The share of calls that slow start allows an instance.",
                instance,
            ),
            instance_mean: all.floats(
                "micronet_instance_response_seconds",
                "How long calls to an instance lately take on average.",
                instance,
            ),
            instance_calls: all.counters(
                "micronet_instance_calls_total",
                "Calls of this process to an instance that have ended.",
                instance,
            ),
            instance_failures: all.counters(
                "micronet_instance_failures_total",
                "Calls that failed by the fault of an instance or of the link to it.",
                instance,
            ),
            retries: all.counters("micronet_retries_total", "Calls that were tried again.", &["service"]),
            retries_refused: all.counters(
                "micronet_retries_refused_total",
                "Calls that were not tried again because too many were.",
                &["service"],
            ),
            panic: all.gauges(
                "micronet_service_panic",
                "Whether so few instances of a service are healthy that all are tried.",
                &["service"],
            ),
            registry,
        }
    }

    /// Looks how things stand now.
    pub(super) fn look(&self, network: &Network) {
        self.look_at_process(&usage("", network));
        self.look_at_instances(network);
    }

    fn look_at_process(&self, usage: &Usage) {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let process = vitals::of_process();
        for (counter, count) in [&self.frames_received, &self.frames_sent].into_iter().zip(process.frames) {
            counter.reset();
            counter.inc_by(count);
        }
        self.calls_in_flight.set(i64::from(usage.calls_in_flight));
        self.calls_at_work_limit.set(i64::from(process.calls_at_work_max));
        self.queue_delay.set(seconds(usage.queue_delay_us.into()));
        self.scheduler_lag.set(seconds(usage.scheduler_lag_us.into()));
        self.cpu.reset();
        self.cpu.inc_by(seconds(usage.cpu_us));
        self.resident.set(whole(usage.resident_bytes));
        self.open_fds.set(whole(usage.open_fds));
        self.fds_max.set(whole(usage.fds_max));
        self.threads.set(whole(usage.threads));
        self.started.set(seconds(u64::try_from(usage.started.0).unwrap_or(0)));
    }

    /// Instances come and go: those that are gone leave nothing behind.
    fn look_at_instances(&self, network: &Network) {
        for gauges in
            [&self.instance_state, &self.instance_connections, &self.instance_in_flight, &self.panic]
        {
            gauges.reset();
        }
        for gauges in [&self.instance_share, &self.instance_mean] {
            gauges.reset();
        }
        let counters = [&self.instance_calls, &self.instance_failures, &self.retries, &self.retries_refused];
        for counters in counters {
            counters.reset();
        }
        for called in network.instances("", &Default::default()).services {
            let service = [called.service.as_str()];
            self.retries.with_label_values(&service).inc_by(called.retries);
            self.retries_refused.with_label_values(&service).inc_by(called.retries_refused);
            self.panic.with_label_values(&service).set(i64::from(called.panic));
            for each in &called.instances {
                let labels = [called.service.as_str(), each.instance.as_str()];
                let state = format!("{:?}", each.state).to_lowercase();
                self.instance_state.with_label_values(&[labels[0], labels[1], &state]).set(1);
                self.instance_connections.with_label_values(&labels).set(i64::from(each.connections));
                self.instance_in_flight.with_label_values(&labels).set(i64::from(each.in_flight));
                self.instance_share.with_label_values(&labels).set(f64::from(each.share_permille) / 1e3);
                self.instance_mean.with_label_values(&labels).set(seconds(each.mean_us));
                self.instance_calls.with_label_values(&labels).inc_by(each.calls);
                self.instance_failures.with_label_values(&labels).inc_by(each.failures);
            }
        }
    }
}

/// Microseconds as seconds.
#[allow(clippy::cast_precision_loss)] // 53 bits of microseconds are 285 years.
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// Families that are declared in a registry. Their names are ours, so that none is refused.
struct Declared<'r>(&'r Registry);

impl Declared<'_> {
    fn declared<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let made = made.expect("a name that Prometheus takes");
        self.0.register(Box::new(made.clone())).expect("a name that is declared once");
        made
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.declared(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.declared(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn floats(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.declared(GaugeVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.declared(IntGauge::new(name, help))
    }

    fn float(&self, name: &str, help: &str) -> Gauge {
        self.declared(Gauge::new(name, help))
    }

    fn durations(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(BOUNDS_S.to_vec());
        self.declared(HistogramVec::new(options, labels))
    }
}
