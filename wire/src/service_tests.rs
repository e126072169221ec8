//! What `#[service]` writes, used as a service is: a client calls a server, with no network between them.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::builtin::{BuiltinClient, BuiltinMethods, WithBuiltin, builtin_schema};
use crate::encoding::encode;
use crate::error::{Code, Retry, RpcError};
use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::limits::{ERROR_DETAIL_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::principal::Principal;
use crate::schema::{
    Access, CallShape, Decimal, EncodedSchema, HttpBinding, Idempotency, Media, Message, Method, SchemaError,
    Timestamp, Type, method_id,
};
use crate::service::{Bytes, CallContext, CallError, CallOptions, Caller, Reply, Service, service};

/// Asks for a product.
#[derive(Message, Debug, Clone, PartialEq)]
struct Query {
    /// As `Tux`.
    #[field(min = 1, max = 64)]
    name: String,
}

/// A toy for sale.
#[derive(Message, Debug, Clone, PartialEq)]
struct ProductInfo {
    name: String,
    price: Decimal<2>,
}

/// Why a product can't be had.
#[derive(Message, Debug, Clone, PartialEq)]
enum ProductError {
    /// Nobody has it.
    #[status(404)]
    NotFound,
    #[status(409)]
    OutOfStock {
        left: u32,
    },
    Unlucky {
        words: String,
    },
}

impl fmt::Display for ProductError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => write!(f, "no such product"),
            Self::OutOfStock { left } => write!(f, "only {left} left"),
            Self::Unlucky { .. } => write!(f, "no luck"),
        }
    }
}

/// The catalog of toys.
#[service(name = "product")]
trait Product {
    /// One product by its name.
    ///
    /// Names are exact.
    #[rpc(http("GET /api/v1/products/{name}", "GET /products/{name}"), idempotent, public, rate = "shop")]
    async fn query(
        &self,
        context: &CallContext,
        request: Query,
    ) -> Result<ProductInfo, CallError<ProductError>>;

    /// Sets stock aside.
    #[rpc(service("order", "cart"))]
    async fn reserve(&self, context: &CallContext, request: Query) -> Result<u32, CallError<ProductError>>;

    #[rpc(http("POST /orders"), public, status = 201)]
    async fn r#move(&self, context: &CallContext, request: Query) -> Result<(), RpcError>;

    /// The log, for people.
    #[rpc(http("GET /log"), text, permission = "orders:read", idempotent)]
    async fn log(&self, context: &CallContext) -> Result<String, RpcError>;

    /// Somebody looked.
    #[rpc(one_way, service)]
    async fn seen(&self, context: &CallContext, request: Query);
}

/// Answers by the name that is asked for, and remembers who asked.
#[derive(Debug, Default)]
struct Shop {
    asked: RefCell<Vec<String>>,
}

impl Product for Shop {
    async fn query(
        &self,
        context: &CallContext,
        request: Query,
    ) -> Result<ProductInfo, CallError<ProductError>> {
        self.asked.borrow_mut().push(context.principal.key());
        match request.name.as_str() {
            "Tux" => Ok(ProductInfo { name: request.name, price: Decimal(2599) }),
            "Broken" => Err(RpcError::new(Code::Database, "the disk is full").into()),
            "Draining" => Err(RpcError::new(Code::Draining, "another service drains").into()),
            "Foreign" => Err(foreign().into()),
            "Unlucky" => {
                let words = "x".repeat(ERROR_DETAIL_BYTES_MAX);
                Err(CallError::Service(ProductError::Unlucky { words }))
            }
            "Sold" => Err(CallError::Service(ProductError::OutOfStock { left: 2 })),
            _ => Err(CallError::Service(ProductError::NotFound)),
        }
    }

    async fn reserve(&self, _context: &CallContext, request: Query) -> Result<u32, CallError<ProductError>> {
        Ok(u32::try_from(request.name.len()).unwrap())
    }

