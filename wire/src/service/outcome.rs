//! What a method returns, on its way to the wire and back; and the steps of a call that the `#[service]` macro writes
//! calls of.

use std::fmt;

use bytes::Bytes;

use super::{Answer, CallContext, CallError, Failure, Handling, Reply, authorize};
use crate::encoding::{self, Encode};
use crate::error::{Code, Retry, RpcError};
use crate::limits::ERROR_DETAIL_BYTES_MAX;
use crate::schema::{CallShape, EncodedSchema, Message, Method, TypeRef, TypeRegistry};
use crate::transcode::check_constraints;

/// A service's own error type: an enum whose variants say their HTTP status in the schema and their words by `Display`.
pub trait ServiceError: Message + fmt::Display {}

impl<E: Message + fmt::Display> ServiceError for E {}

/// What a service's method returns: `Result<Reply, CallError<Error>>`, or `Result<Reply, RpcError>` where the service
/// has no errors of its own to tell.
#[diagnostic::on_unimplemented(
    message = "a service's method can't return `{Self}`",
    label = "neither `Result<Reply, CallError<Error>>` nor `Result<Reply, RpcError>`",
    note = "the reply has to be a `Message`; the error a `Message` (an enum) that implements `Display`"
)]
pub trait Outcome: Sized {
    /// How it fails.
    type Failure: Failure;

    /// Adds the types of the reply and of the service's own error to the table.
    fn describe(types: &mut TypeRegistry) -> (TypeRef, Option<TypeRef>);

    /// What the server sends.
    fn into_answer(self) -> Answer;

    /// What the client makes of what came back.
    fn from_answer(answer: Result<Reply, RpcError>) -> Self;
}

impl<T: Message, E: ServiceError> Outcome for Result<T, CallError<E>> {
    type Failure = CallError<E>;

    fn describe(types: &mut TypeRegistry) -> (TypeRef, Option<TypeRef>) {
        (T::describe(types), Some(E::describe(types)))
    }

    fn into_answer(self) -> Answer {
        encode_answer(self)
    }

    fn from_answer(answer: Result<Reply, RpcError>) -> Self {
        decode_answer(answer)
    }
}

impl<T: Message> Outcome for Result<T, RpcError> {
    type Failure = RpcError;

    fn describe(types: &mut TypeRegistry) -> (TypeRef, Option<TypeRef>) {
        (T::describe(types), None)
    }

    fn into_answer(self) -> Answer {
        encode_reply(&self.map_err(passed_on)?)
    }

    fn from_answer(answer: Result<Reply, RpcError>) -> Self {
        decode_reply(&answer?.body)
    }
}

#[doc(hidden)] // Used by #[service].
pub fn encode_answer<T: Encode, E: ServiceError>(answer: Result<T, CallError<E>>) -> Answer {
    match answer {
        Ok(reply) => encode_reply(&reply),
        Err(CallError::Rpc(error)) => Err(passed_on(error)),
        Err(CallError::Service(error)) => match encoding::encode(&error) {
            Ok(detail) if detail.len() <= ERROR_DETAIL_BYTES_MAX => {
                Err(RpcError { detail, ..RpcError::new(Code::Application, error.to_string()) })
            }
            // Without its detail it would be no error of this service to the caller.
            _ => Err(RpcError::new(Code::Internal, format!("an error with too long a detail: {error}"))),
        },
    }
}

#[doc(hidden)] // Used by #[service].
pub fn decode_answer<T: Message, E: ServiceError>(
    answer: Result<Reply, RpcError>,
) -> Result<T, CallError<E>> {
    match answer {
        Ok(reply) => decode_reply(&reply.body).map_err(CallError::Rpc),
        Err(error) => Err(decode_own_error(error)),
    }
}

/// A failed call: the service's own error, if it is one.
pub(super) fn decode_own_error<E: ServiceError>(error: RpcError) -> CallError<E> {
    if error.code == Code::Application
        && let Ok(own) = encoding::decode(&error.detail)
    {
        return CallError::Service(own);
    }
    CallError::Rpc(error)
}

#[doc(hidden)] // Used by #[service].
pub fn encode_request<T: Encode>(request: &T) -> Result<Bytes, RpcError> {
    encoding::encode(request)
        .map_err(|_| RpcError::new(Code::MessageTooLarge, "the request is longer than a message may be"))
}

