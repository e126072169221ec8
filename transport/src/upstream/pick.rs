//! Which instance gets a call: the ledgers say who may have it, the balancer who gets it.

use std::rc::Rc;

use micronet_wire::error::RpcError;
use micronet_wire::limits::{EJECTED_PERCENT_MAX, PANIC_PERCENT, SLOW_FACTOR, SLOW_MS_MIN};

use micronet_wire::network::InstanceState;

use super::Inner;
use super::attempt::Want;
use super::instance::Instance;
use super::member::Member;
use crate::balance::latency::Outcome;
use crate::balance::{Ask, Candidate};
use crate::breaker::{Ticket, Verdict};
use crate::client::Client;
use crate::clock;
use crate::health::Standing;
use crate::records::Story;

/// Those that are ready; those that are the last resort; those that were ejected.
const TIERS: usize = 3;

/// What a pick works with, kept from one to the next, so that none allocates.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    standings: Vec<Standing>,
    candidates: Vec<Candidate>,
}

impl Inner {
    /// An instance that `takes` the call and is not among `tried`.
    pub(super) fn pick(
        &self,
        now: u64,
        want: Want,
        takes: &impl Fn(&Instance) -> bool,
        tried: &[Rc<str>],
        story: &Story,
    ) -> Option<(Rc<Member>, Instance)> {
        let members = self.members.borrow();
        story.picks(now, self.balancer.borrow().acts_by(), members.len());
        if self.denied(now).is_some() {
            return None;
        }
        let mut scratch = self.scratch.borrow_mut();
        let Scratch { standings, candidates } = &mut *scratch;
        standings.clear();
        standings.extend(members.iter().map(|member| member.standing(now)));
        if want.may_probe
            && tried.is_empty()
            && let Some(at) = standings.iter().position(|standing| *standing == Standing::Probe)
            && let Some(instance) = members[at].connection(takes)
        {
            candidates.clear();
            candidates.push(members[at].candidate(now, false));
            let others = "another one is asked whether it answers again";
            self.tell(story, &members, (standings, candidates), |_| Some(others.to_owned()));
            return Some((Rc::clone(&members[at]), instance));
        }
        let panics = panics(&members, standings);
        let usable = |tier: usize, standing: Standing| match standing {
            Standing::Ready => tier == 0,
            Standing::Ejected if panics => tier == 0,
            Standing::LastResort => tier == 1,
            Standing::Ejected | Standing::Probe => tier == 2,
            Standing::Out => false,
        };
        let mut balancer = self.balancer.borrow_mut();
        let timed = balancer.reads_response_times();
        for tier in 0..TIERS {
            candidates.clear();
            let of_tier = members.iter().zip(&*standings).filter(|(member, standing)| {
                usable(tier, **standing)
                    && (tried.is_empty() || !tried.contains(&member.name()))
                    && member.any(|instance| instance.client.can_call() && takes(instance))
            });
            candidates.extend(of_tier.map(|(member, _)| member.candidate(now, timed)));
            let ask = Ask { now, client: want.client, random: self.chance.borrow_mut().bits() };
            let picked = balancer.pick(candidates, &ask);
            if picked.is_some() || tier + 1 == TIERS {
                let why = |member: &Member| why_not(member, tried, takes);
                self.tell(story, &members, (standings, candidates), why);
            }
            if let Some(at) = picked {
                let member = members.iter().find(|member| member.key == candidates[at].key)?;
                return Some((Rc::clone(member), member.connection(takes)?));
            }
        }
        None
    }

    /// Tells which instances might be picked, and why each of the others can't.
    fn tell(
        &self,
        story: &Story,
        members: &[Rc<Member>],
        (standings, candidates): (&[Standing], &[Candidate]),
        why_not: impl Fn(&Member) -> Option<String>,
    ) {
        if story.is_untold() {
            return;
        }
        // Candidates are in the order of the members.
        let mut candidates = candidates.iter().peekable();
        for (member, standing) in members.iter().zip(standings) {
            let state = member.ledger.borrow().state();
            match candidates.next_if(|candidate| candidate.key == member.key) {
                Some(candidate) => story.candidate(&member.name(), state, candidate, String::new),
                None => {
                    let excluded = || why_not(member).unwrap_or_else(|| why_last(member, *standing));
                    story.candidate(&member.name(), state, &Candidate::new(member.key), excluded);
                }
            }
        }
    }

    /// Tells ledger and balancer what a call has come to.
    pub(super) fn judged(
        &self,
        member: &Member,
        now: u64,
        took_ns: u64,
        ticket: Option<Ticket>,
        verdict: Verdict,
    ) {
        let outcome = match verdict {
            Verdict::Failed => Outcome::Failed { advised_ns: None },
            Verdict::Good | Verdict::Slow => Outcome::Answered { response_ns: took_ns },
        };
        self.balancer.borrow_mut().record(now, member.key, outcome);
        let Some(ticket) = ticket else { return };
        let random = self.chance.borrow_mut().bits();
        let before = member.ledger.borrow().state();
        member.ledger.borrow_mut().result(now, ticket, verdict, random, || self.may_eject(member, now));
        let after = member.ledger.borrow().state();
        if before != after {
            let ledger = member.ledger.borrow();
            let why = ledger.history().last().map(|change| &*change.reason);
            tracing::warn!(service = &*self.service, instance = &*member.name(), from = ?before, to = ?after, why, "state");
        }
    }

