//! An echo by tonic: HTTP/2 and protobuf.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use clap::Parser;
use futures_util::{StreamExt, stream};
use harness::command_line::{Listen, Load};
use harness::meter::Meter;
use harness::{runtime, tls};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use tonic_echo::bench_client::BenchClient;
use tonic_echo::bench_server::{Bench, BenchServer};
use tonic_echo::{Item, ItemRequest, Payload};

/// More than are ever in flight: else calls would wait for one another.
const STREAMS_MAX: u32 = 4096;

#[derive(Parser)]
enum Command {
    /// Echo what comes
    Serve(Listen),
    /// Call in a closed loop, and say what it took
    Call(Load),
}

struct Echoing;

#[tonic::async_trait]
impl Bench for Echoing {
    async fn echo(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn item(&self, request: Request<ItemRequest>) -> Result<Response<Item>, Status> {
        let ItemRequest { id, name, amount, active } = request.into_inner();
        let (status, note) = ("accepted".into(), "processed by backend".into());
        Ok(Response::new(Item { id, name, amount, active, status, note }))
    }
}

fn main() {
    match Command::parse() {
        Command::Serve(listen) => runtime::run(serve(listen)),
        Command::Call(load) => runtime::run(call(load)),
    }
}

fn pem(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join(file)).expect("a file of certificates")
}

fn identity(folder: &Path, name: &str) -> Identity {
    Identity::from_pem(pem(folder, &format!("{name}.pem")), pem(folder, &format!("{name}.key")))
}

async fn serve(listen: Listen) {
    let mut server = Server::builder().max_concurrent_streams(Some(STREAMS_MAX));
    if let Some(folder) = &listen.tls {
        let ca = Certificate::from_pem(pem(folder, "ca.pem"));
        let config = ServerTlsConfig::new().identity(identity(folder, "server")).client_ca_root(ca);
        server = server.tls_config(config).expect("certificates");
    }
    let listener = runtime::listen(listen.listen).await;
    let accepted = stream::unfold(listener, |listener| async move {
        Some((Ok::<_, std::io::Error>(runtime::accept(&listener).await), listener))
    });
    let service = BenchServer::new(Echoing);
    server.add_service(service).serve_with_incoming(accepted.boxed()).await.expect("it serves");
}

async fn connect(server: SocketAddr, certificates: Option<&Path>) -> Channel {
    let scheme = if certificates.is_some() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{server}")).expect("an address");
    if let Some(folder) = certificates {
        let ca = Certificate::from_pem(pem(folder, "ca.pem"));
        let config = ClientTlsConfig::new().ca_certificate(ca).domain_name(tls::SERVER_NAME);
        endpoint = endpoint.tls_config(config.identity(identity(folder, "client"))).expect("certificates");
    }
    endpoint.connect().await.expect("the server listens")
}

async fn call(load: Load) {
    let meter = Rc::new(Meter::start(&load.times));
    let bytes = Bytes::from(load.payload());
    let mut callers = Vec::new();
    for _ in 0..load.connections {
        let channel = connect(load.server, load.tls.as_deref()).await;
        for _ in 0..load.in_flight_each() {
            let mut client = BenchClient::new(channel.clone());
            let (meter, bytes) = (Rc::clone(&meter), bytes.clone());
            callers.push(tokio::task::spawn_local(async move {
                let mut began = Instant::now();
                loop {
                    let reply = client.echo(Payload { bytes: bytes.clone() }).await.expect("a reply");
                    assert_eq!(reply.get_ref().bytes.len(), bytes.len());
                    meter.ended(&mut began);
                }
            }));
        }
    }
    for caller in callers {
        caller.await.expect("the server stays");
    }
}
