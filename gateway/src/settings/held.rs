//! The settings that hold in a gateway, and since when.

use std::cell::RefCell;
use std::rc::Rc;

use micronet_transport::clock;

use super::Settings;

/// The settings of a running gateway: replaced as a whole, so that nobody sees half of a change.
#[derive(Debug)]
pub(crate) struct Held(RefCell<InForce>);

/// Settings, and since when they hold.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    /// What holds.
    pub(crate) settings: Rc<Settings>,
    /// How often settings were applied, the first time included.
    pub(crate) revision: u64,
    /// Since when, in microseconds of Unix time.
    pub(crate) since_us: i64,
}

impl Held {
    pub(crate) fn new(settings: Settings) -> Self {
        let since_us = clock::unix_us();
        Self(RefCell::new(InForce { settings: Rc::new(settings), revision: 1, since_us }))
    }

    /// What holds now.
    pub(crate) fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.0.borrow().settings)
    }

    /// The same, with its revision.
    pub(crate) fn in_force(&self) -> InForce {
        self.0.borrow().clone()
    }

    /// From now on these hold. The revision is a new one only where they differ.
    pub(crate) fn apply(&self, settings: Settings) -> InForce {
        let mut held = self.0.borrow_mut();
        if *held.settings != settings {
            let revision = held.revision + 1;
            *held = InForce { settings: Rc::new(settings), revision, since_us: clock::unix_us() };
        }
        held.clone()
    }
}
