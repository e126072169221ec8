//! A call with streams of messages as a WebSocket: each text is a message in JSON.
//!
//! Where only replies stream, the request is the query, or the client's first text. Where requests do, each text is one (as it stands, where a
//! message is nothing but a text), and an empty text says that no further follows. Whoever couldn't say before who asks says it by a first text `{"token":"…"}`. What fails is said
//! by a last text `{"error":{…},"request_id":"…"}`, and a close code ([`Failure::close_code`]).

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::{self, StreamExt};
use micronet_transport::bearers::Asker;
use micronet_transport::drain::Drain;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::WEBSOCKET_FIRST_MS_MAX;
use micronet_wire::principal::Principal;
use micronet_wire::rest::Answer;
use micronet_wire::schema::{Access, CallShape};
use tokio::time::{Instant, sleep_until};
use tungstenite::Utf8Bytes;

use super::call::{Call, Opened, Replies};
use super::failure::Failure;
use super::who;
use crate::websocket::{Ended, GOING_AWAY, Socket, Turn};

/// Serves one connection to its end.
pub(super) async fn serve(call: Call, asker: Asker, socket: Socket, mut drain: Drain) {
    let (gateway, story, request_id) = (call.gateway.clone(), call.story.clone(), call.request_id.clone());
    let metrics = gateway.identity.network.metrics();
    let _open = metrics.connection("websocket");
    let drained = async move {
        let metrics = gateway.identity.network.metrics();
        drain.turn(|| metrics.connections_of("websocket")).await;
    };
    let mut session = Session { socket, drained: drained.boxed_local(), doubted: pending().boxed_local() };
    let end = session.speak(call, asker).await.err().unwrap_or(End::Over(Ended::Here(1000, "")));
    let ended = match end {
        End::Over(ended) => ended,
        End::Failed(failure) => {
            failure.told(&story);
            session.socket.say(failure.answer.error_message(&request_id));
            Ended::Here(failure.close_code(), "")
        }
    };
    tracing::debug!(?ended, "a stream over WebSocket is over");
    session.socket.end(&ended).await;
}

/// A connection, and what may end it at any time.
struct Session {
    socket: Socket,
    drained: LocalBoxFuture<'static, ()>,
    doubted: LocalBoxFuture<'static, RpcError>,
}

/// Why a session ended.
enum End {
    Over(Ended),
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn refused(status: u16, words: &str) -> End {
    End::Failed(Box::new(Answer::refusal(status, words)).into())
}

fn unidentified(error: &RpcError) -> End {
    End::Failed(Box::new(Answer::unidentified(error)).into())
}

impl Session {
    async fn speak(&mut self, mut call: Call, mut asker: Asker) -> Result<(), End> {
        let described = call.described(|_, method| (method.access.clone(), method.shape));
        let (access, shape) = described.map_err(Failure::from)?;
        if access != Access::Public && *asker.principal() == Principal::Anonymous {
            asker = self.signed_in(&call).await?;
        }
        call.principal = asker.principal().clone();
        let gateway = call.gateway.clone();
        self.doubted = async move { who::doubted(&gateway, &asker).await }.boxed_local();
        match shape {
            CallShape::ServerStream => self.tell(&mut call).await,
            _ => {
                call.written_down().await.map_err(Failure::from)?;
                let opened = call.exchange().await?;
                self.converse(&opened, || call.gateway.cache.written()).await
            }
        }
    }

    /// Whom the first text names by a token.
    async fn signed_in(&mut self, call: &Call) -> Result<Asker, End> {
        let first = self.first().await?;
        let needed = || {
            RpcError::new(
                Code::Unauthenticated,
                "the first message has to be {\"token\":\"…\"}, or use a ticket",
            )
        };
        let token = first.as_deref().and_then(who::token_of).ok_or_else(|| unidentified(&needed()))?;
        Asker::of_token(&token, &call.gateway.identity).await.map_err(|error| unidentified(&error))
    }

