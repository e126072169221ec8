//! Taking pieces out of the stock: those who ask at once, in a few statements. Runs within the caller's transaction.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sqlx::{AssertSqlSafe, FromRow as _, Row as _};

use super::Result;
use super::catalog::{self, Product, Which};
use super::reservations::{Moves, Reservation, Stored, Taken, move_all, name_of, parse_token, state_of};
use crate::database::{Connection, DatabaseResult, padded, placeholders, sized};
use crate::store::StoreError;

/// A request for pieces whose arguments are within their limits.
pub(super) struct Request {
    token: String,
    body_hash: [u8; 32],
    which: Which,
    quantity: i64,
    now_us: i64,
    /// Until when what is over at once is remembered.
    expires_us: i64,
}

impl Request {
    pub(super) fn parse(
        token: &str,
        body_hash: [u8; 32],
        which: Which,
        quantity: u32,
        now_us: i64,
        kept_us: i64,
    ) -> Result<Self> {
        if let Which::Name(name) = &which {
            catalog::check_name_length(name)?;
        }
        if quantity == 0 {
            return Err(StoreError::Invalid("the quantity is at least 1"));
        }
        let quantity = i64::from(quantity);
        let (token, expires_us) = (parse_token(token)?, now_us + kept_us);
        Ok(Self { token, body_hash, which, quantity, now_us, expires_us })
    }
}

/// Whether pieces are set aside or sold at once.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    Reserve,
    Sell,
}

/// Takes pieces for each of these requests, in their order, as if one came after the other. Each product moves once for all of them.
pub(super) async fn take_all(
    tx: &mut Connection,
    requests: &[Request],
    goal: Goal,
) -> DatabaseResult<Vec<Result<Reservation>>> {
    let Some(last) = requests.last() else { return Ok(Vec::new()) };
    let Known { mut stored, withdrawn } = known(&mut *tx, requests).await?;
    let mut shelves = Shelves::default();
    let (mut outcomes, mut new) = (Vec::with_capacity(requests.len()), Vec::with_capacity(requests.len()));
    for request in requests {
        outcomes.push(match stored.get(&request.token) {
            // A tombstone has no hash: whatever the request was, it came too late.
            Some(Stored { body_hash: Some(hash), .. }) if *hash != request.body_hash => {
                Err(StoreError::TokenReused)
            }
            Some(stored) => Ok(stored.reservation),
            None if withdrawn.get(&request.token).is_some_and(|until_us| *until_us >= request.now_us) => {
                Err(StoreError::TokenWithdrawn)
            }
            None => {
                let reservation = shelves.take(&mut *tx, request, goal).await?;
                // What an order holds may move for as long as the order may.
                let is_over = !matches!((goal, reservation), (Goal::Reserve, Reservation::Reserved(_)));
                new.push(New { request, reservation, expires_us: is_over.then_some(request.expires_us) });
                let body_hash = Some(request.body_hash.to_vec());
                stored.insert(request.token.clone(), Stored { body_hash, reservation });
                Ok(reservation)
            }
        });
    }
    move_all(&mut *tx, shelves.moves, last.now_us).await?;
    insert(tx, &new).await?;
    Ok(outcomes)
}

/// What is known of tokens that ask for pieces.
#[derive(Default)]
struct Known {
    stored: BTreeMap<String, Stored>,
    /// Those of which somebody was told that nothing will ever come of them, and until when that holds.
    withdrawn: BTreeMap<String, i64>,
}

