//! An echo by tarpc: bincode in length-delimited frames, a task a request, deadlines and traces as it has them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::StreamExt;
use harness::command_line::{Listen, Load};
use harness::meter::Meter;
use harness::runtime;
use serde_bytes::ByteBuf;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport, server};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

/// More than are ever in flight.
const IN_FLIGHT_MAX: usize = 4096;
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Parser)]
enum Command {
    /// Echo what comes
    Serve(Listen),
    /// Call in a closed loop, and say what it took
    Call(Load),
}

#[tarpc::service]
trait Echo {
    async fn echo(payload: ByteBuf) -> ByteBuf;
}

#[derive(Clone)]
struct Echoing;

impl Echo for Echoing {
    async fn echo(self, _: context::Context, payload: ByteBuf) -> ByteBuf {
        payload
    }
}

type Transport<In, Out> = serde_transport::Transport<TcpStream, In, Out, Bincode<In, Out>>;

fn transport<In, Out>(stream: TcpStream) -> Transport<In, Out>
where
    In: for<'a> serde::Deserialize<'a>,
    Out: serde::Serialize,
{
    serde_transport::new(Framed::new(stream, LengthDelimitedCodec::new()), Bincode::default())
}

fn main() {
    match Command::parse() {
        Command::Serve(listen) => serve(listen),
        Command::Call(load) => call(load),
    }
}

fn serve(listen: Listen) {
    runtime::run(async move {
        let listener = runtime::listen(listen.listen).await;
        loop {
            let config = server::Config { pending_response_buffer: IN_FLIGHT_MAX };
            let channel = BaseChannel::new(config, transport(runtime::accept(&listener).await));
            tokio::spawn(channel.execute(Echoing.serve()).for_each(|answer| async move {
                tokio::spawn(answer);
            }));
        }
    });
}

fn call(load: Load) {
    runtime::run(async move {
        let meter = Rc::new(Meter::start(&load.times));
        let mut callers = Vec::new();
        for _ in 0..load.connections {
            let mut config = client::Config::default();
            config.max_in_flight_requests = IN_FLIGHT_MAX;
            config.pending_request_buffer = IN_FLIGHT_MAX;
            let client = EchoClient::new(config, transport(runtime::connect(load.server).await)).spawn();
            for _ in 0..load.in_flight_each() {
                let (client, meter) = (client.clone(), Rc::clone(&meter));
                let payload = ByteBuf::from(load.payload());
                callers.push(tokio::task::spawn_local(async move {
                    let mut began = Instant::now();
                    loop {
                        let mut context = context::current();
                        context.deadline = began + TIMEOUT;
                        let reply = client.echo(context, payload.clone()).await.expect("a reply");
                        assert_eq!(reply.len(), payload.len());
                        meter.ended(&mut began);
                    }
                }));
            }
        }
        for caller in callers {
            caller.await.expect("the server stays");
        }
    });
}
