//! The page that `micronet bench --plot FILE.html` writes.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::{fs, thread};

use micronet_tests::folder::Folder;
use micronet_tests::program::micronet;

use crate::page::Page;

/// Hands out one page, at any path but that of its icon, until the test ends.
fn serve(page: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A browser opens connections on which it asks nothing, and waits for others meanwhile.
            let page = page.clone();
            thread::spawn(move || answer(&stream, &page));
        }
    });
    address
}

fn answer(mut stream: &TcpStream, page: &str) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    lines.find(|line| line.as_ref().is_ok_and(String::is_empty))?.ok()?;
    let content = if first.starts_with("GET /favicon.ico ") { "" } else { page };
    let status = if content.is_empty() { "204 No Content" } else { "200 OK" };
    let length = content.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{content}"
    )
    .ok()
}

#[test]
fn a_measurement_is_drawn_with_its_numbers_beside() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path()).expect("a folder");
    let file = folder.path().join("bench.html");
    let status = Command::new(micronet())
        .args([
            "bench",
            "echo",
            "--in-flight",
            "8",
            "--duration",
            "1200ms",
            "--warm-up",
            "100ms",
            "--repeat",
            "2",
        ])
        .arg("--plot")
        .arg(&file)
        .arg("--data")
        .arg(folder.path())
        .stdout(Stdio::null())
        .status()
        .expect("micronet runs");
    assert!(status.success(), "{status}");
    let page = Page::open(serve(folder.read("bench.html")), "/");
    for words in ["Latency by percentile", "Throughput over time", "P99.99", "Repetitions"] {
        page.shows(words);
    }
}
