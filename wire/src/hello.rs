//! HELLO and PROOF (SPEC.md section 3): who speaks, under which limits, and the proof of a secret.

use bytes::{Buf, BufMut};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::Code;
use crate::limits::{
    CALLS_IN_FLIGHT_MAX, CONNECTION_CREDIT_BYTES, CONNECTION_CREDIT_BYTES_MIN, CREDIT_BYTES_MAX,
    FRAME_PAYLOAD_BYTES_HARD_MAX, FRAME_PAYLOAD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MIN, HEARTBEAT_INTERVAL_MS,
    HEARTBEAT_INTERVAL_MS_MAX, HEARTBEAT_INTERVAL_MS_MIN, HELLO_PAYLOAD_BYTES_MAX, NAME_BYTES_MAX,
    SOFTWARE_BYTES_MAX, STREAM_CREDIT_BYTES, STREAM_CREDIT_BYTES_MIN,
};
use crate::schema::Fingerprint;

/// The lowest version of the protocol that this implementation speaks.
pub const VERSION_MIN: u8 = 1;
/// The highest version of the protocol that this implementation speaks.
pub const VERSION_MAX: u8 = 1;

/// A random value that makes a proof good for one connection only.
pub type Nonce = [u8; 16];

/// What a HELLO frame says (SPEC.md 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The lowest and the highest protocol version that the sender speaks.
    pub versions: (u8, u8),
    /// The cluster that the sender belongs to; empty for a tool that belongs to none.
    pub cluster: String,
    /// The sender's node name, as `order`; empty for a tool.
    pub node: String,
    /// The sender's instance name, as `order-1`; empty for a tool.
    pub instance: String,
    /// Fresh randomness, for [`proof`].
    pub nonce: Nonce,
    /// The largest frame payload that the sender accepts.
    pub frame_payload_max: u32,
    /// Calls in flight that the sender accepts.
    pub calls_in_flight_max: u32,
    /// The heartbeat interval that the sender wishes, in milliseconds.
    pub heartbeat_interval_ms: u32,
    /// The fingerprint of the schema that the sender serves, if it serves one.
    pub schema: Option<Fingerprint>,
    /// Whether payloads shall carry checksums; both sides must say no for them to be left out.
    pub checksums: bool,
    /// Bytes of messages that the peer may send on each stream at first.
    pub stream_credit: u32,
    /// Bytes of messages that the peer may send on all streams together at first.
    pub connection_credit: u32,
    /// The sender's software, for people.
    pub software: String,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            versions: (VERSION_MIN, VERSION_MAX),
            cluster: String::new(),
            node: String::new(),
            instance: String::new(),
            nonce: Nonce::default(),
            frame_payload_max: FRAME_PAYLOAD_BYTES_MAX,
            calls_in_flight_max: CALLS_IN_FLIGHT_MAX,
            heartbeat_interval_ms: HEARTBEAT_INTERVAL_MS,
            schema: None,
            checksums: true,
            stream_credit: STREAM_CREDIT_BYTES,
            connection_credit: CONNECTION_CREDIT_BYTES,
            software: concat!("micronet/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// The keys of HELLO's entries.
pub(crate) mod key {
    pub(crate) const CLUSTER: u16 = 1;
    pub(crate) const NODE: u16 = 2;
    pub(crate) const INSTANCE: u16 = 3;
    pub(crate) const NONCE: u16 = 4;
    pub(crate) const FRAME_PAYLOAD_MAX: u16 = 5;
    pub(crate) const CALLS_IN_FLIGHT_MAX: u16 = 6;
    pub(crate) const HEARTBEAT_INTERVAL_MS: u16 = 7;
    pub(crate) const SCHEMA: u16 = 8;
    pub(crate) const CHECKSUMS: u16 = 9;
    pub(crate) const STREAM_CREDIT: u16 = 11;
    pub(crate) const CONNECTION_CREDIT: u16 = 12;
    /// SPEC 3.3: an entry with this bit may be skipped by a peer that doesn't know it.
    pub(crate) const IGNORABLE: u16 = 0x8000;
    pub(crate) const SOFTWARE: u16 = IGNORABLE | 10;
    /// Of ANNOUNCE only (SPEC 3.10).
    pub(crate) const HEALTH: u16 = IGNORABLE | 16;
    /// What HELLO says once for the whole connection.
    pub(crate) const FIXED: [u16; 10] = [
        CLUSTER,
        NODE,
        INSTANCE,
        NONCE,
        FRAME_PAYLOAD_MAX,
        SCHEMA,
        CHECKSUMS,
        SOFTWARE,
        STREAM_CREDIT,
        CONNECTION_CREDIT,
    ];
}

/// Why a HELLO or PROOF is refused: the code that closes the connection, and words.
pub type Refusal = (Code, String);

fn malformed<T>(words: &str) -> Result<T, Refusal> {
    Err((Code::Protocol, format!("HELLO: {words}")))
}

impl Hello {
    /// Appends the payload of a HELLO frame.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.versions.0);
        out.put_u8(self.versions.1);
        for (key, text) in
            [(key::CLUSTER, &self.cluster), (key::NODE, &self.node), (key::INSTANCE, &self.instance)]
        {
            if !text.is_empty() {
                put_entry(out, key, text.as_bytes());
            }
        }
        put_entry(out, key::NONCE, &self.nonce);
        put_entry(out, key::FRAME_PAYLOAD_MAX, &self.frame_payload_max.to_be_bytes());
        put_entry(out, key::CALLS_IN_FLIGHT_MAX, &self.calls_in_flight_max.to_be_bytes());
        put_entry(out, key::HEARTBEAT_INTERVAL_MS, &self.heartbeat_interval_ms.to_be_bytes());
        if let Some(fingerprint) = &self.schema {
            put_entry(out, key::SCHEMA, &fingerprint.0);
        }
        put_entry(out, key::CHECKSUMS, &[u8::from(self.checksums)]);
        let software = &self.software[..self.software.floor_char_boundary(SOFTWARE_BYTES_MAX)];
        put_entry(out, key::SOFTWARE, software.as_bytes());
        put_entry(out, key::STREAM_CREDIT, &self.stream_credit.to_be_bytes());
        put_entry(out, key::CONNECTION_CREDIT, &self.connection_credit.to_be_bytes());
    }

    /// Reads the payload of a HELLO frame.
    ///
    /// # Errors
    /// With the code and words of the CLOSE that answers it.
    pub fn decode(mut payload: &[u8]) -> Result<Self, Refusal> {
        if payload.len() < 2 || payload.len() > HELLO_PAYLOAD_BYTES_MAX as usize {
            return malformed("its length is wrong");
        }
        let mut hello = Self { software: String::new(), ..Self::default() };
        hello.versions = (payload.get_u8(), payload.get_u8());
        let mut nonce = None;
        let mut last = None;
        while payload.has_remaining() {
            let (key, value) = take_entry(&mut payload)?;
            // SPEC 3.2: entries come in ascending order of their keys, each at most once.
            let order = key & !key::IGNORABLE;
            if last.is_some_and(|last| last >= order) {
                return malformed("its entries are out of order");
            }
            last = Some(order);
            match key {
                key::CLUSTER => hello.cluster = take_name(value)?,
                key::NODE => hello.node = take_name(value)?,
                key::INSTANCE => hello.instance = take_name(value)?,
                key::NONCE => nonce = Nonce::try_from(value).ok(),
                key::FRAME_PAYLOAD_MAX => hello.frame_payload_max = take_u32(value)?,
                key::CALLS_IN_FLIGHT_MAX => hello.calls_in_flight_max = take_u32(value)?,
                key::HEARTBEAT_INTERVAL_MS => hello.heartbeat_interval_ms = take_u32(value)?,
                key::SCHEMA => match value.try_into() {
                    Ok(bytes) => hello.schema = Some(Fingerprint(bytes)),
                    Err(_) => return malformed("the fingerprint is not 16 bytes long"),
                },
                key::CHECKSUMS => match value {
                    [wanted @ (0 | 1)] => hello.checksums = *wanted == 1,
                    _ => return malformed("whether checksums are wanted is neither 0 nor 1"),
                },
                key::SOFTWARE if value.len() > SOFTWARE_BYTES_MAX => {
                    return malformed("the description of the software is too long");
                }
                key::SOFTWARE => hello.software = String::from_utf8_lossy(value).into_owned(),
                key::STREAM_CREDIT => hello.stream_credit = take_u32(value)?,
                key::CONNECTION_CREDIT => hello.connection_credit = take_u32(value)?,
                unknown if unknown & key::IGNORABLE != 0 => {}
                unknown => {
                    return Err((
                        Code::Capability,
                        format!("HELLO demands the unknown capability {unknown}"),
                    ));
                }
            }
        }
        match nonce {
            Some(nonce) => hello.nonce = nonce,
            None => return malformed("it has no nonce of 16 bytes"),
        }
        hello.check_ranges()?;
        Ok(hello)
    }

    /// SPEC 3.4: limits that make no sense are refused rather than clamped in silence.
    fn check_ranges(&self) -> Result<(), Refusal> {
        if !(FRAME_PAYLOAD_BYTES_MIN..=FRAME_PAYLOAD_BYTES_HARD_MAX).contains(&self.frame_payload_max) {
            return malformed("the frame limit is out of range");
        }
        if self.calls_in_flight_max == 0 {
            return malformed("it accepts no calls in flight");
        }
        if !(HEARTBEAT_INTERVAL_MS_MIN..=HEARTBEAT_INTERVAL_MS_MAX).contains(&self.heartbeat_interval_ms) {
            return malformed("the heartbeat interval is out of range");
        }
        if !(STREAM_CREDIT_BYTES_MIN..=CREDIT_BYTES_MAX).contains(&self.stream_credit)
            || !(CONNECTION_CREDIT_BYTES_MIN..=CREDIT_BYTES_MAX).contains(&self.connection_credit)
            // A message for which its stream's credit suffices would wait for the connection's for ever.
            || self.stream_credit > self.connection_credit
        {
            return malformed("the credit is out of range");
        }
        Ok(())
    }

    /// Checks a peer's HELLO against ours (SPEC 3.5, 3.6): a common version, and the same cluster if both name one.
    ///
    /// # Errors
    /// With the code and words of the CLOSE that answers it.
    pub fn check_peer(&self, peer: &Self) -> Result<(), Refusal> {
        let (low, high) = (self.versions.0.max(peer.versions.0), self.versions.1.min(peer.versions.1));
        if low > high {
            return Err((
                Code::Version,
                format!("versions {} to {} are spoken here", self.versions.0, self.versions.1),
            ));
        }
        if !self.cluster.is_empty() && !peer.cluster.is_empty() && self.cluster != peer.cluster {
            return Err((
                Code::WrongCluster,
                format!("this is cluster {:?}, not {:?}", self.cluster, peer.cluster),
            ));
        }
        Ok(())
    }
}

