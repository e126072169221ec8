//! A connection through the gateway: both directions, until both have ended, one breaks, or nobody says anything any more.

use std::time::Duration;

use micronet_transport::clock;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::limits::LAST_WORDS_MAX;
use super::one_way::{Broken, Progress, discard, pass};
use super::pipe::Pipes;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides said that they were done.
    Closed,
    /// One of them broke it off; the other was told by a reset.
    Reset,
    /// Nobody said anything for too long.
    Idle,
}

/// The two sockets of a connection. Unless both directions ended as they should, both are reset, also when the task is dropped: what
/// was cut off must not look complete.
struct Sides {
    client: TcpStream,
    backend: TcpStream,
    ended_well: bool,
}

impl Drop for Sides {
    fn drop(&mut self) {
        if !self.ended_well {
            let _ = self.client.set_zero_linger();
            let _ = self.backend.set_zero_linger();
        }
    }
}

/// Passes everything between `client` and `backend`, and the ends and resets too. `idle` is for how long neither may say anything;
/// zero is for ever. `sent` and `received` count the bytes to and from the backend.
pub(super) async fn relay(
    client: TcpStream,
    backend: TcpStream,
    pipes: &Pipes,
    idle: Duration,
    sent: impl Fn(u64),
    received: impl Fn(u64),
) -> End {
    let mut sides = Sides { client, backend, ended_well: false };
    let progress = Progress::begin();
    let end = {
        let Sides { client, backend, .. } = &sides;
        let both = both(
            (client, pass(client, backend, pipes, &progress, sent)),
            (backend, pass(backend, client, pipes, &progress, received)),
        );
        tokio::select! {
            biased;
            result = both => match result {
                Ok(()) => End::Closed,
                Err(Broken::Source(error) | Broken::Sink(error)) => {
                    tracing::debug!(%error, "a connection that was passed through broke");
                    End::Reset
                }
            },
            () = silence(&progress, idle) => End::Idle,
        }
    };
    sides.ended_well = end == End::Closed;
    end
}

/// Both directions, each with the side that it reads from.
async fn both(
    (client, up): (&TcpStream, impl Future<Output = Result<(), Broken>>),
    (backend, down): (&TcpStream, impl Future<Output = Result<(), Broken>>),
) -> Result<(), Broken> {
    tokio::pin!(up, down);
    tokio::select! {
        ended = &mut up => rest(ended, client, down).await,
        ended = &mut down => rest(ended, backend, up).await,
    }
}

/// One direction is over, which `speaker` had: lets the other one finish, if it can.
async fn rest(
    ended: Result<(), Broken>,
    speaker: &TcpStream,
    other: impl Future<Output = Result<(), Broken>>,
) -> Result<(), Broken> {
    match ended {
        Ok(()) => tokio::select! {
            biased;
            result = other => result,
            // Who has said everything still listens, or is gone.
            _ = speaker.ready(Interest::ERROR) => Err(Broken::Source(std::io::ErrorKind::ConnectionReset.into())),
        },
        // Who doesn't listen any more may have said why, before it went. What the speaker goes on saying is for nobody; but a socket
        // that is closed with bytes unread is reset, and takes back what it was to deliver.
        Err(Broken::Sink(error)) => {
            tokio::pin!(other);
            let told = tokio::select! {
                biased;
                told = &mut other => told,
                () = discard(speaker) => other.await,
            };
            told?;
            let _ = tokio::time::timeout(LAST_WORDS_MAX, discard(speaker)).await;
            Err(Broken::Sink(error))
        }
        Err(gone) => Err(gone),
    }
}

/// Completes when nothing was passed for `idle`; never if that is zero.
async fn silence(progress: &Progress, idle: Duration) {
    if idle.is_zero() {
        return std::future::pending().await;
    }
    let idle_ns = u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX / 4);
    loop {
        let until = progress.last().saturating_add(idle_ns);
        if clock::now() >= until {
            return;
        }
        tokio::time::sleep_until(clock::instant(until)).await;
    }
}
