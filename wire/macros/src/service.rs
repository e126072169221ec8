//! `#[service]`: reads and checks a trait. What it becomes is written in `expansion.rs`.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use syn::parse::Parser as _;
use syn::spanned::Spanned as _;
use syn::{
    Error, FnArg, Ident, ItemTrait, LitStr, Result, ReturnType, TraitItem, TraitItemFn, Type, Visibility,
};

use crate::attributes;
use crate::expansion;
use crate::rpc::{self, Rpc};

/// A service as its trait says it.
pub(crate) struct Service {
    pub(crate) ident: Ident,
    pub(crate) visibility: Visibility,
    /// The name in `product.query`.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) methods: Vec<Method>,
    /// The trait itself, without `#[rpc(…)]`.
    pub(crate) item: ItemTrait,
}

/// One of its methods.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) rpc: Rpc,
    /// The request's type, if the method takes any.
    pub(crate) request: Option<Type>,
    /// The requests come one by one, as `Incoming<Request>`.
    pub(crate) many_requests: bool,
    /// The type of the replies that are sent one by one, by `Outgoing<Reply>`.
    pub(crate) replies: Option<Type>,
    /// What the method returns, as it is written; what its client returns, where it is one-way.
    pub(crate) output: Type,
}

/// The service whose methods every server answers; only `micronet-wire` itself defines it.
pub(crate) const BUILTIN: &str = "micronet";

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let name = read_name(arguments)?;
    let item: ItemTrait = syn::parse2(item)?;
    Ok(expansion::expand(read(name, item)?))
}

/// The arguments of `#[service(name = "product")]`.
fn read_name(arguments: TokenStream) -> Result<String> {
    let mut name: Option<LitStr> = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("not known here: write `#[service(name = \"product\")]`"));
        }
        name = Some(meta.value()?.parse()?);
        Ok(())
    });
    let span = arguments.span();
    parser.parse2(arguments)?;
    let Some(literal) = name else {
        return Err(Error::new(span, "a service has a name: write `#[service(name = \"product\")]`"));
    };
    let name = literal.value();
    if !attributes::is_name(&name) {
        return Err(Error::new_spanned(
            literal,
            "the name of a service has ASCII letters, digits and underscores, 64 at most, and starts with no digit",
        ));
    }
    // Cargo says which crate is being compiled.
    if name == BUILTIN && std::env::var("CARGO_PKG_NAME").is_ok_and(|package| package != "micronet-wire") {
        return Err(Error::new_spanned(
            literal,
            "`micronet` is the service that every server answers besides its own",
        ));
    }
    Ok(name)
}

pub(crate) fn read(name: String, mut item: ItemTrait) -> Result<Service> {
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &item.generics,
            "a service can't be generic: it has one schema; let the type that implements it be generic",
        ));
    }
    let mut methods = Vec::with_capacity(item.items.len());
    let mut paths = BTreeMap::new();
    for member in &mut item.items {
        let TraitItem::Fn(function) = member else {
            return Err(Error::new_spanned(member, "a service has methods and nothing else"));
        };
        let method = read_method(function)?;
        for binding in &method.rpc.http {
            let route = format!("{} {}", binding.method, binding.path);
            if let Some(other) = paths.insert(route.clone(), method.name.clone()) {
                return Err(Error::new_spanned(&method.ident, format!("{route} already leads to {other}")));
            }
        }
        methods.push(method);
    }
    if methods.is_empty() {
        return Err(Error::new_spanned(&item.ident, "a service has at least one method"));
    }
    Ok(Service {
        ident: item.ident.clone(),
        visibility: item.vis.clone(),
        name,
        doc: attributes::doc(&item.attrs),
        methods,
        item,
    })
}

