//! What is revoked: sessions and accounts, each for as long as a token of it could still be good.

use std::collections::HashMap;

use micronet_wire::authority::{ACCESS_TOKEN_S, Revocation, Revoked};
use micronet_wire::limits::REVOCATIONS_MAX;

use super::token::Verified;

/// The revocations that are known.
#[derive(Debug)]
pub(super) struct Revocations {
    /// By `sid`: until when each matters, in seconds since 1970.
    sessions: HashMap<String, i64>,
    /// By `sub`: the same, and up to which time of issue tokens are meant.
    accounts: HashMap<String, (i64, i64)>,
    /// All tokens are refused that were issued at this time or before.
    floor_s: i64,
    room: usize,
}

impl Default for Revocations {
    fn default() -> Self {
        Self::with_room(REVOCATIONS_MAX)
    }
}

impl Revocations {
    fn with_room(room: usize) -> Self {
        let (sessions, accounts) = Default::default();
        Self { sessions, accounts, floor_s: i64::MIN, room }
    }

    /// Takes account of one more.
    pub(super) fn add(&mut self, revocation: &Revocation, now_s: i64) {
        let until_s = revocation.until.0.div_euclid(1_000_000).saturating_add(1);
        if self.len() >= self.room {
            self.forget_expired(now_s);
        }
        if self.len() >= self.room {
            // Nothing that is revoked may pass. Whoever is not revoked gets a new token by the refresh token.
            tracing::warn!(
                held = self.len(),
                "too many revocations: all tokens that were issued so far are refused"
            );
            let room = self.room;
            *self = Self { floor_s: self.floor_s.max(now_s), ..Self::with_room(room) };
        }
        match &revocation.of {
            Revoked::Session { sid } => later(self.sessions.entry(sid.clone()).or_insert(until_s), until_s),
            Revoked::Account { sub, through_s } => {
                let (until, through) = self.accounts.entry(sub.clone()).or_insert((until_s, *through_s));
                later(until, until_s);
                later(through, *through_s);
            }
            // By then all tokens that it means have expired: they were issued at most that long before.
            Revoked::Unknown => {
                tracing::warn!(
                    "a kind of revocation isn't known here: all tokens that it may mean are refused"
                );
                let issued_s = until_s.saturating_sub(i64::try_from(ACCESS_TOKEN_S).unwrap_or(i64::MAX));
                later(&mut self.floor_s, issued_s.min(now_s));
            }
        }
    }

    /// Whether this one is revoked.
    pub(super) fn hold(&self, who: &Verified) -> bool {
        who.issued_s <= self.floor_s
            || who.principal.session().is_some_and(|sid| self.sessions.contains_key(sid))
            || self.accounts.get(who.subject()).is_some_and(|(_, through_s)| who.issued_s <= *through_s)
    }

    /// Forgets what can't matter any more.
    pub(super) fn forget_expired(&mut self, now_s: i64) {
        self.sessions.retain(|_, until_s| *until_s >= now_s);
        self.accounts.retain(|_, (until_s, _)| *until_s >= now_s);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.sessions.len() + self.accounts.len()
    }
}

fn later(known: &mut i64, said: i64) {
    *known = said.max(*known);
}

#[cfg(test)]
mod tests {
    use micronet_wire::principal::Principal;
    use micronet_wire::schema::Timestamp;

    use super::*;

    fn token(sid: &str, sub: &str, issued_s: i64) -> Verified {
        let principal = Principal::User {
            subject: sub.into(),
            organization: "1".into(),
            session: sid.into(),
            permissions: Vec::new(),
        };
        let (jti, scopes) = ("t1".into(), Vec::new());
        Verified { principal, jti, scopes, issued_s, expires_s: issued_s + 900 }
    }

    fn revocation(of: Revoked, until_s: i64) -> Revocation {
        Revocation { of, until: Timestamp(until_s * 1_000_000) }
    }

    #[test]
    fn sessions_and_accounts_are_revoked() {
        let mut all = Revocations::default();
        all.add(&revocation(Revoked::Session { sid: "s1".into() }, 1_900), 1_000);
        all.add(&revocation(Revoked::Account { sub: "7".into(), through_s: 1_000 }, 1_900), 1_000);
        all.add(&revocation(Revoked::Account { sub: "7".into(), through_s: 900 }, 1_800), 1_000);
        for (who, held) in [
            (token("s1", "8", 1_000), true),
            (token("s2", "7", 1_000), true),
            (token("s2", "7", 1_001), false),
            (token("s2", "8", 1_000), false),
        ] {
            assert_eq!(all.hold(&who), held, "{who:?}");
        }
        all.forget_expired(1_901);
        assert_eq!(all.len(), 2);
        all.forget_expired(1_902);
        assert_eq!(all.len(), 0);
    }

    #[test]
    fn beyond_the_limit_all_that_was_issued_so_far_is_refused() {
        let mut all = Revocations::with_room(3);
        for number in 0..4 {
            // The first two have expired by the time of the fourth, which so finds room.
            let until_s = if number < 2 { 1_010 } else { 1_900 };
            all.add(
                &revocation(Revoked::Session { sid: format!("s{number}") }, until_s),
                1_000 + 10 * number,
            );
        }
        assert_eq!((all.len(), all.hold(&token("other", "7", 1_030))), (2, false));
        for number in 4..6 {
            all.add(&revocation(Revoked::Session { sid: format!("s{number}") }, 1_900), 1_040);
        }
        for (who, held) in [
            (token("s3", "7", 1_000), true),
            (token("other", "7", 1_040), true),
            (token("other", "7", 1_041), false),
            (token("s5", "7", 1_041), true),
        ] {
            assert_eq!(all.hold(&who), held, "{who:?}");
        }
    }

    #[test]
    fn what_is_not_understood_refuses_whatever_it_may_mean() {
        let mut all = Revocations::default();
        all.add(&revocation(Revoked::Unknown, 1_900), 1_000);
        assert!(all.hold(&token("s", "7", 1_000)));
        assert!(!all.hold(&token("s", "7", 1_001)));
    }
}
