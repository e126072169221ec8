//! The least that a transcoding gateway does on tokio: a task a connection, one connection to the backend, with a queue to its writer
//! and a place in which each request waits for its reply. No routing, timers, limits or logs.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use harness::{frames, runtime};
use slab::Slab;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

use crate::items::{Item, Posted};
use crate::request;

const QUEUE_MAX: usize = 4096;
const BACKEND_BUFFER: usize = 256 << 10;
const CLIENT_BUFFER: usize = 4 << 10;

/// Who waits for a reply, by the number of the call.
type Waiting = Rc<RefCell<Slab<oneshot::Sender<Vec<u8>>>>>;

/// The way to the backend.
#[derive(Clone)]
struct Backend {
    queue: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
}

pub(crate) async fn serve(address: SocketAddr, backend: SocketAddr) {
    let (input, output) = runtime::connect(backend).await.into_split();
    let (queue, queued) = mpsc::channel(QUEUE_MAX);
    let waiting = Waiting::default();
    spawn_local(write(output, queued));
    spawn_local(read(input, Rc::clone(&waiting)));
    let backend = Backend { queue, waiting };
    let listener = runtime::listen(address).await;
    loop {
        spawn_local(visit(runtime::accept(&listener).await, backend.clone()));
    }
}

/// Writes what is queued, as much as there is in one go.
async fn write(mut output: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) -> Option<()> {
    let mut bytes = Vec::with_capacity(BACKEND_BUFFER);
    while let Some(frame) = queue.recv().await {
        bytes.extend_from_slice(&frame);
        while let Ok(frame) = queue.try_recv() {
            bytes.extend_from_slice(&frame);
        }
        output.write_all(&bytes).await.ok()?;
        bytes.clear();
    }
    Some(())
}

/// Hands each reply to whom it belongs.
async fn read(mut input: OwnedReadHalf, waiting: Waiting) -> Option<()> {
    let mut buffer = vec![0; BACKEND_BUFFER];
    let mut end = 0;
    loop {
        end += input.read(&mut buffer[end..]).await.ok().filter(|read| *read > 0)?;
        let mut at = 0;
        while let Some(length) = frames::first(&buffer[at..end]) {
            let frame = &buffer[at..at + length];
            let number = usize::try_from(frames::number(frame)).ok()?;
            // A client that has gone waits no more.
            let _ = waiting.borrow_mut().remove(number).send(frame[frames::HEAD..].to_vec());
            at += length;
        }
        buffer.copy_within(at..end, 0);
        end -= at;
    }
}

/// A client's connection, to its end.
async fn visit(mut stream: TcpStream, backend: Backend) -> Option<()> {
    let mut input = vec![0; CLIENT_BUFFER];
    let (mut body, mut output) = (Vec::new(), Vec::new());
    let mut end = 0;
    loop {
        let posted = loop {
            if let Some(posted) = request::body(&input[..end]) {
                break posted;
            }
            end += stream.read(&mut input[end..]).await.ok().filter(|read| *read > 0)?;
        };
        let mut message = Vec::with_capacity(64);
        serde_json::from_slice::<Posted<'_>>(&input[posted.clone()]).ok()?.write(&mut message);
        input.copy_within(posted.end..end, 0);
        end -= posted.end;
        let reply = backend.call(&message).await?;
        output.clear();
        request::answer(&Item::read(&reply)?, &mut body, &mut output);
        stream.write_all(&output).await.ok()?;
    }
}

impl Backend {
    async fn call(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (reply, replied) = oneshot::channel();
        let number = self.waiting.borrow_mut().insert(reply);
        let mut frame = Vec::with_capacity(frames::HEAD + message.len());
        frames::write(number as u64, message, &mut frame);
        self.queue.send(frame).await.ok()?;
        replied.await.ok()
    }
}
