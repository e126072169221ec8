//! Whose certificates are taken: the cluster's CA has signed them, and they name somebody of the cluster (SPEC.md 15.3).

use std::fmt;
use std::sync::Arc;

use micronet_wire::spiffe::SpiffeId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

/// The SPIFFE id of a certificate: its only URI.
pub(super) fn spiffe_id(certificate: &CertificateDer<'_>) -> Option<SpiffeId> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut names = certificate.valid_uri_names();
    // SPIFFE X.509-SVID, section 2: a certificate with several URIs is refused.
    match (names.next(), names.next()) {
        (Some(name), None) => name.parse().ok(),
        _ => None,
    }
}

/// Why a certificate that the CA has signed isn't taken.
#[derive(Debug)]
struct Unwanted(String);

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwanted {}

fn unwanted<T>(words: String) -> Result<T, Error> {
    Err(CertificateError::Other(OtherError(Arc::new(Unwanted(words)))).into())
}

/// The id of a certificate, if it is somebody's of this cluster.
fn of_cluster(certificate: &CertificateDer<'_>, cluster: &str) -> Result<SpiffeId, Error> {
    match spiffe_id(certificate) {
        Some(id) if id.cluster() == cluster => Ok(id),
        Some(id) => unwanted(format!("is that of {id}, and this is the cluster {cluster}")),
        None => unwanted("has no SPIFFE id of a cluster".into()),
    }
}

/// An acceptor's check of those who dial: everybody of the cluster, and nobody without a certificate.
#[derive(Debug)]
pub(super) struct Diallers {
    chain: Arc<dyn ClientCertVerifier>,
    cluster: String,
}

impl Diallers {
    pub(super) fn new(
        provider: &Arc<CryptoProvider>,
        roots: &Arc<RootCertStore>,
        cluster: &str,
    ) -> Result<Self, Error> {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
        let chain = builder.build().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { chain, cluster: cluster.to_owned() })
    }
}

impl ClientCertVerifier for Diallers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(certificate, intermediates, now)?;
        of_cluster(certificate, &self.cluster).map(|_| verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// A dialler's check of whom it has reached: the service that it asked for, by name; or any service, where it asked for an address.
#[derive(Debug)]
pub(super) struct Acceptors {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    cluster: String,
}

impl Acceptors {
    pub(super) fn new(provider: &Arc<CryptoProvider>, roots: &Arc<RootCertStore>, cluster: &str) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { roots: Arc::clone(roots), algorithms, cluster: cluster.to_owned() }
    }
}

impl ServerCertVerifier for Acceptors {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        wanted: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let id = of_cluster(certificate, &self.cluster)?;
        match (&id, wanted) {
            (SpiffeId::Service { .. }, ServerName::IpAddress(_)) => Ok(ServerCertVerified::assertion()),
            (_, ServerName::DnsName(name)) if id.is_service(name.as_ref()) => {
                Ok(ServerCertVerified::assertion())
            }
            (_, ServerName::DnsName(name)) => {
                unwanted(format!("is that of {id}, and not of {}", name.as_ref()))
            }
            _ => unwanted(format!("is that of {id}, and of no service")),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
