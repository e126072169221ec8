//! Tests of the handlers, by the trait that callers see.

use std::os::unix::fs::PermissionsExt as _;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use micronet_wire::authority::{AUDIENCE, ISSUER, TOKEN_TYPE, Ticket, authority_schema};
use micronet_wire::schema::Hidden;
use serde::Deserialize;

use super::*;
use crate::auth::api::auth_schema;
use crate::database::Database;
use crate::database::testing::{On, TempFolder, TestDatabase};
use crate::demo::Demo;
use crate::once::Keeping;
use micronet_wire::principal::Principal;

/// What a verifier reads.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Claims {
    iss: String,
    sub: String,
    org: String,
    sid: String,
    iat: i64,
    exp: i64,
    jti: String,
    permissions: Vec<String>,
    scopes: Vec<String>,
}

/// The service over a database that goes with it.
struct Fixture {
    _place: TestDatabase,
    folder: TempFolder,
    service: AuthService,
}

impl Fixture {
    async fn new(demo: Demo) -> Self {
        let place = TestDatabase::new(On::Sqlite);
        let database = Database::open(place.location(), AuthStore::MIGRATIONS).await.unwrap();
        let store = AuthStore::over(database, Keeping::default());
        store.seed(demo, 1).await.unwrap();
        let folder = TempFolder::new();
        let service = AuthService::new(store, Some(folder.file("auth")), None);
        Self { _place: place, folder, service }
    }

    async fn login(&self, email: &str, password: &str) -> Answer<Tokens> {
        let request = Login { email: email.into(), password: Hidden(password.into()) };
        self.service.login(&anonymous(), request).await
    }

    async fn client(&self) -> Tokens {
        self.login("client@demo.example", "client-demo").await.unwrap()
    }

    async fn refresh(&self, token: &Hidden) -> Answer<Tokens> {
        self.service.refresh(&anonymous(), Refresh { refresh_token: token.clone() }).await
    }

    /// As a verifier does it.
    async fn claims(&self, token: &Hidden) -> (String, Claims) {
        let header = jsonwebtoken::decode_header(&token.0).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::ES256, Some(TOKEN_TYPE)));
        let kid = header.kid.unwrap();
        let keys = self.service.keys(&anonymous()).await.unwrap().keys;
        let key = keys.iter().find(|key| key.kid == kid).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let key = DecodingKey::from_ec_components(&key.x, &key.y).unwrap();
        (kid, jsonwebtoken::decode::<Claims>(&token.0, &key, &validation).unwrap().claims)
    }

    /// As whom a verifier lets this token's bearer call.
    async fn bearer(&self, tokens: &Tokens) -> CallContext {
        let (_, claims) = self.claims(&tokens.access_token).await;
        CallContext {
            principal: Principal::User {
                subject: claims.sub,
                organization: claims.org,
                session: claims.sid,
                permissions: claims.permissions,
            },
            ..anonymous()
        }
    }
}

/// Nobody, with an idempotency token that nobody else has.
fn anonymous() -> CallContext {
    CallContext { token: Some(secrets::unique()), ..CallContext::default() }
}

#[track_caller]
fn code<T: std::fmt::Debug>(outcome: Answer<T>) -> Code {
    match outcome {
        Err(CallError::Rpc(error)) => error.code,
        other => panic!("an error should have come, not {other:?}"),
    }
}

fn registration(email: &str) -> Registration {
    Registration {
        email: email.into(),
        password: Hidden("correct horse".into()),
        full_name: "Ada".into(),
        organization: "Engines".into(),
        slug: None,
    }
}

#[test]
fn a_verifiers_part_of_the_schema_is_the_services_own() {
    let (part, whole) = (authority_schema(), auth_schema());
    for method in &part.methods {
        let own = whole.methods.iter().find(|own| own.id == method.id).unwrap();
        assert_eq!(
            (&own.access, own.idempotency, own.shape),
            (&method.access, method.idempotency, method.shape)
        );
        for (theirs, ours) in [(method.request, own.request), (method.reply, own.reply)] {
            let named = |schema: &micronet_wire::schema::ServiceSchema, at| match schema.type_at(at).unwrap()
            {
                micronet_wire::schema::Type::Struct { name, fields, .. } => {
                    (name.clone(), fields.iter().map(|field| field.name.clone()).collect())
                }
                other => (format!("{other:?}"), Vec::new()),
            };
            assert_eq!(named(&part, theirs), named(&whole, ours), "{}", method.name);
        }
    }
}

