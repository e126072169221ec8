//! A conversation with the operators' chat.

use micronet_wire::schema::{Message, Timestamp};

/// What somebody says.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    /// A command, as `help`.
    #[field(example = "help")]
    pub(crate) text: String,
}

/// What somebody is told. One that is all empty says nothing: the conversation lasts.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Counts what was told in this conversation, from 1.
    pub(crate) id: u64,
    /// What it is: `greeting`; `answer`, which with an execution is a part of what that tells; `ack` (it has begun); `result` or `error`, which
    /// are the end of it; `confirm` (a question that waits for `yes` or `no`); `announcement` (something has happened); or `said`, what
    /// somebody else does.
    #[field(example = "result")]
    pub(crate) kind: String,
    /// It in words, of one line or several.
    pub(crate) message: String,
    /// When it was told; of what has happened, when that was.
    pub(crate) timestamp: Timestamp,
    /// Who tells it: `chat`, `network`, or the id of somebody who is in the chat.
    #[field(example = "user_16b92b53")]
    pub(crate) from: String,
    /// The command that it belongs to, by the id that it was given when it began.
    #[field(example = "16b92b53-3")]
    pub(crate) execution: Option<String>,
    /// The same for programs, as JSON: of a command that calls a method, that method's reply.
    pub(crate) data: Option<String>,
}
