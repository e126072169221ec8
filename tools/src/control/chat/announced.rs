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
        let who = told.request_id.as_deref().and_then(user_of).or(told.who.clone());
        let by = who.filter(|_| !is_said).map(|who| format!(" (by {who})")).unwrap_or_default();
        // What somebody does names whom it is done to; other words tell of somebody who is named beside them.
        let names_them =
            matches!(told.kind, EventKind::Chat | EventKind::Operator | EventKind::Fault | EventKind::Drill);
        let subject =
            if names_them || told.subject.is_empty() { String::new() } else { format!("{}: ", told.subject) };
        let data = json!({
            "event": told.id, "kind": format!("{:?}", told.kind), "severity": format!("{:?}", told.severity),
            "subject": told.subject, "who": told.who, "request_id": told.request_id,
        });
        said.push(Said {
            kind: if is_said { "said" } else { "announcement" }.into(),
            message: format!("{subject}{}{by}", told.words),
            timestamp: told.at,
            from,
            execution: told.request_id.clone().filter(|_| is_said),
            data: Some(data.to_string()),
            ..Said::default()
        });
    }
    said
}

/// Who has given the command that is known by this id; `None` for a request of another kind.
fn user_of(request_id: &str) -> Option<String> {
    let (own, number) = request_id.split_once('-')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    (own.len() == 8 && is_number).then(|| format!("user_{own}"))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::control::api::live::Told;

    fn told(kind: EventKind, who: Option<&str>, request_id: Option<&str>) -> Rc<Told> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let words = "fail user".to_owned();
        Rc::new(Told { kind, words, who: text(who), request_id: text(request_id), ..Told::default() })
    }

    #[test]
    fn what_others_do_is_told_and_so_is_what_was_lost() {
        let events = vec![
            told(EventKind::Chat, Some("user_0000000a"), Some("0000000a-1")),
            told(EventKind::Operator, Some("user/1"), Some("0000000a-1")),
            told(EventKind::Operator, Some("user/1"), Some("0000000b-7")),
            told(EventKind::Operator, Some("operator"), Some("97a6a9f4-00000007")),
            Rc::new(Told {
                subject: "user-1".into(),
                words: "died".into(),
                ..(*told(EventKind::Process, None, None)).clone()
            }),
            told(EventKind::Chat, Some("user_0000000b"), Some("0000000b-7")),
        ];
        let said = said(Since { events: events.clone(), lost: 0 }, 10, "user_0000000a");
        let shown: Vec<(&str, &str, &str)> =
            said.iter().map(|said| (&*said.kind, &*said.from, &*said.message)).collect();
        let wanted = [
            ("announcement", "network", "fail user (by user_0000000b)"),
            ("announcement", "network", "fail user (by operator)"),
            ("announcement", "network", "user-1: died"),
            ("said", "user_0000000b", "fail user"),
        ];
        assert_eq!(shown, wanted);
        let said = super::said(Since { events, lost: 3 }, 2, "user_0000000a");
        assert_eq!(said.len(), 3);
        assert_eq!(said[0].data.as_deref(), Some("{\"lost\":7}"));
    }
}
