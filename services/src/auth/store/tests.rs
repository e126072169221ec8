//! Tests of accounts, sessions and the audit log.

use micronet_wire::authority::{ACCESS_TOKEN_S, AuditEntry, Revoked};
use micronet_wire::schema::Timestamp;

use super::*;
use crate::database::testing::{On, TestDatabase, on_both_databases};
use crate::events;
use crate::once::Once;
use crate::paging::{Page, contains};
use crate::store::StoreError;

on_both_databases! {
    tokio: [
        demo_accounts_are_seeded_once_and_their_manager_may_do_everything,
        an_address_and_a_slug_are_had_once_whatever_the_case,
        the_first_organization_is_home_and_others_are_not,
        a_code_makes_the_first_account_and_no_other,
        lists_hold_what_is_asked_for,
        a_refresh_token_is_good_once_and_ends_its_session_the_second_time,
        an_account_has_so_many_sessions_and_the_oldest_gives_way,
        what_ends_sessions_is_told_in_the_feed,
        an_organization_keeps_an_admin,
        attempts_have_to_wait_after_a_few_failures,
        a_ticket_is_good_once_while_its_session_lives,
        an_audit_entry_is_stored_once_and_found_by_what_it_says,
        a_key_is_published_until_what_it_signed_has_expired,
        what_is_over_is_removed,
    ],
    threads: [],
}

const SECOND: i64 = 1_000_000;

async fn empty(on: On) -> (TestDatabase, AuthStore) {
    let place = TestDatabase::new(on);
    let database = Database::open(place.location(), AuthStore::MIGRATIONS).await.unwrap();
    (place, AuthStore::over(database, Keeping::default()))
}

/// With the demonstration's organization: the manager is account 1, the client account 2.
async fn demo(on: On) -> (TestDatabase, AuthStore) {
    let (place, store) = empty(on).await;
    assert!(store.seed(Demo::Shop, 5).await.unwrap());
    (place, store)
}

fn once(key: &str) -> Once {
    Once { token: Token { holder: "tester".into(), key: key.into() }, body_hash: [1; 32], now_us: 10 }
}

fn person(email: &str, role: &str) -> NewAccount {
    NewAccount {
        organization_id: 1,
        email: email.into(),
        hashed_password: Hidden("hash".into()),
        full_name: "Somebody".into(),
        roles: Roles::of(&[role]).unwrap(),
    }
}

fn named(name: &str, slug: &str) -> NewOrganization {
    NewOrganization { name: name.into(), slug: slug.into() }
}

fn given(number: u8) -> Given {
    Given { refresh: [number; 32], jti: format!("jti{number}") }
}

fn record(id: &str, at: i64) -> AuditEntry {
    AuditEntry { id: id.into(), at: Timestamp(at), outcome: "ok".into(), ..AuditEntry::default() }
}

async fn start(store: &AuthStore, account: i64, id: &str, number: u8, now_us: i64) -> Session {
    let account = store.account(account).await.unwrap();
    let (given, entry) = (given(number), record(&format!("login {id}"), now_us));
    let new = NewSession { id: id.into(), account, given, email_hash: [0; 32], entry };
    store.start_session(new, now_us).await.unwrap().unwrap()
}

async fn changes(store: &AuthStore) -> Vec<AuthChange> {
    let events = events::read(store.database(), 0, 100).await.unwrap();
    events.into_iter().map(|event| event.change).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T>, why: &AuthError) {
    match outcome {
        Err(StoreError::Refused(error)) => assert_eq!(error, *why),
        other => panic!("{why:?} should have come, not {other:?}"),
    }
}

