//! Orders as they come and change.

use micronet_wire::schema::Timestamp;
use micronet_wire::service::{CallError, Outgoing};

use crate::events::Recorded;
use crate::events::watch::{News, Watched};
use crate::order::api::{OrderChange, OrderError, OrderNews, Watch};
use crate::store::StoreError;

/// Tells changes for as long as somebody listens.
pub(super) async fn watch(
    feed: &Watched,
    request: Watch,
    mut replies: Outgoing<OrderNews>,
) -> Result<(), CallError<OrderError>> {
    let wants = |event: &Recorded<OrderChange>| {
        request.order_num.is_none_or(|wanted| order_of(&event.change) == Some(wanted))
    };
    let mut watcher = feed.watch(request.after, wants).await?;
    loop {
        let news = watcher.next().await.map_err(StoreError::Database)?;
        replies.send(&news.into()).await?;
    }
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

impl From<News<OrderChange>> for OrderNews {
    fn from(news: News<OrderChange>) -> Self {
        match news {
            News::Changed(event) => Self {
                through: event.id.unsigned_abs(),
                change: Some(event.change),
                at: Some(Timestamp(event.at_us)),
                oldest: None,
            },
            News::Beat { through, oldest } => Self {
                through: through.unsigned_abs(),
                change: None,
                at: None,
                oldest: Some(oldest.unsigned_abs()),
            },
        }
    }
}
