//! The operators' chat: a conversation over a stream of messages, in which lines become calls on behalf of who speaks.
//!
//! `table.rs` has all commands, and `commands.rs` and `grammar.rs` read lines by it, with `values.rs` and `names.rs`. `session.rs` decides what a
//! line leads to, and `doing.rs` does it through `reach.rs`: by calls, so that the permission of the called method decides, as it does for
//! whoever calls it otherwise. `talk.rs` is the loop of a conversation around these, with what waits for its reader in `outbox.rs`.
//! `room.rs` knows who is there, `announced.rs` says what happens, and `audit.rs` writes down what is done.

mod announced;
mod audit;
pub(crate) mod commands;
mod doing;
mod grammar;
mod help;
mod limits;
pub(crate) mod names;
mod outbox;
mod reach;
mod room;
mod session;
mod shown;
mod table;
mod talk;
#[cfg(test)]
mod tests;
mod values;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use micronet_transport::clock;
use micronet_transport::identity::{Identity, random_bytes};
use micronet_wire::error::RpcError;
use micronet_wire::metadata::CLIENT_ADDRESS;
use micronet_wire::service::{CallContext, authorize};

use self::audit::Log;
use self::commands::Called;
use self::reach::Reach;
use self::room::{Room, Seat};
use self::session::Speaker;
use super::events::Events;
use super::governor::Governor;

/// The chat of one network.
#[derive(Debug)]
pub(crate) struct Chat {
    reach: Reach,
    room: Rc<Room>,
    log: Log,
    events: Rc<Events>,
}

/// Who may this is a manager; everybody else is a client.
const MANAGERS: Called = Called { service: "control", method: "fail" };

impl Chat {
    /// Nobody is there yet. This process's own service is at that address.
    pub(super) fn new(governor: &Rc<Governor>, identity: &Rc<Identity>, own: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            reach: Reach::new(governor, identity, own),
            room: Rc::default(),
            log: Log::default(),
            events: Rc::clone(&governor.events),
        })
    }

    /// Writes down what is done from now on.
    pub(super) fn begin_audit(
        &self,
        folder: &Path,
        identity: &Rc<Identity>,
        auth: &[SocketAddr],
    ) -> io::Result<()> {
        self.log.begin(folder, identity, auth)
    }

    /// Lets in whoever calls, under an id of their own.
    fn enter(&self, context: &CallContext) -> Result<(Speaker, Seat), RpcError> {
        let user = loop {
            let user = format!("user_{:08x}", u32::from_ne_bytes(random_bytes()));
            if !self.room.has(&user) {
                break user;
            }
        };
        let is_manager = authorize(&context.principal, &MANAGERS.access()).is_ok();
        let speaker = Speaker {
            user,
            principal: context.principal.clone(),
            address: context.metadata.get(CLIENT_ADDRESS).unwrap_or_default().to_owned(),
            role: if is_manager { "manager" } else { "client" },
        };
        let seat = self.room.enter(&speaker, clock::now())?;
        Ok((speaker, seat))
    }
}
