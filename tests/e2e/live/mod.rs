//! The feed of a dashboard: what a client of WebSocket reads at the gateway while the network is operated, and breaks.

mod alerts;
mod changes;
mod reader;
mod roles;
mod slow;