async fn demo_accounts_are_seeded_once_and_their_manager_may_do_everything(on: On) {
    let (_place, store) = demo(on).await;
    assert!(!store.seed(Demo::Shop, 6).await.unwrap(), "not twice");
    let manager = store.account(1).await.unwrap();
    assert_eq!(
        (manager.email.as_str(), manager.permissions()),
        ("manager@demo.example", vec!["*".to_owned()])
    );
    let client = store.account(2).await.unwrap();
    let of_viewer = ["alerts:read", "control:read", "devices:read", "network:read", "reports:read"];
    assert_eq!(client.permissions(), of_viewer);
    assert!(client.is_active && !client.is_superuser);

    let (_place, store) = empty(on).await;
    assert!(!store.seed(Demo::None, 5).await.unwrap());
    assert!(!store.has_accounts().await.unwrap(), "there are none outside a demonstration");
}

async fn an_address_and_a_slug_are_had_once_whatever_the_case(on: On) {
    let (_place, store) = demo(on).await;
    let id = store.create_account(once("a"), person("Ada@Example.com", "viewer")).await.unwrap();
    assert_eq!(
        store.create_account(once("a"), person("Ada@Example.com", "viewer")).await.unwrap(),
        id,
        "a repeat"
    );
    let taken = |email: &str| AuthError::AccountAlreadyExists { email: email.into() };
    refused(
        store.create_account(once("b"), person("ada@example.COM", "viewer")).await,
        &taken("ada@example.COM"),
    );
    let change = Change { email: Some("CLIENT@demo.example".into()), full_name: None };
    refused(store.update_account(1, change, 20).await, &taken("CLIENT@demo.example"));
    let slug = AuthError::OrganizationAlreadyExists { slug: "demo".into() };
    refused(store.create_organization(once("c"), named("Other", "demo")).await, &slug);
    // One that is refused leaves nothing behind, neither of the two.
    refused(
        store.register(once("d"), named("New", "new"), person("ada@example.com", "admin")).await,
        &taken("ada@example.com"),
    );
    store.create_organization(once("e"), named("New", "new")).await.unwrap();
    for slug in ["", "-a", "a-", "A", "a b", &"a".repeat(65)] {
        let entered = store.create_organization(once(slug), named("N", slug)).await;
        assert!(matches!(entered, Err(StoreError::Invalid(_))), "{slug}");
    }
}

async fn the_first_organization_is_home_and_others_are_not(on: On) {
    let (_place, store) = demo(on).await;
    let id = store
        .register(once("r"), named("Engines", "engines"), person("ada@example.com", "admin"))
        .await
        .unwrap();
    let ada = store.account(i64::try_from(id).unwrap()).await.unwrap();
    assert!(!ada.is_superuser && ada.permissions().contains(&"accounts:*".to_owned()));
    // Who looks elsewhere doesn't look at the network itself.
    let viewer = store.set_roles(ada.id, Roles::of(&["admin", "viewer"]).unwrap(), 20).await.unwrap();
    assert!(!viewer.permissions().contains(&"control:read".to_owned()));
    let organizations = store.organizations(None, Page::of(None, None)).await.unwrap();
    let homes: Vec<_> = organizations
        .0
        .iter()
        .map(|organization| (organization.slug.as_str(), organization.is_home))
        .collect();
    assert_eq!((homes, organizations.1), (vec![("demo", true), ("engines", false)], 2));
    let own = store.organizations(Some(ada.organization_id), Page::of(None, None)).await.unwrap();
    assert_eq!((own.0[0].slug.as_str(), own.1), ("engines", 1));
    assert_eq!(
        store.rename_organization(ada.organization_id, "Machines".into(), 30).await.unwrap().name,
        "Machines"
    );
    refused(store.organization(99).await, &AuthError::OrganizationNotFound { id: 99 });
}

