//! Tokens against a model of them, over random sequences of writes, questions, purges and time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::database::testing::sequences::check_sequences;

on_both_databases! {
    tokio: [],
    threads: [whatever_callers_do_tokens_are_as_their_model],
}

/// Few and short, so that sequences come to the limits.
const KEEPING: Keeping = Keeping { kept_us: 20, all_max: 6, one_max: 4 };

#[derive(Clone, Debug)]
enum Act {
    /// Somebody writes this under a token.
    Write {
        holder: u8,
        token: u8,
        words: &'static str,
    },
    /// Somebody asks what became of it.
    Ask {
        holder: u8,
        token: u8,
    },
    Purge,
    /// Time passes.
    Later(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let words = prop_oneof![4 => Just("yes"), 1 => Just("other"), 1 => Just("no")];
    prop_oneof![
        6 => (0..2_u8, 0..6_u8, words).prop_map(|(holder, token, words)| Act::Write { holder, token, words }),
        2 => (0..2_u8, 0..6_u8).prop_map(|(holder, token)| Act::Ask { holder, token }),
        1 => Just(Act::Purge),
        2 => (1..15_i64).prop_map(Act::Later),
    ]
}

/// What somebody hears.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Noted(Noted),
    Refused,
    Reused,
    Withdrawn,
    Full,
    NeverStarted,
}

/// What is known of a token: what was noted, if anything was, and until when that holds.
type Known = (Option<Noted>, i64);

#[derive(Default)]
struct Model {
    known: BTreeMap<(u8, u8), Known>,
    notes: u64,
}

impl Model {
    /// What is known of a token in its time.
    fn find(&self, holder: u8, token: u8, now_us: i64) -> Option<Option<Noted>> {
        let (noted, until_us) = self.known.get(&(holder, token))?;
        (*until_us >= now_us).then(|| noted.clone())
    }

    /// Remembers something of a token, where there is room: what has expired takes some until it is purged, or comes again.
    fn keep(&mut self, holder: u8, token: u8, noted: Option<Noted>, now_us: i64) -> bool {
        let others = || self.known.keys().filter(|key| **key != (holder, token));
        let of_holder = others().filter(|(of, _)| *of == holder).count();
        let has_room = (of_holder as i64) < KEEPING.one_max && (others().count() as i64) < KEEPING.all_max;
        if has_room {
            self.known.insert((holder, token), (noted, now_us + KEEPING.kept_us));
        }
        has_room
    }

    fn write(&mut self, holder: u8, token: u8, words: &str, now_us: i64) -> Heard {
        match self.find(holder, token, now_us) {
            Some(Some(noted)) if noted.words.len() != words.len() => return Heard::Reused,
            Some(Some(noted)) => return Heard::Noted(noted),
            Some(None) => return Heard::Withdrawn,
            None if words == "no" => return Heard::Refused,
            None => {}
        }
        let noted = noted(self.notes + 1, words);
        if !self.keep(holder, token, Some(noted.clone()), now_us) {
            return Heard::Full;
        }
        self.notes += 1;
        Heard::Noted(noted)
    }

    fn ask(&mut self, holder: u8, token: u8, now_us: i64) -> Heard {
        match self.find(holder, token, now_us) {
            Some(Some(noted)) => Heard::Noted(noted),
            Some(None) => Heard::NeverStarted,
            None if self.keep(holder, token, None, now_us) => Heard::NeverStarted,
            None => Heard::Full,
        }
    }

    fn purge(&mut self, now_us: i64) -> u64 {
        let before = self.known.len();
        self.known.retain(|_, (_, until_us)| *until_us >= now_us);
        (before - self.known.len()) as u64
    }
}

fn whatever_callers_do_tokens_are_as_their_model(on: On) {
    check_sequences(on, MIGRATIONS, act(), async |database, acts| {
        let (mut model, mut now_us) = (Model::default(), 0);
        for act in acts {
            now_us += 1;
            match act {
                Act::Write { holder, token, words } => {
                    let written = note_as(&database, KEEPING, named(holder, token), words, now_us).await;
                    let expected = model.write(holder, token, words, now_us);
                    assert_eq!(heard(written.map(Some)), expected, "{act:?} at {now_us}");
                }
                Act::Ask { holder, token } => {
                    let asked: Result<_> = ask(&database, KEEPING, named(holder, token), now_us).await;
                    let asked = asked.map(|reply| reply.map(|reply| encoding::decode(&reply).unwrap()));
                    assert_eq!(heard(asked), model.ask(holder, token, now_us), "{act:?} at {now_us}");
                }
                Act::Purge => {
                    assert_eq!(purge(&database, now_us).await.unwrap(), model.purge(now_us), "at {now_us}");
                }
                Act::Later(us) => now_us += us,
            }
        }
        let known = i64::try_from(model.known.len()).unwrap();
        assert_eq!((rows(&database, "tokens").await, rows(&database, "holders").await), (known, known));
        assert_eq!(rows(&database, "notes").await.unsigned_abs(), model.notes);
    });
}

fn named(holder: u8, number: u8) -> Token {
    token(&format!("user/{holder}"), &format!("{holder} {number}"))
}

fn heard(outcome: Result<Option<Noted>>) -> Heard {
    match outcome {
        Ok(Some(noted)) => Heard::Noted(noted),
        Ok(None) => Heard::NeverStarted,
        Err(StoreError::Refused(_)) => Heard::Refused,
        Err(StoreError::TokenReused) => Heard::Reused,
        Err(StoreError::TokenWithdrawn) => Heard::Withdrawn,
        Err(StoreError::TokensFull) => Heard::Full,
        Err(error @ (StoreError::Invalid(_) | StoreError::Database(_))) => panic!("{error:?}"),
    }
}
