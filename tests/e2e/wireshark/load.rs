//! Captures of a plaintext port: under load, of slow calls, and from the middle on.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::ports;
use micronet_tests::process::run;
use micronet_tests::server::Server;
use micronet_tests::wireshark::{Recording, faults, packets};
use micronet_transport::identity::Identity;
use micronet_wire::limits::BEACON_INTERVAL_MS;
use micronet_wire::service::{CallOptions, Caller as _};

use super::traffic::{
    call, calls_dissected, compare, connected, found, frames_counted, frames_dissected, median, schema,
};

/// Each is two frames.
const CALLS: usize = 6_000;

#[test]
fn under_load_every_frame_is_seen_and_says_what_was_said() {
    let (folder, captures) = (Folder::new(), Folder::new());
    let port = ports::free();
    let recording = Recording::start(&captures.path().join("load.pcapng"), port);
    let listen = format!("127.0.0.1:{port}");
    let service = ["service", "product", "--demo", "shop"];
    let product = Server::start_on(folder.path(), "product-1", &listen, &service, &[]);
    let said = connected(product.address(), &Identity::default(), async |client| {
        let schema = schema(client).await;
        call(client, schema.schema(), "load", CALLS).await
    });
    let mut http = HttpClient::connect(product.address());
    let counted = frames_counted(|| http.get("/metrics").check(200).text());
    let recorded = recording.stop();
    assert_eq!((recorded.dropped, said.len()), (0, CALLS));

    // One pass, as tshark's live output is; the port is any, and found by the heuristic.
    let dissected = frames_dissected(&recorded.file, port, &[]);
    assert_eq!(dissected, counted, "frames towards {port} and from it, of {} packets", recorded.packets);
    assert!(dissected.0 + dissected.1 >= 10_000, "{dissected:?} frames");
    assert_eq!(faults(&recorded.file, &[]).len(), 0, "{:?}", faults(&recorded.file, &[]));
    compare(&said, &calls_dissected(&recorded.file, &[]));
    // /metrics was asked on the same port.
    assert_ne!(found(&recorded.file, "http.request.uri == \"/metrics\"", &[]).len(), 0);
}

#[test]
fn response_times_are_those_that_the_caller_measures() {
    let (folder, captures) = (Folder::new(), Folder::new());
    let port = ports::free();
    let recording = Recording::start(&captures.path().join("times.pcapng"), port);
    let listen = format!("127.0.0.1:{port}");
    let node = Server::start_on(folder.path(), "node-1", &listen, &["service", "node"], &[]);
    // Times that are long beside what the caller itself takes between its clock and its socket.
    let token = format!("Bearer {}", folder.operator_token());
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let load = br#"{"delay":{"Uniform":{"from_us":8000,"to_us":24000}}}"#;
    HttpClient::connect(node.address()).request("PUT", "/api/v1/load", &headers, load).check(200);
    let measured = connected(node.address(), &Identity::default(), async |client| {
        let schema = schema(client).await;
        let method = schema.schema().method_named("request").expect("node.request").id;
        let mut times = Vec::new();
        for _ in 0..100 {
            let begin = Instant::now();
            client.call(method, bytes::Bytes::new(), CallOptions::default()).await.expect("an answer");
            times.push(begin.elapsed());
        }
        times
    });
    let recorded = recording.stop();
    assert_eq!(recorded.dropped, 0);
    let filter = "micronet.kind == 17 && micronet.method.name == \"node.request\"";
    let seen = packets(&recorded.file, filter, &["micronet.time"], &[]);
    let seen: Vec<Duration> = seen
        .iter()
        .map(|packet| {
            Duration::from_secs_f64(packet.one("micronet.time").expect("a time").parse().expect("seconds"))
        })
        .collect();
    assert_eq!(seen.len(), measured.len());
    let (seen, measured) = (median(seen), median(measured));
    let difference = seen.abs_diff(measured);
    assert!(
        difference * 10 <= measured,
        "the median is {seen:?} in the capture and {measured:?} for the caller"
    );
}

/// The second half of a capture, by packets.
fn second_half(whole: &Path, packets: u64) -> std::path::PathBuf {
    let half = whole.with_extension("half.pcapng");
    let mut editcap = Command::new("editcap");
    editcap.arg(whole).arg(&half).arg(format!("1-{}", packets / 2));
    run(editcap).check(0);
    half
}

#[test]
fn the_second_half_of_a_capture_decodes_by_a_beacon_or_an_export() {
    let (folder, captures) = (Folder::new(), Folder::new());
    let port = ports::free();
    let recording = Recording::start(&captures.path().join("middle.pcapng"), port);
    let listen = format!("127.0.0.1:{port}");
    let service = ["service", "product", "--demo", "shop"];
    let product = Server::start_on(folder.path(), "product-1", &listen, &service, &[]);
    let (lua, said) = connected(product.address(), &Identity::default(), async |client| {
        let begin = Instant::now();
        let schema = schema(client).await;
        call(client, schema.schema(), "first", 400).await;
        // Calls go on until the acceptor owes a beacon, and after that.
        let mut number = 0;
        while begin.elapsed() < Duration::from_millis(BEACON_INTERVAL_MS + 500) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            call(client, schema.schema(), &format!("between-{number}"), 1).await;
            number += 1;
        }
        (schema.to_lua(), call(client, schema.schema(), "last", 400).await)
    });
    let recorded = recording.stop();
    assert_eq!(recorded.dropped, 0);
    let half = second_half(&recorded.file, recorded.packets);
    assert_eq!(
        found(&half, "micronet.preface || micronet.kind == 1", &[]).len(),
        0,
        "the handshake is cut off"
    );
    assert_eq!(found(&half, "micronet.beacon.schema", &[]).len(), 2, "one beacon, in so many packets");
    assert_eq!(faults(&half, &[]).len(), 0, "{:?}", faults(&half, &[]));
    compare(&said, &calls_dissected(&half, &[]));

    // Without the beacon the names are in a file.
    let exported = captures.path().join("product.lua");
    std::fs::write(&exported, lua).expect("a file");
    let unbeaconed = half.with_extension("late.pcapng");
    let beacon = found(&half, "micronet.beacon.schema", &[])
        .last()
        .and_then(|packet| packet.one("frame.number")?.parse::<u64>().ok());
    let mut editcap = Command::new("editcap");
    editcap.arg(&half).arg(&unbeaconed).arg(format!("1-{}", beacon.expect("a number")));
    run(editcap).check(0);
    assert_eq!(found(&unbeaconed, "micronet.field", &[]).len(), 0, "nothing says the schema");
    let exported = format!("micronet.schemas:{}", exported.display());
    compare(&said, &calls_dissected(&unbeaconed, &["-o", &exported]));
}
