//! A client's connection over HTTP: its requests are let in or refused, counted, by where they come from too, and answered.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use micronet_transport::bearers::Asker;
use micronet_transport::clock;
use micronet_transport::http_server::{Response, Site};
use micronet_transport::identity::Identity;
use micronet_transport::records::Story;
use micronet_wire::http1::{HttpLimits, RequestHead};
use micronet_wire::principal::Principal;
use micronet_wire::rest::{Answer, Form, Lead, RequestIds, conditional, unmet_precondition};
use micronet_wire::spiffe::SpiffeId;

use crate::audit::{Action, Deed};
use crate::config::{Gateway, Known};
use crate::rates::{self, Kind, Passed, Who};
use crate::settings::Settings;
use crate::stats::Protocol;
use crate::{cors, dashboard, echo, targets, websocket};

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
    /// The address at the other end; where it isn't known, one that nobody has.
    peer: IpAddr,
    /// Where the client is, where its address is known.
    region: Option<usize>,
    /// Stands for the client where instances are picked.
    client: Option<u64>,
    /// What is known of a client that came over TLS.
    secure: Option<Box<Secure>>,
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
        let peer = from.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
        Self { gateway: Rc::clone(gateway), peer, region, client: from.map(hash), secure: None }
    }

    /// The same over TLS.
    #[must_use]
    pub fn over_tls(self, secure: Secure) -> Self {
        Self { secure: Some(Box::new(secure)), ..self }
    }

    /// Answers a request if it may come in.
    async fn admit(
        &self,
        (request_id, story): (&str, &Story),
        known: &Known,
        (lead, page): (Lead<'_>, Option<&str>),
        (head, body): (&RequestHead, &[u8]),
        now: u64,
    ) -> Response {
        let (gateway, settings) = (&self.gateway, self.gateway.settings());
        if let Some(answer) = cors::preflight(&settings.cors, head) {
            return answer.into();
        }
        let from = rates::client(self.peer, head, &settings.rates.trusted_proxies);
        let address = Who::at(from);
        story.comes_from(from, self.secure.is_some());
        if let Some(refused) = self.too_many(&settings, head, (address, now), story) {
            return refused.refusal().into();
        }
        if page == Some(dashboard::PATH) {
            let mut answer = dashboard::answer(head);
            conditional(head, &mut answer);
            return answer.into();
        }
        if let Some(refused) = cors::foreign_write(&settings.cors, head).or_else(|| unmet_precondition(head))
        {
            return (*refused).into();
        }
        let asker = match Asker::of_lead(&lead, head, &self.certified(), &gateway.identity).await {
            Ok(asker) => asker,
            Err(refused) => {
                if refused.status.code() == 401 {
                    gateway.rates.pass(&settings.rates, Kind::Refused, address, now);
                }
                return (*refused).into();
            }
        };
        story.asks(asker.principal());
        let passed = match Who::asks(asker.principal(), address) {
            Some(who) => gateway.rates.pass_shared(&settings.rates, class(&lead), who, now).await,
            None => None,
        };
        if let Some(passed) = &passed {
            passed.told(story);
        }
        if let Some(refused) = passed.filter(Passed::is_refused) {
            return refused.refusal().into();
        }
        let is_stream = matches!(&lead, Lead::Method(route, _) if route.form != Form::Answer);
        let stream_deed = || Deed::of((&known.routes, &lead), head, from, request_id).map(Box::new);
        let stream_deed = if is_stream { stream_deed() } else { None };
        let mut response: Response = match lead {
            _ if page == Some(targets::PATH) => {
                targets::answer(head, &gateway.identity, gateway.http, gateway.tls().is_some()).into()
            }
            Lead::Method(route, of_path) if route.form != Form::Answer => {
                let (to, asker) = ((route, of_path), (asker, stream_deed.map(|deed| *deed)));
                let client = (self.client, from);
                story.is_stream();
                Box::pin(gateway.stream((request_id, story), (head, body), to, asker, client)).await
            }
            lead => {
                let who = (asker.principal(), self.client);
                let action = || Action::of((&known.routes, &lead), head, who.0, from, request_id);
                let action = if gateway.audit.is_kept() { action() } else { None };
                let (told, from) = ((request_id, story), (head, body));
                let mut answer = match action {
                    None => gateway.answer(told, from, &known.routes, lead, who, now).await,
                    Some(action) => {
                        let answer = gateway.answer(told, from, &known.routes, lead, who, now);
                        Box::pin(gateway.audit.watch(action, answer)).await
                    }
                };
                conditional(head, &mut answer);
                answer.into()
            }
        };
        if let (Some(passed), Some(answer)) = (passed, response.answer_mut()) {
            passed.tell(answer);
        }
        response
    }

    /// Who asks unless the request itself says it: whom the client's certificate names, where the cluster's own CA has signed it.
    fn certified(&self) -> Principal {
        let id = self.secure.as_ref().and_then(|secure| secure.id.as_ref());
        id.map(SpiffeId::principal).unwrap_or_default()
    }

    /// Why an address may ask nothing now, whoever it is: it asks too often, or with too many credentials that were refused.
    fn too_many(
        &self,
        settings: &Settings,
        head: &RequestHead,
        (address, now): (Who, u64),
        story: &Story,
    ) -> Option<Passed> {
        let (rates, limits) = (&self.gateway.rates, &settings.rates);
        let of_all = rates.pass(limits, Kind::Address, address, now).inspect(|passed| passed.told(story));
        of_all.filter(Passed::is_refused).or_else(|| {
            head.headers().get("Authorization")?;
            let of_refused = rates.look(limits, Kind::Refused, address, now);
            of_refused.inspect(|passed| passed.told(story)).filter(Passed::is_refused)
        })
    }
}

