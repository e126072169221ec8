//! Calls with streams of messages, as clients over HTTP have them: replies as Server-Sent Events ([`events`]), and streams of either
//! direction as WebSockets ([`socket`]).
//!
//! A [`Call`] is one of them. What a client doesn't take isn't taken from the service either, whose credit ends then: nothing gathers
//! here.

mod call;
mod events;
mod failure;
mod socket;
mod who;

use std::net::IpAddr;
use std::rc::Rc;

use micronet_transport::bearers::Asker;
use micronet_transport::clock;
use micronet_transport::http_server::Response;
use micronet_transport::records::Story;
use micronet_wire::http1::RequestHead;
use micronet_wire::rest::{Answer, Form, Opening, Parameters, Refused, Route, refused};
use micronet_wire::service::authorize;

use self::call::Call;
use crate::audit::Deed;
use crate::config::{Gateway, OWN};
use crate::websocket;

impl Gateway {
    /// Opens the stream that a route leads to, for somebody who asks as this principal unless the request has a ticket.
    pub(crate) async fn stream(
        self: &Rc<Self>,
        (request_id, story): (&str, &Story),
        (head, body): (&RequestHead, &[u8]),
        (route, of_path): (&Route, Parameters<'_>),
        (asker, deed): (Asker, Option<Deed>),
        client: (Option<u64>, IpAddr),
    ) -> Response {
        let opened = self.open((request_id, story), (head, body), (route, of_path), (asker, deed), client);
        opened.await.unwrap_or_else(|refused| (*refused).into())
    }

    async fn open(
        self: &Rc<Self>,
        (request_id, story): (&str, &Story),
        (head, body): (&RequestHead, &[u8]),
        (route, of_path): (&Route, Parameters<'_>),
        (asker, deed): (Asker, Option<Deed>),
        (client, address): (Option<u64>, IpAddr),
    ) -> Result<Response, Refused> {
        if route.service == OWN {
            return Err(Box::new(Answer::refusal(501, "the gateway's own streams are carried by RPC alone")));
        }
        let settings = self.settings().websocket.clone();
        // Before a ticket is used up.
        let handshake = match route.form {
            Form::Socket => Some(websocket::handshake(head, body, &settings)?),
            _ => None,
        };
        if let Some(fate) = self.identity.network.fate(clock::now()) {
            self.suffer(fate).await.map_err(|error| Box::new(Answer::rpc_error(&error)))?;
        }
        let mut opening = Opening::new(head, of_path)?;
        let in_protocol = handshake.as_ref().and_then(|handshake| handshake.ticket().map(str::to_owned));
        let asker = who::asker(self, asker, opening.ticket.take().or(in_protocol)).await?;
        if handshake.is_none() {
            // Who may not call hears nothing about the request.
            if let Some((schema, method)) = self.known().routes.called(route) {
                let may = authorize(asker.principal(), &method.access);
                may.map_err(|error| Box::new(refused(schema, method, &error)))?;
            }
            events::check(head, body)?;
        }
        let to = (route.service, route.method);
        let call = Call::new(self, to, (request_id, story, deed), opening, (client, address));
        match handshake {
            None => events::answer(call, asker, head).await,
            Some(handshake) => {
                Ok(websocket::accept(&handshake, websocket::PROTOCOL, settings, |socket, drain| {
                    socket::serve(call, asker, socket, drain)
                }))
            }
        }
    }
}
