//! What happens, as it is told in the chat.

use serde_json::json;

use super::reach::Failed;
use super::session::{Execution, Speaker};
use crate::control::api::chat::Said;
use crate::control::api::live::{EventKind, Severity};
use crate::control::events::{Event, Since};

/// Somebody has come.
pub(super) fn came(speaker: &Speaker) -> Event {
    let words = format!("{} has come to the chat as {}", speaker.user, speaker.role);
    Event { who: Some(speaker.user.clone()), ..Event::new(EventKind::Chat, Severity::Info, "", words) }
}

/// Somebody does something.
pub(super) fn does(speaker: &Speaker, execution: &Execution) -> Event {
    let order = &execution.order;
    let subject = ["process", "instance", "service"].into_iter().find_map(|name| order.values.text(name));
    Event {
        who: Some(speaker.user.clone()),
        request_id: Some(execution.id.clone()),
        ..Event::new(EventKind::Chat, Severity::Info, subject.unwrap_or_default(), order.line.clone())
    }
}

/// It came to nothing.
pub(super) fn failed(speaker: &Speaker, execution: &Execution, failed: &Failed) -> Event {
    let words = format!("{} came to nothing: {}", execution.order.line, failed.words);
    Event { words, severity: Severity::Warning, ..does(speaker, execution) }
}

/// What somebody is told of what happened: not what they did themselves, and at most so much.
pub(super) fn said(since: Since, count_max: usize, user: &str) -> Vec<Said> {
    let Since { events, mut lost } = since;
    let surplus = events.len().saturating_sub(count_max);
    lost += surplus as u64;
    let own = format!("{}-", user.trim_start_matches("user_"));
    let is_own = |request_id: Option<&String>| request_id.is_some_and(|id| id.starts_with(&own));
    let mut said = Vec::new();
    if lost > 0 {
        said.push(Said {
            kind: "announcement".into(),
            message: format!("{lost} announcements are lost: they came faster than they were read"),
            timestamp: events.last().map(|told| told.at).unwrap_or_default(),
            from: "chat".into(),
            data: Some(json!({ "lost": lost }).to_string()),
            ..Said::default()
        });
    }
    for told in events.iter().skip(surplus) {
        let is_said = told.kind == EventKind::Chat;
        if is_own(told.request_id.as_ref()) || is_said && told.who.as_deref() == Some(user) {
            continue;
        }
        let from = told.who.clone().filter(|_| is_said).unwrap_or_else(|| "network".into());
        let by = told.who.as_ref().filter(|_| !is_said).map(|who| format!(" (by {who})")).unwrap_or_default();
        let data = json!({
            "event": told.id, "kind": format!("{:?}", told.kind), "severity": format!("{:?}", told.severity),
            "subject": told.subject, "who": told.who, "request_id": told.request_id,
        });
        said.push(Said {
            kind: if is_said { "said" } else { "announcement" }.into(),
            message: format!("{}{by}", told.words),
            timestamp: told.at,
            from,
            execution: told.request_id.clone().filter(|_| is_said),
            data: Some(data.to_string()),
            ..Said::default()
        });
    }
    said
}
