//! `micronet call`: one call, by name and JSON, straight to an instance; the schema is the one that the instance serves.

mod lines;
mod streams;

use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::{Bytes, BytesMut};
use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_transport::upstream::fetch_schema;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::encoding;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::faults::Faults;
use micronet_wire::rest::{Answer, refused};
use micronet_wire::schema::{CallShape, EncodedSchema, Media, Method, ServiceSchema};
use micronet_wire::service::{CallOptions, Caller};
use micronet_wire::transcode::{to_binary, to_json};

use crate::address::HostPort;
use crate::config::{CallConfig, Callee};
use crate::describe;
use crate::error::CommandError;
use crate::identity;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::rpc_port_default;
use crate::server_process;
use crate::terminal::{self, Style};

/// Makes the call and prints its answer.
pub(crate) fn run(config: &CallConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(call(config))
}

async fn call(config: &CallConfig) -> Result<ExitCode, CommandError> {
    let Reached { client, schema, .. } = reach(&config.callee).await?;
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
    invoke(config, &client, schema, method).await
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
    let network = NetworkFile::of_running_network(&callee.data)?;
    let addresses = addresses(callee, network.as_ref()).await?;
    let identity = identity::of_tool(callee.tls.as_ref(), network.as_ref(), &callee.data, callee.anonymous)?;
    let (address, client) = connect(callee, &addresses, &identity).await?;
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
        CommandError::usage(format!("{} has no method {name:?}", schema.name))
            .next(format!("see what there is: micronet call {}", schema.name))
    })
}

/// The deadline of a call that begins now.
pub(crate) fn deadline_ns(callee: &Callee) -> u64 {
    clock::now() + u64::try_from(callee.deadline.as_nanos()).unwrap_or(u64::MAX / 2)
}

async fn invoke(
    config: &CallConfig,
    client: &Client,
    schema: &ServiceSchema,
    method: &Method,
) -> Result<ExitCode, CommandError> {
    let options = CallOptions {
        metadata: config.metadata.clone(),
        deadline_ns: deadline_ns(&config.callee),
        token: Some(config.token.clone().unwrap_or_else(fresh_token)),
        ..CallOptions::default()
    };
    if config.count.is_some() && !streams::many_replies(method) {
        let words = format!("{}.{} gives one reply: there is nothing to count", schema.name, method.name);
        return Err(CommandError::usage(words));
    }
    if streams::has_streams(method) {
        return streams::invoke(config, client, schema, method, options).await;
    }
    let request = match request_of(config, schema, method)? {
        Ok(request) => request,
        Err(code) => return Ok(code),
    };
    if method.shape == CallShape::OneWay {
        return send(client, schema, method, request, options).await;
    }
    match client.call(method.id, request, options).await {
        Ok(reply) => {
            if config.verbose {
                let ledger = &reply.ledger;
                terminal::note(&format!(
                    "on the server, in us: receive queue {}, handler {}, credit wait {}, write queue {}",
                    ledger.receive_queue_us, ledger.handler_us, ledger.credit_wait_us, ledger.write_queue_us
                ));
            }
            let unshown = |error: String| CommandError::new(format!("the answer can't be shown: {error}"));
            if method.media == Media::Text {
                let text: String =
                    encoding::decode(&reply.body).map_err(|error| unshown(error.to_string()))?;
                terminal::say(text.trim_end_matches('\n'));
            } else {
                let mut json = BytesMut::new();
                to_json(schema, method.reply, &reply.body, &mut json)
                    .map_err(|error| unshown(error.to_string()))?;
                terminal::say(&String::from_utf8_lossy(&json));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => failed(config, schema, method, &error),
    }
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
        return Err(CommandError::usage(words));
    }
    let mut request = BytesMut::new();
    if let Err(error) = to_binary(schema, method.request, config.request.as_bytes(), &[], &mut request) {
        if config.json && !error.faults.list().is_empty() {
            return Ok(Err(failed_in_json(&Answer::faults(&error.faults))));
        }
        return Err(CommandError::usage(format!("the request: {error}{}", listed(&error.faults)))
            .next(format!("see its fields: micronet call {called} --describe")));
    }
    Ok(Ok(request.freeze()))
}

/// Says why a call failed.
fn failed(
    config: &CallConfig,
    schema: &ServiceSchema,
    method: &Method,
    error: &RpcError,
) -> Result<ExitCode, CommandError> {
    if config.json {
        return Ok(failed_in_json(&refused(schema, method, error)));
    }
    let called = format!("{}.{}", schema.name, method.name);
    let own = schema.error_variant(method, &error.detail).filter(|_| error.code == Code::Application);
    let Some((variant, of)) = own.zip(method.error) else {
        let faults = Faults::of(error).unwrap_or_default();
        return Err(CommandError::new(format!("{called}: {error}{}", listed(&faults))));
    };
    let mut json = BytesMut::new();
    to_json(schema, of, &error.detail, &mut json)
        .map_err(|error| CommandError::new(format!("the error can't be shown: {error}")))?;
    let detail = String::from_utf8_lossy(&json);
    Err(CommandError::new(format!("{called}: {}: {}\n{detail}", variant.error_code(), error.message)))
}

/// A failure as a script reads it, on stdout: `{"success":false,"error":{…}}`, as HTTP answers it.
fn failed_in_json(answer: &Answer) -> ExitCode {
    // What HTTP has behind it is `meta`.
    terminal::say(&format!("{}}}", String::from_utf8_lossy(answer.body())));
    ExitCode::FAILURE
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
    let deadline_ns = options.deadline_ns;
    let failed = |error: RpcError| CommandError::new(format!("{called}: {error}"));
    client.send(method.id, request, options).await.map_err(failed)?;
    let asked = CallOptions { deadline_ns, ..CallOptions::default() };
    let instance = BuiltinClient::new(client.clone()).instance(asked).await.map_err(|error| {
        CommandError::new(format!("{called}: sent, but nobody knows whether it arrived: {error}"))
    })?;
    terminal::say(&format!("sent to {}: the method is one-way, so no answer follows", instance.instance));
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with a request, a line each; nothing when the error's own words say it all.
fn listed(faults: &Faults) -> String {
    match faults.list() {
        [] | [_] => String::new(),
        list => list.iter().map(|fault| format!("\n  {fault}")).collect(),
    }
}

/// The first of these instances that can be reached.
async fn connect(
    callee: &Callee,
    addresses: &[SocketAddr],
    identity: &Identity,
) -> Result<(SocketAddr, Client), CommandError> {
    let mut failed = CommandError::new(format!("{} has no instance", callee.service));
    for address in addresses {
        let connecting = Client::connect_to(&callee.service, *address, identity);
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
            return Err(CommandError::usage(format!(
                "the running network has no service {:?}",
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
    let failure = CommandError::new(format!("{} at {address}: {error}", callee.service));
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

fn fresh_token() -> String {
    let bytes: [u8; 16] = micronet_transport::identity::random_bytes();
    format!("{:032x}", u128::from_ne_bytes(bytes))
}
