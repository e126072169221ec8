//! The feed of `auth`: what verifiers have to hear of, and Redis.

use micronet_wire::authority::{Revocation, Revoked};
use micronet_wire::schema::{Message, Timestamp};

use crate::database::{Connection, DatabaseError};
use crate::events;

/// Something has changed about who may do what. It names no person.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum AuthChange {
    /// Somebody has signed in.
    SessionStarted {
        /// The session.
        session: String,
    },
    /// A session is over, before its time.
    SessionEnded {
        /// The session.
        session: String,
        /// The access tokens that were given in it and haven't expired: their claim `jti`.
        tokens: Vec<String>,
        /// When the last of them expires.
        until: Timestamp,
    },
    /// The tokens of an account that were issued so far are no longer good: it may do something else now, or nothing.
    AccountRevoked {
        /// The account's number.
        account: u64,
        /// Those issued in this second, since 1970, or before.
        through_s: i64,
        /// When the last of them expires.
        until: Timestamp,
    },
}

impl AuthChange {
    /// What verifiers hear of it.
    #[must_use]
    pub fn revocation(&self) -> Option<Revocation> {
        match self {
            Self::SessionStarted { .. } => None,
            Self::SessionEnded { session, until, .. } => {
                Some(Revocation { of: Revoked::Session { sid: session.clone() }, until: *until })
            }
            Self::AccountRevoked { account, through_s, until } => Some(Revocation {
                of: Revoked::Account { sub: account.to_string(), through_s: *through_s },
                until: *until,
            }),
        }
    }
}

/// Writes a change of an account, or of one of its sessions, in the transaction that makes it.
pub(super) async fn record(
    tx: &mut Connection,
    account: i64,
    change: &AuthChange,
    now_us: i64,
) -> Result<(), DatabaseError> {
    events::append(tx, &account.to_string(), change, now_us).await
}
