//! The messages of the order service's streams.

use micronet_wire::schema::{Message, Timestamp};

use super::OrderChange;

/// Asks to hear of orders as they come and change.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// What happened after this event; without it, from now on.
    pub after: Option<u64>,
    /// Only what happens to the order of this number.
    #[field(min = 1, max = 9_223_372_036_854_775_807)]
    pub order_num: Option<u64>,
}

/// Something has happened; or nothing else has, up to an event.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OrderNews {
    /// All up to this event has been told: the `after` that leads on from here.
    pub through: u64,
    /// What has happened, by the event `through`; without it nothing has that was not told.
    pub change: Option<OrderChange>,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// Where nothing has happened: the oldest event that is still there, 0 without any. Whoever asked for those after one that
    /// comes before it may have missed some.
    pub oldest: Option<u64>,
}
