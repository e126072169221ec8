//! What somebody does to the network is told as an event, once it is known what came of it.

use std::fmt::Display;
use std::rc::Rc;

use micronet_wire::service::CallContext;

use super::api::live::{EventKind, Severity};
use super::events::{Event, Events};

/// Something that is being done. If nobody waits for its end any more, that is told too.
struct Doing {
    events: Rc<Events>,
    event: Option<Event>,
}

/// Does something to `subject` on behalf of a caller, and tells who it was, `what` it was, and what came of it.
pub(super) async fn doing<T, E: Display>(
    events: &Rc<Events>,
    context: &CallContext,
    (what, subject): (&str, &str),
    doing: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let what = [what, subject].join(" ");
    let event = Event::new(EventKind::Operator, Severity::Info, subject, what.trim_end()).by(context);
    let mut told = Doing { events: Rc::clone(events), event: Some(event) };
    let result = doing.await;
    if let Some(mut event) = told.event.take() {
        if let Err(error) = &result {
            event.severity = Severity::Warning;
            event.words = format!("{} failed: {error}", event.words);
        }
        events.tell(event);
    }
    result
}

impl Drop for Doing {
    fn drop(&mut self) {
        if let Some(mut event) = self.event.take() {
            event.words.push_str(": the caller has left before the end");
            self.events.tell(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;
    use micronet_wire::principal::Principal;

    use super::*;

    #[test]
    fn what_is_done_is_told_with_what_came_of_it() {
        let events = Events::new();
        let context = CallContext {
            principal: Principal::Operator,
            request_id: "r-1".into(),
            ..CallContext::default()
        };
        let what = ("stop", "node-1");
        let _ = doing::<(), String>(&events, &context, what, ready(Ok(()))).now_or_never();
        let _ = doing::<(), String>(&events, &context, what, ready(Err("no".into()))).now_or_never();
        assert!(doing::<(), String>(&events, &context, what, pending()).now_or_never().is_none());
        let told = events.since(0).events;
        let words: Vec<&str> = told.iter().map(|told| &*told.words).collect();
        assert_eq!(
            words,
            ["stop node-1", "stop node-1 failed: no", "stop node-1: the caller has left before the end",]
        );
        assert!(told.iter().all(|told| told.kind == EventKind::Operator && told.subject == "node-1"));
        assert_eq!(told[0].who.as_deref(), Some("operator"));
        assert_eq!(told[1].severity, Severity::Warning);
        assert_eq!(told[2].request_id.as_deref(), Some("r-1"));
    }
}
