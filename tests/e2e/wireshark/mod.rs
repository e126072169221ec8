//! What Wireshark's decoder shows of a service under load, with the dissector of proto-spec: everything, and as it was said.

mod dissector;
mod load;
mod mtls;
mod traffic;
