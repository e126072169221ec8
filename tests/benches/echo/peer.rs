//! The peer: the least that a multiplexed echo on tokio does. Frames of a length and a number, a task for each request, a queue to
//! the writer, and no checksum, deadline, identity, account of time, or limit.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use slab::Slab;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::meter::Meter;
use crate::{PAYLOAD, listening, on_runtime};

const QUEUE_MAX: usize = 4096;

type Sink = SplitSink<Framed<TcpStream, LengthDelimitedCodec>, Bytes>;

fn framed(stream: TcpStream) -> Framed<TcpStream, LengthDelimitedCodec> {
    stream.set_nodelay(true).expect("a socket option");
    let mut framed = Framed::new(stream, LengthDelimitedCodec::new());
    framed.set_backpressure_boundary(64 << 10);
    framed
}

/// Writes what is queued, as much as there is in one go.
async fn write_queued(mut sink: Sink, mut queue: mpsc::Receiver<Bytes>) -> Option<()> {
    while let Some(frame) = queue.recv().await {
        sink.feed(frame).await.ok()?;
        while let Ok(frame) = queue.try_recv() {
            sink.feed(frame).await.ok()?;
        }
        sink.flush().await.ok()?;
    }
    Some(())
}

pub(crate) fn serve() {
    on_runtime(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listening(listener.local_addr().expect("its address"));
        while let Ok((stream, _)) = listener.accept().await {
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
    });
}

pub(crate) fn call(server: SocketAddr, in_flight: usize, meter: Meter) {
    on_runtime(async move {
        let stream = TcpStream::connect(server).await.expect("the server listens");
        let (sink, mut replies) = framed(stream).split();
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        tokio::task::spawn_local(write_queued(sink, queued));
        let waiting: Rc<RefCell<Slab<oneshot::Sender<BytesMut>>>> = Rc::default();
        let meter = Rc::new(meter);
        for _ in 0..in_flight {
            let (queue, waiting, meter) = (queue.clone(), Rc::clone(&waiting), Rc::clone(&meter));
            tokio::task::spawn_local(async move {
                loop {
                    let (answer, answered) = oneshot::channel();
                    let number = waiting.borrow_mut().insert(answer);
                    let mut request = BytesMut::with_capacity(8 + PAYLOAD.len());
                    request.put_u64(number as u64);
                    request.put_slice(&PAYLOAD);
                    queue.send(request.freeze()).await.expect("the writer is there");
                    assert_eq!(answered.await.expect("an answer").len(), PAYLOAD.len());
                    meter.count();
                }
            });
        }
        while let Some(Ok(mut reply)) = replies.next().await {
            let number = usize::try_from(reply.get_u64()).expect("ours");
            let answer = waiting.borrow_mut().remove(number);
            answer.send(reply).expect("its caller waits");
        }
    });
}
