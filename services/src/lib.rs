//! The applications: each service is `api.rs`, `service.rs` and `store.rs`.
//!
//! `api.rs` is what others may know of a service: its trait and messages. `service.rs` has the handlers, and starts it.
//! `store.rs` owns its data and its SQL. A new service is these three files, and its name here.

pub mod calls;
pub mod database;
pub mod demo;
pub mod run;

/// The order service: buying, exactly once.
pub mod order {
    pub mod api;
    pub mod service;
    pub mod store;
}

/// The product service: the catalog and its stock.
pub mod product {
    pub mod api;
    pub mod service;
    pub mod store;
}

/// All services, in the order in which they start: each comes after those that it calls.
pub const ALL: &[run::Definition] = &[product::service::DEFINITION, order::service::DEFINITION];
