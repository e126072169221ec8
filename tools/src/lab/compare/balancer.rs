//! The gateway's balancer of the nodes: which algorithm it goes by, asked and set over HTTP.

use serde_json::{Value, json};

use crate::address::HostPort;
use crate::data_folder::OperatorToken;
use crate::error::CommandError;
use crate::load::engine::Channel;
use crate::load::http::{HttpChannel, HttpRequest};

const TARGET: &str = "/api/v1/balancer/node";

/// The operator's way to the balancer.
#[derive(Debug)]
pub(super) struct Balancer {
    front: HostPort,
    channel: HttpChannel,
    authorization: Option<String>,
}

impl Balancer {
    /// The balancer of the gateway at this address.
    pub(super) fn of_gateway(front: &HostPort, token: Option<&OperatorToken>) -> Self {
        Self {
            front: front.clone(),
            channel: HttpChannel::new(front.clone()),
            authorization: token.map(|token| format!("Bearer {}", token.text())),
        }
    }

    /// The name of the algorithm that is set.
    pub(super) async fn algorithm(&mut self) -> Result<String, CommandError> {
        let answer = self.ask("GET", Vec::new()).await?;
        answer["data"]["algorithm"].as_str().map(str::to_owned).ok_or_else(|| {
            CommandError::new(format!("the gateway at {} doesn't say how it balances", self.front))
        })
    }

    /// Sets the algorithm of this name.
    pub(super) async fn set(&mut self, algorithm: &str) -> Result<(), CommandError> {
        let body = json!({ "algorithm": algorithm }).to_string();
        self.ask("PUT", body.into_bytes()).await.map(|_| ())
    }

    async fn ask(&mut self, method: &'static str, body: Vec<u8>) -> Result<Value, CommandError> {
        let mut headers = Vec::new();
        if let Some(authorization) = &self.authorization {
            headers.push(("Authorization".into(), authorization.clone()));
        }
        if !body.is_empty() {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        let request = HttpRequest { method, target: TARGET.into(), headers, body };
        let answer = self.channel.exchange(&request).await.map_err(|error| {
            CommandError::new(format!("the gateway at {} did not answer: {error}", self.front))
        })?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == 200 {
            return Ok(body);
        }
        let error = &body["error"];
        let (code, words) = (error["code"].as_str().unwrap_or("?"), error["message"].as_str().unwrap_or("?"));
        Err(CommandError::new(format!(
            "{method} {TARGET} at {}: {} {code}: {words}",
            self.front, answer.status
        )))
    }
}
