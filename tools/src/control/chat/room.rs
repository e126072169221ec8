//! Who is in the chat.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use micronet_wire::error::{Code, RpcError};
use serde_json::{Value, json};

use super::help::account;
use super::limits::SESSIONS_MAX;
use super::session::{Speaker, Words};
use super::shown::ago;
use crate::table::{Align, Table};
use crate::terminal::Style;

/// Everybody who is there, by their ids.
#[derive(Debug, Default)]
pub(super) struct Room {
    present: RefCell<BTreeMap<String, Present>>,
}

#[derive(Debug)]
struct Present {
    speaker: Speaker,
    since_ns: u64,
}

/// Somebody's place: they are there until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    room: Rc<Room>,
    user: String,
}

impl Room {
    /// Lets somebody in whose id nobody else has.
    pub(super) fn enter(self: &Rc<Self>, speaker: &Speaker, now: u64) -> Result<Seat, RpcError> {
        let mut present = self.present.borrow_mut();
        if present.len() >= SESSIONS_MAX {
            let words = format!("{SESSIONS_MAX} are in the chat, as many as there is room for");
            return Err(RpcError::new(Code::Overloaded, words));
        }
        present.insert(speaker.user.clone(), Present { speaker: speaker.clone(), since_ns: now });
        Ok(Seat { room: Rc::clone(self), user: speaker.user.clone() })
    }

    /// Whether this id is somebody's.
    pub(super) fn has(&self, user: &str) -> bool {
        self.present.borrow().contains_key(user)
    }

    /// Who is there, in words.
    pub(super) fn list(&self) -> Words {
        let present = self.present.borrow();
        let mut table = Table::new(&[
            ("USER", Align::Left),
            ("ROLE", Align::Left),
            ("AS", Align::Left),
            ("FROM", Align::Left),
            ("FOR", Align::Right),
        ]);
        for Present { speaker, since_ns } in present.values() {
            let from = if speaker.address.is_empty() { "-" } else { &speaker.address };
            table.row(vec![
                speaker.user.clone(),
                speaker.role.to_owned(),
                account(&speaker.principal),
                from.to_owned(),
                ago(*since_ns),
            ]);
        }
        let data: Value = present
            .values()
            .map(|Present { speaker, .. }| {
                json!({
                    "user": speaker.user, "role": speaker.role, "account": speaker.principal.key(),
                    "address": speaker.address,
                })
            })
            .collect();
        Words { text: table.draw(Style::PLAIN), data: Some(data.to_string()) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.present.borrow_mut().remove(&self.user);
    }
}
