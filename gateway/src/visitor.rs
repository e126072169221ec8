//! A client's connection over HTTP: its requests are counted, by where it comes from too, and answered.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::rc::Rc;

use micronet_transport::bearers::Asker;
use micronet_transport::clock;
use micronet_transport::http_server::{Response, Site};
use micronet_transport::identity::Identity;
use micronet_wire::http1::RequestHead;
use micronet_wire::principal::Principal;
use micronet_wire::rest::RequestIds;

use crate::audit::Action;
use crate::config::Gateway;
use crate::echo;
use crate::stats::Protocol;
use crate::targets;

/// The gateway as one connection sees it.
#[derive(Debug)]
pub struct Visitor {
    gateway: Rc<Gateway>,
    /// The address of the client, where it is known.
    from: Option<IpAddr>,
    /// Where the client is, where its address is known.
    region: Option<usize>,
    /// Stands for the client where instances are picked.
    client: Option<u64>,
}

impl Visitor {
    /// A visitor of this gateway, from there.
    #[must_use]
    pub fn new(gateway: &Rc<Gateway>, from: Option<IpAddr>) -> Self {
        let hash = |address: IpAddr| {
            let mut hasher = DefaultHasher::new();
            address.hash(&mut hasher);
            hasher.finish()
        };
        let region = from.map(|address| gateway.stats.regions().of(address));
        Self { gateway: Rc::clone(gateway), from, region, client: from.map(hash) }
    }
}

impl Site for Visitor {
    fn request_ids(&self) -> &RequestIds {
        &self.gateway.request_ids
    }

    fn identity(&self) -> &Identity {
        &self.gateway.identity
    }

    async fn answer(&self, request_id: &str, head: &RequestHead, body: &[u8]) -> Response {
        let (gateway, since) = (&*self.gateway, clock::now());
        let metrics = gateway.identity.network.metrics();
        if head.path() == targets::PATH {
            let answer = targets::answer(head, &gateway.identity, gateway.http);
            metrics.http_of(head, targets::PATH).answered(answer.status.code(), clock::now() - since);
            return answer.into();
        }
        if gateway.debug_routes && head.path() == echo::PATH {
            let answer = echo::answer(head, body);
            metrics.http_of(head, echo::PATH).answered(answer.status.code(), clock::now() - since);
            return answer.into();
        }
        let known = gateway.known();
        let lead = known.routes.lead(head);
        let (meter, service) = (known.meters.of_lead(metrics, head, &lead), lead.service());
        let answer = match Asker::of_lead(&lead, head, &Principal::Anonymous, &gateway.identity).await {
            Ok(asker) => {
                let who = (asker.principal(), self.client);
                let action = Action::of((&known.routes, &lead), head, who.0, self.from, request_id);
                let answer = gateway.answer(request_id, (head, body), &known.routes, lead, who);
                gateway.audit.watch(action, answer).await
            }
            Err(refused) => *refused,
        };
        let (status, took_ns) = (answer.status.code(), clock::now() - since);
        meter.answered(status, took_ns);
        gateway.stats.answered(Protocol::Http, self.region, service, took_ns, status >= 500);
        answer.into()
    }
}
