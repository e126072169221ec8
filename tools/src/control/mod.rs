//! The control service: how a running network is operated. `up` serves it; the `micronet` commands call it, and whoever else may
//! over HTTP.
//!
//! `api.rs` says what there is to call. `service.rs` answers, by what `crate::up` knows of the processes.

pub(crate) mod api;
mod logs;
mod service;

use std::rc::Rc;

use micronet_transport::clock;
use micronet_transport::drain::Drain;
use micronet_transport::identity::Identity;
use micronet_transport::server;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::schema::{SchemaError, Timestamp};
use tokio::net::TcpListener;

use self::api::ControlServer;
use self::service::Controller;
use crate::error::CommandError;
use crate::registry::CONTROL_INSTANCE;
use crate::up::Fleet;

/// Starts to serve the control of these processes. Within a runtime only.
pub(crate) fn serve(
    listener: TcpListener,
    fleet: &Rc<Fleet>,
    identity: Rc<Identity>,
    drain: Drain,
) -> Result<(), CommandError> {
    let broken = |error: SchemaError| {
        CommandError::new(format!("the control service's schema breaks a rule: {error}"))
    };
    let own = ControlServer::new(Controller::new(fleet)).map_err(broken)?;
    let (version, started) = (env!("CARGO_PKG_VERSION"), Timestamp(clock::unix_us()));
    let service = WithBuiltin::new(own, CONTROL_INSTANCE, version, started).map_err(broken)?;
    tokio::task::spawn_local(server::serve(listener, Rc::new(service), identity, drain));
    Ok(())
}
