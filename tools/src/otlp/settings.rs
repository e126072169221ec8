//! Where spans go, by the environment variables that OpenTelemetry has for it.

use std::time::Duration;

use crate::address::HostPort;
use crate::error::CommandError;

type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What the variables' names begin with.
const PREFIX: &str = "OTEL_";
/// The port of OTLP over HTTP.
const PORT: u16 = 4318;

/// Where spans go, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OtlpConfig {
    /// The collector.
    pub(super) server: HostPort,
    /// The path of its traces.
    pub(super) target: String,
    /// Headers beside those that each request has.
    pub(super) headers: Vec<(String, String)>,
    /// How long an answer may take.
    pub(super) patience: Duration,
    /// How long spans are gathered.
    pub(super) delay: Duration,
    /// Records that are sent at once.
    pub(super) batch_max: usize,
    /// The service's name, where another one was chosen.
    pub(super) service_name: Option<String>,
    /// What else is said of the process.
    pub(super) attributes: Vec<(String, String)>,
}

impl OtlpConfig {
    /// What the environment says; `None` where no spans are wanted.
    pub(crate) fn of(environment: Environment<'_>) -> Result<Option<Self>, CommandError> {
        let given = |name: &str| {
            let value = environment(&format!("{PREFIX}{name}"))?;
            Some(value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        // Those of traces go before those of everything.
        let of_traces = |name: &str| {
            let own = given(&format!("EXPORTER_OTLP_TRACES_{name}"));
            own.or_else(|| given(&format!("EXPORTER_OTLP_{name}")))
        };
        let is_off = given("SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || given("TRACES_EXPORTER").is_some_and(|value| value == "none");
        let own = given("EXPORTER_OTLP_TRACES_ENDPOINT");
        let base =
            given("EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
        let Some(endpoint) = own.or(base).filter(|_| !is_off) else { return Ok(None) };
        if let Some(protocol) = of_traces("PROTOCOL").filter(|protocol| protocol != "http/protobuf") {
            return Err(CommandError::usage(format!("spans can't be sent by {protocol:?}"))
                .next("set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, and the endpoint to the collector's port 4318"));
        }
        let (server, target) = server_and_target(&endpoint)?;
        let milliseconds = |name: &str, value: Option<String>, default: u64| {
            let Some(value) = value else { return Ok(Duration::from_millis(default)) };
            value.parse().map(Duration::from_millis).map_err(|_| {
                CommandError::usage(format!(
                    "OTEL_{name} is {value:?}, and has to be a number of milliseconds"
                ))
            })
        };
        Ok(Some(Self {
            server,
            target,
            headers: pairs(&of_traces("HEADERS").unwrap_or_default()),
            patience: milliseconds("EXPORTER_OTLP_TIMEOUT", of_traces("TIMEOUT"), 10_000)?,
            delay: milliseconds("BSP_SCHEDULE_DELAY", given("BSP_SCHEDULE_DELAY"), 5_000)?,
            batch_max: given("BSP_MAX_EXPORT_BATCH_SIZE")
                .and_then(|value| value.parse().ok())
                .unwrap_or(512)
                .max(1),
            service_name: given("SERVICE_NAME"),
            attributes: pairs(&given("RESOURCE_ATTRIBUTES").unwrap_or_default()),
        }))
    }
}

fn server_and_target(endpoint: &str) -> Result<(HostPort, String), CommandError> {
    let refused = |why: &str| {
        CommandError::usage(format!("spans can't be sent to {endpoint:?}: {why}"))
            .next("set OTEL_EXPORTER_OTLP_ENDPOINT to a collector on this machine or in this network: http://HOST:4318")
    };
    if endpoint.starts_with("https://") {
        return Err(refused("TLS to a collector is not there; one beside this process can carry them on"));
    }
    let rest = endpoint.strip_prefix("http://").ok_or_else(|| refused("it is no http:// URL"))?;
    let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let server = HostPort::parse(server, Some(PORT)).map_err(|error| refused(&error.to_string()))?;
    let target = if path.is_empty() { "/" } else { path };
    Ok((server, target.to_owned()))
}

/// A list as W3C Baggage has it: `NAME=VALUE,…`, percent-encoded.
fn pairs(list: &str) -> Vec<(String, String)> {
    let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
    let decoded = |text: &str| {
        let text = text.trim();
        micronet_wire::http1::decode_component(text)
            .map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
    };
    pairs
        .map(|(name, value)| (name.trim().to_owned(), decoded(value)))
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[(&str, &str)]) -> Result<Option<OtlpConfig>, CommandError> {
        OtlpConfig::of(&|name| {
            given.iter().find(|(each, _)| *each == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn place(given: &[(&str, &str)]) -> String {
        let config = of(given).unwrap().expect("spans are wanted");
        format!("{}{}", config.server, config.target)
    }

    #[test]
    fn the_endpoint_is_everybodys_or_that_of_traces() {
        const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(place(&[(BASE, "http://localhost")]), "localhost:4318/v1/traces");
        assert_eq!(place(&[(BASE, "http://a:1/x/")]), "a:1/x/v1/traces");
        assert_eq!(place(&[(BASE, "http://a:1"), (TRACES, "http://b:2/t")]), "b:2/t");
        assert_eq!(place(&[(TRACES, "http://b:2")]), "b:2/");
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(of(&[(BASE, "http://localhost"), off]).unwrap(), None);
        }
        for wrong in ["https://a", "a:4318", "http://", "http://a:b"] {
            assert!(of(&[(BASE, wrong)]).is_err(), "{wrong}");
        }
        assert!(of(&[(BASE, "http://a"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).is_err());
        assert!(of(&[(BASE, "http://a"), ("OTEL_BSP_SCHEDULE_DELAY", "soon")]).is_err());
    }

    #[test]
    fn headers_and_attributes_are_lists() {
        let config = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x = y ,z"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "100"),
        ]);
        let config = config.unwrap().unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(config.headers, [pair("api-key", "a b"), pair("x", "y")]);
        assert_eq!(config.attributes, [pair("deployment.environment.name", "test")]);
        assert_eq!((config.patience, config.batch_max), (Duration::from_millis(100), 512));
    }
}
