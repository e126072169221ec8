//! Calls as they end, for a tap: what is remembered of them, and their messages as JSON without what is secret.

use bytes::BytesMut;
use micronet_wire::limits::{TAP_BATCH_BYTES, TAP_MESSAGE_BYTES_MAX};
use micronet_wire::network::TappedItem;
use micronet_wire::schema::{EncodedSchema, Method, TypeRef};
use micronet_wire::transcode::to_json_masked;

use super::Taps;
use crate::records::{Followed, Following};

/// What a record takes besides its messages, about, in bytes.
const RECORD_BYTES: usize = 512;

/// The calls that a tap tells.
#[derive(Debug)]
pub(super) struct Calls {
    following: Following,
    messages: bool,
    /// Of those that were lost so many were told.
    told_lost: u64,
}

impl Calls {
    pub(super) fn new(following: Following, messages: bool) -> Self {
        Self { following, messages, told_lost: 0 }
    }

    /// The next one. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Followed {
        self.following.next().await
    }

    /// Adds those that are there, after the first; how many were lost since the last time.
    pub(super) fn take(&mut self, first: Option<Followed>, taps: &Taps, items: &mut Vec<TappedItem>) -> u64 {
        let (mut next, mut bytes) = (first, 0);
        while let Some(followed) = next.take().or_else(|| self.following.try_next()) {
            let [request, reply] = self.shown(&followed, taps);
            bytes += RECORD_BYTES + request.len() + reply.len();
            items.push(TappedItem::Call { record: (*followed.record).clone(), request, reply });
            if bytes >= TAP_BATCH_BYTES {
                break;
            }
        }
        let lost = self.following.lost();
        lost - std::mem::replace(&mut self.told_lost, lost)
    }

    /// Request and reply as JSON.
    fn shown(&self, followed: &Followed, taps: &Taps) -> [String; 2] {
        let Followed { record, request, reply } = followed;
        if !self.messages {
            return Default::default();
        }
        let shown = |message: &[u8], of: fn(&Method) -> TypeRef| {
            let json = |schema: &EncodedSchema| {
                let schema = schema.schema();
                let mut json = BytesMut::new();
                let method = schema.method(record.method_id).filter(|_| schema.name == record.service)?;
                to_json_masked(schema, of(method), message, &mut json).ok()?;
                Some(cut(&String::from_utf8_lossy(&json)))
            };
            // Builds of a service may differ: the first schema in which the message is one has it.
            let found = || taps.known().iter().find_map(|schema| json(schema));
            if message.is_empty() { String::new() } else { found().unwrap_or_default() }
        };
        [shown(request, |method| method.request), shown(reply, |method| method.reply)]
    }
}

/// A text, cut where it is too long.
fn cut(text: &str) -> String {
    if text.len() <= TAP_MESSAGE_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TAP_MESSAGE_BYTES_MAX)])
}
