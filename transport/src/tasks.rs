//! The tasks of this process by what they are for: how many there are, how often they were polled, and, in a program that was built for
//! it, where they wait.
//!
//! A process runs its tasks on one thread, so that what this thread counts is what the process does. A task costs a look at a map when
//! it begins, and an addition each time that it is polled.

mod looking;
#[cfg_attr(not(all(tokio_unstable, feature = "taskdump")), path = "tasks/no_stacks.rs")]
mod stacks;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use micronet_wire::network::TaskKind;
use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

pub(crate) use self::looking::look;
use self::stacks::Tracing;
pub(crate) use self::stacks::{Reachable, reachable};

thread_local! {
    static KINDS: RefCell<BTreeMap<&'static str, Rc<Kind>>> = RefCell::default();
}

/// Tasks that are for the same.
#[derive(Debug, Default)]
struct Kind {
    name: &'static str,
    tasks: Cell<u64>,
    begun: Cell<u64>,
    polls: Cell<u64>,
}

pin_project! {
    /// What a task does, under the name of what it is for.
    #[derive(Debug)]
    pub struct Named<F> {
        kind: Counted,
        tracing: Tracing,
        #[pin]
        future: F,
    }
}

/// One of the tasks of a kind, for as long as this lives.
#[derive(Debug)]
struct Counted(Rc<Kind>);

/// Starts a task that is for this. Must be called on a `LocalRuntime` or within a `LocalSet`.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    tokio::task::spawn_local(named(name, future))
}

/// What a task is to do, for those that are started otherwise, as in a `JoinSet`.
pub fn named<F: Future>(name: &'static str, future: F) -> Named<F> {
    let kind = KINDS.with_borrow_mut(|kinds| {
        let kind = kinds.entry(name).or_insert_with(|| Rc::new(Kind { name, ..Kind::default() }));
        Rc::clone(kind)
    });
    kind.tasks.set(kind.tasks.get() + 1);
    kind.begun.set(kind.begun.get() + 1);
    Named { kind: Counted(kind), tracing: Tracing::new(), future }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let kind = &*this.kind.0;
        kind.polls.set(kind.polls.get() + 1);
        this.tracing.poll(kind.name, cx, |cx| this.future.poll(cx))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tasks.set(self.0.tasks.get() - 1);
    }
}

/// All kinds that there have been, by name.
fn kinds() -> Vec<TaskKind> {
    KINDS.with_borrow(|kinds| {
        let told = kinds.values().map(|kind| TaskKind {
            name: kind.name.to_owned(),
            tasks: kind.tasks.get(),
            begun: kind.begun.get(),
            polls: kind.polls.get(),
        });
        told.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::run_paused;

    /// The tasks of a kind that there are, that there have been, and how often they were polled.
    fn counts(name: &str) -> (u64, u64, u64) {
        let found = kinds().into_iter().find(|kind| kind.name == name);
        found.map_or((0, 0, 0), |kind| (kind.tasks, kind.begun, kind.polls))
    }

    #[test]
    fn a_task_counts_from_its_beginning_to_its_end_however_it_ends() {
        run_paused(async {
            let before = counts("to and fro");
            assert_eq!(before, (0, 0, 0));
            let waiting = spawn("to and fro", std::future::pending::<()>());
            let ending = spawn("to and fro", tokio::task::yield_now());
            assert_eq!(counts("to and fro"), (2, 2, 0));
            ending.await.unwrap();
            assert_eq!(counts("to and fro"), (1, 2, 3));
            waiting.abort();
            waiting.await.unwrap_err();
            assert_eq!(counts("to and fro"), (0, 2, 3));
        });
    }
}
