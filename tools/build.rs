//! Has the linker put the functions that run when a part of the network starts beside each other (`start/functions.txt`).
//!
//! Else they are strewn over the whole program, and each of them brings the sixteen pages around it into the memory of every
//! process: five times as much as they take.

use std::env;
use std::path::Path;

fn main() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("start/functions.txt");
    println!("cargo::rerun-if-changed={}", list.display());
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    // The option is LLD's, which links by default there.
    let own_linker = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    if is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") && !own_linker {
        println!("cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={}", list.display());
        // What a newer compiler or another dependency calls differently is put where it comes.
        println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
}
