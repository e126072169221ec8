//! Captures of a plaintext port: under load, of slow calls, and from the middle on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::ports;
use micronet_tests::process::run;
use micronet_tests::server::Server;
use micronet_tests::wireshark::{Recording, packets};
use micronet_transport::identity::Identity;
use micronet_wire::limits::BEACON_INTERVAL_MS;
use micronet_wire::service::{CallOptions, Caller as _};

use super::traffic::{Dissected, call, compare, connected, frames_counted, schema};

/// Each is two frames.
const CALLS: usize = 6_000;
const PRODUCT: [&str; 4] = ["service", "product", "--demo", "shop"];

#[test]
fn under_load_every_frame_is_seen_and_says_what_was_said() {
    let (folder, captures) = (Folder::new(), Folder::new());
    let port = ports::free();
    let recording = Recording::start(&captures.path().join("load.pcapng"), port);
    let listen = format!("127.0.0.1:{port}");
    let product = Server::start_on(folder.path(), "product-1", &listen, &PRODUCT, &[]);
    let said = connected(product.address(), &Identity::default(), async |client| {
        let schema = schema(client).await;
        call(client, schema.schema(), "load", CALLS).await
    });
    let mut http = HttpClient::connect(product.address());
    let counted = frames_counted(|| http.get("/metrics").check(200).text());
    let recorded = recording.stop();
    assert_eq!((recorded.dropped, said.len()), (0, CALLS));

    // The port is any, and found by the heuristic.
    let seen = Dissected::of(&recorded.file, &[]);
    let frames = seen.frames(port);
    assert_eq!(frames, counted, "frames towards {port} and from it, of {} packets", recorded.packets);
    assert!(frames.0 + frames.1 >= 10_000, "{frames:?} frames");
    assert!(seen.faults().is_empty(), "{:?}", seen.faults());
    compare(&said, &seen.calls());
    assert_ne!(seen.with("http.request.uri"), 0, "/metrics was asked on the same port");
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
    let time = |text: &str| Duration::from_secs_f64(text.parse().expect("seconds"));
    let seen: Vec<Duration> =
        seen.iter().filter_map(|packet| packet.one("micronet.time")).map(time).collect();
    assert_eq!(seen.len(), measured.len());
    let (seen, measured) = (median(seen), median(measured));
    let difference = seen.abs_diff(measured);
    assert!(
        difference * 10 <= measured,
        "the median is {seen:?} in the capture and {measured:?} for the caller"
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A capture without its first packets.
fn later_part(whole: &Path, name: &str, without: u64) -> PathBuf {
    let part = whole.with_extension(name);
    let mut editcap = Command::new("editcap");
    editcap.arg(whole).arg(&part).arg(format!("1-{without}"));
    run(editcap).check(0);
    part
}

#[test]
fn the_second_half_of_a_capture_decodes_by_a_beacon_or_an_export() {
    let (folder, captures) = (Folder::new(), Folder::new());
    let port = ports::free();
    let recording = Recording::start(&captures.path().join("middle.pcapng"), port);
    let listen = format!("127.0.0.1:{port}");
    let product = Server::start_on(folder.path(), "product-1", &listen, &PRODUCT, &[]);
    let (lua, said) = connected(product.address(), &Identity::default(), async |client| {
        let begin = Instant::now();
        let schema = schema(client).await;
        call(client, schema.schema(), "first", 1_200).await;
        // Calls go on until the acceptor owes a beacon, and after that.
        let mut number = 0;
        while begin.elapsed() < Duration::from_millis(BEACON_INTERVAL_MS + 500) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            call(client, schema.schema(), &format!("between-{number}"), 1).await;
            number += 1;
        }
        (schema.to_lua(), call(client, schema.schema(), "last", 200).await)
    });
    let recorded = recording.stop();
    assert_eq!(recorded.dropped, 0);
    let half = later_part(&recorded.file, "half", recorded.packets / 2);
    let seen = packets(&half, "micronet.preface || micronet.kind == 1", &["frame.number"], &[]);
    assert!(seen.is_empty(), "the handshake is cut off: {seen:?}");
    let seen = Dissected::of(&half, &[]);
    assert!(seen.faults().is_empty(), "{:?}", seen.faults());
    compare(&said, &seen.calls());

    // Where the beacon is cut off too, the names are in a file.
    let beacons = packets(&half, "micronet.beacon.schema", &["frame.number"], &[]);
    let last = beacons.last().and_then(|packet| packet.one("frame.number")).expect("a beacon");
    let late = later_part(&half, "late", last.parse().expect("a number"));
    let seen = packets(&late, "micronet.field", &["frame.number"], &[]);
    assert!(seen.is_empty(), "nothing says the schema: {seen:?}");
    let exported = captures.path().join("product.lua");
    std::fs::write(&exported, lua).expect("a file");
    let exported = format!("micronet.schemas:{}", exported.display());
    compare(&said, &Dissected::of(&late, &["-o", &exported]).calls());
}
