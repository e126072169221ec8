//! The cluster's CA: made once, and whoever has its key issues certificates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use micronet_wire::spiffe::{SpiffeId, is_trust_domain};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use super::folder::{CertsFolder, OPERATOR, is_free_name};
use super::inspected::Inspected;
use super::{CA_LIFETIME_S, CLOCK_SKEW_S, unix_s};
use crate::error::CommandError;
use crate::registry::GATEWAY;

/// A CA, ready to issue.
pub(crate) struct Authority {
    cluster: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    id: SpiffeId,
    /// The names under which it is reached, for those who look at names (curl, browsers).
    dns: Vec<String>,
    /// The addresses, likewise.
    ips: Vec<IpAddr>,
}

impl Holder {
    /// An instance of a service, reached by the names of both, as `localhost`, and by these. A gateway, which clients reach who
    /// look at addresses, is also at those of its own machine.
    pub(crate) fn service(
        cluster: &str,
        node: &str,
        instance: &str,
        (further_dns, further_ips): (&[String], &[IpAddr]),
    ) -> Result<Self, CommandError> {
        let text = format!("spiffe://{cluster}/service/{node}/{instance}");
        let id: SpiffeId = match text.parse() {
            Ok(id) if is_free_name(instance) => id,
            _ => {
                return Err(CommandError::usage(format!(
                    "no certificate can be for {instance:?} of {node:?}"
                )));
            }
        };
        let mut dns: Vec<String> = [node, instance, "localhost"].map(str::to_owned).into();
        dns.extend_from_slice(further_dns);
        dns.dedup();
        let mut ips = further_ips.to_vec();
        if node == GATEWAY {
            ips.extend([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]);
        }
        ips.sort_unstable();
        ips.dedup();
        Ok(Self { id, dns, ips })
    }

    /// The operator, who is reached nowhere.
    pub(crate) fn operator(cluster: &str) -> Self {
        Self { id: SpiffeId::Operator { cluster: cluster.to_owned() }, dns: Vec::new(), ips: Vec::new() }
    }

    /// Whom the certificate of this name is for.
    pub(super) fn of_file(folder: &CertsFolder, name: &str, cluster: &str) -> Result<Self, CommandError> {
        let path = folder.of(name);
        if !path.exists() {
            return Err(CommandError::usage(format!("there is no certificate {}", path.display()))
                .next("see what there is: micronet certs show"));
        }
        let found = Inspected::read(&path)?;
        let holder = found.id.map(|id| Self { id, dns: found.dns, ips: found.ips });
        match holder {
            Some(holder) if holder.id.cluster() == cluster && holder.name() == name => Ok(holder),
            _ => Err(CommandError::new(format!(
                "{} is not the certificate of {name} in the cluster {cluster}",
                path.display()
            ))
            .next("delete it, and issue another: micronet certs issue SERVICE")),
        }
    }

    /// Its SPIFFE id.
    pub(crate) fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The name of its file.
    pub(crate) fn name(&self) -> &str {
        match &self.id {
            SpiffeId::Service { instance, .. } => instance,
            SpiffeId::Operator { .. } => OPERATOR,
        }
    }
}

