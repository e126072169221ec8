//! How messages are shown: to people with the time and in colours, to programs as they are.

use bytes::BytesMut;
use micronet_wire::encoding;
use micronet_wire::transcode::to_json;

use crate::control::api::chat::Said;
use crate::control::api::{ControlMethods, control_schema};
use crate::instances::timestamp;
use crate::nc::typing::Typing;
use crate::terminal::{self, Style};

/// Shows messages.
pub(super) struct Shown {
    json: bool,
    on_terminal: bool,
    style: Style,
    failed: bool,
}

impl Shown {
    pub(super) fn new(json: bool, on_terminal: bool) -> Self {
        Self { json, on_terminal, style: Style::for_stdout(), failed: false }
    }

    /// Whether something was refused, or failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Shows a message, unless it says nothing.
    pub(super) fn show(&mut self, said: &Said, typing: &mut Typing) {
        self.failed |= said.kind == "error";
        if said.kind.is_empty() {
            return;
        }
        if self.json {
            typing.show(&json(said));
        } else if self.on_terminal {
            typing.show(&self.line(said));
        } else if matches!(&*said.kind, "answer" | "result" | "error") {
            typing.show(&said.message);
        } else {
            terminal::note(&self.line(said));
        }
    }

    /// A message for people.
    fn line(&self, said: &Said) -> String {
        let style = if self.on_terminal { self.style } else { Style::PLAIN };
        let at = timestamp(said.timestamp);
        let time = at.get(11..19).unwrap_or(&at);
        let message = match &*said.kind {
            "error" => style.red(&said.message),
            "result" if !said.message.contains('\n') => style.green(&said.message),
            "confirm" | "announcement" => style.bold(&said.message),
            "said" => format!("{}: {}", style.bold(&said.from), said.message),
            "ack" => style.dim(&said.message),
            _ => said.message.clone(),
        };
        format!("{} {message}", style.dim(time))
    }
}

/// A message as a WebSocket has it.
fn json(said: &Said) -> String {
    let schema = control_schema();
    let mut json = BytesMut::new();
    let shown = schema.method(ControlMethods::CHAT).zip(encoding::encode(said).ok());
    let shown = shown.and_then(|(method, bytes)| to_json(&schema, method.reply, &bytes, &mut json).ok());
    // What was received can be shown.
    shown.map(|()| String::from_utf8_lossy(&json).into_owned()).unwrap_or_default()
}
