//! From a request to its answer: find its method, pick an instance, call it.

use std::cell::OnceCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::faults::Fate;
use micronet_transport::identity::random_token;
use micronet_transport::records::Story;
use micronet_transport::retry::Repeats;
use micronet_transport::upstream::{Failed, Instance, Want, told_to_caller};
use micronet_wire::builtin::BuiltinMethods;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::http1::RequestHead;
use micronet_wire::limits::DEADLINE_US_DEFAULT;
use micronet_wire::principal::Principal;
use micronet_wire::rest::{
    Answer, Lead, OutcomeRoute, Parameters, Refused, Request, Route, Routes, outcome_shown, question,
    refused, shown,
};
use micronet_wire::service::{CallOptions, Caller, authorize};

use crate::config::{Gateway, OWN};

impl Gateway {
    /// Answers a request that leads there and came at `now`, of somebody who asks as this principal, from where the number stands for.
    pub(crate) async fn answer(
        &self,
        told: (&str, &Story),
        (head, body): (&RequestHead, &[u8]),
        routes: &Routes,
        lead: Lead<'_>,
        (asker, client): (&Principal, Option<u64>),
        now: u64,
    ) -> Answer {
        if lead.service() == Some(OWN) {
            return Box::pin(self.own.answer(asker, told, (head, body), lead)).await;
        }
        if let Lead::Method(..) | Lead::Outcome(_) = &lead
            && let Some(fate) = self.identity.network.fate(now)
            && let Err(error) = Box::pin(self.suffer(fate)).await
        {
            return Answer::rpc_error(&error);
        }
        match lead {
            Lead::Method(route, of_path) => {
                let (from, to) = ((head, body), (route, of_path));
                // What may be from memory stands apart, and so does whatever else few requests need: none is larger for it.
                let answer = if *asker == Principal::Anonymous && !route.cache.is_empty() {
                    let (settings, called) =
                        (self.settings(), self.call(told, from, to, (asker, client), now));
                    Box::pin(self.cache.answer(&settings.cache, head, route, called)).await
                } else {
                    self.call(told, from, to, (asker, client), now).await
                };
                if !route.is_safe {
                    // Before it is acknowledged.
                    self.cache.written();
                }
                answer
            }
            Lead::Outcome(route) => {
                let outcome = Box::pin(self.outcome(told, (head, body), &route, asker));
                outcome.await.unwrap_or_else(|refused| *refused)
            }
            Lead::Answered(answer) => *answer,
            Lead::Nowhere(answer) => self.unreached(routes).unwrap_or(*answer),
        }
    }

    /// Does to a request what the operator wants to go wrong with it here. Calls of its own service meet theirs there.
    pub(crate) async fn suffer(&self, fate: Fate) -> Result<(), RpcError> {
        let patience = Duration::from_micros(u64::from(DEADLINE_US_DEFAULT));
        tokio::time::timeout(patience, fate.pass(&self.identity.instance))
            .await
            .unwrap_or_else(|_| Err(RpcError::new(Code::DeadlineExceeded, "the deadline passed")))
    }

    /// The answer to a path that nothing is known of, while a service was never reached that may have it: that is no reason to
    /// say that there is none.
    fn unreached(&self, routes: &Routes) -> Option<Answer> {
        let unreached: Vec<_> = (0..self.upstreams.len()).filter(|at| !routes.knows(*at)).collect();
        match unreached[..] {
            [] => None,
            [at] => Some(Answer::rpc_error(&self.upstreams[at].no_instance())),
            [_, ..] => {
                let words = "Sorry, the services could not be reached yet";
                Some(Answer::rpc_error(&RpcError::new(Code::Unavailable, words)))
            }
        }
    }

