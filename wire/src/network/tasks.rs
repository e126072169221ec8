//! What a process is doing: its tasks by what they are for, the requests that are under way, and where tasks wait.

use super::RecordKind;
use crate::schema::{Message, Timestamp};

/// Asks what a process is doing.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TasksOf {
    /// Also where each task waits. It is found out by polling all of them once, in a program that was built for it.
    pub stacks: bool,
}

/// What a process is doing.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Tasks {
    /// The instance that it is, as `product-2`.
    pub instance: String,
    /// Its process id.
    pub pid: u32,
    /// When this was said.
    pub at: Timestamp,
    /// Its runtime.
    pub runtime: Runtime,
    /// Its own tasks, by what they are for. What is missing to the runtime's are those of libraries.
    pub kinds: Vec<TaskKind>,
    /// How many requests and calls are under way.
    pub under_way_count: u64,
    /// Those that have been so for longest, the oldest first.
    pub under_way: Vec<UnderWay>,
    /// Whether this program was built so that it can tell where tasks wait.
    pub tells_stacks: bool,
    /// Where tasks wait, those alike together, the most frequent first; empty where that wasn't asked for.
    pub waits: Vec<Wait>,
    /// How many tasks wait in other ways than those.
    pub waits_elsewhere: u64,
}

/// A process's runtime, which has one thread; its counts are since it began.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Runtime {
    /// Tasks that aren't over.
    pub tasks: u64,
    /// For how long it has been polling tasks, in microseconds.
    pub busy_us: u64,
    /// How often it had nothing to do and went to sleep.
    pub parks: u64,
    /// Tasks that other threads have woken and that wait to be polled.
    pub queued: u64,
    /// How late it has lately run when a timer was due at most, in microseconds.
    pub lag_us: u32,
    /// The process's threads, those of databases and files included.
    pub threads: u64,
}

/// Tasks that are for the same.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskKind {
    /// What they are for, as `connection`.
    pub name: String,
    /// How many there are.
    pub tasks: u64,
    /// How many there have been.
    pub begun: u64,
    /// How often they were polled, those that are over included.
    pub polls: u64,
}

/// A request or call that is under way in a process.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// Which side of it is here.
    pub kind: RecordKind,
    /// The request's id; empty where the call belongs to none.
    pub request_id: String,
    /// For how long, in microseconds.
    pub age_us: u64,
    /// From where it came: an address, or the name of an instance.
    pub from: String,
    /// The request over HTTP as `GET /products/{name}`, with its target where it has no route; empty where it is a call.
    pub http: String,
    /// The service; empty where it leads to none, or isn't known yet.
    pub service: String,
    /// The service's method.
    pub method: String,
    /// The instance whose answer it waits for; empty where it waits for none.
    pub waits_for: String,
    /// For how long, in microseconds.
    pub waits_us: u64,
}

/// Tasks that wait at the same place.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Wait {
    /// What they are for; empty where they are of a library.
    pub name: String,
    /// How many there are.
    pub tasks: u64,
    /// Each place at which they wait: several where the first to happen wakes them.
    pub stacks: Vec<WaitStack>,
}

/// How a task came to wait.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitStack {
    /// Functions with their places in the source, as `NAME at FILE:LINE`, the outermost first.
    pub frames: Vec<String>,
}
