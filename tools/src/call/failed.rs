//! Why a call failed: in words or as JSON, and by an exit code that says of which kind it is.

use std::process::ExitCode;

use bytes::BytesMut;
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::faults::{FaultCode, Faults};
use micronet_wire::rest::{Answer, refused};
use micronet_wire::schema::{Method, ServiceSchema, Type, TypeRef};
use micronet_wire::transcode::to_json;

use crate::error::CommandError;
use crate::suggest::did_you_mean;
use crate::terminal;

/// The exit code of a call that failed so. `micronet call --help` says the same.
pub(crate) fn exit_code(code: Code) -> u8 {
    match code {
        Code::Application => 3,
        Code::UnknownMethod
        | Code::UnknownEncoding
        | Code::BadRequest
        | Code::InvalidInput
        | Code::MessageTooLarge
        | Code::SchemaMismatch
        | Code::TokenReused
        | Code::TokenMissing
        | Code::TokenWithdrawn => 4,
        Code::Unauthenticated
        | Code::InsufficientPermissions
        | Code::InvalidCredentials
        | Code::TokenExpired
        | Code::BadProof
        | Code::TlsRequired
        | Code::WrongIdentity => 5,
        Code::Unavailable
        | Code::Overloaded
        | Code::Draining
        | Code::RateLimitExceeded
        | Code::WrongCluster
        | Code::Version
        | Code::Capability => 6,
        Code::DeadlineExceeded => 7,
        Code::ConnectionLost
        | Code::Silent
        | Code::Protocol
        | Code::Checksum
        | Code::FrameTooLarge
        | Code::CreditExceeded
        | Code::Cancelled => 8,
        Code::Internal | Code::Database | Code::External => 9,
    }
}

/// Says why a call failed, and by which id its way can be asked for.
pub(super) fn failed(
    json: bool,
    schema: &ServiceSchema,
    method: &Method,
    request_id: &str,
    error: &RpcError,
) -> Result<ExitCode, CommandError> {
    if json {
        return Ok(in_json(&refused(schema, method, error), Some(request_id), exit_code(error.code)));
    }
    let called = format!("{}.{}", schema.name, method.name);
    let own = schema.error_variant(method, &error.detail).filter(|_| error.code == Code::Application);
    let words = match own.zip(method.error) {
        None => {
            let faults = Faults::of(error).unwrap_or_default();
            format!("{called}: {error}{}", listed(&faults, schema, method))
        }
        Some((variant, of)) => {
            let mut json = BytesMut::new();
            to_json(schema, of, &error.detail, &mut json)
                .map_err(|error| CommandError::new(format!("the error can't be shown: {error}")))?;
            let detail = String::from_utf8_lossy(&json);
            format!("{called}: {}: {}\n{detail}", variant.error_code(), error.message)
        }
    };
    let advice = advice(error).map_or_else(String::new, |advice| format!("{advice}\n  "));
    let next = format!("{advice}{}", way(request_id));
    Err(CommandError::new(words).with_exit_code(exit_code(error.code)).next(next))
}

/// How to see which way a call went.
pub(super) fn way(request_id: &str) -> String {
    format!("see the way it went: micronet why {request_id}")
}

/// Whether to try again, where that may help (SPEC.md 8.3).
fn advice(error: &RpcError) -> Option<String> {
    let after = match error.retry_after_ms {
        0 => String::new(),
        ms => format!(", after {ms} ms"),
    };
    match error.retry {
        Retry::Never => None,
        // What the service owns as its mistake, it would make again.
        Retry::MaybeExecuted if matches!(error.code, Code::Internal | Code::Cancelled) => None,
        Retry::NeverStarted => Some(format!("it was not started, and may be sent again{after}")),
        Retry::MaybeExecuted => Some(format!(
            "it may have been done: a repeat with the same --token does no harm{after}; `micronet outcome` tells what \
             became of it"
        )),
    }
}

/// A failure as a script reads it, on stdout: `{"success":false,"error":{…},"meta":{"request_id":…}}`, as HTTP answers it; without
/// `meta` where no call was made.
pub(super) fn in_json(answer: &Answer, request_id: Option<&str>, exit_code: u8) -> ExitCode {
    let meta = request_id.map_or_else(String::new, |id| format!(r#","meta":{{"request_id":"{id}"}}"#));
    terminal::say(&format!("{}{meta}}}", String::from_utf8_lossy(answer.body())));
    ExitCode::from(exit_code)
}

/// What is wrong with a request, a line each; nothing when the error's own words say it all.
pub(super) fn listed(faults: &Faults, schema: &ServiceSchema, method: &Method) -> String {
    let hint = |field: &str| {
        let (parent, name) = field.rsplit_once('.').unwrap_or(("", field));
        did_you_mean(name, fields_at(schema, method.request, parent))
    };
    let line = |fault: &micronet_wire::faults::Fault| {
        let hint = if fault.code == FaultCode::Unknown.name() { hint(&fault.field) } else { String::new() };
        (fault.to_string(), hint)
    };
    match faults.list() {
        [] => String::new(),
        [one] => line(one).1,
        list => list.iter().map(line).map(|(fault, hint)| format!("\n  {fault}{hint}")).collect(),
    }
}

/// The fields of what stands at a path, as `items[3].product`; none where it is no struct.
fn fields_at<'s>(schema: &'s ServiceSchema, of: TypeRef, path: &str) -> Vec<&'s str> {
    let mut at = of;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let name = name.split('[').next().unwrap_or(name);
        let Some(Type::Struct { fields, .. }) = schema.type_at(item(schema, at)) else { return Vec::new() };
        match fields.iter().find(|field| field.name == name) {
            Some(field) => at = field.of,
            None => return Vec::new(),
        }
    }
    match schema.type_at(item(schema, at)) {
        Some(Type::Struct { fields, .. }) => fields.iter().map(|field| field.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// What an option, a list or a map holds in the end.
fn item(schema: &ServiceSchema, of: TypeRef) -> TypeRef {
    let mut at = of;
    while let Some(Type::Option { item } | Type::List { item } | Type::Map { value: item, .. }) =
        schema.type_at(at)
    {
        at = *item;
    }
    at
}

#[cfg(test)]
mod tests {
    use micronet_services::product::api::product_schema;

    use super::*;

    #[test]
    fn fields_are_found_by_their_path() {
        let schema = product_schema();
        let query = schema.method_named("query").unwrap();
        assert_eq!(fields_at(&schema, query.request, ""), ["name"]);
        let inventory = schema.method_named("inventory").unwrap();
        assert!(fields_at(&schema, inventory.reply, "products[3]").contains(&"quantity"));
        assert_eq!(fields_at(&schema, inventory.reply, "nothing.there"), Vec::<&str>::new());
    }

    #[test]
    fn every_code_is_of_a_kind() {
        for code in Code::ALL {
            assert!((3..=9).contains(&exit_code(*code)), "{code}");
        }
    }
}
