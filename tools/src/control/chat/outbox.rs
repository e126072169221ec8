//! What is still to be told in a conversation: numbered, and no more of it than there is room for.

use std::collections::VecDeque;

use micronet_wire::schema::Timestamp;

use super::limits::{DATA_BYTES_MAX, MESSAGE_BYTES_MAX, WAITING_MAX};
use super::session::Words;
use crate::control::api::chat::Said;

/// What waits for its reader.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Said>,
    last: u64,
}

/// From whom most of it is.
pub(super) const CHAT: &str = "chat";

impl Outbox {
    /// Whether there is room for what isn't owed to anybody.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Tells something in answer.
    pub(super) fn tell(&mut self, kind: &str, execution: Option<&str>, words: Words, at: Timestamp) {
        let execution = execution.map(str::to_owned);
        self.put(Said {
            kind: kind.to_owned(),
            message: words.text,
            timestamp: at,
            from: CHAT.to_owned(),
            execution,
            data: words.data,
            ..Said::default()
        });
    }

    /// Tells something as it stands, under the next number.
    pub(super) fn put(&mut self, mut said: Said) {
        self.last += 1;
        said.id = self.last;
        if said.message.len() > MESSAGE_BYTES_MAX {
            said.message.truncate(said.message.floor_char_boundary(MESSAGE_BYTES_MAX));
            said.message.push_str("\n… and more, which is too long for the chat");
        }
        said.data = said.data.filter(|data| data.len() <= DATA_BYTES_MAX);
        self.waiting.push_back(said);
    }

    /// Says nothing, so that it is known that the conversation lasts.
    pub(super) fn put_silence(&mut self) {
        self.waiting.push_back(Said::default());
    }

    /// What is to be told next.
    pub(super) fn first(&self) -> Option<&Said> {
        self.waiting.front()
    }

    /// It was told.
    pub(super) fn told(&mut self) {
        self.waiting.pop_front();
    }
}
