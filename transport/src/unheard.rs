//! One-way calls that came to nothing. Nobody waits for their answers, so what went wrong is counted, and told to the log.

use std::cell::Cell;

use micronet_wire::error::RpcError;

/// The count of one server. However many there are, few of them are warnings: the first, the second, the fourth and so on, so
/// that no peer can fill the log.
#[derive(Debug, Default)]
pub(crate) struct Unheard(Cell<u64>);

impl Unheard {
    /// A one-way call was dropped before its handler started, or its handler failed.
    pub(crate) fn tell(&self, method: u32, error: &RpcError) {
        let count = self.0.get().saturating_add(1);
        self.0.set(count);
        if count.is_power_of_two() {
            tracing::warn!(method = format_args!("{method:#010x}"), %error, count, "a one-way call came to nothing");
        } else {
            tracing::debug!(method = format_args!("{method:#010x}"), %error, count, "a one-way call came to nothing");
        }
    }
}
