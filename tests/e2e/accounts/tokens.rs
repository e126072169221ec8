//! What ends tokens before their time.

use serde_json::{Value, json};

use super::{Person, ask, client, heard, login, manager, network, refused_everywhere, renew, try_login};

#[test]
fn a_refresh_token_that_comes_again_ends_all_that_came_of_it() {
    let network = network(&[]);
    let (gateway, auth) = (network.gateway(), network.address("auth-1"));
    let first = client(gateway);
    let second = Person::of(&renew(gateway, &first.refresh).check(200));
    let third = Person::of(&renew(auth, &second.refresh).check(200));
    assert_eq!(third.session, first.session);
    ask(gateway, Some(&third), "GET /auth/me", &Value::Null).check(200);
    // Somebody has an old one.
    assert_eq!(renew(gateway, &first.refresh).check(401).at("/error/code"), "INVALID_CREDENTIALS");
    renew(gateway, &third.refresh).check(401);
    for person in [&first, &second, &third] {
        refused_everywhere(&[gateway, auth], person);
    }
    // Another session of the same account is none of this.
    ask(gateway, Some(&client(gateway)), "GET /auth/me", &Value::Null).check(200);
}

#[test]
fn a_password_that_changes_ends_the_other_sessions() {
    let network = network(&[]);
    let (gateway, auth) = (network.gateway(), network.address("auth-1"));
    let (own, other) = (client(gateway), client(gateway));
    let change = |current: &str| json!({ "current_password": current, "new_password": "correct horse" });
    ask(gateway, Some(&own), "POST /auth/password", &change("wrong")).check(401);
    ask(gateway, None, "POST /auth/password", &change("client-demo")).check(401);
    ask(gateway, Some(&own), "POST /auth/password", &change("client-demo")).check(200);
    refused_everywhere(&[gateway, auth], &other);
    ask(gateway, Some(&own), "GET /auth/me", &Value::Null).check(200);
    try_login(gateway, "client@demo.example", "client-demo").check(401);
    login(gateway, "client@demo.example", "correct horse");
}

#[test]
fn who_is_deactivated_or_gets_another_role_is_treated_so_at_once() {
    let network = network(&[]);
    let (gateway, auth) = (network.gateway(), network.address("auth-1"));
    let (admin, person) = (manager(gateway), client(gateway));
    let roles = |roles: &[&str]| json!({ "roles": roles });
    ask(gateway, Some(&admin), "PUT /api/v1/accounts/2/roles", &roles(&["admin"])).check(200);
    // The token that says what the account might do before is good no more, the session is.
    refused_everywhere(&[gateway, auth], &person);
    let promoted = Person::of(&renew(gateway, &person.refresh).check(200));
    ask(gateway, Some(&promoted), "GET /api/v1/accounts", &Value::Null).check(200);
    ask(gateway, Some(&admin), "PUT /api/v1/accounts/2/roles", &roles(&["ruler"])).check(422);

    ask(gateway, Some(&admin), "POST /api/v1/accounts/2/deactivate", &Value::Null).check(200);
    refused_everywhere(&[gateway, auth], &promoted);
    renew(gateway, &promoted.refresh).check(401);
    try_login(gateway, "client@demo.example", "client-demo").check(401);
    assert_eq!(
        ask(gateway, Some(&admin), "POST /api/v1/accounts/1/deactivate", &Value::Null)
            .check(409)
            .at("/error/code"),
        "LAST_ADMIN"
    );
    ask(gateway, Some(&admin), "POST /api/v1/accounts/2/activate", &Value::Null).check(200);
    let back = client(gateway);
    ask(gateway, Some(&back), "GET /auth/me", &Value::Null).check(200);
}

#[test]
fn sessions_are_listed_and_ended_one_by_one() {
    let network = network(&[]);
    let gateway = network.gateway();
    let (own, other) = (client(gateway), client(gateway));
    let foreign = manager(gateway);
    let list = ask(gateway, Some(&own), "GET /auth/sessions", &Value::Null).check(200).at("/data/sessions");
    let current: Vec<_> = list.as_array().unwrap().iter().map(|of| (&of["id"], &of["current"])).collect();
    assert_eq!(current.len(), 2);
    assert!(current.contains(&(&json!(own.session), &json!(true))));
    assert!(current.contains(&(&json!(other.session), &json!(false))));
    let end = |who: &Person, session: &str| {
        ask(gateway, Some(who), &format!("DELETE /auth/sessions/{session}"), &Value::Null)
    };
    end(&own, &foreign.session).check(404);
    end(&own, &other.session).check(200);
    end(&own, &other.session).check(404);
    refused_everywhere(&[gateway], &other);
    let third = client(gateway);
    ask(gateway, Some(&own), "DELETE /auth/sessions", &Value::Null).check(200);
    refused_everywhere(&[gateway], &third);
    ask(gateway, Some(&own), "GET /auth/me", &Value::Null).check(200);
    ask(gateway, Some(&foreign), "GET /auth/me", &Value::Null).check(200);
}

#[test]
fn a_key_that_is_replaced_is_published_for_what_it_has_signed() {
    let network = network(&[]);
    let (gateway, auth) = (network.gateway(), network.address("auth-1"));
    let kids = || -> Vec<Value> {
        let set = ask(gateway, None, "GET /.well-known/jwks.json", &Value::Null).check(200).json();
        assert!(set.get("data").is_none(), "a key set as others read it: {set}");
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
    };
    let before = manager(gateway);
    let [old] = &kids()[..] else { panic!("one key") };
    let rotated = ask(gateway, Some(&before), "POST /api/v1/auth/rotate", &Value::Null).check(200);
    assert_eq!(kids(), [rotated.at("/data/kid"), old.clone()]);
    let after = manager(gateway);
    // Verifiers learn of a key when they see a token that it has signed.
    for place in [gateway, auth, network.address("order-1")] {
        for person in [&before, &after] {
            let is_order = place == network.address("order-1");
            heard(place, person, if is_order { "GET /orders" } else { "GET /auth/me" });
        }
    }
}
