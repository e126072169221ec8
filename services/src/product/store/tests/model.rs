//! The product store as it should be: a few maps, and the rules in their plainest words.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use micronet_wire::schema::Decimal;
use sha2::{Digest as _, Sha256};

use super::super::*;
use crate::once::KEPT_US;
use crate::paging::folded;

/// Something that changes the store.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Create(Vec<NewProduct>),
    Update(Which, Change),
    Remove(Which),
    Restock(Which, u32),
    Reserve(Which, u32),
    Purchase(Which, u32),
    Settle,
    Release,
    Restore,
    Finish,
    /// Asks what became of a reservation's token.
    Ask,
}

/// A write under a token, at a time.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) write: Write,
    pub(super) token: u8,
    pub(super) now_us: i64,
}

/// What a write comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Entered(Vec<ProductInfo>),
    Became(Reservation),
    Moved(Taken),
    Refused(ProductError),
    TokenReused,
    TokenWithdrawn,
    Invalid,
    /// What became of a token; with what was asked for, as name or number, and how many pieces.
    Asked(Option<(Reservation, String, i64)>),
    Done,
}

use Outcome::{Became, Entered, Moved, Refused};

impl Request {
    /// The token of a reservation.
    pub(super) fn token(&self) -> String {
        format!("token {}", self.token)
    }

    /// The kind of write that it is, if those are done together.
    pub(super) fn batch(&self) -> Option<Discriminant<Write>> {
        matches!(self.write, Write::Reserve(..) | Write::Purchase(..) | Write::Settle)
            .then(|| discriminant(&self.write))
    }

    /// The key of a write that is done once: tokens of different methods are different ones.
    pub(super) fn key(&self) -> String {
        let method = match &self.write {
            Write::Create(_) => "create",
            Write::Remove(_) => "remove",
            _ => "restock",
        };
        format!("{method}/{}", self.token)
    }

    pub(super) fn body_hash(&self) -> [u8; 32] {
        let body = match &self.write {
            // Who reserves and who purchases may mean the same intention.
            Write::Reserve(which, pieces) | Write::Purchase(which, pieces) => format!("{which:?} {pieces}"),
            other => format!("{other:?}"),
        };
        Sha256::digest(body).into()
    }
}

/// What a token of a write that is done once has been answered.
struct Reply {
    body_hash: [u8; 32],
    outcome: Outcome,
    at_us: i64,
}

/// What became of a reservation's token.
struct Known {
    body_hash: Option<[u8; 32]>,
    reservation: Reservation,
    wanted: String,
    quantity: i64,
    /// Until when it is remembered; for as long as pieces may move without it.
    expires_us: Option<i64>,
}

/// What the store should hold.
#[derive(Default)]
pub(super) struct Model {
    /// All products that ever were, and whether they are on sale.
    products: BTreeMap<i64, (Product, bool)>,
    replies: BTreeMap<String, Reply>,
    tokens: BTreeMap<String, Known>,
    /// Tokens that never will be used, and until when that is remembered.
    withdrawn: BTreeMap<String, i64>,
    /// The feed: key, time and change.
    pub(super) changes: Vec<(String, i64, ProductChange)>,
}

impl Model {
    pub(super) fn on_sale(&self) -> impl Iterator<Item = &Product> {
        self.products.values().filter(|(_, on_sale)| *on_sale).map(|(product, _)| product)
    }

    /// Every product, on sale or not, with its pieces: what a reader of the feed knows.
    pub(super) fn products(&self) -> impl Iterator<Item = (&Product, bool)> {
        self.products.values().map(|(product, on_sale)| (product, *on_sale))
    }

    pub(super) fn find(&self, which: &Which) -> Option<&Product> {
        self.on_sale().find(|product| match which {
            Which::Id(id) => product.id == *id,
            Which::Name(name) => product.name == *name,
        })
    }

    pub(super) fn list(&self, filter: &Filter, text: &str) -> Vec<&Product> {
        let matches = |product: &&Product| {
            folded(&product.name).contains(&folded(text))
                && (filter.price_min..=filter.price_max).contains(&product.price_minor)
                && (filter.quantity_min..=filter.quantity_max).contains(&product.quantity)
        };
        self.on_sale().filter(matches).collect()
    }

