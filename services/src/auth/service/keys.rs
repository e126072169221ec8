//! Access tokens, and the keys that sign them: ES256, the private half in a file that nobody else may read.
//!
//! A key is made when there is none whose private half is here, when the operator asks, and when the last one is thirty days old. All
//! instances on one data folder sign with the newest; an instance on another machine has keys of its own. The public halves are in
//! the database, so that each instance publishes all of them.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use micronet_transport::clock::{self, unix_us};
use micronet_transport::identity::random_bytes;
use micronet_wire::authority::{ACCESS_TOKEN_S, AUDIENCE, ISSUER, Key, Keys, TOKEN_TYPE};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{Hidden, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;

use super::secrets::hex;
use crate::auth::store::{Account, AuthStore, KEY_S, PublicKey};

/// For so long what the database says of keys is not asked again, in nanoseconds. It is short beside the time for which a key that
/// was replaced is still published.
const KNOWN_NS: u64 = 5_000_000_000;

/// What an access token claims.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'static str,
    aud: &'static str,
    sub: String,
    org: String,
    sid: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    permissions: &'a [String],
    scopes: &'a [&'static str],
}

/// What every token is given for.
pub(super) const SCOPES: &[&str] = &["api"];

/// The keys of an instance.
pub(super) struct Signer {
    store: AuthStore,
    /// Where private halves are; without a folder they are in this process only.
    folder: Option<PathBuf>,
    known: RefCell<Option<Rc<Known>>>,
    /// One at a time looks, or makes a key.
    looking: Mutex<()>,
}

/// The keys as they were when the database was asked last.
struct Known {
    published: Vec<PublicKey>,
    kid: String,
    private: EncodingKey,
    until_ns: u64,
}

/// A key that was just made.
struct Made {
    public: PublicKey,
    private: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Signer {
    pub(super) fn new(store: AuthStore, folder: Option<PathBuf>) -> Self {
        Self { store, folder, known: RefCell::default(), looking: Mutex::default() }
    }

    /// An access token for an account, of a session that lasts until then: the token, its claim `jti` being `jti`, and how many
    /// seconds it is good.
    pub(super) async fn sign(
        &self,
        account: &Account,
        session: &str,
        jti: &str,
        session_ends_us: i64,
    ) -> Result<(Hidden, u32), RpcError> {
        let known = self.known().await?;
        let now_s = unix_us().div_euclid(1_000_000);
        let iat = now_s.max(account.tokens_from_s);
        let exp = (iat + ACCESS_TOKEN_S.cast_signed()).min(session_ends_us.div_euclid(1_000_000));
        let permissions = account.permissions();
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: account.id.to_string(),
            org: account.organization_id.to_string(),
            sid: session,
            iat,
            exp,
            jti,
            permissions: &permissions,
            scopes: SCOPES,
        };
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(known.kid.clone());
        let token = jsonwebtoken::encode(&header, &claims, &known.private).map_err(|error| broken(&error))?;
        Ok((Hidden(token), u32::try_from(exp - now_s).unwrap_or_default()))
    }

    /// The public keys, as they are now: one that another instance has just made signs tokens already.
    pub(super) async fn published(&self) -> Result<Keys, RpcError> {
        let looking = self.looking.lock().await;
        let known = self.look().await?;
        drop(looking);
        let keys = known.published.iter().map(|key| Key {
            kid: key.kid.clone(),
            kty: "EC".into(),
            crv: "P-256".into(),
            x: key.x.clone(),
            y: key.y.clone(),
            r#use: "sig".into(),
            alg: "ES256".into(),
            since: Timestamp(key.created_at),
        });
        let mut keys: Vec<Key> = keys.collect();
        // That which signs comes first.
        keys.sort_by_key(|key| key.kid != known.kid);
        Ok(Keys { keys })
    }

    /// Signs with a new key from now on: its name.
    pub(super) async fn rotate(&self) -> Result<String, RpcError> {
        let _looking = self.looking.lock().await;
        let published = self.store.keys(unix_us()).await?;
        let replaced = published.iter().filter(|key| key.retired_at.is_none() && self.has(&key.kid));
        let replaced = replaced.map(|key| key.kid.clone()).collect();
        let known = self.make(replaced).await?;
        Ok(known.kid.clone())
    }

