//! A gateway's HTTP, for commands that ask it one thing after another.

use std::fmt;

use serde_json::Value;

use crate::address::HostPort;
use crate::error::CommandError;
use crate::load::engine::Channel;
use crate::load::http::{HttpAnswer, HttpChannel, HttpRequest};
use crate::shop::front::not_reached;

/// A way to a gateway.
#[derive(Debug)]
pub(crate) struct Front {
    at: HostPort,
    channel: HttpChannel,
}

/// What the envelope of a failure says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Value,
    /// By which `micronet why` finds the request; `None` where the answer has none.
    pub(crate) request_id: Option<String>,
}

impl Front {
    /// Nothing is connected yet.
    pub(crate) fn new(at: HostPort) -> Self {
        Self { channel: HttpChannel::new(at.clone()), at }
    }

    /// Asks, and gives the answer whatever its status is.
    pub(crate) async fn ask(
        &mut self,
        method: &'static str,
        target: &str,
        bearer: Option<&str>,
        body: Option<&Value>,
    ) -> Result<HttpAnswer, CommandError> {
        let mut request =
            HttpRequest { method, target: target.to_owned(), headers: Vec::new(), body: Vec::new() };
        if let Some(token) = bearer {
            request.headers.push(("Authorization".into(), format!("Bearer {token}")));
        }
        if let Some(body) = body {
            request.headers.push(("Content-Type".into(), "application/json".into()));
            request.body = body.to_string().into_bytes();
        }
        self.send(&request).await
    }

    /// Sends a request as it stands.
    pub(crate) async fn send(&mut self, request: &HttpRequest) -> Result<HttpAnswer, CommandError> {
        self.channel.exchange(request).await.map_err(|error| not_reached(&self.at, "--at", &error))
    }
}

/// What an answer's envelope holds.
pub(crate) fn data(answer: &HttpAnswer) -> Result<Value, Refused> {
    let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if (200..300).contains(&answer.status) && envelope["success"] == true {
        return Ok(envelope["data"].clone());
    }
    let error = &envelope["error"];
    Err(Refused {
        status: answer.status,
        code: error["code"].as_str().unwrap_or("an answer without micronet's envelope").to_owned(),
        message: error["message"].as_str().unwrap_or("is this micronet's gateway?").to_owned(),
        details: error["details"].clone(),
        request_id: envelope["meta"]["request_id"].as_str().map(str::to_owned),
    })
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
