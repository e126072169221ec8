//! Typed calls of a service: by any of its instances, and told as a story.

use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::error::RpcError;
use micronet_wire::limits::DEADLINE_US_DEFAULT;
use micronet_wire::request::TraceContext;
use micronet_wire::service::{Arity, CallOptions, Caller, Exchange, Reply};

use super::Upstream;
use super::attempt::{Failed, Want};
use super::instance::Instance;
use crate::clock;
use crate::records::{Called, Story};
use crate::retry::Repeats;

impl Caller for Upstream {
    async fn call(&self, method: u32, request: Bytes, mut options: CallOptions) -> Result<Reply, RpcError> {
        // One deadline for all attempts together.
        if options.deadline_ns == 0 {
            options.deadline_ns = clock::now() + u64::from(DEADLINE_US_DEFAULT) * 1_000;
        }
        let repeats = Repeats::of(method);
        let story = self.begins(method, &request, &options);
        let attempted = self.attempt(
            Want { may_probe: options.idempotent || options.token.is_some(), method, ..Want::default() },
            &story,
            |instance| instance.takes(method).is_ok() && repeats.may_go_to(&instance.schema),
            async |instance, trace| {
                let own = CallOptions { trace, ..options.clone() };
                let outcome = instance.call(method, request.clone(), own).await;
                outcome.map_err(|error| {
                    let idempotent = options.idempotent && instance.agrees_that_idempotent(method);
                    if !idempotent {
                        repeats.failed(&instance.schema, &error);
                    }
                    Failed::Call { error, repeatable: idempotent || options.token.is_some() }
                })
            },
        );
        let outcome = self.outcome(&story, method, attempted.await);
        story.ended(clock::now(), outcome.as_ref().map(|reply| &reply.body));
        outcome
    }

    /// Only an instance that couldn't take the call at all is passed over: what is on its way isn't sent again.
    async fn send(&self, method: u32, request: Bytes, options: CallOptions) -> Result<(), RpcError> {
        let story = self.begins(method, &request, &options);
        let sent = self.once(&story, method, async |instance, trace| {
            instance.send(method, request.clone(), CallOptions { trace, ..options.clone() }).await
        });
        sent.await.inspect(|()| story.ended(clock::now(), Ok(&Bytes::new())))
    }

    /// A call with a stream of messages is opened where it can be; what happens to it later is for whoever reads it to judge.
    async fn open(
        &self,
        method: u32,
        request: Option<Bytes>,
        replies: Arity,
        options: CallOptions,
    ) -> Result<Rc<dyn Exchange>, RpcError> {
        let story = self.begins(method, request.as_ref().unwrap_or(&Bytes::new()), &options);
        let opened = self.once(&story, method, async |instance, trace| {
            let options = CallOptions { trace, ..options.clone() };
            instance.open(method, request.clone(), replies, options).await
        });
        opened.await.inspect(|_| story.ended(clock::now(), Ok(&Bytes::new())))
    }
}

impl Upstream {
    /// A call that is repeated only where it was never started.
    async fn once<T>(
        &self,
        story: &Story,
        method: u32,
        mut call: impl AsyncFnMut(&Instance, TraceContext) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let attempted = self.attempt(
            Want { method, ..Want::default() },
            story,
            |instance| instance.takes(method).is_ok(),
            async |instance, trace| {
                call(instance, trace).await.map_err(|error| Failed::Call { error, repeatable: false })
            },
        );
        let outcome = self.outcome(story, method, attempted.await);
        outcome.inspect_err(|error| story.ended(clock::now(), Err(error)))
    }

    /// Begins the story of a call that is made here.
    fn begins(&self, method: u32, request: &Bytes, options: &CallOptions) -> Story {
        let known = self.0.built_with.clone().or_else(|| self.0.schemas.borrow().first());
        let name = known.as_ref().and_then(|known| known.schema().method(method));
        let name = name.map_or("micronet", |method| &method.name);
        let called = Called { service: &self.0.service, method: name, id: method };
        Story::made(self.0.identity.network.records(), clock::now(), options, called, request)
    }

    /// What attempts have come to: the last of them, or that there was nobody to call.
    fn outcome<T>(
        &self,
        story: &Story,
        method: u32,
        attempted: Option<(Instance, Result<T, Failed>)>,
    ) -> Result<T, RpcError> {
        match attempted {
            Some((_, outcome)) => outcome.map_err(Failed::into_error),
            None => {
                let error = self.no_instance_for(|instance| instance.takes(method));
                story.nobody(clock::now(), &error);
                Err(error)
            }
        }
    }
}
