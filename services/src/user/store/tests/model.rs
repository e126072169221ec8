//! The user store as it should be: a few maps, and the rules in their plainest words.

use std::collections::BTreeMap;

use super::super::*;
use crate::once::KEPT_US;

/// Something that changes the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Create(String, String),
    Update(i64, Change),
    Remove(i64),
    Count(String, Purchases),
    Seen(i64),
}

/// A write at a time; one that is done once, under a token.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) write: Write,
    pub(super) token: u8,
    pub(super) now_us: i64,
}

/// What a write comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Told(u64),
    Is(User),
    Done,
    Refused(UserError),
    TokenReused,
}

/// What the store should hold.
#[derive(Default)]
pub(super) struct Model {
    pub(super) users: BTreeMap<i64, User>,
    /// The highest number that was ever given.
    highest: i64,
    /// What a token was used for, what it was answered, and when.
    replies: BTreeMap<(bool, u8), (Write, Outcome, i64)>,
    /// How far each seller's feed was counted.
    counted: BTreeMap<String, u64>,
    /// The feed: key, time and change.
    pub(super) changes: Vec<(String, i64, UserChange)>,
}

impl Model {
    pub(super) fn counted(&self, seller: &str) -> u64 {
        self.counted.get(seller).copied().unwrap_or(0)
    }

    /// What the write should come to.
    pub(super) fn apply(&mut self, request: &Request) -> Outcome {
        let now_us = request.now_us;
        match &request.write {
            Write::Create(name, email) => self.once(request, |model| model.create(name, email, now_us)),
            Write::Update(id, change) => self.update(*id, change, now_us),
            Write::Remove(id) => self.once(request, |model| model.remove(*id, now_us)),
            Write::Count(seller, told) => self.count(seller, told),
            Write::Seen(id) => {
                if let Some(user) = self.users.get_mut(id) {
                    user.last_seen_us = Some(now_us);
                }
                Outcome::Done
            }
        }
    }

    fn once(&mut self, request: &Request, effect: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        // Tokens of different methods are different ones.
        let key = (matches!(request.write, Write::Create(..)), request.token);
        if let Some((write, outcome, at_us)) = self.replies.get(&key)
            && *at_us >= request.now_us - KEPT_US
        {
            return if *write == request.write { outcome.clone() } else { Outcome::TokenReused };
        }
        let outcome = effect(self);
        if let Outcome::Told(_) = outcome {
            self.replies.insert(key, (request.write.clone(), outcome.clone(), request.now_us));
        }
        outcome
    }

    fn is_taken(&self, email: &str, by_other_than: i64) -> bool {
        self.users
            .values()
            .any(|user| user.id != by_other_than && user.email.to_lowercase() == email.to_lowercase())
    }

    fn create(&mut self, name: &str, email: &str, now_us: i64) -> Outcome {
        if self.is_taken(email, 0) {
            return Outcome::Refused(UserError::UserAlreadyExists { email: email.to_owned() });
        }
        self.highest += 1;
        let user = User {
            id: self.highest,
            name: name.to_owned(),
            email: email.to_owned(),
            orders: 0,
            spent_minor: 0,
            last_seen_us: None,
            created_at_us: now_us,
            updated_at_us: now_us,
        };
        self.users.insert(user.id, user.clone());
        self.tell(now_us, user.id, UserChange::Created { user: user.id.unsigned_abs() });
        Outcome::Told(user.id.unsigned_abs())
    }

    fn update(&mut self, id: i64, change: &Change, now_us: i64) -> Outcome {
        let Some(before) = self.users.get(&id).cloned() else { return not_found(id) };
        let name = change.name.clone().unwrap_or(before.name.clone());
        let email = change.email.clone().unwrap_or(before.email.clone());
        if (&name, &email) == (&before.name, &before.email) {
            return Outcome::Is(before);
        }
        if self.is_taken(&email, id) {
            return Outcome::Refused(UserError::UserAlreadyExists { email });
        }
        let user = User { name, email, updated_at_us: now_us, ..before };
        self.users.insert(id, user.clone());
        self.tell(now_us, id, UserChange::Updated { user: id.unsigned_abs() });
        Outcome::Is(user)
    }

    fn remove(&mut self, id: i64, now_us: i64) -> Outcome {
        let Some(user) = self.users.remove(&id) else { return not_found(id) };
        self.tell(now_us, id, UserChange::Removed { user: id.unsigned_abs() });
        Outcome::Told(user.id.unsigned_abs())
    }

    fn count(&mut self, seller: &str, told: &Purchases) -> Outcome {
        let counted = self.counted(seller);
        for purchase in told.purchases.iter().filter(|purchase| purchase.event > counted) {
            if let Some(user) = self.users.get_mut(&i64::try_from(purchase.user).unwrap()) {
                user.orders += i64::from(purchase.orders);
                user.spent_minor += purchase.spent.0;
            }
        }
        self.counted.insert(seller.to_owned(), counted.max(told.through));
        Outcome::Done
    }

    fn tell(&mut self, now_us: i64, id: i64, change: UserChange) {
        self.changes.push((id.to_string(), now_us, change));
    }
}

fn not_found(id: i64) -> Outcome {
    Outcome::Refused(UserError::UserNotFound { id: id.unsigned_abs() })
}
