//! What went wrong with TLS, in words for whoever reads the log or the error: what to look at, and not the state of a machine.

use std::io;

use micronet_wire::error::Code;
use rustls::{AlertDescription, CertificateError, Error};

/// An error of a stream in words; of one that isn't TLS's they are its own.
pub(crate) fn words(error: &io::Error) -> String {
    match of_tls(error) {
        Some(Error::AlertReceived(alert)) => refused_by_peer(*alert),
        Some(Error::InvalidCertificate(why)) => format!("the peer's certificate {}", refused_here(why)),
        Some(Error::NoCertificatesPresented) => "the peer presented no certificate".into(),
        Some(Error::InvalidMessage(_)) => "the peer doesn't speak TLS: is mTLS switched on there?".into(),
        Some(Error::PeerIncompatible(_)) => "the peer doesn't speak TLS 1.3".into(),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::TimedOut => "the handshake took too long".into(),
        None => error.to_string(),
    }
}

/// The code of a handshake that failed.
pub(super) fn code(error: &io::Error) -> Code {
    match of_tls(error) {
        Some(Error::AlertReceived(_) | Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => {
            Code::WrongIdentity
        }
        Some(_) => Code::Protocol,
        None if error.kind() == io::ErrorKind::TimedOut => Code::Silent,
        None => Code::Unavailable,
    }
}

/// Whether the peer has ended the connection because of our certificate, or doesn't take our TLS.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    matches!(of_tls(error), Some(Error::AlertReceived(_)))
}

fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn refused_by_peer(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::CertificateRequired => "it wants a certificate, and none was presented",
        // A CA of the same name with another key.
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "our certificate is of a CA that it doesn't know: is it that of another cluster?"
        }
        AlertDescription::CertificateExpired => "our certificate has expired, or isn't valid yet",
        AlertDescription::ProtocolVersion => "it wants another version of TLS",
        AlertDescription::CertificateUnknown => {
            "our certificate is none of its cluster, or not that of the service it wants"
        }
        other => return format!("the peer refused TLS: {other:?}"),
    };
    format!("the peer refused TLS: {why}")
}

fn refused_here(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "isn't valid yet".into()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not of the CA of this cluster".into()
        }
        CertificateError::Other(why) => why.to_string(),
        other => format!("can't be used: {other}"),
    }
}
