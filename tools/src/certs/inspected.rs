//! What is in a certificate's file, for people and for those who issue it again.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use micronet_wire::spiffe::{SpiffeId, is_trust_domain};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

use crate::data_folder::failed;
use crate::error::CommandError;

/// The first certificate of a file.
#[derive(Debug)]
pub(super) struct Inspected {
    /// Its distinguished name, as `CN=order-1, O=micronet`.
    pub(super) subject: String,
    /// Who holds it, if it has the SPIFFE id of somebody.
    pub(super) id: Option<SpiffeId>,
    /// The cluster whose CA it is, if it is one.
    pub(super) trust_domain: Option<String>,
    /// The host names that are in it.
    pub(super) dns: Vec<String>,
    /// The addresses that are in it.
    pub(super) ips: Vec<IpAddr>,
    /// When it begins to be good, in seconds since 1970.
    pub(super) not_before_s: i64,
    /// When it is no longer good, in seconds since 1970.
    pub(super) not_after_s: i64,
    /// The same as RFC 3339 writes it.
    pub(super) expires: String,
    /// The SHA-256 of the whole certificate, in hexadecimal.
    pub(super) fingerprint: String,
    /// The public key, as its algorithm writes it.
    pub(super) public_key: Vec<u8>,
    /// The certificate itself.
    pub(super) der: Vec<u8>,
}

impl Inspected {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, CommandError> {
        let text = fs::read(path).map_err(|error| failed("read", path, &error))?;
        Self::from_pem(&text).ok_or_else(|| {
            CommandError::new(format!("{} holds no certificate", path.display()))
                .next("delete it, and issue another: micronet certs issue SERVICE")
        })
    }

    fn from_pem(text: &[u8]) -> Option<Self> {
        let pem =
            Pem::iter_from_buffer(text).find_map(|pem| pem.ok().filter(|pem| pem.label == "CERTIFICATE"))?;
        let certificate = pem.parse_x509().ok()?;
        let (uris, dns, ips) = names(&certificate);
        let uri = if let [uri] = &uris[..] { uri.as_str() } else { "" };
        let trust_domain =
            uri.strip_prefix("spiffe://").filter(|name| certificate.is_ca() && is_trust_domain(name));
        let at = certificate.validity().not_after.to_datetime();
        let (month, day) = (u8::from(at.month()), at.day());
        Some(Self {
            subject: certificate.subject().to_string(),
            id: uri.parse().ok(),
            trust_domain: trust_domain.map(str::to_owned),
            dns,
            ips,
            not_before_s: certificate.validity().not_before.timestamp(),
            not_after_s: at.unix_timestamp(),
            expires: format!(
                "{:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
                at.year(),
                at.hour(),
                at.minute(),
                at.second()
            ),
            fingerprint: Sha256::digest(&pem.contents).iter().map(|byte| format!("{byte:02x}")).collect(),
            public_key: certificate.public_key().subject_public_key.data.to_vec(),
            der: pem.contents.clone(),
        })
    }

    /// Whether the CA with this certificate has signed it.
    pub(super) fn is_signed_by(&self, ca: &Self) -> bool {
        let parsed = |der| x509_parser::parse_x509_certificate(der).map(|(_, certificate)| certificate);
        match (parsed(&self.der), parsed(&ca.der)) {
            (Ok(own), Ok(ca)) => own.verify_signature(Some(ca.public_key())).is_ok(),
            _ => false,
        }
    }
}

/// The URIs, the host names and the addresses of a certificate.
fn names(certificate: &X509Certificate<'_>) -> (Vec<String>, Vec<String>, Vec<IpAddr>) {
    let (mut uris, mut dns, mut ips) = (Vec::new(), Vec::new(), Vec::new());
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        for name in &names.value.general_names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => dns.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => ips.extend(ip(bytes)),
                _ => {}
            }
        }
    }
    (uris, dns, ips)
}

/// An address of four bytes or sixteen (RFC 5280, section 4.2.1.6).
fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
