//! Calls that come at once.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use micronet_wire::conn::{Connection, Event, Role};
use micronet_wire::schema::EncodedSchema;
use micronet_wire::service::{Handling, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

/// A service whose handlers look whether its caller could read an answer by now.
struct Peeking {
    service: Rc<dyn Service>,
    caller: Rc<RefCell<Line>>,
    seen: Rc<RefCell<Vec<bool>>>,
}

/// The caller's end of a connection, and what came there.
struct Line {
    stream: DuplexStream,
    input: BytesMut,
}

impl Line {
    /// Takes what is there, without waiting for more.
    fn take(&mut self) -> usize {
        self.stream.read_buf(&mut self.input).now_or_never().map_or(0, Result::unwrap)
    }

    /// Sends what the connection has to say, and tells it what has come.
    fn carry(&mut self, connection: &mut Connection) {
        let output = connection.output().split();
        self.stream.write_all(&output).now_or_never().expect("room for all of it").unwrap();
        self.take();
        let fresh = self.input.len();
        connection.receive(crate::clock::now(), &mut self.input, fresh);
    }
}

impl Service for Peeking {
    fn schema(&self) -> &EncodedSchema {
        self.service.schema()
    }

    fn handle(&self, context: Box<CallContext>, method: u32, request: Bytes) -> Handling {
        self.seen.borrow_mut().push(self.caller.borrow_mut().take() > 0);
        self.service.handle(context, method, request)
    }
}

/// Of so many calls in one write, what their handlers saw; all are answered.
async fn at_once(calls: usize) -> Vec<bool> {
    let (stream, far) = tokio::io::duplex(1 << 16);
    let line = Rc::new(RefCell::new(Line { stream, input: BytesMut::new() }));
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (service, caller) = (server_of(Probing::default()), Rc::clone(&line));
    let service = Rc::new(Peeking { service, caller, seen: Rc::clone(&seen) });
    let (_trigger, drain) = channel();
    let serving = serve_connection(far, service, identity("probe", "s"), drain);
    let _serving = tokio::task::spawn_local(serving);
    let config = identity("caller", "s").config(Role::Dialler, None, None);
    let mut connection = Connection::new(config, crate::clock::now());
    let (mut made, mut answered) = (false, 0);
    while answered < calls {
        if connection.peer().is_some() && !made {
            made = true;
            let request = micronet_wire::encoding::encode(&text("hello")).unwrap();
            for _ in 0..calls {
                let method = ProbeMethods::METHOD_IDS[0];
                connection.call(crate::clock::now(), method, &request, &CallOptions::default()).unwrap();
            }
        }
        line.borrow_mut().carry(&mut connection);
        while let Some(event) = connection.poll_event() {
            answered += usize::from(matches!(event, Event::Reply { .. }));
        }
        tokio::task::yield_now().await;
    }
    seen.take()
}

#[test]
fn the_first_answers_of_many_are_there_while_the_others_are_made() {
    run(async {
        assert_eq!(at_once(32).await, [false; 32]);
        let seen = at_once(64).await;
        assert_eq!(seen.iter().position(|seen| *seen), Some(32), "{seen:?}");
        assert_eq!(seen.len(), 64);
    });
}
