//! What can't be measured is refused with words that say why.

use micronet_tests::folder::Folder;

use super::bench;

#[test]
fn what_can_not_be_measured_is_refused() {
    let folder = Folder::new();
    for (arguments, code, words) in [
        (&["http"][..], 2, "<TARGET>"),
        (&["http", "https://localhost/"], 2, "TLS is not there yet"),
        (&["http", "ftp://localhost/"], 2, "neither a path nor a URL"),
        (&["http", "http://localhost:1/", "-X", "FETCH"], 2, "no method of HTTP"),
        (&["http", "http://localhost:1/", "-H", "no colon"], 2, "it has no colon"),
        (&["http", "http://localhost:1/", "--body", "@/nothing"], 2, "can't be read"),
        (&["http", "http://127.0.0.1:1/"], 1, "can't be reached: no connection: refused"),
        (&["http", "http://127.0.0.1:1/", "-c", "2", "-n", "4"], 2, "one request under way"),
        (&["echo", "127.0.0.1:1"], 1, "can't be reached"),
        (&["echo", "nowhere"], 2, "the port is missing"),
        (&["echo", "--payload", "0"], 2, "a size is from 1 byte"),
        (&["echo", "--payload", "1GiB"], 2, "--payload is at most 8 MiB"),
        (&["echo", "--connections", "4", "--in-flight", "2"], 2, "raise --in-flight"),
        (&["echo", "--rate", "0"], 2, "a rate is a number of requests a second"),
        (&["echo", "--duration", "0s"], 2, "a time is more than 0"),
        (&["echo", "--arrivals", "poisson"], 2, "--rate"),
        (&["echo", "--compare", "127.0.0.1:1"], 2, "2 values required"),
        (&["echo", "127.0.0.1:1", "--compare", "a:1", "b:1"], 2, "cannot be used with"),
        (&["echo", "--pid", "client=1"], 2, "gateway=PID, server=PID or PID"),
        (&["echo", "--pid", "server=4294967295"], 2, "there is no process 4294967295 here"),
        (&["ws", "http://localhost/"], 2, "is no WebSocket"),
        (&["ws", "/ws/echo", "--pushed", "--text", "x"], 2, "cannot be used with"),
        (&["l4"], 2, "<HOST:PORT>"),
        (&["l4", "127.0.0.1:1", "--bytes", "1TB"], 2, "a size is a number and B, KiB, MiB or GiB"),
        (&["rpc", "rpc:product"], 2, "the method is missing"),
        (&["rpc", "http://localhost/"], 2, "not an address"),
        (&["rpc", "--spin"], 2, "add --driver mio"),
        (&["rpc", "--driver", "mio", "--mtls"], 2, "speaks no TLS"),
        (&["rpc", "--driver", "mio", "--stream", "2", "-n", "4", "-c", "2"], 2, "one request under way"),
        (&["rpc", "--in-flight", "5000"], 2, "at most 4096 calls"),
        (&["rpc", "rpc:product.query", "--stream", "2"], 2, "--stream is for a server"),
        (&["rpc", "127.0.0.1:1"], 4, "127.0.0.1:1"),
    ] {
        let finished = bench(&folder, arguments);
        let is_it = finished.code == Some(code) || (code == 4 && finished.code != Some(0));
        assert!(is_it && finished.stderr.contains(words), "{arguments:?}: {finished:?}");
    }
}
