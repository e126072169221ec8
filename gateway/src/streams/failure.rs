//! Why a stream ended, for its client: as an answer, as a last message, and as a close code.

use micronet_transport::records::Story;
use micronet_transport::resume::may_resume;
use micronet_transport::upstream::told_to_caller;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::rest::{Answer, Refused, refused};
use micronet_wire::schema::{Method, ServiceSchema};

/// Why a stream ended.
#[derive(Debug)]
pub(super) struct Failure {
    /// The error as it would be answered.
    pub(super) answer: Refused,
    /// Whether the service restarts: the stream can be opened elsewhere, or again.
    restarts: bool,
    /// Whether another instance, or another time, may mend it.
    pub(super) is_passing: bool,
}

impl Failure {
    /// A call that failed.
    pub(super) fn of_call(schema: &ServiceSchema, method: &Method, error: RpcError) -> Self {
        let (restarts, is_passing) = (error.code == Code::Draining, may_resume(&error));
        let error = told_to_caller(&schema.name, method.is_idempotent(), error);
        Self { answer: Box::new(refused(schema, method, &error)), restarts, is_passing }
    }

    /// A call for which there was no instance.
    pub(super) fn of_none(error: &RpcError) -> Self {
        let is_passing = may_resume(error);
        Self { answer: Box::new(Answer::rpc_error(error)), restarts: false, is_passing }
    }

    /// Tells the story of the stream.
    pub(super) fn told(&self, story: &Story) {
        let (code, words) = (self.answer.error_code().unwrap_or_default(), self.answer.error_words());
        story.fails(self.answer.status.code(), code, &words.unwrap_or_default());
    }

    /// The close code (RFC 6455 section 7.4): 4000 and the status for what the client did, and the registered ones for the rest.
    pub(super) fn close_code(&self) -> u16 {
        match self.answer.status.code() {
            _ if self.restarts => 1012,
            status @ 400..=499 => 4_000 + status,
            503 => 1013,
            _ => 1011,
        }
    }
}

impl From<Refused> for Failure {
    fn from(answer: Refused) -> Self {
        Self { answer, restarts: false, is_passing: false }
    }
}
