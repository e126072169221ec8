//! The gateway: HTTP/1.1 in front, micronet's RPC behind.
//!
//! The life of a request: [`accept`] takes the connection, `transport`'s `http_server` reads the request, and `proxy` answers
//! it for a [`visitor`]: `wire`'s `rest` finds the method that is bound to its path and makes the request a call, `proxy` picks an instance and
//! calls it, and `rest` makes an answer of what comes back. All routes come from the schemas that the services themselves serve:
//! this crate links none of them.
//!
//! The gateway is a service too: [`api`] says what may be asked of it, and `control` answers, over HTTP as well as on its RPC port.

pub mod accept;
mod access_log;
pub mod api;
pub mod audit;
mod cache;
pub mod config;
mod control;
mod cors;
mod dashboard;
mod echo;
pub mod l4;
mod proxy;
pub mod rates;
pub mod redirect;
pub mod settings;
pub mod stats;
mod streams;
mod targets;
pub mod visitor;
mod watch;
pub mod websocket;

#[cfg(test)]
mod tests;
