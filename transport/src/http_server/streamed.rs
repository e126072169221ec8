//! A body that goes on: its pieces are written as they come, for as long as the client reads them.

use std::io;
use std::pin::pin;
use std::rc::Rc;

use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};
use micronet_wire::limits::{HTTP_READ_BYTES, HTTP_WRITE_BYTES};
use tokio::io::AsyncReadExt;

use super::{HttpConnection, Site, Streamed};
use crate::clock;
use crate::driver::ByteStream;

impl<S: ByteStream, A: Site> HttpConnection<S, A> {
    /// Writes an answer, and its body as it comes. When the process drains, it ends at its turn.
    pub(super) async fn stream(&mut self, streamed: Streamed, request_id: &str) -> io::Result<()> {
        let Streamed { answer, pieces } = streamed;
        let (output, now) = (&mut self.output, clock::unix_us());
        if let Err(error) = answer.write_streamed(&mut self.parser, output, now, request_id) {
            tracing::error!(request_id, %error, "an answer could not be written");
            return Ok(());
        }
        let (site, mut drain, mut pieces) = (Rc::clone(&self.site), self.drain.clone(), pieces.fuse());
        let metrics = site.identity().network.metrics();
        let _open = metrics.connection("stream");
        let mut turn = pin!(drain.turn(|| metrics.connections_of("stream")));
        loop {
            self.flush().await?;
            let piece = tokio::select! {
                biased;
                () = self.place.sent_away() => return Err(io::ErrorKind::ConnectionAborted.into()),
                () = &mut turn => {
                    self.parser.close_after_response();
                    None
                }
                gone = gone(&mut self.stream, &mut self.input) => return Err(gone),
                piece = pieces.next() => piece,
            };
            let Some(piece) = piece else { break };
            self.put_piece(&piece);
            // What else is there already leaves in the same write.
            while self.output.len() < HTTP_WRITE_BYTES
                && let Some(Some(piece)) = pieces.next().now_or_never()
            {
                self.put_piece(&piece);
            }
        }
        if let Err(error) = self.parser.end_stream(&mut self.output) {
            tracing::error!(%error, "a body could not be ended");
        }
        Ok(())
    }

    fn put_piece(&mut self, piece: &[u8]) {
        if let Err(error) = self.parser.write_stream(&mut self.output, piece) {
            tracing::error!(%error, "a piece of a body could not be written");
        }
    }
}

/// Completes when the client has gone. What it says meanwhile is its next requests; beyond a buffer full of them it isn't heard.
async fn gone<S: ByteStream>(stream: &mut S, input: &mut BytesMut) -> io::Error {
    while input.len() < HTTP_READ_BYTES {
        match stream.read_buf(input).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
    std::future::pending().await
}
