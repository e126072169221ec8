//! Who may not do what, and what they hear: by RPC with every kind of credential, and by HTTP on both kinds of ports.

use micronet_services::product::api::{
    InventoryAfter, NewProduct, Pieces, ProductClient, Query, Reservation,
};
use micronet_services::user::api::{Get, UserClient};
use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::rpc::{Caller, call};
use micronet_transport::client::Client;
use micronet_transport::identity::Identity;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::Decimal;
use micronet_wire::service::{CallError, CallOptions};

use crate::envelope::check_envelope;
use crate::mtls::holder;

/// The methods that are called.
const METHODS: [&str; 7] = [
    "product.query",
    "product.create",
    "product.reserve",
    "product.settle",
    "product.inventory",
    "product.events",
    "user.remove",
];

/// What came of a call: nothing wrong, or a code. An error of the service's own means that its handler was asked.
fn code<T, E>(outcome: Result<T, CallError<E>>) -> Option<Code> {
    match outcome {
        Ok(_) | Err(CallError::Service(_)) => None,
        Err(CallError::Rpc(error)) => Some(error.code),
    }
}

/// Calls a method with a request that makes sense.
async fn outcome(method: &str, client: Client) -> Option<Code> {
    let pieces = || Pieces { name: "Tux".into(), quantity: 1 };
    let of_rpc = |outcome: Result<(), RpcError>| outcome.err().map(|error| error.code);
    let once = || CallOptions::default().token(format!("once-{method}"));
    let product = ProductClient::new(client.clone());
    match method {
        "product.query" => code(product.query(&Query { name: "Tux".into() }, CallOptions::default()).await),
        "product.create" => {
            let new = NewProduct { name: "Penguin".into(), price: Decimal(1), quantity: None };
            code(product.create(&new, once()).await)
        }
        "product.reserve" => code(product.reserve(&pieces(), once()).await),
        "product.settle" => {
            let nothing = Reservation { token: "nothing".into() };
            code(product.settle(&nothing, CallOptions::default()).await)
        }
        "product.inventory" => {
            of_rpc(product.inventory(&InventoryAfter::default(), CallOptions::default()).await.map(drop))
        }
        "product.events" => {
            of_rpc(product.events(&Default::default(), CallOptions::default()).await.map(drop))
        }
        "user.remove" => code(UserClient::new(client).remove(&Get { id: 3 }, once()).await),
        other => panic!("{other} is not called here"),
    }
}

/// Knows a caller by a secret that it proves.
fn by_secret(network: &Network, caller: Caller) -> Identity {
    caller.identity(network.folder())
}

/// Knows a caller by its certificate.
fn by_certificate(network: &Network, caller: Caller) -> Identity {
    match caller {
        Caller::Member(node) => holder(network.folder(), &format!("{node}-1")),
        Caller::Operator => holder(network.folder(), "operator"),
        Caller::Stranger => panic!("a stranger has no certificate"),
    }
}

#[test]
fn each_kind_of_caller_may_call_what_is_for_it() {
    check_callers(&Network::start("shop"), true, by_secret);
    check_callers(&Network::start_in(Folder::new(), &["--demo", "shop", "--mtls"]), false, by_certificate);
}

/// Calls everything as everybody; in mTLS there are no strangers.
fn check_callers(network: &Network, strangers: bool, identity: impl Fn(&Network, Caller) -> Identity) {
    let (unknown, too_little) = (Some(Code::Unauthenticated), Some(Code::InsufficientPermissions));
    // In the order of the methods.
    let table = [
        (Caller::Stranger, [None, unknown, unknown, unknown, unknown, unknown, unknown]),
        (Caller::Member("order"), [None, too_little, None, None, too_little, None, too_little]),
        // What product does for order, it does for nobody else of the cluster.
        (Caller::Member("gateway"), [None, too_little, too_little, too_little, too_little, None, too_little]),
        (Caller::Operator, [None, None, None, None, None, None, None]),
    ];
    for (caller, wanted) in table.into_iter().filter(|(caller, _)| strangers || *caller != Caller::Stranger) {
        for (method, wanted) in METHODS.into_iter().zip(wanted) {
            let instance = if method.starts_with("user.") { "user-1" } else { "product-1" };
            let identity = identity(network, caller);
            let found =
                call(network.address(instance), &identity, async |client| outcome(method, client).await);
            assert_eq!(found, wanted, "{method} as {caller:?}");
        }
    }
    assert_eq!(Code::Unauthenticated.http_status(), 401);
    assert_eq!(Code::InsufficientPermissions.http_status(), 403);
}

/// METHOD TARGET, headers, and a body; the answer's status and code.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

#[test]
fn what_cannot_be_read_or_believed_is_refused_alike_on_both_ports() {
    const JSON: (&str, &str) = ("Content-Type", "application/json");
    let network = Network::start("shop");
    let bearer = format!("Bearer {}", network.folder().operator_token());
    let operator = ("Authorization", bearer.as_str());
    let wrong = ("Authorization", "Bearer 0000000000000000000000000000000000000000000000000000000000000000");
    let penguin = r#"{"name":"Penguin","price":12.50}"#;
    let cases: &[Case<'_>] = &[
        ("POST /products", &[JSON], penguin, 401, "UNAUTHENTICATED"),
        ("POST /products", &[JSON, wrong], penguin, 401, "INVALID_CREDENTIALS"),
        ("POST /products", &[JSON, ("Authorization", "Basic YTpi")], penguin, 401, "UNAUTHENTICATED"),
        // Also where everybody may ask: who shows a credential means it.
        ("GET /products/Tux", &[wrong], "", 401, "INVALID_CREDENTIALS"),
        ("POST /products", &[operator], penguin, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            "POST /products",
            &[operator, ("Content-Type", "text/plain")],
            penguin,
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        ("POST /products", &[operator, JSON], r#"{"name":"Penguin","#, 400, "BAD_REQUEST"),
        // Without a body nothing is said, so everything is missing.
        ("POST /products", &[operator, JSON], "", 422, "MISSING_REQUIRED_FIELD"),
        ("POST /products", &[operator, JSON], "{} {}", 400, "BAD_REQUEST"),
        ("POST /products", &[operator, JSON], penguin, 201, ""),
    ];
    for port in [network.gateway(), network.address("product-1")] {
        let mut http = HttpClient::connect(port);
        for (request, headers, body, status, code) in cases {
            let (method, target) = request.split_once(' ').expect("METHOD TARGET");
            let answer = http.request(method, target, headers, body.as_bytes());
            let shown = format!("{port}: {request} {body}\n{}", answer.shown());
            assert_eq!(answer.status(), *status, "{shown}");
            check_envelope(&answer);
            assert_eq!(answer.at("/error/code").as_str().unwrap_or_default(), *code, "{shown}");
        }
        // So that the next port can create it too.
        http.request("DELETE", "/products/Penguin", &[operator], b"").check(200);
    }
}
