//! `micronet call`: one call, by name and JSON, straight to an instance; the schema is the one that the instance serves.

mod bearer;
mod failed;
mod frames;
mod lines;
mod repeat;
mod request;
mod streams;

pub(crate) use self::failed::exit_code;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use micronet_transport::client::{Client, Watch};
use micronet_transport::clock;
use micronet_transport::identity::{Identity, random_bytes};
use micronet_transport::upstream::fetch_schema;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::encoding;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::rest::{Answer, RequestIds};
use micronet_wire::schema::{CallShape, EncodedSchema, Media, Method, ServiceSchema};
use micronet_wire::service::{CallOptions, Caller};
use micronet_wire::transcode::{to_binary, to_json};

use crate::address::HostPort;
use crate::config::{CallConfig, Callee};
use crate::describe;
use crate::error::CommandError;
use crate::identity;
use crate::logins;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::rpc_port_default;
use crate::server_process;
use crate::suggest::did_you_mean;
use crate::terminal::{self, Style};

/// How long the end of a connection is waited for that is shown, in milliseconds.
const LAST_FRAMES_MS_MAX: u64 = 200;
/// The exit code of a request that doesn't fit its method, where that is said as JSON.
const EXIT_REFUSED: u8 = 2;

/// Makes the call and prints its answer.
pub(crate) fn run(config: &CallConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(call(config))
}

async fn call(config: &CallConfig) -> Result<ExitCode, CommandError> {
    if let Some(token) = logins::bearer(config).await? {
        return bearer::call(config, &token).await;
    }
    let watch = config.verbose.then(frames::watch);
    let Reached { client, schema, .. } = reach_watched(&config.callee, watch).await?;
    let schema = schema.schema();
    let Some(name) = &config.method else {
        terminal::say(&describe::methods(schema, Style::for_stdout()));
        return Ok(ExitCode::SUCCESS);
    };
    let method = method_of(schema, name)?;
    if config.describe {
        terminal::say(&describe::method(schema, method, Style::for_stdout()));
        return Ok(ExitCode::SUCCESS);
    }
    let called = invoke(config, &client, schema, method).await;
    if config.verbose {
        // What the connection ends with is shown too.
        client.drain();
        let _ = tokio::time::timeout(Duration::from_millis(LAST_FRAMES_MS_MAX), client.closed()).await;
    }
    called
}

/// An instance that was reached, with the schema that it serves.
pub(crate) struct Reached {
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    pub(crate) schema: EncodedSchema,
    /// All instances that there are to be called, reached or not.
    pub(crate) addresses: Vec<SocketAddr>,
    /// As whom.
    pub(crate) identity: Identity,
}

/// Connects to an instance of the service, and learns its schema.
pub(crate) async fn reach(callee: &Callee) -> Result<Reached, CommandError> {
    reach_watched(callee, None).await
}

async fn reach_watched(callee: &Callee, watch: Option<Watch>) -> Result<Reached, CommandError> {
    let network = NetworkFile::of_running_network(&callee.data)?;
    let addresses = addresses(callee, network.as_ref()).await?;
    let identity = identity::of_tool(callee.tls.as_ref(), network.as_ref(), &callee.data, callee.anonymous)?;
    let (address, client) = connect(callee, &addresses, &identity, watch).await?;
    let failed = |error: RpcError| failure(callee, address, &error);
    let hello = client.ready().await.map_err(failed)?;
    let announced = hello.schema.ok_or_else(|| CommandError::new(format!("{address} serves no schema")))?;
    let schema = fetch_schema(&client, announced).await.map_err(failed)?;
    let name = &schema.schema().name;
    if *name != callee.service {
        return Err(CommandError::new(format!(
            "{address} is an instance of {name}, not of {}",
            callee.service
        )));
    }
    Ok(Reached { address, client, schema, addresses, identity })
}

/// A method by its name.
pub(crate) fn method_of<'s>(schema: &'s ServiceSchema, name: &str) -> Result<&'s Method, CommandError> {
    schema.method_named(name).ok_or_else(|| {
        let meant = did_you_mean(name, schema.methods.iter().map(|method| method.name.as_str()));
        CommandError::usage(format!("{} has no method {name:?}{meant}", schema.name))
            .next(format!("see what there is: micronet call {}", schema.name))
    })
}