    /// Whether one more instance may be ejected: never the last, nor more than a part of them.
    fn may_eject(&self, but: &Member, now: u64) -> bool {
        let members = self.members.borrow();
        let out = |member: &&Rc<Member>| {
            member.key == but.key || matches!(member.standing(now), Standing::Ejected | Standing::Probe)
        };
        self.has_others_ready(but)
            && members.iter().filter(out).count() * 100 <= members.len() * EJECTED_PERCENT_MAX
    }

    /// Whether another instance than this one is ready for calls.
    pub(super) fn has_others_ready(&self, but: &Member) -> bool {
        let (members, now) = (self.members.borrow(), clock::now());
        members.iter().any(|member| member.key != but.key && member.standing(now) == Standing::Ready)
    }

    // ---- what happens by itself ----

    pub(super) fn look(&self, now: u64) {
        let rules = self.identity.network.rules();
        let members = self.members.borrow();
        for member in &*members {
            member.ledger.borrow_mut().told(now, rules.word(now, &self.service, &member.name()));
            member.look(now, self.lagging.get());
        }
        let any_ready = || members.iter().any(|member| member.standing(now) == Standing::Ready);
        for member in members.iter().filter(|member| member.ledger.borrow().state() == InstanceState::Suspect)
        {
            if any_ready() {
                member.send_elsewhere();
            }
        }
        let mut means: Vec<u64> = members.iter().filter_map(|member| member.mean_ns(now)).collect();
        means.sort_unstable();
        // Of two, the faster one is the measure.
        let middle = means.get(means.len().saturating_sub(1) / 2).copied();
        let slow_ns = middle.map(|mean| (mean * SLOW_FACTOR).max(SLOW_MS_MIN * 1_000_000));
        self.slow_ns.set(slow_ns.filter(|_| means.len() > 1).unwrap_or(u64::MAX));
    }

    /// Whether so few are ready that those that were ejected are tried too.
    pub(super) fn panics(&self, now: u64) -> bool {
        let members = self.members.borrow();
        let standings: Vec<_> = members.iter().map(|member| member.standing(now)).collect();
        panics(&members, &standings)
    }

    /// A connection has taken its place; gives the client for its keeper to watch. An instance that comes to others begins slowly.
    pub(super) fn took(&self, member: &Member, slot: usize, instance: Instance) -> Client {
        let now = clock::now();
        let client = instance.client.clone();
        let warms = self.warms_since(member, now);
        let is_new = !member.is_connected();
        if let Some(before) = member.connected(slot, instance) {
            before.client.drain();
        }
        if is_new {
            member.ledger.borrow_mut().reached(now);
            member
                .ledger
                .borrow_mut()
                .told(now, self.identity.network.rules().word(now, &self.service, &member.name()));
            member.warms(warms);
        }
        self.changed();
        client
    }

    /// From when on slow start counts for an instance that gets calls from now on: none, where it is alone; and as for those who came
    /// together with it.
    fn warms_since(&self, member: &Member, now: u64) -> Option<u64> {
        let members = self.members.borrow();
        let others = || members.iter().filter(|other| other.key != member.key);
        let together = others().find_map(|other| other.came_lately(now));
        let alone = || others().all(|other| other.standing(now) == Standing::Out);
        together.unwrap_or_else(|| (!alone()).then_some(now))
    }

    /// A connection takes no more calls.
    pub(super) fn gave_up(&self, member: &Member, slot: usize, why: &str) {
        member.disconnected(slot);
        if !member.is_connected() {
            member.ledger.borrow_mut().lost(clock::now(), why);
        }
        self.changed();
    }

    /// No connection could be made.
    pub(super) fn not_reached(&self, member: &Member, error: &RpcError) {
        let words = error.to_string();
        let address = member.address;
        if member.ledger.borrow_mut().unreachable(clock::now(), &words)
            && error.code != micronet_wire::error::Code::Unavailable
        {
            // Not just away: a wrong secret, another cluster, another service. Waiting won't mend it.
            tracing::warn!(service = &*self.service, %address, %error, "cannot connect");
        } else {
            tracing::debug!(service = &*self.service, %address, %error, "cannot connect");
        }
        self.changed();
    }
}

fn panics(members: &[Rc<Member>], standings: &[Standing]) -> bool {
    let (mut ready, mut all) = (0, 0);
    for (member, standing) in members.iter().zip(standings) {
        match standing {
            Standing::Ready => ready += 1,
            // Who is connected and out is blocked by the operator, and so isn't missed.
            Standing::Out if member.is_connected() => continue,
            _ => {}
        }
        all += 1;
    }
    ready * 100 < PANIC_PERCENT * all
}

/// Why an instance can't take this call, however it stands; in the order in which it matters to people.
fn why_not(member: &Member, tried: &[Rc<str>], takes: &impl Fn(&Instance) -> bool) -> Option<String> {
    if tried.contains(&member.name()) {
        return Some("it was tried already".into());
    }
    if !member.is_connected() {
        return Some(format!("it is not connected: {}", why_state(member)));
    }
    if !member.any(|instance| takes(instance)) {
        return Some("it can't take this call: its schema doesn't have the method as it is needed".into());
    }
    None
}

/// Why one that could take it isn't asked.
fn why_last(member: &Member, standing: Standing) -> String {
    let words = match standing {
        Standing::Ready => return "it takes no more calls just now".into(),
        Standing::Probe => return "it is about to be asked whether it answers again".into(),
        Standing::LastResort => "others come before it",
        Standing::Ejected => "it is ejected",
        Standing::Out => "it gets no calls",
    };
    format!("{words}: {}", why_state(member))
}

fn why_state(member: &Member) -> String {
    let ledger = member.ledger.borrow();
    ledger.history().last().map(|change| change.reason.clone()).unwrap_or_default()
}