async fn a_code_makes_the_first_account_and_no_other(on: On) {
    let (_place, store) = empty(on).await;
    refused(store.register(once("r"), named("E", "e"), person("a@b", "admin")).await, &AuthError::NotSetUp);
    assert!(store.admit_setup_code([7; 32], 1).await.unwrap());
    assert!(store.admit_setup_code([7; 32], 2).await.unwrap(), "again at the next start");
    assert!(store.is_setup_code([7; 32]).await.unwrap() && !store.is_setup_code([8; 32]).await.unwrap());
    let id = store.set_up(once("s"), named("E", "e"), person("a@b", "admin")).await.unwrap();
    assert!(store.account(i64::try_from(id).unwrap()).await.unwrap().is_superuser);
    assert!(!store.is_setup_code([7; 32]).await.unwrap(), "it was good once");
    assert!(!store.admit_setup_code([9; 32], 3).await.unwrap());
    refused(store.set_up(once("t"), named("F", "f"), person("c@d", "admin")).await, &AuthError::AlreadySetUp);
}

async fn lists_hold_what_is_asked_for(on: On) {
    let (_place, store) = demo(on).await;
    store.register(once("r"), named("E", "e"), person("ada@example.com", "admin")).await.unwrap();
    store.set_active(2, false, 20).await.unwrap();
    type Case = (Option<i64>, &'static str, Option<bool>, &'static [i64]);
    let cases: [Case; 6] = [
        (None, "", None, &[1, 2, 3]),
        (Some(1), "", None, &[1, 2]),
        (Some(2), "", None, &[3]),
        (None, "DEMO", None, &[1, 2]),
        (None, "", Some(false), &[2]),
        (Some(1), "", Some(true), &[1]),
    ];
    for (organization, text, is_active, ids) in cases {
        let listing = Listing { organization, pattern: contains(text), is_active };
        let (accounts, total) =
            store.accounts(&listing, "id ASC, id ASC", Page::of(None, None)).await.unwrap();
        let found: Vec<i64> = accounts.iter().map(|account| account.id).collect();
        assert_eq!((found.as_slice(), total), (ids, ids.len() as i64), "{listing:?}");
    }
}

async fn a_refresh_token_is_good_once_and_ends_its_session_the_second_time(on: On) {
    let (_place, store) = demo(on).await;
    let session = start(&store, 2, "s1", 1, SECOND).await;
    let refresh = async |token: u8, key: u8, next: u8, now_us| {
        store.refresh([token; 32], [key; 32], given(next), now_us).await.unwrap()
    };
    let Refreshed::Given(account, same) = refresh(1, 1, 2, 2 * SECOND).await else { panic!("it is unused") };
    assert_eq!((account.id, same.id.as_str(), same.expires_at), (2, "s1", session.expires_at));
    assert!(matches!(refresh(1, 1, 3, 3 * SECOND).await, Refreshed::Given(..)), "the same request, at once");
    assert_eq!(refresh(9, 1, 10, 3 * SECOND).await, Refreshed::Unknown);
    assert_eq!(store.session_of([1; 32]).await.unwrap().map(|session| session.id), Some("s1".into()));
    assert_eq!(refresh(1, 2, 4, 4 * SECOND).await, Refreshed::Reused, "another request");
    for token in 1..=4 {
        assert_eq!(
            refresh(token, token, 5, 5 * SECOND).await,
            Refreshed::Unknown,
            "the whole family is gone"
        );
    }
    let Some(AuthChange::SessionEnded { session, tokens, until }) = changes(&store).await.pop() else {
        panic!("told")
    };
    assert_eq!((session.as_str(), tokens), ("s1", vec!["jti1".into(), "jti2".into(), "jti3".into()]));
    assert!(until.0 >= 4 * SECOND + ACCESS_TOKEN_S.cast_signed() * SECOND);

    // A repeat that comes late is none.
    start(&store, 2, "s2", 20, SECOND).await;
    refresh(20, 1, 21, 2 * SECOND).await;
    assert_eq!(refresh(20, 1, 22, 70 * SECOND).await, Refreshed::Reused);
    // What a session's time or its account forbids.
    let session = start(&store, 2, "s3", 30, SECOND).await;
    assert_eq!(refresh(30, 1, 31, session.expires_at).await, Refreshed::Unknown);
}

