//! Who this process is towards the network, by the secrets of its data folder.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use micronet_transport::identity::Identity;
use micronet_transport::tls::Tls;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::spiffe::SpiffeId;

use crate::certs::{CertsFolder, OPERATOR, expiry};
use crate::config::{Peers, TlsConfig};
use crate::data_folder::{self, DataFolder, OperatorToken};
use crate::error::CommandError;
use crate::network_file::NetworkFile;
use crate::process_limits;

/// A part of the cluster: it proves the cluster's secret, or has a certificate; and knows the operator's token when it sees it.
/// Within a runtime only: with a certificate it follows the files.
pub(crate) fn of_member(
    data: &DataFolder,
    tls: Option<&TlsConfig>,
    cluster: &str,
    node: &str,
    instance: &str,
) -> Result<Rc<Identity>, CommandError> {
    if let Some(config) = tls {
        let wanted =
            SpiffeId::Service { cluster: cluster.into(), node: node.into(), instance: instance.into() };
        let advice = format!("micronet certs issue {node} --instance {instance}");
        return Ok(Rc::new(Identity {
            cluster: cluster.to_owned(),
            node: node.to_owned(),
            instance: instance.to_owned(),
            operator_token: Some(Secret::new(data.operator_token()?.text())),
            tls: Some(certificate(config, instance, &wanted, &advice)?),
            ..Identity::default()
        }));
    }
    Ok(Rc::new(Identity {
        cluster: cluster.to_owned(),
        node: node.to_owned(),
        instance: instance.to_owned(),
        cluster_secret: Some(Secret::new(*data.cluster_secret()?.bytes())),
        operator_token: Some(Secret::new(data.operator_token()?.text())),
        credential: Some(Credential::Cluster),
        ..Identity::default()
    }))
}

/// The operator at the command line, who belongs to no cluster; without a token a stranger.
pub(crate) fn of_operator(operator_token: Option<&str>) -> Identity {
    Identity {
        operator_token: operator_token.map(Secret::new),
        credential: operator_token.map(|_| Credential::Operator),
        ..Identity::default()
    }
}

/// The operator with a certificate, in the cluster that it names. Within a runtime only.
pub(crate) fn of_certified_operator(config: &TlsConfig) -> Result<Identity, CommandError> {
    let tls = load(config, OPERATOR, "micronet certs issue operator")?;
    match tls.id() {
        SpiffeId::Operator { .. } => Ok(Identity { tls: Some(tls), ..Identity::default() }),
        other => Err(CommandError::new(format!(
            "{} is for {other}, and not for the operator",
            CertsFolder::new(&config.certs).of(OPERATOR).display()
        ))),
    }
}

/// As whom the operator's tools speak RPC: by the operator's certificate where services know each other by theirs, as they do in a
/// network that runs so, else by the token of the data folder, or as a stranger. Within a runtime only.
pub(crate) fn of_tool(
    tls: Option<&TlsConfig>,
    network: Option<&NetworkFile>,
    data: &Path,
    anonymous: bool,
) -> Result<Identity, CommandError> {
    let of_network = || Some(TlsConfig { certs: network?.certs.clone()?, key_log: false });
    if let Some(tls) = tls.cloned().or_else(of_network) {
        if anonymous {
            return Err(CommandError::usage(
                "this network knows everybody by certificate: nobody calls as a stranger",
            )
            .next("leave --anonymous out, or ask the gateway over HTTP"));
        }
        return of_certified_operator(&tls);
    }
    let token = if anonymous { None } else { data_folder::read_operator_token(data)? };
    Ok(of_operator(token.as_ref().map(OperatorToken::text)))
}

/// The certificate of this name, which has to be for this holder.
fn certificate(config: &TlsConfig, name: &str, wanted: &SpiffeId, advice: &str) -> Result<Tls, CommandError> {
    let tls = load(config, name, advice)?;
    if tls.id() != *wanted {
        let path = CertsFolder::new(&config.certs).of(name);
        return Err(CommandError::new(format!(
            "{} is for {}, and not for {wanted}",
            path.display(),
            tls.id()
        ))
        .next(format!("issue the right one: {advice} --force")));
    }
    Ok(tls)
}

fn load(config: &TlsConfig, name: &str, advice: &str) -> Result<Tls, CommandError> {
    if config.key_log {
        process_limits::keep_files_private();
        tracing::warn!(
            "--tls-key-log: the secrets of TLS connections go to the file that SSLKEYLOGFILE names"
        );
    }
    let files = CertsFolder::new(&config.certs).files(name);
    let own = files.own.clone();
    let tls = Tls::load(files, config.key_log).map_err(|error| {
        CommandError::new(format!("no TLS without a certificate: {error}")).next(format!(
            "issue one: `{advice}`, after `micronet certs init`; or name its folder with --certs"
        ))
    })?;
    expiry::check(&own, name)?;
    expiry::watch(own);
    tls.follow_files();
    Ok(tls)
}

/// The addresses of peers, their host names looked up.
pub(crate) async fn resolve(peers: &Peers) -> Result<BTreeMap<String, Vec<SocketAddr>>, CommandError> {
    let mut resolved = BTreeMap::new();
    for (name, addresses) in peers.iter() {
        let mut found = Vec::new();
        for address in addresses {
            found.push(address.resolve().await?);
        }
        tracing::info!(peer = name, addresses = ?found, "calls");
        resolved.insert(name.to_owned(), found);
    }
    Ok(resolved)
}
