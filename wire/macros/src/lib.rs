//! The `#[service]` and `#[derive(Message)]` macros of `micronet-wire`.
