//! Every refusal, by its words: a `compile_fail` example would also pass for another reason.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse_quote;

use crate::{message, service};

fn check(what: &TokenStream, expanded: syn::Result<TokenStream>, words: &str) {
    match expanded {
        Err(error) => {
            assert!(error.to_string().contains(words), "{what}\nis refused by {error:?}, not {words:?}");
        }
        Ok(_) => panic!("{what}\nis taken, instead of {words:?}"),
    }
}

fn check_message(item: &TokenStream, words: &str) {
    check(item, syn::parse2(item.clone()).and_then(|input| message::derive(&input)), words);
}

fn check_service(name: &TokenStream, item: &TokenStream, words: &str) {
    check(item, service::expand(name.clone(), item.clone()), words);
}

/// A service with one method.
fn check_method(method: &TokenStream, words: &str) {
    check_service(&quote! { name = "product" }, &quote! { trait Product { #method } }, words);
}

/// A method with these words in `#[rpc(…)]`.
fn check_rpc(rpc: &TokenStream, words: &str) {
    check_method(
        &quote! { #[rpc(#rpc)] async fn query(&self, context: &CallContext) -> Result<u32, RpcError>; },
        words,
    );
}

#[test]
fn messages_of_other_shapes_are_refused() {
    let cases = [
        (quote! { struct A(u32); }, "need names"),
        (quote! { enum A { B(u32) } }, "need names"),
        (quote! { struct A<T> { a: T } }, "can't be generic"),
        (quote! { struct A<'a> { a: &'a str } }, "can't be generic"),
        (quote! { union A { a: u32 } }, "a union can't be a message"),
        (quote! { enum A {} }, "without variants"),
        (quote! { enum A { B = 3 } }, "can't be chosen"),
        (quote! { #[serde(rename_all = "camelCase")] struct A { a: u32 } }, "rename"),
        (quote! { struct A { #[serde(rename = "b")] a: u32 } }, "rename"),
        (quote! { enum A { #[bincode(with_serde)] B } }, "rename"),
        (quote! { #[status(404)] enum A { B } }, "variants of an error enum"),
        (quote! { struct A { #[status(404)] a: u32 } }, "variants of an error enum"),
        (quote! { enum A { #[status(200)] B } }, "between 400 and 599"),
        (quote! { enum A { #[status(70000)] B } }, "between 400 and 599"),
    ];
    for (item, words) in cases {
        check_message(&item, words);
    }
}

#[test]
fn types_outside_the_grammar_are_refused() {
    for (of, words) in [
        (quote! { usize }, "use u64"),
        (quote! { isize }, "use i64"),
        (quote! { f32 }, "use Decimal"),
        (quote! { core::primitive::f64 }, "use Decimal"),
        (quote! { u128 }, "use a Blob"),
        (quote! { char }, "use a String"),
        (quote! { Vec<Option<usize>> }, "`usize` is not in the closed grammar"),
        (quote! { BTreeMap<String, f64> }, "`f64` is not in the closed grammar"),
    ] {
        check_message(&quote! { struct A { a: #of } }, words);
        check_message(&quote! { enum A { B { a: #of } } }, words);
    }
}

#[test]
fn constraints_are_checked() {
    for (words, of, refusal) in [
        (quote! { min = 3, max = 2 }, quote! { u32 }, "`min` is above `max`"),
        (quote! { min = 1, min = 2 }, quote! { u32 }, "twice"),
        (quote! { least = 1 }, quote! { u32 }, "not known here"),
        (quote! { min = 9223372036854775808 }, quote! { u64 }, "an integer of 64 bits"),
        (quote! { min = 1 }, quote! { bool }, "limit numbers"),
        (quote! { max = 1 }, quote! { Option<Timestamp> }, "limit numbers"),
        (quote! { min = -1 }, quote! { String }, "never below 0"),
        (quote! { min = -1 }, quote! { Option<Vec<u8>> }, "never below 0"),
        (quote! { format = "phone" }, quote! { String }, "the formats that are known"),
        (quote! { format = "email" }, quote! { u32 }, "is for strings"),
        (quote! { format = "password" }, quote! { String }, "the formats that are known"),
        (quote! { secret }, quote! { u32 }, "strings and bytes can be `secret`"),
        (quote! { secret, format = "email" }, quote! { String }, "twice"),
        (quote! { example = "" }, quote! { String }, "can't be empty"),
        (quote! { example = 'a' }, quote! { String }, "an example is"),
    ] {
        check_message(&quote! { struct A { #[field(#words)] a: #of } }, refusal);
        check_message(&quote! { enum A { B { #[field(#words)] a: #of } } }, refusal);
    }
    let twice = quote! { struct A { #[field(min = 1)] #[field(max = 2)] a: u32 } };
    check_message(&twice, "one `#[field(…)]`");
    check_message(&quote! { #[field(min = 1)] struct A { a: u32 } }, "stands on fields");
    check_message(&quote! { enum A { #[field(min = 1)] B { a: u32 } } }, "stands on fields");
}

#[test]
fn a_message_may_have_no_fields() {
    for item in [quote! { struct A {} }, quote! { struct A; }, quote! { enum A { B, C {} } }] {
        assert!(message::derive(&parse_quote! { #item }).is_ok(), "{item}");
    }
}

#[test]
fn services_of_other_shapes_are_refused() {
    let good = quote! { #[rpc(public)] async fn a(&self, context: &CallContext) -> Result<u32, RpcError>; };
    let product = || quote! { name = "product" };
    assert!(service::expand(product(), quote! { trait A { #good } }).is_ok());
    let cases = [
        (quote! {}, quote! { trait A { #good } }, "a service has a name"),
        (quote! { title = "a" }, quote! { trait A { #good } }, "not known here"),
        (quote! { name = "" }, quote! { trait A { #good } }, "the name of a service"),
        (quote! { name = "a.b" }, quote! { trait A { #good } }, "the name of a service"),
        (quote! { name = "1a" }, quote! { trait A { #good } }, "the name of a service"),
        (quote! { name = "micronet" }, quote! { trait A { #good } }, "every server answers"),
        (product(), quote! { struct A; }, "expected `trait`"),
        (product(), quote! { trait A {} }, "at least one method"),
        (product(), quote! { trait A<T> { #good } }, "a service can't be generic"),
        (product(), quote! { trait A { const B: u32; } }, "methods and nothing else"),
    ];
    for (name, item, words) in cases {
        check_service(&name, &item, words);
    }
}

#[test]
fn methods_of_other_shapes_are_refused() {
    let shape = "takes `&self, context: &CallContext`";
    for (signature, words) in [
        (quote! { fn a(&self, c: &CallContext) -> R; }, "write `async fn`"),
        (quote! { async fn a<T>(&self, c: &CallContext, r: T) -> R; }, "can't be generic"),
        (quote! { async fn a(&self, c: &CallContext) -> R {} }, "only declares"),
        (quote! { #[cfg(unix)] async fn a(&self, c: &CallContext) -> R; }, "how it was built"),
        (quote! { async fn new(&self, c: &CallContext) -> R; }, "name the method otherwise"),
        (quote! { async fn a(&self, c: &CallContext); }, "say what the method returns"),
        (quote! { async fn a(c: &CallContext) -> R; }, shape),
        (quote! { async fn a(&mut self, c: &CallContext) -> R; }, shape),
        (quote! { async fn a(self, c: &CallContext) -> R; }, shape),
        (quote! { async fn a(&self) -> R; }, shape),
        (quote! { async fn a(&self, c: CallContext) -> R; }, shape),
        (quote! { async fn a(&self, c: &CallContext, r: &Query) -> R; }, shape),
        (quote! { async fn a(&self, c: &CallContext, r: Query, s: Query) -> R; }, shape),
    ] {
        check_method(&quote! { #[rpc(public)] #signature }, words);
    }
}

#[test]
fn a_one_way_method_returns_nothing() {
    let with = |method: &TokenStream| {
        service::expand(quote! { name = "a" }, quote! { trait A { #[rpc(public, one_way)] #method } })
    };
    assert!(with(&quote! { async fn a(&self, c: &CallContext, r: Query); }).is_ok());
    let unit = quote! { async fn a(&self, c: &CallContext) -> (); };
    check(&unit, with(&unit), "has no answer: leave out `-> …`");
}

#[test]
fn a_stream_is_bound_to_what_can_carry_it() {
    let unary = quote! { async fn a(&self, c: &CallContext, request: Q) -> R; };
    let requests = quote! { async fn a(&self, c: &CallContext, requests: Incoming<Q>) -> R; };
    let replies = quote! { async fn a(&self, c: &CallContext, request: Q, replies: Outgoing<S>) -> R; };
    let both =
        quote! { async fn a(&self, c: &CallContext, requests: Incoming<Q>, replies: Outgoing<S>) -> R; };
    for (signature, binding, words) in [
        (&unary, "WS /a", "need no WebSocket"),
        (&requests, "POST /a", "by WebSocket alone"),
        (&both, "GET /a", "by WebSocket alone"),
        (&replies, "POST /a", "bound to GET"),
    ] {
        check_method(&quote! { #[rpc(public, http(#binding))] #signature }, words);
    }
    for (signature, binding) in [
        (&unary, "GET /a"),
        (&requests, "WS /a"),
        (&both, "WS /a"),
        (&replies, "GET /a"),
        (&replies, "WS /a"),
    ] {
        let method = quote! { #[rpc(public, idempotent, http(#binding))] #signature };
        let item = syn::parse2(quote! { trait A { #method } }).expect("a trait");
        assert!(service::read("a".into(), item).is_ok(), "{binding}");
    }
}

#[test]
fn access_is_said_once() {
    check_method(&quote! { async fn a(&self, c: &CallContext) -> R; }, "who may call");
    for (rpc, words) in [
        (quote! {}, "who may call"),
        (quote! { idempotent, http("GET /a") }, "who may call"),
        (quote! { public, service }, "only one of"),
        (quote! { permission = "a", permission = "b" }, "only one of"),
        (quote! { permission = "" }, "can't be empty"),
        (quote! { service, service("a") }, "only one of"),
        (quote! { service() }, "at least one service"),
        (quote! { service("a", "a") }, "stands here twice"),
        (quote! { service("a b") }, "not the name of a service"),
    ] {
        check_rpc(&rpc, words);
    }
    let twice = quote! { #[rpc(public)] #[rpc(public)] async fn a(&self, c: &CallContext) -> R; };
    check_method(&twice, "one `#[rpc(…)]`");
}

#[test]
fn rpc_attributes_are_checked() {
    for (rpc, words) in [
        (quote! { public, open }, "not known here"),
        (quote! { public, stream }, "`stream` is not supported yet"),
        (quote! { public, one_way }, "has no answer: leave out `-> …`"),
        (quote! { public, one_way, one_way }, "twice"),
        (quote! { public, one_way, http("POST /a") }, "HTTP can't reach a one-way method"),
        (quote! { public, idempotent, idempotent }, "twice"),
        (quote! { public, safe, safe }, "twice"),
        (quote! { public, safe, idempotent }, "leave out `idempotent`"),
        (quote! { public, safe, one_way }, "called for its answer"),
        (quote! { public, safe, http("POST /a", "PUT /a") }, "ask for a change"),
        (quote! { public, safe, http("PATCH /a") }, "ask for a change"),
        (quote! { public, safe, http("DELETE /a") }, "ask for a change"),
        (quote! { service, safe, cache = "watch" }, "`safe` or `idempotent`"),
        (quote! { public, rate = "a", rate = "b" }, "twice"),
        (quote! { public, rate = "" }, "can't be empty"),
        (quote! { public, cache = "watch" }, "`safe` or `idempotent`"),
        (quote! { service, idempotent, cache = "watch" }, "`safe` or `idempotent`"),
        (quote! { public, http("GET /"), status = 404 }, "between 200 and 299"),
        (quote! { public, status = 201 }, "the method has no `http(…)`"),
        (quote! { public, text }, "the method has no `http(…)`"),
        (quote! { public, page }, "the method has no `http(…)`"),
        (quote! { public, http("GET /"), text, page }, "in one way"),
        (quote! { public, http("GET /"), page, bare }, "in one way"),
        (quote! { signed_in, bare }, "are for HTTP"),
        (quote! { public, signed_in }, "can hold"),
        (quote! { public, http() }, "at least one binding"),
        (quote! { public, http("/a") }, "an HTTP method, a space and a path"),
        (quote! { public, http("get /a") }, "none of GET"),
        (quote! { public, http("HEAD /a") }, "none of GET"),
        (quote! { public, http("GET a") }, "doesn't start with a slash"),
        (quote! { public, http("GET  /a") }, "doesn't start with a slash"),
        (quote! { public, http("GET /a b") }, "characters that a path can't have"),
        (quote! { public, http("GET /a{b}") }, "a parameter is a whole segment"),
        (quote! { public, http("GET /{}") }, "not the name of a field"),
        (quote! { public, http("GET /{a}/{a}") }, "stands twice in the path"),
        (quote! { public, http("GET /a", "GET /a") }, "stands here twice"),
    ] {
        check_rpc(&rpc, words);
    }
    let twice = quote! {
        #[rpc(http("GET /a"), public)] async fn a(&self, c: &CallContext) -> R;
        #[rpc(http("GET /a"), public)] async fn b(&self, c: &CallContext) -> R;
    };
    check_method(&twice, "GET /a already leads to a");
}
