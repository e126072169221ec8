//! Who a certificate says that its holder is: a SPIFFE id (SPEC.md 15.3).

use std::fmt;
use std::str::FromStr;

use crate::error::Code;
use crate::hello::{Hello, Refusal, is_name};
use crate::principal::Principal;

/// The identity in a certificate of a cluster, written as a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpiffeId {
    /// An instance of a service: `spiffe://CLUSTER/service/NODE/INSTANCE`.
    Service {
        /// The cluster's name, the trust domain of the id.
        cluster: String,
        /// The service's node name, as `order`.
        node: String,
        /// The instance's name, as `order-1`.
        instance: String,
    },
    /// The operator's tools: `spiffe://CLUSTER/operator`.
    Operator {
        /// The cluster's name, the trust domain of the id.
        cluster: String,
    },
}

/// Why a text is no SPIFFE id of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSpiffeId;

impl fmt::Display for NoSpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither spiffe://CLUSTER/service/NODE/INSTANCE nor spiffe://CLUSTER/operator")
    }
}

impl std::error::Error for NoSpiffeId {}

impl SpiffeId {
    /// The cluster that the certificate belongs to.
    #[must_use]
    pub fn cluster(&self) -> &str {
        match self {
            Self::Service { cluster, .. } | Self::Operator { cluster } => cluster,
        }
    }

    /// As whom the holder calls.
    #[must_use]
    pub fn principal(&self) -> Principal {
        match self {
            Self::Service { node, .. } => Principal::Service { name: node.as_str().into() },
            Self::Operator { .. } => Principal::Operator,
        }
    }

    /// Whether the holder is an instance of this service.
    #[must_use]
    pub fn is_service(&self, name: &str) -> bool {
        matches!(self, Self::Service { node, .. } if node == name)
    }

    /// Checks what the holder says of itself in HELLO, and fills in the names that it leaves out (SPEC 15.4).
    ///
    /// # Errors
    /// With the code and words of the CLOSE that answers a HELLO of somebody else.
    pub fn check_hello(&self, mut hello: Hello) -> Result<Hello, Refusal> {
        let (node, instance) = match self {
            Self::Service { node, instance, .. } => (node.as_str(), instance.as_str()),
            Self::Operator { .. } => ("", ""),
        };
        let said = [
            ("cluster", &mut hello.cluster, self.cluster()),
            ("node", &mut hello.node, node),
            ("instance", &mut hello.instance, instance),
        ];
        for (what, said, certified) in said {
            if said.is_empty() {
                certified.clone_into(said);
            } else if said != certified {
                let words = format!("HELLO names the {what} {said:?}, but the certificate is that of {self}");
                return Err((Code::WrongIdentity, words));
            }
        }
        Ok(hello)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { cluster, node, instance } => {
                write!(f, "spiffe://{cluster}/service/{node}/{instance}")
            }
            Self::Operator { cluster } => write!(f, "spiffe://{cluster}/operator"),
        }
    }
}

impl FromStr for SpiffeId {
    type Err = NoSpiffeId;

    fn from_str(text: &str) -> Result<Self, NoSpiffeId> {
        let path = text.strip_prefix("spiffe://").ok_or(NoSpiffeId)?;
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            [cluster, "operator"] if is_trust_domain(cluster) => {
                Ok(Self::Operator { cluster: cluster.into() })
            }
            [cluster, "service", node, instance]
                if is_trust_domain(cluster) && is_segment(node) && is_segment(instance) =>
            {
                Ok(Self::Service { cluster: cluster.into(), node: node.into(), instance: instance.into() })
            }
            _ => Err(NoSpiffeId),
        }
    }
}

/// Whether a cluster's name can be the trust domain of a SPIFFE id: it has no capitals (SPIFFE-ID, section 2.1).
#[must_use]
pub fn is_trust_domain(name: &str) -> bool {
    is_segment(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// A segment of the path is a name, and none that a path gives another meaning (SPIFFE-ID, section 2.2).
fn is_segment(name: &str) -> bool {
    is_name(name) && !matches!(name, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_it_is_read() {
        for text in ["spiffe://micronet/service/order/order-1", "spiffe://lab.2/operator"] {
            assert_eq!(text.parse::<SpiffeId>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "spiffe://",
            "spiffe:///operator",
            "https://micronet/operator",
            "spiffe://Micronet/operator",
            "spiffe://micronet",
            "spiffe://micronet/",
            "spiffe://micronet/operator/",
            "spiffe://micronet/operator?x",
            "spiffe://micronet:8/operator",
            "spiffe://micronet/service/order",
            "spiffe://micronet/service/order/",
            "spiffe://micronet/service/order/..",
            "spiffe://micronet/service/order/order-1/x",
            "spiffe://micronet/service/ord%65r/order-1",
        ] {
            assert_eq!(text.parse::<SpiffeId>(), Err(NoSpiffeId), "{text}");
        }
    }

    #[test]
    fn a_hello_is_that_of_the_certificate() {
        let check = |id: &str, names: [&str; 3], wanted: Result<[&str; 3], &str>| {
            let [cluster, node, instance] = names.map(str::to_owned);
            let hello = Hello { cluster, node, instance, ..Hello::default() };
            match (id.parse::<SpiffeId>().unwrap().check_hello(hello), wanted) {
                (Ok(hello), Ok(names)) => assert_eq!([hello.cluster, hello.node, hello.instance], names),
                (Err((code, words)), Err(wanted)) => {
                    assert_eq!(code, Code::WrongIdentity);
                    assert!(words.contains(wanted) && words.contains(id), "{words}");
                }
                (got, wanted) => panic!("{id} {names:?}: {got:?} instead of {wanted:?}"),
            }
        };
        let order = "spiffe://micronet/service/order/order-1";
        let names = ["micronet", "order", "order-1"];
        check(order, names, Ok(names));
        check(order, ["", "", ""], Ok(names));
        check(order, ["other", "order", "order-1"], Err("cluster \"other\""));
        check(order, ["micronet", "product", "order-1"], Err("node \"product\""));
        check(order, ["micronet", "order", "order-2"], Err("instance \"order-2\""));
        let operator = "spiffe://micronet/operator";
        check(operator, ["", "", ""], Ok(["micronet", "", ""]));
        check(operator, ["micronet", "order", ""], Err("node \"order\""));
        check(operator, ["", "", "order-1"], Err("instance \"order-1\""));
    }
}
