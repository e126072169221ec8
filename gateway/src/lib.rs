//! The gateway: HTTP/1.1 in front, micronet's RPC behind.
//!
//! The life of a request, a file a step: [`accept`] takes the connection, [`http`] reads the request, [`route`] finds the
//! method that is bound to its path, [`caller`] says who asks, [`proxy`] picks an instance, transcodes by that instance's
//! schema and calls it, and [`respond`] writes the answer. All routes come from the schemas that the services themselves
//! serve: this crate links none of them.

pub mod accept;
pub mod caller;
pub mod config;
pub mod http;
pub mod proxy;
pub mod request_id;
pub mod respond;
pub mod route;

#[cfg(test)]
mod tests;
