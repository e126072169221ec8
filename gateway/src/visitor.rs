//! A client's connection over HTTP: its requests are counted, by where it comes from too, and answered.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::rc::Rc;

use micronet_transport::bearers::Asker;
use micronet_transport::clock;
use micronet_transport::http_server::{Response, Site};
use micronet_transport::identity::Identity;
use micronet_wire::http1::{HttpLimits, RequestHead};
use micronet_wire::principal::Principal;
use micronet_wire::rest::{Form, Lead, RequestIds};

use crate::config::Gateway;
use crate::echo;
use crate::stats::Protocol;
use crate::{targets, websocket};

/// The gateway as one connection sees it.
#[derive(Debug)]
pub struct Visitor {
    gateway: Rc<Gateway>,
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
        Self { gateway: Rc::clone(gateway), region, client: from.map(hash) }
    }
}

impl Site for Visitor {
    fn request_ids(&self) -> &RequestIds {
        &self.gateway.request_ids
    }

    fn identity(&self) -> &Identity {
        &self.gateway.identity
    }

    fn limits(&self) -> HttpLimits {
        self.gateway.settings().http.limits
    }

    fn body_bytes_max(&self, head: &RequestHead) -> usize {
        self.gateway.settings().http.body_bytes_max(head.path())
    }

    async fn answer(&self, request_id: &str, head: &RequestHead, body: &[u8]) -> Response {
        let (gateway, since) = (&self.gateway, clock::now());
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
        if gateway.debug_routes && head.path() == websocket::echo::PATH {
            let response = websocket::echo::answer(&self.gateway, head, body);
            metrics.http_of(head, websocket::echo::PATH).answered(response.status(), clock::now() - since);
            return response;
        }
        let known = gateway.known();
        let lead = known.routes.lead(head);
        let (meter, service) = (known.meters.of_lead(metrics, head, &lead), lead.service());
        let response: Response =
            match (Asker::of_lead(&lead, head, &Principal::Anonymous, &gateway.identity).await, lead) {
                (Err(refused), _) => (*refused).into(),
                (Ok(asker), Lead::Method(route, of_path)) if route.form != Form::Answer => {
                    let to = (route, of_path);
                    Box::pin(gateway.stream(request_id, (head, body), to, (asker, self.client))).await
                }
                (Ok(asker), lead) => {
                    let who = (asker.principal(), self.client);
                    gateway.answer(request_id, (head, body), &known.routes, lead, who).await.into()
                }
            };
        let (status, took_ns) = (response.status(), clock::now() - since);
        meter.answered(status, took_ns);
        gateway.stats.answered(Protocol::Http, self.region, service, took_ns, status >= 500);
        response
    }
}
