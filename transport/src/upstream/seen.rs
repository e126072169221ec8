//! What an upstream shows of itself, and how it hears its operator.

use std::net::SocketAddr;
use std::rc::Rc;

use micronet_wire::error::RpcError;
use micronet_wire::network::CalledService;

use super::{Inner, Source, Target};
use crate::balance::Algorithm;
use crate::clock;
use crate::link::Denial;
use crate::network::{Called, InForce};

impl Called for Inner {
    fn seen(&self, history: bool) -> CalledService {
        let now = clock::now();
        self.look(now);
        let explained = self.balancer.borrow().explain();
        CalledService {
            service: self.service.to_string(),
            algorithm: explained.algorithm.to_string(),
            balancing: format!("{}: {}", explained.acting, explained.reason),
            panic: self.panics(now),
            retries: self.retries.get(),
            retries_refused: self.retries_refused.get(),
            troubles: self.troubles(),
            instances: self.members.borrow().iter().map(|member| member.seen(now, history)).collect(),
        }
    }

    fn changes(&self) -> (u64, usize) {
        let members = self.members.borrow();
        (members.iter().map(|member| member.changes()).sum(), members.len())
    }

    fn found(self: Rc<Self>, service: &str, source: Source, targets: &[Target]) {
        if *service == *self.service {
            self.set_members(source, targets);
        }
    }

    fn balance(&self, service: &str, algorithm: Algorithm) {
        if *service == *self.service {
            self.set_algorithm(algorithm);
        }
    }

    fn govern(self: Rc<Self>, rules: &InForce) {
        match rules.rules().members.iter().find(|members| members.service == *self.service) {
            Some(members) => {
                let target = |member: &micronet_wire::network::Member| {
                    let address: SocketAddr = member.address.parse().ok()?;
                    Some(Target { address, weight: member.weight })
                };
                let targets: Vec<Target> = members.instances.iter().filter_map(target).collect();
                self.set_members(Source::Operator, &targets);
            }
            None => self.forget_operator(),
        }
        self.denial.replace(Denial::of(&self.service, rules));
        self.look(clock::now());
    }
}

impl Inner {
    fn troubles(&self) -> Vec<String> {
        let searches = self.identity.network.searches().into_iter();
        let of_this = searches.filter(|search| search.service == *self.service);
        of_this.filter_map(|search| Some(format!("{}: {}", search.source, search.trouble?))).collect()
    }

    /// Why nothing of the service may be called, if so.
    pub(super) fn denied(&self, now: u64) -> Option<RpcError> {
        self.denial.borrow().as_ref().filter(|denial| denial.holds(now)).map(Denial::error)
    }
}
