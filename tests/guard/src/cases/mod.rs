//! What is counted, from small to whole: formats, heads, a connection's two sides, a call by runtime and service, a request to a gateway.

mod connection;
mod formats;
#[cfg(feature = "network")]
mod gateway;
mod http;
mod shop;
#[cfg(feature = "network")]
mod typed;

use crate::meter::Meter;

/// Does all that the meter wants.
pub(crate) fn all(meter: &mut Meter) {
    formats::all(meter);
    http::all(meter);
    connection::all(meter);
    #[cfg(feature = "network")]
    {
        typed::all(meter);
        gateway::all(meter);
    }
}
