//! A request to a gateway with a service behind it: HTTP in and out, over a pipe in memory, and RPC between them over a socket.

use std::rc::Rc;

use bytes::BytesMut;
use micronet_gateway::config::{Config, Gateway};
use micronet_gateway::visitor::Visitor;
use micronet_transport::drain::DrainTrigger;
use micronet_transport::{drain, http_server, server, socket};
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::schema::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::http::POST;
use super::shop::{ASK_JSON, Shelf, ShopServer};
use super::typed::{identity, runtime};
use crate::meter::Meter;

const NAME: &str = "gateway: a POST, JSON to RPC and back";

pub(crate) fn all(meter: &mut Meter) {
    if !meter.wants(NAME) {
        return;
    }
    let runtime = runtime();
    let (mut client, _house) = runtime.block_on(house());
    let request = [POST.as_bytes(), ASK_JSON].concat();
    let mut answer = BytesMut::with_capacity(4096);
    meter.batches(NAME, |times| {
        runtime.block_on(async {
            for _ in 0..times {
                client.write_all(&request).await.expect("the gateway reads");
                answer.clear();
                while !answer.ends_with(b"}}\n") {
                    let read = client.read_buf(&mut answer).await.expect("the gateway answers");
                    assert_ne!(read, 0, "the gateway has hung up");
                }
                assert!(answer.starts_with(b"HTTP/1.1 201 "), "{answer:?}");
            }
        });
    });
}

/// What a house is kept up by.
type House = (Rc<Gateway>, DrainTrigger, DrainTrigger);

/// A connection to a gateway that has found its service.
async fn house() -> (DuplexStream, House) {
    let listener = socket::listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("its address");
    let service = ShopServer::new(Shelf).expect("a schema");
    let service = WithBuiltin::new(service, "shop-1", "0", Timestamp(0)).expect("a schema");
    let (service_trigger, service_drain) = drain::channel();
    tokio::task::spawn_local(server::serve(listener, Rc::new(service), identity("shop"), service_drain));
    let peers = [("shop".to_owned(), vec![address])].into();
    let config = Config { identity: identity("gateway"), peers, ..Config::default() };
    let gateway = Gateway::start(&config).expect("its settings can be used");
    gateway.tried().await;
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (trigger, drain) = drain::channel();
    let visitor = Visitor::new(&gateway, Some([127, 0, 0, 1].into()));
    tokio::task::spawn_local(http_server::serve_connection(theirs, Rc::new(visitor), drain));
    (ours, (gateway, trigger, service_trigger))
}
