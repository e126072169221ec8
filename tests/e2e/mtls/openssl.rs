//! The real openssl: as a client of ours, and as somebody who makes certificates.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What openssl said.
pub(crate) struct Said {
    /// For `s_client -quiet`: the bytes that came out of TLS, and nothing else.
    pub(crate) stdout: Vec<u8>,
    /// Its stdout and stderr as text.
    pub(crate) text: String,
    /// Whether it was content.
    pub(crate) good: bool,
}

/// Whether openssl is there.
pub(crate) fn is_there() -> bool {
    crate::external::has("openssl")
}

/// Runs openssl to its end with these bytes on its stdin.
#[track_caller]
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Said {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl starts");
    // It may end without reading all.
    let _ = child.stdin.take().expect("stdin is a pipe").write_all(input);
    let output = child.wait_with_output().expect("openssl ends");
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    Said { text: format!("{out}\n{err}"), good: output.status.success(), stdout: output.stdout }
}

/// The same where it has to be content.
#[track_caller]
pub(crate) fn check(arguments: &[&str]) -> String {
    let said = run(arguments, b"");
    assert!(said.good, "openssl {arguments:?}: {}", said.text);
    said.text
}

/// Connects by TLS, says these bytes, and reads until the server closes.
#[track_caller]
pub(crate) fn talk(server: SocketAddr, flags: &[&str], input: &[u8]) -> Said {
    let server = server.to_string();
    run(&[&["s_client", "-quiet", "-connect", &server], flags].concat(), input)
}

/// The flags by which `s_client` presents what is in this file: a certificate and its key.
pub(crate) fn presenting(file: &Path) -> [String; 4] {
    let file = file.display().to_string();
    ["-cert".into(), file.clone(), "-key".into(), file]
}

/// The SHA-256 of the certificate that a server presents, in hexadecimal.
#[track_caller]
pub(crate) fn presented(server: SocketAddr) -> String {
    let server = server.to_string();
    let met = run(&["s_client", "-connect", &server], b"");
    let mark = run(&["x509", "-noout", "-fingerprint", "-sha256"], met.text.as_bytes()).text;
    let (_, mark) = mark.split_once('=').unwrap_or_else(|| panic!("no certificate: {}", met.text));
    mark.trim().replace(':', "").to_lowercase()
}

/// A CA of somebody else, made by openssl alone: its certificate and its key.
pub(crate) fn foreign_ca(folder: &Path) -> (PathBuf, PathBuf) {
    let (ca, key) = (folder.join("foreign.pem"), folder.join("foreign.key"));
    let (ca_path, key_path) = (ca.display().to_string(), key.display().to_string());
    check(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=somebody else",
        "-keyout",
        &key_path,
        "-out",
        &ca_path,
    ]);
    (ca, key)
}

/// Has openssl issue a certificate with these alternative names. The file has the certificate and its key.
pub(crate) fn issue(folder: &Path, (ca, ca_key): (&Path, &Path), name: &str, names: &str) -> PathBuf {
    let at = |ending: &str| folder.join(format!("{name}.{ending}")).display().to_string();
    let (request, key, certificate, extensions) = (at("csr"), at("key"), at("crt"), at("ext"));
    check(&[
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=by openssl",
        "-keyout",
        &key,
        "-out",
        &request,
    ]);
    fs::write(&extensions, format!("extendedKeyUsage=clientAuth,serverAuth\nsubjectAltName={names}\n"))
        .expect("a file can be written");
    check(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &ca.display().to_string(),
        "-CAkey",
        &ca_key.display().to_string(),
        "-set_serial",
        "77",
        "-days",
        "1",
        "-extfile",
        &extensions,
        "-out",
        &certificate,
    ]);
    let both = folder.join(format!("{name}.both"));
    let read = |path: &str| fs::read_to_string(path).expect("openssl wrote it");
    fs::write(&both, read(&certificate) + &read(&key)).expect("a file can be written");
    both
}
