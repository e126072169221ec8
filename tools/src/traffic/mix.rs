//! What is asked next: one of the targets, by chance and their weights.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::way::Answer;
use crate::config::target::Target;
use crate::load::Verdict;
use crate::load::engine::{ExchangeError, Workload};
use crate::load::random::Random;

/// The targets of a run, and whose turn it is. All clients draw from one sequence, so that a seed decides the whole run.
///
/// It is chance, and no fixed order, since with a fixed one a balancer that goes by turns might always send the same target to
/// the same instance.
#[derive(Debug)]
pub(super) struct Draw {
    names: Vec<String>,
    /// The sums of the weights up to each target and with it, in ascending order.
    sums: Vec<u64>,
    random: Random,
}

impl Draw {
    /// Draws among these targets, in the order of this seed.
    pub(super) fn new(targets: &[Target], seed: u64) -> Self {
        let sums = targets.iter().scan(0_u64, |sum, target| {
            *sum += u64::from(target.weight);
            Some(*sum)
        });
        Self {
            names: targets.iter().map(|target| target.name.clone()).collect(),
            sums: sums.collect(),
            random: Random::from_seed(seed),
        }
    }

    fn next(&mut self) -> usize {
        let drawn = self.random.below(self.sums.last().copied().unwrap_or(0));
        self.sums.partition_point(|sum| *sum <= drawn)
    }
}

/// The workload of one client.
#[derive(Debug)]
pub(super) struct Mix {
    names: Rc<[String]>,
    draw: Rc<RefCell<Draw>>,
}

impl Mix {
    /// The workloads of so many clients.
    pub(super) fn of_clients(draw: Draw, clients: usize) -> Vec<Self> {
        let names: Rc<[String]> = draw.names.clone().into();
        let draw = Rc::new(RefCell::new(draw));
        (0..clients).map(|_| Self { names: Rc::clone(&names), draw: Rc::clone(&draw) }).collect()
    }
}

impl Workload for Mix {
    type Request = usize;
    type Answer = Answer;
    type Ticket = usize;

    fn next(&mut self) -> Option<(usize, usize)> {
        let target = self.draw.borrow_mut().next();
        Some((target, target))
    }

    fn kind<'t>(&'t self, target: &'t usize) -> &'t str {
        self.names.get(*target).map_or("", String::as_str)
    }

    fn judge(&mut self, _: &usize, answer: &Result<Answer, ExchangeError>, _: Duration) -> Verdict {
        match answer {
            Err(error) => Verdict::Failed(error.kind.into()),
            Ok(answer) => answer.error().map_or(Verdict::Good, |error| Verdict::Failed(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(texts: &[&str], seed: u64) -> Vec<usize> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let mut draw = Draw::new(&Target::parse_all(&texts).unwrap(), seed);
        let mut counts = vec![0; texts.len()];
        (0..10_000).for_each(|_| counts[draw.next()] += 1);
        counts
    }

    #[test]
    fn targets_are_drawn_by_their_weights() {
        let check = |texts: &[&str], shares: &[usize]| {
            for seed in 0..5 {
                let counts = counts(texts, seed);
                // Within four standard deviations of 10,000 draws.
                let near = |(count, share): (&usize, &usize)| count.abs_diff(share * 100) <= 200;
                assert!(counts.iter().zip(shares).all(near), "{texts:?} with seed {seed}: {counts:?}");
                assert_eq!(counts.iter().sum::<usize>(), 10_000);
            }
        };
        check(&["/a"], &[100]);
        check(&["/a", "/b"], &[50, 50]);
        check(&["70:/a", "20:/b", "10:/c"], &[70, 20, 10]);
        check(&["1:/a", "999999:/b"], &[0, 100]);
    }

    #[test]
    fn a_seed_decides_the_run() {
        let mix = &["3:/a", "2:/b", "/c"];
        assert_eq!(counts(mix, 1), counts(mix, 1));
        assert_ne!(counts(mix, 1), counts(mix, 2));
    }

    #[test]
    fn clients_draw_from_one_sequence() {
        let draw = || Draw::new(&Target::parse_all(&["/a".into(), "/b".into()]).unwrap(), 3);
        let mut alone = Mix::of_clients(draw(), 1);
        let mut both = Mix::of_clients(draw(), 2);
        for place in 0..100 {
            assert_eq!(both[place % 2].next(), alone[0].next(), "{place}");
        }
        assert_eq!(both[0].kind(&1), "GET /b");
    }
}
