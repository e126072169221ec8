//! A service as HTTP sees it in the service's own process: the same calls, answered here. So it is on a service's port, and so a
//! gateway answers for itself.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use micronet_wire::builtin::BuiltinMethods;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::http1::RequestHead;
use micronet_wire::limits::DEADLINE_US_DEFAULT;
use micronet_wire::principal::Principal;
use micronet_wire::rest::{
    Answer, Form, Lead, OutcomeRoute, Parameters, Refused, Request, RequestIds, Route, Routes, conditional,
    outcome_shown, question, refused, shown, unmet_precondition,
};
use micronet_wire::service::{CallContext, Service, authorize};

use super::entry::Entry;
use super::pages::{PAGES, View};
use super::places::Places;
use crate::bearers::Asker;
use crate::clock;
use crate::http_server::{Response, Site};
use crate::identity::{Identity, random_bytes, random_token};
use crate::metrics::RouteMeters;
use crate::records::Story;
use crate::vitals::Share;

/// A service and its routes.
pub struct OwnSite {
    entry: Rc<Entry>,
    identity: Rc<Identity>,
    instance: Rc<str>,
    routes: Routes,
    meters: RouteMeters,
    pub(super) request_ids: RequestIds,
}

impl fmt::Debug for OwnSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnSite").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl OwnSite {
    /// The site of a service.
    #[must_use]
    pub fn new(service: Rc<dyn Service>, identity: Rc<Identity>) -> Self {
        Self::of(Rc::new(Entry::new(service, Rc::clone(&identity), Places::default())), identity)
    }

    pub(super) fn of(entry: Rc<Entry>, identity: Rc<Identity>) -> Self {
        let schema = entry.service().schema();
        let routes =
            Routes::from_schemas(&schema.schema().name, [(0, Rc::new(schema.clone()))]).beside(PAGES);
        let request_ids = RequestIds::new(u32::from_ne_bytes(random_bytes()));
        let (instance, meters) = (identity.instance.as_str().into(), RouteMeters::of(&routes));
        Self { instance, entry, identity, routes, meters, request_ids }
    }

    /// Answers a request that leads to this service, of somebody who asks as this principal.
    pub async fn answer(
        &self,
        asker: &Principal,
        (request_id, story): (&str, &Story),
        (head, body): (&RequestHead, &[u8]),
        lead: Lead<'_>,
    ) -> Answer {
        let answered = match lead {
            Lead::Method(route, of_path) => {
                self.call(asker, (request_id, story), (head, body), route, of_path).await
            }
            Lead::Outcome(route) => self.outcome(asker, (request_id, story), (head, body), &route).await,
            Lead::Answered(answer) | Lead::Nowhere(answer) => return *answer,
        };
        answered.unwrap_or_else(|refused| *refused)
    }

    async fn call(
        &self,
        asker: &Principal,
        told: (&str, &Story),
        (head, body): (&RequestHead, &[u8]),
        route: &Route,
        of_path: Parameters<'_>,
    ) -> Result<Answer, Refused> {
        let schema = self.entry.service().schema().schema();
        let Some(method) = schema.method(route.method) else {
            return Err(Box::new(Answer::refusal(404, "the service doesn't have the method")));
        };
        if route.form != Form::Answer {
            return Err(Box::new(Answer::refusal(
                501,
                "streams are carried here by RPC, and over HTTP by a gateway",
            )));
        }
        let request = Request::new(head, body, of_path)?;
        let random = (!method.is_safe()).then(random_token);
        let context = self.context(asker, told, &request, random);
        // Who may not call hears nothing about the request. The dispatch checks it too.
        let outcome = match authorize(&context.principal, &method.access) {
            Err(error) => Err(error),
            Ok(()) => {
                let message = request.message(schema, method)?;
                self.handle(context, method.id, message).await
            }
        };
        let mut answer = match outcome {
            Ok(reply) => shown(schema, method, &reply),
            Err(error) => refused(schema, method, &error),
        };
        answer.instance = Some(Rc::clone(&self.instance));
        Ok(answer)
    }

    /// Tells what became of a write.
    async fn outcome(
        &self,
        asker: &Principal,
        told: (&str, &Story),
        (head, body): (&RequestHead, &[u8]),
        route: &OutcomeRoute,
    ) -> Result<Answer, Refused> {
        let schema = self.entry.service().schema().schema();
        let Some(method) = schema.method(route.method) else {
            return Err(Box::new(Answer::refusal(404, "the service doesn't have the method")));
        };
        let request = Request::new(head, body, Parameters::new())?;
        let context = self.context(asker, told, &request, None);
        let message = question(route, request.of_query("principal"))?;
        let mut answer = match self.handle(context, BuiltinMethods::OUTCOME, message).await {
            Ok(answered) => outcome_shown(schema, method, &answered),
            Err(error) => Answer::rpc_error(&error),
        };
        answer.instance = Some(Rc::clone(&self.instance));
        Ok(answer)
    }

    fn context(
        &self,
        asker: &Principal,
        (request_id, story): (&str, &Story),
        request: &Request<'_>,
        random: Option<[u8; 16]>,
    ) -> CallContext {
        let deadline_ns = clock::now() + u64::from(DEADLINE_US_DEFAULT) * 1_000;
        let options = request.options(asker.clone(), request_id, deadline_ns, random);
        CallContext {
            principal: options.principal.unwrap_or_default(),
            deadline_ns,
            request_id: options.request_id,
            trace: story.trace(),
            token: options.token,
            metadata: options.metadata,
            ..CallContext::default()
        }
    }

    /// Has the call handled, within the default deadline.
    async fn handle(&self, mut context: CallContext, method: u32, message: Bytes) -> Result<Bytes, RpcError> {
        let _share = Share::of_one_call();
        let now = clock::now();
        let called = (method, self.entry.served(method));
        let story = self.entry.begins(now, &mut context, called, &message, &self.instance);
        let (handler, place) = self.entry.start(now, Box::new(context), method, message);
        let patience = Duration::from_micros(u64::from(DEADLINE_US_DEFAULT));
        let answer = tokio::time::timeout(patience, story.within(handler))
            .await
            .unwrap_or_else(|_| Err(RpcError::new(Code::DeadlineExceeded, "the deadline passed")));
        let now = clock::now();
        if let Some(place) = place {
            place.answered(now, &answer);
        }
        story.ended(now, answer.as_ref());
        answer
    }
}