/// What answers a path that serves the gateway's own examination, and the path.
fn examine(gateway: &Rc<Gateway>, head: &RequestHead, body: &[u8]) -> Option<(&'static str, Response)> {
    match head.path() {
        echo::PATH => Some((echo::PATH, echo::answer(head, body).into())),
        websocket::echo::PATH => Some((websocket::echo::PATH, websocket::echo::answer(gateway, head, body))),
        _ => None,
    }
}

/// The page that a request is for, as the metrics name it: what the gateway has besides methods.
fn page(head: &RequestHead) -> Option<&'static str> {
    let path = head.path();
    let is_targets = path == targets::PATH;
    is_targets.then_some(targets::PATH).or_else(|| dashboard::serves(head, path).then_some(dashboard::PATH))
}

/// The class of limits that a request belongs to, by where it leads.
fn class(lead: &Lead<'_>) -> Kind {
    match lead {
        Lead::Method(route, _) => Kind::of_class(&route.rate_class),
        Lead::Outcome(route) => Kind::of_class(&route.rate_class),
        Lead::Answered(_) | Lead::Nowhere(_) => Kind::Monitoring,
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
        self.gateway.settings().http.body_bytes_max(head)
    }

    async fn answer(&self, request_id: &str, head: &RequestHead, body: &[u8]) -> Response {
        let (gateway, since) = (&self.gateway, clock::now());
        let (metrics, known) = (gateway.identity.network.metrics(), gateway.known());
        if gateway.debug_routes
            && let Some((path, response)) = examine(gateway, head, body)
        {
            metrics.http_of(head, path).answered(response.status(), clock::now() - since);
            return response;
        }
        let lead = known.routes.lead(head);
        let page = page(head);
        let (meter, service) = (known.meters.of_lead(metrics, head, &lead), lead.service());
        let story = Story::edge(gateway.identity.network.records(), since, request_id, head, body.len());
        if page.is_none() {
            story.goes(&lead, &known.routes);
        }
        let response = self.admit((request_id, &story), &known, (lead, page), (head, body), since).await;
        let (status, now) = (response.status(), clock::now());
        let took_ns = now - since;
        match &response {
            Response::Answer(answer) => story.answered_by(now, answer),
            Response::Stream(streamed) => story.answered_by(now, &streamed.answer),
            Response::Upgrade(_) => story.answered(now, status, None, 0),
        }
        if let Some(page) = page {
            metrics.http_of(head, page).answered(status, took_ns);
            return response;
        }
        meter.answered(status, took_ns);
        let protocol = if self.secure.is_some() { Protocol::Https } else { Protocol::Http };
        gateway.stats.answered(now, protocol, self.region, service, took_ns, status >= 500);
        response
    }

    fn dress(&self, head: Option<&RequestHead>, answer: &mut Answer) {
        let settings = self.gateway.settings();
        answer.standing = Some(Rc::clone(&settings.headers.standing));
        if let (Some(_), Some(hsts)) = (&self.secure, &settings.tls.hsts) {
            let _ = answer.lines.put("Strict-Transport-Security", &**hsts);
        }
        if let Some(head) = head {
            if head.path() == "/" {
                // Browsers get the dashboard there, and programs what the API says of itself.
                let _ = answer.lines.put("Vary", "Accept");
            }
            cors::tell(&settings.cors, head, &mut answer.lines);
        }
    }
}
