//! Taps: the calls of this process as they end, and copies of the frames of its RPC connections, while somebody listens.
//!
//! Frames are copied where the driver reads and writes them, after TLS, whole, with their secrets masked. A tap never holds up a
//! connection: what its queue has no room for is lost, and counted. While nobody listens, a connection compares one number when it
//! reads and when it writes.

mod calls;
mod mask;
mod point;
#[cfg(test)]
mod tests;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use micronet_wire::builtin::builtin_schema;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{TAP_BATCH_BYTES, TAP_QUEUE_BYTES_MAX, TAP_SILENCE_MS, TAPS_MAX};
use micronet_wire::network::{
    FrameFilter, TapFilter, Tapped, TappedConnection, TappedItem, operation_schema,
};
use micronet_wire::schema::{EncodedSchema, Fingerprint, Method};
use tokio::sync::Notify;

pub(crate) use self::point::{Ends, Point};
use crate::records::Records;

/// All taps of a process.
#[derive(Default)]
pub struct Taps {
    /// How many are open.
    count: Cell<usize>,
    open: RefCell<Vec<Rc<Tap>>>,
    /// The schemas that this process serves or calls.
    schemas: RefCell<Vec<Weak<EncodedSchema>>>,
    /// Those of the services that every port answers.
    everywhere: OnceCell<Vec<EncodedSchema>>,
    connections: Cell<u64>,
}

/// One tap.
#[derive(Debug)]
struct Tap {
    frames: Option<FrameFilter>,
    queue: RefCell<Queue>,
    filled: Notify,
}

/// What waits to be told.
#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<(TappedItem, usize)>,
    bytes: usize,
    lost: u64,
    /// Connections that were told, and whether their schema was.
    connections: BTreeMap<u64, bool>,
    /// Schemas that were told.
    schemas: BTreeSet<Fingerprint>,
}

/// What passes, for whoever listens; dropping it ends the tap.
#[derive(Debug)]
pub struct Following {
    taps: Rc<Taps>,
    tap: Rc<Tap>,
    calls: Option<calls::Calls>,
    seen_by: String,
}

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taps").field("open", &self.count.get()).finish_non_exhaustive()
    }
}

impl Taps {
    /// Whether somebody listens.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.count.get() != 0
    }

    /// Tells, as the instance of this name, what passes from now on.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are [`TAPS_MAX`] already.
    pub fn follow(
        self: &Rc<Self>,
        seen_by: &str,
        filter: TapFilter,
        records: &Records,
    ) -> Result<Following, RpcError> {
        let full = || {
            RpcError::new(
                Code::Overloaded,
                format!("this process has {TAPS_MAX} taps already, or others follow its calls"),
            )
        };
        let calls = match filter.calls {
            Some(wanted) => {
                Some(calls::Calls::new(records.follow(wanted).ok_or_else(full)?, filter.messages))
            }
            None => None,
        };
        let tap = Rc::new(Tap { frames: filter.frames, queue: RefCell::default(), filled: Notify::new() });
        if tap.frames.is_some() {
            if self.count.get() >= TAPS_MAX {
                return Err(full());
            }
            self.open.borrow_mut().push(Rc::clone(&tap));
            self.count.set(self.count.get() + 1);
        }
        Ok(Following { taps: Rc::clone(self), tap, calls, seen_by: seen_by.to_owned() })
    }

    /// A schema in which this process speaks, for as long as somebody else holds it.
    pub(crate) fn learn(&self, schema: &Rc<EncodedSchema>) {
        let mut schemas = self.schemas.borrow_mut();
        schemas
            .retain(|known| known.upgrade().is_some_and(|known| known.fingerprint() != schema.fingerprint()));
        schemas.push(Rc::downgrade(schema));
    }

    fn schema(&self, fingerprint: Fingerprint) -> Option<Rc<EncodedSchema>> {
        let schemas = self.schemas.borrow();
        schemas.iter().filter_map(Weak::upgrade).find(|schema| schema.fingerprint() == fingerprint)
    }

    /// The schemas in which this process speaks now.
    fn known(&self) -> Vec<Rc<EncodedSchema>> {
        self.schemas.borrow().iter().filter_map(Weak::upgrade).collect()
    }

    /// The schema of a method of the services that every port answers.
    fn everywhere(&self, method: u32) -> Option<&EncodedSchema> {
        let schemas = self.everywhere.get_or_init(|| {
            [builtin_schema(), operation_schema()].into_iter().flat_map(EncodedSchema::new).collect()
        });
        schemas.iter().find(|schema| schema.schema().method(method).is_some())
    }

    fn next_connection(&self) -> u64 {
        self.connections.set(self.connections.get() + 1);
        self.connections.get()
    }

    /// A connection is over.
    fn forget(&self, connection: u64) {
        for tap in self.open.borrow().iter() {
            tap.queue.borrow_mut().connections.remove(&connection);
        }
    }

    fn each(&self, tell: impl Fn(&Tap)) {
        self.open.borrow().iter().for_each(|tap| tell(tap));
    }
}

