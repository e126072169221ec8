//! Who a program is towards the others: by the cluster's secret, or by a certificate.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use micronet_transport::identity::Identity;
use micronet_transport::tls::{Tls, TlsFiles};
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::request::TraceContext;
use micronet_wire::service::CallOptions;

#[derive(Args)]
pub(crate) struct Membership {
    /// What the network is called
    #[arg(long, default_value = "micronet")]
    cluster: String,
    /// Which service it is
    #[arg(long, default_value = "bench")]
    service: String,
    /// This instance's name
    #[arg(long, default_value = "bench-1")]
    instance: String,
    /// The file with the cluster's secret
    #[arg(long)]
    secret: Option<PathBuf>,
    /// The folder of the cluster's certificates, to speak TLS with both sides known
    #[arg(long)]
    certs: Option<PathBuf>,
}

impl Membership {
    /// Its identity; within a runtime where it has a certificate.
    pub(crate) fn identity(&self) -> Identity {
        let tls = self.certs.as_ref().map(|folder| {
            let own = folder.join(format!("{}.pem", self.instance));
            Tls::load(TlsFiles { ca: folder.join("ca.pem"), own }, false).expect("a certificate and its key")
        });
        let secret = self.secret.as_ref().map(|path| {
            let text = fs::read_to_string(path).expect("the cluster's secret");
            Secret::new(bytes_of_hex(text.trim()))
        });
        Identity {
            cluster: self.cluster.clone(),
            node: self.service.clone(),
            instance: self.instance.clone(),
            credential: secret.as_ref().map(|_| Credential::Cluster),
            cluster_secret: secret,
            tls,
            ..Identity::default()
        }
    }
}

fn bytes_of_hex(text: &str) -> Vec<u8> {
    let digits = |at| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..text.len()).step_by(2).map(|at| digits(at).expect("hexadecimal digits")).collect()
}

/// What a call in a chain of calls says; its deadline is the usual one.
pub(crate) fn options() -> CallOptions {
    CallOptions {
        request_id: "req-0123456789abcdef".into(),
        trace: TraceContext { trace_id: [7; 16], span_id: [8; 8], flags: 1 },
        ..CallOptions::default()
    }
}
