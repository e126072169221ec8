//! The order service: buying, exactly once.

pub mod api;
pub mod service;
pub mod store;
