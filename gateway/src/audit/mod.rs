//! The audit log, as far as it is the gateway's: whoever has signed in and does something, or tries to, is written down before it is
//! answered.
//!
//! An entry goes to a journal on this machine's disk first (`journal`), durable before the client hears of its action, and from there
//! to the service `auth` (`relay`), which keeps the log and shows it. So it survives that either of them is away, or killed. While the
//! journal can't be written, or is full, actions are refused before they begin; what only reads goes on.

mod action;
mod journal;
mod limits;
mod record;
mod relay;

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::rc::Rc;

use micronet_transport::clock;
use micronet_transport::identity::{Identity, random_bytes};
use micronet_transport::tasks;
use micronet_transport::upstream::Upstream;
use micronet_wire::authority::{AuditEntry, AuthorityClient};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::rest::{Answer, Refused};
use tokio::task::JoinSet;

pub use self::action::{Action, Deed};
use self::journal::Journal;

/// Where the entries of a gateway go: nowhere, unless it was [begun](Audit::begin).
#[derive(Default)]
pub struct Audit {
    kept: Option<Kept>,
}

struct Kept {
    journal: Rc<Journal>,
    /// What the ids of this process's entries begin with.
    prefix: String,
    next: Cell<u64>,
    _telling: JoinSet<()>,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("journal", &self.kept.as_ref().map(|kept| &kept.journal)).finish()
    }
}

impl Audit {
    /// Begins a journal in this folder, which other gateways may share, and tells its entries to the authority; so it does with those that
    /// other lives have left there.
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub fn begin(folder: &Path, identity: &Identity, authority: &Upstream) -> io::Result<Self> {
        let life = format!("{}-{:032x}", identity.instance, u128::from_ne_bytes(random_bytes()));
        let journal = Rc::new(Journal::begin(folder.join(&life))?);
        let shown = Rc::downgrade(&journal);
        identity.network.metrics().watch(
            "micronet_audit_waiting_bytes",
            "Bytes of the audit log's journal that the service auth has not taken yet, about.",
            move || {
                let held = shown.upgrade().map_or(0, |journal| journal.held());
                usize::try_from(held).unwrap_or(usize::MAX)
            },
        );
        let client = || AuthorityClient::new(authority.clone());
        let mut telling = JoinSet::new();
        telling.spawn_local(tasks::named("audit log", relay::own(Rc::clone(&journal), client())));
        telling.spawn_local(tasks::named(
            "audit logs left behind",
            relay::left_behind(folder.to_owned(), journal.folder().to_owned(), client()),
        ));
        Ok(Self { kept: Some(Kept { journal, prefix: life, next: Cell::new(1), _telling: telling }) })
    }

    /// Whether anything is written down here.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Has an action of somebody who has signed in answered; it is written down before the answer is given.
    pub async fn watch(&self, action: Action, answer: impl Future<Output = Answer>) -> Answer {
        let Some(kept) = &self.kept else { return answer.await };
        if let Some(trouble) = kept.journal.trouble() {
            return unavailable(trouble);
        }
        let answer = answer.await;
        if self.keep(action.entry(&answer)).await {
            return answer;
        }
        let words =
            "what came of this can't be written into the audit log: ask again with the same Idempotency-Key";
        unavailable(words)
    }

    /// Writes down that an action begins which goes on as a stream.
    ///
    /// # Errors
    /// The answer to one that can't be written down, and so must not begin.
    pub async fn begin_stream(&self, action: Option<Action>) -> Result<(), Refused> {
        let (Some(kept), Some(action)) = (&self.kept, action) else { return Ok(()) };
        match kept.journal.trouble() {
            None if self.keep(action.begun()).await => Ok(()),
            trouble => Err(Box::new(unavailable(trouble.unwrap_or("the audit log can't be written")))),
        }
    }

    /// Why nothing can be written down now, if that is so.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        self.kept.as_ref()?.journal.trouble()
    }

    /// Writes an entry down, whose id and time are still missing. It is durable when this completes with true.
    pub async fn keep(&self, mut entry: AuditEntry) -> bool {
        let Some(kept) = &self.kept else { return true };
        let number = kept.next.get();
        kept.next.set(number + 1);
        entry.id = format!("{}-{number}", kept.prefix);
        entry.at.0 = clock::unix_us();
        match record::encode(&entry) {
            Some(record) => kept.journal.append(record).await,
            None => false,
        }
    }
}

fn unavailable(words: &str) -> Answer {
    Answer::rpc_error(&RpcError::new(Code::Unavailable, words))
}

#[cfg(test)]
mod tests;
