//! Two instances of `auth` on one database, of either kind: what one is told holds at the other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::postgres::PostgresServer;
use serde_json::{Value, json};

use super::{Person, ask, client, heard, manager, network_in, refused_everywhere, renew, try_login};

/// By when everybody has heard of what is revoked, on a machine that isn't kept from telling.
const HEARD_MAX: Duration = Duration::from_secs(1);

/// Guesses that may fail at one instance before it makes the guesser wait.
const FREE_GUESSES: usize = 5;

/// A network with two of auth, and all that verify tokens; each of them has heard of the keys.
fn two(flags: &[&str]) -> (Network, [SocketAddr; 4]) {
    let flags = [&["--port", "auth=0,0"], flags].concat();
    let network = network_in(Folder::new(), &flags);
    let [first, second] = ["auth-1", "auth-2"].map(|name| network.address(name));
    let places = [network.gateway(), first, second, network.address("order-1")];
    let person = manager(first);
    for place in places {
        heard(place, &person, at(&places, place));
    }
    (network, places)
}

/// What somebody who has signed in may ask at a place.
fn at(places: &[SocketAddr; 4], place: SocketAddr) -> &'static str {
    if place == places[3] { "GET /orders" } else { "GET /auth/me" }
}

/// Waits until a token is refused everywhere, and says how long that took.
fn refused_after(places: &[SocketAddr; 4], person: &Person) -> Duration {
    let since = Instant::now();
    for place in places {
        until("the token to be refused", || {
            let answer = ask(*place, Some(person), at(places, *place), &Value::Null);
            if answer.status() == 401 { Ok(()) } else { Err(answer.shown()) }
        });
    }
    since.elapsed()
}

/// Guesses turn by turn until one is refused: each of two by itself would look at twice as many before it does. Where a guess takes longer
/// than the pause that it costs, which doubles each time, a few more than the free ones are looked at.
fn guess_in_turns(places: [SocketAddr; 2]) {
    let mut answers = Vec::new();
    for place in places.into_iter().cycle().take(2 * FREE_GUESSES) {
        answers.push(try_login(place, "client@demo.example", "a guess").status());
        if answers.last() != Some(&401) {
            break;
        }
    }
    assert_eq!(answers.pop(), Some(429), "after {answers:?}");
    assert!(answers.len() >= FREE_GUESSES, "{answers:?}");
}

fn check_as_one(flags: &[&str]) {
    let (network, places) = two(flags);
    let [_, first, second, order] = places;
    let mut heard_after = Vec::new();
    for (one, other) in [(first, second), (second, first)] {
        // A token of either is believed at both, and refused at both when either has taken it back.
        let person = manager(one);
        for place in places {
            ask(place, Some(&person), at(&places, place), &Value::Null).check(200);
        }
        ask(other, Some(&person), "POST /auth/logout", &json!({})).check(200);
        heard_after.push(refused_after(&places, &person));

        // A refresh token is good once at both together: the second time it ends the session.
        let stolen = client(one);
        let renewed = Person::of(&renew(one, &stolen.refresh).check(200));
        ask(other, Some(&renewed), "GET /auth/me", &Value::Null).check(200);
        assert_eq!(renew(other, &stolen.refresh).check(401).at("/error/code"), "INVALID_CREDENTIALS");
        heard_after.push(refused_after(&places, &renewed));
        renew(one, &renewed.refresh).check(401);
    }
    assert!(heard_after.iter().min() < Some(&HEARD_MAX), "{heard_after:?}");
    // What one signs by a new key is believed also by those who ask the other one for keys, which they do once in two seconds at most.
    let admin = manager(first);
    ask(first, Some(&admin), "POST /api/v1/auth/rotate", &Value::Null).check(200);
    let after = manager(first);
    for place in places {
        heard(place, &after, at(&places, place));
    }
    // Guesses at one are counted at the other, and whoever comes then has to wait even with the right password. On a machine that stalls the
    // pause may be over by then; what was counted is forgotten and begins anew.
    until("the right password to wait too", || {
        guess_in_turns([first, second]);
        match try_login(second, "client@demo.example", "client-demo").status() {
            429 => Ok(()),
            other => Err(format!("{other}")),
        }
    });
    // One of them is enough.
    let person = manager(first);
    network.kill("auth-1");
    ask(order, Some(&person), "GET /orders", &Value::Null).check(200);
    ask(second, Some(&person), "POST /auth/logout", &json!({})).check(200);
    refused_everywhere(&[network.gateway(), second], &person);
    network.stop();
}

#[test]
fn two_of_auth_are_as_one() {
    check_as_one(&[]);
}

#[test]
fn two_of_auth_are_as_one_on_a_server() {
    let Some(postgres) = PostgresServer::start() else { return };
    check_as_one(&["--database", &postgres.new_database("auth")]);
}