impl Tap {
    /// Whether the frames of a call, of a method of this service, are asked for.
    fn wants_call(&self, service: Option<&str>, method: Option<&Method>, call: u64) -> bool {
        let Some(FrameFilter { service: wanted, method: of, one_in }) = &self.frames else { return false };
        wanted.as_deref().is_none_or(|wanted| service == Some(wanted))
            && of.as_deref().is_none_or(|of| method.is_some_and(|method| method.name == of))
            && (*one_in <= 1 || spread(call).is_multiple_of(u64::from(*one_in)))
    }

    /// Whether the frames of a connection to this service that belong to no call are asked for.
    fn wants_connection(&self, service: Option<&str>) -> bool {
        let Some(FrameFilter { service: wanted, method, one_in }) = &self.frames else { return false };
        let is_right = wanted.as_deref().is_none_or(|wanted| service.is_none_or(|service| service == wanted));
        is_right && method.is_none() && *one_in <= 1
    }

    /// Tells a frame, and its connection before its first one, and again when its schema is known.
    fn tell(
        &self,
        connection: u64,
        frame: TappedItem,
        bytes: usize,
        has_schema: bool,
        about: impl FnOnce() -> TappedConnection,
    ) {
        let mut queue = self.queue.borrow_mut();
        let told = queue.connections.get(&connection).is_some_and(|with_schema| *with_schema || !has_schema);
        if !told && !queue.introduce(about(), has_schema) {
            return;
        }
        queue.put(frame, bytes);
        drop(queue);
        self.filled.notify_one();
    }
}

/// Numbers that follow each other, spread as if by chance: a sample must not be of every second call alone. (Fibonacci hashing, Knuth
/// TAOCP 3, 6.4.)
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

impl Queue {
    fn put(&mut self, item: TappedItem, bytes: usize) -> bool {
        let fits = self.bytes + bytes <= TAP_QUEUE_BYTES_MAX;
        if fits {
            self.bytes += bytes;
            self.items.push_back((item, bytes));
        } else {
            self.lost += 1;
        }
        fits
    }

    fn introduce(&mut self, mut connection: TappedConnection, has_schema: bool) -> bool {
        let id = connection.id;
        let fingerprint = connection.fingerprint.0.as_slice().try_into().map(Fingerprint).unwrap_or_default();
        if self.schemas.contains(&fingerprint) {
            connection.schema.0.clear();
        }
        let bytes = 256 + connection.schema.0.len();
        let told = self.put(TappedItem::Connection { connection }, bytes);
        if told {
            self.connections.insert(id, has_schema);
            if has_schema {
                self.schemas.insert(fingerprint);
            }
        }
        told
    }

    fn take(&mut self) -> (Vec<TappedItem>, u64) {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while bytes < TAP_BATCH_BYTES
            && let Some((item, of)) = self.items.pop_front()
        {
            bytes += of;
            items.push(item);
        }
        self.bytes -= bytes;
        (items, std::mem::take(&mut self.lost))
    }
}

impl Following {
    /// What has passed, once there is some; nothing after [`TAP_SILENCE_MS`].
    pub async fn next(&mut self) -> Tapped {
        let silence = Duration::from_millis(TAP_SILENCE_MS);
        let is_empty = self.tap.queue.borrow().items.is_empty();
        let first = match &mut self.calls {
            _ if !is_empty => None,
            None => {
                // Nothing has come when the time is over: that is told then.
                let _ = tokio::time::timeout(silence, self.tap.filled.notified()).await;
                None
            }
            Some(calls) => tokio::select! {
                first = calls.next() => Some(first),
                () = self.tap.filled.notified() => None,
                () = tokio::time::sleep(silence) => None,
            },
        };
        let (mut items, lost_frames) = self.tap.queue.borrow_mut().take();
        let lost_calls = match &mut self.calls {
            Some(calls) => calls.take(first, &self.taps, &mut items),
            None => 0,
        };
        Tapped { seen_by: self.seen_by.clone(), items, lost_calls, lost_frames }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.taps.open.borrow_mut().retain(|tap| !Rc::ptr_eq(tap, &self.tap));
        self.taps.count.set(self.taps.open.borrow().len());
    }
}