fn read_method(function: &mut TraitItemFn) -> Result<Method> {
    let signature = &function.sig;
    let rpc = rpc::take(&mut function.attrs, &signature.ident)?;
    for conditional in ["cfg", "cfg_attr"] {
        if let Some(found) = attributes::find(&function.attrs, conditional) {
            return Err(Error::new_spanned(found, "a schema can't depend on how it was built"));
        }
    }
    if let Some(body) = &function.default {
        return Err(Error::new_spanned(
            body,
            "a service's trait only declares: write the body where it is implemented",
        ));
    }
    if signature.asyncness.is_none() {
        return Err(Error::new_spanned(
            signature.fn_token,
            "write `async fn`: the methods of a service may wait",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(&signature.generics, "a method of a service can't be generic"));
    }
    if signature.ident == "new" {
        return Err(Error::new_spanned(
            &signature.ident,
            "the client has a `new` of its own: name the method otherwise",
        ));
    }
    let output =
        read_output(&signature.output, rpc.one_way).map_err(|words| Error::new_spanned(signature, words))?;
    let Messages { request, many_requests, replies } = read_messages(function)?;
    if rpc.one_way && (many_requests || replies.is_some()) {
        return Err(Error::new_spanned(signature, "a one-way method has one request, and no replies"));
    }
    let refused = rpc.http.iter().find_map(|binding| match (binding.method.as_str(), many_requests, replies.is_some()) {
        ("WS", false, false) => Some("one request and one reply need no WebSocket: bind it to another HTTP method than WS"),
        ("WS", ..) | (_, false, false) | ("GET", false, true) => None,
        (_, true, _) => Some("a stream of requests is carried by WebSocket alone: `http(\"WS /path\")`"),
        _ => Some("a stream of replies is bound to GET, where it is a stream of events and a WebSocket, or to WS"),
    });
    if let Some(words) = refused {
        return Err(Error::new_spanned(signature, words));
    }
    Ok(Method {
        ident: signature.ident.clone(),
        name: attributes::name(&signature.ident),
        doc: attributes::doc(&function.attrs),
        rpc,
        request,
        many_requests,
        replies,
        output,
    })
}

/// What the method's client returns: what the method returns, or for a one-way method, whether the call is on its way.
fn read_output(output: &ReturnType, one_way: bool) -> std::result::Result<Type, &'static str> {
    match (output, one_way) {
        (ReturnType::Type(_, output), false) => Ok(Type::clone(output)),
        (ReturnType::Default, true) => Ok(syn::parse_quote! {
            ::core::result::Result<(), ::micronet_wire::error::RpcError>
        }),
        (ReturnType::Default, false) => Err(
            "say what the method returns: `Result<Reply, CallError<Error>>`, or `Result<Reply, RpcError>`",
        ),
        (ReturnType::Type(..), true) => Err("a one-way method has no answer: leave out `-> …`"),
    }
}

/// What a method's parameters say about its messages.
struct Messages {
    request: Option<Type>,
    many_requests: bool,
    replies: Option<Type>,
}

/// The messages of `(&self, context: &CallContext, request: Request)`, where `requests: Incoming<Request>` may stand for the
/// request, and `replies: Outgoing<Reply>` behind it.
fn read_messages(function: &TraitItemFn) -> Result<Messages> {
    let wrong = || {
        Error::new_spanned(
            &function.sig,
            "a method of a service takes `&self, context: &CallContext`, at most one request by value or \
             `requests: Incoming<Request>`, and at last `replies: Outgoing<Reply>` if it has a stream of them",
        )
    };
    let mut inputs = function.sig.inputs.iter().peekable();
    match inputs.next() {
        Some(FnArg::Receiver(receiver))
            if receiver.reference.is_some()
                && receiver.mutability.is_none()
                && receiver.colon_token.is_none() => {}
        _ => return Err(wrong()),
    }
    match inputs.next() {
        Some(FnArg::Typed(context)) if matches!(&*context.ty, Type::Reference(_)) => {}
        _ => return Err(wrong()),
    }
    let mut types = Vec::new();
    for input in inputs {
        match input {
            FnArg::Typed(input) if !matches!(&*input.ty, Type::Reference(_)) => types.push(&*input.ty),
            _ => return Err(wrong()),
        }
    }
    let replies = types.last().and_then(|of| item_of(of, "Outgoing"));
    if replies.is_some() {
        types.pop();
    }
    let (request, many_requests) = match types[..] {
        [] => (None, false),
        [of] => match item_of(of, "Incoming") {
            Some(item) => (Some(item), true),
            None => (Some(of.clone()), false),
        },
        _ => return Err(wrong()),
    };
    Ok(Messages { request, many_requests, replies })
}

/// The `T` of `Name<T>`.
fn item_of(of: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = of else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(item)) if arguments.args.len() == 1 => Some(item.clone()),
        _ => None,
    }
}
