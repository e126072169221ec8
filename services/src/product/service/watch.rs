//! Products as they change.

use micronet_wire::service::{CallError, Outgoing};

use crate::events::Recorded;
use crate::events::watch::{Told, Watched};
use crate::product::api::{ProductChange, ProductError, ProductNews, Watch};
use crate::product::store::{ProductStore, Which};

/// Tells changes for as long as somebody listens.
pub(super) async fn watch(
    store: &ProductStore,
    feed: &Watched,
    request: Watch,
    replies: Outgoing<ProductNews>,
) -> Result<(), CallError<ProductError>> {
    let key = match request.product.as_deref().map(Which::of) {
        None => None,
        // One that is gone can be heard of too.
        Some(Which::Id(id)) => Some(id.to_string()),
        Some(name) => Some(store.find(&name).await?.id.to_string()),
    };
    let wants = |event: &Recorded<ProductChange>| key.as_ref().is_none_or(|key| event.key == *key);
    feed.watch(request.after, wants).await?.tell(replies).await
}

impl From<Told<ProductChange>> for ProductNews {
    fn from(Told { through, change, oldest }: Told<ProductChange>) -> Self {
        let (change, at) = change.unzip();
        Self { through, change, at, oldest }
    }
}
