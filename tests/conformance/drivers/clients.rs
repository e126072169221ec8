//! The clients under test, each in a thread of its own, where they do as they are told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use micronet_tests::spec::hex;
use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_transport::mio::client::SyncClient;
use micronet_wire::error::RpcError;
use micronet_wire::service::{CallOptions, Caller, Reply};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

/// More than any script has to say.
const QUEUE_MAX: usize = 1024;
/// How long the client that blocks works before it asks what to do next.
const TURN: Duration = Duration::from_millis(2);

/// What a client is told to do. Streams count from 1, in the order of calls.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Call(Call),
    Send(Call),
    Cancel(u32),
    Drain,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Call {
    pub(super) method: u32,
    pub(super) request: Vec<u8>,
    pub(super) deadline_us: u64,
    /// The rest of what is said about the call.
    pub(super) options: CallOptions,
}

impl Call {
    fn options(&self) -> CallOptions {
        CallOptions { deadline_ns: clock::now() + self.deadline_us * 1_000, ..self.options.clone() }
    }
}

/// A client at work: what it is told, and what it tells, as `reply 1 2a`, `failed 1 CANCELLED`, `closed PROTOCOL_ERROR`.
pub(super) struct Dialled {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) told: Receiver<String>,
}

/// Starts a client of one driver, which dials this address.
pub(super) type Dial = fn(SocketAddr, Identity) -> Dialled;

fn start(work: impl FnOnce(mpsc::Receiver<Command>, SyncSender<String>) + Send + 'static) -> Dialled {
    let (commands, to_do) = mpsc::channel(QUEUE_MAX);
    let (tells, told) = sync_channel(QUEUE_MAX);
    std::thread::spawn(move || work(to_do, tells));
    Dialled { commands, told }
}

fn end(stream: u32, end: Result<Reply, RpcError>) -> String {
    match end {
        Ok(reply) => format!("reply {stream} {}", hex(&reply.body)),
        Err(error) => format!("failed {stream} {}", error.code.name()),
    }
}

fn closed(closed: Result<(), RpcError>) -> String {
    closed.map_or_else(|error| format!("closed {}", error.code.name()), |()| "closed".to_owned())
}

pub(super) fn on_runtime(work: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.expect("the runtime starts").block_on(work);
}

pub(super) struct OnTokio;

impl OnTokio {
    pub(super) fn dial(address: SocketAddr, identity: Identity) -> Dialled {
        start(move |mut to_do, tells| {
            on_runtime(async move {
                match Client::connect(address, &identity).await {
                    Ok(client) => Self::work(client, &mut to_do, &tells).await,
                    Err(error) => tells.send(closed(Err(error))).unwrap_or_default(),
                }
            });
        })
    }

    async fn work(client: Client, to_do: &mut mpsc::Receiver<Command>, tells: &SyncSender<String>) {
        let mut calls = HashMap::new();
        let mut streams = 0;
        let mut over = false;
        loop {
            let command = tokio::select! {
                biased;
                command = to_do.recv() => command,
                how = client.closed(), if !over => {
                    over = true;
                    tells.send(closed(how)).unwrap_or_default();
                    continue;
                }
            };
            match command {
                None => return,
                Some(Command::Call(call)) => {
                    streams += 1;
                    let (client, tells, stream) = (client.clone(), tells.clone(), streams);
                    let calling = tokio::task::spawn_local(async move {
                        let ended =
                            client.call(call.method, Bytes::from(call.request.clone()), call.options()).await;
                        tells.send(end(stream, ended)).unwrap_or_default();
                    });
                    calls.insert(stream, calling);
                }
                Some(Command::Send(call)) => {
                    streams += 1;
                    let request = Bytes::from(call.request.clone());
                    client.send(call.method, request, call.options()).await.expect("the connection is open");
                }
                Some(Command::Cancel(stream)) => calls.remove(&stream).expect("it was made").abort(),
                Some(Command::Drain) => client.drain(),
            }
        }
    }
}

pub(super) struct OnMio;

impl OnMio {
    pub(super) fn dial(address: SocketAddr, identity: Identity) -> Dialled {
        start(move |mut to_do, tells| match SyncClient::connect(address, &identity) {
            Ok(mut client) => Self::work(&mut client, &mut to_do, &tells),
            Err(error) => tells.send(closed(Err(error))).unwrap_or_default(),
        })
    }

    fn work(client: &mut SyncClient, to_do: &mut mpsc::Receiver<Command>, tells: &SyncSender<String>) {
        let mut told_closed = false;
        loop {
            while let Some((stream, ended)) = client.next_end(TURN) {
                tells.send(end(stream, ended)).unwrap_or_default();
            }
            if !told_closed && let Some(how) = client.closed() {
                told_closed = true;
                tells.send(closed(how.clone())).unwrap_or_default();
            }
            let command = match to_do.try_recv() {
                Ok(command) => command,
                Err(mpsc::error::TryRecvError::Empty) if told_closed => match to_do.blocking_recv() {
                    Some(command) => command,
                    None => return,
                },
                Err(mpsc::error::TryRecvError::Empty) => {
                    client.rest(TURN);
                    continue;
                }
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            };
            match command {
                Command::Call(call) => {
                    client
                        .start(call.method, &call.request.clone().into(), call.options())
                        .expect("the connection is open");
                }
                Command::Send(call) => {
                    client
                        .send(call.method, &call.request.clone().into(), call.options())
                        .expect("the connection is open");
                }
                Command::Cancel(stream) => client.cancel(stream),
                // How it ended is told above.
                Command::Drain => drop(client.drain()),
            }
            client.flush();
        }
    }
}
