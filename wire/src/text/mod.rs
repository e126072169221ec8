//! The text language of a service's port (SPEC.md section 17): lines that a person types into `nc`, and their answers.
//!
//! [`tell`] decides by a connection's first line which language it speaks. [`Lines`] finds lines in the bytes, within a limit,
//! [`Command`] says what a line asks for, and [`Writer`] writes answers. None of them knows a connection or a service.

mod command;
mod help;
mod lines;
mod suggestion;
mod tongue;
mod writer;

pub use command::{Command, Mistake, Verb, duration_us};
pub use help::put_help;
pub use lines::{Line, Lines, TooLong};
pub use suggestion::nearest;
pub use tongue::{Tongue, tell};
pub use writer::Writer;