    async fn known(&self) -> Result<Rc<Known>, RpcError> {
        let fresh = || self.known.borrow().clone().filter(|known| clock::now() < known.until_ns);
        if let Some(known) = fresh() {
            return Ok(known);
        }
        let _looking = self.looking.lock().await;
        match fresh() {
            Some(known) => Ok(known),
            None => self.look().await,
        }
    }

    /// Asks the database which keys there are, and makes one where none of them signs here.
    async fn look(&self) -> Result<Rc<Known>, RpcError> {
        let now_us = unix_us();
        let published = self.store.keys(now_us).await?;
        let before = self.known.borrow().clone();
        let (mut signing, mut replaced) = (None, Vec::new());
        for key in published.iter().filter(|key| key.retired_at.is_none()) {
            let own = before.as_ref().filter(|before| before.kid == key.kid);
            let Some(private) = own.map(|own| Ok(own.private.clone())).or_else(|| self.read(&key.kid)) else {
                continue;
            };
            if key.created_at + KEY_S * 1_000_000 <= now_us {
                replaced.push(key.kid.clone());
            } else if signing.is_none() {
                signing = Some((key.kid.clone(), private.map_err(|error| broken(&error))?));
            }
        }
        match signing {
            Some((kid, private)) => Ok(self.keep(published, kid, private)),
            None => self.make(replaced).await,
        }
    }

    async fn make(&self, replaced: Vec<String>) -> Result<Rc<Known>, RpcError> {
        let made = Made::new(unix_us()).map_err(|()| broken(&"the key can't be made"))?;
        if let Some(folder) = &self.folder {
            write_private(&key_file(folder, &made.public.kid), &made.private)
                .map_err(|error| broken(&error))?;
        }
        let kid = made.public.kid.clone();
        self.store.add_key(made.public, replaced.clone()).await?;
        tracing::info!(kid, "access tokens are signed with a new key");
        for old in replaced.iter().filter_map(|old| Some(key_file(self.folder.as_ref()?, old))) {
            // What it has signed is verified without it.
            let _ = fs::remove_file(old);
        }
        let published = self.store.keys(unix_us()).await?;
        Ok(self.keep(published, kid, EncodingKey::from_ec_der(&made.private)))
    }

    fn keep(&self, published: Vec<PublicKey>, kid: String, private: EncodingKey) -> Rc<Known> {
        let known = Rc::new(Known { published, kid, private, until_ns: clock::now() + KNOWN_NS });
        *self.known.borrow_mut() = Some(Rc::clone(&known));
        known
    }

    /// Whether the private half of a key is here.
    fn has(&self, kid: &str) -> bool {
        let is_own = self.known.borrow().as_ref().is_some_and(|known| known.kid == kid);
        is_own || self.folder.as_ref().is_some_and(|folder| key_file(folder, kid).exists())
    }

    /// The private half of a key, if it is here.
    fn read(&self, kid: &str) -> Option<io::Result<EncodingKey>> {
        let path = key_file(self.folder.as_ref()?, kid);
        match read_private(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read.map(|bytes| EncodingKey::from_ec_der(&bytes))),
        }
    }
}

impl Made {
    fn new(now_us: i64) -> Result<Self, ()> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let private = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(|_| ())?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref()).map_err(|_| ())?;
        // SEC 1: an uncompressed point is 4 and its two coordinates.
        let [4, point @ ..] = pair.public_key().as_ref() else { return Err(()) };
        let (x, y) = point.split_at_checked(32).filter(|(_, y)| y.len() == 32).ok_or(())?;
        let public = PublicKey {
            kid: hex(&random_bytes::<16>()),
            x: base64url(x),
            y: base64url(y),
            created_at: now_us,
            retired_at: None,
        };
        Ok(Self { public, private: private.as_ref().to_vec() })
    }
}

/// The caller hears that it went wrong, the log how.
fn broken(error: &dyn std::fmt::Display) -> RpcError {
    tracing::error!(%error, "no access token can be signed");
    RpcError::new(Code::Internal, "no access token can be signed; the service's log says why")
}

fn key_file(folder: &Path, kid: &str) -> PathBuf {
    folder.join(format!("{kid}.key"))
}

/// Writes what nobody else may read, into a file that isn't there yet.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Reads what nobody else may read.
pub(super) fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!("{} can be read by other users: chmod 600 it", path.display())));
    }
    fs::read(path)
}

/// Base64 for URLs, without padding (RFC 4648, section 5).
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases = [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, encoded) in cases {
            assert_eq!(base64url(text.as_bytes()), encoded);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }
}
