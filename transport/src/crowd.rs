//! The connections of a port that is open to everybody: how many there are, in all and from one address, and which of them make
//! room when there are too many.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::leave::Leave;

/// Of so many connections one makes room at a time, so that looking for those that idle is done for many newcomers at once.
const SHARE_OF_ROOM: usize = 64;

/// The connections of one port.
#[derive(Debug, Clone, Default)]
pub struct Crowd(Rc<RefCell<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    seats: Vec<Rc<Seat>>,
    from: HashMap<Origin, usize>,
    /// How many were asked to leave, and have not left yet.
    leaving: usize,
}

#[derive(Debug)]
struct Seat {
    /// Where it is among the seats.
    at: Cell<usize>,
    from: Origin,
    /// Since when nothing is asked of it; `None` while something is.
    idle_since: Cell<Option<Instant>>,
    leave: Leave,
}

/// One of them, for as long as this lives.
pub struct Guest {
    crowd: Crowd,
    seat: Rc<Seat>,
}

/// Why there is no room for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// There are too many.
    InAll,
    /// There are too many from its address.
    FromThere,
}

/// Who counts as one: an address, or a network of IPv6 such as one customer has (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl Origin {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl Crowd {
    /// Counts a connection in. Where there are too many in all, some that idle are asked to leave first.
    ///
    /// # Errors
    /// When there are too many nevertheless.
    pub fn enter(&self, from: IpAddr, max: usize, from_there_max: usize) -> Result<Guest, Full> {
        let from = Origin::of(from);
        if self.0.borrow().from.get(&from).is_some_and(|count| *count >= from_there_max) {
            return Err(Full::FromThere);
        }
        if self.staying() >= max {
            self.make_room();
        }
        // Those that leave take a moment: a few are still there when their successors have come.
        if self.staying() >= max || self.len() > max + max / 8 {
            return Err(Full::InAll);
        }
        let mut inside = self.0.borrow_mut();
        let seat = Rc::new(Seat {
            at: Cell::new(inside.seats.len()),
            from,
            idle_since: Cell::new(None),
            leave: Leave::default(),
        });
        inside.seats.push(Rc::clone(&seat));
        *inside.from.entry(from).or_default() += 1;
        Ok(Guest { crowd: self.clone(), seat })
    }

    /// Asks some of those to leave that idle, the ones that do so the longest: how many.
    pub fn make_room(&self) -> usize {
        let mut inside = self.0.borrow_mut();
        let idle = inside.seats.iter().filter(|seat| !seat.leave.is_asked());
        let mut idle: Vec<_> =
            idle.filter_map(|seat| Some((seat.idle_since.get()?, seat.at.get()))).collect();
        let count = inside.seats.len().div_ceil(SHARE_OF_ROOM).min(idle.len());
        if count == 0 {
            return 0;
        }
        idle.select_nth_unstable(count - 1);
        for (_, at) in &idle[..count] {
            inside.seats[*at].leave.ask();
        }
        inside.leaving += count;
        count
    }

    /// How many there are, those included that are about to leave.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.borrow().seats.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn staying(&self) -> usize {
        let inside = self.0.borrow();
        inside.seats.len() - inside.leaving
    }
}

impl Guest {
    /// Notes that nothing has been asked of this connection since then, or that something is.
    pub(crate) fn idles(&self, since: Option<Instant>) {
        self.seat.idle_since.set(since);
    }

    /// Ready when this connection has to go.
    pub(crate) fn poll_sent_away(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.seat.leave.poll_asked(cx)
    }

    /// Completes when it has to.
    pub(crate) async fn sent_away(&self) {
        self.seat.leave.asked().await;
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guest({:?})", self.seat.from)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut inside = self.crowd.0.borrow_mut();
        let at = self.seat.at.get();
        inside.seats.swap_remove(at);
        if let Some(moved) = inside.seats.get(at) {
            moved.at.set(at);
        }
        inside.leaving -= usize::from(self.seat.leave.is_asked());
        if let Some(count) = inside.from.get_mut(&self.seat.from) {
            *count -= 1;
            if *count == 0 {
                inside.from.remove(&self.seat.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share() {
        let crowd = Crowd::default();
        let enter = |from: &str| crowd.enter(address(from), 100, 2);
        let first = enter("10.0.0.1").unwrap();
        let _second = enter("::ffff:10.0.0.1").unwrap();
        assert_eq!(enter("10.0.0.1").unwrap_err(), Full::FromThere);
        let _other = enter("10.0.0.2").unwrap();
        drop(first);
        let _again = enter("10.0.0.1").unwrap();
        let _six = [enter("2001:db8::1").unwrap(), enter("2001:db8::ffff:1").unwrap()];
        assert_eq!(enter("2001:db8::2").unwrap_err(), Full::FromThere);
        assert!(enter("2001:db8:0:1::2").is_ok());
        assert_eq!(crowd.len(), 5);
    }

    #[test]
    fn those_that_idle_the_longest_make_room() {
        let crowd = Crowd::default();
        let enter = || crowd.enter(address("10.0.0.1"), 4, usize::MAX);
        let mut guests: Vec<Guest> = (0..4).map(|_| enter().unwrap()).collect();
        assert_eq!(enter().unwrap_err(), Full::InAll, "nobody idles");
        let now = Instant::now();
        for (guest, s) in guests.iter().zip([3, 1, 2]) {
            guest.idles(Some(now + Duration::from_secs(s)));
        }
        guests.push(enter().unwrap());
        let is_sent_away =
            |guest: &Guest| guest.poll_sent_away(&mut Context::from_waker(Waker::noop())).is_ready();
        assert_eq!(guests.iter().map(is_sent_away).collect::<Vec<_>>(), [false, true, false, false, false]);
        // One more than there may be is there until it has left.
        assert_eq!((crowd.len(), enter().unwrap_err()), (5, Full::InAll));
        drop(guests.remove(1));
        assert_eq!(crowd.len(), 4);
        guests[0].idles(None);
        guests.push(enter().unwrap());
        assert!(is_sent_away(&guests[1]), "the one that idled since the second second");
        drop(guests);
        assert!(crowd.is_empty() && crowd.0.borrow().from.is_empty() && crowd.0.borrow().leaving == 0);
    }
}