    pub(super) fn reservation(&self, token: &str) -> Option<Reservation> {
        self.tokens.get(token).map(|known| known.reservation)
    }

    /// What the write should come to. Of what it really came to only the numbers of new products are taken.
    pub(super) fn apply(&mut self, request: &Request, really: &Outcome) -> Outcome {
        let now_us = request.now_us;
        match &request.write {
            Write::Create(new) if new.iter().any(|new| is_number(&new.name)) => Outcome::Invalid,
            Write::Create(new) => self.once(request, |model| model.create(new, now_us, really)),
            Write::Update(_, change) if change.name.as_deref().is_some_and(is_number) => Outcome::Invalid,
            Write::Update(which, change) => self.once(request, |model| model.update(which, change, now_us)),
            Write::Remove(which) => self.once(request, |model| model.remove(which, now_us)),
            Write::Restock(which, pieces) => {
                self.once(request, |model| model.restock(which, i64::from(*pieces), now_us))
            }
            Write::Reserve(which, pieces) => self.take(request, which, i64::from(*pieces), false),
            Write::Purchase(which, pieces) => self.take(request, which, i64::from(*pieces), true),
            Write::Settle => self.settle(&request.token(), now_us),
            Write::Release => self.release(&request.token(), now_us),
            Write::Restore => self.restore(&request.token(), now_us),
            Write::Finish => {
                if let Some(known) = self.tokens.get_mut(&request.token())
                    && matches!(known.reservation, Reservation::Settled(_))
                {
                    known.expires_us.get_or_insert(now_us + KEPT_US);
                }
                Outcome::Done
            }
            Write::Ask => self.ask(&request.token(), now_us),
        }
    }

    fn once(&mut self, request: &Request, effect: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        if let Some(reply) = self.replies.get(&request.key())
            && reply.at_us >= request.now_us - KEPT_US
        {
            let is_same = reply.body_hash == request.body_hash();
            return if is_same { reply.outcome.clone() } else { Outcome::TokenReused };
        }
        let outcome = effect(self);
        if let Entered(_) = &outcome {
            let (body_hash, at_us) = (request.body_hash(), request.now_us);
            self.replies.insert(request.key(), Reply { body_hash, outcome: outcome.clone(), at_us });
        }
        outcome
    }

    fn create(&mut self, new: &[NewProduct], now_us: i64, really: &Outcome) -> Outcome {
        let is_taken = |new: &&NewProduct| self.find(&Which::Name(new.name.clone())).is_some();
        let names: Vec<_> = new.iter().filter(is_taken).map(|new| new.name.clone()).collect();
        if !names.is_empty() {
            return Refused(match &new {
                [one] => ProductError::ProductAlreadyExists { name: one.name.clone() },
                _ => ProductError::ProductsAlreadyExist { count: names.len() as u64, names },
            });
        }
        let twice = (0..new.len()).find(|at| new[..*at].iter().any(|before| before.name == new[*at].name));
        if let Some(at) = twice {
            return Refused(ProductError::ProductAlreadyExists { name: new[at].name.clone() });
        }
        let Entered(entered) = really else { panic!("{new:?} should enter the catalog, but: {really:?}") };
        let mut infos = Vec::new();
        for (new, entered) in new.iter().zip(entered) {
            let id = i64::try_from(entered.id).unwrap();
            assert!(self.products.keys().all(|known| *known < id), "{id} was given before");
            let (name, price_minor, quantity) = (new.name.clone(), new.price_minor, new.quantity);
            let (initial, created_at_us, updated_at_us) = (quantity, now_us, now_us);
            let product = Product {
                id,
                name: name.clone(),
                price_minor,
                initial,
                quantity,
                reserved: 0,
                sold: 0,
                created_at_us,
                updated_at_us,
            };
            infos.push(product.clone().into());
            self.products.insert(id, (product, true));
            let (product, price) = (entered.id, Decimal(price_minor));
            let quantity = quantity.unsigned_abs();
            self.tell(id, now_us, ProductChange::Created { product, name, price, quantity });
        }
        Entered(infos)
    }

