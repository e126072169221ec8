//! Who this process is towards its peers, and the secrets that it can prove or check.

use std::cell::RefCell;
use std::rc::Rc;

use micronet_wire::conn::{Config, Role};
use micronet_wire::hello::{Credential, Hello, Secret};
use micronet_wire::limits::{CONNECTION_CREDIT_BYTES, STRANGER_CREDIT_BYTES};
use micronet_wire::schema::EncodedSchema;
use micronet_wire::spiffe::SpiffeId;

use crate::bearers::Bearers;
use crate::network::Network;
use crate::tls::Tls;

/// A process's names and secrets; each connection's [`Config`] is made from it, with a fresh nonce.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The cluster's name; empty for a tool that belongs to none.
    pub cluster: String,
    /// The node's name, as `order`.
    pub node: String,
    /// The instance's name, as `order-1`.
    pub instance: String,
    /// The cluster's secret, if known.
    pub cluster_secret: Option<Secret>,
    /// The operator's token, if known.
    pub operator_token: Option<Secret>,
    /// What it proves when it dials.
    pub credential: Option<Credential>,
    /// Its certificate, where everything that it says and hears travels in TLS. Nothing is proved by secrets then.
    pub tls: Option<Tls>,
    /// Whom it believes by their access tokens.
    pub bearers: Rc<Bearers>,
    /// What this process knows of the network around it, and is told by its operator.
    pub network: Rc<Network>,
}

impl Identity {
    /// What a connection is made with; in TLS with a peer that its certificate names. An acceptor says which schema it serves.
    #[must_use]
    pub fn config(&self, role: Role, schema: Option<&EncodedSchema>, certified: Option<SpiffeId>) -> Config {
        // SPEC 12.4: who dials is a stranger until it has shown otherwise.
        let is_stranger = role == Role::Acceptor && certified.is_none();
        let hello = Hello {
            connection_credit: if is_stranger { STRANGER_CREDIT_BYTES } else { CONNECTION_CREDIT_BYTES },
            cluster: self.cluster.clone(),
            node: self.node.clone(),
            instance: self.instance.clone(),
            nonce: random_bytes(),
            schema: schema.map(EncodedSchema::fingerprint),
            // SPEC 3.8: TLS protects the bytes already.
            checksums: certified.is_none(),
            ..Hello::default()
        };
        // SPEC 4.10: in TLS nobody who captures the bytes can read them.
        let beacon = schema.filter(|_| certified.is_none()).map(|schema| schema.encoded().clone());
        Config {
            role,
            hello,
            credential: self.credential,
            cluster_secret: self.cluster_secret.clone(),
            operator_token: self.operator_token.clone(),
            certified,
            credit_when_known: is_stranger.then_some(CONNECTION_CREDIT_BYTES),
            beacon,
        }
    }
}

/// Randomness from the operating system.
///
/// # Panics
/// When the operating system has none to give: nothing could be kept secret then.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Random bytes for a token, of those that this thread has in stock: the operating system is asked once for many.
///
/// # Panics
/// Where [`random_bytes`] does.
#[must_use]
pub fn random_token() -> [u8; TOKEN_BYTES] {
    thread_local! {
        static STOCK: RefCell<Vec<[u8; TOKEN_BYTES]>> = const { RefCell::new(Vec::new()) };
    }
    STOCK.with_borrow_mut(|stock| {
        if stock.is_empty() {
            stock.extend_from_slice(random_bytes::<{ TOKEN_BYTES * TOKENS_AT_ONCE }>().as_chunks().0);
        }
        stock.pop().unwrap_or_else(random_bytes)
    })
}

/// The random bytes of a token.
const TOKEN_BYTES: usize = 16;
/// Tokens for which the operating system is asked at once.
const TOKENS_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_token_is_given_twice() {
        let count = 3 * TOKENS_AT_ONCE + 1;
        let tokens: BTreeSet<_> = (0..count).map(|_| random_token()).collect();
        assert!(tokens.len() == count && !tokens.contains(&[0; TOKEN_BYTES]));
    }
}
