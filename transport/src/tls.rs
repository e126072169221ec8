//! TLS 1.3 with certificates on both sides (SPEC.md section 15): who the peer is, is in its certificate.
//!
//! A [`Tls`] is the certificate of one process and the CA of its cluster, as they stand in two files. It looks at the files from
//! time to time: new connections are made with what is there now, and those that are open go on with what they began with.

mod begun;
pub mod edge;
mod open;
mod refusal;
#[cfg(test)]
mod tests;
mod verify;
mod words;

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{CERTIFICATE_CHECK_MS, HANDSHAKE_MS_MAX};
use micronet_wire::spiffe::SpiffeId;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, KeyLogFile, RootCertStore, ServerConfig};
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

pub(crate) use self::begun::Begun;
pub use self::open::open;
pub use self::refusal::Refused;
pub(crate) use self::words::{is_refusal, words};
use crate::driver::ByteStream;
use crate::tasks;

/// Where the certificates of a process are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates of the cluster's CA, in PEM.
    pub ca: PathBuf,
    /// The process's own certificate and its private key, both in one PEM file, so that they are replaced together.
    pub own: PathBuf,
}

impl TlsFiles {
    fn paths(&self) -> [&Path; 2] {
        [&self.ca, &self.own]
    }
}

/// The certificate of a process, and the CA that it trusts. Clones share what is loaded.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    key_log: bool,
    loaded: RwLock<Loaded>,
}

/// What was in the files when they were last read.
struct Loaded {
    id: SpiffeId,
    stamps: Vec<Stamp>,
    diallers: Arc<verify::Diallers>,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// What changes about a file when it is replaced or written: modification time in seconds and nanoseconds, inode, length.
type Stamp = (i64, i64, u64, u64);

/// Why certificates can't be used, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.0.files).field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files. With `key_log` the secrets of all connections are appended to the file that the environment variable
    /// SSLKEYLOGFILE names: whoever reads it can read what was said.
    ///
    /// # Errors
    /// When a file can't be read, others can read the private key, or what is in it makes no sense.
    pub fn load(files: TlsFiles, key_log: bool) -> Result<Self, TlsError> {
        let loaded = RwLock::new(Loaded::read(&files, key_log)?);
        Ok(Self(Arc::new(Inner { files, key_log, loaded })))
    }

    /// Who the certificate says that this process is.
    #[must_use]
    pub fn id(&self) -> SpiffeId {
        self.0.loaded().id.clone()
    }

    /// Reads the files again if they have changed. What is there has to be for the same holder. Whether something was read.
    ///
    /// # Errors
    /// When it can't be used: what was read before stays.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.0.reload()
    }

    /// Whom a certificate names, if the cluster's CA has signed it.
    pub(crate) fn vouches_for(&self, chain: &[CertificateDer<'_>]) -> Option<SpiffeId> {
        let (own, intermediates) = chain.split_first()?;
        let verified = self.0.loaded().diallers.verify_client_cert(own, intermediates, UnixTime::now());
        verified.ok().and_then(|_| verify::spiffe_id(own))
    }

    /// Looks at the files from time to time, for as long as somebody holds this.
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    pub fn follow_files(&self) {
        tasks::spawn("certificates of the cluster", follow(Arc::downgrade(&self.0)));
    }

    /// The dialler's handshake: the peer has to be of the cluster, and an instance of this service where one is named.
    ///
    /// # Errors
    /// [`Code::WrongIdentity`] when it isn't, [`Code::Protocol`] when it doesn't speak TLS, [`Code::Silent`] when it takes too long.
    pub(crate) async fn dial<S: ByteStream>(
        &self,
        stream: S,
        service: Option<&str>,
    ) -> Result<(client::TlsStream<S>, SpiffeId), RpcError> {
        // The name that is asked for is the service's. An address stands for any: see `verify`.
        let any = ServerName::from(IpAddr::from([0, 0, 0, 0]));
        let wanted = match service.map(|name| ServerName::try_from(name.to_owned())) {
            None => any,
            Some(Ok(name)) => name,
            Some(Err(_)) => return Err(RpcError::new(Code::WrongIdentity, "no certificate has such a name")),
        };
        let config = Arc::clone(&self.0.loaded().client);
        let shaking = TlsConnector::from(config).connect(wanted, stream);
        let stream = match in_time(shaking).await {
            Ok(stream) => stream,
            Err(error) => {
                return Err(RpcError::new(words::code(&error), format!("TLS failed: {}", words(&error))));
            }
        };
        match certified(stream.get_ref().1.peer_certificates()) {
            Some(id) => Ok((stream, id)),
            None => Err(RpcError::new(Code::WrongIdentity, "TLS failed: the peer has no certificate")),
        }
    }

    /// The acceptor's handshake, with a connection from which `begun` has been read. A peer that isn't of the cluster, or doesn't
    /// speak TLS, is told so in its own language.
    pub(crate) async fn accept<S: ByteStream>(
        &self,
        stream: Begun<S>,
        due: Instant,
    ) -> Result<(server::TlsStream<Begun<S>>, SpiffeId), Refused> {
        let stream = refusal::expect_tls(stream, refusal::MUTUAL_TLS_ONLY, true).await?;
        let config = Arc::clone(&self.0.loaded().server);
        let shaking = TlsAcceptor::from(config).accept(stream).into_fallible();
        let stream = match tokio::time::timeout_at(due, shaking).await {
            Ok(Ok(stream)) => stream,
            // The alert is on its way.
            Ok(Err((error, stream))) => return Err(refusal::after(stream, words(&error)).await),
            Err(_) => return Err(Refused::new("the TLS handshake took too long")),
        };
        match certified(stream.get_ref().1.peer_certificates()) {
            Some(id) => Ok((stream, id)),
            None => Err(Refused::new("no certificate was presented")),
        }
    }
}

