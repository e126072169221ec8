//! The flags of `micronet certs`, and those by which other commands use certificates.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  micronet certs init                     a CA for the cluster, good for 10 years
  micronet certs issue order              the certificate of order-1, for a day
  micronet certs issue product --instance product-2 --dns shop.example
  micronet certs issue gateway --dns shop.example --ip 192.0.2.1
                                          for its HTTPS
  micronet certs issue operator           for `micronet call` and openssl
  micronet certs show                     who has one, and until when
  micronet certs rotate                   reissue all of them

`micronet up --mtls` does all of this by itself, and renews certificates when half
of their time is over. Running processes take new ones up within a second or so;
open connections go on with what they began with. A certificate and its private
key are in one file, NAME.pem, so that both are replaced at once.";

/// The flags of `certs`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CertsFlags {
    #[command(subcommand)]
    pub(crate) action: CertsAction,
    /// The folder of the certificates [default: certs in the data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) certs: Option<PathBuf>,
}

/// What is done about certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertsAction {
    /// Make the cluster's CA
    Init {
        /// The cluster's name, in small letters
        #[arg(long, value_name = "NAME", default_value = crate::registry::CLUSTER_DEFAULT)]
        cluster: String,
        /// Replace a CA that is there: what it has issued is worth nothing then
        #[arg(long)]
        force: bool,
    },
    /// Issue a certificate to an instance of a service, or to the operator
    Issue {
        /// The service, or gateway, or operator
        #[arg(value_name = "SERVICE")]
        service: String,
        /// The instance's name [default: SERVICE-1]
        #[arg(long, value_name = "INSTANCE")]
        instance: Option<String>,
        /// A further host name under which it is reached; may be repeated
        #[arg(long, value_name = "NAME")]
        dns: Vec<String>,
        /// An IP address under which it is reached; may be repeated. The gateway's has 127.0.0.1 and ::1 anyway
        #[arg(long, value_name = "ADDRESS")]
        ip: Vec<IpAddr>,
        #[command(flatten)]
        lifetime: LifetimeFlag,
        /// Replace a certificate that is there
        #[arg(long)]
        force: bool,
    },
    /// Show the CA and all certificates
    Show {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Reissue certificates, with fresh keys, for those who have them
    Rotate {
        /// Whose, as order-1 or operator [default: all]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        lifetime: LifetimeFlag,
    },
}

/// How long a certificate is good.
#[derive(Debug, Default, Args)]
pub(crate) struct LifetimeFlag {
    /// How long certificates are good: a number and s, m, h or d [default: 24h]
    #[arg(long = "certificate-lifetime", visible_alias = "lifetime", value_name = "TIME")]
    pub(crate) lifetime: Option<String>,
}

/// How a command that speaks RPC uses certificates.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct TlsFlags {
    /// Speak TLS 1.3 with certificates for both sides, on every link
    #[arg(long)]
    pub(crate) mtls: bool,
    /// The folder of the certificates; means --mtls [default: certs in the data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) certs: Option<PathBuf>,
    /// Append the secrets of TLS connections to the file that SSLKEYLOGFILE names, for Wireshark: who has it reads all
    #[arg(long)]
    pub(crate) tls_key_log: bool,
}