#[doc(hidden)] // Used by #[service].
pub fn decode_request<T: Message>(request: &[u8]) -> Result<T, RpcError> {
    encoding::decode(request).map_err(|error| {
        let words = encoding::words(&error);
        RpcError::new(Code::BadRequest, format!("the request is not of the method's type: {words}"))
    })
}

#[doc(hidden)] // Used by #[service]: the handling of a call that can't start.
pub fn refuse(error: RpcError) -> Handling {
    Box::pin(std::future::ready(Err(error)))
}

#[doc(hidden)] // Used by #[service]: the handling of a call of a method that isn't there.
pub fn refuse_unknown(service: &str, method: u32) -> Handling {
    refuse(RpcError::new(Code::UnknownMethod, format!("{service} has no method with the id {method:#010x}")))
}

/// The steps before a handler: whether the principal may, and whether the call has the method's shape, is checked before a byte
/// of the request is looked at; constraints (SPEC.md 10.9) hold here, so that they do wherever a request comes from.
#[doc(hidden)] // Used by #[service]; `at` is the method's place in the schema.
pub fn open<T: Message>(
    schema: &EncodedSchema,
    at: usize,
    context: &CallContext,
    request: &[u8],
) -> Result<T, RpcError> {
    let method = admit(schema, at, context, false)?;
    let decoded = decode_request(request)?;
    check_constraints(schema, method.request, request)?;
    Ok(decoded)
}

/// The same steps for a call whose requests come one by one: they are checked as they come.
#[doc(hidden)] // Used by #[service]; `at` is the method's place in the schema.
pub fn open_stream(schema: &EncodedSchema, at: usize, context: &CallContext) -> Result<(), RpcError> {
    admit(schema, at, context, true).map(|_| ())
}

/// Whether the principal may call the method, and calls it as it is to be called.
fn admit<'a>(
    schema: &'a EncodedSchema,
    at: usize,
    context: &CallContext,
    many: bool,
) -> Result<&'a Method, RpcError> {
    let Some(method) = schema.schema().methods.get(at) else {
        return Err(RpcError::new(Code::Internal, "the schema lacks a method of its server"));
    };
    authorize(&context.principal, &method.access)?;
    // SPEC 5.9: a one-way method is called by NOTICE, the others by REQUEST.
    let shape = match (context.one_way, method.shape == CallShape::OneWay) {
        (true, false) => "answers its calls",
        (false, true) => "is one-way and answers none",
        _ if context.many && !many => "takes one request",
        _ if many && !context.many => "takes its requests one by one",
        _ => return Ok(method),
    };
    Err(RpcError::new(Code::BadRequest, format!("a call of another shape: {} {shape}", method.name)))
}

#[doc(hidden)] // Used by #[service] when it is compiled: no id before this one, and none of `reserved`, is the same.
#[must_use]
pub const fn id_is_free(ids: &[u32], at: usize, reserved: &[u32]) -> bool {
    let mut other = 0;
    while other < at {
        if ids[other] == ids[at] {
            return false;
        }
        other += 1;
    }
    other = 0;
    while other < reserved.len() {
        if reserved[other] == ids[at] {
            return false;
        }
        other += 1;
    }
    true
}

/// An error that a handler returns, often one of a call that it made itself, as an error of the handler's own call.
fn passed_on(mut error: RpcError) -> RpcError {
    // What the handler called may not have started, but the handler has: it may have done something before.
    if error.retry == Retry::NeverStarted {
        error.retry = Retry::MaybeExecuted;
    }
    // The detail is of another service's error type; the caller would read it as this service's.
    if error.code == Code::Application {
        error =
            RpcError::new(Code::External, format!("a service behind this one refused: {}", error.message));
    }
    error
}

fn encode_reply<T: Encode>(reply: &T) -> Answer {
    // The caller can't help it.
    encoding::encode(reply)
        .map_err(|_| RpcError::new(Code::Internal, "the reply is longer than a message may be"))
}

fn decode_reply<T: Message>(body: &[u8]) -> Result<T, RpcError> {
    encoding::decode(body)
        .map_err(|_| RpcError::new(Code::Protocol, "the reply is not of the type that the schema names"))
}
