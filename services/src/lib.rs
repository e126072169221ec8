//! The applications: each service is api.rs, service.rs and store.rs.

pub mod database;
pub mod demo;
pub mod order;
pub mod product;
