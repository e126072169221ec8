//! What the tests that cross crates share: the vectors of proto-spec, randomness from a seed, a simulated network, and real
//! networks of real processes with clients for them.

pub mod application;
pub mod dns;
pub mod folder;
pub mod http_client;
pub mod http_corpus;
pub mod leash;
pub mod link;
pub mod machine;
pub mod network;
pub mod patience;
pub mod plan;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod program;
pub mod python;
pub mod random;
pub mod redis;
pub mod rpc;
pub mod scenarios;
pub mod server;
pub mod simulator;
pub mod slow;
pub mod spec;
pub mod wireshark;
