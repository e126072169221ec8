//! The `#[service]` and `#[derive(Message)]` macros of `micronet-wire`.
//!
//! What they expand to names that crate as `::micronet_wire`, so this one is used through its reexports:
//! `micronet_wire::schema::Message` and `micronet_wire::service::service`.

mod attributes;
mod constraints;
mod expansion;
mod message;
mod rpc;
mod service;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// Makes a struct or an enum a message: gives it an encoding and a description in the schema.
///
/// ```
/// use micronet_wire::schema::{Decimal, Message};
///
/// /// A toy for sale.
/// #[derive(Message)]
/// pub struct Toy {
///     /// As `Tux`.
///     pub name: String,
///     pub price: Decimal<2>,
///     pub kind: Kind,
/// }
///
/// /// What a toy is.
/// #[derive(Message)]
/// pub enum Kind {
///     Plush,
///     Puzzle { pieces: u32 },
/// }
///
/// /// Why a toy can't be had.
/// #[derive(Message)]
/// pub enum ToyError {
///     #[status(404)]
///     NotFound,
///     #[status(409)]
///     OutOfStock { left: u32 },
/// }
///
/// let toy = Toy { name: "Tux".into(), price: Decimal(2599), kind: Kind::Puzzle { pieces: 99 } };
/// let bytes = micronet_wire::encoding::encode(&toy)?;
/// assert_eq!(bytes[..], *b"\x03Tux\xfb\x4e\x14\x01\x63");
/// # Ok::<(), micronet_wire::encoding::EncodeError>(())
/// ```
///
/// # What it takes
///
/// A struct with named fields (or none), or an enum whose variants are plain names or have named fields. The fields' types
/// are in the closed grammar: integers of 8 to 64 bits, `bool`, `String`, `Blob`, `Timestamp`, `Decimal`, `Option`,
/// `Vec`, `BTreeMap`, and other messages. A message that contains itself is refused when a schema is made of it.
///
/// # Constraints
///
/// `#[field(…)]` on a field, of a struct or of a variant, says what its values keep beyond their type. A server checks it
/// before its handler sees the request, whoever sent it; the schema carries it, so that others know.
///
/// | in it | means |
/// |---|---|
/// | `min = 1`, `max = 200` | the least and the most: of an integer its value; of a `Decimal` its smallest units (`2599` is 25.99); of a `String` its characters; of a `Blob` its bytes; of a `Vec` or `BTreeMap` its items |
/// | `format = "email"` | a `String` that looks like an e-mail address |
/// | `format = "line"` | a `String` of one line that is not only white space |
/// | `format = "name"` | such a line that is no number |
/// | `format = "slug"` | a `String` of small letters, digits, and `-` within |
/// | `format = "choice a b"` | a `String` that is one of these words |
/// | `secret` | a `String` or `Blob` that is shown to nobody, as a password: whoever shows messages masks it; in the schema it is the format `password`. Best a [`Hidden`](../micronet_wire/schema/struct.Hidden.html) in the service's own memory |
/// | `example = …` | a value for people: `3`, `25.99`, `true`, or JSON in a string, as `"[1,2]"`; for a `String`, `Blob` or `Timestamp` the text alone will do, as `"Tux"` |
///
/// They hold for the value inside an `Option`, when there is one.
///
/// ```
/// use micronet_wire::schema::Message;
///
/// #[derive(Message)]
/// pub struct Buy {
///     #[field(min = 1, max = 200, example = "Tux")]
///     pub name: String,
///     #[field(min = 1, max = 1000, example = 2)]
///     pub quantity: u32,
///     #[field(format = "email")]
///     pub notify: Option<String>,
/// }
/// ```
///
/// # What it writes
///
/// - The encoding: fields in order with nothing between them; a variant as its place in the enum, then its fields. Builds that
///   differ in them still understand each other by names (SPEC.md 10.10). An enum that may grow has a variant `Unknown`
///   without fields: what other builds add arrives as that.
/// - The description: names as they are written (`r#type` is `type`), doc comments as docs, and for the variants of an error
///   enum `#[status(404)]`, the HTTP status that this error answers with.
///
/// # What it refuses
///
/// Numbers whose size depends on the machine, or that have no exact text:
/// ```compile_fail
/// #[derive(micronet_wire::schema::Message)]
/// struct Toy { price: f64 }
/// ```
/// Fields without names:
/// ```compile_fail
/// #[derive(micronet_wire::schema::Message)]
/// struct Price(u64);
/// ```
/// Types with parameters:
/// ```compile_fail
/// #[derive(micronet_wire::schema::Message)]
/// struct Page<T> { items: Vec<T> }
/// ```
/// Constraints that no value keeps, or that its type can't have:
/// ```compile_fail
/// #[derive(micronet_wire::schema::Message)]
/// struct Buy { #[field(min = 2, max = 1)] quantity: u32 }
/// ```
/// Types that are no messages themselves:
/// ```compile_fail
/// #[derive(micronet_wire::schema::Message)]
/// struct Wait { time: std::time::Duration }
/// ```
#[proc_macro_derive(Message, attributes(field, status))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    message::derive(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// Makes a trait a service: its schema, its client and its server are written from it.
///
/// ```
/// use micronet_wire::error::RpcError;
/// use micronet_wire::schema::{Message, SchemaError};
/// use micronet_wire::service::{CallContext, CallError, CallOptions, Caller, service};
///
/// /// Asks for a toy.
/// #[derive(Message)]
/// pub struct Query {
///     pub name: String,
/// }
///
/// #[derive(Message)]
/// pub struct Toy {
///     pub left: u32,
/// }
///
/// #[derive(Message, Debug)]
/// pub enum ToyError {
///     #[status(404)]
///     NotFound,
/// }
///
/// impl std::fmt::Display for ToyError {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str("no such toy")
///     }
/// }
///
/// /// The catalog of toys.
/// #[service(name = "product")]
/// pub trait Product {
///     /// One toy by its name.
///     #[rpc(http("GET /products/{name}"), public, idempotent, rate = "shop")]
///     async fn query(&self, context: &CallContext, request: Query) -> Result<Toy, CallError<ToyError>>;
///
///     /// Everything that was ever sold.
///     #[rpc(http("GET /log"), text, permission = "orders:read", idempotent)]
///     async fn log(&self, context: &CallContext) -> Result<String, RpcError>;
///
///     /// Somebody looked at a toy. Whoever says so doesn't wait for anything.
///     #[rpc(one_way, service)]
///     async fn seen(&self, context: &CallContext, request: Query);
/// }
///
/// struct Shop;
///
/// impl Product for Shop {
///     async fn query(&self, _context: &CallContext, request: Query) -> Result<Toy, CallError<ToyError>> {
///         if request.name == "Tux" { Ok(Toy { left: 3 }) } else { Err(CallError::Service(ToyError::NotFound)) }
///     }
///
///     async fn log(&self, context: &CallContext) -> Result<String, RpcError> {
///         Ok(format!("{} asked", context.principal.key()))
///     }
///
///     async fn seen(&self, _context: &CallContext, request: Query) {
///         println!("somebody looks at {}", request.name);
///     }
/// }
///
/// fn serve() -> Result<ProductServer<Shop>, SchemaError> {
///     ProductServer::new(Shop)
/// }
///
/// async fn buy(connection: impl Caller) -> Result<u32, CallError<ToyError>> {
///     let (client, tux) = (ProductClient::new(connection), Query { name: "Tux".into() });
///     let toy = client.query(&tux, CallOptions::default()).await?;
///     client.seen(&tux, CallOptions::default()).await?; // It is on its way, and may be lost.
///     Ok(toy.left)
/// }
///
/// assert_eq!(product_schema().methods[0].id, ProductMethods::QUERY);
/// serve()?;
/// # Ok::<(), SchemaError>(())
/// ```
///
/// # What it takes
///
/// Methods as `async fn name(&self, context: &CallContext, request: Request) -> Outcome;`. `Request` is a struct that
/// derives `Message`; a method may do without. `Outcome` is `Result<Reply, CallError<Error>>`, where `Error` is an enum that
/// derives `Message` and implements `Display`, or `Result<Reply, RpcError>` for a method without errors of its own. The
/// signatures of the implementation are those of the trait. Futures need not be `Send`: a runtime is one thread.
///
/// A *one-way* method returns nothing, not even an error: whoever calls it doesn't wait, and a call may be lost. What goes wrong
/// in it is for its own log.
///
/// Each method has one `#[rpc(…)]`:
///
/// | in it | means | without it |
/// |---|---|---|
/// | `public` | anyone may call | one of these has to be there |
/// | `signed_in` | whoever has signed in may call, and the operator | |
/// | `permission = "orders:read"` | who has the permission may call | |
/// | `service` | other services of the cluster may call | |
/// | `service("order", "user")` | these services of the cluster may call, and no others | |
/// | `http("GET /products/{name}", …)` | where HTTP reaches it; what stands in braces is a field of the request. A stream of replies may have `GET /path`, where it is a stream of events, and a WebSocket at `/ws/path`; any stream may have `WS /path`, which is the WebSocket alone | not by HTTP |
/// | `status = 201` | the HTTP status of a success | 200 |
/// | `errors(NotFound, OutOfStock)` | the variants of the error type that it answers with | any of them |
/// | `text` | HTTP shows the reply, a `String`, as plain text | JSON |
/// | `page` | the reply is a page of a list, a struct of `items: Vec<…>` and `pagination`, a struct: HTTP shows the items as the envelope's data, and `pagination` beside them | the whole reply is the data |
/// | `bare` | HTTP shows the reply as JSON without the envelope | in the envelope |
/// | `one_way` | there is no answer, and the method returns nothing | the caller waits for the outcome |
/// | `safe` | it changes nothing that its caller asks for (RFC 9110 section 9.2.1), so it is idempotent too: a gateway needn't write down that somebody called it | it may change something |
/// | `idempotent` | to execute it twice has the same effect as once | a repeat needs a token |
/// | `rate = "shop"` | the class of rate limits | `"api"` |
/// | `cache = "watch"` | a reply to somebody anonymous may be kept until this stream of the same service, whose request can be empty, says anything | no reply may be kept |
///
/// # What it writes
///
/// For a trait `Product` of the service `product`, with the trait's visibility:
///
/// - the trait, its methods returning `impl Future<Output = Outcome>`, which an `async fn` implements;
/// - `enum ProductMethods {}` with the constants `SERVICE_NAME`, `METHOD_IDS` and one id a method, as `ProductMethods::QUERY`;
/// - `fn product_schema() -> ServiceSchema`;
/// - `struct ProductClient<C>`: `new(caller: C)`, and for each method
///   `fn query(&self, request: &Query, options: CallOptions) -> impl Future<Output = Outcome>`, which makes the call on `caller` before
///   the future is polled; that of a one-way method is an `async fn` whose outcome is `Result<(), RpcError>`: whether the call is on its way;
/// - `struct ProductServer<S>`: `new(service: S) -> Result<Self, SchemaError>`, a `Service` that checks whether the principal
///   may call before it decodes the request.
///
/// # What it refuses
///
/// A method that doesn't say who may call it, so that none is open by accident:
/// ```compile_fail
/// # use micronet_wire::{error::RpcError, service::{CallContext, service}};
/// #[service(name = "product")]
/// trait Product {
///     #[rpc(idempotent)]
///     async fn count(&self, context: &CallContext) -> Result<u32, RpcError>;
/// }
/// ```
/// A path that HTTP can't have:
/// ```compile_fail
/// # use micronet_wire::{error::RpcError, service::{CallContext, service}};
/// #[service(name = "product")]
/// trait Product {
///     #[rpc(http("GET products"), public)]
///     async fn count(&self, context: &CallContext) -> Result<u32, RpcError>;
/// }
/// ```
/// An outcome that leaves no room for errors of the way there:
/// ```compile_fail
/// # use micronet_wire::{error::RpcError, service::{CallContext, service}};
/// #[service(name = "product")]
/// trait Product {
///     #[rpc(public)]
///     async fn count(&self, context: &CallContext) -> Result<u32, String>;
/// }
/// ```
/// A one-way method with an answer:
/// ```compile_fail
/// # use micronet_wire::{error::RpcError, service::{CallContext, service}};
/// #[service(name = "product")]
/// trait Product {
///     #[rpc(one_way, public)]
///     async fn seen(&self, context: &CallContext) -> Result<(), RpcError>;
/// }
/// ```
/// Two methods whose names have the same hash, of which frames could carry only one:
/// ```compile_fail
/// # use micronet_wire::{error::RpcError, service::{CallContext, service}};
/// #[service(name = "product")]
/// trait Product {
///     #[rpc(public)]
///     async fn show_rate(&self, context: &CallContext) -> Result<u32, RpcError>;
///     #[rpc(public)]
///     async fn date_limit_count(&self, context: &CallContext) -> Result<u32, RpcError>;
/// }
/// ```
/// Each of these compiles when its mistake is mended:
/// ```
/// # use micronet_wire::{error::RpcError, service::{CallContext, service}};
/// #[service(name = "product")]
/// trait Product {
///     #[rpc(http("GET /products"), public)]
///     async fn count(&self, context: &CallContext) -> Result<u32, RpcError>;
///     #[rpc(one_way, public)]
///     async fn seen(&self, context: &CallContext);
///     #[rpc(public)]
///     async fn show_rate(&self, context: &CallContext) -> Result<u32, RpcError>;
/// }
/// ```
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(arguments.into(), item.into()).unwrap_or_else(Error::into_compile_error).into()
}
