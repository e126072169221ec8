//! What is revoked, as verifiers hear it.

use micronet_transport::clock::unix_us;
use micronet_wire::authority::{ACCESS_TOKEN_S, RevocationNews, RevocationsAfter};
use micronet_wire::error::RpcError;
use micronet_wire::service::{CallError, Outgoing};

use crate::auth::api::AuthError;
use crate::auth::store::{AuthChange, AuthStore};
use crate::database::DatabaseError;
use crate::events::watch::{News, Watched};
use crate::events::{self, Recorded};
use crate::store::{Store as _, StoreError};

/// What was revoked longer ago matters no more: a token that is a second ahead has expired too.
const MATTERS_US: i64 = (ACCESS_TOKEN_S.cast_signed() + 60) * 1_000_000;

/// Tells revocations for as long as somebody listens.
pub(super) async fn tell(
    store: &AuthStore,
    feed: &Watched,
    request: RevocationsAfter,
    mut replies: Outgoing<RevocationNews>,
) -> Result<(), RpcError> {
    let after = match request.after {
        Some(after) => after,
        None => store.feed_before(unix_us() - MATTERS_US).await?,
    };
    let there = events::newest(store.database()).await.map_err(database)?;
    let all = |_: &Recorded<AuthChange>| true;
    let mut watcher = feed.watch(Some(after), all).await.map_err(|error| match error.into() {
        CallError::<AuthError>::Rpc(error) => error,
        CallError::Service(error) => StoreError::Refused(error).into(),
    })?;
    let mut caught_up = false;
    loop {
        let (through, revocation) = match watcher.next().await.map_err(database)? {
            News::Changed(event) => (event.id, event.change.revocation()),
            News::Beat { through, .. } => {
                // A feed's first word says where it begins; what there was comes after it.
                caught_up &= through < there;
                (through, None)
            }
        };
        let news = |revocation| RevocationNews { through: through.unsigned_abs(), revocation };
        if revocation.is_some() {
            replies.send(&news(revocation)).await?;
        }
        if !caught_up && through >= there {
            caught_up = true;
            replies.send(&news(None)).await?;
        }
    }
}

fn database(error: DatabaseError) -> RpcError {
    StoreError::<AuthError>::Database(error).into()
}
