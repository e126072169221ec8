//! `micronet decode`: bytes of a real connection, as text and as captures.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use micronet_tests::network::Network;
use serde_json::Value;

use super::{ask, has};

/// The length of what a connection begins with.
const PREFACE_BYTES: usize = 8;

/// What has passed on one connection, in its order: who sent, and what.
type Passed = Arc<Mutex<Vec<(bool, Vec<u8>)>>>;

/// Passes one connection on, and keeps what passes.
fn listen_in(server: SocketAddr) -> (SocketAddr, Passed, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let passed = Passed::default();
    let kept = Arc::clone(&passed);
    let relaying = thread::spawn(move || {
        let (dialler, _) = listener.accept().expect("somebody comes");
        let acceptor = TcpStream::connect(server).expect("the server is there");
        let relay = |mut from: TcpStream, mut to: TcpStream, of_dialler: bool, kept: Passed| {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                kept.lock().expect("the list").push((of_dialler, buffer[..count].to_vec()));
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        };
        let (to_acceptor, back) =
            (acceptor.try_clone().expect("a socket"), dialler.try_clone().expect("a socket"));
        let also_kept = Arc::clone(&kept);
        let there = thread::spawn(move || relay(dialler, to_acceptor, true, also_kept));
        relay(acceptor, back, false, kept);
        there.join().expect("it ends");
    });
    (at, passed, relaying)
}

/// A call of `product.query`, as it passed.
fn call(network: &Network) -> Vec<(bool, Vec<u8>)> {
    let (at, passed, relaying) = listen_in(network.address("product-1"));
    ask(network, &["call", "product.query", "name=Tux", "--to", &at.to_string()], "").check(0);
    relaying.join().expect("the relay ends");
    let passed = passed.lock().expect("the list");
    passed.clone()
}

/// A capture in pcap of raw IP (LINKTYPE 101), 1 ms a packet.
fn pcap(passed: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 101].map(u32::to_be_bytes).concat();
    let mut next = [1000_u32, 2000];
    let mut put = |index: u32, of_dialler: bool, flags: u8, payload: &[u8]| {
        let side = usize::from(!of_dialler);
        let (from, to): (u16, u16) = if of_dialler { (50_000, 8002) } else { (8002, 50_000) };
        let length = u16::try_from(40 + payload.len()).expect("a short packet");
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend(from.to_be_bytes());
        packet.extend(to.to_be_bytes());
        packet.extend(next[side].to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(payload);
        next[side] =
            next[side].wrapping_add(u32::try_from(payload.len()).expect("short") + u32::from(flags & 2 != 0));
        file.extend([0, 1_000 * index, u32::from(length), u32::from(length)].map(u32::to_be_bytes).concat());
        file.extend(packet);
    };
    put(0, true, 0x02, b"");
    put(1, false, 0x12, b"");
    for (index, (of_dialler, payload)) in (2..).zip(passed) {
        put(index, *of_dialler, 0x18, payload);
    }
    file
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn bytes_of_a_connection_are_told() {
    let network = Network::start("shop");
    let passed = call(&network);
    let of_dialler: Vec<u8> =
        passed.iter().filter(|(of_dialler, _)| *of_dialler).flat_map(|(_, bytes)| bytes.clone()).collect();
    let text = hex(&of_dialler);
    // Without its schema the message is bytes; with it, fields.
    let bare = ask(&network, &["decode", &text], "").check(0).stdout;
    has(
        &bare,
        &[
            "PREFACE",
            "HELLO",
            "PROOF",
            "method a45fa70a",
            "03 54 75 78              request               4 bytes",
        ],
    );
    let known = ask(&network, &["decode", "--schema", "product"], &text).check(0).stdout;
    has(&known, &["REQUEST product.query", "name                \"Tux\""]);
    let dump: String = of_dialler
        .chunks(16)
        .enumerate()
        .map(|(line, bytes)| format!("{:08x}: {}  ................\n", 16 * line, hex(bytes)))
        .collect();
    assert_eq!(ask(&network, &["decode", "-", "--schema", "product"], &dump).check(0).stdout, known);
    let json = ask(&network, &["decode", &text, "--json", "--schema", "product"], "").check(0).stdout;
    let frames: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_request = |frame: &&Value| {
        frame["title"].as_str().is_some_and(|title| title.starts_with("REQUEST product.query, stream 2, id "))
    };
    let request = frames.iter().find(is_request).unwrap();
    let parts = request["parts"].as_array().unwrap();
    assert!(parts.iter().any(|part| part["name"] == "name" && part["meaning"] == "\"Tux\""), "{parts:?}");
    // The first frame's kind is another: its header's checksum says so, and the frames after it are found all the same.
    let kind = 2 * (PREFACE_BYTES + 4);
    let damaged = format!("{}ff{}", &text[..kind], &text[kind + 2..]);
    let told = ask(&network, &["decode", &damaged], "").check(1).stdout;
    has(&told, &["no frame, ", "REQUEST micronet.schema"]);
    ask(&network, &["decode", "hello"], "").check(2);
}

#[test]
fn captures_are_told_frame_by_frame() {
    let network = Network::start("shop");
    let passed = call(&network);
    let file = network.folder().path().join("call.pcap");
    let path = file.display().to_string();
    fs::write(&file, pcap(&passed)).unwrap();
    let whole = ask(&network, &["decode", &path], "").check(0);
    let expected = [
        "127.0.0.1:50000 → 127.0.0.1:8002  HELLO",
        "REQUEST product.query, stream 2",
        "name \"Tux\"",
        "127.0.0.1:8002 → 127.0.0.1:50000  REPLY product.query, stream 2",
        "price 25.99",
        " ms in the handler, after ",
    ];
    has(&whole.stdout, &expected[..3]);
    has(&whole.stdout, &expected[3..5]);
    has(&whole.stdout, &["in the handler, after "]);
    has(&whole.stderr, &["1 connections", "frames"]);
    has(&ask(&network, &["decode", &path, "-v"], "").check(0).stdout, &["header checksum       right"]);
    has(
        &ask(&network, &["decode", &path, "--port", "1"], "").check(1).stderr,
        &["no frame of this protocol"],
    );
    let json = ask(&network, &["decode", &path, "--json"], "").check(0).stdout;
    let reply: Value = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|frame: &Value| frame["kind"] == "REPLY" && frame["stream"] == 2)
        .unwrap();
    assert_eq!((&reply["side"], reply["after_us"].is_u64()), (&"acceptor".into(), true));
    // The second half alone: the schema has passed, but a file can say it.
    let half = &passed[passed.len() / 2..];
    fs::write(&file, &pcap(half)[24 + 2 * 56..]).unwrap();
    let headed = [&pcap(half)[..24], &fs::read(&file).unwrap()].concat();
    fs::write(&file, headed).unwrap();
    let late = ask(&network, &["decode", &path, "--schema", "product"], "");
    has(&late.stdout, &["REPLY product.query, stream 2", "price 25.99"]);
}
