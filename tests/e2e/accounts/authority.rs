//! What verifiers ask of `auth`, and who may.

use std::net::SocketAddr;

use micronet_tests::rpc::{self, Caller};
use micronet_transport::client::Client;
use micronet_wire::authority::{
    AuditEntries, AuditEntry, AuthorityClient, RevocationsAfter, Revoked, Ticket,
};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::Timestamp;
use micronet_wire::service::CallOptions;
use serde_json::{Value, json};

use super::{Person, ask, client, manager, network};

fn options() -> CallOptions {
    CallOptions::default()
}

fn ticket_of(server: SocketAddr, person: &Person) -> Ticket {
    let issued = ask(server, Some(person), "POST /auth/tickets", &Value::Null).check(201);
    Ticket { ticket: issued.at("/data/ticket").as_str().expect("a text").to_owned() }
}

#[test]
fn a_gateway_redeems_a_ticket_once_and_nobody_else_does() {
    let network = network(&[]);
    let (gateway, auth) = (network.gateway(), network.address("auth-1"));
    let person = client(gateway);
    let redeem = |caller: Caller, ticket: &Ticket| {
        rpc::call(auth, &caller.identity(network.folder()), async |client: Client| {
            AuthorityClient::new(client).redeem(ticket, options()).await
        })
    };
    let ticket = ticket_of(gateway, &person);
    for caller in [Caller::Stranger, Caller::Member("order")] {
        let refused = redeem(caller, &ticket).unwrap_err().code;
        assert!(
            matches!(refused, Code::Unauthenticated | Code::InsufficientPermissions),
            "{caller:?}: {refused:?}"
        );
    }
    let bearer = redeem(Caller::Member("gateway"), &ticket).unwrap();
    assert_eq!((bearer.sub.as_str(), bearer.org.as_str(), &bearer.sid), ("2", "1", &person.session));
    assert_eq!(redeem(Caller::Member("gateway"), &ticket).unwrap_err().code, Code::InvalidCredentials);
    let ticket = ticket_of(gateway, &person);
    ask(gateway, Some(&person), "POST /auth/logout", &json!({})).check(200);
    let late = redeem(Caller::Member("gateway"), &ticket).unwrap_err();
    assert_eq!(late.code, Code::InvalidCredentials, "its session is over");
    ask(gateway, None, "POST /auth/tickets", &Value::Null).check(401);
}

#[test]
fn a_follower_hears_what_matters_and_then_each_revocation() {
    let network = network(&[]);
    let (gateway, auth) = (network.gateway(), network.address("auth-1"));
    let (first, second) = (client(gateway), client(gateway));
    let logout = |person: &Person| ask(gateway, Some(person), "POST /auth/logout", &json!({})).check(200);
    logout(&first);
    let identity = Caller::Member("gateway").identity(network.folder());
    rpc::call(auth, &identity, async |client: Client| {
        let authority = AuthorityClient::new(client);
        let mut news = authority.revocations(&RevocationsAfter::default(), options()).await.unwrap();
        let told = news.next().await.unwrap().unwrap();
        let session = |person: &Person| Revoked::Session { sid: person.session.clone() };
        assert_eq!(told.revocation.unwrap().of, session(&first));
        let caught_up = news.next().await.unwrap().unwrap();
        assert_eq!(caught_up.revocation, None, "all that there is was told");
        logout(&second);
        let next = news.next().await.unwrap().unwrap();
        assert_eq!(next.revocation.unwrap().of, session(&second));
        // From there on it goes on after a break.
        let after = RevocationsAfter { after: Some(caught_up.through) };
        let mut again = authority.revocations(&after, options()).await.unwrap();
        assert_eq!(again.next().await.unwrap().unwrap().revocation.unwrap().of, session(&second));
    });
    let refused = rpc::call(auth, &Caller::Stranger.identity(network.folder()), async |client: Client| {
        let authority = AuthorityClient::new(client);
        let mut news = authority.revocations(&RevocationsAfter::default(), options()).await?;
        news.next().await.map(|_| ())
    });
    assert_eq!(refused.map_err(|error: RpcError| error.code), Err(Code::Unauthenticated));
}

#[test]
fn what_is_recorded_is_found_once_by_those_who_may_see_it() {
    let network = network(&[]);
    let (gateway, auth) = (network.gateway(), network.address("auth-1"));
    let entry = |id: &str, organization: &str| AuditEntry {
        id: id.into(),
        at: Timestamp(1_763_721_000_000_000),
        subject: "7".into(),
        organization: organization.into(),
        action: "order.place".into(),
        method: "POST".into(),
        path: "/orders".into(),
        status: 201,
        outcome: "ok".into(),
        ..AuditEntry::default()
    };
    let entries = AuditEntries { entries: vec![entry("g/1", "1"), entry("g/2", "2")] };
    let record = |caller: Caller| {
        rpc::call(auth, &caller.identity(network.folder()), async |client: Client| {
            AuthorityClient::new(client).record(&entries, options()).await.map_err(|error| error.code)
        })
    };
    assert_eq!(record(Caller::Stranger), Err(Code::Unauthenticated));
    assert_eq!(record(Caller::Member("gateway")), Ok(()));
    assert_eq!(record(Caller::Member("gateway")), Ok(()));
    let admin = manager(gateway);
    let list = |query: &str| {
        let found =
            ask(gateway, Some(&admin), &format!("GET /api/v1/audit?{query}"), &Value::Null).check(200);
        let items = found.at("/data");
        items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_str().expect("a text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list("action=order.place"), ["g/2", "g/1"]);
    assert_eq!(list("action=order.place&organization_id=2"), ["g/2"]);
    assert_eq!(list("subject=7&outcome=NOPE"), [""; 0]);
    assert_eq!(list("action=auth.login&subject=1").len(), 1, "signing in is there too");
    assert_eq!(list("subject=7&from=2026-01-01T00:00:00Z"), [""; 0]);
}
