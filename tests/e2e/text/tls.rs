//! Text within TLS, by the real openssl: the certificate says who asks.

use micronet_tests::folder::Folder;
use micronet_tests::http_client::raw;
use micronet_tests::network::Network;

use crate::mtls::openssl;

#[test]
fn a_certificate_says_who_asks() {
    if !openssl::is_there() {
        return;
    }
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--mtls"]);
    let product = network.address("product-1");
    let certs = network.folder().path().join("certs");
    let ca = certs.join("ca.pem").display().to_string();
    let talk = |name: &str, lines: &[u8]| {
        let own = openssl::presenting(&certs.join(format!("{name}.pem")));
        let flags: Vec<&str> = own.iter().map(String::as_str).chain(["-CAfile", &ca]).collect();
        String::from_utf8_lossy(&openssl::talk(product, &flags, lines).stdout).into_owned()
    };
    let said = talk("operator", b"WHO\nCALL product.inventory {}\nQUIT\n");
    assert!(said.starts_with("+OK you are operator\n") && said.contains("\"tls\":true"), "{said}");
    assert!(said.contains("\"principal\":\"service/gateway\",\"name\":\"gateway-1\""), "{said}");
    assert!(said.contains("+OK product.inventory ") && said.ends_with("+OK goodbye\n\n"), "{said}");
    let said =
        talk("order-1", b"WHO\nCALL product.create {\"name\":\"Yoyo\",\"price\":1,\"quantity\":1}\nQUIT\n");
    assert!(said.starts_with("+OK you are service/order\n"), "{said}");
    assert!(said.contains("-ERR INSUFFICIENT_PERMISSIONS "), "{said}");
    // In plaintext nothing is said but what is wanted, in the language of whoever comes.
    let said = raw(product, "HELP\n");
    assert!(said.starts_with("-ERR TLS_REQUIRED ") && said.ends_with("\n\n"), "{said}");
    network.stop();
}
