//! The service on the synchronous driver, which has no runtime: handlers answer at once, or not at all.

use std::iter;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use micronet_transport::mio::server::{Replies, SyncService};
use micronet_wire::encoding::encode;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{CallShape, EncodedSchema, Message};
use micronet_wire::service::{Answer, CallContext, Service, decode_request};

use super::api::{BenchMethods, Item, Payload, STREAM_MAX, StreamOf};
use super::service::{accepted, filled};

/// The same service, with what every instance answers besides.
pub(super) struct Polled<S>(pub(super) S);

impl<S: Service> SyncService for Polled<S> {
    fn handle(&self, context: &CallContext, method: u32, request: Bytes) -> Answer {
        match method {
            BenchMethods::ECHO => answer(&decode_request::<Payload>(&request)?),
            BenchMethods::ITEM => answer(&accepted(decode_request::<Item>(&request)?)),
            // It would wait, and everybody with it.
            BenchMethods::DELAY => {
                Err(RpcError::new(Code::UnknownMethod, "the synchronous driver delays no answer"))
            }
            _ => {
                let mut handling = self.0.handle(Box::new(context.clone()), method, request);
                match handling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => {
                        Err(RpcError::new(Code::Internal, "a handler waits, and nobody wakes it"))
                    }
                }
            }
        }
    }

    fn shape(&self, method: u32) -> CallShape {
        if method == BenchMethods::STREAM { CallShape::ServerStream } else { CallShape::Unary }
    }

    fn handle_stream(&self, _: &CallContext, _: u32, requests: Vec<Bytes>) -> Result<Replies, RpcError> {
        let request = requests.first().ok_or_else(|| RpcError::new(Code::BadRequest, "no request"))?;
        let StreamOf { count, bytes } = decode_request(request)?;
        if count.max(bytes) > STREAM_MAX {
            return Err(RpcError::new(
                Code::BadRequest,
                format!("at most {STREAM_MAX} replies of as many bytes"),
            ));
        }
        let reply = filled(bytes);
        Ok(Box::new(iter::repeat_with(move || answer(&reply)).take(count as usize)))
    }

    fn schema(&self) -> Option<&EncodedSchema> {
        Some(self.0.schema())
    }
}

fn answer(reply: &impl Message) -> Answer {
    encode(reply).map_err(|_| RpcError::new(Code::Internal, "the reply is longer than a message may be"))
}
