//! A client of WebSocket that others have written, as README shows it.

use std::io::Read;
use std::process::{Command, Stdio};

use micronet_tests::network::Network;

use crate::openapi::python_with;

#[test]
fn python_reads_a_stream() {
    let Some(python) = python_with("websockets") else { return };
    let network = Network::start("shop");
    let url = format!("ws://{}/ws/api/v1/events/products/watch?after=0", network.gateway());
    let mut client = Command::new(python);
    client.args(["-m", "websockets", &url]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = client.spawn().expect("python starts");
    let (mut stdout, mut said) = (client.stdout.take().expect("a pipe"), String::new());
    let mut some = [0; 4096];
    while !said.contains(r#""name":"Tux""#) {
        let read = stdout.read(&mut some).expect("it says something");
        assert!(read > 0, "it ended after {said}");
        said += &String::from_utf8_lossy(&some[..read]);
    }
    // It ends with its input.
    drop(client.stdin.take());
    stdout.read_to_string(&mut said).expect("the rest");
    assert!(said.contains("Connection closed: 1000"), "{said}");
    assert!(client.wait().expect("it ends").success());
}
