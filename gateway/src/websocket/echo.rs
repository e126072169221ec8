//! `/ws/echo`: gives messages back, so that whoever examines the gateway's WebSocket sees what it made of them. It is there with
//! `--debug-routes` only.

use std::pin::pin;
use std::rc::Rc;

use micronet_transport::drain::Drain;
use micronet_transport::http_server::Response;
use micronet_wire::http1::RequestHead;

use super::{Ended, GOING_AWAY, Socket, Turn, accept, handshake};
use crate::config::Gateway;

/// Where it is.
pub(crate) const PATH: &str = "/ws/echo";

/// The subprotocol, for those who examine the choice of one.
const PROTOCOL: &str = "micronet.echo";

/// Begins to echo.
pub(crate) fn answer(gateway: &Rc<Gateway>, head: &RequestHead, body: &[u8]) -> Response {
    let settings = gateway.settings().websocket.clone();
    let handshake = match handshake(head, body, &settings) {
        Ok(handshake) => handshake,
        Err(refused) => return (*refused).into(),
    };
    let gateway = Rc::clone(gateway);
    accept(&handshake, PROTOCOL, settings, |mut socket, drain| async move {
        let ended = echo(&gateway, &mut socket, drain).await;
        tracing::debug!(?ended, "an echo is over");
        socket.end(&ended).await;
    })
}

async fn echo(gateway: &Gateway, socket: &mut Socket, mut drain: Drain) -> Ended {
    let metrics = gateway.identity.network.metrics();
    let _open = metrics.connection("websocket");
    let mut drained = pin!(drain.turn(|| metrics.connections_of("websocket")));
    loop {
        let turn = tokio::select! {
            biased;
            () = &mut drained => return GOING_AWAY,
            turn = socket.turn(true) => turn,
        };
        match turn {
            Turn::Text(text) => socket.say(text),
            Turn::Binary(bytes) => socket.send(bytes),
            Turn::Room => {}
            Turn::Over(ended) => return ended,
        }
    }
}
