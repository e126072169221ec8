//! The settings that hold in a gateway, and since when.

use std::cell::RefCell;
use std::rc::Rc;

use micronet_transport::clock;
use micronet_transport::tls::TlsError;
use micronet_transport::tls::edge::EdgeTls;
use tokio::sync::watch;

use super::{Given, Settings, Source};

/// The settings of a running gateway: replaced as a whole, so that nobody sees half of a change.
#[derive(Debug)]
pub(crate) struct Held {
    source: Source,
    in_force: RefCell<InForce>,
    started_with: Rc<Settings>,
    /// Counts how often settings were read or applied.
    readings: watch::Sender<u64>,
}

/// Settings, and since when they hold.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    /// What holds.
    pub(crate) settings: Rc<Settings>,
    /// What stands in the file.
    pub(crate) given: Rc<[Given]>,
    /// TLS of the HTTP port, with what was read from its files.
    pub(crate) tls: Option<EdgeTls>,
    /// How often settings were changed, the first time included.
    pub(crate) revision: u64,
    /// Since when, in microseconds of Unix time.
    pub(crate) since_us: i64,
}

impl Held {
    /// # Errors
    /// When the certificates can't be used.
    pub(crate) fn new(settings: Settings, source: Source) -> Result<Self, Vec<String>> {
        let tls = load(&settings, None)?;
        let settings = Rc::new(settings);
        // What was read at the start is what stands there, or the next reading tells.
        let given = source.read_listed().map(|(_, given)| given).unwrap_or_default().into();
        let started_with = Rc::clone(&settings);
        let in_force = InForce { settings, given, tls, revision: 1, since_us: clock::unix_us() };
        Ok(Self { source, in_force: RefCell::new(in_force), started_with, readings: watch::Sender::new(0) })
    }

    /// Where they come from.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// What holds now.
    pub(crate) fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.in_force.borrow().settings)
    }

    /// The same, with its revision and what belongs to it.
    pub(crate) fn in_force(&self) -> InForce {
        self.in_force.borrow().clone()
    }

    /// TLS of the HTTP port.
    pub(crate) fn tls(&self) -> Option<EdgeTls> {
        self.in_force.borrow().tls.clone()
    }

    /// From now on these hold. The revision is a new one only where they differ.
    ///
    /// # Errors
    /// When the certificates can't be used: what held before holds.
    pub(crate) fn apply(&self, settings: Settings) -> Result<InForce, Vec<String>> {
        let mut held = self.in_force.borrow_mut();
        if *held.settings != settings {
            let tls = load(&settings, held.tls.as_ref())?;
            let (revision, since_us) = (held.revision + 1, clock::unix_us());
            *held = InForce { settings: Rc::new(settings), tls, revision, since_us, ..held.clone() };
        } else if let Some(tls) = &held.tls {
            tls.reload().map_err(|errors| in_words(&errors))?;
        }
        self.readings.send_modify(|count| *count += 1);
        Ok(held.clone())
    }

    /// Reads the settings again, and applies them.
    ///
    /// # Errors
    /// Everything that is wrong with them: what held before holds.
    pub(crate) fn reload(&self) -> Result<InForce, Vec<String>> {
        let before = self.in_force.borrow().revision;
        let applied = self.source.read_listed().and_then(|(settings, given)| {
            self.apply(settings)?;
            self.in_force.borrow_mut().given = given.into();
            Ok(self.in_force())
        });
        match &applied {
            Ok(now) if now.revision == before => {
                tracing::info!(revision = before, "nothing has changed in the settings");
            }
            Ok(now) => {
                tracing::info!(revision = now.revision, pending = ?self.pending(), "the settings were read again");
            }
            Err(faults) => {
                for fault in faults {
                    tracing::warn!(fault, "the settings can't be used; those from before hold");
                }
            }
        }
        applied
    }

    /// Hears whenever settings are read again, changed or not.
    pub(crate) fn readings(&self) -> watch::Receiver<u64> {
        self.readings.subscribe()
    }

    /// Settings that were changed and hold only after a restart.
    pub(crate) fn pending(&self) -> Vec<String> {
        let now = self.settings();
        if now.tls.redirect == self.started_with.tls.redirect {
            Vec::new()
        } else {
            vec!["tls.redirect".into()]
        }
    }
}

/// The TLS that settings ask for: the one that there is, where it is made of the same.
fn load(settings: &Settings, there: Option<&EdgeTls>) -> Result<Option<EdgeTls>, Vec<String>> {
    let Some(config) = &settings.tls.edge else { return Ok(None) };
    if let Some(there) = there.filter(|there| there.config() == config) {
        there.reload().map_err(|errors| in_words(&errors))?;
        return Ok(Some(there.clone()));
    }
    let tls = EdgeTls::load(config.clone()).map_err(|errors| in_words(&errors))?;
    tls.follow_files();
    Ok(Some(tls))
}

fn in_words(errors: &[TlsError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
