//! Whether a process is healthy: the parts that it can't do without, each with a way to look.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use micronet_wire::limits::{HEALTH_CHECK_MS_MAX, HEALTH_CHECKS_MAX};

use crate::clock;

/// What a check comes to: what is wrong, in words, if anything is.
pub type Looked = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// A way to look at a part.
type Look = Rc<dyn Fn() -> Looked>;

/// The parts that a process can't do without.
#[derive(Default)]
pub struct Checks(RefCell<Vec<(&'static str, Look)>>);

/// What was found out about a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name, as `database`.
    pub part: &'static str,
    /// What is wrong with it, if anything is.
    pub wrong: Option<String>,
    /// How long it took to find out, in microseconds.
    pub took_us: u64,
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.borrow().iter().map(|(part, _)| part)).finish()
    }
}

impl Checks {
    /// This part is looked at too from now on; one that was known is looked at in this way.
    pub fn add<L>(&self, part: &'static str, look: impl Fn() -> L + 'static)
    where
        L: Future<Output = Result<(), String>> + 'static,
    {
        let look: Look = Rc::new(move || Box::pin(look()));
        let mut all = self.0.borrow_mut();
        all.retain(|(known, _)| *known != part);
        if all.len() < HEALTH_CHECKS_MAX {
            all.push((part, look));
        }
    }

    /// Looks at all parts, each for a short while only.
    pub async fn look(&self) -> Vec<Found> {
        let all = self.0.borrow().clone();
        let looked = all.into_iter().map(|(part, look)| async move {
            let since = clock::now();
            let looked = tokio::time::timeout(Duration::from_millis(HEALTH_CHECK_MS_MAX), look()).await;
            let wrong = match looked {
                Ok(Ok(())) => None,
                Ok(Err(wrong)) => Some(wrong),
                Err(_) => Some(format!("no answer within {HEALTH_CHECK_MS_MAX} ms")),
            };
            Found { part, wrong, took_us: (clock::now() - since) / 1_000 }
        });
        futures_util::future::join_all(looked).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_looked_at_and_none_for_long() {
        crate::tests::run_paused(async {
            let checks = Checks::default();
            checks.add("database", || async { Ok(()) });
            checks.add("redis", || async { Err("it is away".to_owned()) });
            checks.add("message_queue", std::future::pending);
            checks.add("redis", || async { Err("it is still away".to_owned()) });
            let since = tokio::time::Instant::now();
            let found = checks.look().await;
            assert_eq!(since.elapsed(), Duration::from_millis(HEALTH_CHECK_MS_MAX));
            let found: Vec<_> = found.iter().map(|each| (each.part, each.wrong.as_deref())).collect();
            let late = format!("no answer within {HEALTH_CHECK_MS_MAX} ms");
            let wanted =
                [("database", None), ("message_queue", Some(&*late)), ("redis", Some("it is still away"))];
            assert_eq!(found, wanted);
        });
    }
}
