//! TLS towards anybody: a port's certificates, chosen by the name that a client asks for, and what it asks of clients. It looks at
//! its files from time to time, as `tls` does.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use micronet_wire::limits::{CERTIFICATE_CHECK_MS, FIRST_READ_BYTES, HANDSHAKE_MS_MAX};
use micronet_wire::spiffe::SpiffeId;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::{Begun, Refused, Stamp, Tls, TlsError, certificates, read, refusal, stamps, words};
use crate::crowd::Guest;
use crate::driver::ByteStream;
use crate::tasks;

/// What a plaintext client is told.
const TLS_ONLY: &str = "this port speaks HTTPS: a plaintext request came to it";
/// The protocol that is spoken in TLS (RFC 7301).
const HTTP_1_1: &[u8] = b"http/1.1";
/// How many names of a client's certificate are shown.
const NAMES_SHOWN: usize = 3;

/// What a port of TLS is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeConfig {
    /// The certificates, the first of which is that of clients who name no other's host.
    pub certificates: Vec<CertificateFiles>,
    /// What is asked of clients.
    pub clients: Clients,
    /// Whether TLS 1.2 is spoken too.
    pub tls12: bool,
}

/// A certificate's files, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those of the intermediate CAs.
    pub chain: PathBuf,
    /// The private key; it may be in the same file.
    pub key: PathBuf,
}

/// Whether clients are asked for certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Clients {
    /// They are not.
    #[default]
    Anybody,
    /// Who has one shows it. It has to be signed by a CA of this file.
    MayShow(PathBuf),
    /// Nobody gets in without one that is signed by a CA of this file.
    MustShow(PathBuf),
}

/// A client's certificate, which was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The names in it, for people.
    pub names: String,
    /// Whom of the cluster it names, where the cluster's own CA has signed it.
    pub id: Option<SpiffeId>,
}

/// A port's TLS. Clones share what is loaded.
#[derive(Clone)]
pub struct EdgeTls(Rc<Inner>);

struct Inner {
    config: EdgeConfig,
    /// Of connections by TLS 1.3 and 1.2 that are resumed. It stays when certificates are replaced.
    tickets: Option<Arc<dyn ProducesTickets>>,
    loaded: RefCell<Loaded>,
}

/// What was in the files when they were last read.
struct Loaded {
    stamps: Vec<Stamp>,
    server: Arc<ServerConfig>,
}

impl fmt::Debug for EdgeTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EdgeTls").field(&self.0.config).finish()
    }
}

impl EdgeTls {
    /// Reads the files.
    ///
    /// # Errors
    /// All that is wrong: files that can't be read, keys that others can read or that are not a certificate's.
    pub fn load(config: EdgeConfig) -> Result<Self, Vec<TlsError>> {
        // A session that is resumed would outlive what a client's certificate is worth.
        let tickets = match config.clients {
            Clients::Anybody => Some(Ticketer::new().map_err(|error| vec![TlsError(error.to_string())])?),
            _ => None,
        };
        let loaded = RefCell::new(Loaded::read(&config, tickets.as_ref())?);
        Ok(Self(Rc::new(Inner { config, tickets, loaded })))
    }

    /// What it was made of.
    #[must_use]
    pub fn config(&self) -> &EdgeConfig {
        &self.0.config
    }

    /// Reads the files again if they have changed. Whether something was read.
    ///
    /// # Errors
    /// When what is there can't be used: what was read before stays.
    pub fn reload(&self) -> Result<bool, Vec<TlsError>> {
        let now = stamps(self.0.config.paths()).map_err(|error| vec![error])?;
        if now == self.0.loaded.borrow().stamps {
            return Ok(false);
        }
        let fresh = Loaded::read(&self.0.config, self.0.tickets.as_ref())?;
        self.0.loaded.replace(fresh);
        Ok(true)
    }

    /// Looks at the files from time to time, for as long as somebody holds this.
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    pub fn follow_files(&self) {
        tasks::spawn("certificates of the edge", follow(Rc::downgrade(&self.0)));
    }

    /// The handshake with a client, which has [`HANDSHAKE_MS_MAX`] for all of it. A client that begins in plaintext is told so.
    /// Whoever of the cluster has certificates is known by `cluster`. A `guest` that has to make room for others does so meanwhile too.
    ///
    /// # Errors
    /// Why there is no connection, for the log.
    pub async fn accept<S: ByteStream>(
        &self,
        stream: S,
        cluster: Option<&Tls>,
        guest: &Guest,
    ) -> Result<(impl ByteStream + use<S>, Option<ClientCertificate>), Refused> {
        guest.idles(Some(Instant::now()));
        let accepted = tokio::select! {
            biased;
            () = guest.sent_away() => Err(Refused::new("its place was needed before the handshake was over")),
            accepted = self.shake_hands(stream, cluster) => accepted,
        };
        guest.idles(None);
        accepted
    }

    async fn shake_hands<S: ByteStream>(
        &self,
        stream: S,
        cluster: Option<&Tls>,
    ) -> Result<(impl ByteStream + use<S>, Option<ClientCertificate>), Refused> {
        let due = Instant::now() + Duration::from_millis(HANDSHAKE_MS_MAX);
        let late = |_| Refused::new("the TLS handshake took too long");
        let mut begun = Begun { input: BytesMut::with_capacity(FIRST_READ_BYTES), stream };
        let first = begun.stream.read_buf(&mut begun.input);
        if !matches!(tokio::time::timeout_at(due, first).await.map_err(late)?, Ok(1..)) {
            return Err(Refused::new("nothing came"));
        }
        let stream = refusal::expect_tls(begun, TLS_ONLY, false).await?;
        let server = Arc::clone(&self.0.loaded.borrow().server);
        let shaking = TlsAcceptor::from(server).accept(stream).into_fallible();
        let stream = match tokio::time::timeout_at(due, shaking).await.map_err(late)? {
            Ok(stream) => stream,
            // The alert is on its way.
            Err((error, stream)) => return Err(refusal::after(stream, words(&error)).await),
        };
        let chain = stream.get_ref().1.peer_certificates();
        let client = chain.and_then(|chain| {
            let id = cluster.and_then(|tls| tls.vouches_for(chain));
            Some(ClientCertificate { names: names(chain.first()?), id })
        });
        Ok((stream, client))
    }
}

