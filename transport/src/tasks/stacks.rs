//! Where each task waits: all are woken, and the next time that one is polled, each place at which it would wait is noted with its stack.
//!
//! Only in a program built with `--cfg tokio_unstable` and the feature `taskdump`; tokio has it for Linux alone. Its `Handle::dump` would poll
//! all tasks itself, and on a runtime of one thread it panics where one of them wakes another one or itself meanwhile, as they may here.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use micronet_wire::error::{Code, RpcError};
use micronet_wire::network::{Tasks, Wait, WaitStack};
use pin_project_lite::pin_project;
use tokio::runtime::dump::{BacktraceSymbol, Trace};
use tokio::task::yield_now;

/// Whether this program can tell where tasks wait.
pub(super) const TOLD: bool = true;

/// Places at which tasks wait that are told; of more, those at which most do.
const WAITS_MAX: usize = 200;
/// How often others get their turn at most until all have been polled.
const TURNS_MAX: u32 = 1_000;

thread_local! {
    /// Whoever wakes a task, or a future that no task polls itself.
    static WAKERS: RefCell<Vec<Weak<LastWaker>>> = RefCell::default();
    static ASKED: Asked = const { Asked { round: Cell::new(0), is_open: Cell::new(false), traces: RefCell::new(Vec::new()) } };
}

/// What was asked for.
struct Asked {
    /// Each task is traced once in a round.
    round: Cell<u64>,
    /// Whether somebody waits for it.
    is_open: Cell<bool>,
    traces: RefCell<Vec<(&'static str, Trace)>>,
}

type LastWaker = RefCell<Option<Waker>>;

/// Remembers who wakes a future, for as long as the future holds this.
fn remember() -> Rc<LastWaker> {
    let waker = Rc::default();
    WAKERS.with_borrow_mut(|wakers| {
        if wakers.len() == wakers.capacity() {
            wakers.retain(|waker| waker.strong_count() > 0);
        }
        wakers.push(Rc::downgrade(&waker));
    });
    waker
}

/// By what a task is traced when it is polled.
#[derive(Debug)]
pub(super) struct Tracing {
    waker: Rc<LastWaker>,
    /// The last round for which it was.
    round: Cell<u64>,
}

impl Tracing {
    /// Of a task that begins now.
    pub(super) fn new() -> Self {
        Self { waker: remember(), round: Cell::new(ASKED.with(|asked| asked.round.get())) }
    }

    /// Polls a task that is for this.
    pub(super) fn poll<T>(
        &self,
        name: &'static str,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.waker.replace(Some(cx.waker().clone()));
        let round = ASKED.with(|asked| asked.round.get());
        if self.round.replace(round) == round {
            return poll(cx);
        }
        let (polled, trace) = Trace::capture(|| poll(cx));
        ASKED.with(|asked| {
            if asked.is_open.get() {
                asked.traces.borrow_mut().push((name, trace));
            }
        });
        // What it waits for hasn't heard of it.
        if polled.is_pending() {
            cx.waker().wake_by_ref();
        }
        polled
    }
}

pin_project! {
    /// A future that is polled by another one than a task, as one of many: it is polled with its task's.
    pub(crate) struct Reachable<F> {
        waker: Rc<LastWaker>,
        #[pin]
        future: F,
    }
}

/// Makes it reachable.
pub(crate) fn reachable<F>(future: F) -> Reachable<F> {
    Reachable { waker: remember(), future }
}

impl<F: Future> Future for Reachable<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.waker.replace(Some(cx.waker().clone()));
        this.future.poll(cx)
    }
}

/// A round, which ends with this, whoever gives it up.
struct Round;

impl Round {
    fn begin() -> Option<Self> {
        let begins = ASKED.with(|asked| {
            let begins = !asked.is_open.replace(true);
            asked.round.set(asked.round.get() + u64::from(begins));
            begins
        });
        begins.then_some(Self)
    }

    fn traces(&self) -> Vec<(&'static str, Trace)> {
        ASKED.with(|asked| asked.traces.take())
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        ASKED.with(|asked| {
            asked.is_open.set(false);
            asked.traces.take();
        });
    }
}

