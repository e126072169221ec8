//! A stream of replies as Server-Sent Events (HTML Living Standard, section 9.2).
//!
//! ```text
//! retry: 2000
//!
//! id: 17
//! data: {"through":17,…}
//!
//! event: failed
//! data: {"error":{"code":"SERVICE_UNAVAILABLE",…},"request_id":"…"}
//! ```
//!
//! `id` is where a reply stands, if the method says so. The last event is `end` when the stream was over, and `failed` when it broke.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::{self, StreamExt};
use micronet_transport::bearers::Asker;
use micronet_transport::http_server::{Response, Streamed};
use micronet_wire::error::RpcError;
use micronet_wire::http1::{Method, RequestHead};
use micronet_wire::limits::{EVENTS_BEAT_MS, EVENTS_OPENING_MS, EVENTS_RETRY_MS};
use micronet_wire::rest::{Answer, Refused, accepts_events, events_begin};
use tokio::time::timeout;

use super::call::{Call, Replies, Reply};
use super::who;

/// Checks that a request asks for events.
pub(super) fn check(head: &RequestHead, body: &[u8]) -> Result<(), Refused> {
    if !body.is_empty() {
        return Err(Box::new(Answer::refusal(400, "a GET request carries no body")));
    }
    accepts_events(head)
}

/// Begins to tell events. What fails at once is answered as any call is.
pub(super) async fn answer(mut call: Call, asker: Asker, head: &RequestHead) -> Result<Response, Refused> {
    let answer = events_begin();
    if head.method() == Method::Head {
        return Ok(answer.into());
    }
    call.principal = asker.principal().clone();
    let (gateway, request_id) = (call.gateway.clone(), call.request_id.clone());
    let mut replies = call.replies();
    let mut begin = format!("retry: {EVENTS_RETRY_MS}\n\n");
    let mut is_over = false;
    match timeout(Duration::from_millis(EVENTS_OPENING_MS), replies.next()).await {
        Err(_) => {}
        Ok(Some(Ok(reply))) => put_reply(&mut begin, &reply),
        Ok(Some(Err(failure))) => return Err(failure.answer),
        Ok(None) => {
            begin.push_str(END);
            is_over = true;
        }
    }
    let doubted = async move { who::doubted(&gateway, &asker).await }.boxed_local();
    let telling = (!is_over).then_some(Telling { replies, doubted, request_id });
    let rest = stream::unfold(telling, async |telling| telling?.next().await);
    let pieces = stream::iter([Bytes::from(begin)]).chain(rest).boxed_local();
    Ok(Response::Stream(Box::new(Streamed { answer, pieces })))
}

const END: &str = "event: end\ndata: {}\n\n";

/// Events on their way.
struct Telling {
    replies: Replies,
    doubted: LocalBoxFuture<'static, RpcError>,
    request_id: String,
}

impl Telling {
    /// The next event, or a sign of life; and what is left to tell.
    async fn next(mut self) -> Option<(Bytes, Option<Self>)> {
        let mut event = String::new();
        let failed = tokio::select! {
            biased;
            error = &mut self.doubted => Some(Answer::unidentified(&error)),
            reply = self.replies.next() => match reply {
                Some(Ok(reply)) => {
                    put_reply(&mut event, &reply);
                    None
                }
                Some(Err(failure)) => Some(*failure.answer),
                None => return Some((Bytes::from_static(END.as_bytes()), None)),
            },
            () = tokio::time::sleep(Duration::from_millis(EVENTS_BEAT_MS)) => {
                event.push_str(":\n\n");
                None
            }
        };
        match failed {
            None => Some((event.into(), Some(self))),
            Some(answer) => Some((
                format!("event: failed\ndata: {}\n\n", answer.error_message(&self.request_id)).into(),
                None,
            )),
        }
    }
}

/// The JSON of a reply has no line breaks.
fn put_reply(out: &mut String, reply: &Reply) {
    if let Some(place) = reply.place {
        let _ = writeln!(out, "id: {place}");
    }
    let _ = write!(out, "data: {}\n\n", reply.json);
}
