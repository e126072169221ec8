//! What all programs measure by, so that none has an advantage: command line, meter, runtime, TLS.
//!
//! A server says `listening on ADDRESS` and serves until it is killed. A client calls in a closed loop, and ends with a line of JSON
//! that says what it has counted and what processor time it and the watched processes took meanwhile.

pub mod command_line;
pub mod cpu;
pub mod frames;
pub mod meter;
pub mod runtime;
pub mod tls;
