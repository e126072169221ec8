//! The `micronet` command.
fn main() {}
