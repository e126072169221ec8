//! The least that a multiplexed protocol does on tokio: a task for each request, a bounded queue to the writer, and a place in which
//! each caller waits for its reply. No checksum, deadline, identity, account of time, or limit.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use harness::command_line::{Listen, Load};
use harness::meter::Meter;
use harness::{runtime, tls};
use slab::Slab;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::codec::{framed, request};

const QUEUE_MAX: usize = 4096;

pub(crate) fn serve(listen: Listen) {
    runtime::run(async move {
        let acceptor = listen.tls.as_deref().map(tls::acceptor);
        let listener = runtime::listen(listen.listen).await;
        loop {
            let stream = runtime::accept(&listener).await;
            let acceptor = acceptor.clone();
            spawn_local(async move {
                match acceptor {
                    None => answer(stream).await,
                    Some(acceptor) => answer(tls::accept(&acceptor, stream).await).await,
                }
            });
        }
    });
}

async fn answer<S: AsyncRead + AsyncWrite + 'static>(stream: S) {
    let (sink, mut requests) = framed(stream).split();
    let (queue, queued) = mpsc::channel(QUEUE_MAX);
    spawn_local(write(sink, queued));
    while let Some(Ok(request)) = requests.next().await {
        let queue = queue.clone();
        spawn_local(async move { queue.send(request.freeze()).await });
    }
}

/// Writes what is queued, as much as there is in one go.
async fn write<S: AsyncRead + AsyncWrite>(
    mut sink: SplitSink<Framed<S, LengthDelimitedCodec>, Bytes>,
    mut queue: mpsc::Receiver<Bytes>,
) -> Option<()> {
    while let Some(frame) = queue.recv().await {
        sink.feed(frame).await.ok()?;
        while let Ok(frame) = queue.try_recv() {
            sink.feed(frame).await.ok()?;
        }
        sink.flush().await.ok()?;
    }
    Some(())
}

pub(crate) fn call(load: Load) {
    runtime::run(async move {
        let meter = Rc::new(Meter::start(&load.times));
        let mut connections = Vec::new();
        for _ in 0..load.connections {
            let stream = runtime::connect(load.server).await;
            let (meter, load) = (Rc::clone(&meter), load.clone());
            connections.push(spawn_local(async move {
                match &load.tls {
                    None => drive(stream, &load, &meter).await,
                    Some(folder) => drive(tls::connect(folder, stream).await, &load, &meter).await,
                }
            }));
        }
        for connection in connections {
            connection.await.expect("the server stays");
        }
    });
}

async fn drive<S: AsyncRead + AsyncWrite + 'static>(stream: S, load: &Load, meter: &Rc<Meter>) {
    let (sink, mut replies) = framed(stream).split();
    let (queue, queued) = mpsc::channel(QUEUE_MAX);
    spawn_local(write(sink, queued));
    let waiting: Rc<RefCell<Slab<oneshot::Sender<BytesMut>>>> = Rc::default();
    for _ in 0..load.in_flight_each() {
        let (queue, waiting, meter) = (queue.clone(), Rc::clone(&waiting), Rc::clone(meter));
        let payload = load.payload();
        spawn_local(async move {
            let mut began = Instant::now();
            loop {
                let (reply, replied) = oneshot::channel();
                let number = waiting.borrow_mut().insert(reply);
                queue.send(request(number as u64, &payload)).await.expect("the writer is there");
                assert_eq!(replied.await.expect("a reply").len(), payload.len());
                meter.ended(&mut began);
            }
        });
    }
    while let Some(Ok(mut reply)) = replies.next().await {
        let number = usize::try_from(reply.get_u64()).expect("a number of ours");
        let caller = waiting.borrow_mut().remove(number);
        caller.send(reply).expect("its caller waits");
    }
}
