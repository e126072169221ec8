//! Orders survive: processes are killed in the middle of buying, and afterwards nothing is lost, nothing is there twice and
//! nothing was sold that there wasn't.
//!
//! `MICRONET_KILLS` says how many processes are killed, `MICRONET_SEED` repeats the choices of a run (though not the moments
//! at which the operating system lets a process run).

mod audit;
mod buyer;
mod network;
mod outage;
mod shop;
mod streams;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use micronet_services::database::ServerUrl;
use micronet_tests::patience::until;
use micronet_tests::postgres::PostgresServer;
use micronet_tests::random::Random;

use self::audit::Books;
use self::buyer::{Buyer, Purchase, leave_a_wish};
use self::shop::Shop;

/// Buyers at once.
const BUYERS: usize = 8;
/// Orders that each of them makes around one kill.
const ORDERS_EACH: usize = 4;
/// Those who leave without an answer, around each kill.
const IN_A_HURRY: usize = 8;
/// Kills without an environment variable: `cargo test` should not take long.
const KILLS_DEFAULT: usize = 5;

#[test]
fn orders_survive_their_servers() {
    survive_kills("SQLite", &|_| None);
}

#[test]
fn orders_on_postgres_survive_their_servers() {
    if let Some(postgres) = PostgresServer::start() {
        survive_kills("PostgreSQL", &|shop| Some(new_database(&postgres, shop)));
    }
}

/// A new database for a shop.
fn new_database(postgres: &PostgresServer, shop: usize) -> ServerUrl {
    postgres.new_database(&format!("shop_{shop}")).parse().expect("the script prints a URL")
}

/// Kills servers in shop after shop; `server` says where a shop's data is.
fn survive_kills(database: &str, server: &dyn Fn(usize) -> Option<ServerUrl>) {
    let seed = number("MICRONET_SEED")
        .unwrap_or_else(|| u64::from_ne_bytes(micronet_transport::identity::random_bytes()));
    let kills =
        number("MICRONET_KILLS").map_or(KILLS_DEFAULT, |kills| usize::try_from(kills).expect("a count"));
    eprintln!("MICRONET_SEED={seed} repeats this run of {kills} kills on {database}");
    let mut random = Random::new(seed);
    let mut killed = 0;
    let mut totals = Totals::default();
    while killed < kills {
        killed += one_shop(&mut random, server(totals.shops), kills - killed, &mut totals);
    }
    eprintln!("{killed} processes killed in {} shops on {database}: {totals:?}", totals.shops);
    assert!(totals.placed > 0 && totals.refused > 0, "{totals:?}");
    // A few kills may all miss the requests; many can't.
    assert!(totals.repeated > 0 || kills < 20, "no kill hit a request: {totals:?}");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// What happened in all shops together.
#[derive(Debug, Default)]
struct Totals {
    shops: usize,
    /// Orders that were placed.
    placed: usize,
    /// Orders that were refused, since there was not enough.
    refused: usize,
    /// Requests that were sent again with their token.
    repeated: usize,
    /// Wishes that nobody waited for, and those of them that have become orders.
    wishes: (usize, usize),
}

/// A new shop with a full stock, until it is sold out or the kills are used up. Returns how many processes were killed.
fn one_shop(random: &mut Random, server: Option<ServerUrl>, kills_max: usize, totals: &mut Totals) -> usize {
    let mut shop = Shop::open(if random.percent(50) { 1 } else { 2 }, server);
    let mut books = Books::default();
    let mut buyers: Vec<Buyer> =
        (0..BUYERS).map(|number| Buyer::new(shop.gateway(), number, random.bits())).collect();
    let mut killed = 0;
    while killed < kills_max && !books.is_sold_out() {
        let (victims, wishes) = buy_and_kill(&mut shop, &mut buyers, random, kills_max - killed);
        killed += victims;
        books.enter(&mut buyers);
        books.enter_unanswered(wishes);
        books.check(&shop);
    }
    // Nobody dies any more: what is left is sold to the last piece.
    thread::scope(|scope| {
        for buyer in &mut buyers {
            scope.spawn(|| buyer.buy_everything());
        }
    });
    books.enter(&mut buyers);
    books.check(&shop);
    assert!(books.is_sold_out(), "the buyers were refused what was there: {books:?}");
    totals.shops += 1;
    totals.placed += books.placed();
    totals.refused += books.refused();
    totals.repeated += buyers.iter().map(Buyer::repeated).sum::<usize>();
    let (wishes, fulfilled) = books.wishes();
    totals.wishes = (totals.wishes.0 + wishes, totals.wishes.1 + fulfilled);
    killed
}

/// All buyers buy, and at a random moment some of the servers die; they are started again, and every buyer gets its answer.
/// Returns how many servers died, and the wishes of those who did not wait for an answer.
fn buy_and_kill(
    shop: &mut Shop,
    buyers: &mut [Buyer],
    random: &mut Random,
    kills_max: usize,
) -> (usize, Vec<Purchase>) {
    let victims = shop.pick_victims(random, kills_max);
    // After so many answers, and up to four milliseconds: about the time that an order takes.
    let answers_before = usize::try_from(random.below((BUYERS * ORDERS_EACH * 3 / 4) as u64)).expect("small");
    let pause_before = Duration::from_micros(random.below(4_000));
    let pause_after = Duration::from_millis(random.below(20));
    let answers = AtomicUsize::new(0);
    thread::scope(|scope| {
        for buyer in buyers.iter_mut() {
            scope.spawn(|| {
                buyer.ask_again();
                for _ in 0..ORDERS_EACH {
                    buyer.buy_something();
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("enough answers before the kill", || match answers.load(Ordering::Relaxed) {
            enough if enough >= answers_before => Ok(()),
            few => Err(format!("{few} of {answers_before}")),
        });
        let (in_a_hurry, wishes): (Vec<_>, Vec<_>) =
            (0..IN_A_HURRY).map(|_| leave_a_wish(shop.gateway(), random)).unzip();
        // These two pauses are what is random about the moment; nothing is waited for with them.
        thread::sleep(pause_before);
        shop.kill(&victims);
        drop(in_a_hurry);
        thread::sleep(pause_after);
        shop.restart(&victims);
        // In the middle of it all nothing is unaccounted for.
        audit::check_conservation(shop);
        (victims.len(), wishes)
    })
}