pub(crate) fn put_entry(out: &mut impl BufMut, key: u16, value: &[u8]) {
    out.put_u16(key);
    #[expect(clippy::cast_possible_truncation, reason = "names and software are bounded by limits.rs")]
    out.put_u16(value.len() as u16);
    out.put_slice(value);
}

pub(crate) fn take_entry<'a>(payload: &mut &'a [u8]) -> Result<(u16, &'a [u8]), Refusal> {
    if payload.remaining() < 4 {
        return cut_short();
    }
    let (key, length) = (payload.get_u16(), usize::from(payload.get_u16()));
    let Some((value, rest)) = payload.split_at_checked(length) else {
        return cut_short();
    };
    *payload = rest;
    Ok((key, value))
}

fn cut_short<T>() -> Result<T, Refusal> {
    Err((Code::Protocol, "HELLO or ANNOUNCE: it ends within an entry".into()))
}

pub(crate) fn take_u32(value: &[u8]) -> Result<u32, Refusal> {
    match value.try_into() {
        Ok(bytes) => Ok(u32::from_be_bytes(bytes)),
        Err(_) => Err((Code::Protocol, "HELLO or ANNOUNCE: a number is not 4 bytes long".into())),
    }
}

fn take_name(value: &[u8]) -> Result<String, Refusal> {
    match std::str::from_utf8(value) {
        Ok(name) if is_name(name) => Ok(name.to_owned()),
        _ => malformed(
            "a name is empty, too long, or has other characters than letters, digits, '-', '_' and '.'",
        ),
    }
}