async fn an_account_has_so_many_sessions_and_the_oldest_gives_way(on: On) {
    let (_place, store) = demo(on).await;
    for number in 0..=u8::try_from(sessions::SESSIONS_MAX).unwrap() {
        start(&store, 2, &format!("s{number}"), number, i64::from(number) + 1).await;
    }
    let sessions = store.sessions(2, 100).await.unwrap();
    assert_eq!(sessions.len() as i64, sessions::SESSIONS_MAX);
    assert_eq!((sessions[0].id.as_str(), sessions.last().unwrap().id.as_str()), ("s20", "s1"));
    assert!(changes(&store).await.iter().any(|change| matches!(
        change, AuthChange::SessionEnded { session, .. } if session == "s0")));
}

async fn what_ends_sessions_is_told_in_the_feed(on: On) {
    let (_place, store) = demo(on).await;
    let revoked = async |from: usize| -> Vec<Revoked> {
        changes(&store).await[from..].iter().filter_map(|change| Some(change.revocation()?.of)).collect()
    };
    let session = |sid: &str| Revoked::Session { sid: sid.into() };
    for (number, id) in (1..).zip(["a", "b", "c", "d"]) {
        start(&store, 2, id, number, i64::from(number) * SECOND).await;
    }
    let seen = changes(&store).await.len();
    store.end_sessions(Ending::One { account: 2, session: "a".into() }, 9 * SECOND).await.unwrap();
    assert_eq!(revoked(seen).await, [session("a")]);
    let missing = store.end_sessions(Ending::One { account: 2, session: "a".into() }, 9 * SECOND).await;
    refused(missing, &AuthError::SessionNotFound { id: "a".into() });
    let foreign = store.end_sessions(Ending::One { account: 1, session: "b".into() }, 9 * SECOND).await;
    refused(foreign, &AuthError::SessionNotFound { id: "b".into() });
    // Another password ends the others.
    assert_eq!(store.set_password(2, Hidden("new".into()), Some("b".into()), 9 * SECOND).await.unwrap(), 2);
    let mut ended = revoked(seen + 1).await;
    ended.sort();
    assert_eq!(ended, [session("c"), session("d")]);
    // Another role leaves the session, and revokes the tokens that were given for the old one.
    let seen = changes(&store).await.len();
    let roles = Roles::of(&["operator"]).unwrap();
    let operator = store.set_roles(2, roles.clone(), 9 * SECOND).await.unwrap();
    assert_eq!((operator.tokens_from_s, operator.roles.clone()), (10, roles.clone()));
    assert_eq!(revoked(seen).await, [Revoked::Account { sub: "2".into(), through_s: 9 }]);
    assert_eq!(
        store.set_roles(2, roles, 9 * SECOND).await.unwrap(),
        operator,
        "what changes nothing revokes nothing"
    );
    let again = store.set_roles(2, Roles::default(), 9 * SECOND).await.unwrap();
    assert_eq!(again.tokens_from_s, 11, "tokens of the second that is promised are revoked too");
    // Nobody signs in, or goes on, in an account that isn't active.
    let seen = changes(&store).await.len();
    assert!(!store.set_active(2, false, 20 * SECOND).await.unwrap().is_active);
    assert_eq!(revoked(seen).await, [session("b"), Revoked::Account { sub: "2".into(), through_s: 20 }]);
    let account = Account { hashed_password: Hidden("new".into()), ..store.account(2).await.unwrap() };
    let new =
        NewSession { id: "x".into(), account, given: given(50), email_hash: [0; 32], entry: record("x", 1) };
    assert_eq!(store.start_session(new, 21 * SECOND).await.unwrap(), None);
    assert!(store.set_active(2, true, 22 * SECOND).await.unwrap().is_active);
    start(&store, 2, "y", 51, 23 * SECOND).await;
}

