//! Long streams of TCP: a source that sends as many bytes as it is asked for, and who asks for them and reads them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use clap::Args;
use harness::command_line::{Listen, listening};
use harness::cpu;
use serde_json::json;

const BUFFER: usize = 256 << 10;

#[derive(Args)]
pub(crate) struct Source {
    #[command(flatten)]
    listen: Listen,
}

#[derive(Args)]
pub(crate) struct Drain {
    /// Where the source listens, or what is in front of it
    #[arg(long)]
    server: SocketAddr,
    /// How many bytes
    #[arg(long)]
    bytes: u64,
    /// Processes whose processor time is measured
    #[arg(long, value_delimiter = ',')]
    watch: Vec<u32>,
}

pub(crate) fn send(source: &Source) {
    let listener = TcpListener::bind(source.listen.listen).expect("a free port");
    listening(listener.local_addr().expect("its address"));
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        // Who connects only to see whether somebody listens has to hold nobody up.
        thread::spawn(move || answer(stream));
    }
}

fn answer(mut stream: TcpStream) -> Option<()> {
    let mut wanted = [0; 8];
    stream.read_exact(&mut wanted).ok()?;
    let mut left = usize::try_from(u64::from_be_bytes(wanted)).ok()?;
    let bytes = vec![7; BUFFER];
    while left > 0 {
        left -= stream.write(&bytes[..left.min(BUFFER)]).ok()?;
    }
    Some(())
}

pub(crate) fn drain(drain: &Drain) {
    let sample = || -> Vec<u64> { drain.watch.iter().map(|pid| cpu::ns_of(*pid)).collect() };
    let begun = sample();
    let began = Instant::now();
    let mut stream = TcpStream::connect(drain.server).expect("somebody listens");
    stream.write_all(&drain.bytes.to_be_bytes()).expect("the source stays");
    let mut buffer = vec![0; BUFFER];
    let mut left = drain.bytes;
    while left > 0 {
        match stream.read(&mut buffer) {
            Ok(0) => panic!("{left} bytes are missing"),
            Ok(read) => left -= read as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{left} bytes are missing: {error}"),
        }
    }
    let cpu_ns: Vec<u64> = begun.iter().zip(sample()).map(|(before, after)| after - before).collect();
    println!(
        "{}",
        json!({ "bytes": drain.bytes, "seconds": began.elapsed().as_secs_f64(), "watched_cpu_ns": cpu_ns })
    );
}
