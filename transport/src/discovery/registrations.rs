//! Instances that have announced themselves, for as long as each is held.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::INSTANCES_MAX;

use crate::network::Network;
use crate::upstream::{Source, Target};

/// Who has announced itself to this process.
#[derive(Debug)]
pub struct Registrations {
    network: Rc<Network>,
    held: RefCell<Vec<Weak<Held>>>,
}

#[derive(Debug)]
struct Held {
    service: String,
    instance: String,
    target: Target,
}

/// An instance that has announced itself; it is forgotten when this is dropped.
#[derive(Debug)]
pub struct Registration {
    held: Option<Rc<Held>>,
    all: Rc<Registrations>,
}

impl Registrations {
    /// None yet.
    #[must_use]
    pub fn new(network: &Rc<Network>) -> Rc<Self> {
        Rc::new(Self { network: Rc::clone(network), held: RefCell::default() })
    }

    /// An instance is there, at this address. What it has said before under the same name, at another connection, no longer counts.
    ///
    /// # Errors
    /// When too many are there.
    pub fn register(
        self: &Rc<Self>,
        service: &str,
        instance: &str,
        address: SocketAddr,
        weight: u32,
    ) -> Result<Registration, RpcError> {
        let mut held = self.held.borrow_mut();
        let is_it = |known: &Held| known.service == service && known.instance == instance;
        held.retain(|known| known.upgrade().is_some_and(|known| !is_it(&known)));
        let of_service =
            held.iter().filter(|known| known.upgrade().is_some_and(|known| known.service == service));
        if of_service.count() >= INSTANCES_MAX {
            let words = format!("{INSTANCES_MAX} instances of {service} are registered already");
            return Err(RpcError::new(Code::Overloaded, words));
        }
        let target = Target { address, weight };
        let new = Rc::new(Held { service: service.to_owned(), instance: instance.to_owned(), target });
        held.push(Rc::downgrade(&new));
        drop(held);
        tracing::info!(service, instance, %address, weight, "an instance has registered");
        self.tell(service);
        Ok(Registration { held: Some(new), all: Rc::clone(self) })
    }

    fn tell(&self, service: &str) {
        let known: Vec<Rc<Held>> = self.held.borrow().iter().filter_map(Weak::upgrade).collect();
        let targets = known.iter().filter(|known| known.service == service).map(|known| known.target);
        self.network.found(service, Source::Registered, &targets.collect::<Vec<_>>());
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            let service = held.service.clone();
            tracing::info!(service, instance = held.instance, "an instance is registered no longer");
            drop(held);
            self.all.tell(&service);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_there_as_long_as_its_last_word() {
        let network = Rc::default();
        let all = Registrations::new(&network);
        let ports = || {
            let found = network.found_of("product").into_iter().flat_map(|(_, targets)| targets);
            found.map(|target| target.address.port()).collect::<Vec<_>>()
        };
        let register = |instance: &str, port: u16| {
            all.register("product", instance, ([127, 0, 0, 1], port).into(), 100).unwrap()
        };
        let (one, two) = (register("product-1", 1), register("product-2", 2));
        assert_eq!(ports(), [1, 2]);
        // It has come back at another port before its old connection was given up.
        let again = register("product-1", 3);
        assert_eq!(ports(), [2, 3]);
        drop(one);
        assert_eq!(ports(), [2, 3]);
        drop(two);
        assert_eq!(ports(), [3]);
        drop(again);
        assert_eq!(ports(), Vec::<u16>::new());
    }
}
