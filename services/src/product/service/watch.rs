//! Products as they change.

use micronet_wire::schema::Timestamp;
use micronet_wire::service::{CallError, Outgoing};

use crate::events::Recorded;
use crate::events::watch::{News, Watched};
use crate::product::api::{ProductChange, ProductError, ProductNews, Watch};
use crate::product::store::{ProductStore, Which};
use crate::store::StoreError;

/// Tells changes for as long as somebody listens.
pub(super) async fn watch(
    store: &ProductStore,
    feed: &Watched,
    request: Watch,
    mut replies: Outgoing<ProductNews>,
) -> Result<(), CallError<ProductError>> {
    let key = match request.product.as_deref().map(Which::of) {
        None => None,
        // One that is gone can be heard of too.
        Some(Which::Id(id)) => Some(id.to_string()),
        Some(name) => Some(store.find(&name).await?.id.to_string()),
    };
    let wants = |event: &Recorded<ProductChange>| key.as_ref().is_none_or(|key| event.key == *key);
    let mut watcher = feed.watch(request.after, wants).await?;
    loop {
        let news = watcher.next().await.map_err(StoreError::Database)?;
        replies.send(&news.into()).await?;
    }
}

impl From<News<ProductChange>> for ProductNews {
    fn from(news: News<ProductChange>) -> Self {
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
