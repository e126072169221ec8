//! Whether an HTTP connection may be asked to make room for others.

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

    /// Completes when the connection has to make room, whatever it does.
    pub(crate) async fn sent_away(&self) {
        match self {
            Self::Stranger(stranger) => stranger.sent_away().await,
            Self::Free | Self::Guest(_) => std::future::pending().await,
        }
    }

    /// Completes when the connection has to make room, if it idles.
    pub(crate) async fn sent_away_idle(&self) {
        match self {
            Self::Guest(guest) => guest.sent_away().await,
            Self::Free | Self::Stranger(_) => self.sent_away().await,
        }
    }
}
