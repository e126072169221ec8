//! Orders as they come and change.

use micronet_wire::service::{CallError, Outgoing};

use crate::events::Recorded;
use crate::events::watch::{Told, Watched};
use crate::order::api::{OrderChange, OrderError, OrderNews, Watch};

/// Tells changes for as long as somebody listens.
pub(super) async fn watch(
    feed: &Watched,
    request: Watch,
    replies: Outgoing<OrderNews>,
) -> Result<(), CallError<OrderError>> {
    let wants = |event: &Recorded<OrderChange>| {
        request.order_num.is_none_or(|wanted| order_of(&event.change) == Some(wanted))
    };
    feed.watch(request.after, wants).await?.tell(replies).await
}

/// The order to which this has happened, if it was one.
fn order_of(change: &OrderChange) -> Option<u64> {
    match change {
        OrderChange::Placed { order_num, .. }
        | OrderChange::Moved { order_num, .. }
        | OrderChange::Cancelled { order_num, .. } => Some(*order_num),
        OrderChange::Abandoned { .. } => None,
    }
}

impl From<Told<OrderChange>> for OrderNews {
    fn from(Told { through, change, oldest }: Told<OrderChange>) -> Self {
        let (change, at) = change.unzip();
        Self { through, change, at, oldest }
    }
}
