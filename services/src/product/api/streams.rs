//! The messages of the product service's streams.

use micronet_wire::schema::{Message, Timestamp};

use super::ProductChange;

/// Asks to hear of changes as they happen.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// Those after this event; without it, from now on.
    pub after: Option<u64>,
    /// Only those of this product: its name now, or its number.
    #[field(min = 1, max = 200, example = "Tux")]
    pub product: Option<String>,
}

/// Something has changed; or nothing else has, up to an event.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ProductNews {
    /// All up to this event has been told: the `after` that leads on from here.
    pub through: u64,
    /// What has changed, by the event `through`; without it nothing has that was not told.
    pub change: Option<ProductChange>,
    /// When it changed.
    pub at: Option<Timestamp>,
    /// Where nothing has changed: the oldest event that is still there, 0 without any. Whoever asked for those after one that
    /// comes before it may have missed some.
    pub oldest: Option<u64>,
}

/// What became of products that were uploaded.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// Products that are new.
    pub created: u64,
    /// Products that were on sale before, and have another price or stock now.
    pub updated: u64,
    /// Products that were like that already.
    pub unchanged: u64,
    /// Products that were refused.
    pub refused: u64,
    /// Which, and why; the first 100.
    pub refusals: Vec<Refusal>,
}

/// A product that was refused.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its place among all that came, from 0.
    pub index: u64,
    /// What is wrong with it.
    pub reason: String,
}
