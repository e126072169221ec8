//! The product service: the catalog and its stock.

pub mod api;
pub mod service;
pub mod store;