/// The deadline of a call that begins now.
pub(crate) fn deadline_ns(callee: &Callee) -> u64 {
    clock::now() + u64::try_from(callee.deadline.as_nanos()).unwrap_or(u64::MAX / 2)
}

/// What a call says besides its message.
fn options(config: &CallConfig) -> CallOptions {
    CallOptions {
        metadata: config.metadata.clone(),
        deadline_ns: deadline_ns(&config.callee),
        request_id: fresh_request_id().into(),
        token: Some(config.token.clone().unwrap_or_else(fresh_token)),
        ..CallOptions::default()
    }
}

async fn invoke(
    config: &CallConfig,
    client: &Client,
    schema: &ServiceSchema,
    method: &Method,
) -> Result<ExitCode, CommandError> {
    let options = options(config);
    if config.count.is_some() && !streams::many_replies(method) {
        let words = format!("{}.{} gives one reply: there is nothing to count", schema.name, method.name);
        return Err(CommandError::usage(words));
    }
    if streams::has_streams(method) && config.repeat.is_none() {
        return streams::invoke(config, client, schema, method, options).await;
    }
    let request = match request_of(config, schema, method)? {
        Ok(request) => request,
        Err(code) => return Ok(code),
    };
    if let Some(repeat) = config.repeat {
        return repeat::repeat(config, client, schema, method, &request, repeat).await;
    }
    if method.shape == CallShape::OneWay {
        return send(client, schema, method, request, options).await;
    }
    let request_id = options.request_id.clone();
    match client.call(method.id, request, options).await {
        Ok(reply) => {
            terminal::say(&shown(schema, method, &reply.body)?);
            if config.verbose {
                let ledger = &reply.ledger;
                terminal::note(&format!(
                    "on the server, in us: receive queue {}, handler {}, credit wait {}, write queue {}",
                    ledger.receive_queue_us, ledger.handler_us, ledger.credit_wait_us, ledger.write_queue_us
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => failed::failed(config.json, schema, method, &request_id, &error),
    }
}

/// A reply as it is printed.
fn shown(schema: &ServiceSchema, method: &Method, reply: &[u8]) -> Result<String, CommandError> {
    let unshown = |error: String| CommandError::new(format!("the answer can't be shown: {error}"));
    if method.media == Media::Text {
        let text: String = encoding::decode(reply).map_err(|error| unshown(error.to_string()))?;
        return Ok(text.trim_end_matches('\n').to_owned());
    }
    let mut json = BytesMut::new();
    to_json(schema, method.reply, reply, &mut json).map_err(|error| unshown(error.to_string()))?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// The one request of a call, as it is on the command line; `Ok(Err(…))` when what is wrong with it was said as JSON.
fn request_of(
    config: &CallConfig,
    schema: &ServiceSchema,
    method: &Method,
) -> Result<Result<Bytes, ExitCode>, CommandError> {
    let called = format!("{}.{}", schema.name, method.name);
    if config.file.is_some() {
        let words = format!("{called} takes one request: --file is for methods that take many");
        return Err(CommandError::usage(words).next("write @FILE for a file with one request"));
    }
    let json = request::json(&config.request, schema, method)?;
    let mut request = BytesMut::new();
    if let Err(error) = to_binary(schema, method.request, json.as_bytes(), &[], &mut request) {
        if config.json && !error.faults.list().is_empty() {
            return Ok(Err(failed::in_json(&Answer::faults(&error.faults), None, EXIT_REFUSED)));
        }
        let faults = failed::listed(&error.faults, schema, method);
        return Err(CommandError::usage(format!("the request: {error}{faults}"))
            .next(format!("see its fields: micronet call {called} --describe")));
    }
    Ok(Ok(request.freeze()))
}

/// Makes a one-way call. Its outcome is nobody's to know, but that the instance has read it, is: calls are read in order.
async fn send(
    client: &Client,
    schema: &ServiceSchema,
    method: &Method,
    request: Bytes,
    options: CallOptions,
) -> Result<ExitCode, CommandError> {
    let called = format!("{}.{}", schema.name, method.name);
    let (deadline_ns, request_id) = (options.deadline_ns, options.request_id.clone());
    let failed = |error: RpcError| {
        CommandError::new(format!("{called}: {error}"))
            .with_exit_code(exit_code(error.code))
            .next(failed::way(&request_id))
    };
    client.send(method.id, request, options).await.map_err(failed)?;
    let asked = CallOptions { deadline_ns, ..CallOptions::default() };
    let instance = BuiltinClient::new(client.clone()).instance(asked).await.map_err(|error| {
        CommandError::new(format!("{called}: sent, but nobody knows whether it arrived: {error}"))
    })?;
    terminal::say(&format!("sent to {}: the method is one-way, so no answer follows", instance.instance));
    Ok(ExitCode::SUCCESS)
}

/// The first of these instances that can be reached.
async fn connect(
    callee: &Callee,
    addresses: &[SocketAddr],
    identity: &Identity,
    watch: Option<Watch>,
) -> Result<(SocketAddr, Client), CommandError> {
    let mut failed = CommandError::new(format!("{} has no instance", callee.service));
    for address in addresses {
        let connecting = async {
            match &watch {
                None => Client::connect_to(&callee.service, *address, identity).await,
                Some(watch) => {
                    Client::connect_watched(&callee.service, *address, identity, Rc::clone(watch)).await
                }
            }
        };
        match tokio::time::timeout(callee.deadline, connecting).await {
            Ok(Ok(client)) => return Ok((*address, client)),
            Ok(Err(error)) => failed = failure(callee, *address, &error),
            Err(_) => {
                let silent = RpcError::new(Code::DeadlineExceeded, "no HELLO came within the deadline");
                failed = failure(callee, *address, &silent);
            }
        }
    }
    Err(failed)
}

/// The instance that was named, else those of the running network, else the service's default port.
async fn addresses(callee: &Callee, network: Option<&NetworkFile>) -> Result<Vec<SocketAddr>, CommandError> {
    if let Some(to) = &callee.to {
        return Ok(vec![to.resolve().await?]);
    }
    if let Some(network) = network {
        let rpc = || network.entries.iter().filter(|entry| entry.protocol == Protocol::Rpc);
        let instances: Vec<SocketAddr> =
            rpc().filter(|entry| entry.service == callee.service).map(|entry| entry.address).collect();
        if instances.is_empty() {
            let mut services: Vec<_> = rpc().map(|entry| entry.service.as_str()).collect();
            services.dedup();
            let meant = did_you_mean(&callee.service, services.iter().copied());
            return Err(CommandError::usage(format!(
                "the running network has no service {:?}{meant}",
                callee.service
            ))
            .next(format!("it has {}; `micronet ps` shows what doesn't run", services.join(", "))));
        }
        return Ok(instances);
    }
    // Services started by hand share a data folder too: one that isn't there is a mistyped one.
    let port = rpc_port_default(&callee.service).filter(|_| callee.data.exists()).ok_or_else(|| {
        CommandError::new(format!("no network runs on {}", callee.data.display())).next(
            "start one with `micronet up`, name its folder with --data, or an instance with --to HOST:PORT",
        )
    })?;
    Ok(vec![HostPort::new("localhost", port).resolve().await?])
}

pub(crate) fn failure(callee: &Callee, address: SocketAddr, error: &RpcError) -> CommandError {
    let failure = CommandError::new(format!("{} at {address}: {error}", callee.service))
        .with_exit_code(exit_code(error.code));
    match error.code {
        Code::Unavailable => {
            failure.next("is it running? `micronet up` starts a network; --to names another address")
        }
        Code::TlsRequired => failure.next("add --mtls, or --certs DIR where the certificates are elsewhere"),
        Code::BadProof => {
            failure.next("the token of another network? name its data folder with --data, or use --anonymous")
        }
        _ => failure,
    }
}

/// By which `micronet why` finds the call.
fn fresh_request_id() -> String {
    RequestIds::new(u32::from_ne_bytes(random_bytes())).adopt(None)
}

fn fresh_token() -> String {
    format!("{:032x}", u128::from_ne_bytes(random_bytes()))
}