    async fn r#move(&self, context: &CallContext, _request: Query) -> Result<(), RpcError> {
        context.token()?;
        Ok(())
    }

    async fn log(&self, _context: &CallContext) -> Result<String, RpcError> {
        Ok(self.asked.borrow().join("\n"))
    }

    async fn seen(&self, context: &CallContext, request: Query) {
        self.asked.borrow_mut().push(format!("{} sees {}", context.principal.key(), request.name));
    }
}

/// The error of another service, whose detail means something else here.
fn foreign() -> RpcError {
    RpcError { detail: encode(&1_u32).unwrap(), ..RpcError::new(Code::Application, "out of range") }
}

/// Makes calls on a service in the same process.
struct Direct<S> {
    service: S,
    principal: Principal,
}

impl<S: Service> Caller for Direct<S> {
    async fn call(&self, method: u32, request: Bytes, options: CallOptions) -> Result<Reply, RpcError> {
        let context =
            CallContext { principal: self.principal.clone(), token: options.token, ..CallContext::default() };
        let body = self.service.handle(Box::new(context), method, request).await?;
        Ok(Reply { body, ledger: Ledger::default() })
    }

    async fn send(&self, method: u32, request: Bytes, _: CallOptions) -> Result<(), RpcError> {
        let context =
            CallContext { principal: self.principal.clone(), one_way: true, ..CallContext::default() };
        let answer = self.service.handle(Box::new(context), method, request).await;
        assert!(answer.is_err() || answer.is_ok_and(|reply| reply.is_empty()));
        Ok(())
    }
}

/// Answers every call alike.
struct Canned(Result<Bytes, RpcError>);

impl Caller for Canned {
    async fn call(&self, _: u32, _: Bytes, _: CallOptions) -> Result<Reply, RpcError> {
        self.0.clone().map(|body| Reply { body, ledger: Ledger::default() })
    }

    async fn send(&self, _: u32, _: Bytes, _: CallOptions) -> Result<(), RpcError> {
        self.0.clone().map(|_| ())
    }
}

/// The result of a future that never waits.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn user(permissions: &[&str]) -> Principal {
    Principal::User {
        subject: "ada".into(),
        organization: String::new(),
        session: String::new(),
        permissions: permissions.iter().map(ToString::to_string).collect(),
    }
}

fn client(principal: Principal) -> ProductClient<Direct<ProductServer<Shop>>> {
    let service = ProductServer::new(Shop::default()).unwrap();
    ProductClient::new(Direct { service, principal })
}

fn named(name: &str) -> Query {
    Query { name: name.into() }
}

fn code<T: fmt::Debug>(result: Result<T, RpcError>) -> Code {
    result.unwrap_err().code
}

