//! The peer: the least that a multiplexed echo on tokio does. Frames of a length and a number, a task for each request, a queue to
//! the writer, and no checksum, deadline, identity, account of time, or limit.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use slab::Slab;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::certificates::{self, HOST};
use crate::meter::Meter;
use crate::setting::Load;
use crate::{listening, on_runtime};

const QUEUE_MAX: usize = 4096;

/// TCP, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

type Sink<S> = SplitSink<Framed<S, LengthDelimitedCodec>, Bytes>;

fn framed<S: Stream>(stream: S) -> Framed<S, LengthDelimitedCodec> {
    let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
    framed.set_backpressure_boundary(64 << 10);
    framed
}

/// Writes what is queued, as much as there is in one go.
async fn write_queued<S: Stream>(mut sink: Sink<S>, mut queue: mpsc::Receiver<Bytes>) -> Option<()> {
    while let Some(frame) = queue.recv().await {
        sink.feed(frame).await.ok()?;
        while let Ok(frame) = queue.try_recv() {
            sink.feed(frame).await.ok()?;
        }
        sink.flush().await.ok()?;
    }
    Some(())
}

pub(crate) fn serve(load: &Load) {
    let acceptor = load.certificates.as_ref().map(|folder| TlsAcceptor::from(certificates::server(folder)));
    on_runtime(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listening(listener.local_addr().expect("its address"));
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket option");
            match acceptor.clone() {
                None => answer(stream),
                Some(acceptor) => answer(acceptor.accept(stream).await.expect("a handshake")),
            }
        }
    });
}

fn answer<S: Stream + 'static>(stream: S) {
    let (sink, mut requests) = framed(stream).split();
    let (queue, queued) = mpsc::channel(QUEUE_MAX);
    tokio::task::spawn_local(write_queued(sink, queued));
    tokio::task::spawn_local(async move {
        while let Some(Ok(request)) = requests.next().await {
            let queue = queue.clone();
            tokio::task::spawn_local(async move { queue.send(request.freeze()).await });
        }
    });
}

pub(crate) fn call(server: SocketAddr, load: &Load, meter: Meter) {
    let connector = load.certificates.as_ref().map(|folder| TlsConnector::from(certificates::client(folder)));
    on_runtime(async {
        let meter = Rc::new(meter);
        for at in 0..load.connections {
            let stream = TcpStream::connect(server).await.expect("the server listens");
            stream.set_nodelay(true).expect("a socket option");
            let callers =
                load.in_flight / load.connections + usize::from(at < load.in_flight % load.connections);
            match &connector {
                None => start(stream, callers, load.payload, &meter),
                Some(connector) => {
                    let host = HOST.try_into().expect("a name");
                    let stream = connector.connect(host, stream).await.expect("a handshake");
                    start(stream, callers, load.payload, &meter);
                }
            }
        }
        std::future::pending::<()>().await;
    });
}

/// So many callers on a connection.
fn start<S: Stream + 'static>(stream: S, callers: usize, payload: usize, meter: &Rc<Meter>) {
    let (sink, mut replies) = framed(stream).split();
    let (queue, queued) = mpsc::channel(QUEUE_MAX);
    tokio::task::spawn_local(write_queued(sink, queued));
    let waiting: Rc<RefCell<Slab<oneshot::Sender<BytesMut>>>> = Rc::default();
    let bytes = vec![7; payload];
    for _ in 0..callers {
        let (queue, waiting, meter) = (queue.clone(), Rc::clone(&waiting), Rc::clone(meter));
        let bytes = bytes.clone();
        tokio::task::spawn_local(async move {
            loop {
                let (answer, answered) = oneshot::channel();
                let number = waiting.borrow_mut().insert(answer);
                let mut request = BytesMut::with_capacity(8 + bytes.len());
                request.put_u64(number as u64);
                request.put_slice(&bytes);
                queue.send(request.freeze()).await.expect("the writer is there");
                assert_eq!(answered.await.expect("an answer").len(), bytes.len());
                meter.count();
            }
        });
    }
    tokio::task::spawn_local(async move {
        while let Some(Ok(mut reply)) = replies.next().await {
            let number = usize::try_from(reply.get_u64()).expect("ours");
            let answer = waiting.borrow_mut().remove(number);
            answer.send(reply).expect("its caller waits");
        }
        panic!("the server stays");
    });
}