async fn in_time<T>(shaking: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let in_time = tokio::time::timeout(Duration::from_millis(HANDSHAKE_MS_MAX), shaking);
    in_time.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The identity in a certificate that was verified.
fn certified(chain: Option<&[CertificateDer<'_>]>) -> Option<SpiffeId> {
    verify::spiffe_id(chain?.first()?)
}

async fn follow(tls: Weak<Inner>) {
    let mut told = None;
    loop {
        tokio::time::sleep(Duration::from_millis(CERTIFICATE_CHECK_MS)).await;
        let Some(tls) = tls.upgrade() else { return };
        match tls.reload() {
            Ok(true) => {
                told = None;
                tracing::info!(file = %tls.files.own.display(), "certificates were read again");
            }
            Ok(false) => {}
            Err(error) if told.as_ref() == Some(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "new certificates can't be used; those that were read before stay");
                told = Some(error);
            }
        }
    }
}

impl Inner {
    fn loaded(&self) -> RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn reload(&self) -> Result<bool, TlsError> {
        if stamps(self.files.paths())? == self.loaded().stamps {
            return Ok(false);
        }
        let fresh = Loaded::read(&self.files, self.key_log)?;
        let id = self.loaded().id.clone();
        if fresh.id != id {
            let words = format!("{} is now for {}, and not for {id}", self.files.own.display(), fresh.id);
            return Err(TlsError(words));
        }
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

impl Loaded {
    fn read(files: &TlsFiles, key_log: bool) -> Result<Self, TlsError> {
        // First: what is replaced while it is read will be read again.
        let stamps = stamps(files.paths())?;
        let unusable = |path: &Path, why: &dyn fmt::Display| TlsError(format!("{}: {why}", path.display()));
        let (ca, own) = (read(&files.ca)?, read_private(&files.own)?);
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&ca).map_err(|why| unusable(&files.ca, &why))? {
            roots.add(certificate).map_err(|why| unusable(&files.ca, &why))?;
        }
        let of_own = |why: &dyn fmt::Display| unusable(&files.own, why);
        let chain = certificates(&own).map_err(|why| of_own(&why))?;
        let key = || PrivateKeyDer::from_pem_slice(&own).map_err(|_| of_own(&"it holds no private key"));
        let id = verify::spiffe_id(&chain[0])
            .ok_or_else(|| of_own(&"the certificate has no SPIFFE id of a cluster"))?;
        let (provider, roots) = (Arc::new(aws_lc_rs::default_provider()), Arc::new(roots));
        let diallers = verify::Diallers::new(&provider, &roots, id.cluster()).map_err(|why| of_own(&why))?;
        let diallers = Arc::new(diallers);
        let mut server =
            server_config(&provider, &diallers, chain.clone(), key()?).map_err(|why| of_own(&why))?;
        let mut client = client_config(&provider, &roots, &id, chain, key()?).map_err(|why| of_own(&why))?;
        if key_log {
            server.key_log = Arc::new(KeyLogFile::new());
            client.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(Self { id, stamps, diallers, server: Arc::new(server), client: Arc::new(client) })
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    diallers: &Arc<verify::Diallers>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::<verify::Diallers>::clone(diallers))
        .with_single_cert(chain, key)?;
    // A session that is resumed would outlive the certificate that it was made with.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    id: &SpiffeId,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, rustls::Error> {
    let verifier = verify::Acceptors::new(provider, roots, id.cluster());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous() // It is the only way to a verifier of one's own; ours checks more than the usual one, not less.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain, key)?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err("it holds no certificate"),
        Err(_) => Err("it is no PEM file"),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError(format!("cannot read {}: {error}", path.display())))
}

fn read_private(path: &Path) -> Result<Vec<u8>, TlsError> {
    let metadata =
        fs::metadata(path).map_err(|error| TlsError(format!("cannot read {}: {error}", path.display())))?;
    if metadata.mode() & 0o077 != 0 {
        let path = path.display();
        return Err(TlsError(format!(
            "other users can read the private key in {path}: run chmod 600 {path}"
        )));
    }
    read(path)
}

fn stamps<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<Vec<Stamp>, TlsError> {
    let stamp = |path: &Path| match fs::metadata(path) {
        Ok(file) => Ok((file.mtime(), file.mtime_nsec(), file.ino(), file.len())),
        Err(error) => Err(TlsError(format!("cannot read {}: {error}", path.display()))),
    };
    paths.into_iter().map(stamp).collect()
}
