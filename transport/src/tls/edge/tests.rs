//! Certificates made by rcgen, on streams in memory.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::crowd::Crowd;

struct Folder {
    issuer: CertifiedIssuer<'static, KeyPair>,
    path: PathBuf,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("micronet-edge-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(), path }
    }

    /// Writes a certificate for this host and its key, each in a file of its own; replaces those of this name.
    fn issue(&self, name: &str, host: &str) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let write = |kind: &str, pem: String| {
            let path = self.path.join(format!("{name}.{kind}"));
            fs::write(&path, pem).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            path
        };
        CertificateFiles { chain: write("pem", certificate.pem()), key: write("key", key.serialize_pem()) }
    }

    /// A client that trusts this CA.
    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

fn edge(certificates: Vec<CertificateFiles>) -> Result<EdgeTls, Vec<String>> {
    let loaded = EdgeTls::load(EdgeConfig { certificates, ..EdgeConfig::default() });
    loaded.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true);
    runtime.build_local(Default::default()).unwrap().block_on(test);
}

/// The server's side of a connection whose other end is this.
async fn accept(edge: &EdgeTls, stream: DuplexStream) -> Result<(), String> {
    let crowd = Crowd::default();
    let guest = crowd.enter(Ipv4Addr::LOCALHOST.into(), 1, 1).ok().unwrap();
    edge.accept(stream, None, &guest).await.map(drop).map_err(|why| why.to_string())
}

/// Asks for a host: the certificate that is shown, or why the client takes none.
async fn asked(edge: &EdgeTls, folder: &Folder, host: &str) -> Result<Vec<u8>, String> {
    let (ours, theirs) = duplex(64 << 10);
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connector = TlsConnector::from(folder.client());
    let (_, connected) = tokio::join!(accept(edge, theirs), connector.connect(name, ours));
    let stream = connected.map_err(|error| error.to_string())?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn a_client_gets_the_certificate_of_the_host_it_asks_for() {
    run(async {
        let folder = Folder::new();
        let hosts = [("a", "a.example"), ("b", "*.b.example")].map(|(name, host)| folder.issue(name, host));
        let edge = edge(hosts.to_vec()).unwrap();
        let first = asked(&edge, &folder, "a.example").await.unwrap();
        let second = asked(&edge, &folder, "shop.b.example").await.unwrap();
        assert_ne!(first, second);
        // Who asks for a host that is none of them gets the first, and takes it for what it is.
        let error = asked(&edge, &folder, "c.example").await.unwrap_err();
        assert!(error.contains("not valid for name"), "{error}");
    });
}

#[test]
fn certificates_are_replaced_as_a_whole() {
    run(async {
        let folder = Folder::new();
        let files = folder.issue("a", "a.example");
        let edge = edge(vec![files.clone()]).unwrap();
        let first = asked(&edge, &folder, "a.example").await.unwrap();
        assert_eq!(edge.reload(), Ok(false));
        // The certificate is there, and its key not yet.
        let former_key = fs::read(&files.key).unwrap();
        folder.issue("a", "a.example");
        let key = fs::read(&files.key).unwrap();
        fs::write(&files.key, former_key).unwrap();
        let errors = edge.reload().unwrap_err();
        assert!(errors[0].to_string().contains("it is not the key of"), "{errors:?}");
        assert_eq!(asked(&edge, &folder, "a.example").await, Ok(first.clone()));
        fs::write(&files.key, key).unwrap();
        assert_eq!(edge.reload(), Ok(true));
        assert_ne!(asked(&edge, &folder, "a.example").await, Ok(first));
    });
}

#[test]
fn everything_that_is_wrong_with_files_is_told() {
    let folder = Folder::new();
    let (open, mixed) = (folder.issue("open", "a.example"), folder.issue("mixed", "b.example"));
    fs::set_permissions(&open.key, fs::Permissions::from_mode(0o644)).unwrap();
    let missing = folder.path.join("missing.pem");
    let certificates = vec![
        open.clone(),
        CertificateFiles { chain: mixed.chain.clone(), key: folder.issue("other", "c.example").key },
        CertificateFiles { chain: missing.clone(), key: missing },
    ];
    let loaded =
        EdgeTls::load(EdgeConfig { certificates, clients: Clients::MustShow(mixed.key), tls12: false });
    let errors = loaded.err().unwrap();
    let wanted = [
        "others can read this private key",
        "it is not the key of",
        "cannot read",
        "it holds no certificate",
    ];
    assert_eq!(errors.len(), wanted.len(), "{errors:?}");
    for (error, wanted) in errors.iter().zip(wanted) {
        assert!(error.to_string().contains(wanted), "{error} instead of {wanted}");
    }
}

#[test]
fn who_does_not_shake_hands_is_let_go() {
    run(async {
        let folder = Folder::new();
        let edge = edge(vec![folder.issue("a", "a.example")]).unwrap();
        let refused = async |said: &[u8]| {
            let (mut ours, theirs) = duplex(64 << 10);
            ours.write_all(said).await.unwrap();
            let refused = accept(&edge, theirs).await.unwrap_err();
            let mut answer = String::new();
            let _ = tokio::time::timeout(Duration::from_secs(1), ours.read_to_string(&mut answer)).await;
            (refused, answer)
        };
        let (why, answer) = refused(b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(why.contains("plaintext") && answer.starts_with("HTTP/1.1 400 "), "{why}: {answer}");
        assert!(answer.contains("this port speaks HTTPS"), "{answer}");
        // The first bytes of a handshake, and then nothing; or nothing at all.
        for said in [&b"\x16\x03\x01\x00"[..], b""] {
            let begin = Instant::now();
            let (why, _) = refused(said).await;
            assert_eq!(why, "the TLS handshake took too long");
            assert_eq!(begin.elapsed().as_millis() / 1_000, u128::from(HANDSHAKE_MS_MAX / 1_000));
        }
    });
}
