//! Who gets no further than the door of a service with mTLS, told why by the real openssl; and what the service's log says of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::{Buf, BytesMut};
use micronet_tests::folder::Folder;
use micronet_tests::http_client::raw;
use micronet_tests::patience::until;
use micronet_tests::process::{micronet, run};
use micronet_tests::rpc::{call, try_call};
use micronet_tests::server::Server;
use micronet_transport::identity::Identity;
use micronet_wire::conn::{Connection, Role};
use micronet_wire::error::Code;

use super::{holder, openssl};

/// A product service with mTLS, and a folder with certificates of order and of the operator.
struct Guarded {
    // Before the folder: the process goes first.
    server: Server,
    folder: Folder,
}

impl Guarded {
    fn start() -> Self {
        let folder = Folder::new();
        for arguments in [
            &["certs", "init"][..],
            &["certs", "issue", "product"],
            &["certs", "issue", "order"],
            &["certs", "issue", "operator"],
        ] {
            run(micronet(folder.path(), arguments)).check(0);
        }
        let arguments = ["service", "product", "--demo", "shop", "--mtls"];
        Self { server: Server::start(folder.path(), "product-1", &arguments), folder }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn certs(&self, file: &str) -> PathBuf {
        self.folder.path().join("certs").join(file)
    }

    /// openssl presents what is in this file, says a request, and is told nothing but an alert.
    #[track_caller]
    fn check_alert(&mut self, presents: Option<&Path>, flags: &[&str], alert: &str, logged: &str) {
        let presented = presents.map(openssl::presenting);
        let mut all = flags.to_vec();
        all.extend(presented.iter().flatten().map(String::as_str));
        let request = b"GET /products/Tux HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let said = openssl::talk(self.address(), &all, request);
        assert!(said.text.contains(alert), "{alert} is missing in: {}", said.text);
        assert_eq!(String::from_utf8_lossy(&said.stdout), "", "no byte of application data for a stranger");
        self.check_log(logged);
    }

    #[track_caller]
    fn check_log(&mut self, words: &str) {
        until("a line in the log", || {
            let log = self.server.process().stderr();
            let line = log.lines().find(|line| line.contains("refused") && line.contains(words));
            line.map(|_| ()).ok_or(format!("{words:?} is missing in the log:\n{log}"))
        });
    }
}

#[test]
fn strangers_get_an_alert_and_no_byte_of_data() {
    if !openssl::is_there() {
        return;
    }
    let mut guarded = Guarded::start();
    let folder = guarded.folder.path().to_owned();
    let ours = (guarded.certs("ca.pem"), guarded.certs("ca.key"));
    let foreign = openssl::foreign_ca(&folder);
    let order = "URI:spiffe://micronet/service/order/order-1";
    let stranger = openssl::issue(&folder, (&foreign.0, &foreign.1), "stranger", order);
    let nameless = openssl::issue(&folder, (&ours.0, &ours.1), "nameless", "DNS:order");
    let elsewhere = openssl::issue(&folder, (&ours.0, &ours.1), "elsewhere", "URI:spiffe://other/operator");

    guarded.check_alert(None, &[], "tlsv13 alert certificate required", "presented no certificate");
    guarded.check_alert(Some(&stranger), &[], "alert unknown ca", "is not of the CA of this cluster");
    guarded.check_alert(Some(&nameless), &[], "alert certificate unknown", "has no SPIFFE id");
    guarded.check_alert(Some(&elsewhere), &[], "alert certificate unknown", "spiffe://other/operator");
    let good = guarded.certs("order-1.pem");
    guarded.check_alert(Some(&good), &["-tls1_2"], "alert protocol version", "doesn't speak TLS 1.3");

    // The same with a certificate of our CA, though openssl has made it, is let in.
    let welcome = openssl::issue(&folder, (&ours.0, &ours.1), "welcome", order);
    let request = b"GET /products/Tux HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let flags = openssl::presenting(&welcome);
    let said = openssl::talk(guarded.address(), &flags.each_ref().map(String::as_str), request);
    assert!(String::from_utf8_lossy(&said.stdout).contains("25.99"), "{}", said.text);
}

#[test]
fn an_expired_certificate_is_refused_on_both_sides() {
    if !openssl::is_there() {
        return;
    }
    let mut guarded = Guarded::start();
    let path = guarded.certs("order-1.pem");
    run(micronet(guarded.folder.path(), &["certs", "rotate", "order-1", "--lifetime", "1s"])).check(0);
    let file = path.display().to_string();
    until("the end of a certificate of one second", || {
        let said = openssl::run(&["x509", "-noout", "-in", &file, "-checkend", "0"], b"");
        if said.good { Err(said.text) } else { Ok(()) }
    });
    // To the second in which it ends it is still good.
    until("its refusal", || {
        let flags = openssl::presenting(&path);
        let said = openssl::talk(
            guarded.address(),
            &flags.each_ref().map(String::as_str),
            b"GET / HTTP/1.0\r\n\r\n",
        );
        if said.text.contains("alert certificate expired") { Ok(()) } else { Err(said.text) }
    });
    guarded.check_log("has expired");
    let refused = try_call(guarded.address(), &holder(&guarded.folder, "order-1"), async |client| {
        client.closed().await.unwrap_err()
    });
    let refused = refused.unwrap_or_else(|error| error);
    assert!(refused.message.contains("our certificate has expired"), "{refused}");
}

#[test]
fn the_right_certificate_with_another_identity_is_refused_in_hello() {
    if !openssl::is_there() {
        return;
    }
    let mut guarded = Guarded::start();
    let check = |guarded: &mut Guarded, names: [&str; 3], code: Code, words: &str| {
        let [cluster, node, instance] = names.map(str::to_owned);
        let identity = Identity { cluster, node, instance, ..holder(&guarded.folder, "order-1") };
        let closed =
            try_call(guarded.address(), &identity, async |client| client.closed().await.unwrap_err());
        let error = closed.unwrap_or_else(|error| error);
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(words), "{error}");

        // The same bytes by openssl: after the greeting comes a CLOSE with these words.
        let plain = Identity { tls: None, ..identity };
        let mut greeting = Connection::new(plain.config(Role::Dialler, None, None), 0);
        let flags = openssl::presenting(&guarded.certs("order-1.pem"));
        let flags = flags.each_ref().map(String::as_str);
        let said = openssl::talk(guarded.address(), &flags, &greeting.output().split());
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(text.contains(words), "{words} is missing in {text:?}");
    };
    check(
        &mut guarded,
        ["micronet", "product", "order-1"],
        Code::WrongIdentity,
        "HELLO names the node \"product\"",
    );
    check(
        &mut guarded,
        ["micronet", "order", "order-2"],
        Code::WrongIdentity,
        "HELLO names the instance \"order-2\"",
    );
    check(&mut guarded, ["other", "order", "order-1"], Code::WrongCluster, "this is cluster");
    until("a line in the log", || {
        let log = guarded.server.process().stderr();
        if log.contains("WRONG_IDENTITY") { Ok(()) } else { Err(log) }
    });
    // With its own names, or none, it is order.
    for names in [["micronet", "order", "order-1"], [""; 3]] {
        let [cluster, node, instance] = names.map(str::to_owned);
        let identity = Identity { cluster, node, instance, ..holder(&guarded.folder, "order-1") };
        let peer = call(guarded.address(), &identity, async |client| client.ready().await.unwrap());
        assert_eq!(peer.instance, "product-1");
    }
}

