//! Ports for instances that were to take any: others have to be told where they will be, and one that is started again is looked for
//! where it was. So each is chosen before its instance starts, and held for as long as the network has that instance.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use tokio::net::TcpSocket;

use crate::config::{InstancePlan, L4Plan};
use crate::error::CommandError;

/// Where they are looked for: below those that the operating system gives to outgoing connections (32768 upwards on Linux), one of
/// which could have it while its instance is away.
const FREE_PORTS: RangeInclusive<u16> = 20_000..=32_000;
/// How far apart processes whose ids follow each other begin to look: more ports than a network usually has.
const STRIDE: u32 = 32;

/// The free ports that this network has taken. Another network takes none of them, not even while nobody listens there.
pub(super) struct FreePorts {
    listen: IpAddr,
    /// Ports that were asked for by number, where somebody is going to listen.
    named: Vec<u16>,
    held: RefCell<BTreeMap<u16, TcpSocket>>,
}

impl fmt::Debug for FreePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.held.borrow().keys()).finish()
    }
}

impl FreePorts {
    /// Those of an address, apart from the `named` ones; none is taken yet.
    pub(super) fn new(listen: IpAddr, named: Vec<u16>) -> Self {
        Self { listen, named, held: RefCell::default() }
    }

    /// Gives a port to each of these instances whose port is 0.
    pub(super) fn for_instances(&self, plans: &[InstancePlan]) -> Result<Vec<InstancePlan>, CommandError> {
        let mut settled = plans.to_vec();
        for plan in &mut settled {
            for port in [Some(&mut plan.port), plan.rpc_port.as_mut()].into_iter().flatten() {
                self.settle(port)?;
            }
        }
        Ok(settled)
    }

    /// The same for virtual ports.
    pub(super) fn for_virtual(&self, plans: &[L4Plan]) -> Result<Vec<L4Plan>, CommandError> {
        let mut settled = plans.to_vec();
        for plan in &mut settled {
            self.settle(&mut plan.port)?;
        }
        Ok(settled)
    }

    fn settle(&self, port: &mut u16) -> Result<(), CommandError> {
        if *port == 0 {
            *port = self.take()?;
        }
        Ok(())
    }

    /// Takes a port that nobody has.
    pub(super) fn take(&self) -> Result<u16, CommandError> {
        let count = u32::from(FREE_PORTS.end() - FREE_PORTS.start()) + 1;
        let first = std::process::id().wrapping_mul(STRIDE);
        for offset in 0..count {
            let offset = u16::try_from(first.wrapping_add(offset) % count).unwrap_or_default();
            let port = FREE_PORTS.start() + offset;
            if self.named.contains(&port) {
                continue;
            }
            if let Ok(socket) = hold(SocketAddr::new(self.listen, port)) {
                self.held.borrow_mut().insert(port, socket);
                return Ok(port);
            }
        }
        Err(CommandError::new(format!("no free port could be found: all of {FREE_PORTS:?} are in use"))
            .next("name ports with --port or --base-port"))
    }

    /// Lets go of a port whose instance is no more; of one that was named there is nothing to let go of.
    pub(super) fn release(&self, port: u16) {
        self.held.borrow_mut().remove(&port);
    }
}

/// Binds a port that nobody else has bound, and doesn't listen there. From then on it can be bound by whoever says that its address may
/// be used again, as every server does that listens; who wants it alone, as here, finds it in use.
fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.bind(address)?;
    socket.set_reuseaddr(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;
    use crate::registry::service_named;

    const LISTEN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn everybody_has_a_port_before_it_starts() {
        let plan = |port, rpc_port| InstancePlan {
            service: service_named("product"),
            instance: "product-1".into(),
            port,
            rpc_port,
        };
        let named = FreePorts::new(LISTEN, Vec::new()).take().unwrap();
        let ports = FreePorts::new(LISTEN, vec![named]);
        let settled = ports.for_instances(&[plan(0, None), plan(7, None), plan(0, Some(0))]).unwrap();
        let mut ports: Vec<u16> =
            settled.iter().flat_map(InstancePlan::ports).map(|(port, _)| port).collect();
        assert_eq!(ports.remove(1), 7, "it had one");
        assert!(!ports.contains(&named), "somebody else is going to listen there: {ports:?}");
        assert!(ports.iter().all(|port| FREE_PORTS.contains(port)), "{ports:?}");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 3, "each is another one");
    }

    #[test]
    fn a_port_stays_its_instances_while_nobody_listens_there() {
        let [one, other] = [(); 2].map(|()| FreePorts::new(LISTEN, Vec::new()));
        let port = one.take().unwrap();
        let address = SocketAddr::new(LISTEN, port);
        let taken_by_other = || other.take().unwrap();
        for _ in 0..2 {
            assert_ne!(taken_by_other(), port);
            TcpStream::connect(address).expect_err("nobody listens");
            let listener = TcpListener::bind(address).expect("its instance listens");
            drop(TcpStream::connect(address).expect("it is reached"));
            TcpListener::bind(address).expect_err("one at a time");
            assert_ne!(taken_by_other(), port);
            drop(listener);
        }
        one.release(port);
        hold(address).expect("nobody has it any more");
    }
}
