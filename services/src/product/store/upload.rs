//! Products that are brought up to date by their names, a batch in one transaction.

use super::catalog::{self, Change, NewProduct, Product, Which};
use super::{ProductStore, Result, STOCK_MAX};
use crate::calls::Token;
use crate::database::Connection;
use crate::once::{self, Once};
use crate::product::api::{ProductError, Refusal, Uploaded};
use crate::store::{Store as _, StoreError};

/// Products of one batch: few enough that customers don't wait for it.
pub const BATCH: usize = 100;

/// Refusals that a report tells.
const REFUSALS_TOLD_MAX: usize = 100;

/// One product that came, or what was wrong with it.
#[derive(Clone, Debug)]
pub struct UploadItem {
    /// Its place among all that came, from 0.
    pub index: u64,
    /// The product as it is to be: with pieces on sale, unless that is left as it is.
    pub product: std::result::Result<(NewProduct, bool), String>,
}

/// What became of a product.
enum Done {
    Created,
    Updated,
    Unchanged,
}

impl ProductStore {
    /// Brings a batch of products up to date.
    pub async fn upload(&self, once: Once, batch: Vec<UploadItem>) -> Result<Uploaded> {
        let now_us = once.now_us;
        once.run(self.database(), self.keeping, move |tx| {
            Box::pin(async move { upload(tx, batch, now_us).await })
        })
        .await
    }

    /// The encoded report of a whole upload, if there is one.
    pub async fn recall_upload(&self, token: &Token, now_us: i64) -> Result<Option<Vec<u8>>> {
        Ok(once::recall(self.database(), token, now_us).await?)
    }

    /// Stores what became of a whole upload, for whoever repeats it.
    pub async fn note_upload(&self, once: Once, report: Uploaded) -> Result<Uploaded> {
        once.run(self.database(), self.keeping, move |_| Box::pin(async move { Ok(report) })).await
    }
}

async fn upload(tx: &mut Connection, batch: Vec<UploadItem>, now_us: i64) -> Result<Uploaded> {
    let mut room = catalog::room(&mut *tx).await?;
    let mut report = Uploaded::default();
    for UploadItem { index, product } in batch {
        let done = match product {
            Ok((new, with_stock)) => put(&mut *tx, &new, with_stock, &mut room, now_us).await,
            Err(reason) => {
                report.refuse(index, reason);
                continue;
            }
        };
        match done {
            Ok(Done::Created) => report.created += 1,
            Ok(Done::Updated) => report.updated += 1,
            Ok(Done::Unchanged) => report.unchanged += 1,
            Err(StoreError::Refused(error)) => report.refuse(index, error.to_string()),
            Err(StoreError::Invalid(words)) => report.refuse(index, words.to_owned()),
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

/// Brings one product up to date. Whatever it is refused for is found before anything is changed.
async fn put(
    tx: &mut Connection,
    new: &NewProduct,
    with_stock: bool,
    room: &mut usize,
    now_us: i64,
) -> Result<Done> {
    new.check()?;
    let before = match catalog::find(&mut *tx, &Which::Name(new.name.clone())).await {
        Ok(product) => product,
        Err(StoreError::Refused(ProductError::ProductNotFound { .. })) => {
            *room = room.checked_sub(1).ok_or_else(catalog::full)?;
            catalog::create(tx, new, now_us).await?;
            return Ok(Done::Created);
        }
        Err(error) => return Err(error),
    };
    let has_other_stock = with_stock && new.quantity != before.quantity;
    if has_other_stock && new.quantity + before.reserved + before.sold > STOCK_MAX {
        let pieces_max = STOCK_MAX.unsigned_abs();
        return Err(StoreError::Refused(ProductError::StockFull { name: before.name, pieces_max }));
    }
    let has_other_price = new.price_minor != before.price_minor;
    if has_other_price {
        let change = Change { price_minor: Some(new.price_minor), ..Change::default() };
        catalog::update(&mut *tx, &Which::Id(before.id), &change, now_us).await?;
    }
    if has_other_stock {
        count(tx, before.id, new.quantity, now_us).await?;
    }
    Ok(if has_other_price || has_other_stock { Done::Updated } else { Done::Unchanged })
}

/// So many pieces are on sale now: what is more has come in, what is less never did.
async fn count(tx: &mut Connection, id: i64, quantity: i64, now_us: i64) -> Result<()> {
    let query = "UPDATE products SET initial = $2 + reserved + sold, quantity = $2, updated_at_us = $3
        WHERE id = $1 RETURNING *";
    let product: Product =
        sqlx::query_as(query).bind(id).bind(quantity).bind(now_us).fetch_one(&mut *tx).await?;
    Ok(catalog::record_stock(tx, &product, now_us).await?)
}

impl Uploaded {
    /// Adds what became of the next ones.
    pub fn add(&mut self, next: Self) {
        self.created += next.created;
        self.updated += next.updated;
        self.unchanged += next.unchanged;
        self.refused += next.refused;
        let room = REFUSALS_TOLD_MAX - self.refusals.len().min(REFUSALS_TOLD_MAX);
        self.refusals.extend(next.refusals.into_iter().take(room));
    }

    fn refuse(&mut self, index: u64, reason: String) {
        self.refused += 1;
        if self.refusals.len() < REFUSALS_TOLD_MAX {
            self.refusals.push(Refusal { index, reason });
        }
    }
}

// With room to spare in a message: a reason is as long as an error's message at most.
const _: () = {
    use micronet_wire::limits::{ERROR_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX};
    assert!(REFUSALS_TOLD_MAX * (ERROR_MESSAGE_BYTES_MAX + 16) + 64 <= MESSAGE_BYTES_MAX);
};