    fn update(&mut self, which: &Which, change: &Change, now_us: i64) -> Outcome {
        let Some(before) = self.find(which).cloned() else { return not_found(which) };
        let name = change.name.clone().unwrap_or(before.name.clone());
        let price_minor = change.price_minor.unwrap_or(before.price_minor);
        if (&name, price_minor) == (&before.name, before.price_minor) {
            return Entered(vec![before.into()]);
        }
        if self.find(&Which::Name(name.clone())).is_some_and(|other| other.id != before.id) {
            return Refused(ProductError::ProductAlreadyExists { name });
        }
        let product = Product { name: name.clone(), price_minor, updated_at_us: now_us, ..before };
        let (id, price) = (product.id, Decimal(price_minor));
        self.products.insert(id, (product.clone(), true));
        self.tell(id, now_us, ProductChange::Updated { product: id.unsigned_abs(), name, price });
        Entered(vec![product.into()])
    }

    fn remove(&mut self, which: &Which, now_us: i64) -> Outcome {
        let Some(product) = self.find(which).cloned() else { return not_found(which) };
        let (id, name) = (product.id, product.name.clone());
        let removed = Product { updated_at_us: now_us, ..product.clone() };
        self.products.insert(id, (removed, false));
        self.tell(id, now_us, ProductChange::Removed { product: id.unsigned_abs(), name });
        Entered(vec![product.into()])
    }

    fn restock(&mut self, which: &Which, pieces: i64, now_us: i64) -> Outcome {
        let Some(before) = self.find(which).cloned() else { return not_found(which) };
        if before.initial + pieces > STOCK_MAX {
            let (name, pieces_max) = (before.name, STOCK_MAX.unsigned_abs());
            return Refused(ProductError::StockFull { name, pieces_max });
        }
        self.products.get_mut(&before.id).unwrap().0.initial += pieces;
        Entered(vec![self.move_pieces(before.id, [pieces, 0, 0], now_us).into()])
    }

    fn take(&mut self, request: &Request, which: &Which, quantity: i64, sells: bool) -> Outcome {
        let token = request.token();
        match self.tokens.get(&token) {
            Some(Known { body_hash: Some(hash), .. }) if *hash != request.body_hash() => {
                return Outcome::TokenReused;
            }
            Some(known) => return Became(known.reservation),
            None if self.is_withdrawn(&token, request.now_us) => return Outcome::TokenWithdrawn,
            None => {}
        }
        let reservation = match self.find(which).cloned() {
            None => Reservation::UnknownProduct,
            Some(product) if product.quantity < quantity => {
                Reservation::OutOfStock { available: product.quantity }
            }
            Some(product) => {
                let taken = Taken { product_id: product.id, quantity, price_minor: product.price_minor };
                let moves = if sells { [-quantity, 0, quantity] } else { [-quantity, quantity, 0] };
                self.move_pieces(product.id, moves, request.now_us);
                if sells { Reservation::Settled(taken) } else { Reservation::Reserved(taken) }
            }
        };
        // What is reserved may still move.
        let is_over = !matches!(reservation, Reservation::Reserved(_));
        let known = Known {
            body_hash: Some(request.body_hash()),
            reservation,
            wanted: which.text(),
            quantity,
            expires_us: is_over.then_some(request.now_us + KEPT_US),
        };
        self.tokens.insert(token, known);
        Became(reservation)
    }

    fn settle(&mut self, token: &str, now_us: i64) -> Outcome {
        match self.reservation(token) {
            Some(Reservation::Reserved(taken)) => {
                self.move_pieces(taken.product_id, [0, -taken.quantity, taken.quantity], now_us);
                self.become_of(token, Reservation::Settled(taken), None);
                Moved(taken)
            }
            Some(Reservation::Settled(taken) | Reservation::Returned(taken)) => Moved(taken),
            other => not_reserved(other),
        }
    }