#[test]
fn plaintext_is_told_to_speak_tls() {
    let mut guarded = Guarded::start();
    let answer = raw(guarded.address(), "GET /products/Tux HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("TLS_REQUIRED") && !answer.contains("25.99"), "{answer}");
    guarded.check_log("speaks HTTP");
    let error = try_call(guarded.address(), &Identity::default(), async |_| ()).unwrap_err();
    assert_eq!(error.code, Code::TlsRequired);
    guarded.check_log("speaks micronet's RPC in plaintext");
    // In bytes: the preface, and a CLOSE whose first two bytes of payload are 25.
    let mut greeting = Connection::new(Identity::default().config(Role::Dialler, None, None), 0);
    let mut stream = micronet_tests::http_client::connected(guarded.address());
    std::io::Write::write_all(&mut stream, &greeting.output().split()).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut bytes).unwrap();
    let mut bytes = BytesMut::from(&bytes[8..]);
    assert_eq!(bytes[4], 7, "CLOSE");
    bytes.advance(24);
    assert_eq!(bytes.get_u16(), 25);
    let told = run(micronet(
        guarded.folder.path(),
        &["call", "product.query", r#"{"name":"Tux"}"#, "--to", &guarded.address().to_string()],
    ));
    let told = told.check(5).stderr;
    assert!(told.contains("TLS_REQUIRED") && told.contains("--mtls"), "{told}");
}

#[test]
fn a_server_is_who_it_was_dialled_for() {
    if !openssl::is_there() {
        return;
    }
    let guarded = Guarded::start();
    // openssl verifies it by the CA, and reads its names.
    let (server, ca) = (guarded.address().to_string(), guarded.certs("ca.pem").display().to_string());
    let flags = ["s_client", "-connect", &server, "-CAfile", &ca, "-verify_hostname", "product-1"];
    let said = openssl::run(&flags, b"").text;
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("TLSv1.3"), "{said}");
    let file = guarded.certs("product-1.pem").display().to_string();
    let names = openssl::check(&["x509", "-noout", "-in", &file, "-ext", "subjectAltName,extendedKeyUsage"]);
    for name in
        ["URI:spiffe://micronet/service/product/product-1", "DNS:product,", "DNS:product-1", "DNS:localhost"]
    {
        assert!(names.contains(name), "{name} is missing in {names}");
    }
    // A call of another service there is refused by the certificate.
    let to = ["--to", &server, "--mtls"];
    let asked = |service: &str| run(micronet(guarded.folder.path(), &[&["call", service][..], &to].concat()));
    let told = asked("order").check(5).stderr;
    assert!(told.contains("service/product/product-1, and not of order"), "{told}");
    asked("product").check(0);
}
