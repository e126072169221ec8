//! A name server whose answers a test chooses, over UDP on loopback.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// For how long answers hold, in seconds.
const TTL_S: u32 = 1;

type Zone = BTreeMap<(Name, RecordType), Vec<RData>>;

/// A name server.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    /// None when it says nothing.
    zone: Arc<Mutex<Option<Zone>>>,
    asked: Arc<Mutex<u64>>,
}

impl NameServer {
    /// One that knows no name yet.
    ///
    /// # Panics
    /// When it can't listen.
    #[must_use]
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("an address");
        let (zone, asked) = (Arc::new(Mutex::new(Some(Zone::new()))), Arc::default());
        let server = Self { address, zone: Arc::clone(&zone), asked: Arc::clone(&asked) };
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                *asked.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let zone = zone.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = zone.as_ref().and_then(|zone| answer(&buffer[..length], zone));
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many questions it was asked.
    #[must_use]
    pub fn asked(&self) -> u64 {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a name has these addresses; without any there is no such name.
    pub fn set_addresses(&self, name: &str, addresses: &[IpAddr]) {
        let of_kind = |v4: bool| {
            let of_kind = addresses.iter().filter(move |ip| ip.is_ipv4() == v4);
            of_kind.map(|ip| RData::from(*ip)).collect::<Vec<_>>()
        };
        self.set(name, RecordType::A, of_kind(true));
        self.set(name, RecordType::AAAA, of_kind(false));
    }

    /// From now on a name has these SRV records: priority, weight, port and target.
    ///
    /// # Panics
    /// When a target is no name.
    pub fn set_services(&self, name: &str, records: &[(u16, u16, u16, &str)]) {
        let record = |(priority, weight, port, target): &(u16, u16, u16, &str)| {
            RData::SRV(SRV::new(*priority, *weight, *port, absolute(target)))
        };
        self.set(name, RecordType::SRV, records.iter().map(record).collect());
    }

    /// From now on it says nothing.
    pub fn fall_silent(&self) {
        *self.zone.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn set(&self, name: &str, kind: RecordType, data: Vec<RData>) {
        let mut zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        zone.get_or_insert_default().insert((absolute(name), kind), data);
    }
}

fn absolute(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("a name");
    name.set_fqdn(true);
    name
}

fn answer(question: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?;
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.authoritative = true;
    answer.metadata.recursion_desired = question.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    let key = |kind| (query.name.to_lowercase(), kind);
    for data in zone.get(&key(query.query_type)).into_iter().flatten() {
        answer.add_answer(Record::from_rdata(query.name.clone(), TTL_S, data.clone()));
    }
    let kinds = [RecordType::A, RecordType::AAAA, RecordType::SRV];
    if !kinds.iter().any(|kind| zone.get(&key(*kind)).is_some_and(|data| !data.is_empty())) {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    answer.to_vec().ok()
}