/// The site on one connection.
impl Site for View {
    fn request_ids(&self) -> &RequestIds {
        &self.port.site.request_ids
    }

    fn identity(&self) -> &Identity {
        &self.port.identity
    }

    async fn answer(&self, request_id: &str, head: &RequestHead, body: &[u8]) -> Response {
        let OwnSite { routes, meters, identity, .. } = &*self.port.site;
        let (lead, since) = (routes.lead(head), clock::now());
        if let Lead::Nowhere(_) = lead
            && let Some(mut page) = self.page(head).await
        {
            let meter = identity.network.metrics().http_of(head, head.path());
            meter.answered(page.status.code(), clock::now() - since);
            conditional(head, &mut page);
            return page.into();
        }
        let story = Story::edge(identity.network.records(), since, request_id, head, body.len());
        story.goes(&lead, routes);
        let meter = meters.of_lead(identity.network.metrics(), head, &lead);
        let asked = match unmet_precondition(head) {
            Some(refused) => Err(refused),
            None => Asker::of_lead(&lead, head, &self.peer, identity).await,
        };
        let mut answer = match asked {
            Ok(asker) if matches!(lead, Lead::Nowhere(_)) => {
                story.asks(asker.principal());
                self.nowhere(head)
            }
            Ok(asker) => {
                story.asks(asker.principal());
                let asked = (request_id, &story);
                self.port.site.answer(asker.principal(), asked, (head, body), lead).await
            }
            Err(refused) => *refused,
        };
        conditional(head, &mut answer);
        let now = clock::now();
        meter.answered(answer.status.code(), now - since);
        story.answered_by(now, &answer);
        answer.into()
    }
}
