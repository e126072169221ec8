//! The order service: the durable log of attempts to buy, and the orders that came of them.

pub mod store;
