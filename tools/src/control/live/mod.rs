//! The network as it is now, for whoever reads it: drawn once for all, told to each by what it was told before.
//!
//! The gateway tells by the second what passes it, and at once when an instance's state changes (`gateway.rs`); supervisors tell of
//! processes, `/proc` of what they use (`usage.rs`), the file system of the data of how full it is (`disk.rs`), and while somebody reads, services are asked whom they call (`links.rs`). Of all this
//! `draw.rs` makes a [`Picture`]. What is different from the one before is told as events (`news.rs`), and with each second the alarms look
//! at it and `history.rs` keeps it. `reader.rs` tells one reader.

mod disk;
mod draw;
mod gateway;
mod history;
mod links;
mod news;
pub(crate) mod picture;
mod reader;
pub(super) mod status;
mod usage;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use micronet_gateway::api::watch::Watched;
use micronet_transport::clock;
use micronet_transport::tasks;
use micronet_wire::schema::Timestamp;
use tokio::sync::watch;

use self::disk::Disk;
use self::draw::{Sources, draw};
use self::history::History;
pub(super) use self::history::Whose;
use self::picture::Picture;
pub(super) use self::reader::tell;
use super::alerts::Alarms;
use super::api::live::{Alerts, History as Told, LiveNetwork};
use super::governor::{Governor, name_of};
use super::service::process;
use crate::registry::GATEWAY;

/// How often it is looked what there is, while the gateway says nothing. In milliseconds.
const LOOK_MS: u64 = 1_000;
/// While nobody reads, processes are looked at only every so many seconds.
const UNREAD_S: u64 = 5;

/// The network as it is now.
#[derive(Debug)]
pub(crate) struct Feed {
    governor: Rc<Governor>,
    started: Timestamp,
    sources: RefCell<Sources>,
    picture: watch::Sender<Rc<Picture>>,
    history: RefCell<History>,
    alarms: Rc<RefCell<Alarms>>,
    disk: Cell<Disk>,
    readers: Cell<u64>,
    /// Seconds that were looked at.
    seconds: Cell<u64>,
}

/// Somebody reads, for as long as this lives.
#[derive(Debug)]
struct Reading(Rc<Feed>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.readers.update(|readers| readers - 1);
    }
}

impl Feed {
    /// Begins to look. Within a runtime only.
    pub(super) fn start(governor: &Rc<Governor>, alarms: Alarms) -> Rc<Self> {
        let feed = Rc::new(Self {
            governor: Rc::clone(governor),
            started: Timestamp(clock::unix_us()),
            sources: RefCell::default(),
            picture: watch::Sender::new(Rc::default()),
            history: RefCell::default(),
            alarms: Rc::new(RefCell::new(alarms)),
            disk: Cell::default(),
            readers: Cell::new(0),
            seconds: Cell::new(0),
        });
        super::alerts::show(governor.metrics(), &feed.alarms);
        feed.show_disk();
        feed.redraw();
        tasks::spawn("drawing of the feed", keep(Rc::downgrade(&feed)));
        tasks::spawn("gateway in the feed", gateway::hear(Rc::downgrade(&feed)));
        tasks::spawn("links in the feed", links::look(Rc::downgrade(&feed)));
        feed
    }

    /// The network as it was drawn last.
    pub(crate) fn picture(&self) -> Rc<Picture> {
        Rc::clone(&self.picture.borrow())
    }

    /// What was measured in the last seconds; nothing where nothing is known.
    pub(super) fn history(&self, whose: &Whose, since_s: u32) -> Option<Told> {
        self.history.borrow().told(whose, since_s)
    }

    /// The alerts that are active, and the last ones that were.
    pub(super) fn alerts(&self) -> Alerts {
        self.alarms.borrow().alerts()
    }

    fn reads(self: &Rc<Self>) -> Reading {
        self.readers.update(|readers| readers + 1);
        Reading(Rc::clone(self))
    }

    fn is_read(&self) -> bool {
        self.readers.get() > 0
    }