#[test]
fn a_call_returns_what_the_handler_returned() {
    let client = client(Principal::Anonymous);
    let query = |name: &str| now(client.query(&named(name), CallOptions::default()));
    assert_eq!(query("Tux"), Ok(ProductInfo { name: "Tux".into(), price: Decimal(2599) }));
    assert_eq!(query("Nix"), Err(CallError::Service(ProductError::NotFound)));
    assert_eq!(query("Sold"), Err(CallError::Service(ProductError::OutOfStock { left: 2 })));
    assert_eq!(query("Broken"), Err(RpcError::new(Code::Database, "the disk is full").into()));
    let long = RpcError::new(Code::Internal, "an error with too long a detail: no luck");
    assert_eq!(query("Unlucky"), Err(long.into()));
    assert_eq!(
        code(now(client.r#move(&named("Tux"), CallOptions::default()))),
        Code::TokenMissing,
        "a handler's `?`"
    );
    assert_eq!(now(client.r#move(&named("Tux"), CallOptions::default().token("once"))), Ok(()));
}

#[test]
fn a_one_way_call_is_made_and_nothing_is_heard_of_it() {
    let order = client(Principal::Service { name: "order".into() });
    assert_eq!(now(order.seen(&named("Tux"), CallOptions::default())), Ok(()));
    assert_eq!(*order.caller.service.service.asked.borrow(), ["service/order sees Tux"]);
    // Permissions hold as for any method, but nobody is told.
    let anyone = client(Principal::Anonymous);
    assert_eq!(now(anyone.seen(&named("Tux"), CallOptions::default())), Ok(()));
    assert_eq!(*anyone.caller.service.service.asked.borrow(), [""; 0]);
    let refused = Canned(Err(RpcError::new(Code::Unavailable, "nobody is there")));
    let seen = now(ProductClient::new(refused).seen(&named("Tux"), CallOptions::default()));
    assert_eq!(code(seen), Code::Unavailable);
}

#[test]
fn a_call_has_the_shape_of_its_method() {
    let server = ProductServer::new(Shop::default()).unwrap();
    let shape = |one_way, method: u32| {
        let context = CallContext { principal: Principal::Operator, one_way, ..CallContext::default() };
        now(server.handle(Box::new(context), method, Bytes::from_static(b"\x03Tux")))
            .map_err(|error| error.code)
    };
    assert_eq!(shape(true, ProductMethods::SEEN), Ok(Bytes::new()));
    assert_eq!(shape(false, ProductMethods::SEEN), Err(Code::BadRequest));
    assert!(shape(false, ProductMethods::QUERY).is_ok());
    assert_eq!(shape(true, ProductMethods::QUERY), Err(Code::BadRequest));
    assert_eq!(server.service.asked.borrow().len(), 2, "what is of another shape isn't executed");
}

#[test]
fn constraints_hold_where_the_request_arrives() {
    let client = client(Principal::Anonymous);
    for (name, words) in [
        (String::new(), "name: expected at least 1 character, found 0"),
        ("é".repeat(65), "name: expected at most 64 characters, found 65"),
    ] {
        let Err(CallError::Rpc(error)) = now(client.query(&named(&name), CallOptions::default())) else {
            panic!("{name:?} is taken")
        };
        assert_eq!((error.code, error.message.as_str()), (Code::InvalidInput, words));
        assert_eq!(Faults::of(&error).unwrap().list()[0].field, "name");
    }
    assert!(client.caller.service.service.asked.borrow().is_empty(), "no handler has seen it");
    // Who may not call learns nothing of constraints.
    let refused = now(client.reserve(&named(""), CallOptions::default()));
    assert!(matches!(refused, Err(CallError::Rpc(error)) if error.code == Code::Unauthenticated));
    let longest = now(client.query(&named(&"é".repeat(64)), CallOptions::default()));
    assert_eq!(longest, Err(CallError::Service(ProductError::NotFound)));
}

#[test]
fn errors_of_other_services_are_not_taken_for_own_ones() {
    let client = client(Principal::Anonymous);
    let query = |name: &str| match now(client.query(&named(name), CallOptions::default())) {
        Err(CallError::Rpc(error)) => error,
        other => panic!("{other:?}"),
    };
    let passed = query("Foreign");
    assert_eq!(
        (passed.code, passed.message.as_str()),
        (Code::External, "a service behind this one refused: out of range")
    );
    assert!(passed.detail.is_empty());
    // The handler has started, whatever it heard from whom it called.
    let passed = query("Draining");
    assert_eq!((passed.code, passed.retry), (Code::Draining, Retry::MaybeExecuted));
}

#[test]
fn access_is_checked_by_the_schema() {
    let service = || Principal::Service { name: "order".into() };
    let other = || Principal::Service { name: "gateway".into() };
    let reserve = |principal| {
        now(client(principal).reserve(&named("Tux"), CallOptions::default())).map_err(|e| match e {
            CallError::Rpc(error) => error,
            CallError::Service(error) => panic!("{error}"),
        })
    };
    assert_eq!(reserve(service()), Ok(3));
    assert_eq!(reserve(Principal::Operator), Ok(3));
    assert_eq!(code(reserve(Principal::Anonymous)), Code::Unauthenticated);
    assert_eq!(code(reserve(user(&["*"]))), Code::InsufficientPermissions);
    let refused = reserve(other()).unwrap_err();
    assert_eq!(refused.code, Code::InsufficientPermissions);
    assert!(refused.message.contains("the service order or cart"), "{refused}");
    let signed_in = |principal: &Principal| crate::service::authorize(principal, &Access::SignedIn);
    assert_eq!((signed_in(&user(&[])), signed_in(&Principal::Operator)), (Ok(()), Ok(())));
    assert_eq!(signed_in(&Principal::Anonymous).unwrap_err().code, Code::Unauthenticated);
    assert_eq!(signed_in(&other()).unwrap_err().code, Code::InsufficientPermissions);
    // Any service may say that somebody looked.
    assert!(crate::service::authorize(&other(), &Access::Service).is_ok());

    let log = |principal| now(client(principal).log(CallOptions::default()));
    assert_eq!(log(user(&["orders:read"])), Ok(String::new()));
    assert_eq!(log(Principal::Operator), Ok(String::new()));
    assert_eq!(code(log(Principal::Anonymous)), Code::Unauthenticated);
    assert_eq!(code(log(service())), Code::InsufficientPermissions);
    let refused = log(user(&["orders:write"])).unwrap_err();
    assert_eq!(refused.code, Code::InsufficientPermissions);
    assert!(refused.message.contains("orders:read"), "{refused}");
}

#[test]
fn what_is_no_call_is_refused() {
    let server = ProductServer::new(Shop::default()).unwrap();
    let handle = |principal: Principal, method: u32, request: &'static [u8]| {
        let context = CallContext { principal, ..CallContext::default() };
        now(server.handle(Box::new(context), method, Bytes::from_static(request)))
    };
    let cases: [(Principal, u32, &[u8], Code); 6] = [
        (Principal::Operator, 0, b"", Code::UnknownMethod),
        (Principal::Operator, ProductMethods::QUERY, b"", Code::BadRequest),
        (Principal::Operator, ProductMethods::QUERY, b"\x03Tux!", Code::BadRequest),
        (Principal::Operator, ProductMethods::QUERY, b"\x01\xff", Code::BadRequest),
        (Principal::Operator, ProductMethods::LOG, b"\x00", Code::BadRequest),
        // The request isn't looked at before it is known that the principal may call.
        (Principal::Anonymous, ProductMethods::RESERVE, b"\xff", Code::Unauthenticated),
    ];
    for (principal, method, request, expected) in cases {
        assert_eq!(code(handle(principal, method, request)), expected, "{method:#x} {request:?}");
    }
    assert!(handle(Principal::Operator, ProductMethods::QUERY, b"\x03Tux").is_ok());
}

#[test]
fn a_client_believes_no_answer_of_another_type() {
    let query = |canned, name: &str| {
        now(ProductClient::new(Rc::new(Canned(canned))).query(&named(name), CallOptions::default()))
    };
    let rpc = |answer: Result<ProductInfo, CallError<ProductError>>| match answer {
        Err(CallError::Rpc(error)) => error.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(rpc(query(Ok(Bytes::from_static(b"\x00")), "Tux")), Code::Protocol);
    let detail = Bytes::from_static(b"\x07");
    let error = RpcError { detail, ..RpcError::new(Code::Application, "from a newer version") };
    assert_eq!(rpc(query(Err(error), "Tux")), Code::Application);
    // Refused before it is sent: the answer would be another.
    let long = "x".repeat(MESSAGE_BYTES_MAX);
    assert_eq!(rpc(query(Ok(Bytes::new()), &long)), Code::MessageTooLarge);
}

#[test]
fn the_schema_says_what_the_trait_says() {
    let method = |name: &str, request, reply, error| Method {
        id: method_id(&format!("product.{name}")),
        name: name.into(),
        doc: String::new(),
        request,
        reply,
        error,
        shape: CallShape::Unary,
        idempotency: Idempotency::No,
        access: Access::Public,
        rate_class: "api".into(),
        http: vec![],
        http_status: 200,
        media: Media::Json,
        cache: String::new(),
        errors: Vec::new(),
    };
    let http = |method: &str, path: &str| HttpBinding { method: method.into(), path: path.into() };
    let schema = product_schema();
    let at = |wanted: &str| {
        let named = |of: &Type| match of {
            Type::Struct { name, .. } | Type::Enum { name, .. } => name == wanted,
            other => format!("{other:?}") == wanted,
        };
        u32::try_from(schema.types.iter().position(named).unwrap()).unwrap()
    };
    let expected = [
        Method {
            doc: "One product by its name.\n\nNames are exact.".into(),
            idempotency: Idempotency::Idempotent,
            rate_class: "shop".into(),
            http: vec![http("GET", "/api/v1/products/{name}"), http("GET", "/products/{name}")],
            ..method("query", at("Query"), at("ProductInfo"), Some(at("ProductError")))
        },
        Method {
            doc: "Sets stock aside.".into(),
            access: Access::Services { names: vec!["order".into(), "cart".into()] },
            ..method("reserve", at("Query"), at("U32"), Some(at("ProductError")))
        },
        Method {
            http: vec![http("POST", "/orders")],
            http_status: 201,
            ..method("move", at("Query"), at("Unit"), None)
        },
        Method {
            doc: "The log, for people.".into(),
            idempotency: Idempotency::Idempotent,
            access: Access::Permission { name: "orders:read".into() },
            http: vec![http("GET", "/log")],
            media: Media::Text,
            ..method("log", at("Unit"), at("String"), None)
        },
        Method {
            doc: "Somebody looked.".into(),
            access: Access::Service,
            shape: CallShape::OneWay,
            ..method("seen", at("Query"), at("Unit"), None)
        },
    ];
    assert_eq!(schema.methods, expected);
    assert_eq!((schema.name.as_str(), schema.doc.as_str()), ("product", "The catalog of toys."));
    assert_eq!(schema.types.len(), 7, "each type once: {:?}", schema.types);
    assert_eq!(ProductMethods::SERVICE_NAME, "product");
    assert_eq!(ProductMethods::METHOD_IDS, expected.map(|method| method.id));
    assert_eq!(ProductMethods::MOVE, method_id("product.move"));
    let encoded = EncodedSchema::new(schema.clone()).unwrap();
    assert_eq!(EncodedSchema::decode(encoded.encoded().clone()).unwrap().schema(), &schema);
}

/// A path whose parameter is no field of the request: the macro can't see that, the schema's validation does.
mod misbound {
    use super::*;

    #[service(name = "misbound")]
    pub(super) trait Misbound {
        #[rpc(http("GET /{id}"), public, idempotent)]
        async fn query(&self, context: &CallContext, request: Query) -> Result<u8, RpcError>;
    }

    impl Misbound for () {
        async fn query(&self, _context: &CallContext, _request: Query) -> Result<u8, RpcError> {
            Ok(0)
        }
    }
}

#[test]
fn a_server_with_an_invalid_schema_does_not_start() {
    let refused = misbound::MisboundServer::new(()).map(|_| ()).unwrap_err();
    assert!(matches!(&refused, SchemaError::Invalid(words) if words.contains("{id}")), "{refused}");
}

#[test]
fn every_server_tells_its_schema_and_who_it_is() {
    EncodedSchema::new(builtin_schema()).unwrap();
    let own = ProductServer::new(Shop::default()).unwrap();
    let service = WithBuiltin::new(own, "product-2", "1.2.3", Timestamp(5)).unwrap();
    let caller = Rc::new(Direct { service, principal: Principal::Anonymous });
    let builtin = BuiltinClient::new(Rc::clone(&caller));

    let told = now(builtin.schema(CallOptions::default())).unwrap();
    let schema = EncodedSchema::decode(told.schema.0.into()).unwrap();
    assert_eq!(schema.schema(), &product_schema());
    assert_eq!(schema.fingerprint().0[..], told.fingerprint.0[..]);
    assert_eq!(schema.fingerprint(), caller.service.schema().fingerprint());

    let instance = now(builtin.instance(CallOptions::default())).unwrap();
    assert_eq!((instance.service.as_str(), instance.instance.as_str()), ("product", "product-2"));
    assert_eq!((instance.version.as_str(), instance.started), ("1.2.3", Timestamp(5)));

    let product = ProductClient::new(Rc::clone(&caller));
    assert!(now(product.query(&named("Tux"), CallOptions::default())).is_ok());
    assert_eq!(BuiltinMethods::SCHEMA, method_id("micronet.schema"));
}
