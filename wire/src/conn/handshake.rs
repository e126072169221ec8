//! The handshake (SPEC.md section 3): preface, HELLO both ways, and the dialler's proof of a secret.

use bytes::{Buf, Bytes, BytesMut};

use super::{Connection, Event, State, put};
use crate::error::{Code, RpcError};
use crate::frame::{Close, Label};
use crate::header::{Kind, PREFACE};
use crate::hello::{Credential, Hello, Refusal, Secret, check_proof, proof};
use crate::principal::Principal;
use crate::spiffe::SpiffeId;

/// Which side of a connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It made the connection, and opens the streams.
    Dialler,
    /// It accepted the connection, and answers.
    Acceptor,
}

/// What a connection is made with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which side this is.
    pub role: Role,
    /// What it says of itself. The nonce must be fresh for each connection.
    pub hello: Hello,
    /// Dialler: the credential to prove, if any. Acceptor: unused.
    pub credential: Option<Credential>,
    /// The cluster's secret, if this side knows it.
    pub cluster_secret: Option<Secret>,
    /// The operator's token, if this side knows it.
    pub operator_token: Option<Secret>,
    /// Who the peer is by its certificate, where the bytes travel in TLS (SPEC.md section 15). Nothing else is proved then.
    pub certified: Option<SpiffeId>,
    /// Acceptor: the connection's credit of a dialler that has proved who it is; `None` for no more than HELLO gives, and no less
    /// to strangers.
    pub credit_when_known: Option<u32>,
    /// Acceptor: the encoded schema that it serves, whose fingerprint its HELLO has, to be said again from time to time; `None` where
    /// nobody could read it on the way, or nobody should.
    pub beacon: Option<Bytes>,
}

impl Config {
    /// A side that knows no secrets, offers no credential and has no certificate.
    #[must_use]
    pub fn new(role: Role, hello: Hello) -> Self {
        Self {
            role,
            hello,
            credential: None,
            cluster_secret: None,
            operator_token: None,
            certified: None,
            credit_when_known: None,
            beacon: None,
        }
    }

    fn secret(&self, credential: Credential) -> Option<Secret> {
        match credential {
            Credential::Cluster => self.cluster_secret.clone(),
            Credential::Operator => self.operator_token.clone(),
        }
    }
}

/// What a dialler has proved to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Anonymous,
    /// A part of the cluster: it is believed when it says on whose behalf it calls.
    Cluster,
    /// The operator.
    Operator,
}

/// What an acceptor sends to a dialler that it will not even greet (SPEC 15.2): the preface, and a CLOSE that says why.
#[must_use]
pub fn greeting_refused(code: Code, words: &str) -> BytesMut {
    let mut out = BytesMut::from(&PREFACE[..]);
    let close = Close { code: code as u16, message: words.to_owned() };
    put(&mut out, Label::control(Kind::Close), true, |out| close.encode(out));
    out
}

impl Connection {
    /// SPEC 1.2: both sides start with the preface. False while it isn't there whole, or when it is not the preface.
    pub(super) fn expect_preface(&mut self, input: &mut BytesMut) -> bool {
        let seen = input.len().min(PREFACE.len());
        if input[..seen] != PREFACE[..seen] {
            let words = match input[0] {
                b'H' => "the peer speaks HTTP, not micronet's RPC: is it the right port?",
                _ => "the peer doesn't speak micronet's RPC: is it the right port?",
            };
            self.violation(words);
            return false;
        }
        if seen < PREFACE.len() {
            return false;
        }
        input.advance(PREFACE.len());
        self.state = State::ExpectHello;
        true
    }

    pub(super) fn expect_hello(&mut self, kind: Kind, payload: &[u8]) {
        if kind == Kind::Close {
            return self.handle_close(payload);
        }
        if kind != Kind::Hello {
            return self.violation(&format!("{} before HELLO", kind.name()));
        }
        let checked = Hello::decode(payload).and_then(|peer| {
            self.config.hello.check_peer(&peer)?;
            match &self.config.certified {
                Some(certified) => certified.check_hello(peer),
                None => Ok(peer),
            }
        });
        match checked {
            Ok(peer) => self.shake(peer),
            Err((code, words)) => self.close(code, words),
        }
    }

    fn shake(&mut self, peer: Hello) {
        self.state = State::Open;
        self.beacons.begin(self.now);
        // SPEC 3.8: a checksum is left out only if neither side wants it.
        self.checksums = self.config.hello.checksums || peer.checksums;
        self.flow.agree(&self.config.hello, &peer);
        self.keepalive.agree(self.config.hello.heartbeat_interval_ms.max(peer.heartbeat_interval_ms));
        self.standing = match &self.config.certified {
            Some(SpiffeId::Service { .. }) => Standing::Cluster,
            Some(SpiffeId::Operator { .. }) => Standing::Operator,
            None => Standing::Anonymous,
        };
        if self.config.role == Role::Dialler
            && self.config.certified.is_none()
            && let Some(credential) = self.config.credential
            && let Some(secret) = self.config.secret(credential)
        {
            let proof = proof(credential, &secret, &self.config.hello, &peer);
            put(self.outbox.control(), Label::control(Kind::Proof), self.checksums, |out| {
                out.extend_from_slice(&proof);
            });
        }
        self.events.push_back(Event::Ready(Box::new(peer.clone())));
        self.peer = peer;
        if self.draining {
            // It was told to drain during the handshake.
            self.draining = false;
            self.drain();
        }
    }

    pub(super) fn handle_proof(&mut self, payload: &[u8]) {
        // SPEC 3.7: a proof is the first frame after HELLO, so that no call is judged by a standing that changes later.
        if self.proof_closed {
            return self.violation("PROOF: it must directly follow HELLO");
        }
        // SPEC 15.4: there is one answer to who the dialler is.
        if self.config.certified.is_some() {
            return self.violation("PROOF: the certificate says who the dialler is");
        }
        let checked: Result<Credential, Refusal> =
            check_proof(payload, |credential| self.config.secret(credential), &self.peer, &self.config.hello);
        match checked {
            Ok(Credential::Cluster) => self.standing = Standing::Cluster,
            Ok(Credential::Operator) => self.standing = Standing::Operator,
            Err((code, words)) => return self.close(code, words),
        }
        // Whoever is known gets more credit than a stranger.
        self.top_up_connection();
    }

    /// On whose behalf a call is made (SPEC 6.5): only a proven part of the cluster is believed when it names somebody, and no
    /// service passes for another.
    pub(super) fn principal(&self, claimed: Option<Principal>) -> Result<Principal, RpcError> {
        match (self.standing, claimed) {
            (Standing::Cluster, Some(Principal::Service { name })) if name != self.peer.node => {
                let words =
                    format!("a service calls for itself or for a user, and not for the service {name}");
                Err(RpcError::new(Code::Unauthenticated, words))
            }
            (Standing::Cluster, Some(principal)) => Ok(principal),
            // A part of the cluster that names no node is nobody in particular.
            (Standing::Cluster, None) if self.peer.node.is_empty() => Ok(Principal::Anonymous),
            (Standing::Cluster, None) => Ok(Principal::Service { name: self.peer.node.as_str().into() }),
            (Standing::Operator, None) => Ok(Principal::Operator),
            (Standing::Anonymous, None) => Ok(Principal::Anonymous),
            (Standing::Anonymous | Standing::Operator, Some(_)) => Err(RpcError::new(
                Code::Unauthenticated,
                "only a peer that has proved the cluster's secret may call on somebody's behalf",
            )),
        }
    }
}
