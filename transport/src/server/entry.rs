//! The way to the handlers of a port's service, the same for calls over RPC and over HTTP.

use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::builtin::BuiltinMethods;
use micronet_wire::network::OperationMethods;
use micronet_wire::service::{CallContext, Service};

use super::handling::Handler;
use super::places::{Place, Places};

/// A service behind what keeps it from too much work.
pub(super) struct Entry {
    service: Rc<dyn Service>,
    places: Rc<Places>,
}

impl Entry {
    pub(super) fn new(service: Rc<dyn Service>, places: Places) -> Self {
        Self { service, places: Rc::new(places) }
    }

    pub(super) fn service(&self) -> &dyn Service {
        &*self.service
    }

    /// Starts to handle a call at `now`, or to refuse it. Whoever gets a place hands it back with the answer.
    pub(super) fn start(
        &self,
        now: u64,
        context: CallContext,
        method: u32,
        request: Bytes,
    ) -> (Handler, Option<Place>) {
        let place = match self.places.take(now, &context) {
            Ok(place) => place,
            Err(_) if is_of_process(method) => None,
            Err(error) => return (Handler::refusing(error), None),
        };
        (Handler::start(&*self.service, context, method, request), place)
    }
}

/// Whether a method is no service's own: these are always answered, so that what is wrong can be seen and set right.
fn is_of_process(method: u32) -> bool {
    BuiltinMethods::METHOD_IDS.contains(&method) || OperationMethods::METHOD_IDS.contains(&method)
}
