//! A CA of this run, and certificates of both sides.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use micronet_transport::tls::{Tls, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The name by which the peer's client knows its server.
pub(crate) const HOST: &str = "localhost";

/// A folder of certificates that goes with this.
pub(crate) struct Certificates(PathBuf);

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let folder = std::env::temp_dir().join(format!("micronet-echo-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for certificates");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
        fs::write(folder.join("ca.pem"), ca.pem()).expect("the CA is kept");
        for node in ["server", "client"] {
            let mut params = CertificateParams::new([HOST.to_owned()]).expect("a name");
            let uri = format!("spiffe://bench/service/{node}/{node}-1");
            params.subject_alt_names.push(SanType::URI(uri.try_into().expect("a URI")));
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &ca).expect("a certificate");
            let file = folder.join(format!("{node}.pem"));
            fs::write(&file, certificate.pem() + &key.serialize_pem()).expect("a certificate is kept");
            fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("nobody else reads the key");
        }
        Self(folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

/// For micronet's own sides.
pub(crate) fn tls(folder: &Path, node: &str) -> Tls {
    let files = TlsFiles { ca: folder.join("ca.pem"), own: folder.join(format!("{node}.pem")) };
    Tls::load(files, false).expect("certificates")
}

struct Read {
    roots: Arc<RootCertStore>,
    own: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn read(folder: &Path, node: &str) -> Read {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).expect("the CA")).expect("the CA is one");
    let file = folder.join(format!("{node}.pem"));
    let own = CertificateDer::from_pem_file(&file).expect("a certificate");
    Read { roots: Arc::new(roots), own: vec![own], key: PrivateKeyDer::from_pem_file(&file).expect("a key") }
}

/// For the peer's server: TLS 1.3 with certificates on both sides, as micronet's.
pub(crate) fn server(folder: &Path) -> Arc<ServerConfig> {
    let Read { roots, own, key } = read(folder, "server");
    let verifier = WebPkiClientVerifier::builder(roots).build().expect("a verifier");
    let config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_client_cert_verifier(verifier)
        .with_single_cert(own, key);
    Arc::new(config.expect("a configuration"))
}

/// For the peer's client.
pub(crate) fn client(folder: &Path) -> Arc<ClientConfig> {
    let Read { roots, own, key } = read(folder, "client");
    let config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_client_auth_cert(own, key);
    Arc::new(config.expect("a configuration"))
}
