//! What a request does, and who does it: an entry of the audit log in the making.

use std::net::IpAddr;

use micronet_wire::authority::AuditEntry;
use micronet_wire::http1::RequestHead;
use micronet_wire::principal::Principal;
use micronet_wire::rest::{Answer, Lead, OUTCOME_TEMPLATE, Routes};

use crate::rates::Kind;

/// What a request does that changes something, whoever asks. It holds nothing of the request's headers, query or body, where secrets
/// may stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed(AuditEntry);

impl Deed {
    /// What a request does that leads there; `None` where it only reads, or leads nowhere.
    #[must_use]
    pub fn of(
        (routes, lead): (&Routes, &Lead<'_>),
        head: &RequestHead,
        address: IpAddr,
        request_id: &str,
    ) -> Option<Self> {
        let (action, path, object) = match lead {
            Lead::Method(route, _) if route.is_safe => return None,
            Lead::Method(route, of_path) => {
                let action = format!("{}.{}", route.service_name, route.method_name);
                (action, head.path().to_owned(), route.object(of_path))
            }
            // The token of a write is its caller's alone.
            Lead::Outcome(outcome) => {
                let (service, method) = routes.served(outcome.service, outcome.method)?;
                let asked = format!("{}.{}", service.name, method.name);
                ("micronet.outcome".into(), OUTCOME_TEMPLATE.replace("{method}", &asked), asked)
            }
            Lead::Answered(_) | Lead::Nowhere(_) => return None,
        };
        Some(Self(AuditEntry {
            action: clipped(&action, 256),
            method: clipped(head.method_name(), 16),
            path: clipped(&path, 2048),
            object: clipped(&object, 2048),
            address: address.to_canonical().to_string(),
            request_id: clipped(request_id, 256),
            ..AuditEntry::default()
        }))
    }

    /// The action that it is where this one asks; `None` where nobody in particular does.
    #[must_use]
    pub fn by(self, asker: &Principal) -> Option<Action> {
        let (subject, organization) = match asker {
            Principal::User { subject, organization, .. } => (&**subject, &**organization),
            Principal::Operator => ("operator", ""),
            Principal::Anonymous | Principal::Service { .. } => return None,
        };
        let (subject, organization) = (clipped(subject, 128), clipped(organization, 128));
        Some(Action(AuditEntry { subject, organization, ..self.0 }))
    }
}

/// A deed of somebody who has signed in.
#[derive(Debug, Clone, PartialEq)]
pub struct Action(AuditEntry);

impl Action {
    /// What a request does that leads there, where this one asks. Who signs in is nobody yet: where from is written down here, and
    /// `auth` knows who it was.
    #[must_use]
    pub fn of(
        to: (&Routes, &Lead<'_>),
        head: &RequestHead,
        asker: &Principal,
        address: IpAddr,
        request_id: &str,
    ) -> Option<Self> {
        if *asker == Principal::Anonymous && signs_in(to.1) {
            return Deed::of(to, head, address, request_id).map(|deed| Self(deed.0));
        }
        // What nobody does costs nothing.
        if matches!(asker, Principal::Anonymous | Principal::Service { .. }) {
            return None;
        }
        Deed::of(to, head, address, request_id)?.by(asker)
    }

    #[cfg(test)]
    pub(super) fn of_entry(entry: AuditEntry) -> Option<Self> {
        Some(Self(entry))
    }

    /// The entry, now that it is known what came of it.
    #[must_use]
    pub fn entry(self, answer: &Answer) -> AuditEntry {
        let outcome = answer.error_code().unwrap_or("ok");
        AuditEntry { status: answer.status.code().into(), outcome: clipped(outcome, 128), ..self.0 }
    }
}

impl Action {
    /// The entry of one that begins, and goes on for as long as its stream does.
    pub(super) fn begun(self) -> AuditEntry {
        AuditEntry { status: 101, outcome: "begun".into(), ..self.0 }
    }
}

/// Whether this leads to where people sign in.
fn signs_in(lead: &Lead<'_>) -> bool {
    matches!(lead, Lead::Method(route, _) if Kind::of_class(&route.rate_class) == Kind::Auth)
}

/// A text of at most so many bytes.
fn clipped(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}
