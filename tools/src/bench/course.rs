//! The course of a measurement: warm-up and repetitions, of two targets in turns, until Ctrl-C at the latest.

use std::io::{self, IsTerminal};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{interval, sleep_until, timeout};

use super::prepare::Prepared;
use super::report::model::Repetition;
use super::work::{Work, Worker};
use crate::config::CourseConfig;
use crate::error::CommandError;
use crate::load::{Goal, Progress};
use crate::stop_signal::StopSignals;

/// How often progress is shown, in milliseconds.
const LOOK_INTERVAL_MS: u64 = 100;
/// How long what is under way is waited for after Ctrl-C, in milliseconds.
const LAST_ANSWERS_MS_MAX: u64 = 500;
/// How much longer than they may take answers are waited for, before whoever waits is given up. In milliseconds.
const MARGIN_MS: u64 = 2_000;

/// What was measured of each target, and whether Ctrl-C ended it.
pub(super) struct Measured {
    /// In the order of the targets.
    pub(super) repetitions: Vec<Vec<Repetition>>,
    /// Whether there would have been more.
    pub(super) interrupted: bool,
}

/// Measures all targets in turns.
pub(super) async fn run(
    targets: &[Prepared],
    config: &CourseConfig,
    signals: &mut StopSignals,
) -> Result<Measured, CommandError> {
    let mut repetitions: Vec<Vec<Repetition>> = targets.iter().map(|_| Vec::new()).collect();
    let turns = config.repeat as usize * targets.len();
    for turn in 0..turns {
        let place = turn % targets.len();
        let Some(target) = targets.get(place) else { continue };
        let label = match targets.len() {
            1 => format!("{} of {}", turn + 1, config.repeat),
            _ => format!("{} of {}, {}", turn / targets.len() + 1, config.repeat, ["A", "B"][place.min(1)]),
        };
        let workers = tokio::select! {
            workers = target.connect(config) => workers?,
            _ = signals.next() => return Ok(Measured { repetitions, interrupted: true }),
        };
        let (repetition, interrupted) = repeat(target, workers, config, label, signals).await;
        if let (Some(done), Some(repetition)) = (repetitions.get_mut(place), repetition) {
            done.push(repetition);
        }
        if interrupted {
            return Ok(Measured { repetitions, interrupted });
        }
    }
    Ok(Measured { repetitions, interrupted: false })
}

/// One repetition; none where it was stopped before it began.
async fn repeat(
    target: &Prepared,
    workers: Vec<Box<dyn Worker>>,
    config: &CourseConfig,
    label: String,
    signals: &mut StopSignals,
) -> (Option<Repetition>, bool) {
    let CourseConfig { pace, warm_up, duration, timeout: patience, .. } = config;
    let work = Rc::new(Work::begin(*pace, *warm_up, *duration, *patience));
    let from = work.schedule.span.from;
    let until = from + *duration;
    let last = until + *patience + Duration::from_millis(MARGIN_MS);
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn_local(worker.run(Rc::clone(&work)));
    }
    let shown = io::stderr().is_terminal();
    let mut progress = shown.then(|| Progress::new(label, Goal::Time(*warm_up + *duration)));
    let mut looks = interval(Duration::from_millis(LOOK_INTERVAL_MS));
    let (mut before, mut interrupted) = (None, false);
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::error!(%error, "a worker ended early"),
                None => break,
            },
            () = sleep_until(from.into()), if before.is_none() => before = Some(target.parts().look()),
            _ = looks.tick() => if let Some(progress) = &mut progress {
                progress.show(work.standing());
            },
            _ = signals.next(), if !interrupted => {
                interrupted = true;
                work.stop();
                let rest = Duration::from_millis(LAST_ANSWERS_MS_MAX);
                let all = async { while running.join_next().await.is_some() {} };
                let _ = timeout(rest, all).await;
                break;
            }
            () = sleep_until(last.into()) => break,
        }
    }
    running.shutdown().await;
    if !interrupted {
        // What ends early leaves the rest of its time unused: that counts too.
        sleep_until(until.into()).await;
    }
    drop(progress);
    let now = Instant::now();
    let Some(before) = before.filter(|_| now > from) else { return (None, interrupted) };
    let cpu = target.parts().since(&before);
    let mut repetition = work.take_tally().finish(now);
    repetition.cpu = cpu;
    if repetition.ledger.is_none() {
        repetition.ledger = target.ledger().await;
    }
    (Some(repetition), interrupted)
}
