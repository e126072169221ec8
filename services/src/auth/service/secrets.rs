//! Random secrets: what is given out, and the hash that is stored of it. A guess can't be found by its time: hashes are looked up.

use micronet_transport::identity::random_bytes;
use micronet_wire::schema::Hidden;
use sha2::{Digest as _, Sha256};

use crate::auth::store::SecretHash;

/// A secret that nobody guesses: 256 random bits.
pub(super) fn secret() -> Hidden {
    Hidden(hex(&random_bytes::<32>()))
}

/// A name that nobody has had before: 128 random bits.
pub(super) fn unique() -> String {
    hex(&random_bytes::<16>())
}

/// What is stored of a secret.
pub(super) fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
