//! Everything that reads what a peer sends, against bytes that nobody would send: a target a reader, each asserting what must
//! hold for any input, and one driver that mutates good inputs and keeps those that lead somewhere new.
//!
//! - `cargo test -p micronet-tests --test fuzz -- --nocapture` runs some thousand cases of each target and shows their rate.
//!   `MICRONET_SEEDS=n` runs more (300 are the usual number), `MICRONET_SEED=n` one session again.
//! - A failure is made smaller and written to a file. `MICRONET_FUZZ_INPUT=FILE cargo test … --test fuzz TARGET` runs that one.
//! - Files in `tests/fuzz/regressions/TARGET/` are always run. What a failure wrote belongs there, once it is mended.
//!
//! A fuzzer that sees which branches are taken, as AFL++, drives the same targets; nothing has to be added to the project:
//!
//! ```sh
//! cargo install cargo-afl
//! MICRONET_FUZZ_CORPUS=/tmp/corpus cargo test -p micronet-tests --test fuzz connection     # writes the target's seeds
//! cargo afl test -p micronet-tests --test fuzz --no-run                                    # prints the program's name
//! MICRONET_FUZZ_INPUT=/tmp/input AFL_CRASH_EXITCODE=101 cargo afl fuzz -i /tmp/corpus/connection -o /tmp/found \
//!     -f /tmp/input -- target/debug/deps/fuzz-… --exact connection --test-threads=1
//! ```

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod adapting;
mod codec;
mod connection;
mod corpus;
mod driver;
mod http;
mod messages;
mod mutation;
mod sample;
mod schema;
mod text;
mod transcoding;

use driver::{Target, fuzz};

/// A test for each target: what it checks, what it starts from, what its format is made of, and the inputs of a session.
macro_rules! targets {
    ($($name:ident: $check:path, $seeds:path, $words:path, $cases:literal;)*) => {$(
        #[test]
        fn $name() {
            let (check, seeds, words): (fn(&[u8]), _, _) = ($check, $seeds, $words);
            fuzz(&Target { name: stringify!($name), check, seeds, words, cases: $cases });
        }
    )*};
}

targets! {
    header: codec::header, corpus::headers, mutation::NUMBERS, 8_000;
    frames: codec::frames, corpus::frames, mutation::NUMBERS, 8_000;
    hello: codec::hello, corpus::hellos, mutation::NUMBERS, 20_000;
    request_head: codec::request_head, corpus::request_heads, mutation::NUMBERS, 20_000;
    payloads: codec::payloads, corpus::payloads, mutation::NUMBERS, 20_000;
    connection: connection::check, corpus::connections, connection::WORDS, 3_000;
    messages: messages::check, messages::seeds, messages::WORDS, 3_000;
    http_server: http::server, corpus::http_requests, http::WORDS, 8_000;
    http_client: http::client, corpus::http_responses, http::WORDS, 8_000;
    text: text::check, text::seeds, text::WORDS, 5_000;
    to_binary: transcoding::to_binary_is_right, corpus::json, transcoding::WORDS, 20_000;
    to_json: transcoding::to_json_is_right, corpus::messages, mutation::NUMBERS, 20_000;
    adapting: adapting::check, corpus::messages, mutation::NUMBERS, 20_000;
    schema: schema::check, corpus::schemas, mutation::NUMBERS, 5_000;
}