    fn release(&mut self, token: &str, now_us: i64) -> Outcome {
        match self.reservation(token) {
            None => {
                let known = Known {
                    body_hash: None,
                    reservation: Reservation::Released,
                    wanted: String::new(),
                    quantity: 0,
                    expires_us: Some(now_us + KEPT_US),
                };
                self.tokens.insert(token.to_owned(), known);
            }
            Some(Reservation::Reserved(taken)) => {
                self.move_pieces(taken.product_id, [taken.quantity, -taken.quantity, 0], now_us);
                self.become_of(token, Reservation::Released, Some(now_us + KEPT_US));
            }
            other @ Some(Reservation::Settled(_) | Reservation::Returned(_)) => return not_reserved(other),
            Some(refused) => return Became(refused),
        }
        Became(Reservation::Released)
    }

    fn restore(&mut self, token: &str, now_us: i64) -> Outcome {
        let (taken, moves) = match self.reservation(token) {
            Some(Reservation::Settled(taken)) => (taken, [taken.quantity, 0, -taken.quantity]),
            Some(Reservation::Reserved(taken)) => (taken, [taken.quantity, -taken.quantity, 0]),
            Some(Reservation::Returned(taken)) => return Moved(taken),
            other => return not_reserved(other),
        };
        self.move_pieces(taken.product_id, moves, now_us);
        self.become_of(token, Reservation::Returned(taken), Some(now_us + KEPT_US));
        Moved(taken)
    }

    fn become_of(&mut self, token: &str, reservation: Reservation, expires_us: Option<i64>) {
        let known = self.tokens.get_mut(token).unwrap();
        (known.reservation, known.expires_us) = (reservation, expires_us);
    }

    fn is_withdrawn(&self, token: &str, now_us: i64) -> bool {
        self.withdrawn.get(token).is_some_and(|until| *until >= now_us)
    }

    fn ask(&mut self, token: &str, now_us: i64) -> Outcome {
        let known = self.tokens.get(token);
        let found = known.map(|known| (known.reservation, known.wanted.clone(), known.quantity));
        if found.is_none() && !self.is_withdrawn(token, now_us) {
            self.withdrawn.insert(token.to_owned(), now_us + KEPT_US);
        }
        Outcome::Asked(found)
    }

    /// Forgets what nobody can ask for any more. How much.
    pub(super) fn purge(&mut self, now_us: i64) -> usize {
        let before = self.tokens.len() + self.withdrawn.len() + self.replies.len();
        self.tokens.retain(|_, known| known.expires_us.is_none_or(|until| until >= now_us));
        self.withdrawn.retain(|_, until| *until >= now_us);
        self.replies.retain(|_, reply| reply.at_us + KEPT_US >= now_us);
        before - (self.tokens.len() + self.withdrawn.len() + self.replies.len())
    }

    /// Moves pieces to and from what is on sale, reserved and sold, and tells of it.
    fn move_pieces(&mut self, id: i64, [quantity, reserved, sold]: [i64; 3], now_us: i64) -> Product {
        let product = &mut self.products.get_mut(&id).unwrap().0;
        product.quantity += quantity;
        product.reserved += reserved;
        product.sold += sold;
        product.updated_at_us = now_us;
        let product = product.clone();
        let change = ProductChange::Stock {
            product: id.unsigned_abs(),
            quantity: product.quantity.unsigned_abs(),
            reserved: product.reserved.unsigned_abs(),
            sold: product.sold.unsigned_abs(),
        };
        self.tell(id, now_us, change);
        product
    }

    /// Of what was told of writes that are done together, and one of them only is told for each product, the last.
    pub(super) fn move_once(&mut self, from: usize) {
        let mut last = BTreeMap::new();
        for told in self.changes.split_off(from) {
            last.insert(told.0.parse::<i64>().unwrap(), told);
        }
        self.changes.extend(last.into_values());
    }

    fn tell(&mut self, id: i64, now_us: i64, change: ProductChange) {
        self.changes.push((id.to_string(), now_us, change));
    }
}

fn not_found(which: &Which) -> Outcome {
    Refused(ProductError::ProductNotFound { name: which.text() })
}

fn not_reserved(reservation: Option<Reservation>) -> Outcome {
    let state = match reservation {
        None => "never reserved",
        Some(Reservation::Returned(_)) => "returned",
        Some(Reservation::Settled(_)) => "settled",
        Some(Reservation::Released) => "released",
        Some(_) => "refused",
    };
    Refused(ProductError::NotReserved { state: state.into() })
}
