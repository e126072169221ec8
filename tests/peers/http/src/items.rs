//! What is posted and answered, as JSON and as the message between gateway and echo.

use serde::{Deserialize, Serialize};

/// Where items are posted.
pub(crate) const PATH: &str = "/api/v1/bench/item";
const STATUS: &str = "accepted";
const NOTE: &str = "processed by backend";
/// Number, amount and flag of a message; the name follows.
const FIXED: usize = 17;

/// What a client posts.
#[derive(Deserialize)]
pub(crate) struct Posted<'a> {
    pub(crate) id: u64,
    #[serde(borrow)]
    pub(crate) name: &'a str,
    pub(crate) amount: f64,
    pub(crate) active: bool,
}

/// What it gets.
#[derive(Serialize)]
pub(crate) struct Item<'a> {
    pub(crate) id: u64,
    pub(crate) name: &'a str,
    pub(crate) amount: f64,
    pub(crate) active: bool,
    pub(crate) status: &'a str,
    pub(crate) note: &'a str,
}

impl Posted<'_> {
    /// Appends it as a message.
    pub(crate) fn write(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(&self.id.to_le_bytes());
        output.extend_from_slice(&self.amount.to_le_bytes());
        output.push(self.active.into());
        output.extend_from_slice(self.name.as_bytes());
    }

    /// What is answered where nothing needs to be asked.
    pub(crate) fn accepted(&self) -> Item<'_> {
        let Posted { id, name, amount, active } = *self;
        Item { id, name, amount, active, status: STATUS, note: NOTE }
    }
}

impl<'a> Item<'a> {
    /// Reads what came back of a message.
    pub(crate) fn read(message: &'a [u8]) -> Option<Self> {
        let (id, rest) = message.split_first_chunk()?;
        let (amount, _) = rest.split_first_chunk()?;
        Some(Self {
            id: u64::from_le_bytes(*id),
            name: std::str::from_utf8(message.get(FIXED..)?).ok()?,
            amount: f64::from_le_bytes(*amount),
            active: *message.get(FIXED - 1)? == 1,
            status: STATUS,
            note: NOTE,
        })
    }
}