/// Adds to what is told of the tasks where they wait.
pub(super) async fn add(mut tasks: Tasks) -> Result<Tasks, RpcError> {
    let Some(round) = Round::begin() else {
        return Err(RpcError::new(Code::Overloaded, "somebody else asks where tasks wait"));
    };
    wake_all();
    let all: u64 = tasks.kinds.iter().map(|kind| kind.tasks).sum();
    for _ in 0..TURNS_MAX {
        yield_now().await;
        if ASKED.with(|asked| asked.traces.borrow().len() as u64) >= all {
            break;
        }
    }
    let mut waits: BTreeMap<(&str, Vec<WaitStack>), u64> = BTreeMap::new();
    for (name, trace) in round.traces() {
        *waits.entry((name, stacks(&trace))).or_default() += 1;
    }
    let mut waits: Vec<Wait> = waits
        .into_iter()
        .map(|((name, stacks), tasks)| Wait { name: name.to_owned(), tasks, stacks })
        .collect();
    waits.sort_by_key(|wait| std::cmp::Reverse(wait.tasks));
    let others = waits.split_off(waits.len().min(WAITS_MAX));
    (tasks.waits, tasks.waits_elsewhere) = (waits, others.iter().map(|wait| wait.tasks).sum());
    Ok(tasks)
}

/// Has all tasks, and all that they poll, polled.
fn wake_all() {
    let wakers: Vec<_> = WAKERS.with_borrow(|wakers| wakers.iter().filter_map(Weak::upgrade).collect());
    for waker in wakers {
        let last = waker.borrow().clone();
        last.iter().for_each(Waker::wake_by_ref);
    }
}

/// Each place at which a task waits, in a stable order.
fn stacks(trace: &Trace) -> Vec<WaitStack> {
    let mut stacks: Vec<WaitStack> = trace
        .resolve_backtraces()
        .iter()
        .map(|backtrace| {
            let frames: Vec<_> = backtrace.frames().collect();
            let symbols = frames.iter().rev().flat_map(|frame| {
                let symbols: Vec<_> = frame.symbols().collect();
                symbols.into_iter().rev()
            });
            WaitStack { frames: telling(symbols) }
        })
        .filter(|stack| !stack.frames.is_empty())
        .collect();
    stacks.sort();
    stacks.dedup();
    stacks
}

/// The crate's folder, in that of the project, where this was built.
const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The functions of the project, with their places, and the one of tokio's that waits. What is between them only polls what it is given.
fn telling<'s>(symbols: impl Iterator<Item = &'s BacktraceSymbol>) -> Vec<String> {
    let root = Path::new(CRATE).parent().unwrap_or(Path::new(CRATE));
    let mut frames = Vec::new();
    let mut waits = None;
    for symbol in symbols {
        let Some(name) = symbol.name_demangled().map(plain) else { continue };
        let (file, line) = (symbol.filename(), symbol.lineno().unwrap_or_default());
        if let Some(own) = file.and_then(|file| file.strip_prefix(root).ok()) {
            if !own.starts_with("transport/src/tasks") && !own.starts_with("transport/src/tasks.rs") {
                waits = None;
                frames.push(format!("{name} at {}:{line}", own.display()));
            }
        } else if waits.is_none() {
            // Where dependencies have no lines, there is the name alone.
            let of_crate = |file: &Path| {
                let shown = file.to_string_lossy();
                let (_, within) = shown.split_once("/registry/src/")?;
                let (_, within) = within.split_once('/')?;
                within.starts_with("tokio-").then(|| format!("{name} at {within}:{line}"))
            };
            let by_name =
                || name.trim_start_matches(['<', '&']).starts_with("tokio::").then(|| name.to_owned());
            waits = file.and_then(of_crate).or_else(|| file.is_none().then(by_name).flatten());
        }
    }
    frames.extend(waits);
    frames
}

/// A name without the types that it is for, and without the hash at its end.
fn plain(name: &str) -> &str {
    let name = match name.rsplit_once("::h") {
        Some((plain, hash)) if hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            plain
        }
        _ => name,
    };
    match name.find('<') {
        Some(at) if at > 0 && name.ends_with('>') => name[..at].trim_end_matches("::"),
        _ => name,
    }
}