impl EdgeConfig {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let ca = match &self.clients {
            Clients::Anybody => None,
            Clients::MayShow(ca) | Clients::MustShow(ca) => Some(ca.as_path()),
        };
        let pairs = self.certificates.iter();
        pairs.flat_map(|files| [files.chain.as_path(), files.key.as_path()]).chain(ca)
    }
}

async fn follow(tls: Weak<Inner>) {
    let mut told = None;
    loop {
        tokio::time::sleep(Duration::from_millis(CERTIFICATE_CHECK_MS)).await;
        let Some(tls) = tls.upgrade() else { return };
        match EdgeTls(tls).reload() {
            Ok(true) => {
                told = None;
                tracing::info!("the certificates of HTTPS were read again");
            }
            Ok(false) => {}
            Err(errors) if told.as_ref() == Some(&errors) => {}
            Err(errors) => {
                for error in &errors {
                    tracing::warn!(%error, "new certificates of HTTPS can't be used; those that were read before stay");
                }
                told = Some(errors);
            }
        }
    }
}

impl Loaded {
    fn read(config: &EdgeConfig, tickets: Option<&Arc<dyn ProducesTickets>>) -> Result<Self, Vec<TlsError>> {
        // First: what is replaced while it is read will be read again.
        let stamps = stamps(config.paths());
        let (mut named, mut errors) = (Vec::new(), Vec::new());
        for files in &config.certificates {
            match certified(files) {
                Ok(certified) => named.push(certified),
                Err(error) => errors.push(error),
            }
        }
        let roots = match &config.clients {
            Clients::Anybody => None,
            Clients::MayShow(ca) | Clients::MustShow(ca) => {
                roots(ca).map_err(|error| errors.push(error)).ok()
            }
        };
        match stamps {
            Ok(stamps) if errors.is_empty() => match server_config(config, named, roots, tickets) {
                Ok(server) => Ok(Self { stamps, server: Arc::new(server) }),
                Err(error) => Err(vec![TlsError(error.to_string())]),
            },
            Err(error) if errors.is_empty() => Err(vec![error]),
            _ => Err(errors),
        }
    }
}

fn server_config(
    config: &EdgeConfig,
    certificates: Vec<Arc<CertifiedKey>>,
    roots: Option<RootCertStore>,
    tickets: Option<&Arc<dyn ProducesTickets>>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions = if config.tls12 { &[&TLS13, &TLS12][..] } else { &[&TLS13][..] };
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let builder = match roots {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match config.clients {
                Clients::MustShow(_) => verifier,
                _ => verifier.allow_unauthenticated(),
            };
            let verifier = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_cert_resolver(Arc::new(ByName { certificates }));
    server.alpn_protocols = vec![HTTP_1_1.to_vec()];
    // RFC 7627, section 1: without it a client's certificate could be passed on to another session of TLS 1.2.
    server.require_ems = !matches!(config.clients, Clients::Anybody);
    // What is resumed is in the ticket, under keys that change every six hours: nothing is kept here for it.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    match tickets {
        Some(tickets) => server.ticketer = Arc::clone(tickets),
        None => server.send_tls13_tickets = 0,
    }
    Ok(server)
}

/// Picks a certificate by the name that the client asks for (RFC 6066, section 3).
#[derive(Debug)]
struct ByName {
    certificates: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.certificates.first()?;
        if self.certificates.len() == 1 {
            return Some(Arc::clone(first));
        }
        let wanted = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = wanted.and_then(|name| self.certificates.iter().find(|each| is_for(each, &name)));
        Some(Arc::clone(named.unwrap_or(first)))
    }
}

fn is_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let own = certified.end_entity_cert().ok().and_then(|own| webpki::EndEntityCert::try_from(own).ok());
    own.is_some_and(|own| own.verify_is_valid_for_subject_name(name).is_ok())
}

fn certified(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let of = |path: &Path, why: &dyn fmt::Display| TlsError(format!("{}: {why}", path.display()));
    let chain = certificates(&read(&files.chain)?).map_err(|why| of(&files.chain, &why))?;
    let mode = fs::metadata(&files.key).map_err(|why| of(&files.key, &why))?.mode();
    if mode & 0o007 != 0 {
        let words = "others can read this private key: take it away from them with chmod o-rwx";
        return Err(of(&files.key, &words));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|_| of(&files.key, &"it holds no private key"))?;
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    certified.map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            of(&files.key, &format!("it is not the key of {}", files.chain.display()))
        }
        other => of(&files.chain, &other),
    })
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let unusable = |why: &dyn fmt::Display| TlsError(format!("{}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&read(path)?).map_err(|why| unusable(&why))? {
        roots.add(certificate).map_err(|why| unusable(&why))?;
    }
    Ok(roots)
}

/// The names in a certificate, for people.
fn names(certificate: &CertificateDer<'_>) -> String {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return "unreadable".into() };
    let names: Vec<&str> =
        certificate.valid_uri_names().chain(certificate.valid_dns_names()).take(NAMES_SHOWN).collect();
    if names.is_empty() { "a certificate without names".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
