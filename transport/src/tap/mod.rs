//! Taps: copies of the frames of this process's RPC connections, while somebody listens.
//!
//! Frames are copied where the driver reads and writes them, after TLS, whole, with their secrets masked. A tap never holds up a
//! connection: what its queue has no room for is lost, and counted. While nobody listens, a connection compares one number when it
//! reads and when it writes.

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
use micronet_wire::network::{TapFilter, Tapped, TappedConnection, TappedItem, operation_schema};
use micronet_wire::schema::{EncodedSchema, Fingerprint, Method};
use tokio::sync::Notify;

pub(crate) use self::point::{Ends, Point};

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
    filter: TapFilter,
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
    pub fn follow(self: &Rc<Self>, seen_by: &str, filter: TapFilter) -> Result<Following, RpcError> {
        if self.count.get() >= TAPS_MAX {
            return Err(RpcError::new(Code::Overloaded, format!("this process has {TAPS_MAX} taps already")));
        }
        let tap = Rc::new(Tap { filter, queue: RefCell::default(), filled: Notify::new() });
        self.open.borrow_mut().push(Rc::clone(&tap));
        self.count.set(self.count.get() + 1);
        Ok(Following { taps: Rc::clone(self), tap, seen_by: seen_by.to_owned() })
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
        let TapFilter { frames, service: wanted, method: of, one_of } = &self.filter;
        *frames
            && wanted.as_deref().is_none_or(|wanted| service == Some(wanted))
            && of.as_deref().is_none_or(|of| method.is_some_and(|method| method.name == of))
            && (*one_of <= 1 || spread(call).is_multiple_of(u64::from(*one_of)))
    }

    /// Whether the frames of a connection to this service that belong to no call are asked for.
    fn wants_connection(&self, service: Option<&str>) -> bool {
        let TapFilter { frames, service: wanted, method, one_of } = &self.filter;
        let is_right = wanted.as_deref().is_none_or(|wanted| service.is_none_or(|service| service == wanted));
        *frames && is_right && method.is_none() && *one_of <= 1
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
        if is_empty {
            // Nothing has come when the time is over: that is told then.
            let _ = tokio::time::timeout(silence, self.tap.filled.notified()).await;
        }
        let (items, lost) = self.tap.queue.borrow_mut().take();
        Tapped { seen_by: self.seen_by.clone(), items, lost }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.taps.open.borrow_mut().retain(|tap| !Rc::ptr_eq(tap, &self.tap));
        self.taps.count.set(self.taps.open.borrow().len());
    }
}
