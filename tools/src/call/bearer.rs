//! A call on behalf of who has signed in: over HTTP through the gateway, which knows whose token it is. Where the methods are is read
//! from the gateway's own description of them.

use std::process::ExitCode;

use micronet_wire::error::Code;
use serde_json::{Map, Value};

use super::failed::{exit_code, way};
use super::{fresh_token, request};
use crate::config::{CallConfig, Request};
use crate::error::CommandError;
use crate::load::http::{HttpAnswer, HttpRequest};
use crate::logins::front::{self, Front};
use crate::shop;
use crate::shop::request::percent_encoded;
use crate::suggest::did_you_mean;
use crate::terminal;

/// Makes the call with this access token, and prints its answer.
pub(super) async fn call(config: &CallConfig, token: &str) -> Result<ExitCode, CommandError> {
    let at = shop::front::find(config.at.as_ref(), &config.callee.data)?;
    let mut front = Front::new(at);
    let answer = front.ask("GET", "/openapi.json", None, None).await?;
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let service = &config.callee.service;
    let Some(method) = &config.method else {
        let names =
            operations(&document).filter(|operation| operation.id.starts_with(&format!("{service}.")));
        let lines: Vec<String> =
            names.map(|found| format!("{}  {} {}", found.id, found.method, found.path)).collect();
        terminal::say(&lines.join("\n"));
        return Ok(ExitCode::SUCCESS);
    };
    let called = format!("{service}.{method}");
    let Some(operation) = operations(&document).find(|operation| operation.id == called) else {
        let meant = did_you_mean(&called, operations(&document).map(|operation| operation.id));
        return Err(CommandError::usage(format!("the gateway has no {called}{meant}"))
            .next(format!("see what there is: micronet call {service}")));
    };
    if config.describe || config.repeat.is_some() || config.verbose || !config.metadata.is_empty() {
        return Err(CommandError::usage(
            "a call with a bearer's token goes over HTTP: it has no frames to show",
        )
        .next("leave --describe, --repeat, --verbose and --metadata out, or call an instance: --anonymous"));
    }
    if operation.described["responses"]["200"]["content"].get("text/event-stream").is_some() {
        return Err(CommandError::usage(format!(
            "{called} gives many replies: that goes straight to an instance"
        ))
        .next("leave the bearer's token out"));
    }
    let request = http_request(config, &document, &operation, token)?;
    let sent = tokio::time::timeout(config.callee.deadline, front.send(&request)).await;
    let answer = sent.map_err(|_| {
        CommandError::new(format!("{called}: no answer came within the deadline"))
            .with_exit_code(exit_code(Code::DeadlineExceeded))
    })??;
    told(config, &called, &answer)
}

/// A place of a method in the gateway's description.
struct Operation<'d> {
    id: &'d str,
    method: &'static str,
    path: &'d str,
    described: &'d Value,
}

fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.filter_map(move |(method, described)| {
            let method = ["GET", "POST", "PUT", "PATCH", "DELETE"]
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(method))?;
            Some(Operation { id: described["operationId"].as_str()?, method, path, described })
        })
    })
}

fn http_request(
    config: &CallConfig,
    document: &Value,
    operation: &Operation<'_>,
    token: &str,
) -> Result<HttpRequest, CommandError> {
    let mut fields = fields(config, document, operation)?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut target = String::new();
    for segment in operation.path.split('/').skip(1) {
        let named = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        let segment = match named {
            None => segment.to_owned(),
            Some(name) => {
                let value = fields
                    .remove(name)
                    .ok_or_else(|| CommandError::usage(format!("the request: {name}: it must be given")))?;
                percent_encoded(&text(&value))
            }
        };
        target = format!("{target}/{segment}");
    }
    let mut headers = vec![("Authorization".into(), format!("Bearer {token}"))];
    let mut body = Vec::new();
    if matches!(operation.method, "GET" | "DELETE") {
        let query: Vec<String> = fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(&text(value))))
            .collect();
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
    } else {
        headers.push(("Content-Type".into(), "application/json".into()));
        body = Value::Object(fields).to_string().into_bytes();
    }
    if operation.method != "GET" {
        headers.push(("Idempotency-Key".into(), config.token.clone().unwrap_or_else(fresh_token)));
    }
    Ok(HttpRequest { method: operation.method, target, headers, body })
}

/// The fields of the request.
fn fields(
    config: &CallConfig,
    document: &Value,
    operation: &Operation<'_>,
) -> Result<Map<String, Value>, CommandError> {
    if config.file.is_some() || config.count.is_some() {
        return Err(CommandError::usage("a stream goes straight to an instance, without a bearer's token"));
    }
    let text = match &config.request {
        Request::Fields(written) => {
            request::of_fields(written, |name, value| as_described(document, operation, name, value))?
        }
        other => request::text(other)?,
    };
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&text).map_err(|error| CommandError::usage(format!("the request: {error}")))
}

/// A value as JSON: as it is written, unless the description says that it is a text.
fn as_described(document: &Value, operation: &Operation<'_>, name: &str, value: &str) -> String {
    let resolved = |schema: &'_ Value| -> Value {
        let pointer = schema["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
        pointer.and_then(|at| document.pointer(at)).unwrap_or(schema).clone()
    };
    let body = resolved(&operation.described["requestBody"]["content"]["application/json"]["schema"]);
    let kind = resolved(&body["properties"][name]);
    let is_text = kind["type"].as_str().is_none_or(|kind| kind == "string");
    if is_text || serde_json::from_str::<Value>(value).is_err() {
        Value::from(value).to_string()
    } else {
        value.to_owned()
    }
}

/// Prints the answer, or says why there is none.
fn told(config: &CallConfig, called: &str, answer: &HttpAnswer) -> Result<ExitCode, CommandError> {
    let text = String::from_utf8_lossy(&answer.body);
    match front::data(answer) {
        Ok(data) => {
            let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let page = envelope.get("pagination");
            let data = match page {
                Some(page) => serde_json::json!({ "items": data, "pagination": page }),
                None => data,
            };
            terminal::say(&data.to_string());
            Ok(ExitCode::SUCCESS)
        }
        Err(_) if (200..300).contains(&answer.status) => {
            terminal::say(text.trim_end_matches('\n'));
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => {
            let known = Code::ALL.iter().find(|code| code.name() == refused.code);
            let kind = match (known, refused.status) {
                (Some(code), _) => exit_code(*code),
                (None, 400 | 404..=406 | 422) if refused.details.is_null() => 4,
                (None, 400 | 422) => 4,
                (None, 400..500) => exit_code(Code::Application),
                (None, _) => exit_code(Code::Internal),
            };
            if config.json {
                terminal::say(text.trim_end());
                return Ok(ExitCode::from(kind));
            }
            let details = match &refused.details {
                Value::Null => String::new(),
                Value::Object(none) if none.is_empty() => String::new(),
                details => format!("\n{details}"),
            };
            let failure = CommandError::new(format!("{called}: {refused}{details}")).with_exit_code(kind);
            Err(match &refused.request_id {
                Some(id) => failure.next(way(id)),
                None => failure,
            })
        }
    }
}
