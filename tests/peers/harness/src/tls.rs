//! TLS 1.3 with certificates on both sides, from a folder with `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// The name in the server's certificate.
pub const SERVER_NAME: &str = "localhost";

fn chain(folder: &Path, name: &str) -> Vec<CertificateDer<'static>> {
    let path = folder.join(format!("{name}.pem"));
    let certificates = CertificateDer::pem_file_iter(path).expect("a file of certificates");
    certificates.collect::<Result<_, _>>().expect("certificates")
}

fn key(folder: &Path, name: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).expect("a private key")
}

fn roots(folder: &Path) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(folder, "ca") {
        roots.add(certificate).expect("a CA's certificate");
    }
    Arc::new(roots)
}

/// What accepts TLS from clients that this CA knows.
///
/// # Panics
/// When the folder lacks a file.
#[must_use]
pub fn acceptor(folder: &Path) -> TlsAcceptor {
    let clients = WebPkiClientVerifier::builder(roots(folder)).build().expect("a CA");
    let config = ServerConfig::builder()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain(folder, "server"), key(folder, "server"))
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// Shakes hands as a server.
///
/// # Panics
/// When the client isn't known.
pub async fn accept(acceptor: &TlsAcceptor, stream: TcpStream) -> server::TlsStream<TcpStream> {
    acceptor.accept(stream).await.expect("a client of this CA")
}

/// Shakes hands as a client.
///
/// # Panics
/// When the server isn't known.
pub async fn connect(folder: &Path, stream: TcpStream) -> client::TlsStream<TcpStream> {
    let config = ClientConfig::builder()
        .with_root_certificates(roots(folder))
        .with_client_auth_cert(chain(folder, "client"), key(folder, "client"))
        .expect("a certificate and its key");
    let name = ServerName::try_from(SERVER_NAME).expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.expect("a server of this CA")
}
