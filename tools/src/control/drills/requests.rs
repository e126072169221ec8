//! What a drill asks: reads of a service, found in its schema and tried out, or what was named.

use std::borrow::Cow;
use std::time::Duration;

use micronet_wire::schema::{Access, CallShape, Method, ServiceSchema, Type};

use crate::address::HostPort;
use crate::config::target::{Ask, Target};
use crate::load::engine::Channel;
use crate::load::http::{HttpChannel, HttpRequest};
use crate::shop::request::percent_encoded;

/// How long an answer may take that is tried out.
const TRY_MS_MAX: u64 = 5_000;

/// A request, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// How it is called.
    pub(super) route: String,
    /// The service that answers it, where that is known.
    pub(super) service: Option<String>,
    /// How often it is asked, relative to others.
    pub(super) weight: u32,
    /// What is sent.
    pub(super) http: HttpRequest,
}

/// The requests that were named. They are anybody's: who may drill may not thereby do what only the operator may.
pub(super) fn named(routes: &[String]) -> Result<Vec<Request>, String> {
    let targets = Target::parse_all(routes).map_err(|error| error.to_string())?;
    let requests = targets.into_iter().map(|target| match target.ask {
        Ask::Http { server: None, method, path, body } => {
            let mut headers: Vec<(Cow<'static, str>, String)> =
                vec![("Cache-Control".into(), "no-cache".into())];
            if !body.is_empty() {
                headers.push(("Content-Type".into(), "application/json".into()));
            }
            let http = HttpRequest { method, target: path, headers, body: body.into_bytes() };
            Ok(Request { route: target.name, service: None, weight: target.weight, http })
        }
        _ => Err(format!(
            "{} is not asked of the gateway: write 'GET /path', as for micronet load",
            target.name
        )),
    });
    requests.collect()
}

/// The reads of a service that can be asked without knowing anything else: what stands in their paths has an example in the schema.
/// They are asked as the operator, so that no limit of rate is measured.
pub(super) fn reads(schema: &ServiceSchema, token: &str) -> Vec<Request> {
    let read = |method: &Method| {
        let binding = method.paths().find(|binding| binding.method == "GET")?;
        let is_ours = matches!(method.access, Access::Service | Access::Services { .. });
        if method.shape != CallShape::Unary || !method.is_idempotent() || is_ours {
            return None;
        }
        let target = filled(schema, method, &binding.path)?;
        let headers = vec![("Authorization".into(), format!("Bearer {token}"))];
        let http = HttpRequest { method: "GET", target, headers, body: Vec::new() };
        let service = Some(schema.name.clone());
        Some(Request { route: format!("GET {}", http.target), service, weight: 1, http })
    };
    schema.methods.iter().filter_map(read).collect()
}

/// Those of these that one of a service's instances answers as it should, at most so many.
pub(super) async fn tried(
    gateway: &HostPort,
    requests: Vec<Request>,
    is_instance: impl Fn(&str) -> bool,
    count_max: usize,
) -> Vec<Request> {
    let mut channel = HttpChannel::unforgiving(gateway.clone(), Duration::from_millis(TRY_MS_MAX));
    let mut good = Vec::new();
    for request in requests {
        if good.len() == count_max {
            break;
        }
        match channel.exchange(&request.http).await {
            Ok(answer) if answer.status < 300 && answer.instance.as_deref().is_some_and(&is_instance) => {
                good.push(request);
            }
            Ok(answer) => tracing::debug!(route = request.route, answer.status, "not asked in a drill"),
            Err(error) => tracing::debug!(route = request.route, %error, "not asked in a drill"),
        }
    }
    good
}

/// A path in which examples stand for fields; none where one is missing.
fn filled(schema: &ServiceSchema, method: &Method, path: &str) -> Option<String> {
    let Some(Type::Struct { fields, .. }) = schema.type_at(method.request) else {
        return (!path.contains('{')).then(|| path.to_owned());
    };
    let segments = path.split('/').map(|segment| {
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return Some(segment.to_owned());
        };
        let field = fields.iter().find(|field| field.name == name)?;
        let example: serde_json::Value = serde_json::from_str(&field.example).ok()?;
        match example {
            serde_json::Value::String(text) => Some(percent_encoded(&text)),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    });
    Some(segments.collect::<Option<Vec<String>>>()?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::control_schema;

    #[test]
    fn reads_are_found_by_their_examples() {
        let routes: Vec<String> = reads(&control_schema(), "token")
            .into_iter()
            .map(|request| {
                assert_eq!((request.http.method, request.service.as_deref()), ("GET", Some("control")));
                request.route
            })
            .collect();
        assert!(routes.contains(&"GET /api/v1/control/faults".to_owned()), "{routes:?}");
        // No streams, nothing that changes anything, and no path of which something is missing.
        for missing in ["follow", "recover", "{", "/faults/"] {
            assert!(!routes.iter().any(|route| route.contains(missing)), "{missing}: {routes:?}");
        }
    }

    #[test]
    fn what_is_named_is_asked_of_the_gateway_by_anybody() {
        let requests = named(&["3:/products/Tux".into(), r#"POST /orders {"name":"Tux"}"#.into()]).unwrap();
        let seen: Vec<(&str, u32, usize)> = requests
            .iter()
            .map(|request| (&*request.route, request.weight, request.http.headers.len()))
            .collect();
        assert_eq!(seen, [("GET /products/Tux", 3, 1), ("POST /orders", 1, 2)]);
        assert!(
            requests.iter().all(|request| request
                .http
                .headers
                .iter()
                .all(|(name, _)| name != "Authorization"))
        );
        for wrong in ["rpc:product.query", "http://example.com/", "products"] {
            assert!(named(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
