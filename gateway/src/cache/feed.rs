//! Listening to a service for changes: any message on the stream that a method names, whatever it says.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use bytes::BytesMut;
use micronet_transport::clock;
use micronet_transport::tasks;
use micronet_transport::upstream::Upstream;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::{Arity, CallOptions, Caller};
use micronet_wire::transcode::to_binary;

/// How long a service is left alone that couldn't be listened to, in nanoseconds.
const PAUSE_NS: u64 = 1_000_000_000;
/// How long nobody may ask before the gateway stops to listen, in nanoseconds.
const UNUSED_NS: u64 = 60_000_000_000;

/// What is heard of a service's changes.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// How often something was heard, or nothing could be any more.
    heard: Cell<u64>,
    state: Cell<State>,
    /// When somebody asked last.
    used_ns: Cell<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Nobody listens; not before this time.
    #[default]
    Never,
    Deaf {
        until_ns: u64,
    },
    /// The stream is being opened.
    Opening,
    /// Everything is heard.
    Hearing,
}

impl Feed {
    /// How often something was heard; `None` while changes might go unheard.
    pub(super) fn heard(&self) -> Option<u64> {
        (self.state.get() == State::Hearing).then(|| self.heard.get())
    }

    /// Has somebody listen to this stream, unless somebody does, or couldn't just now.
    pub(super) fn listen(self: &Rc<Self>, upstream: &Upstream, stream: &str) {
        let now = clock::now();
        self.used_ns.set(now);
        let may_begin = match self.state.get() {
            State::Never => true,
            State::Deaf { until_ns } => until_ns <= now,
            State::Opening | State::Hearing => false,
        };
        if may_begin {
            self.state.set(State::Opening);
            let (feed, upstream, stream) = (Rc::clone(self), upstream.clone(), stream.to_owned());
            tasks::spawn("feed of the cache", async move {
                let _deaf = Deaf(Rc::clone(&feed));
                if let Err(error) = feed.hear(&upstream, &stream).await {
                    let service = upstream.service();
                    tracing::info!(service, %error, "changes go unheard: nothing of it is kept");
                }
            });
        }
    }

    /// Listens until the stream ends, or nobody needs it.
    async fn hear(&self, upstream: &Upstream, stream: &str) -> Result<(), RpcError> {
        let instance = upstream.pick(&[]).ok_or_else(|| upstream.no_instance())?;
        let schema = instance.schema.schema();
        let no_such = || RpcError::new(Code::UnknownMethod, format!("{} has no {stream}", instance.name));
        let method = schema.method_named(stream).ok_or_else(no_such)?;
        let mut request = BytesMut::new();
        to_binary(schema, method.request, b"", &[], &mut request)
            .map_err(|error| RpcError::new(Code::BadRequest, error.to_string()))?;
        let (request, options) = (Some(request.freeze()), CallOptions::default());
        let exchange = instance.client.open(method.id, request, Arity::Many, options).await?;
        // The first message says that it is listened from now on.
        while poll_fn(|cx| exchange.poll_message(cx)).await?.is_some() {
            self.heard.set(self.heard.get() + 1);
            self.state.set(State::Hearing);
            if clock::now().saturating_sub(self.used_ns.get()) > UNUSED_NS {
                break;
            }
        }
        Ok(())
    }
}

/// However listening ends: nothing is heard any more.
struct Deaf(Rc<Feed>);

impl Drop for Deaf {
    fn drop(&mut self) {
        self.0.heard.set(self.0.heard.get() + 1);
        self.0.state.set(State::Deaf { until_ns: clock::now() + PAUSE_NS });
    }
}
