//! What is done in the chat, in the audit log: who, what, from where, and what came of it.

use std::cell::OnceCell;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use micronet_gateway::audit::Audit;
use micronet_transport::identity::Identity;
use micronet_transport::upstream::Upstream;
use micronet_wire::authority::{AUTHORITY, AuditEntry};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::principal::Principal;

use super::commands::{Called, Order};
use super::reach::Failed;
use super::session::Speaker;

/// Where the audit log knows it is from.
const PATH: &str = "/ws/chatops";
/// What it knows in the place of an HTTP method.
const METHOD: &str = "CHAT";
/// The longest of an entry's texts, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// The way to the log; none before there is an `auth`.
#[derive(Debug, Default)]
pub(super) struct Log(OnceCell<Audit>);

impl Log {
    /// Begins a journal in this folder, beside those of gateways. Within a runtime only.
    pub(super) fn begin(
        &self,
        folder: &Path,
        identity: &Rc<Identity>,
        auth: &[SocketAddr],
    ) -> io::Result<()> {
        let authority = Upstream::connect(AUTHORITY, auth, identity);
        let audit = Audit::begin(folder, identity, &authority)?;
        // A second one would tell the same.
        let _ = self.0.set(audit);
        Ok(())
    }

    /// Checks that what is done now can be written down.
    pub(super) fn check(&self) -> Result<(), RpcError> {
        match self.0.get().and_then(Audit::trouble) {
            Some(trouble) => Err(RpcError::new(Code::Unavailable, trouble)),
            None => Ok(()),
        }
    }

    /// Writes down what came of a command. Where it can't be, that is logged: it is done.
    pub(super) async fn keep(&self, entry: AuditEntry) {
        let Some(audit) = self.0.get() else { return };
        if !audit.keep(entry.clone()).await {
            tracing::error!(?entry, "this can't be written into the audit log");
        }
    }
}

/// What came of a command, as an entry.
pub(super) fn entry(
    speaker: &Speaker,
    order: &Order,
    request_id: &str,
    came: Result<(), &Failed>,
) -> AuditEntry {
    let (subject, organization) = match &speaker.principal {
        Principal::User { subject, organization, .. } => (subject.as_str(), organization.as_str()),
        Principal::Operator => ("operator", ""),
        Principal::Service { name } => (name.as_str(), ""),
        Principal::Anonymous => ("", ""),
    };
    let (status, outcome) =
        came.map_or_else(|failed| (failed.status, failed.code.as_str()), |()| (200, "ok"));
    let called = order.values.text("method").map(str::to_owned);
    let action = order.calls().map(Called::name).or(called).unwrap_or_default();
    AuditEntry {
        action: clipped(&action),
        method: METHOD.to_owned(),
        path: PATH.to_owned(),
        object: clipped(&object(order)),
        subject: clipped(subject),
        organization: clipped(organization),
        address: speaker.address.clone(),
        request_id: clipped(request_id),
        status: status.into(),
        outcome: clipped(outcome),
        ..AuditEntry::default()
    }
}

/// What a command is done to, as paths name it. Of a call only the method is written down: secrets may stand in a request.
fn object(order: &Order) -> String {
    let values = &order.values;
    let name = ["process", "instance", "service", "name"].into_iter().find_map(|name| values.text(name));
    match (name, values.number("count")) {
        (Some(name), Some(count)) => format!("{name} to {count}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => String::new(),
    }
}

fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
