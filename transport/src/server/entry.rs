//! The way to the handlers of a port's service, the same for calls over RPC and over HTTP.

use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::builtin::BuiltinMethods;
use micronet_wire::network::OperationMethods;
use micronet_wire::service::{Answer, CallContext, Service};

use super::handling::Handler;
use super::places::{Place, Places};
use crate::clock;
use crate::faults::Fate;
use crate::identity::Identity;
use crate::records::{Called, Story};

/// A service behind what keeps it from too much work, and what its operator wants to go wrong.
pub(super) struct Entry {
    service: Rc<dyn Service>,
    identity: Rc<Identity>,
    places: Rc<Places>,
}

impl Entry {
    pub(super) fn new(service: Rc<dyn Service>, identity: Rc<Identity>, places: Places) -> Self {
        Self { service, identity, places: Rc::new(places) }
    }

    pub(super) fn service(&self) -> &dyn Service {
        &*self.service
    }

    /// How many handlers are at work, and how many may be.
    pub(super) fn at_work(&self) -> (u32, u32) {
        self.places.at_work()
    }

    /// Begins the story of a call from there, which is its context's from now on. What concerns the process alone isn't told.
    pub(super) fn begins(
        &self,
        now: u64,
        context: &mut CallContext,
        method: u32,
        request: &Bytes,
        from: &str,
    ) -> Story {
        if is_of_process(method) {
            return Story::untold();
        }
        let schema = self.service.schema().schema();
        let name = schema.method(method).map_or("unknown", |method| &method.name);
        let called = Called { service: &schema.name, method: name, id: method };
        Story::served(self.identity.network.records(), now, context, called, from, request)
    }

    /// Starts to handle a call at `now`, or to refuse it. Whoever gets a place hands it back with the answer.
    pub(super) fn start(
        self: &Rc<Self>,
        now: u64,
        context: CallContext,
        method: u32,
        request: Bytes,
    ) -> (Handler, Option<Place>) {
        match self.identity.network.fate(now) {
            Some(fate) if !is_of_process(method) => {
                (Handler::of(Rc::clone(self).suffer(fate, context, method, request)), None)
            }
            _ => self.handle(now, context, method, request),
        }
    }

    fn handle(
        &self,
        now: u64,
        context: CallContext,
        method: u32,
        request: Bytes,
    ) -> (Handler, Option<Place>) {
        let place = match self.places.take(now, &context) {
            Ok(place) => place,
            Err(_) if is_of_process(method) => None,
            Err(error) => {
                self.identity.network.metrics().shed();
                return (Handler::refusing(error), None);
            }
        };
        (Handler::start(&*self.service, context, method, request), place)
    }

    /// Does to a call what is to go wrong with it. It takes a place only when its handler starts.
    async fn suffer(self: Rc<Self>, fate: Fate, context: CallContext, method: u32, request: Bytes) -> Answer {
        fate.pass(&self.identity.instance).await?;
        let (handler, place) = self.handle(clock::now(), context, method, request);
        let answer = handler.await;
        if let Some(place) = place {
            place.answered(clock::now(), &answer);
        }
        answer
    }
}

/// Whether a method is no service's own: these are always answered, so that what is wrong can be seen and set right.
fn is_of_process(method: u32) -> bool {
    BuiltinMethods::METHOD_IDS.contains(&method) || OperationMethods::METHOD_IDS.contains(&method)
}
