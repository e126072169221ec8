//! The control service: how a running network is operated. `up` serves it; the `micronet` commands call it, and whoever else may
//! over HTTP.
//!
//! `api.rs` says what there is to call, and `service.rs` answers. `rules.rs` holds what the operator has said and decides what follows of
//! it for each process; `governor.rs` tells them, and asks what they see. `operations.rs` does what takes several steps, and
//! `faults.rs` breaks things for a while, of which `reports.rs` keeps account; `drills/` does that under a load that
//! it measures. `chat/` is where operators talk, in lines that become calls. `events.rs` is what happens, `live/` the network as it is now
//! and was, of which `alerts/` makes alerts. The processes themselves are `crate::up`'s.

pub(crate) mod alerts;
pub(crate) mod api;
pub(crate) mod chat;
mod doing;
pub(crate) mod drills;
pub(crate) mod events;
mod faults;
mod governor;
pub(crate) mod live;
mod logs;
mod operations;
mod reports;
mod rules;
mod service;
mod tap;
pub(crate) mod why;

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use micronet_transport::bearers::{Following, follow_at};
use micronet_transport::clock;
use micronet_transport::drain::Drain;
use micronet_transport::identity::Identity;
use micronet_transport::server;
use micronet_transport::tasks;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::schema::{SchemaError, Timestamp};
use tokio::net::TcpListener;

use micronet_services::remembered::Remembered;

use self::api::ControlServer;
pub(crate) use self::chat::Chat;
use self::service::Controller;
use crate::address::reachable;
use crate::data_folder::OperatorToken;
use crate::error::CommandError;
use crate::network_plan::Plan;
use crate::registry::{AUTH, CONTROL_INSTANCE};
use crate::up::Fleet;

/// Starts to serve the control of these processes, and gives the chat that is a part of it. Within a runtime only.
pub(crate) fn serve(
    listener: TcpListener,
    fleet: &Rc<Fleet>,
    identity: Rc<Identity>,
    (plan, operator): (Option<Plan>, OperatorToken),
    drain: Drain,
) -> Result<Rc<Chat>, CommandError> {
    let own = listener.local_addr().map(reachable);
    let own =
        own.map_err(|error| CommandError::new(format!("the control service has no address: {error}")))?;
    let controller = Controller::start(fleet, &identity, (plan, operator), own);
    let chat = controller.chat();
    let own = Remembered::new(ControlServer::new(controller).map_err(|error| broken(&error))?);
    let outcomes = own.outcomes();
    let (version, started) = (env!("CARGO_PKG_VERSION"), Timestamp(clock::unix_us()));
    let service = WithBuiltin::with_outcomes(own, CONTROL_INSTANCE, version, started, outcomes)
        .map_err(|error| broken(&error))?;
    tasks::spawn("port of control", server::serve(listener, Rc::new(service), identity, drain));
    Ok(chat)
}

/// Has the control believe whom `auth` has signed in, where it is one of these processes, as the gateway does. Within a runtime only.
pub(crate) fn follow_authority(
    fleet: &Fleet,
    identity: &Rc<Identity>,
) -> Result<Option<Following>, CommandError> {
    let addresses = authority(fleet);
    if addresses.is_empty() {
        return Ok(None);
    }
    follow_at(identity, &addresses).map(Some).map_err(|error| broken(&error))
}

/// Has what is done in the chat written down, where `auth` is one of these processes: into this folder first. Within a runtime only.
pub(crate) fn begin_audit(
    chat: &Chat,
    fleet: &Fleet,
    identity: &Rc<Identity>,
    folder: &Path,
) -> Result<(), CommandError> {
    let addresses = authority(fleet);
    if addresses.is_empty() {
        return Ok(());
    }
    chat.begin_audit(folder, identity, &addresses)
        .map_err(|error| CommandError::new(format!("the audit log can't be begun: {error}")))
}

/// Where the instances of `auth` are.
fn authority(fleet: &Fleet) -> Vec<SocketAddr> {
    fleet.of_service(AUTH).iter().filter_map(|instance| instance.reachable()).collect()
}

fn broken(error: &SchemaError) -> CommandError {
    CommandError::new(format!("the control service's schema breaks a rule: {error}"))
}

/// A time of this process's clock that is past, as people read it.
fn unix_time(at_ns: u64) -> Timestamp {
    let ago_us = clock::now().saturating_sub(at_ns) / 1_000;
    Timestamp(clock::unix_us() - i64::try_from(ago_us).unwrap_or(0))
}