#[test]
fn secrets_are_in_no_text_that_a_log_could_hold() {
    let secret = || Hidden("sesame".into());
    let login = Login { email: "a@b".into(), password: secret() };
    let change = ChangePassword { current_password: secret(), new_password: secret() };
    let ticket = Ticket { ticket: "sesame".into() };
    let texts = format!(
        "{login:?} {change:?} {ticket:?} {:?} {:?}",
        Refresh { refresh_token: secret() },
        Registration { password: secret(), ..registration("a@b") }
    );
    assert!(texts.contains("a@b") && !texts.contains("sesame"), "{texts}");
}

#[tokio::test(flavor = "local")]
async fn who_signs_in_gets_a_token_that_says_who_and_what() {
    let auth = Fixture::new(Demo::Shop).await;
    let tokens = auth.client().await;
    let (_, claims) = auth.claims(&tokens.access_token).await;
    assert_eq!((claims.sub.as_str(), claims.org.as_str(), &claims.sid), ("2", "1", &tokens.session));
    let of_viewer = ["alerts:read", "control:read", "devices:read", "network:read", "reports:read"];
    assert_eq!(claims.permissions, of_viewer);
    assert_eq!((claims.exp - claims.iat, tokens.expires_in), (900, 900));
    assert!(!claims.jti.is_empty() && claims.scopes == ["api"]);
    let manager = auth.login("MANAGER@demo.example", "manager-demo").await.unwrap();
    assert_eq!(auth.claims(&manager.access_token).await.1.permissions, ["*"]);
    let me = auth.service.me(&auth.bearer(&tokens).await).await.unwrap();
    assert_eq!((me.account.unwrap().id, me.session), (2, Some(tokens.session)));
}