    /// The first text; `None` if it doesn't come in time.
    async fn first(&mut self) -> Result<Option<Utf8Bytes>, End> {
        let due = Instant::now() + Duration::from_millis(WEBSOCKET_FIRST_MS_MAX);
        loop {
            tokio::select! {
                heard = self.hear(true) => if let Some(text) = heard? { return Ok(Some(text)) },
                () = sleep_until(due) => return Ok(None),
            }
        }
    }

    /// A text, or nothing when there is room to say more. Dropping the future loses nothing.
    async fn hear(&mut self, listens: bool) -> Result<Option<Utf8Bytes>, End> {
        tokio::select! {
            biased;
            () = &mut self.drained => Err(End::Over(GOING_AWAY)),
            error = &mut self.doubted => Err(unidentified(&error)),
            turn = self.socket.turn(listens) => match turn {
                Turn::Text(text) => Ok(Some(text)),
                Turn::Binary(_) => Err(End::Over(Ended::Refused(1003, "messages are texts of JSON"))),
                Turn::Room => Ok(None),
                Turn::Over(ended) => Err(End::Over(ended)),
            },
        }
    }

    /// Says the replies to one request.
    async fn tell(&mut self, call: &mut Call) -> Result<(), End> {
        let is_whole = call.described(|schema, method| call.opening.message(schema, method, b"").is_ok());
        let mut may_ask = !call.opening.is_in_query();
        let mut replies: Replies = if is_whole.map_err(Failure::from)? || !may_ask {
            call.clone().replies()
        } else {
            call.json = self
                .first()
                .await?
                .map(Bytes::from)
                .ok_or_else(|| refused(408, "the request didn't come"))?;
            may_ask = false;
            call.clone().replies()
        };
        loop {
            let has_room = self.socket.has_room();
            tokio::select! {
                biased;
                heard = self.hear(true) => {
                    let Some(text) = heard? else { continue };
                    if !std::mem::take(&mut may_ask) {
                        return Err(refused(400, "this stream has its request: open another"));
                    }
                    call.json = text.into();
                    replies = call.clone().replies();
                }
                reply = replies.next(), if has_room => match reply {
                    Some(reply) => self.socket.say(reply?.json),
                    None => return Ok(()),
                },
            }
        }
    }

    /// Carries requests and replies, each as far as the other side takes them. Whatever is replied, something may have been `written`, which is
    /// noted before the client hears of it.
    async fn converse(&mut self, opened: &Opened, written: impl Fn()) -> Result<(), End> {
        let (mut may_send, mut finished) = (false, false);
        // One future, so that what it waits for isn't begun anew with each text.
        let mut replies = stream::unfold((), |()| async { Some((opened.reply().await, ())) }).boxed_local();
        loop {
            let has_room = self.socket.has_room();
            tokio::select! {
                biased;
                heard = self.hear(may_send || finished) => {
                    let Some(text) = heard? else { continue };
                    if finished {
                        return Err(refused(400, "an empty message has ended the requests"));
                    }
                    if text.is_empty() {
                        finished = true;
                        opened.finish();
                    } else {
                        may_send = false;
                        opened.send(&text)?;
                    }
                }
                reply = next(&mut replies), if has_room => {
                    if matches!(&reply, Ok(Some(reply)) if reply.is_empty) {
                        self.socket.lasts();
                        continue;
                    }
                    written();
                    let Some(reply) = reply? else { return Ok(()) };
                    self.socket.say(reply.json);
                    if !opened.has_many_replies() {
                        return Ok(());
                    }
                }
                room = opened.room(), if !may_send && !finished => {
                    // Why there is none is said by the end of the replies.
                    match room {
                        Ok(()) => may_send = true,
                        Err(_) => finished = true,
                    }
                }
            }
        }
    }
}

async fn next<T>(
    replies: &mut stream::LocalBoxStream<'_, Result<Option<T>, Failure>>,
) -> Result<Option<T>, Failure> {
    match replies.next().await {
        Some(reply) => reply,
        None => Ok(None),
    }
}
