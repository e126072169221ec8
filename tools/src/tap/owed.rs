//! What a tap has told, on its way to somebody who may be slow. The stream that tells it would be over if nobody read it for a minute, and with it the
//! count of what was lost: so whoever reads it waits only so long, and then loses by itself.

use std::collections::VecDeque;
use std::time::Duration;

use micronet_wire::network::{Tapped, TappedItem};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// For how long there may be no room.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was told and isn't handed over yet, one of each process that was tapped.
#[derive(Debug, Default)]
pub(crate) struct Owed(VecDeque<Tapped>);

impl Owed {
    /// Hands on what was told, and what is owed from before; or loses calls and frames where there is no room in time. Whether anybody takes it.
    pub(crate) async fn hand_over(&mut self, tapped: Tapped, to: &Sender<Tapped>) -> bool {
        self.add(tapped);
        while !self.0.is_empty() {
            match timeout(PATIENCE, to.reserve()).await {
                Ok(Ok(room)) => {
                    if let Some(first) = self.0.pop_front() {
                        room.send(first);
                    }
                }
                Ok(Err(_)) => return false,
                Err(_) => {
                    self.0.iter_mut().for_each(lose);
                    break;
                }
            }
        }
        true
    }

    fn add(&mut self, tapped: Tapped) {
        if tapped.items.is_empty() && tapped.lost_calls + tapped.lost_frames == 0 {
            return;
        }
        match self.0.iter_mut().find(|owed| owed.seen_by == tapped.seen_by) {
            Some(owed) => {
                owed.items.extend(tapped.items);
                owed.lost_calls += tapped.lost_calls;
                owed.lost_frames += tapped.lost_frames;
            }
            None => self.0.push_back(tapped),
        }
    }
}

/// Counts calls and frames instead of keeping them. Which connections there are is kept: nothing later could be understood without that.
fn lose(tapped: &mut Tapped) {
    let Tapped { items, lost_calls, lost_frames, .. } = tapped;
    items.retain(|item| match item {
        TappedItem::Call { .. } => {
            *lost_calls += 1;
            false
        }
        TappedItem::Frame { .. } => {
            *lost_frames += 1;
            false
        }
        TappedItem::Connection { .. } | TappedItem::Unknown => true,
    });
}

#[cfg(test)]
mod tests {
    use micronet_wire::network::{Record, TappedConnection};
    use micronet_wire::schema::Blob;
    use tokio::sync::mpsc;

    use super::*;

    fn call() -> TappedItem {
        TappedItem::Call { record: Record::default(), request: String::new(), reply: String::new() }
    }

    fn connection(id: u64) -> TappedItem {
        let connection = TappedConnection {
            id,
            dialler: String::new(),
            acceptor: String::new(),
            dialled: false,
            peer: String::new(),
            tls: false,
            fingerprint: Blob(Vec::new()),
            schema: Blob(Vec::new()),
        };
        TappedItem::Connection { connection }
    }

    fn told(seen_by: &str, items: Vec<TappedItem>) -> Tapped {
        Tapped { seen_by: seen_by.into(), items, ..Tapped::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_in_time_is_lost_and_counted_but_connections_are_told() {
        let (to, mut reader) = mpsc::channel(1);
        let mut owed = Owed::default();
        assert!(owed.hand_over(told("product-1", vec![call()]), &to).await, "there is room for one");
        for _ in 0..2 {
            assert!(owed.hand_over(told("product-1", vec![connection(7), call(), call()]), &to).await);
        }
        assert!(owed.hand_over(told("product-2", vec![call()]), &to).await);

        assert_eq!(reader.recv().await, Some(told("product-1", vec![call()])));
        let handing = owed.hand_over(told("product-2", vec![call()]), &to);
        let reading = async { [reader.recv().await, reader.recv().await] };
        let (taken, read) = tokio::join!(handing, reading);
        assert!(taken);
        let first = Tapped { lost_calls: 4, ..told("product-1", vec![connection(7), connection(7)]) };
        let second = Tapped { lost_calls: 1, ..told("product-2", vec![call()]) };
        assert_eq!(read, [Some(first), Some(second)]);

        drop(reader);
        assert!(!owed.hand_over(told("product-1", vec![call()]), &to).await, "nobody is there any more");
    }
}
