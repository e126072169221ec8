//! Whether an HTTP connection may be asked to make room for others.

use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::crowd::Guest;
use crate::strangers::Stranger;

/// The place of a connection among others.
#[derive(Debug)]
pub(crate) enum Place {
    /// Nobody is counted.
    Free,
    /// One of those that have proved nothing: it makes room whatever it does.
    Stranger(Stranger),
    /// One of a crowd: it makes room while it idles.
    Guest(Guest),
}

impl Place {
    /// Notes since when nothing is asked of the connection, or that something is.
    pub(crate) fn idles(&self, since: Option<Instant>) {
        if let Self::Guest(guest) = self {
            guest.idles(since);
        }
    }

    /// Ready when the connection has to make room, whatever it does.
    pub(super) fn poll_sent_away(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Stranger(stranger) => stranger.poll_sent_away(cx),
            Self::Free | Self::Guest(_) => Poll::Pending,
        }
    }

    /// Ready when the connection has to make room, if it idles.
    pub(super) fn poll_sent_away_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Guest(guest) => guest.poll_sent_away(cx),
            Self::Free | Self::Stranger(_) => self.poll_sent_away(cx),
        }
    }

    /// Completes when the connection has to make room, whatever it does.
    pub(crate) async fn sent_away(&self) {
        poll_fn(|cx| self.poll_sent_away(cx)).await;
    }
}
