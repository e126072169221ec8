//! Fills the stock up before it is sold, where the service and the operator's token allow it.

use serde_json::Value;

use crate::address::HostPort;
use crate::data_folder::OperatorToken;
use crate::load::engine::Channel;
use crate::load::http::HttpChannel;
use crate::shop::answer::Answer;
use crate::shop::request::{self, Keys};

/// Error codes of a gateway to which nobody has told of such a method.
const NO_ROUTE_PREFIXES: [&str; 2] = ["ROUTE_", "METHOD_"];

/// What came of filling up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Restocked {
    /// So many pieces were added.
    Pieces(u64),
    /// It was not possible, for this reason.
    Not(String),
}

/// The operator, who adds pieces.
#[derive(Debug)]
pub(super) struct Restocker {
    channel: HttpChannel,
    token: Option<String>,
    keys: Keys,
    outcome: Restocked,
}

impl Restocker {
    /// An operator with this token, if there is one.
    pub(super) fn new(front: &HostPort, token: Option<&OperatorToken>) -> Result<Self, getrandom::Error> {
        Ok(Self {
            channel: HttpChannel::new(front.clone()),
            token: token.map(|token| token.text().to_owned()),
            keys: Keys::from_system()?,
            outcome: Restocked::Pieces(0),
        })
    }

    /// Sees to it that there are at least so many of each product. What was not possible once is not tried again.
    pub(super) async fn fill(&mut self, products: &[String], least: u64) {
        for product in products {
            let Restocked::Pieces(added) = self.outcome else { return };
            self.outcome = match self.add_missing(product, least).await {
                Ok(pieces) => Restocked::Pieces(added + pieces),
                Err(why) => Restocked::Not(why),
            };
        }
    }

    /// What came of it so far.
    pub(super) fn outcome(&self) -> Restocked {
        self.outcome.clone()
    }

    async fn add_missing(&mut self, product: &str, least: u64) -> Result<u64, String> {
        let token = self.token.as_ref().ok_or("the data folder has no operator's token")?;
        let answer =
            self.channel.exchange(&request::query(product)).await.map_err(|error| error.to_string())?;
        let Answer::Toy { quantity, .. } = Answer::to_query(&answer) else { return Ok(0) };
        let missing = least.saturating_sub(quantity);
        if missing == 0 {
            return Ok(0);
        }
        let request = request::restock(product, missing, self.keys.next(), token);
        let answer = self.channel.exchange(&request).await.map_err(|error| error.to_string())?;
        let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = envelope["error"]["code"].as_str().unwrap_or("no reason given");
        match answer.status {
            200 | 201 => Ok(missing),
            404 | 405 if NO_ROUTE_PREFIXES.iter().any(|prefix| code.starts_with(prefix)) => {
                Err("this version of the service can't".into())
            }
            status => Err(format!("the answer was {status} {code}")),
        }
    }
}