async fn an_organization_keeps_an_admin(on: On) {
    let (_place, store) = demo(on).await;
    refused(store.set_active(1, false, 20).await, &AuthError::LastAdmin);
    refused(store.set_roles(1, Roles::default(), 20).await, &AuthError::LastAdmin);
    store.register(once("r"), named("E", "e"), person("ada@example.com", "admin")).await.unwrap();
    refused(store.set_active(1, false, 20).await, &AuthError::LastAdmin);
    store.set_roles(2, Roles::of(&["admin"]).unwrap(), 20).await.unwrap();
    assert!(store.account(2).await.unwrap().is_superuser, "of the first organization");
    store.set_active(1, false, 20).await.unwrap();
    refused(store.set_active(2, false, 20).await, &AuthError::LastAdmin);
}

async fn attempts_have_to_wait_after_a_few_failures(on: On) {
    let (_place, store) = demo(on).await;
    let attempt =
        async |email: &str, now_us| store.begin_attempt(email.into(), [3; 32], now_us).await.unwrap();
    for _ in 0..attempts::FREE_ATTEMPTS {
        assert!(matches!(attempt("CLIENT@demo.example", SECOND).await, Attempt::Begun(Some(_))));
    }
    assert_eq!(attempt("client@demo.example", SECOND).await, Attempt::Refused { retry_after_s: 1 });
    assert!(matches!(attempt("client@demo.example", 2 * SECOND).await, Attempt::Begun(_)));
    assert_eq!(attempt("client@demo.example", 2 * SECOND).await, Attempt::Refused { retry_after_s: 2 });
    let other = store.begin_attempt("nobody@demo.example".into(), [4; 32], 2 * SECOND).await.unwrap();
    assert_eq!(other, Attempt::Begun(None), "each address has its own");
    store.attempt_succeeded([3; 32]).await.unwrap();
    for _ in 0..attempts::FREE_ATTEMPTS {
        assert!(matches!(attempt("client@demo.example", 3 * SECOND).await, Attempt::Begun(_)));
    }
    let later = 3 * SECOND + 3_601 * SECOND;
    assert!(
        matches!(attempt("client@demo.example", later).await, Attempt::Begun(_)),
        "after an hour all is forgotten"
    );
    assert!(matches!(attempt("client@demo.example", later).await, Attempt::Begun(_)));
}

async fn a_ticket_is_good_once_while_its_session_lives(on: On) {
    let (_place, store) = demo(on).await;
    start(&store, 2, "s", 1, SECOND).await;
    let expires_at = store.issue_ticket([1; 32], 2, "s".into(), SECOND).await.unwrap();
    let (account, session) = store.take_ticket([1; 32], 2 * SECOND).await.unwrap().unwrap();
    assert_eq!((account.id, session.as_str()), (2, "s"));
    assert_eq!(store.take_ticket([1; 32], 2 * SECOND).await.unwrap(), None, "it was good once");
    store.issue_ticket([2; 32], 2, "s".into(), SECOND).await.unwrap();
    assert_eq!(store.take_ticket([2; 32], expires_at).await.unwrap(), None, "it is too late");
    store.issue_ticket([3; 32], 2, "s".into(), SECOND).await.unwrap();
    store.end_sessions(Ending::AllOf { account: 2 }, 2 * SECOND).await.unwrap();
    assert_eq!(store.take_ticket([3; 32], 2 * SECOND).await.unwrap(), None, "its session is over");
}

