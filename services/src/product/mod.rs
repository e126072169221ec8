//! The product service: the catalog and its stock.

pub mod store;