    /// The gateway has said something; or nothing for too long.
    fn watched(&self, watched: Option<Watched>) {
        let second = watched.as_ref().and_then(|watched| watched.second.clone());
        let began = second.as_ref().map(|second| second.began);
        let mut sources = self.sources.borrow_mut();
        if second.is_some() || watched.is_none() {
            sources.second = second;
        }
        sources.watched = watched.map(Rc::new);
        drop(sources);
        match began {
            Some(began) => self.second(Some(began)),
            None => self.redraw(),
        }
    }

    /// A second is over: what processes use is looked at, and what there is noted and judged.
    fn second(&self, began: Option<Timestamp>) {
        let number = self.seconds.get();
        self.seconds.set(number + 1);
        if self.is_read() || number.is_multiple_of(UNREAD_S) {
            let instances = self.governor.fleet().map(|fleet| fleet.instances()).unwrap_or_default();
            let pids = instances.iter().filter_map(|instance| instance.pid());
            self.sources.borrow_mut().usage.look(clock::now(), pids);
            self.disk.set(self.look_at_disk());
        }
        self.redraw();
        let picture = self.picture();
        if let Some(began) = began {
            self.history.borrow_mut().note(began, &picture);
        }
        let told = self.alarms.borrow_mut().observe(clock::now(), &picture);
        if !told.is_empty() {
            let alerts = self.alarms.borrow().shown();
            self.picture.send_replace(Rc::new(Picture { alerts, ..(*picture).clone() }));
            told.into_iter().for_each(|event| self.governor.events.tell(event));
        }
    }

    fn look_at_disk(&self) -> Disk {
        self.governor.fleet().map(|fleet| Disk::of(&fleet.config().data)).unwrap_or_default()
    }

    /// Shows among the metrics how full the disk is.
    fn show_disk(self: &Rc<Self>) {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let feed = Rc::downgrade(self);
        let look = move || feed.upgrade().map(|feed| feed.look_at_disk()).unwrap_or_default();
        let free = look.clone();
        let metrics = self.governor.metrics();
        let help = "The file system of the data folder.";
        metrics.watch("micronet_data_filesystem_bytes", help, move || bytes(look().bytes));
        let help = "What is free of the file system of the data folder.";
        metrics.watch("micronet_data_filesystem_free_bytes", help, move || bytes(free().free_bytes));
    }

    /// Draws it anew, and tells what is different.
    fn redraw(&self) {
        let Ok(fleet) = self.governor.fleet() else { return };
        let known = self.picture();
        let (book, now) = (self.governor.book.borrow(), clock::now());
        let processes = fleet.instances().into_iter().map(|instance| {
            let words = book.words_of(&name_of(&instance), now);
            super::api::Process { words, ..process(&instance) }
        });
        let config = fleet.config();
        let gateway = fleet.of_service(GATEWAY).first().and_then(|gateway| gateway.reachable());
        let network = LiveNetwork {
            cluster: config.cluster.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            profile: config.profile.name.to_owned(),
            gateway: gateway.map(|address| address.to_string()),
            disk_used_permille: self.disk.get().used_permille(),
        };
        let at = Timestamp(clock::unix_us());
        let mut drawn = draw(at, network, processes.collect(), &self.sources.borrow(), &known);
        drawn.alerts = self.alarms.borrow().shown();
        // Nothing was drawn before: that all is there is no news.
        let events = if known.at.0 == 0 { Vec::new() } else { news::news(&known, &drawn) };
        self.picture.send_replace(Rc::new(drawn));
        events.into_iter().for_each(|event| self.governor.events.tell(event));
    }
}

/// Draws anew what supervisors and the operator change, and what there is while the gateway says nothing.
async fn keep(feed: Weak<Feed>) {
    let Some((mut processes, mut said)) = feed
        .upgrade()
        .and_then(|feed| Some((feed.governor.fleet().ok()?.changes(), feed.governor.changes())))
    else {
        return;
    };
    let mut looks = tokio::time::interval(Duration::from_millis(LOOK_MS));
    loop {
        let is_look = tokio::select! {
            changed = processes.changed() => if changed.is_err() { return } else { false },
            changed = said.changed() => if changed.is_err() { return } else { false },
            _ = looks.tick() => true,
        };
        let Some(feed) = feed.upgrade() else { return };
        let is_told = feed.sources.borrow().watched.is_some();
        match is_look {
            false => feed.redraw(),
            true if !is_told => feed.second(None),
            true => {}
        }
    }
}
