//! Where a connection is tapped: it knows whose frames these are, and where in the bytes they begin.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::BytesMut;
use micronet_wire::conn::{Connection, Role};
use micronet_wire::header::{Header, PREFACE};
use micronet_wire::limits::{FRAME_PAYLOAD_BYTES_HARD_MAX, HEADER_BYTES};
use micronet_wire::network::{TAPS, TappedConnection, TappedFrame, TappedItem};
use micronet_wire::schema::{Blob, EncodedSchema, Fingerprint, Timestamp};

use super::{Taps, mask};
use crate::clock;

/// The addresses of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ends {
    pub(crate) own: Option<SocketAddr>,
    pub(crate) peer: Option<SocketAddr>,
}

/// A connection's place to be tapped.
#[derive(Debug)]
pub(crate) struct Point {
    taps: Rc<Taps>,
    role: Role,
    ends: Ends,
    tls: bool,
    /// The schema that this side serves.
    schema: Option<Fingerprint>,
    /// The connection's number; 0 before it was tapped.
    id: Cell<u64>,
    /// Up to where in all that it writes its frames were copied, or where the batch began that is being written.
    copied: u64,
}

impl Point {
    pub(crate) fn new(
        taps: &Rc<Taps>,
        role: Role,
        ends: Ends,
        tls: bool,
        schema: Option<Fingerprint>,
    ) -> Self {
        Self { taps: Rc::clone(taps), role, ends, tls, schema, id: Cell::new(0), copied: 0 }
    }

    /// One that nobody taps.
    pub(crate) fn nowhere() -> Self {
        Self::new(&Rc::default(), Role::Dialler, Ends::default(), false, None)
    }

    /// Whether somebody listens.
    pub(crate) fn is_tapped(&self) -> bool {
        self.taps.is_open()
    }

    /// Copies the frames that are whole in what was read, which the connection is about to take. What isn't whole comes again.
    pub(crate) fn reads(&self, connection: &Connection, input: &[u8]) {
        let frames = input.strip_prefix(&PREFACE).unwrap_or(input);
        self.copy(connection, frames, self.role == Role::Acceptor);
    }

    /// Copies the frames of a batch that are about to be written and were not copied before. `written` are the bytes before the batch.
    pub(crate) fn writes(&mut self, connection: &mut Connection, written: u64) {
        let Some(ahead) = self.copied.checked_sub(written) else {
            // The tap began in the middle of a batch, and nobody knows where in it a frame begins. The next batch begins with one.
            return;
        };
        let batch = BytesMut::from(&connection.output()[..]);
        let ahead = usize::try_from(ahead).unwrap_or(usize::MAX).min(batch.len());
        let fresh = &batch[ahead..];
        self.copied = written + batch.len() as u64;
        let frames = fresh.strip_prefix(&PREFACE).unwrap_or(fresh);
        self.copy(connection, frames, self.role == Role::Dialler);
    }

    /// A batch was written whole: the next byte begins a frame.
    pub(crate) fn wrote_all(&mut self, written: u64) {
        self.copied = written;
    }

    fn copy(&self, connection: &Connection, mut bytes: &[u8], by_dialler: bool) {
        let schema = self.schema(connection);
        let service = schema.as_ref().map(|schema| schema.schema().name.as_str());
        while let Some(head) = bytes.first_chunk::<HEADER_BYTES>() {
            let Ok(header) = Header::decode(head, FRAME_PAYLOAD_BYTES_HARD_MAX) else { return };
            let Some((frame, rest)) = bytes.split_at_checked(HEADER_BYTES + header.length as usize) else {
                return;
            };
            bytes = rest;
            if !TAPS.contains(&header.method) {
                self.tell(connection, schema.as_deref(), service, &header, frame, by_dialler);
            }
        }
    }

    fn tell(
        &self,
        connection: &Connection,
        schema: Option<&EncodedSchema>,
        service: Option<&str>,
        header: &Header,
        frame: &[u8],
        by_dialler: bool,
    ) {
        if self.id.get() == 0 {
            self.id.set(self.taps.next_connection());
        }
        let id = self.id.get();
        let own = schema.filter(|schema| schema.schema().method(header.method).is_some());
        let known = own.or_else(|| self.taps.everywhere(header.method));
        let method = known.and_then(|schema| schema.schema().method(header.method));
        let of_call = known.map(|schema| schema.schema().name.as_str()).or(service);
        let masked = std::cell::OnceCell::new();
        let at = Timestamp(clock::unix_us());
        self.taps.each(|tap| {
            let wanted = if header.stream == 0 {
                tap.wants_connection(service)
            } else {
                tap.wants_call(of_call, method, u64::from(header.stream) + id)
            };
            if wanted {
                let bytes = masked.get_or_init(|| mask::masked(header, frame, known, method, by_dialler));
                let copy = TappedFrame { connection: id, at, by_dialler, frame: Blob(Vec::clone(bytes)) };
                let item = TappedItem::Frame { frame: copy };
                tap.tell(id, item, frame.len() + 64, schema.is_some(), || self.about(connection, schema));
            }
        });
    }

    /// The schema that the acceptor serves, if it is known here.
    fn schema(&self, connection: &Connection) -> Option<Rc<EncodedSchema>> {
        self.taps.schema(self.fingerprint(connection)?)
    }

    fn fingerprint(&self, connection: &Connection) -> Option<Fingerprint> {
        match self.role {
            Role::Acceptor => self.schema,
            Role::Dialler => connection.peer()?.schema,
        }
    }

    fn about(&self, connection: &Connection, schema: Option<&EncodedSchema>) -> TappedConnection {
        let written = |end: Option<SocketAddr>| end.map(|end| end.to_string()).unwrap_or_default();
        let (own, peer) = (written(self.ends.own), written(self.ends.peer));
        let dialled = self.role == Role::Dialler;
        let (dialler, acceptor) = if dialled { (own, peer) } else { (peer, own) };
        let fingerprint = self.fingerprint(connection);
        TappedConnection {
            id: self.id.get(),
            dialler,
            acceptor,
            dialled,
            peer: connection.peer().map(|hello| hello.instance.clone()).unwrap_or_default(),
            tls: self.tls,
            fingerprint: Blob(fingerprint.map(|fingerprint| fingerprint.0.to_vec()).unwrap_or_default()),
            schema: Blob(schema.map(|schema| schema.encoded().to_vec()).unwrap_or_default()),
        }
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        if self.id.get() != 0 {
            self.taps.forget(self.id.get());
        }
    }
}
