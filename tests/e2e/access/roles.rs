//! The table of roles, both ways: each role may do what stands in its row, through every path that needs a permission, and nothing else.

use micronet_tests::network::Network;
use micronet_tests::rpc::{Caller, call};
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::schema::{Access, EncodedSchema};
use micronet_wire::service::CallOptions;
use serde_json::{Value, json};

use super::{Browser, network};

/// A role, and what it permits.
type Row<'a> = (&'a str, &'a [&'a str]);

/// In the organization that was there first.
const AT_HOME: [Row<'_>; 4] = [
    ("admin", &["*"]),
    ("operator", &["devices:read", "devices:write", "alerts:read", "alerts:write"]),
    ("viewer", &["devices:read", "alerts:read", "reports:read", "control:read", "network:read"]),
    ("api_user", &["devices:read", "metrics:read"]),
];

/// The admin of any other.
const ELSEWHERE: &[&str] = &["accounts:*", "devices:*", "alerts:*", "reports:*", "metrics:*", "audit:read"];
/// The viewer of any other.
const VIEWER_ELSEWHERE: &[&str] = &["devices:read", "alerts:read", "reports:read"];

/// Whether these permissions hold one: as the table is read by people.
fn permits(own: &[&str], permission: &str) -> bool {
    let family = permission.split(':').next().unwrap_or_default();
    own.contains(&"*") || own.contains(&permission) || own.contains(&format!("{family}:*").as_str())
}

/// A request, and the permission that it needs.
#[derive(Debug)]
struct Door {
    request: String,
    permission: String,
}

/// Every path of the network that needs a permission, by what its instances say of themselves.
fn doors(network: &Network) -> Vec<Door> {
    let operator = Caller::Operator.identity(network.folder());
    let mut doors = Vec::new();
    for instance in ["auth-1", "user-1", "product-1", "order-1", "node-1", "control-1"] {
        let schema = call(network.address(instance), &operator, async |client| {
            BuiltinClient::new(client).schema(CallOptions::default()).await.expect("a schema")
        });
        let schema = EncodedSchema::decode(schema.schema.0.into()).expect("a schema");
        for method in &schema.schema().methods {
            let Access::Permission { name } = &method.access else { continue };
            for binding in method.paths() {
                // Nothing has this number, or this name.
                let mut path = String::new();
                for part in binding.path.split('/').skip(1) {
                    path.push('/');
                    path.push_str(if part.starts_with('{') { "999999999" } else { part });
                }
                doors.push(Door { request: format!("{} {path}", binding.method), permission: name.clone() });
            }
        }
    }
    doors
}

/// What a request that changes something brings along: nothing that any method would take.
fn body(request: &str) -> Value {
    if request.starts_with("GET ") { Value::Null } else { json!({ "no field of anything": 1 }) }
}

#[test]
fn every_role_may_do_what_stands_in_its_row_and_nothing_else() {
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let manager = browser.manager();
    let mut everybody: Vec<(String, String, &[&str])> = Vec::new();
    for (role, permissions) in AT_HOME {
        let tokens = browser.enter(&manager, role, &[role]);
        everybody.push((role.to_owned(), tokens.access, permissions));
    }
    let viewer = AT_HOME[2].1;
    everybody.push(("client".into(), browser.sign_in("client@demo.example", "client-demo").access, viewer));
    everybody.push(("manager".into(), manager.access, &["*"]));
    let elsewhere = browser.register("elsewhere");
    let looks_on = browser.enter(&elsewhere, "onlooker", &["viewer"]);
    everybody.push(("viewer elsewhere".into(), looks_on.access, VIEWER_ELSEWHERE));
    everybody.push(("admin elsewhere".into(), elsewhere.access, ELSEWHERE));
    for (name, token, permissions) in &everybody {
        let me = browser.ask(Some(token), "GET /auth/me", &Value::Null).check(200);
        let mut wanted = permissions.to_vec();
        wanted.sort_unstable();
        assert_eq!(me.at("/data/permissions"), json!(wanted), "{name}");
    }
    let doors = doors(&network);
    assert!(doors.len() > 30, "{doors:?}");
    let (mut let_in, mut sent_away) = (0, 0);
    for Door { request, permission } in &doors {
        let nobody = browser.ask(None, request, &body(request));
        assert_eq!((nobody.status(), nobody.at("/error/code")), (401, json!("UNAUTHENTICATED")), "{request}");
        assert_eq!(nobody.header("WWW-Authenticate"), Some("Bearer"), "{request}");
        for (name, token, own) in &everybody {
            let answer = browser.ask(Some(token), request, &body(request));
            let said = format!("{name}: {request} needs {permission}: {}", answer.shown());
            if permits(own, permission) {
                assert!(!matches!(answer.status(), 401 | 403 | 500..), "{said}");
                let_in += 1;
            } else {
                assert_eq!(
                    (answer.status(), answer.at("/error/code")),
                    (403, json!("INSUFFICIENT_PERMISSIONS")),
                    "{said}"
                );
                sent_away += 1;
            }
        }
    }
    assert!(
        let_in > 2 * doors.len() && sent_away > 3 * doors.len(),
        "{let_in} and {sent_away} of {}",
        doors.len()
    );
}

#[test]
fn the_storefront_is_open_to_everybody() {
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let client = browser.sign_in("client@demo.example", "client-demo").access;
    for token in [None, Some(&*client)] {
        browser.ask(token, "GET /products/Tux", &Value::Null).check(200);
        let order = browser.ask(token, "POST /orders", &json!({ "name": "Whale", "quantity": 1 })).check(201);
        let number = order.at("/data/order_num");
        browser.ask(token, &format!("GET /orders/{number}"), &Value::Null).check(200);
    }
}

#[test]
fn what_another_organization_has_is_not_there() {
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let (one, other) = (browser.register("one"), browser.register("other"));
    let me = |browser: &mut Browser, token: &str| {
        let me = browser.ask(Some(token), "GET /auth/me", &Value::Null).check(200);
        (me.at("/data/account/id"), me.at("/data/account/organization_id"))
    };
    let ((account, organization), _) = (me(&mut browser, &one.access), me(&mut browser, &other.access));
    let name = json!({ "full_name": "Somebody" });
    for (request, body) in [
        (format!("GET /api/v1/accounts/{account}"), Value::Null),
        (format!("PUT /api/v1/accounts/{account}"), name.clone()),
        (format!("PUT /api/v1/accounts/{account}/roles"), json!({ "roles": ["viewer"] })),
        (format!("POST /api/v1/accounts/{account}/deactivate"), Value::Null),
        (format!("GET /api/v1/organizations/{organization}"), Value::Null),
    ] {
        let refused = browser.ask(Some(&other.access), &request, &body);
        // As if it weren't there: what isn't there at all is answered alike.
        let nothing = request
            .replace(&format!("/{account}"), "/999999999")
            .replace(&format!("/{organization}"), "/999999999");
        let missing = browser.ask(Some(&other.access), &nothing, &body);
        assert_eq!(refused.status(), 404, "{request}: {}", refused.shown());
        assert_eq!(refused.at("/error/code"), missing.at("/error/code"), "{request}");
        assert_eq!(missing.status(), 404, "{nothing}");
    }
    browser.ask(Some(&one.access), &format!("GET /api/v1/accounts/{account}"), &Value::Null).check(200);
    let listed = browser.ask(Some(&other.access), "GET /api/v1/accounts", &Value::Null).check(200);
    assert_eq!(listed.at("/pagination/total"), 1, "{}", listed.shown());
}
