//! The way to the handlers of a port's service, the same for calls over RPC and over HTTP.

use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::service::{Answer, CallContext, Service};

use super::handling::Handler;
use super::methods::{Methods, Served};
use super::places::{Place, Places};
use crate::clock;
use crate::faults::Fate;
use crate::identity::Identity;
use crate::records::{Called, Story};

/// A service behind what keeps it from too much work, and what its operator wants to go wrong.
pub(super) struct Entry {
    service: Rc<dyn Service>,
    methods: Methods,
    identity: Rc<Identity>,
    places: Rc<Places>,
}

impl Entry {
    pub(super) fn new(service: Rc<dyn Service>, identity: Rc<Identity>, places: Places) -> Self {
        let methods = Methods::of(service.schema().schema());
        Self { service, methods, identity, places: Rc::new(places) }
    }

    pub(super) fn service(&self) -> &dyn Service {
        &*self.service
    }

    /// How many handlers are at work, and how many may be.
    pub(super) fn at_work(&self) -> (u32, u32) {
        self.places.at_work()
    }

    /// What is known of a method; `None` where there is none with this id.
    pub(super) fn served(&self, method: u32) -> Option<&Served> {
        self.methods.get(method)
    }

    fn is_of_process(&self, method: u32) -> bool {
        self.served(method).is_some_and(|method| method.is_of_process)
    }

    /// Begins the story of a call from there, which is its context's from now on. What concerns the process alone isn't told.
    pub(super) fn begins(
        &self,
        now: u64,
        context: &mut CallContext,
        (method, served): (u32, Option<&Served>),
        request: &Bytes,
        from: &str,
    ) -> Story {
        if served.is_some_and(|served| served.is_of_process) {
            return Story::untold();
        }
        let (service, name) = self.methods.names(served);
        let called = Called { service, method: name, id: method };
        Story::served(self.identity.network.records(), now, context, called, from, request)
    }

    /// Starts to handle a call at `now`, or to refuse it. Whoever gets a place hands it back with the answer.
    pub(super) fn start(
        self: &Rc<Self>,
        now: u64,
        context: Box<CallContext>,
        method: u32,
        request: Bytes,
    ) -> (Handler, Option<Place>) {
        match self.identity.network.fate(now) {
            Some(fate) if !self.is_of_process(method) => {
                (Handler::of(Rc::clone(self).suffer(fate, context, method, request)), None)
            }
            _ => self.handle(now, context, method, request),
        }
    }

    fn handle(
        &self,
        now: u64,
        context: Box<CallContext>,
        method: u32,
        request: Bytes,
    ) -> (Handler, Option<Place>) {
        let place = match self.places.take(now, &context) {
            Ok(place) => place,
            Err(_) if self.is_of_process(method) => None,
            Err(error) => {
                self.identity.network.metrics().shed();
                return (Handler::refusing(error), None);
            }
        };
        (Handler::start(&*self.service, context, method, request), place)
    }

    /// Does to a call what is to go wrong with it. It takes a place only when its handler starts.
    async fn suffer(
        self: Rc<Self>,
        fate: Fate,
        context: Box<CallContext>,
        method: u32,
        request: Bytes,
    ) -> Answer {
        fate.pass(&self.identity.instance).await?;
        let (handler, place) = self.handle(clock::now(), context, method, request);
        let answer = handler.await;
        if let Some(place) = place {
            place.answered(clock::now(), &answer);
        }
        answer
    }
}