#[tokio::test(flavor = "local")]
async fn whatever_is_wrong_is_answered_alike() {
    let auth = Fixture::new(Demo::Shop).await;
    auth.service
        .store
        .create_account(
            crate::calls::once(&anonymous(), "test", &1_u32).unwrap(),
            super::super::store::NewAccount {
                organization_id: 1,
                email: "gone@demo.example".into(),
                hashed_password: auth.service.passwords.hash(Hidden("correct horse".into())).await.unwrap(),
                full_name: "Gone".into(),
                roles: super::super::store::Roles::default(),
            },
        )
        .await
        .unwrap();
    auth.service.store.set_active(3, false, 2).await.unwrap();
    let mut answers = Vec::new();
    for (email, password) in [
        ("client@demo.example", "client-demo "),
        ("nobody@demo.example", "client-demo"),
        ("gone@demo.example", "correct horse"),
        ("client@demo\0.example", "client-demo"),
    ] {
        answers.push(auth.login(email, password).await.unwrap_err());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(matches!(&answers[0], CallError::Rpc(error) if error.code == Code::InvalidCredentials));
    let operator = CallContext { principal: Principal::Operator, ..anonymous() };
    let log = auth.service.audit(
        &operator,
        AuditQuery { outcome: Some("INVALID_CREDENTIALS".into()), ..AuditQuery::default() },
    );
    let subjects: Vec<_> = log.await.unwrap().items.into_iter().map(|record| record.subject).collect();
    assert_eq!(subjects, ["3", "", "2"]);
}

#[tokio::test(flavor = "local")]
async fn guessing_is_slowed_down_whether_there_is_an_account_or_not() {
    let auth = Fixture::new(Demo::Shop).await;
    for email in ["client@demo.example", "nobody@demo.example"] {
        let mut answers = Vec::new();
        for _ in 0..6 {
            answers.push(code(auth.login(email, "wrong").await));
        }
        assert_eq!(answers.pop(), Some(Code::RateLimitExceeded));
        assert_eq!(answers, [Code::InvalidCredentials; 5]);
    }
}

#[tokio::test(flavor = "local")]
async fn a_refresh_token_that_comes_again_ends_the_session() {
    let auth = Fixture::new(Demo::Shop).await;
    let first = auth.client().await;
    let second = auth.refresh(&first.refresh_token).await.unwrap();
    assert_eq!(second.session, first.session);
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_ne!(auth.claims(&second.access_token).await.1.jti, auth.claims(&first.access_token).await.1.jti);
    assert_eq!(code(auth.refresh(&first.refresh_token).await), Code::InvalidCredentials);
    assert_eq!(
        code(auth.refresh(&second.refresh_token).await),
        Code::InvalidCredentials,
        "the family is revoked"
    );
    assert_eq!(auth.service.sessions(&auth.bearer(&second).await).await.unwrap().sessions, []);
}

#[tokio::test(flavor = "local")]
async fn signing_out_ends_one_session_or_all() {
    let auth = Fixture::new(Demo::Shop).await;
    let (a, b, c) = (auth.client().await, auth.client().await, auth.client().await);
    let logout = async |context: &CallContext, refresh_token: Option<&Tokens>, everywhere| {
        let refresh_token = refresh_token.map(|tokens| tokens.refresh_token.clone());
        auth.service.logout(context, Logout { refresh_token, everywhere }).await
    };
    assert_eq!(code(logout(&anonymous(), None, None).await), Code::Unauthenticated);
    assert_eq!(logout(&auth.bearer(&a).await, None, None).await.unwrap().ended, 1);
    assert_eq!(logout(&auth.bearer(&a).await, None, None).await.unwrap().ended, 0, "once more is no error");
    assert_eq!(code(auth.refresh(&a.refresh_token).await), Code::InvalidCredentials);
    assert_eq!(logout(&anonymous(), Some(&b), Some(true)).await.unwrap().ended, 2);
    assert_eq!(code(auth.refresh(&c.refresh_token).await), Code::InvalidCredentials);
}

#[tokio::test(flavor = "local")]
async fn another_password_ends_the_other_sessions() {
    let auth = Fixture::new(Demo::Shop).await;
    let (own, other) = (auth.client().await, auth.client().await);
    let change = |current: &str| ChangePassword {
        current_password: Hidden(current.into()),
        new_password: Hidden("correct horse".into()),
    };
    let context = auth.bearer(&own).await;
    assert_eq!(code(auth.service.change_password(&context, change("wrong")).await), Code::InvalidCredentials);
    assert_eq!(auth.service.change_password(&context, change("client-demo")).await.unwrap().ended, 1);
    assert_eq!(code(auth.login("client@demo.example", "client-demo").await), Code::InvalidCredentials);
    assert!(auth.refresh(&own.refresh_token).await.is_ok());
    assert_eq!(code(auth.refresh(&other.refresh_token).await), Code::InvalidCredentials);
    assert!(auth.login("client@demo.example", "correct horse").await.is_ok());
}

#[tokio::test(flavor = "local")]
async fn a_demonstration_tells_who_may_sign_in_until_they_have_passwords_of_their_own() {
    let auth = Fixture::new(Demo::Shop).await;
    let told = async || auth.service.setup_state(&anonymous()).await.unwrap().demo;
    let demo = told().await;
    assert_eq!(demo.iter().map(|of| of.role.as_str()).collect::<Vec<_>>(), ["manager", "client"]);
    for of in &demo {
        assert!(auth.login(&of.email, &of.password).await.is_ok(), "{}", of.email);
    }
    let client = auth.bearer(&auth.client().await).await;
    let change = ChangePassword {
        current_password: Hidden("client-demo".into()),
        new_password: Hidden("correct horse".into()),
    };
    auth.service.change_password(&client, change).await.unwrap();
    assert_eq!(told().await, demo[..1]);
    let empty = Fixture::new(Demo::None).await;
    assert!(empty.service.setup_state(&anonymous()).await.unwrap().demo.is_empty());
}

#[tokio::test(flavor = "local")]
async fn what_belongs_to_another_organization_is_not_there() {
    let auth = Fixture::new(Demo::Shop).await;
    let registered = auth.service.register(&anonymous(), registration("ada@example.com")).await.unwrap();
    assert_eq!((registered.organization.slug.as_str(), registered.account.is_superuser), ("engines", false));
    let again = auth.service.register(&anonymous(), registration("eve@example.com")).await.unwrap();
    assert!(again.organization.slug.starts_with("engines-"), "{}", again.organization.slug);
    let ada = auth.bearer(&auth.login("ada@example.com", "correct horse").await.unwrap()).await;
    let not_found = CallError::Service(AuthError::AccountNotFound { id: 2 });
    assert_eq!(auth.service.account(&ada, AccountId { id: 2 }).await.unwrap_err(), not_found);
    assert_eq!(auth.service.deactivate_account(&ada, AccountId { id: 2 }).await.unwrap_err(), not_found);
    let roles = RolesChange { id: 2, roles: vec!["viewer".into()] };
    assert_eq!(auth.service.set_roles(&ada, roles).await.unwrap_err(), not_found);
    let nobody = CallError::Service(AuthError::AccountNotFound { id: 999 });
    assert_eq!(auth.service.account(&ada, AccountId { id: 999 }).await.unwrap_err(), nobody);
    let own = auth.service.list_accounts(&ada, ListAccounts::default()).await.unwrap();
    assert_eq!(
        own.items.iter().map(|account| account.email.as_str()).collect::<Vec<_>>(),
        ["ada@example.com"]
    );
    let foreign = ListAccounts { organization_id: Some(1), ..ListAccounts::default() };
    assert_eq!(auth.service.list_accounts(&ada, foreign).await.unwrap().items, []);
    let elsewhere = NewAccount {
        email: "x@example.com".into(),
        password: Hidden("correct horse".into()),
        full_name: "X".into(),
        roles: None,
        organization_id: Some(1),
    };
    let refused = auth.service.create_account(&ada, elsewhere.clone()).await.unwrap_err();
    assert_eq!(refused, CallError::Service(AuthError::OrganizationNotFound { id: 1 }));
    let here = NewAccount { organization_id: None, ..elsewhere };
    let entered = auth.service.create_account(&ada, here).await.unwrap();
    assert_eq!(
        (entered.organization_id, entered.roles),
        (registered.organization.id, vec!["viewer".to_owned()])
    );
    // The admin of the first organization sees all.
    let manager = auth.bearer(&auth.login("manager@demo.example", "manager-demo").await.unwrap()).await;
    assert_eq!(
        auth.service.list_accounts(&manager, ListAccounts::default()).await.unwrap().pagination.total,
        5
    );
    assert!(auth.service.account(&manager, AccountId { id: registered.account.id }).await.is_ok());
}

#[tokio::test(flavor = "local")]
async fn a_ticket_tells_once_whom_it_was_given_to() {
    let auth = Fixture::new(Demo::Shop).await;
    let tokens = auth.client().await;
    let issued = auth.service.ticket(&auth.bearer(&tokens).await).await.unwrap();
    let redeem = async || auth.service.redeem(&anonymous(), Ticket { ticket: issued.ticket.0.clone() }).await;
    let bearer = redeem().await.unwrap();
    assert_eq!((bearer.sub.as_str(), bearer.org.as_str(), &bearer.sid), ("2", "1", &tokens.session));
    assert_eq!(bearer.permissions, tokens.permissions);
    assert_eq!(redeem().await.unwrap_err().code, Code::InvalidCredentials);
}

#[tokio::test(flavor = "local")]
async fn keys_are_files_that_nobody_else_reads_and_old_ones_stay_published() {
    let auth = Fixture::new(Demo::Shop).await;
    let tokens = auth.client().await;
    let (kid, _) = auth.claims(&tokens.access_token).await;
    let file = auth.folder.file("auth").join(format!("{kid}.key"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(auth.folder.file("auth")).unwrap().permissions().mode() & 0o777, 0o700);

    // Another instance on the same folder signs with the same key; one elsewhere makes its own.
    let beside = Signer::new(auth.service.store.clone(), Some(auth.folder.file("auth")));
    assert_eq!(beside.published().await.unwrap().keys[0].kid, kid);
    let elsewhere = Signer::new(auth.service.store.clone(), Some(auth.folder.file("elsewhere")));
    let keys = elsewhere.published().await.unwrap().keys;
    assert!(keys.len() == 2 && keys[0].kid != kid && keys[1].kid == kid, "{keys:?}");

    let rotated = auth.service.rotate(&anonymous()).await.unwrap().kid;
    assert_ne!(rotated, kid);
    assert!(!file.exists(), "it signs nothing more");
    assert_eq!(auth.claims(&tokens.access_token).await.0, kid, "what it has signed is still verified");
    assert_eq!(auth.claims(&auth.client().await.access_token).await.0, rotated);
    std::fs::set_permissions(
        auth.folder.file("auth").join(format!("{rotated}.key")),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let exposed = Signer::new(auth.service.store.clone(), Some(auth.folder.file("auth")));
    assert_eq!(
        exposed.published().await.unwrap_err().code,
        Code::Internal,
        "a key that others can read is none"
    );
}

#[tokio::test(flavor = "local")]
async fn the_first_account_is_made_by_a_code_that_is_good_once() {
    let auth = Fixture::new(Demo::None).await;
    let private = auth.folder.file("auth");
    setup::offer(&auth.service.store, Some(&private)).await.unwrap();
    setup::offer(&auth.service.store, Some(&private)).await.unwrap();
    let code_text = std::fs::read_to_string(code_file(&private)).unwrap();
    assert!(auth.service.setup_state(&anonymous()).await.unwrap().needed);
    let refused = auth.service.register(&anonymous(), registration("eve@example.com")).await.unwrap_err();
    assert_eq!(refused, CallError::Service(AuthError::NotSetUp));
    let setup = |code: &str| Setup {
        code: Hidden(code.into()),
        email: "ada@example.com".into(),
        password: Hidden("correct horse".into()),
        full_name: "Ada".into(),
        organization: "Analytical Engines".into(),
    };
    assert_eq!(code(auth.service.setup(&anonymous(), setup("guessed")).await), Code::InvalidCredentials);
    let made = auth.service.setup(&anonymous(), setup(&code_text)).await.unwrap();
    assert!(made.account.is_superuser && made.organization.is_home);
    assert!(!code_file(&private).exists() && !auth.service.setup_state(&anonymous()).await.unwrap().needed);
    let again = auth.service.setup(&anonymous(), setup(&code_text)).await.unwrap_err();
    assert_eq!(again, CallError::Service(AuthError::AlreadySetUp));
    assert!(auth.login("ada@example.com", "correct horse").await.is_ok());
}
