//! The database server itself crashes in the middle of buying, or falls silent, and comes back. Meanwhile callers are told so, soon
//! and in words; the services go on by themselves; and nothing is lost or there twice.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::postgres::PostgresServer;
use micronet_tests::random::Random;
use micronet_wire::limits::DEADLINE_US_DEFAULT;

use crate::audit::Books;
use crate::buyer::Buyer;
use crate::shop::Shop;
use crate::{BUYERS, ORDERS_EACH, new_database, number};

/// Crashes without an environment variable.
const CRASHES_DEFAULT: u64 = 2;
/// There is a crash for so many kills that `MICRONET_KILLS` asks for.
const KILLS_PER_CRASH: u64 = 10;
/// A caller hears within this that the database is away. It is far more than it takes, and far less than for ever.
const TOLD_WITHIN: Duration = Duration::from_secs(8);
/// A caller hears within this that there is no answer: its time, and a margin.
const SILENCE_TOLD_WITHIN: Duration = Duration::from_micros(DEADLINE_US_DEFAULT as u64 + 5_000_000);
/// How often callers ask while it is away.
const ASKED_WHILE_AWAY: usize = 8;

#[test]
fn orders_survive_the_crash_of_their_database() {
    let Some(mut postgres) = PostgresServer::start() else { return };
    let seed = number("MICRONET_SEED")
        .unwrap_or_else(|| u64::from_ne_bytes(micronet_transport::identity::random_bytes()));
    let crashes = number("MICRONET_KILLS").map_or(CRASHES_DEFAULT, |kills| kills.div_ceil(KILLS_PER_CRASH));
    eprintln!("MICRONET_SEED={seed} repeats this run of {crashes} crashes of PostgreSQL");
    let mut random = Random::new(seed);
    let (mut crashed, mut shops, mut repeated) = (0, 0, 0);
    while crashed < crashes {
        let mut shop = Shop::open(2, Some(new_database(&postgres, shops)));
        let mut books = Books::default();
        let mut buyers: Vec<Buyer> =
            (0..BUYERS).map(|number| Buyer::new(shop.gateway(), number, random.bits())).collect();
        let processes = shop.process_ids();
        while crashed < crashes && !books.is_sold_out() {
            buy_and_crash(&shop, &mut postgres, &mut buyers, &mut random);
            crashed += 1;
            shop.wait_until_all_answer();
            books.enter(&mut buyers);
            books.check(&shop);
        }
        assert_eq!(shop.process_ids(), processes, "a service ended");
        repeated += buyers.iter().map(Buyer::repeated).sum::<usize>();
        shops += 1;
    }
    eprintln!("PostgreSQL crashed {crashed} times under {shops} shops: {repeated} requests were sent again");
    assert!(repeated > 0, "no crash hit a request");
}

#[test]
fn orders_survive_a_database_that_says_nothing() {
    let Some(postgres) = PostgresServer::start() else { return };
    let mut shop = Shop::open(2, Some(new_database(&postgres, 0)));
    let mut books = Books::default();
    let mut buyers: Vec<Buyer> =
        (0..BUYERS).map(|number| Buyer::new(shop.gateway(), number, number as u64)).collect();
    let processes = shop.process_ids();
    thread::scope(|scope| {
        for buyer in &mut buyers {
            scope.spawn(|| {
                for _ in 0..ORDERS_EACH {
                    buyer.buy_something();
                }
            });
        }
        postgres.freeze();
        let gateway = shop.gateway();
        let asking: Vec<_> =
            (0..ASKED_WHILE_AWAY).map(|number| scope.spawn(move || ask(gateway, number))).collect();
        // A read ends with its caller's time, a write before.
        let answers: Vec<_> = asking.into_iter().map(|asking| asking.join().expect("an answer")).collect();
        postgres.thaw();
        for (answer, took) in answers {
            assert!(matches!(answer.status(), 503 | 504), "{}", answer.shown());
            assert!(took < SILENCE_TOLD_WITHIN, "it took {took:?}: {}", answer.shown());
        }
    });
    shop.wait_until_all_answer();
    books.enter(&mut buyers);
    books.check(&shop);
    assert_eq!(shop.process_ids(), processes, "a service ended");
}

/// All buyers buy; at a random moment the database dies, and comes back. Every buyer gets its answer.
fn buy_and_crash(shop: &Shop, postgres: &mut PostgresServer, buyers: &mut [Buyer], random: &mut Random) {
    let pause = Duration::from_micros(random.below(30_000));
    thread::scope(|scope| {
        for buyer in buyers.iter_mut() {
            scope.spawn(|| {
                buyer.ask_again();
                for _ in 0..ORDERS_EACH {
                    buyer.buy_something();
                }
            });
        }
        // What is random about the moment; nothing is waited for with it.
        thread::sleep(pause);
        postgres.crash();
        for number in 0..ASKED_WHILE_AWAY {
            ask_while_away(shop.gateway(), number);
        }
        postgres.restart();
    });
}

/// Asks, and checks what is said about a database that is away.
fn ask_while_away(gateway: SocketAddr, number: usize) {
    let (answer, took) = ask(gateway, number);
    let answer = answer.check(503);
    assert!(took < TOLD_WITHIN, "it took {took:?}: {}", answer.shown());
    let text = answer.text();
    assert!(text.contains("database is away; try again"), "{text}");
}

/// Asks for a toy, or wants to buy one that there isn't. Returns the answer, and how long it took.
fn ask(gateway: SocketAddr, number: usize) -> (Answer, Duration) {
    let began = Instant::now();
    let mut http = HttpClient::connect(gateway);
    let answer = if number.is_multiple_of(2) {
        http.get("/products/Tux")
    } else {
        http.post("/orders", r#"{"name":"no such toy","quantity":1}"#)
    };
    (answer, began.elapsed())
}
