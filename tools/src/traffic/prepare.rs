//! From targets to what is ready to be asked: servers are found, schemas fetched, requests encoded once.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use micronet_wire::schema::{CallShape, EncodedSchema};
use micronet_wire::transcode::to_binary;

use super::way::{Plan, Ready};
use crate::address::HostPort;
use crate::call::{self, Reached};
use crate::config::target::{Ask, Target};
use crate::config::{Callee, TlsConfig};
use crate::error::CommandError;
use crate::load::http::HttpRequest;
use crate::load::rpc::Line;

/// What targets leave open.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// The gateway.
    pub(super) gateway: &'a HostPort,
    /// Header fields of HTTP requests.
    pub(super) headers: &'a [(String, String)],
    /// Connections to each service, over RPC; one to each instance where that is not said.
    pub(super) connections: Option<u16>,
    /// How long a connection or an answer may take.
    pub(super) timeout: Duration,
    /// How TLS is spoken over RPC, where that was asked for.
    pub(super) tls: Option<&'a TlsConfig>,
    /// Whether the operator's token stays unused.
    pub(super) anonymous: bool,
    /// The data folder.
    pub(super) data: &'a Path,
}

/// A service that was reached.
struct Service {
    name: String,
    instance: Option<HostPort>,
    schema: Rc<EncodedSchema>,
}

/// Makes the targets ready.
pub(super) async fn plan(targets: &[Target], around: &Surroundings<'_>) -> Result<Plan, CommandError> {
    let (mut plan, mut services) = (Plan::default(), Vec::new());
    for target in targets {
        let ready = match &target.ask {
            Ask::Http { server, method, path, body } => {
                let server = server.as_ref().unwrap_or(around.gateway);
                Ready::Http {
                    server: place_of(&mut plan.servers, server),
                    request: http_request(method, path, body, around.headers),
                }
            }
            Ask::Rpc { instance, service, method, json } => {
                let known = services
                    .iter()
                    .position(|known: &Service| known.name == *service && known.instance == *instance);
                let place = match known {
                    Some(place) => place,
                    None => {
                        let (schema, lines) = reach(service, instance.as_ref(), around).await?;
                        plan.services.push(lines);
                        services.push(Service { name: service.clone(), instance: instance.clone(), schema });
                        services.len() - 1
                    }
                };
                call_of(place, &services[place].schema, method, json)?
            }
        };
        plan.targets.push(ready);
    }
    Ok(plan)
}

fn place_of(servers: &mut Vec<HostPort>, server: &HostPort) -> usize {
    servers.iter().position(|known| known == server).unwrap_or_else(|| {
        servers.push(server.clone());
        servers.len() - 1
    })
}

fn http_request(method: &'static str, path: &str, body: &str, headers: &[(String, String)]) -> HttpRequest {
    let is_typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    let json = ("Content-Type".into(), "application/json".to_owned());
    let headers = headers.iter().map(|(name, value)| (name.clone().into(), value.clone()));
    let headers = headers.chain((!body.is_empty() && !is_typed).then_some(json)).collect();
    HttpRequest { method, target: path.to_owned(), headers, body: body.as_bytes().to_vec() }
}

/// The schema of a service, and connections to its instances in turn, not yet made.
async fn reach(
    service: &str,
    instance: Option<&HostPort>,
    around: &Surroundings<'_>,
) -> Result<(Rc<EncodedSchema>, Vec<Rc<Line>>), CommandError> {
    let callee = Callee {
        service: service.to_owned(),
        to: instance.cloned(),
        deadline: around.timeout,
        tls: around.tls.cloned(),
        anonymous: around.anonymous,
        data: around.data.to_owned(),
    };
    let Reached { addresses, identity, schema, .. } = call::reach(&callee).await?;
    let (schema, identity) = (Rc::new(schema), Rc::new(identity));
    let count = around.connections.map_or(addresses.len(), usize::from);
    let lines = addresses
        .iter()
        .cycle()
        .take(count)
        .map(|address| Rc::new(Line::new(service, *address, Rc::clone(&identity), Rc::clone(&schema))));
    let lines = lines.collect();
    Ok((schema, lines))
}

fn call_of(service: usize, schema: &EncodedSchema, name: &str, json: &str) -> Result<Ready, CommandError> {
    let schema = schema.schema();
    let method = call::method_of(schema, name)?;
    let called = format!("{}.{name}", schema.name);
    if method.shape != CallShape::Unary {
        return Err(CommandError::usage(format!("{called} has no single answer to measure"))
            .next("name a method with one request and one reply"));
    }
    let mut body = BytesMut::new();
    to_binary(schema, method.request, json.as_bytes(), &[], &mut body).map_err(|error| {
        CommandError::usage(format!("rpc:{called} {json}: {error}"))
            .next(format!("see its fields: micronet call {called} --describe"))
    })?;
    Ok(Ready::Rpc { service, method: method.id, body: body.freeze(), has_token: !method.is_idempotent() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_unless_a_header_field_says_otherwise() {
        let check = |body: &str, given: &[(&str, &str)], wanted: &[(&str, &str)]| {
            let given: Vec<(String, String)> =
                given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let request = http_request("POST", "/x", body, &given);
            let seen: Vec<(&str, &str)> =
                request.headers.iter().map(|(name, value)| (&**name, value.as_str())).collect();
            assert_eq!((seen.as_slice(), request.body.as_slice()), (wanted, body.as_bytes()));
        };
        check("", &[("X", "y")], &[("X", "y")]);
        check("{}", &[("X", "y")], &[("X", "y"), ("Content-Type", "application/json")]);
        check("a", &[("content-type", "text/plain")], &[("content-type", "text/plain")]);
    }

    #[test]
    fn each_server_has_one_place() {
        let (mut servers, one, two) = (Vec::new(), HostPort::new("one", 1), HostPort::new("two", 2));
        let places = [&one, &two, &one].map(|server| place_of(&mut servers, server));
        assert_eq!((places, servers), ([0, 1, 0], vec![one, two]));
    }
}
