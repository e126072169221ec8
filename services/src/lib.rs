//! The applications: each service is api.rs, service.rs and store.rs.
