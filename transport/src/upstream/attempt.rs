//! One call, at as many instances as it takes: picked, tried, judged, and tried elsewhere where that does no harm.

use std::rc::Rc;

use micronet_wire::error::{Code, Fault, RpcError};
use micronet_wire::limits::ATTEMPTS_MAX;
use micronet_wire::network::InstanceState;
use micronet_wire::request::TraceContext;

use super::instance::Instance;
use super::member::{Member, verdict};
use super::{Inner, Upstream};
use crate::breaker::{Ticket, Verdict};
use crate::clock;
use crate::records::Story;
use crate::retry::may_retry;

/// What the pick of an instance may depend on besides the instances.
#[derive(Debug, Clone, Copy, Default)]
pub struct Want {
    /// Stands for the client on whose behalf the call is made, where one is known: as a hash of its address.
    pub client: Option<u64>,
    /// Whether the call may be the one that shows whether an instance answers again: it does no harm when it has to be repeated.
    pub may_probe: bool,
    /// The method that is called, for those who count; 0 where that isn't known.
    pub method: u32,
}

/// Why an attempt failed.
#[derive(Debug)]
pub enum Failed<R = std::convert::Infallible> {
    /// Nothing was called: no other instance would help.
    Refused(R),
    /// The call failed.
    Call {
        /// With this error.
        error: RpcError,
        /// Whether it does no harm to execute it twice.
        repeatable: bool,
    },
}

impl Failed {
    /// The error of a call of which nothing else can fail.
    pub fn into_error(self) -> RpcError {
        match self {
            Self::Call { error, .. } => error,
            Self::Refused(never) => match never {},
        }
    }
}

/// An instance that was picked for a call, until it is known what the call has come to.
struct Picked<'a> {
    upstream: &'a Inner,
    member: Rc<Member>,
    begun_ns: u64,
    ticket: Option<Ticket>,
}

impl Upstream {
    /// Calls an instance that `takes` the call, and others after it for as long as that is safe and the retry budget allows it. The
    /// last instance that was called and what came of it; `None` when there is no such instance that can be reached.
    ///
    /// A call bears the trace context that it is given: each attempt is a span of its own within that of the `story`, which hears of
    /// everything.
    pub async fn attempt<T, R>(
        &self,
        want: Want,
        story: &Story,
        takes: impl Fn(&Instance) -> bool,
        mut call: impl AsyncFnMut(&Instance, TraceContext) -> Result<T, Failed<R>>,
    ) -> Option<(Instance, Result<T, Failed<R>>)> {
        let inner = &*self.0;
        let mut tried: Vec<Rc<str>> = Vec::new();
        let mut last = None;
        let mut now = clock::now();
        inner.budget.borrow_mut().call(now);
        while tried.len() < ATTEMPTS_MAX as usize {
            let Some((member, instance)) = inner.pick(now, want, &takes, &tried, story) else { break };
            let ticket = member.ledger.borrow_mut().begun(now);
            let is_probe = ticket.is_some() && member.ledger.borrow().state() == InstanceState::Probing;
            let picked = Picked { upstream: inner, member, begun_ns: now, ticket };
            let trace = story.tries(&instance.name, is_probe);
            let outcome = call(&instance, trace).await;
            let account = instance.client.take_account();
            now = clock::now();
            let failed = match &outcome {
                Ok(_) => Some(Ok(())),
                Err(Failed::Call { error, .. }) => Some(Err(error)),
                Err(Failed::Refused(_)) => None,
            };
            story.tried(now, failed, account);
            if let Some(failed) = failed {
                picked.count(now, want.method, &instance, failed);
                picked.ended(now, failed);
            }
            let again = match &outcome {
                Err(Failed::Call { error, repeatable }) => {
                    // Who was sent to see whether an instance answers again isn't left with its failure.
                    let probed = is_probe && *repeatable && error.code.fault() != Fault::Caller;
                    inner.may_try_again(now, error, probed || may_retry(error, *repeatable))
                }
                _ => false,
            };
            if !again {
                return Some((instance, outcome));
            }
            tried.push(Rc::clone(&instance.name));
            last = Some((instance, outcome));
        }
        last
    }
}

impl Inner {
    fn may_try_again(&self, now: u64, error: &RpcError, harmless: bool) -> bool {
        if !harmless {
            return false;
        }
        // A process that leaves sends its calls elsewhere once; that is no storm.
        let allowed = error.code == Code::Draining || self.budget.borrow_mut().may_retry(now);
        let count = if allowed { &self.retries } else { &self.retries_refused };
        count.set(count.get() + 1);
        tracing::debug!(service = &*self.service, %error, allowed, "a call may be tried elsewhere");
        allowed
    }
}

impl Picked<'_> {
    fn count(&self, now: u64, method: u32, instance: &Instance, outcome: Result<(), &RpcError>) {
        let (metrics, failed) =
            (self.upstream.identity.network.metrics(), outcome.err().map(|error| error.code));
        let took_ns = now.saturating_sub(self.begun_ns);
        self.member.meters.ended(metrics, method, failed, took_ns, || {
            let [service, peer] = [&self.upstream.service, &instance.name].map(ToString::to_string);
            [service, peer, instance.name_of(method)]
        });
    }

    fn ended(mut self, now: u64, outcome: Result<(), &RpcError>) {
        let took_ns = now.saturating_sub(self.begun_ns);
        let slow_ns = self.upstream.slow_ns.get();
        // What this process sees while it runs late itself says nothing of others.
        let verdict = match outcome {
            Ok(()) if took_ns > slow_ns && !self.upstream.lagging.get() => Some(Verdict::Slow),
            Ok(()) => Some(Verdict::Good),
            Err(error) => verdict(error, took_ns, slow_ns)
                .filter(|verdict| *verdict == Verdict::Good || !self.upstream.lagging.get()),
        };
        if let Err(error) = outcome
            && error.retry_after_ms > 0
        {
            self.member.ledger.borrow_mut().spare(now + u64::from(error.retry_after_ms) * 1_000_000);
        }
        let Some(verdict) = verdict else { return };
        match outcome {
            Err(error) if verdict == Verdict::Failed => self.member.failed(now, error),
            _ => self.member.answered(now, took_ns),
        }
        self.upstream.judged(&self.member, now, took_ns, self.ticket.take(), verdict);
    }
}

impl Drop for Picked<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.member.ledger.borrow_mut().abandoned(ticket);
        }
    }
}
