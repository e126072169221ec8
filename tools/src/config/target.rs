//! A target of `micronet load`, as it is typed: `70:GET /products/Tux`, `rpc:product.query {"name":"Tux"}`.

use crate::address::HostPort;
use crate::error::CommandError;

/// The methods of HTTP that are sent.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The port of a URL that names none (RFC 9110 section 4.2.1).
const HTTP_PORT: u16 = 80;
/// The largest weight, so that sums of them are far from overflowing.
const WEIGHT_MAX: u32 = 1_000_000;
/// The longest name of a target in results, in characters.
const NAME_CHARS_MAX: usize = 60;

/// What is asked, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// How it is called in results.
    pub(crate) name: String,
    /// How often it is asked, relative to others.
    pub(crate) weight: u32,
    /// What is asked.
    pub(crate) ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// An HTTP request.
    Http {
        /// The server; the gateway where none is named.
        server: Option<HostPort>,
        /// The method.
        method: &'static str,
        /// Path and query.
        path: String,
        /// The body; may be empty.
        body: String,
    },
    /// A call.
    Rpc {
        /// The instance; those of the running network where none is named.
        instance: Option<HostPort>,
        /// The service.
        service: String,
        /// The method's name within it.
        method: String,
        /// The request; may be empty where all of it is optional.
        json: String,
    },
}

impl Target {
    /// Reads a target.
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        let refuse = |why: &str| {
            CommandError::usage(format!("{text:?} is no target: {why}")).next(
                "write /PATH, 'METHOD /PATH BODY', http://HOST:PORT/PATH or 'rpc:SERVICE.METHOD JSON', and WEIGHT: \
                 before it where it has one",
            )
        };
        let (weight, rest) = weight(text.trim()).map_err(refuse)?;
        let ask = match rest.strip_prefix("rpc:") {
            Some(call) => rpc(call),
            None => http(rest),
        };
        let ask = ask.map_err(refuse)??;
        Ok(Self { name: ask.name(), weight, ask })
    }

    /// Reads all targets of a mix. Those of the same name are told apart by numbers.
    pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<Self>, CommandError> {
        let mut targets: Vec<Self> = Vec::with_capacity(texts.len());
        for text in texts {
            let mut target = Self::parse(text)?;
            let alike = targets.iter().filter(|other| other.ask.name() == target.name).count();
            if alike > 0 {
                target.name = format!("{} #{}", target.name, alike + 1);
            }
            targets.push(target);
        }
        Ok(targets)
    }

    /// A GET of a path at the gateway.
    pub(crate) fn get(path: String, weight: u32) -> Self {
        let ask = Ask::Http { server: None, method: "GET", path, body: String::new() };
        Self { name: ask.name(), weight, ask }
    }
}

impl Ask {
    fn name(&self) -> String {
        let name = match self {
            Self::Http { server: None, method, path, .. } => format!("{method} {path}"),
            Self::Http { server: Some(server), method, path, .. } => format!("{method} {server}{path}"),
            Self::Rpc { service, method, .. } => format!("rpc:{service}.{method}"),
        };
        match name.char_indices().nth(NAME_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name,
        }
    }
}

/// Takes the weight off the front.
fn weight(text: &str) -> Result<(u32, &str), &'static str> {
    match text.split_once(':') {
        Some((digits, rest)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let weight = digits.parse().ok().filter(|weight| (1..=WEIGHT_MAX).contains(weight));
            Ok((weight.ok_or("a weight is from 1 to 1000000")?, rest.trim_start()))
        }
        _ => Ok((1, text)),
    }
}

/// Reads `SERVICE.METHOD JSON` or `//HOST:PORT/SERVICE.METHOD JSON`.
fn rpc(text: &str) -> Result<Result<Ask, CommandError>, &'static str> {
    let (called, json) = first_word(text);
    let (instance, called) = match called.strip_prefix("//") {
        Some(url) => {
            let (authority, called) =
                url.split_once('/').ok_or("the method is missing behind the address")?;
            match HostPort::parse(authority, None) {
                Ok(instance) => (Some(instance), called),
                Err(error) => return Ok(Err(error)),
            }
        }
        None => (None, called),
    };
    let (service, method) = called.split_once('.').ok_or("the method is missing, as in rpc:product.query")?;
    if service.is_empty() || method.is_empty() {
        return Err("the method is missing, as in rpc:product.query");
    }
    Ok(Ok(Ask::Rpc {
        instance,
        service: service.to_owned(),
        method: method.to_owned(),
        json: json.to_owned(),
    }))
}

