//! `micronet pipe`: the texts that both ends print, netcat at either end, and the same over the protocol.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::patience::until;
use micronet_tests::ports;
use micronet_tests::process::{Process, micronet};

use super::{has, with_input};

const MESSAGE: &str = "A message from CS361!";

/// A server on a free port, which is ready.
fn serve(folder: &Folder, flags: &[&str]) -> (Process, u16) {
    let port = ports::free();
    let at = format!("localhost:{port}");
    let process = Process::start(
        "pipe serve",
        &mut micronet(folder.path(), &[&["pipe", "serve", "--at", &at], flags].concat()),
    );
    until("the server waits", || match process.stdout() {
        said if said.contains("Waiting for connection") => Ok(()),
        said => Err(said),
    });
    (process, port)
}

/// Checks what a server says from start to end; `PEER` stands for the port of who came.
#[track_caller]
fn check(mut server: Process, port: u16, received: &[&str]) {
    assert!(server.wait().success(), "{}", server.said());
    let said = server.stdout();
    let peer = said
        .lines()
        .find_map(|line| line.strip_prefix("('127.0.0.1', ")?.strip_suffix(") established"))
        .unwrap_or_else(|| panic!("nobody came: {said}"))
        .to_owned();
    let mut expected =
        vec![format!("Server listening on ('localhost', {port})"), "Waiting for connection".to_owned()];
    expected.push(format!("('127.0.0.1', {peer}) established"));
    expected.extend(received.iter().map(|text| format!("Received: {text}")));
    expected.push("Data has been received.".to_owned());
    expected.push(format!("Closing connection at ('127.0.0.1', {peer})"));
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn both_ends_say_what_they_do() {
    let folder = Folder::new();
    for flags in [&[][..], &["--rpc"]] {
        let (server, port) = serve(&folder, flags);
        let at = format!("localhost:{port}");
        let mut send = micronet(folder.path(), &[&["pipe", "send", MESSAGE, "--at", &at], flags].concat());
        let said = with_input(&mut send, "").check(0);
        assert_eq!(said.stdout, "Sent data: \"A message from CS361!\"\n");
        check(server, port, &[MESSAGE]);
        // It has served its one connection: nobody is there any more.
        let mut again = micronet(folder.path(), &[&["pipe", "send", "--at", &at], flags].concat());
        assert_ne!(with_input(&mut again, "").code, Some(0));
    }
}

#[test]
fn netcat_is_either_end() {
    let folder = Folder::new();
    let (server, port) = serve(&folder, &[]);
    let mut nc = Command::new("nc");
    let said = with_input(nc.args(["-N", "localhost", &port.to_string()]), MESSAGE).check(0);
    // It never echoes.
    assert_eq!(said.stdout, "");
    check(server, port, &[MESSAGE]);

    let port = ports::free().to_string();
    let mut listening = Process::start("nc", Command::new("nc").args(["-l", "-p", &port]));
    let at = format!("localhost:{port}");
    until("netcat listens", || {
        let mut send = micronet(folder.path(), &["pipe", "send", "--at", &at]);
        let said = with_input(&mut send, "");
        if said.code == Some(0) { Ok(()) } else { Err(said.stderr) }
    });
    assert!(listening.wait().success());
    assert_eq!(listening.stdout(), MESSAGE);
}

#[test]
fn what_is_read_at_once_is_shown_at_once() {
    let folder = Folder::new();
    let (server, port) = serve(&folder, &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    // A euro sign across the reads of 1024 bytes, and a byte that is no text.
    let (first, second) = ("x".repeat(1023), "y".repeat(100));
    stream.write_all(format!("{first}€{second}").as_bytes()).expect("it reads");
    until("the first read", || match server.stdout() {
        said if said.contains(&second) => Ok(()),
        said => Err(said),
    });
    stream.write_all(b"\xff!").expect("it reads");
    stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).expect("it ends");
    assert!(echoed.is_empty());
    check(server, port, &[&first, &format!("€{second}"), "\u{fffd}!"]);
}

#[test]
fn more_than_one_is_served_where_that_is_wanted() {
    let folder = Folder::new();
    let (mut server, port) = serve(&folder, &["--count", "2"]);
    for number in ["one", "two"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.write_all(number.as_bytes()).expect("it reads");
    }
    assert!(server.wait().success(), "{}", server.said());
    has(&server.stdout(), &["Received: one", "Received: two"]);
    assert_eq!(server.stdout().matches("Data has been received.").count(), 2);
    // A port that is taken is said to be.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address").to_string();
    let mut command = micronet(folder.path(), &["pipe", "serve", "--at", &at]);
    has(&with_input(&mut command, "").check(1).stderr, &["can't listen on", "--at"]);
}
