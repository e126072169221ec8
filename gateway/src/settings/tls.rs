//! `[tls]`: HTTPS on the gateway's port. Paths are relative to the folder in which the gateway was started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use micronet_transport::tls::edge::{CertificateFiles, Clients, EdgeConfig, EdgeTls};

use super::Section;

/// TLS of the HTTP port.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tls {
    /// What it is made of; the port speaks plaintext without.
    pub edge: Option<EdgeConfig>,
    /// Where plaintext requests are told to come by HTTPS.
    pub redirect: Option<SocketAddr>,
    /// The port that they are told, where it is not the one on which the gateway listens.
    pub redirect_port: Option<u16>,
    /// What `Strict-Transport-Security` says, over TLS.
    pub hsts: Option<Rc<str>>,
}

/// Whether clients are asked for certificates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Off,
    Optional,
    Required,
}

impl Tls {
    /// Reads the table. `certificate` is used where it names none. The files that it names are read too, to see whether they can be.
    pub fn read(section: &mut Section<'_>, certificate: Option<&Path>) -> Self {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let named = section.parsed("certificate", "the path of a PEM file", path);
        let key = section.parsed("key", "the path of a PEM file", path);
        let further = section.list("further", "paths of PEM files", path).unwrap_or_default();
        let versions = section.list("versions", "\"1.3\" and, where it has to be, \"1.2\"", |version| {
            matches!(version, "1.2" | "1.3").then(|| version == "1.2")
        });
        let ca = section.parsed("client_ca", "the path of a PEM file", path);
        let asked = section.parsed("client_certificates", "off, optional or required", |word| match word {
            "off" => Some(Asked::Off),
            "optional" => Some(Asked::Optional),
            "required" => Some(Asked::Required),
            _ => None,
        });
        let read = Self {
            edge: None,
            redirect: section
                .parsed("redirect", "an address and a port, as \"0.0.0.0:80\"", |text| text.parse().ok()),
            redirect_port: Some(section.number("redirect_port", 0, 1..=u16::MAX)).filter(|port| *port != 0),
            hsts: section.parsed("hsts", "as \"max-age=31536000; includeSubDomains\"", hsts),
        };
        if key.is_some() && named.is_none() {
            section.fault("key", "is of no use without a certificate");
        }
        let Some(chain) = named.or_else(|| certificate.map(Path::to_owned)) else {
            for key in [
                "further",
                "versions",
                "client_ca",
                "client_certificates",
                "redirect",
                "redirect_port",
                "hsts",
            ] {
                if section.has(key) {
                    section.fault(key, "is of no use without a certificate");
                }
            }
            return read;
        };
        if versions.as_ref().is_some_and(|versions| !versions.contains(&false)) {
            section.fault("versions", "TLS 1.3 is always spoken: add \"1.3\"");
        }
        let clients = match (asked.unwrap_or(Asked::Off), ca) {
            (Asked::Off, None) => Clients::Anybody,
            (Asked::Off, Some(_)) => {
                section.fault("client_ca", "is of no use with client_certificates = \"off\"");
                Clients::Anybody
            }
            (_, None) => {
                section.fault("client_certificates", "are checked by the CA that client_ca names");
                Clients::Anybody
            }
            (Asked::Optional, Some(ca)) => Clients::MayShow(ca),
            (Asked::Required, Some(ca)) => Clients::MustShow(ca),
        };
        let first = CertificateFiles { key: key.unwrap_or_else(|| chain.clone()), chain };
        let further = further.into_iter().map(|path| CertificateFiles { key: path.clone(), chain: path });
        let edge = EdgeConfig {
            certificates: [first].into_iter().chain(further).collect(),
            clients,
            tls12: versions.is_some_and(|versions| versions.contains(&true)),
        };
        if let Err(errors) = EdgeTls::load(edge.clone()) {
            for error in errors {
                section.fault("certificate", error.to_string());
            }
        }
        Self { edge: Some(edge), ..read }
    }
}

/// RFC 6797, section 6.1: directives, of which `max-age` has to be there.
fn hsts(text: &str) -> Option<Rc<str>> {
    let mut directives = text.split(';').map(str::trim);
    let age = directives.next()?.strip_prefix("max-age=")?;
    let is_age = !age.is_empty() && age.bytes().all(|byte| byte.is_ascii_digit());
    (is_age && directives.all(|word| matches!(word, "includeSubDomains" | "preload"))).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let faults = Settings::read(text).expect_err("it can't be used");
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn without_a_certificate_nothing_else_is_of_use() {
        assert_eq!(Settings::read("[tls]\n").expect("an empty table").tls, Tls::default());
        let found = faults("[tls]\nhsts = \"max-age=1\"\nredirect = \"127.0.0.1:80\"\nkey = \"k\"\n");
        assert_eq!(
            found,
            [
                "line 2: tls.hsts: is of no use without a certificate",
                "line 3: tls.redirect: is of no use without a certificate",
                "line 4: tls.key: is of no use without a certificate",
            ]
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_the_files() {
        let found = faults(
            "[tls]\ncertificate = \"/nowhere/a.pem\"\nfurther = [\"/nowhere/b.pem\"]\nversions = [\"1.2\"]\nclient_ca = \"/nowhere/ca.pem\"\nhsts = \"forever\"\n",
        );
        let wanted = [
            "line 2: tls.certificate: cannot read /nowhere/a.pem",
            "line 2: tls.certificate: cannot read /nowhere/b.pem",
            "line 4: tls.versions: TLS 1.3 is always spoken",
            "line 5: tls.client_ca: is of no use with client_certificates = \"off\"",
            "line 6: tls.hsts: has to be as \"max-age=31536000",
        ];
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.starts_with(wanted), "{found}");
        }
    }

    #[test]
    fn hsts_is_what_the_standard_says() {
        for (text, is_sound) in [
            ("max-age=0", true),
            ("max-age=31536000; includeSubDomains; preload", true),
            ("max-age=", false),
            ("includeSubDomains", false),
            ("max-age=1; x", false),
            ("max-age=1\r\nX: y", false),
        ] {
            assert_eq!(hsts(text).is_some(), is_sound, "{text}");
        }
    }
}