async fn known(tx: &mut Connection, requests: &[Request]) -> DatabaseResult<Known> {
    let wanted = padded(requests);
    let query = format!(
        "WITH wanted (wanted_token) AS (VALUES {})
        SELECT wanted_token, body_hash, state, product_id, quantity, price_minor, available,
            (SELECT max(tokens.expires_us) FROM tokens WHERE token_key = wanted_token) AS withdrawn_until
        FROM wanted LEFT JOIN reservations ON token = wanted_token",
        placeholders(1, 1, wanted.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(query));
    for request in wanted {
        query = query.bind(&request.token);
    }
    let mut known = Known::default();
    for row in query.fetch_all(tx).await? {
        let token: String = row.try_get("wanted_token")?;
        if let Some(until_us) = row.try_get("withdrawn_until")? {
            known.withdrawn.insert(token.clone(), until_us);
        }
        if row.try_get::<Option<&str>, _>("state")?.is_some() {
            known.stored.insert(token, Stored::from_row(&row)?);
        }
    }
    Ok(known)
}

/// The products that requests are about, as they are after what was taken so far.
#[derive(Default)]
struct Shelves {
    ids: BTreeMap<Which, Option<i64>>,
    products: BTreeMap<i64, Product>,
    moves: BTreeMap<i64, Moves>,
}

impl Shelves {
    async fn take(
        &mut self,
        tx: &mut Connection,
        request: &Request,
        goal: Goal,
    ) -> DatabaseResult<Reservation> {
        let id = match self.ids.get(&request.which) {
            Some(id) => *id,
            None => {
                let found = catalog::look_up(tx, &request.which).await?;
                let id = found.as_ref().map(|product| product.id);
                self.ids.insert(request.which.clone(), id);
                if let Some(product) = found {
                    self.products.entry(product.id).or_insert(product);
                }
                id
            }
        };
        let Some(product) = id.and_then(|id| self.products.get_mut(&id)) else {
            return Ok(Reservation::UnknownProduct);
        };
        if product.quantity < request.quantity {
            return Ok(Reservation::OutOfStock { available: product.quantity });
        }
        product.quantity -= request.quantity;
        let (product_id, quantity, price_minor) = (product.id, request.quantity, product.price_minor);
        let taken = Taken { product_id, quantity, price_minor };
        let moves = self.moves.entry(product_id).or_default();
        Ok(match goal {
            Goal::Reserve => {
                moves.reserved += quantity;
                Reservation::Reserved(taken)
            }
            Goal::Sell => {
                moves.sold += quantity;
                Reservation::Settled(taken)
            }
        })
    }
}

/// Sells pieces at once. Also the names of the products, on sale or not any more; empty where nothing was sold.
pub(super) async fn sell_all(
    tx: &mut Connection,
    requests: &[Request],
) -> DatabaseResult<Vec<Result<(Reservation, String)>>> {
    let (mut names, mut sold) = (BTreeMap::new(), Vec::with_capacity(requests.len()));
    for outcome in take_all(&mut *tx, requests, Goal::Sell).await? {
        if let Ok(Reservation::Settled(taken)) = outcome
            && let Entry::Vacant(unknown) = names.entry(taken.product_id)
        {
            unknown.insert(name_of(&mut *tx, taken).await?);
        }
        sold.push(outcome.map(|reservation| match reservation {
            Reservation::Settled(taken) => (reservation, names[&taken.product_id].clone()),
            _ => (reservation, String::new()),
        }));
    }
    Ok(sold)
}

/// A row to come.
struct New<'a> {
    request: &'a Request,
    reservation: Reservation,
    expires_us: Option<i64>,
}

async fn insert(tx: &mut Connection, new: &[New<'_>]) -> DatabaseResult<()> {
    for part in sized(new) {
        let query = format!(
            "INSERT INTO reservations
                (token, body_hash, state, product_id, wanted, quantity, price_minor, available, created_at_us, updated_at_us,
                 expires_us)
            VALUES {}",
            placeholders(1, 11, part.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query));
        for New { request, reservation, expires_us } in part {
            let (taken, available) = match reservation {
                Reservation::Reserved(taken) | Reservation::Settled(taken) | Reservation::Returned(taken) => {
                    (Some(taken), None)
                }
                Reservation::OutOfStock { available } => (None, Some(*available)),
                Reservation::Released | Reservation::UnknownProduct => (None, None),
            };
            query = query
                .bind(&request.token)
                .bind(&request.body_hash[..])
                .bind(state_of(*reservation))
                .bind(taken.map(|taken| taken.product_id))
                .bind(request.which.text())
                .bind(request.quantity)
                .bind(taken.map(|taken| taken.price_minor))
                .bind(available)
                .bind(request.now_us)
                .bind(request.now_us)
                .bind(*expires_us);
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// Sells pieces that left before this database began, under a token of their own.
pub(super) async fn seed_sold(
    tx: &mut Connection,
    token: &str,
    product: &Product,
    quantity: i64,
    now_us: i64,
) -> Result<()> {
    let stock = "UPDATE products SET initial = initial + $2, sold = sold + $2 WHERE id = $1 RETURNING *";
    let stocked: Product = sqlx::query_as(stock).bind(product.id).bind(quantity).fetch_one(&mut *tx).await?;
    catalog::record_stock(&mut *tx, &stocked, now_us).await?;
    let taken = Taken { product_id: product.id, quantity, price_minor: product.price_minor };
    let which = Which::Id(product.id);
    let (token, expires_us) = (token.to_owned(), i64::MAX);
    let request = Request { token, body_hash: [0; 32], which, quantity, now_us, expires_us };
    let sold = New { request: &request, reservation: Reservation::Settled(taken), expires_us: None };
    Ok(insert(tx, &[sold]).await?)
}
