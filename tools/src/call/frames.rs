//! `micronet call --verbose`: each frame of the connection, its bytes beside what they mean.

use std::cell::RefCell;
use std::rc::Rc;

use micronet_transport::client::Watch;
use micronet_wire::builtin::BuiltinMethods;
use micronet_wire::explain::{Conversation, Explained, Schemas, Side, lines};

use crate::terminal::{self, Style};

/// Shows what passes on stderr. Of the schema, which is fetched first, only that it passes.
pub(super) fn watch() -> Watch {
    let conversation = RefCell::new(Conversation::new(Schemas::new()));
    let style = Style::for_stderr();
    Rc::new(move |side, bytes| {
        for told in conversation.borrow_mut().read(side, bytes) {
            show(side, &told, style);
        }
    })
}

fn show(side: Side, told: &Explained, style: Style) {
    let arrow = if side == Side::Dialler { "→" } else { "←" };
    let is_schema = told.header.is_some_and(|header| header.method == BuiltinMethods::SCHEMA);
    let bytes = told.bytes.len();
    let title = style.bold(format!("{arrow} {}", told.title));
    terminal::note(&format!("{title}{}", style.dim(format!("  ({bytes} bytes)"))));
    if !is_schema {
        lines(told).iter().for_each(|line| terminal::note(&format!("  {line}")));
    }
}
