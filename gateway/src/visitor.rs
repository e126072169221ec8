//! A client's connection over HTTP: its requests are counted, by where it comes from too, and answered.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::rc::Rc;

use micronet_transport::bearers::Asker;
use micronet_transport::clock;
use micronet_transport::http_server::{Response, Site};
use micronet_transport::identity::Identity;
use micronet_wire::http1::{HttpLimits, RequestHead};
use micronet_wire::rest::RequestIds;
use micronet_wire::spiffe::SpiffeId;

use crate::config::Gateway;
use crate::echo;
use crate::stats::Protocol;
use crate::targets;

/// What is known of a client that came over TLS.
#[derive(Debug, Default)]
pub struct Secure {
    /// Whom of the cluster its certificate names.
    pub id: Option<SpiffeId>,
}

/// The gateway as one connection sees it.
#[derive(Debug)]
pub struct Visitor {
    gateway: Rc<Gateway>,
    /// Where the client is, where its address is known.
    region: Option<usize>,
    /// Stands for the client where instances are picked.
    client: Option<u64>,
    /// What is known of a client that came over TLS.
    secure: Option<Secure>,
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
        Self { gateway: Rc::clone(gateway), region, client: from.map(hash), secure: None }
    }

    /// The same over TLS.
    #[must_use]
    pub fn over_tls(self, secure: Secure) -> Self {
        Self { secure: Some(secure), ..self }
    }
}

impl Site for Visitor {
    fn request_ids(&self) -> &RequestIds {
        &self.gateway.request_ids
    }

    fn identity(&self) -> &Identity {
        &self.gateway.identity
    }

    fn hsts(&self) -> Option<Rc<str>> {
        self.secure.as_ref().and_then(|_| self.gateway.settings().tls.hsts.clone())
    }

    fn limits(&self) -> HttpLimits {
        self.gateway.settings().http.limits
    }

    fn body_bytes_max(&self, head: &RequestHead) -> usize {
        self.gateway.settings().http.body_bytes_max(head.path())
    }

    async fn answer(&self, request_id: &str, head: &RequestHead, body: &[u8]) -> Response {
        let (gateway, since) = (&*self.gateway, clock::now());
        let metrics = gateway.identity.network.metrics();
        if head.path() == targets::PATH {
            let answer = targets::answer(head, &gateway.identity, gateway.http, gateway.tls().is_some());
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
        // Whom the cluster's own CA vouches for need not say who it is.
        let certified = self.secure.as_ref().and_then(|secure| secure.id.as_ref()).map(SpiffeId::principal);
        let peer = certified.unwrap_or_default();
        let answer = match Asker::of_lead(&lead, head, &peer, &gateway.identity).await {
            Ok(asker) => {
                let who = (asker.principal(), self.client);
                gateway.answer(request_id, (head, body), &known.routes, lead, who).await
            }
            Err(refused) => *refused,
        };
        let (status, took_ns) = (answer.status.code(), clock::now() - since);
        meter.answered(status, took_ns);
        let protocol = if self.secure.is_some() { Protocol::Https } else { Protocol::Http };
        gateway.stats.answered(protocol, self.region, service, took_ns, status >= 500);
        answer.into()
    }
}
