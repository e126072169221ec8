//! The applications: each service is `api.rs`, `service.rs` and `store.rs`.
//!
//! `api.rs` is what others may know of a service: its trait and messages. `service.rs` has the handlers, and starts it.
//! `store.rs` owns its data and its SQL. A new service is these three files, and its name here.

pub mod calls;
pub mod database;
pub mod demo;
pub mod events;
pub mod once;
pub mod outcomes;
pub mod paging;
pub mod redis_url;
pub mod remembered;
pub mod run;
pub mod store;
#[cfg(test)]
mod stored_tests;
pub mod together;
pub mod underway;

/// Names the services: each is a module of three files, and a place in [`ALL`].
macro_rules! services {
    ($($name:ident),* $(,)?) => {
        $(
        #[doc = concat!("The ", stringify!($name), " service; its `api` says what it is.")]
        pub mod $name {
            pub mod api;
            pub mod service;
            pub mod store;
        })*

        /// All services, in the order in which they start: each comes after those that it can't do without.
        pub const ALL: &[run::Definition] = &[$($name::service::DEFINITION),*];
    };
}

services! {
    auth,
    user,
    product,
    order,
    node,
}
