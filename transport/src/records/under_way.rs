//! Notes: those of the requests that are under way, which are found again while they are, and those that wait for the next ones.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use micronet_wire::network::UnderWay;

use super::limits::STORIES_SPARE_MAX;
use super::noted::Noted;
use super::texts::Text;

/// All notes of a process.
#[derive(Default)]
pub(super) struct Notes {
    spare: RefCell<Vec<Rc<RefCell<Noted>>>>,
    /// Each there is, spare ones too. It changes only where notes are made, not with each request.
    all: RefCell<Vec<Weak<RefCell<Noted>>>>,
    /// At how many of them those that are no more are forgotten.
    full: Cell<usize>,
}

impl Notes {
    /// Notes on nothing yet.
    pub(super) fn blank(&self) -> Rc<RefCell<Noted>> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| self.made())
    }

    #[cold]
    fn made(&self) -> Rc<RefCell<Noted>> {
        let made = Rc::<RefCell<Noted>>::default();
        let mut all = self.all.borrow_mut();
        if all.len() >= self.full.get() {
            all.retain(|notes| notes.strong_count() > 0);
            self.full.set((2 * all.len()).max(STORIES_SPARE_MAX));
        }
        all.push(Rc::downgrade(&made));
        made
    }

    /// Nobody needs these any more.
    pub(super) fn spare(&self, notes: Rc<RefCell<Noted>>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < STORIES_SPARE_MAX {
            spare.push(notes);
        }
    }

    /// What is under way: how much, and so much of it, the oldest first.
    pub(super) fn under_way(&self, now: u64, max: usize) -> (usize, Vec<UnderWay>) {
        let all: Vec<_> = self.all.borrow().iter().filter_map(Weak::upgrade).collect();
        let mut found: Vec<_> = all
            .iter()
            .filter_map(|notes| notes.try_borrow().ok())
            .filter(|noted| noted.started_ns > 0 && (noted.ended_ns == 0 || noted.is_stream))
            .collect();
        found.sort_by_key(|noted| noted.started_ns);
        (found.len(), found.iter().take(max).map(|noted| noted.under_way(now)).collect())
    }
}

impl Noted {
    fn under_way(&self, now: u64) -> UnderWay {
        let since_us = |begin_ns: u64| now.saturating_sub(begin_ns) / 1_000;
        let waiting = self.attempts.last().filter(|attempt| attempt.ended_ns == 0);
        let waiting =
            waiting.and_then(|attempt| Some((attempt.instance.as_ref()?, since_us(attempt.began_ns))));
        let text = |text| self.texts.get(text).to_owned();
        let http = match [Text::Verb, Text::Route].map(|text| self.texts.get(text)) {
            ["", _] => String::new(),
            [verb, ""] => format!("{verb} {}", self.texts.get(Text::Target)),
            [verb, route] => format!("{verb} {route}"),
        };
        UnderWay {
            kind: self.kind,
            request_id: text(Text::RequestId),
            age_us: since_us(self.started_ns),
            from: text(Text::From),
            http,
            service: text(Text::Service),
            method: text(Text::Method),
            waits_for: waiting.map(|(instance, _)| instance.to_string()).unwrap_or_default(),
            waits_us: waiting.map_or(0, |(_, us)| us),
        }
    }
}
