//! The database server itself crashes in the middle of buying, and comes back. Meanwhile callers are told so, soon and in words; the
//! services go on by themselves; and nothing is lost or there twice.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use micronet_tests::http_client::HttpClient;
use micronet_tests::postgres::PostgresServer;
use micronet_tests::random::Random;

use crate::audit::Books;
use crate::buyer::Buyer;
use crate::shop::Shop;
use crate::{BUYERS, ORDERS_EACH, new_database, number};

/// Crashes without an environment variable.
const CRASHES_DEFAULT: u64 = 2;
/// There is a crash for so many kills that `MICRONET_KILLS` asks for.
const KILLS_PER_CRASH: u64 = 10;
/// A caller hears within this that the database is away. It is far more than it takes, and far less than for ever.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
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

/// Asks for a toy, or wants to buy one that there isn't, and checks what is said about it.
fn ask_while_away(gateway: SocketAddr, number: usize) {
    let began = Instant::now();
    let mut http = HttpClient::connect(gateway);
    let answer = if number.is_multiple_of(2) {
        http.get("/products/Tux")
    } else {
        http.post("/orders", r#"{"name":"no such toy","quantity":1}"#)
    };
    let took = began.elapsed();
    let answer = answer.check(503);
    assert!(took < TOLD_WITHIN, "it took {took:?}: {}", answer.shown());
    let text = answer.text();
    assert!(text.contains("database is away; try again"), "{text}");
}
