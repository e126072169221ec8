//! tokio with `LengthDelimitedCodec`: frames are answered where they are read, and a client's one task has all calls in flight.

use std::rc::Rc;
use std::time::Instant;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, StreamExt};
use harness::command_line::{Listen, Load};
use harness::meter::Meter;
use harness::{runtime, tls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

/// Frames, of which as many are gathered before they are written.
pub(crate) fn framed<S: AsyncRead + AsyncWrite>(stream: S) -> Framed<S, LengthDelimitedCodec> {
    let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
    framed.set_backpressure_boundary(64 << 10);
    framed
}

pub(crate) fn request(number: u64, payload: &[u8]) -> Bytes {
    let mut request = BytesMut::with_capacity(8 + payload.len());
    request.put_u64(number);
    request.put_slice(payload);
    request.freeze()
}

pub(crate) fn serve(listen: Listen) {
    runtime::run(async move {
        let acceptor = listen.tls.as_deref().map(tls::acceptor);
        let listener = runtime::listen(listen.listen).await;
        loop {
            let stream = runtime::accept(&listener).await;
            let acceptor = acceptor.clone();
            tokio::task::spawn_local(async move {
                match acceptor {
                    None => echo(stream).await,
                    Some(acceptor) => echo(tls::accept(&acceptor, stream).await).await,
                }
            });
        }
    });
}

/// Writes what has come when there is nothing more to read.
async fn echo<S: AsyncRead + AsyncWrite>(stream: S) {
    let (sink, requests) = framed(stream).split();
    let _ = requests.map(|request| request.map(BytesMut::freeze)).forward(sink).await;
}

pub(crate) fn call(load: Load) {
    runtime::run(async move {
        let meter = Rc::new(Meter::start(&load.times));
        let mut connections = Vec::new();
        for _ in 0..load.connections {
            let stream = runtime::connect(load.server).await;
            let (meter, load) = (Rc::clone(&meter), load.clone());
            connections.push(tokio::task::spawn_local(async move {
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

async fn drive<S: AsyncRead + AsyncWrite + Unpin>(stream: S, load: &Load, meter: &Meter) {
    let mut frames = framed(stream);
    let payload = load.payload();
    let mut began = vec![Instant::now(); load.in_flight_each()];
    for number in 0..began.len() {
        frames.feed(request(number as u64, &payload)).await.expect("the server stays");
    }
    loop {
        SinkExt::<Bytes>::flush(&mut frames).await.expect("the server stays");
        let mut next = frames.next().await;
        assert!(next.is_some(), "the server stays");
        // All that has come is answered before anything is written.
        while let Some(reply) = next {
            let number = reply.expect("a frame").get_u64();
            let began = usize::try_from(number).ok().and_then(|number| began.get_mut(number));
            meter.ended(began.expect("a number of ours"));
            frames.feed(request(number, &payload)).await.expect("the server stays");
            next = frames.next().now_or_never().flatten();
        }
    }
}
