//! What a process remembers of the requests and calls that it has finished, so that anybody can be told afterwards why one went as it
//! did; and those who follow while it happens.
//!
//! A [`Story`] is what is noted while a request is under way, in memory that is used again and again. When it ends, it becomes bytes in
//! one of two rings (`ring.rs`): one for everything, and one for what failed, was slow or was tried again, which lasts longer. Nobody
//! ever waits for those who follow (`following.rs`).

mod current;
mod following;
mod limits;
mod noted;
mod packed;
mod ring;
mod story;
mod texts;
mod under_way;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use micronet_wire::network::{Memory, Record, RecordFilter, UnderWay};
use micronet_wire::request::TraceContext;
use micronet_wire::rest::bytes_of_id;
use micronet_wire::schema::Timestamp;

pub use self::current::current;
use self::following::Followers;
pub use self::following::{Followed, Following};
use self::limits::{FOUND_MAX, NOTABLE_BYTES_MAX, RECORDS_BYTES_MAX, WALL_MS};
use self::noted::{ABANDONED, Noted};
use self::packed::Packed;
use self::ring::Ring;
pub use self::story::{Called, Story};
use self::texts::Text;
use self::under_way::Notes;
use crate::chance::Chance;
use crate::clock;
use crate::identity::random_bytes;

/// What one process remembers.
pub struct Records {
    all: RefCell<Ring>,
    notable: RefCell<Ring>,
    followers: Followers,
    notes: Notes,
    buffer: RefCell<Vec<u8>>,
    chance: RefCell<Chance>,
    since_ns: u64,
    wall: Wall,
}

/// The wall clock, read once in a while: what a process's own clock has to be added to, in microseconds.
#[derive(Default)]
struct Wall {
    ahead_us: Cell<i64>,
    read_ns: Cell<u64>,
}

impl Wall {
    /// Microseconds since 1970 at a time of the process's own clock that is about now.
    fn unix_us(&self, at_ns: u64) -> i64 {
        let at_us = i64::try_from(at_ns / 1_000).unwrap_or(i64::MAX);
        if at_ns.abs_diff(self.read_ns.get()) > WALL_MS * 1_000_000 {
            let now_us = i64::try_from(clock::now() / 1_000).unwrap_or(i64::MAX);
            self.ahead_us.set(clock::unix_us().saturating_sub(now_us));
            self.read_ns.set(at_ns);
        }
        at_us.saturating_add(self.ahead_us.get())
    }
}

impl Default for Records {
    fn default() -> Self {
        Self {
            all: RefCell::new(Ring::new(RECORDS_BYTES_MAX)),
            notable: RefCell::new(Ring::new(NOTABLE_BYTES_MAX)),
            followers: Followers::default(),
            notes: Notes::default(),
            buffer: RefCell::default(),
            chance: RefCell::new(Chance::new(u64::from_ne_bytes(random_bytes()))),
            since_ns: clock::now(),
            wall: Wall::default(),
        }
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("records", &self.memory().records).finish_non_exhaustive()
    }
}

impl Records {
    /// What is remembered of a request, by its id or that of its trace, the oldest first.
    #[must_use]
    pub fn find(&self, id: &str) -> Vec<Record> {
        let (all, notable) = (self.all.borrow(), self.notable.borrow());
        let trace = bytes_of_id(id);
        let is_of = |packed: &&[u8]| {
            packed::request_id(packed) == Some(id.as_bytes())
                || trace.is_some_and(|trace| packed::trace_id(packed) == Some(&trace))
        };
        let found = all.iter().chain(notable.iter()).filter(is_of);
        let mut found: Vec<Record> = found.filter_map(packed::unpacked).collect();
        found.sort_by_key(|record| record.at);
        found.drain(..found.len().saturating_sub(FOUND_MAX));
        found
    }

    /// Follows what happens from now on. `None` where too many follow already.
    #[must_use]
    pub fn follow(&self, filter: RecordFilter) -> Option<Following> {
        self.followers.add(filter, self.chance.borrow_mut().bits())
    }

    /// Whether anybody follows.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        !self.followers.is_empty()
    }

    /// How far it remembers.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let (all, notable) = (self.all.borrow(), self.notable.borrow());
        let [(some, some_bytes), (others, others_bytes)] = [all.size(), notable.size()];
        let (now, unix_us) = (clock::now(), clock::unix_us());
        let at = |ns: u64| Timestamp(unix_us.saturating_sub_unsigned(now.saturating_sub(ns) / 1_000));
        let notable_since = notable.forgotten_ns().unwrap_or(self.since_ns);
        Memory {
            all_since: at(all.forgotten_ns().unwrap_or(notable_since).max(notable_since)),
            notable_since: at(notable_since),
            records: some + others,
            bytes: (some_bytes + others_bytes) as u64,
        }
    }

    /// The memory that it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.all.borrow().size().1 + self.notable.borrow().size().1
    }

    // ---- stories ----

    /// Those that aren't over: how many, and so many of them, the oldest first.
    #[must_use]
    pub fn under_way(&self, max: usize) -> (usize, Vec<UnderWay>) {
        self.notes.under_way(clock::now(), max)
    }

    /// The id of a span that there wasn't before.
    fn span(&self) -> [u8; 8] {
        self.chance.borrow_mut().bits().max(1).to_be_bytes()
    }

    /// A span of its own within this one, or within a trace of its own where there is none; and its parent's id.
    fn within(&self, given: TraceContext) -> (TraceContext, [u8; 8]) {
        let mut chance = self.chance.borrow_mut();
        let span_id = chance.bits().max(1).to_be_bytes();
        if given.is_some() {
            return (TraceContext { span_id, ..given }, given.span_id);
        }
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&chance.bits().max(1).to_be_bytes());
        trace_id[8..].copy_from_slice(&chance.bits().to_be_bytes());
        (TraceContext { trace_id, span_id, flags: 1 }, [0; 8])
    }

    /// A story is over: it becomes a record.
    fn ended(&self, story: Rc<RefCell<Noted>>) {
        let mut noted = story.borrow_mut();
        if noted.texts.get(Text::Code).is_empty() {
            noted.texts.note(Text::Code, ABANDONED);
        }
        if noted.ended_ns == 0 || noted.is_stream {
            noted.ended_ns = clock::now();
        }
        let ended_ns = noted.ended_ns;
        let (is_notable, is_followed) = (noted.is_notable(), self.is_followed());
        let whole = is_notable || is_followed || noted.has_excluded();
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        Packed { noted: &noted, ended_us: self.wall.unix_us(ended_ns), whole }.put(&mut buffer);
        let ring = if is_notable { &self.notable } else { &self.all };
        ring.borrow_mut().keep(ended_ns, &buffer);
        if is_followed && let Some(record) = packed::unpacked(&buffer) {
            let (request, reply) = (noted.request.clone(), noted.reply.clone());
            self.followers.tell(&Followed { record: Rc::new(record), request, reply });
        }
        noted.clear();
        drop(noted);
        self.notes.spare(story);
    }
}
