//! Passwords: hashed and compared on threads of their own, a few at once, since each takes tens of milliseconds and 19 MiB.
//!
//! Argon2id (RFC 9106) with what OWASP's Password Storage Cheat Sheet asks for: 19 MiB, two passes, one lane.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::schema::Hidden;
use tokio::sync::Semaphore;

/// Passwords that are looked at, or wait for it, at once; more are refused.
const PLACES: usize = 64;

/// Passwords that are looked at in the same moment at most.
const THREADS_MAX: usize = 4;

/// When somebody who found no place may try again, in milliseconds.
const FULL_PAUSE_MS: u32 = 1_000;

/// What the password of an address that nobody has is compared with, so that it takes as long: the hash of random bytes.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$PjnaT/E/Q2eXYcSditDufw$nTYZIGuAnjO0530aJW+ilgiD/cJH5BydvOPX34lAE5g";

/// The way to the threads.
#[derive(Debug)]
pub(super) struct Passwords {
    places: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            threads: Arc::new(Semaphore::new(cores.min(THREADS_MAX))),
        }
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: Hidden) -> Result<Hidden, RpcError> {
        let hashed = self.run(move || Argon2::default().hash_password(password.0.as_bytes())).await?;
        hashed.map(|hashed| Hidden(hashed.to_string())).map_err(|error| {
            tracing::error!(%error, "a password can't be hashed");
            RpcError::new(Code::Internal, "the password can't be hashed")
        })
    }

    /// Whether the password is the one of this hash. Without one it isn't, which takes as long to find out.
    pub(super) async fn matches(&self, password: Hidden, hashed: Option<Hidden>) -> Result<bool, RpcError> {
        self.run(move || {
            let against = hashed.as_ref().map_or(NOBODYS, |hashed| &hashed.0);
            let same = Argon2::default().verify_password(password.0.as_bytes(), against).is_ok();
            same && hashed.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, RpcError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(RpcError::new(
                Code::Overloaded,
                "too many passwords are being checked: try again later",
            )
            .retry(Retry::NeverStarted, FULL_PAUSE_MS));
        };
        let ended = |_| RpcError::new(Code::Internal, "the service ends");
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| ended(()))?;
        // Whoever asked may have left; the thread keeps its place until it is done.
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((thread, place));
            done
        });
        working.await.map_err(|_| ended(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Demo;

    fn hidden(text: &str) -> Hidden {
        Hidden(text.to_owned())
    }

    #[tokio::test(flavor = "local")]
    async fn a_password_matches_its_own_hash_and_nothing_else() {
        let passwords = Passwords::new();
        let hashed = passwords.hash(hidden("correct horse")).await.unwrap();
        assert!(hashed.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hashed.0);
        assert_ne!(
            passwords.hash(hidden("correct horse")).await.unwrap(),
            hashed,
            "each has salt of its own"
        );
        assert_eq!(passwords.matches(hidden("correct horse"), Some(hashed.clone())).await, Ok(true));
        assert_eq!(passwords.matches(hidden("correct horse "), Some(hashed)).await, Ok(false));
        assert_eq!(passwords.matches(hidden("correct horse"), None).await, Ok(false));
        assert_eq!(passwords.matches(hidden("x"), Some(hidden("no hash"))).await, Ok(false));
    }

    #[tokio::test(flavor = "local")]
    async fn the_demonstrations_accounts_have_the_passwords_that_are_told() {
        let passwords = Passwords::new();
        for account in Demo::Shop.organization().unwrap().accounts {
            let hashed = hidden(account.hashed_password);
            assert_eq!(passwords.matches(hidden(account.password), Some(hashed)).await, Ok(true));
        }
        let parameters = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(NOBODYS), parameters(&passwords.hash(hidden("x")).await.unwrap().0), "as slow");
    }

    #[tokio::test(flavor = "local")]
    async fn more_than_there_is_room_for_are_refused_at_once() {
        let passwords = Passwords::new();
        let all =
            Arc::clone(&passwords.places).acquire_many_owned(u32::try_from(PLACES).unwrap()).await.unwrap();
        let refused = passwords.hash(hidden("x")).await.unwrap_err();
        assert_eq!((refused.code, refused.retry), (Code::Overloaded, Retry::NeverStarted));
        drop(all);
        assert!(passwords.hash(hidden("x")).await.is_ok());
    }
}
