//! Captures of what is really on the wire (dumpcap), and what Wireshark's own decoder says of it with our dissector (tshark).
//!
//! Without these programs the tests that use them fail: `apt-get install tshark`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use micronet_transport::identity::random_bytes;
use rustix::process::Signal;
use serde_json::Value;

use crate::patience::until;
use crate::process::{Finished, Process, run};
use crate::spec;

/// The kernel's buffer of a capture, in MiB: more than these tests ever write.
const BUFFER_MIB: &str = "64";

/// A capture that is under way.
#[derive(Debug)]
pub struct Recording {
    dumpcap: Process,
    file: PathBuf,
    port: u16,
}

/// A capture that is over.
#[derive(Debug)]
pub struct Recorded {
    /// Where it is.
    pub file: PathBuf,
    /// Packets that were captured.
    pub packets: u64,
    /// Packets that the kernel or dumpcap has lost.
    pub dropped: u64,
}

impl Recording {
    /// Captures what passes a port of this machine.
    ///
    /// # Panics
    /// When that is not possible: dumpcap is missing, or may not capture.
    #[track_caller]
    #[must_use]
    pub fn start(file: &Path, port: u16) -> Self {
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder of the capture");
        let mut command = Command::new("dumpcap");
        command
            .args([
                "-i",
                "lo",
                "-B",
                BUFFER_MIB,
                "-s",
                "262144",
                "-f",
                &format!("tcp port {port} or udp port {port}"),
            ])
            .arg("-w")
            .arg(file);
        let mut dumpcap = Process::start("dumpcap", &mut command);
        until("dumpcap to capture (it is in Debian's package tshark)", || {
            assert!(dumpcap.is_running(), "{}", dumpcap.said());
            // It opens its file when it captures already.
            if dumpcap.stderr().contains("File: ") && file.exists() { Ok(()) } else { Err(dumpcap.said()) }
        });
        Self { dumpcap, file: file.to_owned(), port }
    }

    /// Ends it when all that was sent so far is in its file.
    ///
    /// # Panics
    /// When dumpcap fails, or doesn't say what it has lost.
    #[track_caller]
    #[must_use]
    pub fn stop(mut self) -> Recorded {
        // What dumpcap hasn't fetched from the kernel when it ends, it never will. Packets come in their order, so this is the last.
        let mark = format!("the end of the capture, {:032x}", u128::from_ne_bytes(random_bytes()));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.send_to(mark.as_bytes(), (Ipv4Addr::LOCALHOST, self.port)).expect("nobody needs to listen");
        until("the last packet to be in the file", || {
            let file = fs::read(&self.file).map_err(|error| error.to_string())?;
            let tail = &file[file.len().saturating_sub(65_536)..];
            if tail.windows(mark.len()).any(|window| window == mark.as_bytes()) {
                Ok(())
            } else {
                Err(self.dumpcap.said())
            }
        });
        self.dumpcap.signal(Signal::INT);
        let status = self.dumpcap.wait();
        assert!(status.success(), "{}", self.dumpcap.said());
        // `Packets received/dropped on interface 'Loopback: lo': 20/0 (pcap:0/dumpcap:0/…) (100.0%)`
        let said = self.dumpcap.stderr();
        let counts =
            said.rsplit_once("': ").and_then(|(_, counts)| counts.split_once(" (")).map(|(counts, _)| counts);
        let (packets, dropped) =
            counts.and_then(|counts| counts.split_once('/')).unwrap_or_else(|| panic!("{said}"));
        let number = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("{said}"));
        Recorded { packets: number(packets), dropped: number(dropped), file: self.file }
    }
}

/// One packet: the texts of each field that was asked for.
#[derive(Debug, Clone, Default)]
pub struct Packet(BTreeMap<String, Vec<String>>);

impl Packet {
    /// The texts of a field, in the order of the frames in the packet.
    #[must_use]
    pub fn all(&self, field: &str) -> &[String] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// The first text of a field.
    #[must_use]
    pub fn one(&self, field: &str) -> Option<&str> {
        self.all(field).first().map(String::as_str)
    }
}

/// tshark over a capture, with our dissector and these flags.
///
/// # Panics
/// When it fails, or anything in Lua does: tshark itself only mentions that.
#[track_caller]
#[must_use]
pub fn tshark(file: &Path, flags: &[&str]) -> Finished {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).arg("-X").arg(format!("lua_script:{}", dissector().display())).args(flags);
    // Ports are any: what Wireshark expects of one by its number doesn't count.
    command.args(["-o", "tcp.try_heuristic_first:TRUE"]);
    let finished = run(command).check(0);
    let complaints =
        finished.stderr.lines().filter(|line| !line.contains("Running as user") && !line.trim().is_empty());
    let complaints: Vec<&str> = complaints.collect();
    assert!(complaints.is_empty(), "tshark: {complaints:?}");
    assert!(!finished.stdout.contains("Lua Error"), "{}", finished.stdout);
    finished
}

/// The fields of each packet that passes `filter`, in one pass over the capture or, with `-2` among the flags, in two.
///
/// # Panics
/// As [`tshark`] does.
#[track_caller]
#[must_use]
pub fn packets(file: &Path, filter: &str, fields: &[&str], flags: &[&str]) -> Vec<Packet> {
    let mut all = vec!["-T", "json", "-Y", filter];
    all.extend_from_slice(flags);
    for field in fields {
        all.extend(["-e", field]);
    }
    let said: Value = serde_json::from_str(&tshark(file, &all).stdout).expect("tshark writes JSON");
    let packets = said.as_array().expect("a list").iter();
    let fields_of = |packet: &Value| -> Packet {
        let layers = packet["_source"]["layers"].as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Packet(
            layers
                .map(|(name, texts)| {
                    (name.clone(), texts.as_array().into_iter().flatten().map(text).collect())
                })
                .collect(),
        )
    };
    packets.map(fields_of).collect()
}

/// The dissector.
#[must_use]
pub fn dissector() -> PathBuf {
    spec::folder().join("micronet.lua")
}