impl Authority {
    /// Makes a CA. One that is there is replaced only by `force`: what it has issued is worth nothing afterwards.
    pub(crate) fn create(folder: &CertsFolder, cluster: &str, force: bool) -> Result<Self, CommandError> {
        check_cluster(cluster)?;
        let (path, key_path) = (folder.ca(), folder.ca_key());
        if let Some(there) = [&path, &key_path].into_iter().find(|path| path.exists())
            && !force
        {
            return Err(CommandError::new(format!("there is a CA already: {}", there.display()))
                .next("replace it with --force, and every certificate that it has issued with `micronet certs rotate`"));
        }
        let key = KeyPair::generate().map_err(unmade)?;
        let mut params = lasting(CA_LIFETIME_S);
        // Two CAs of one name, a former one and the present, must not be taken for each other.
        let mark: [u8; 4] = micronet_transport::identity::random_bytes();
        let name = format!("{cluster} CA {:08x}", u32::from_ne_bytes(mark));
        params.distinguished_name.push(DnType::OrganizationName, "micronet");
        params.distinguished_name.push(DnType::CommonName, name);
        // SPIFFE X.509-SVID, section 3.1: a signing certificate has the trust domain for its id.
        params.subject_alt_names = vec![uri(&format!("spiffe://{cluster}"))?];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(unmade)?;
        folder.write(&key_path, &key.serialize_pem())?;
        folder.write(&path, &certificate.pem())?;
        Ok(Self { cluster: cluster.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// The CA that is there.
    pub(crate) fn open(folder: &CertsFolder) -> Result<Self, CommandError> {
        let (path, key_path) = (folder.ca(), folder.ca_key());
        if !path.exists() || !key_path.exists() {
            return Err(CommandError::new(format!("there is no CA in {}", folder.path().display()))
                .next("make one: micronet certs init"));
        }
        let unusable = |words: &str| {
            CommandError::new(format!("the CA in {} can't be used: {words}", folder.path().display())).next(
                "make another with `micronet certs init --force`, or name another folder with --certs DIR",
            )
        };
        let found = Inspected::read(&path)?;
        let cluster =
            found.trust_domain.clone().ok_or_else(|| unusable("its certificate names no cluster"))?;
        if found.not_after_s <= unix_s().cast_signed() {
            return Err(unusable("it has expired"));
        }
        let key = KeyPair::from_pem(&CertsFolder::read_private(&key_path)?)
            .map_err(|_| unusable("ca.key holds no private key"))?;
        if found.public_key != key.public_key_raw() {
            return Err(unusable("ca.key is not the key of ca.pem"));
        }
        let issuer = Issuer::from_ca_cert_der(&found.der.into(), key)
            .map_err(|_| unusable("ca.pem is not the certificate of a CA"))?;
        Ok(Self { cluster, issuer })
    }

    /// The CA of this cluster: the one that is there, or a new one.
    pub(super) fn open_or_create(folder: &CertsFolder, cluster: &str) -> Result<Self, CommandError> {
        if folder.ca().exists() || folder.ca_key().exists() {
            Self::open_of(folder, cluster)
        } else {
            Self::create(folder, cluster, false)
        }
    }

    /// The CA that is there, which has to be this cluster's.
    pub(super) fn open_of(folder: &CertsFolder, cluster: &str) -> Result<Self, CommandError> {
        let authority = Self::open(folder)?;
        if authority.cluster != cluster {
            let words = format!("the CA in {} is that of another cluster", folder.path().display());
            return Err(CommandError::usage(format!("{words}: {}, and not {cluster}", authority.cluster))
                .next("name that cluster with --cluster, or another folder with --certs DIR"));
        }
        Ok(authority)
    }

    /// The cluster that it vouches for.
    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Issues a certificate with a key of its own into the holder's file.
    pub(crate) fn issue_into(
        &self,
        folder: &CertsFolder,
        holder: &Holder,
        lifetime_s: u64,
    ) -> Result<(), CommandError> {
        let mut params = lasting(lifetime_s);
        params.distinguished_name.push(DnType::OrganizationName, "micronet");
        params.distinguished_name.push(DnType::CommonName, holder.name());
        params.subject_alt_names = vec![uri(&holder.id.to_string())?];
        for name in &holder.dns {
            let name = name.as_str().try_into().map_err(unmade)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.subject_alt_names.extend(holder.ips.iter().map(|ip| SanType::IpAddress(*ip)));
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match holder.id {
            SpiffeId::Service { .. } => {
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
            }
            SpiffeId::Operator { .. } => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        let key = KeyPair::generate().map_err(unmade)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(unmade)?;
        folder.write(&folder.of(holder.name()), &(certificate.pem() + &key.serialize_pem()))
    }
}

/// A cluster's name is the trust domain of its SPIFFE ids.
pub(super) fn check_cluster(cluster: &str) -> Result<(), CommandError> {
    if is_trust_domain(cluster) {
        return Ok(());
    }
    Err(CommandError::usage(format!("{cluster:?} can't be the name of a cluster with certificates"))
        .next("use small letters, digits, '-', '_' or '.' (it is the trust domain of SPIFFE ids)"))
}

/// A certificate that is good from now, or a little earlier, for as long as this.
fn lasting(lifetime_s: u64) -> CertificateParams {
    let at = |unix_s: u64| date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_s);
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = at(unix_s() - CLOCK_SKEW_S);
    params.not_after = at(unix_s() + lifetime_s);
    params
}

fn uri(text: &str) -> Result<SanType, CommandError> {
    text.try_into().map(SanType::URI).map_err(unmade)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn unmade(error: rcgen::Error) -> CommandError {
    CommandError::new(format!("the certificate can't be made: {error}"))
}
