//! A call with streams of messages between a caller and an instance of different builds: each message is adapted on its way.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::service::{Exchange, Reply};
use micronet_wire::transcode::{MethodAdapter, ServiceAdapter};

/// A call whose messages are adapted.
#[derive(Debug)]
pub(super) struct Adapted {
    pub(super) exchange: Rc<dyn Exchange>,
    pub(super) adapter: Rc<ServiceAdapter>,
    pub(super) method: u32,
}

impl Adapted {
    fn with<T>(
        &self,
        value: T,
        adapt: impl FnOnce(MethodAdapter<'_>, T) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        match self.adapter.method(self.method)? {
            Some(adapter) => adapt(adapter, value),
            None => Ok(value),
        }
    }

    fn failure(&self, error: RpcError) -> RpcError {
        self.with(error, |adapter, error| Ok(adapter.error(error))).unwrap_or_else(|error| error)
    }
}

impl Exchange for Adapted {
    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RpcError>> {
        self.exchange.poll_message(cx).map(|next| match next {
            Ok(Some(message)) => self.with(message, |adapter, message| adapter.reply(message)).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(self.failure(error)),
        })
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
        self.exchange.poll_room(cx).map_err(|error| self.failure(error))
    }

    fn send(&self, message: Bytes) -> Result<(), RpcError> {
        let adapted = self.with(message, |adapter, message| adapter.request(message));
        self.exchange.send(adapted.map_err(|error| match error.code {
            // The call has begun, with the messages before this one.
            Code::SchemaMismatch => error.retry(Retry::MaybeExecuted, 0),
            _ => error,
        })?)
    }

    fn finish(&self) {
        self.exchange.finish();
    }

    fn poll_reply(&self, cx: &mut Context<'_>) -> Poll<Result<Reply, RpcError>> {
        self.exchange.poll_reply(cx).map(|answer| match answer {
            Ok(reply) => {
                let body = self.with(reply.body, |adapter, body| adapter.reply(body))?;
                Ok(Reply { body, ..reply })
            }
            Err(error) => Err(self.failure(error)),
        })
    }

    fn cancel(&self) {
        self.exchange.cancel();
    }
}
