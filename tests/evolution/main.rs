//! Two builds of one service, each calling the other over TCP: what changed between them is adapted by name, and what can't be is
//! refused in words (SPEC 10.10 to 10.12).
//!
//! `v1.rs` and `v2.rs` define the same service as it was and as it became; everything that may happen to a schema happens
//! between them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod backward;
mod forward;
mod gateway;
mod network;
mod rolling;
mod v1;
mod v2;