/// A method of HTTP.
pub(super) fn method(name: &str) -> Result<&'static str, CommandError> {
    METHODS.into_iter().find(|method| *method == name).ok_or_else(|| {
        CommandError::usage(format!("{name:?} is no method of HTTP that is sent"))
            .next(format!("use one of {}", METHODS.join(", ")))
    })
}

/// Reads `METHOD WHERE BODY` or `WHERE`.
fn http(text: &str) -> Result<Result<Ask, CommandError>, &'static str> {
    let (first, rest) = first_word(text);
    let (method, (place, body)) = match METHODS.into_iter().find(|method| *method == first) {
        Some(method) => (method, first_word(rest)),
        None => ("GET", (first, rest)),
    };
    let (server, path) = match url(place, "http")? {
        Ok(url) => url,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(Ask::Http { server, method, path: path.to_owned(), body: body.to_owned() }))
}

/// Reads `SCHEME://HOST:PORT/PATH`, or `/PATH` at a server that isn't named.
pub(super) fn url<'t>(
    text: &'t str,
    scheme: &str,
) -> Result<Result<(Option<HostPort>, &'t str), CommandError>, &'static str> {
    let (server, path) = match text.split_once("://") {
        Some((given, rest)) if given == scheme => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            match HostPort::parse(authority, Some(HTTP_PORT)) {
                Ok(server) => (Some(server), if path.is_empty() { "/" } else { path }),
                Err(error) => return Ok(Err(error)),
            }
        }
        Some(("https" | "wss", _)) => return Err("TLS is not there yet for HTTP"),
        _ if text.starts_with('/') => (None, text),
        _ => return Err("it has neither a path nor a URL"),
    };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("what is no visible ASCII stands percent-encoded in a path");
    }
    if path.contains('#') {
        return Err("a fragment is not sent");
    }
    Ok(Ok((server, path)))
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(server: Option<&str>, method: &'static str, path: &str, body: &str) -> Ask {
        let server = server.map(|text| HostPort::parse(text, None).unwrap());
        Ask::Http { server, method, path: path.into(), body: body.into() }
    }

    fn rpc(instance: Option<&str>, service: &str, method: &str, json: &str) -> Ask {
        let instance = instance.map(|text| HostPort::parse(text, None).unwrap());
        Ask::Rpc { instance, service: service.into(), method: method.into(), json: json.into() }
    }

    #[test]
    fn targets_are_read() {
        let check = |text: &str, weight: u32, name: &str, ask: Ask| {
            assert_eq!(Target::parse(text).unwrap(), Target { name: name.into(), weight, ask }, "{text:?}");
        };
        check("GET /products/Tux", 1, "GET /products/Tux", http(None, "GET", "/products/Tux", ""));
        check("/a?b=1:2", 1, "GET /a?b=1:2", http(None, "GET", "/a?b=1:2", ""));
        check("70:/a", 70, "GET /a", http(None, "GET", "/a", ""));
        let body = r#"{"name": "Tux"}"#;
        check(&format!("3: POST /orders {body}"), 3, "POST /orders", http(None, "POST", "/orders", body));
        let at = |method| http(Some("host:81"), method, "/x", "");
        check("http://host:81/x", 1, "GET host:81/x", at("GET"));
        check("DELETE http://host:81/x", 1, "DELETE host:81/x", at("DELETE"));
        check("http://host", 1, "GET host:80/", http(Some("host:80"), "GET", "/", ""));
        let query = rpc(None, "product", "query", body);
        check(&format!("rpc:product.query {body}"), 1, "rpc:product.query", query);
        check("9:rpc:node.hello", 9, "rpc:node.hello", rpc(None, "node", "hello", ""));
        let there = rpc(Some("host:8002"), "node", "hello", "");
        check("rpc://host:8002/node.hello", 1, "rpc:node.hello", there);
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "",
            "toystore",
            "GET",
            "FETCH /x",
            "0:/x",
            "1000001:/x",
            "rpc:product",
            "rpc:.query",
            "rpc://host/node.hello",
            "rpc://host:1",
            "https://host/x",
            "http://:1/x",
            "/ä",
            "/x#y",
        ] {
            assert!(Target::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn targets_of_the_same_name_are_told_apart() {
        let texts = ["POST /orders 1", "/x", "POST /orders 2", "POST /orders 3"].map(str::to_owned);
        let names: Vec<String> =
            Target::parse_all(&texts).unwrap().into_iter().map(|target| target.name).collect();
        assert_eq!(names, ["POST /orders", "GET /x", "POST /orders #2", "POST /orders #3"]);
        let long = format!("/{}", "x".repeat(100));
        assert_eq!(Target::parse(&long).unwrap().name.chars().count(), NAME_CHARS_MAX + 1);
    }
}
