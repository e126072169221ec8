//! Products that come one by one, applied in batches.
//!
//! Each batch is a write that happens once, under a token made of the upload's and the batch's place. So an upload that ended in
//! the middle is repeated from its start, and what was applied before is not applied again, whatever has happened to those
//! products since.

#[cfg(test)]
mod tests;

use micronet_transport::clock::unix_us;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::outcomes::{Asked, TokenOutcome};
use micronet_wire::service::{CallContext, Incoming};
use sha2::{Digest, Sha256};

use super::Answer;
use crate::calls::{Token, request_hash};
use crate::once::Once;
use crate::outcomes::replied;
use crate::product::api::{NewProduct, Uploaded};
use crate::product::store::{self, BATCH, ProductStore, UploadItem};

/// Takes products until there are no more.
pub(super) async fn upload(
    store: &ProductStore,
    context: &CallContext,
    mut requests: Incoming<NewProduct>,
) -> Answer<Uploaded> {
    context.token()?;
    let mut upload = Upload { store, context, index: 0, before: [0; 32], report: Uploaded::default() };
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        match requests.next().await {
            Ok(Some(product)) => batch.push(Ok(product)),
            Ok(None) => break,
            // What is wrong with one of them doesn't concern the others.
            Err(error) if matches!(error.code, Code::InvalidInput | Code::BadRequest) => {
                batch.push(Err(error.message));
            }
            Err(error) => return Err(error.into()),
        }
        if batch.len() == BATCH {
            upload.apply(std::mem::take(&mut batch)).await?;
        }
    }
    if !batch.is_empty() {
        upload.apply(batch).await?;
    }
    upload.finish().await
}

/// The token of the batch that begins with this product.
fn batch_method(index: u64) -> String {
    format!("product.upload#{index}")
}

/// What became of an upload. One that has begun isn't decided until it was repeated to its end.
pub(super) async fn outcome(store: &ProductStore, asked: &Asked) -> Result<TokenOutcome, RpcError> {
    let token = |method: &str| Token::new(&asked.principal, method, &asked.token);
    let whole = token("product.upload");
    // Without its first batch it never was, and never will be, unless it had no product at all.
    if store.ask_once(token(&batch_method(0)), unix_us()).await?.is_none() {
        return Ok(replied(store.ask_once(whole, unix_us()).await?));
    }
    let report = store.recall_upload(&whole, unix_us()).await?;
    Ok(report.map_or(TokenOutcome::Running, |report| replied(Some(report))))
}

/// An upload on its way.
struct Upload<'a> {
    store: &'a ProductStore,
    context: &'a CallContext,
    /// Products that came before.
    index: u64,
    /// The hash of all of them: what a repeat has to be the repeat of.
    before: [u8; 32],
    report: Uploaded,
}

impl Upload<'_> {
    async fn apply(&mut self, batch: Vec<Result<NewProduct, String>>) -> Answer<()> {
        self.before = hash(&self.before, &batch);
        let items: Vec<UploadItem> = (self.index..)
            .zip(batch)
            .map(|(index, product)| UploadItem { index, product: product.map(with_stock) })
            .collect();
        let once = self.once(&batch_method(self.index))?;
        self.index += items.len() as u64;
        let done = self.store.upload(once, items).await?;
        self.report.add(done);
        Ok(())
    }

    /// The report as a whole is what a repeat of the whole gets.
    async fn finish(self) -> Answer<Uploaded> {
        let once = self.once("product.upload")?;
        Ok(self.store.note_upload(once, self.report).await?)
    }

    fn once(&self, method: &str) -> Result<Once, RpcError> {
        let token = Token::new(&self.context.principal, method, self.context.token()?);
        Ok(Once { token, body_hash: self.before, now_us: unix_us() })
    }
}

/// A product, and whether it says how many pieces of it there are.
fn with_stock(product: NewProduct) -> (store::NewProduct, bool) {
    let has_stock = product.quantity.is_some();
    (product.into(), has_stock)
}

/// The hash of what came so far.
fn hash(before: &[u8; 32], batch: &[Result<NewProduct, String>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(before);
    for product in batch {
        // Each by a hash of its own, so that no two batches look alike.
        hash.update(product.as_ref().map_or_else(request_hash, request_hash));
    }
    hash.finalize().into()
}