/// Whether `name` can name a cluster, node or instance (SPEC 3.2).
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Which secret a PROOF proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The cluster's secret: the peer is a part of the cluster, and is believed when it says on whose behalf it calls.
    Cluster,
    /// The operator's token: the peer acts for the operator.
    Operator,
}

impl Credential {
    const fn number(self) -> u8 {
        match self {
            Self::Cluster => 1,
            Self::Operator => 2,
        }
    }
}

/// A secret in memory. It is never shown, and compared only through a keyed hash in constant time.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Whether a presented secret is this one, in time that doesn't depend on where they differ.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        // Both are hashed under the same key first, so neither length nor content shows in the time.
        keyed(b"micronet secret comparison", &[presented])
            .verify_slice(&keyed(b"micronet secret comparison", &[&self.0]).finalize().into_bytes())
            .is_ok()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The size of a PROOF's payload: the credential and an HMAC-SHA-256.
pub const PROOF_BYTES: usize = 33;

/// The payload of the PROOF frame by which a dialler proves a secret (SPEC 3.7): HMAC-SHA-256 under the secret, over both
/// nonces and the dialler's names, so that it is worth nothing on another connection or for another node.
#[must_use]
pub fn proof(
    credential: Credential,
    secret: &Secret,
    dialler: &Hello,
    acceptor: &Hello,
) -> [u8; PROOF_BYTES] {
    let mut out = [0; PROOF_BYTES];
    out[0] = credential.number();
    out[1..].copy_from_slice(&proof_mac(credential, secret, dialler, acceptor).finalize().into_bytes());
    out
}