async fn an_audit_entry_is_stored_once_and_found_by_what_it_says(on: On) {
    let (_place, store) = empty(on).await;
    let entry = |id: &str, at, organization: &str, subject: &str, action: &str| AuditEntry {
        organization: organization.into(),
        subject: subject.into(),
        action: action.into(),
        method: "POST".into(),
        path: "/orders".into(),
        status: 201,
        ..record(id, at)
    };
    let entries = vec![
        entry("g/1", 10, "1", "7", "order.place"),
        entry("g/2", 20, "1", "8", "order.place"),
        entry("g/3", 30, "2", "9", "user.create"),
    ];
    store.record_audit(entries.clone()).await.unwrap();
    store.record_audit(entries.clone()).await.unwrap();
    let found = async |filter: AuditFilter| -> Vec<String> {
        let (entries, total) = store.audit(&filter, Page::of(None, None)).await.unwrap();
        assert_eq!(entries.len() as i64, total);
        entries.into_iter().map(|entry| entry.id).collect()
    };
    let any = AuditFilter { from_us: i64::MIN, ..AuditFilter::default() };
    assert_eq!(found(any.clone()).await, ["g/3", "g/2", "g/1"]);
    assert_eq!(found(AuditFilter { organization: Some("1".into()), ..any.clone() }).await, ["g/2", "g/1"]);
    assert_eq!(found(AuditFilter { organization: Some(String::new()), ..any.clone() }).await, [""; 0]);
    assert_eq!(found(AuditFilter { subject: "7".into(), ..any.clone() }).await, ["g/1"]);
    assert_eq!(found(AuditFilter { action: "order.place".into(), ..any.clone() }).await, ["g/2", "g/1"]);
    assert_eq!(found(AuditFilter { from_us: 20, to_us: Some(30), ..any.clone() }).await, ["g/2"]);
    assert_eq!(found(AuditFilter { outcome: "no\0thing".into(), ..any.clone() }).await, [""; 0]);
    let (page, total) = store.audit(&any, Page::of(Some(2), Some(2))).await.unwrap();
    assert_eq!((page, total), (vec![entries[0].clone()], 3), "as it was recorded");
    let bad = vec![entry("g/4", 1, "1", "7", "a\0b")];
    assert!(matches!(store.record_audit(bad).await, Err(StoreError::Invalid(_))));
}

async fn a_key_is_published_until_what_it_signed_has_expired(on: On) {
    let (_place, store) = empty(on).await;
    let key = |kid: &str, created_at| PublicKey {
        kid: kid.into(),
        x: "x".into(),
        y: "y".into(),
        created_at,
        retired_at: None,
    };
    let published = async |now_us| -> Vec<String> {
        store.keys(now_us).await.unwrap().into_iter().map(|key| key.kid).collect()
    };
    store.add_key(key("old", SECOND), vec![]).await.unwrap();
    store.add_key(key("new", 5 * SECOND), vec!["old".into()]).await.unwrap();
    let lifetime = ACCESS_TOKEN_S.cast_signed() * SECOND;
    assert_eq!(published(5 * SECOND + lifetime).await, ["new", "old"]);
    let later = 5 * SECOND + lifetime + 121 * SECOND;
    assert_eq!(published(later).await, ["new"]);
    assert_eq!(store.purge(later).await.unwrap(), 1);
    assert_eq!(published(5 * SECOND).await, ["new"]);
    assert_eq!(published(5 * SECOND + 2 * KEY_S * SECOND).await, [""; 0], "of a machine that is gone");
}

async fn what_is_over_is_removed(on: On) {
    let (_place, store) = demo(on).await;
    let session = start(&store, 2, "s", 1, SECOND).await;
    store.issue_ticket([1; 32], 2, "s".into(), SECOND).await.unwrap();
    store.begin_attempt("a@b".into(), [3; 32], SECOND).await.unwrap();
    assert_eq!(store.purge(2 * SECOND).await.unwrap(), 0, "nothing yet");
    assert_eq!(store.purge(session.expires_at + 1).await.unwrap(), 3);
    assert_eq!(store.sessions(2, 0).await.unwrap(), []);
    assert_eq!(store.session_of([1; 32]).await.unwrap(), None);
    assert_eq!(store.audit(&AuditFilter::default(), Page::of(None, None)).await.unwrap().1, 1);
    assert_eq!(store.purge(SECOND + (audit::KEPT_S + 1) * SECOND).await.unwrap(), 1);
    assert_eq!(store.purge(i64::MAX / 2).await.unwrap(), 0);
}
