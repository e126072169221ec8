//! What a port has done, and has at work, in numbers.

use bytes::BytesMut;
use micronet_wire::json::Object;
use micronet_wire::transcode::put_timestamp;

use super::Port;
use crate::vitals;

impl Port {
    /// Appends the numbers as JSON: they are counts of the whole process, but for the limiter's, which is the port's.
    pub(super) fn put_stats(&self, out: &mut BytesMut) {
        let metrics = self.identity.network.metrics();
        let vitals = vitals::of_process();
        let mut object = Object::begin(out);
        object.text("service", &self.identity.node).text("instance", &self.identity.instance);
        object.value("started", |out| put_timestamp(out, vitals::started().0));
        object.boolean("draining", self.drain.has_begun());
        object.unsigned("calls_in_flight", vitals.calls_in_flight.into());
        object.value("limiter", |out| {
            let (at_work, limit) = self.entry.at_work();
            let mut limiter = Object::begin(out);
            limiter.unsigned("at_work", at_work.into()).unsigned("limit", limit.into());
            limiter.unsigned("shed", metrics.calls_shed()).end();
        });
        object.unsigned("queue_delay_us", vitals.queue_delay_us.into());
        object.unsigned("scheduler_lag_us", vitals.scheduler_lag_us.into());
        object.value("connections", |out| {
            let mut open = Object::begin(out);
            for language in ["rpc", "http", "text"] {
                open.unsigned(language, metrics.connections_of(language));
            }
            open.end();
        });
        object.value("calls", |out| metrics.put_calls(out));
        object.value("requests", |out| metrics.put_requests(out));
        object.end();
    }
}
