//! Whom `bench rpc` calls, and by what request.

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use micronet_wire::schema::{CallShape, ServiceSchema};
use micronet_wire::transcode::to_binary;
use serde_json::json;

use super::child::{Scratch, Server};
use super::prepare::{Found, How, Rpc};
use super::rpc::Called;
use super::rpc_sync::SyncCaller;
use crate::address::HostPort;
use crate::call::{self, Reached};
use crate::cli::bench::measure::DriverFlag;
use crate::config::{BenchConfig, Callee, RpcAsk, RpcCallee};
use crate::error::CommandError;
use crate::registry::BENCH;

/// The instance that is started.
const INSTANCE: &str = "bench-1";

/// Reaches whom `ask` names, or starts a server, and encodes the request.
pub(super) async fn find(name: &str, ask: &RpcAsk, config: &BenchConfig) -> Result<Found, CommandError> {
    // What is started has a folder of its own: who measures leaves nothing behind, and needs no secrets.
    let (mut data, mut tls) = (config.data.clone(), ask.tls.clone());
    let server = match &ask.callee {
        RpcCallee::Own => {
            let folder = Scratch::new()?;
            folder.path().clone_into(&mut data);
            if let Some(tls) = &mut tls {
                tls.certs = folder.certificates(BENCH, INSTANCE)?;
            }
            let mut arguments =
                vec!["serve", "--listen", "127.0.0.1:0", "--instance", INSTANCE, "--supervised"];
            arguments.extend(ask.sync_server.then_some("--sync"));
            arguments.extend(tls.is_some().then_some("--mtls"));
            Some(Server::start(&arguments, &data, Some(folder)).await?)
        }
        _ => None,
    };
    let (service, instance) = match &ask.callee {
        RpcCallee::Own => (BENCH, server.as_ref().map(|server| HostPort::from(server.address()))),
        RpcCallee::Server(instance) => (BENCH, Some(instance.clone())),
        RpcCallee::Call { service, instance, .. } => (service.as_str(), instance.clone()),
    };
    let callee = Callee {
        service: service.to_owned(),
        to: instance,
        deadline: config.course.timeout,
        tls,
        anonymous: ask.anonymous,
        data: data.clone(),
    };
    let Reached { address, addresses, identity, schema, .. } = call::reach(&callee).await?;
    let (method, called) = called(ask, schema.schema())?;
    let mut other = BTreeMap::from([("method".to_owned(), format!("{service}.{method}"))]);
    if let Some(count) = ask.stream {
        other.insert("replies".into(), count.to_string());
    }
    if identity.tls.is_some() {
        other.insert("security".into(), "mtls".into());
    }
    if ask.sync_server {
        other.insert("server".into(), "mio".into());
    }
    let how = match ask.driver {
        DriverFlag::Tokio => How::Rpc(Rpc {
            service: service.to_owned(),
            addresses,
            identity: Rc::new(identity),
            schema: Rc::new(schema),
            called,
        }),
        DriverFlag::Mio => {
            other.insert("driver".into(), if ask.spin { "mio, spinning" } else { "mio" }.into());
            How::Sync(SyncCaller {
                address,
                data,
                anonymous: ask.anonymous,
                called,
                depth: 1,
                spins: ask.spin,
                place: 0,
                threads: 1,
            })
        }
    };
    let name = match &ask.callee {
        RpcCallee::Call { .. } => name.to_owned(),
        RpcCallee::Own | RpcCallee::Server(_) => format!("{service}.{method} at {name}"),
    };
    Ok(Found { name, how, other, server })
}

/// The method's name, and the call.
fn called(ask: &RpcAsk, schema: &ServiceSchema) -> Result<(String, Called), CommandError> {
    let (name, json) = match (&ask.callee, ask.stream) {
        (RpcCallee::Call { method, json, .. }, _) => (method.as_str(), json.clone()),
        (_, None) => ("echo", json!({ "bytes": STANDARD.encode(vec![7; ask.payload]) }).to_string()),
        (_, Some(count)) => ("stream", json!({ "count": count, "bytes": ask.payload }).to_string()),
    };
    let method = call::method_of(schema, name)?;
    let called = format!("{}.{name}", schema.name);
    if ask.stream.is_none() && method.shape != CallShape::Unary {
        return Err(CommandError::usage(format!("{called} has no single answer to measure"))
            .next("name a method with one request and one reply"));
    }
    let mut body = BytesMut::new();
    to_binary(schema, method.request, json.as_bytes(), &[], &mut body).map_err(|error| {
        CommandError::usage(format!("rpc:{called} {json:.100}: {error}"))
            .next(format!("see its fields: micronet call {called} --describe"))
    })?;
    let payload_bytes = match &ask.callee {
        RpcCallee::Call { .. } => body.len(),
        RpcCallee::Own | RpcCallee::Server(_) => ask.payload,
    };
    let called = Called {
        method: method.id,
        body: body.freeze(),
        payload_bytes,
        streams: ask.stream.is_some(),
        has_token: !method.is_idempotent(),
    };
    Ok((name.to_owned(), called))
}
