//! A client's ways to everything that its mix asks, as one channel of the load engine.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use crate::address::HostPort;
use crate::load::engine::{Channel, ExchangeError, Traced};
use crate::load::http::{HttpAnswer, HttpChannel, HttpRequest};
use crate::load::rpc::{Line, RpcAnswer, RpcChannel, RpcRequest};
use crate::shop::request::Keys;

/// A target, ready to be asked.
#[derive(Clone, Debug)]
pub(super) enum Ready {
    /// A request to the server in this place of [`Plan::servers`].
    Http {
        /// The place.
        server: usize,
        /// The request.
        request: HttpRequest,
    },
    /// A call to the service in this place of [`Plan::services`].
    Rpc {
        /// The place.
        service: usize,
        /// The method's id.
        method: u32,
        /// The encoded request.
        body: Bytes,
        /// Whether each call has a token of its own, since repeating it would do harm.
        has_token: bool,
    },
}

/// All that clients share.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What is asked.
    pub(super) targets: Vec<Ready>,
    /// The HTTP servers.
    pub(super) servers: Vec<HostPort>,
    /// The services: the connections to each.
    pub(super) services: Vec<Vec<Rc<Line>>>,
}

/// One client's ways.
#[derive(Debug)]
pub(super) struct Way {
    plan: Rc<Plan>,
    servers: Vec<HttpChannel>,
    services: Vec<RpcChannel>,
    keys: Keys,
}

impl Way {
    /// The ways of the client in this place.
    pub(super) fn new(plan: &Rc<Plan>, place: usize, patience: Duration) -> Result<Self, getrandom::Error> {
        let to_service = |lines: &Vec<Rc<Line>>| {
            let line = place.checked_rem(lines.len()).and_then(|at| lines.get(at))?;
            Some(RpcChannel::new(Rc::clone(line), patience))
        };
        Ok(Self {
            servers: plan
                .servers
                .iter()
                .map(|server| HttpChannel::unforgiving(server.clone(), patience))
                .collect(),
            services: plan.services.iter().filter_map(to_service).collect(),
            plan: Rc::clone(plan),
            keys: Keys::from_system()?,
        })
    }
}

impl Channel for Way {
    /// A target, by its place in [`Plan::targets`].
    type Request = usize;
    type Answer = Answer;

    async fn open(&mut self) -> Result<(), ExchangeError> {
        for channel in &mut self.servers {
            channel.open().await?;
        }
        for channel in &mut self.services {
            channel.open().await?;
        }
        Ok(())
    }

    async fn exchange(&mut self, target: &usize) -> Result<Answer, ExchangeError> {
        match &self.plan.targets[*target] {
            Ready::Http { server, request } => {
                self.servers[*server].exchange(request).await.map(Answer::Http)
            }
            Ready::Rpc { service, method, body, has_token } => {
                let token = has_token.then(|| self.keys.next());
                let request = RpcRequest { method: *method, body: body.clone(), token };
                self.services[*service].exchange(&request).await.map(Answer::Rpc)
            }
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(super) enum Answer {
    /// Over HTTP.
    Http(HttpAnswer),
    /// Over RPC.
    Rpc(RpcAnswer),
}

impl Answer {
    /// Why this is an error, in words that are the same for all of their kind: the status and the code of the envelope, if
    /// there is one, or the RPC code.
    pub(super) fn error(&self) -> Option<String> {
        match self {
            Self::Http(answer) => answer.error(),
            Self::Rpc(answer) => answer.refused.clone(),
        }
    }
}

impl Traced for Answer {
    fn instance(&self) -> Option<&str> {
        match self {
            Self::Http(answer) => answer.instance(),
            Self::Rpc(answer) => answer.instance(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Http(answer) => answer.bytes(),
            Self::Rpc(answer) => answer.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_code_of_the_envelope() {
        let check = |status: u16, body: &str, wanted: Option<&str>| {
            let answer = Answer::Http(HttpAnswer { status, instance: None, body: body.to_owned().into() });
            assert_eq!(answer.error().as_deref(), wanted, "{status} {body}");
        };
        check(200, "", None);
        check(304, r#"{"error":{"code":"ODD"}}"#, None);
        check(404, r#"{"success":false,"error":{"code":"NOT_FOUND"}}"#, Some("404 NOT_FOUND"));
        check(500, "<html>", Some("500"));
    }
}
