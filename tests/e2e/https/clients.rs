//! Clients that have certificates.

use micronet_tests::network::Network;

use super::{Edge, curl, handshake, openssl, url};

#[test]
fn clients_show_certificates_where_they_are_asked_for() {
    if !openssl::is_there() || !crate::external::has("curl") {
        return;
    }
    let edge = Edge::new();
    edge.certs(&["issue", "operator"]);
    // A CA that nobody here knows, and somebody of it.
    let (other, stranger) = (edge.path("other.pem"), edge.path("stranger.pem"));
    for file in [&other, &stranger] {
        let file = file.display().to_string();
        openssl::check(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=stranger",
            "-days",
            "2",
            "-keyout",
            &file,
            "-out",
            &format!("{file}.crt"),
        ]);
    }
    let ca = edge.path("certs/ca.pem").display().to_string();
    let settings = |asked: &str| format!("client_ca = \"{ca}\"\nclient_certificates = \"{asked}\"");
    let [operator, stranger] =
        [edge.path("certs/operator.pem"), stranger].map(|path| path.display().to_string());
    let stranger_certificate = format!("{stranger}.crt");
    let file = edge.path("edge.toml");
    let certificate = edge.certificate();
    let network = edge.start(&settings("required"));
    let (data, gateway) = (network.folder().path(), network.gateway());
    let target = url(gateway, "/products/Tux");
    let as_operator = ["--fail", "--cert", &operator, "--key", &operator, &target];
    let as_stranger = ["--fail", "--cert", &stranger_certificate, "--key", &stranger, &target];
    curl(data, &as_operator).check(0);
    assert!(curl(data, &as_stranger).code != Some(0), "a certificate of another CA");
    assert!(curl(data, &["--fail", &target]).code != Some(0), "no certificate");
    // Who has to show one can't come back by a ticket that it was given before.
    let spoken = handshake(gateway, &["-cert", &operator, "-key", &operator]);
    assert!(!spoken.contains("Post-Handshake New Session Ticket"), "{spoken}");

    let text = format!("[tls]\ncertificate = \"{}\"\n{}\n", certificate.display(), settings("optional"));
    std::fs::write(file, text).expect("the settings can be written");
    network.command(&["reload", "gateway"]).check(0);
    curl(data, &as_operator).check(0);
    curl(data, &["--fail", &target]).check(0);
    assert!(curl(data, &as_stranger).code != Some(0), "a certificate that is shown has to be good");
    network.stop();
}

#[test]
fn who_has_a_certificate_of_the_cluster_is_who_it_names() {
    if !crate::external::has("curl") {
        return;
    }
    let edge = Edge::new();
    for name in ["operator", "product"] {
        edge.certs(&["issue", name]);
    }
    let ca = edge.path("certs/ca.pem").display().to_string();
    let settings = edge.write(&format!("client_ca = \"{ca}\"\nclient_certificates = \"optional\""));
    let flags = ["--demo", "shop", "--no-l4", "--mtls", "--gateway-config", &settings];
    let network = Network::start_in(edge.folder, &flags);
    let (data, log) = (network.folder().path(), url(network.gateway(), "/orders/log"));
    let asks = |name: Option<&str>, flags: &[&str], status: &str, words: &str| {
        let file = name.map(|name| data.join(format!("certs/{name}.pem")).display().to_string());
        let shown = file.iter().flat_map(|file| ["--cert", file, "--key", file]);
        let flags = [flags, &["--write-out", "%{http_code}", &log]].concat();
        let said = curl(data, &shown.chain(flags).collect::<Vec<_>>()).check(0).stdout;
        assert!(said.contains(words) && said.ends_with(status), "{name:?}: {said}");
    };
    asks(Some("operator"), &[], "200", "");
    asks(Some("product-1"), &[], "403", "INSUFFICIENT_PERMISSIONS");
    asks(None, &[], "401", "UNAUTHENTICATED");
    // What a request says of itself goes before the certificate.
    let nonsense = ["--header", "Authorization: Bearer nonsense"];
    asks(Some("operator"), &nonsense, "401", "INVALID_CREDENTIALS");
    let token = format!("Authorization: Bearer {}", network.folder().operator_token());
    asks(Some("product-1"), &["--header", &token], "200", "");
    network.stop();
}