/// Checks a PROOF against the secrets that the acceptor knows, in constant time.
///
/// # Errors
/// With the code and words of the CLOSE that answers it.
pub fn check_proof(
    payload: &[u8],
    secret_of: impl Fn(Credential) -> Option<Secret>,
    dialler: &Hello,
    acceptor: &Hello,
) -> Result<Credential, Refusal> {
    let refused =
        || (Code::BadProof, "the proof doesn't match: is it the secret of this network?".to_owned());
    let credential = match payload {
        [1, ..] if payload.len() == PROOF_BYTES => Credential::Cluster,
        [2, ..] if payload.len() == PROOF_BYTES => Credential::Operator,
        _ => return Err((Code::Protocol, "PROOF: an unknown credential, or a wrong length".into())),
    };
    let secret = secret_of(credential).ok_or_else(refused)?;
    let expected = proof_mac(credential, &secret, dialler, acceptor);
    expected.verify_slice(&payload[1..]).map_err(|_| refused())?;
    Ok(credential)
}

fn proof_mac(credential: Credential, secret: &Secret, dialler: &Hello, acceptor: &Hello) -> Hmac<Sha256> {
    #[expect(clippy::cast_possible_truncation, reason = "names are at most NAME_BYTES_MAX long")]
    let lengths = [dialler.node.len() as u8, dialler.instance.len() as u8];
    keyed(
        &secret.0,
        &[
            b"micronet proof 1",
            &[credential.number()],
            &acceptor.nonce,
            &dialler.nonce,
            &lengths[..1],
            dialler.node.as_bytes(),
            &lengths[1..],
            dialler.instance.as_bytes(),
        ],
    )
}

fn keyed(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    // HMAC takes a key of any length: this can't fail, and an empty key would still be a keyed hash.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    for part in parts {
        mac.update(part);
    }
    mac
}