    async fn call(
        &self,
        told: (&str, &Story),
        (head, body): (&RequestHead, &[u8]),
        (route, of_path): (&Route, Parameters<'_>),
        (asker, client): (&Principal, Option<u64>),
        now: u64,
    ) -> Answer {
        let request = match Request::new(head, body, of_path) {
            Ok(request) => request,
            Err(refused) => return *refused,
        };
        // One deadline for all attempts together, and one token, unless the method is safe.
        let deadline_ns = now + u64::from(DEADLINE_US_DEFAULT) * 1_000;
        let random = OnceCell::new();
        let upstream = &self.upstreams[route.service];
        let repeats = Repeats::of(route.method);
        let attempted = upstream.attempt(
            // What reads may be repeated, and what writes bears a token: the client's, or one of ours.
            Want { may_probe: true, client, method: route.method },
            told.1,
            // While a service is replaced by a newer one, not every instance may have the method.
            |instance| instance.has(route.method) && repeats.may_go_to(&instance.schema),
            async |instance, trace| {
                // Each attempt transcodes for the instance that it goes to: instances may serve different schemas.
                let schema = instance.schema.schema();
                let method = schema.method(route.method).ok_or_else(|| Failed::Refused(method_gone()))?;
                // Who may not call hears nothing about the request. The service checks it too.
                authorize(asker, &method.access).map_err(|error| {
                    let mut answer = refused(schema, method, &error);
                    answer.instance = Some(Rc::clone(&instance.name));
                    Failed::Refused(Box::new(answer))
                })?;
                let message = request.message(schema, method).map_err(Failed::Refused)?;
                let (bulk, idempotent) = (method.is_bulk(), method.is_idempotent());
                let random = (!method.is_safe()).then(|| *random.get_or_init(random_token));
                let options = request.options(asker.clone(), told.0, deadline_ns, random);
                let options = CallOptions { bulk, idempotent, trace, ..options };
                told.1.sends(&message);
                let since = clock::now();
                let answer = instance.client.call(method.id, message, options).await;
                let failed = answer.as_ref().is_err_and(is_server_error);
                let now = clock::now();
                self.stats.served(now, route.service, &instance.name, now - since, failed);
                let reply = answer.map_err(|error| {
                    if !method.is_idempotent() {
                        repeats.failed(&instance.schema, &error);
                    }
                    Failed::Call { error, repeatable: true }
                })?;
                told.1.gets(&reply.body);
                Ok(shown(schema, method, &reply.body))
            },
        );
        let Some((instance, outcome)) = attempted.await else {
            let has = |instance: &Instance| {
                let words = || format!("no instance of {} has this method now", upstream.service());
                instance
                    .has(route.method)
                    .then_some(())
                    .ok_or_else(|| RpcError::new(Code::UnknownMethod, words()))
            };
            let error = upstream.no_instance_for(has);
            told.1.nobody(clock::now(), &error);
            return Answer::rpc_error(&error);
        };
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(Failed::Call { error, .. }) => {
                let schema = instance.schema.schema();
                let error = told_to_caller(&schema.name, request.is_read() || route.is_safe, error);
                match schema.method(route.method) {
                    Some(method) => refused(schema, method, &error),
                    None => return *method_gone(),
                }
            }
            Err(Failed::Refused(refused)) => return *refused,
        };
        answer.instance = Some(instance.name);
        answer
    }

    /// Tells what became of a write. Any instance knows: they share their data.
    async fn outcome(
        &self,
        told: (&str, &Story),
        (head, body): (&RequestHead, &[u8]),
        route: &OutcomeRoute,
        asker: &Principal,
    ) -> Result<Answer, Refused> {
        let request = Request::new(head, body, Parameters::new())?;
        let deadline_ns = clock::now() + u64::from(DEADLINE_US_DEFAULT) * 1_000;
        let options = request.options(asker.clone(), told.0, deadline_ns, None);
        let message = question(route, request.of_query("principal"))?;
        let upstream = &self.upstreams[route.service];
        let attempted = upstream.attempt(
            Want { may_probe: true, method: BuiltinMethods::OUTCOME, ..Want::default() },
            told.1,
            |_| true,
            async |instance, trace| {
                // The service checks who may know.
                let options = CallOptions { trace, ..options.clone() };
                let call = instance.client.call(BuiltinMethods::OUTCOME, message.clone(), options);
                call.await.map_err(|error| Failed::<Infallible>::Call { error, repeatable: true })
            },
        );
        let Some((instance, outcome)) = attempted.await else {
            return Err(Box::new(Answer::rpc_error(&upstream.no_instance())));
        };
        let schema = instance.schema.schema();
        let mut answer = match outcome {
            Ok(answered) => {
                let method = schema.method(route.method).ok_or_else(method_gone)?;
                outcome_shown(schema, method, &answered.body)
            }
            Err(failed) => Answer::rpc_error(&told_to_caller(&schema.name, true, failed.into_error())),
        };
        answer.instance = Some(instance.name);
        Ok(answer)
    }
}

/// Whether a call failed by no fault of its caller. What a service refuses in its own terms is no failure of it.
fn is_server_error(error: &RpcError) -> bool {
    error.code != Code::Application && error.code.http_status() >= 500
}

/// The answer where an instance's schema has lost the method of a route.
fn method_gone() -> Refused {
    Box::new(Answer::refusal(404, "this instance doesn't have the method any more"))
}
