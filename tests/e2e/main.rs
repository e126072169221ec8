//! Real networks of real processes on free ports, used as people use them: over HTTP, over the binary RPC and by the
//! `micronet` command.

mod by_hand;
mod call;
mod call_both_ways;
mod copies;
mod databases;
mod dead_services;
mod durability;
mod envelope;
mod external;
mod feeds;
mod fourth_service;
mod gateway;
mod gateway_service;
mod http_rules;
mod idempotency;
mod load;
mod machines;
mod mtls;
mod one_way;
mod openapi;
mod operations;
mod outcomes;
mod own_port;
mod ping;
mod principals;
mod profiles;
mod prometheus;
mod python;
mod secrets;
mod shop;
mod toystore;
mod toystore_run;
mod up;
mod upload;
mod watch;
