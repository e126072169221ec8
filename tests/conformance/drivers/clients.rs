//! The clients under test, each in a thread of its own, where they do as they are told.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::Names;
use bytes::Bytes;
use micronet_tests::spec::hex;
use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::mio::client::SyncClient;
use micronet_wire::error::RpcError;
use micronet_wire::service::{Arity, CallOptions, Caller, Exchange, Reply};
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
    /// Makes a call with streams, whose request is left out when its requests are said.
    Open(Call, Arity),
    /// Says a message of a stream; whether it is the last.
    Say(u32, Vec<u8>, bool),
    /// Says that no further message follows.
    Finish(u32),
    /// Takes what comes on a stream until its end, and tells it: `message 1 2a`, then its end. Until then nothing is taken.
    Take(u32),
    Drain,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Call {
    pub(super) method: u32,
    pub(super) request: Option<Vec<u8>>,
    pub(super) deadline_us: u64,
    /// The rest of what is said about the call.
    pub(super) options: CallOptions,
}

impl Call {
    fn request(&self) -> Bytes {
        self.request.clone().unwrap_or_default().into()
    }

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
pub(super) type Dial = fn(SocketAddr, Names) -> Dialled;

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
    pub(super) fn dial(address: SocketAddr, names: Names) -> Dialled {
        start(move |mut to_do, tells| {
            on_runtime(async move {
                match Client::connect(address, &names.identity()).await {
                    Ok(client) => Self::work(client, &mut to_do, &tells).await,
                    Err(error) => tells.send(closed(Err(error))).unwrap_or_default(),
                }
            });
        })
    }

    async fn work(client: Client, to_do: &mut mpsc::Receiver<Command>, tells: &SyncSender<String>) {
        let mut calls = HashMap::new();
        let mut exchanges: HashMap<u32, Rc<dyn Exchange>> = HashMap::new();
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
                        let ended = client.call(call.method, call.request(), call.options()).await;
                        tells.send(end(stream, ended)).unwrap_or_default();
                    });
                    calls.insert(stream, calling);
                }
                Some(Command::Send(call)) => {
                    streams += 1;
                    let sent = client.send(call.method, call.request(), call.options()).await;
                    sent.expect("the connection is open");
                }
                Some(Command::Cancel(stream)) => match calls.remove(&stream) {
                    Some(calling) => calling.abort(),
                    None => exchanges[&stream].cancel(),
                },
                Some(Command::Open(call, replies)) => {
                    streams += 1;
                    let request = call.request.clone().map(Bytes::from);
                    let opened = client.open(call.method, request, replies, call.options()).await;
                    exchanges.insert(streams, opened.expect("the connection is open"));
                }
                Some(Command::Say(stream, message, last)) => {
                    let exchange = &exchanges[&stream];
                    poll_fn(|cx| exchange.poll_room(cx)).await.expect("the call is under way");
                    exchange.send(message.into()).expect("it isn't too long");
                    if last {
                        exchange.finish();
                    }
                }
                Some(Command::Finish(stream)) => exchanges[&stream].finish(),
                Some(Command::Take(stream)) => {
                    let (exchange, tells) = (Rc::clone(&exchanges[&stream]), tells.clone());
                    tokio::task::spawn_local(async move {
                        while let Ok(Some(message)) = poll_fn(|cx| exchange.poll_message(cx)).await {
                            tells.send(format!("message {stream} {}", hex(&message))).unwrap_or_default();
                        }
                        let ended = poll_fn(|cx| exchange.poll_reply(cx)).await;
                        tells.send(end(stream, ended)).unwrap_or_default();
                    });
                }
                Some(Command::Drain) => client.drain(),
            }
        }
    }
}

pub(super) struct OnMio;

impl OnMio {
    pub(super) fn dial(address: SocketAddr, names: Names) -> Dialled {
        start(move |mut to_do, tells| match SyncClient::connect(address, &names.identity()) {
            Ok(mut client) => Self::work(&mut client, &mut to_do, &tells),
            Err(error) => tells.send(closed(Err(error))).unwrap_or_default(),
        })
    }

    fn work(client: &mut SyncClient, to_do: &mut mpsc::Receiver<Command>, tells: &SyncSender<String>) {
        let mut told_closed = false;
        let mut taking = Vec::new();
        loop {
            taking.retain(|stream| Self::take(client, *stream, tells));
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
                        .start(call.method, &call.request(), &call.options())
                        .expect("the connection is open");
                }
                Command::Send(call) => {
                    client
                        .send(call.method, &call.request(), &call.options())
                        .expect("the connection is open");
                }
                Command::Cancel(stream) => client.cancel(stream),
                Command::Open(call, replies) => {
                    let request = call.request.clone().map(Bytes::from);
                    client
                        .open(call.method, request.as_ref(), replies, &call.options())
                        .expect("the connection is open");
                }
                Command::Say(stream, message, last) => {
                    client.say(stream, message.into(), last).expect("the call is under way");
                }
                Command::Finish(stream) => client.finish(stream).expect("it was opened"),
                Command::Take(stream) => taking.push(stream),
                // How it ended is told above.
                Command::Drain => drop(client.drain()),
            }
            client.flush();
        }
    }

    /// Takes what has come on a stream; false once it has ended.
    fn take(client: &mut SyncClient, stream: u32, tells: &SyncSender<String>) -> bool {
        loop {
            let told = match client.next_message(stream, TURN) {
                Ok(Some(message)) => format!("message {stream} {}", hex(&message)),
                Err(_) if client.is_open(stream) => return true,
                Ok(None) if client.is_open(stream) => end(stream, client.wait(stream)),
                Ok(None) => format!("reply {stream} "),
                Err(error) => end(stream, Err(error)),
            };
            tells.send(told).unwrap_or_default();
            if !client.is_open(stream) {
                return false;
            }
        }
    }
}
