//! What `#[service]` writes: the trait, the ids of its methods, its schema, its client and its server.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, TraitItem, Type, parse_quote};

use crate::rpc::{Access, Idempotency};
use crate::service::{BUILTIN, Method, Service};

pub(crate) fn expand(service: Service) -> TokenStream {
    let (ids, schema) = (method_ids(&service), schema(&service));
    let (client, server) = (client(&service), server(&service));
    let declaration = declaration(service);
    quote! { #declaration #ids #schema #client #server }
}

/// The trait with `async fn` written as what it means, which names the future's type and so needs no allowance of a lint.
fn declaration(service: Service) -> TokenStream {
    let mut item = service.item;
    for member in &mut item.items {
        if let TraitItem::Fn(function) = member {
            function.sig.asyncness = None;
            let output: Type = match &function.sig.output {
                syn::ReturnType::Type(_, output) => Type::clone(output),
                syn::ReturnType::Default => parse_quote! { () },
            };
            function.sig.output = parse_quote! { -> impl ::core::future::Future<Output = #output> };
        }
    }
    quote! { #item }
}

fn methods_ident(service: &Service) -> Ident {
    format_ident!("{}Methods", service.ident)
}

fn schema_ident(service: &Service) -> Ident {
    format_ident!("{}_schema", snake_case(&service.ident.to_string()), span = service.ident.span())
}

/// The constant of a method's id: `QUERY`.
fn id_ident(method: &Method) -> Ident {
    Ident::new(&method.name.to_uppercase(), method.ident.span())
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The request's type; unit where the method takes none.
fn request_type(method: &Method) -> Type {
    method.request.clone().unwrap_or_else(|| parse_quote! { () })
}

/// A type of the user's as a path that calls on it can start with: errors point at it, lints see the macro.
fn at_call_site(of: &Type) -> Span {
    of.span().resolved_at(Span::call_site())
}

fn method_ids(service: &Service) -> TokenStream {
    let (visibility, name, methods) = (&service.visibility, &service.name, methods_ident(service));
    let ids: Vec<_> = service.methods.iter().map(id_ident).collect();
    let qualified: Vec<_> = service.methods.iter().map(|method| format!("{name}.{}", method.name)).collect();
    let docs = qualified.iter().map(|qualified| format!("The id of `{qualified}`."));
    let doc = format!("The ids of the methods of service `{name}`, as frames carry them.");
    let reserved = if name == BUILTIN {
        quote! { &[] }
    } else {
        quote! { ::micronet_wire::builtin::BuiltinMethods::METHOD_IDS }
    };
    let assertions = service.methods.iter().enumerate().map(|(at, method)| {
        let words = format!(
            "the id of `{}` is also that of a method before it, or of a built-in one: name it otherwise",
            qualified[at]
        );
        let span = method.ident.span().resolved_at(Span::call_site());
        quote_spanned! { span =>
            ::core::assert!(::micronet_wire::service::id_is_free(#methods::METHOD_IDS, #at, #reserved), #words);
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(Debug, Clone, Copy)]
        #visibility enum #methods {}

        impl #methods {
            /// The name of the service.
            #visibility const SERVICE_NAME: &'static str = #name;
            /// The ids of all methods, in the order of the schema.
            #visibility const METHOD_IDS: &'static [u32] = &[#(Self::#ids),*];
            #(
                #[doc = #docs]
                #visibility const #ids: u32 = ::micronet_wire::schema::method_id(#qualified);
            )*
        }

        const _: () = { #(#assertions)* };
    }
}

fn schema(service: &Service) -> TokenStream {
    let (visibility, name, doc) = (&service.visibility, &service.name, &service.doc);
    let (function, methods_ident) = (schema_ident(service), methods_ident(service));
    let methods = service.methods.iter().map(|method| describe_method(method, &methods_ident));
    let words = format!("The schema of service `{name}`.");
    quote! {
        #[doc = #words]
        ///
        /// # Panics
        /// When a message contains itself.
        #[must_use]
        #visibility fn #function() -> ::micronet_wire::schema::ServiceSchema {
            let mut registry = ::micronet_wire::schema::TypeRegistry::default();
            let types = &mut registry;
            let methods = ::std::vec![#(#methods),*];
            ::micronet_wire::schema::ServiceSchema {
                name: ::std::string::String::from(#name),
                doc: ::std::string::String::from(#doc),
                types: registry.into_types(),
                methods,
            }
        }
    }
}

fn describe_method(method: &Method, methods: &Ident) -> TokenStream {
    let Method { name, doc, rpc, output, .. } = method;
    let (request, id) = (request_type(method), id_ident(method));
    let (rate, status, cache) = (&rpc.rate, rpc.status, &rpc.cache);
    let idempotency = match rpc.idempotency {
        Idempotency::No => quote! { No },
        Idempotency::Idempotent => quote! { Idempotent },
        Idempotency::Safe => quote! { Safe },
    };
    let described = quote_spanned! { at_call_site(&request) =>
        <#request as ::micronet_wire::schema::Message>::describe(types)
    };
    let outcome = quote_spanned! { at_call_site(output) =>
        <#output as ::micronet_wire::service::Outcome>::describe(types)
    };
    let access = match &rpc.access {
        Access::Public => quote! { Public },
        Access::SignedIn => quote! { SignedIn },
        Access::Service => quote! { Service },
        Access::Services(names) => {
            quote! { Services { names: ::std::vec![#(::std::string::String::from(#names)),*] } }
        }
        Access::Permission(name) => quote! { Permission { name: ::std::string::String::from(#name) } },
    };
    let media = match (rpc.text, rpc.page, rpc.bare) {
        (true, ..) => quote! { Text },
        (_, true, _) => quote! { Page },
        (_, _, true) => quote! { Bare },
        _ => quote! { Json },
    };
    let shape = match (rpc.one_way, method.many_requests, method.replies.is_some()) {
        (true, ..) => quote! { OneWay },
        (_, false, false) => quote! { Unary },
        (_, false, true) => quote! { ServerStream },
        (_, true, false) => quote! { ClientStream },
        (_, true, true) => quote! { Bidirectional },
    };
    let reply = method.replies.as_ref().map(|of| {
        quote_spanned! { at_call_site(of) =>
            let reply = <#of as ::micronet_wire::schema::Message>::describe(types);
        }
    });
    let errors = rpc.errors.iter().map(ToString::to_string);
    let bindings = rpc.http.iter().map(|binding| {
        let (method, path) = (&binding.method, &binding.path);
        quote! {
            ::micronet_wire::schema::HttpBinding {
                method: ::std::string::String::from(#method),
                path: ::std::string::String::from(#path),
            }
        }
    });
    quote! {
        {
            let request = #described;
            let (reply, error) = #outcome;
            #reply
            ::micronet_wire::schema::Method {
                id: #methods::#id,
                name: ::std::string::String::from(#name),
                doc: ::std::string::String::from(#doc),
                request,
                reply,
                error,
                shape: ::micronet_wire::schema::CallShape::#shape,
                idempotency: ::micronet_wire::schema::Idempotency::#idempotency,
                access: ::micronet_wire::schema::Access::#access,
                rate_class: ::std::string::String::from(#rate),
                http: ::std::vec![#(#bindings),*],
                http_status: #status,
                media: ::micronet_wire::schema::Media::#media,
                cache: ::std::string::String::from(#cache),
                errors: ::std::vec![#(::std::string::String::from(#errors)),*],
            }
        }
    }
}

fn client(service: &Service) -> TokenStream {
    let (visibility, name, methods) = (&service.visibility, &service.name, methods_ident(service));
    let client = format_ident!("{}Client", service.ident);
    let doc = format!("The client of service `{name}`, over whatever calls can be made on.");
    let calls = service.methods.iter().map(|method| {
        if method.many_requests || method.replies.is_some() {
            return stream_call(service, method);
        }
        let Method { ident, doc, output, .. } = method;
        let id = id_ident(method);
        let (argument, request) = match &method.request {
            Some(of) => (quote! { request: &#of, }, quote! { request }),
            None => (quote! {}, quote! { &() }),
        };
        let doc = if doc.is_empty() { format!("Calls `{name}.{}`.", method.name) } else { doc.clone() };
        let options = options(method);
        if !method.rpc.one_way {
            return quote! {
                #[doc = #doc]
                ///
                /// # Errors
                /// The service's own, or what went wrong on the way there.
                #visibility fn #ident(
                    &self,
                    #argument
                    options: ::micronet_wire::service::CallOptions,
                ) -> impl ::core::future::Future<Output = #output> {
                    let request = ::micronet_wire::service::encode_request(#request);
                    ::micronet_wire::service::Calling::of(request.map(|request| {
                        ::micronet_wire::service::Caller::call(&self.caller, #methods::#id, request, #options)
                    }))
                }
            };
        }
        quote! {
            #[doc = #doc]
            ///
            /// # Errors
            /// When the call can't be made: there is no connection, or none that can take more.
            #visibility async fn #ident(
                &self,
                #argument
                options: ::micronet_wire::service::CallOptions,
            ) -> #output {
                let request = ::micronet_wire::service::encode_request(#request)?;
                ::micronet_wire::service::Caller::send(&self.caller, #methods::#id, request, #options).await
            }
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(Debug, Clone)]
        #visibility struct #client<C> {
            caller: C,
        }

        impl<C: ::micronet_wire::service::Caller> #client<C> {
            /// A client that makes its calls on `caller`.
            #[must_use]
            #visibility fn new(caller: C) -> Self {
                Self { caller }
            }

            #(#calls)*
        }
    }
}

/// Whoever retries calls has to know which of them may be repeated, and the acceptor which of them can wait.
fn options(method: &Method) -> TokenStream {
    let (idempotent, bulk) = (method.rpc.idempotency != Idempotency::No, method.rpc.rate == "bulk");
    if !idempotent && !bulk {
        return quote! { options };
    }
    let idempotent = idempotent.then(|| quote! { idempotent: true, });
    let bulk = bulk.then(|| quote! { bulk: true, });
    quote! { ::micronet_wire::service::CallOptions { #idempotent #bulk ..options } }
}

/// The client's side of a call with a stream of messages in one direction or both.
fn stream_call(service: &Service, method: &Method) -> TokenStream {
    let (visibility, name, methods) = (&service.visibility, &service.name, methods_ident(service));
    let Method { ident, doc, output, request, many_requests, replies, .. } = method;
    let (id, options) = (id_ident(method), options(method));
    let doc = if doc.is_empty() { format!("Calls `{name}.{}`.", method.name) } else { doc.clone() };
    let wire = quote! { ::micronet_wire::service };
    let failure = quote! { <#output as #wire::Outcome>::Failure };
    let (arity, incoming, incoming_of) = match replies {
        Some(of) => (
            quote! { Many },
            quote! { #wire::Incoming<#of, #failure> },
            quote! { #wire::Incoming::of_replies },
        ),
        None => (quote! { One }, quote! { #wire::Answered<#output> }, quote! { #wire::Answered::of }),
    };
    let (argument, encoded, gives, given) = match (request, many_requests) {
        (Some(of), true) => (
            quote! {},
            quote! { ::core::option::Option::None },
            quote! { (#wire::Outgoing<#of>, #incoming) },
            quote! { (#wire::Outgoing::of_requests(::std::rc::Rc::clone(&exchange)), #incoming_of(exchange)) },
        ),
        (request, _) => (
            request.as_ref().map_or(quote! {}, |of| quote! { request: &#of, }),
            {
                let request = if request.is_some() {
                    quote! { request }
                } else {
                    quote! { &() }
                };
                quote! { ::core::option::Option::Some(#wire::encode_request(#request)?) }
            },
            incoming,
            quote! { #incoming_of(exchange) },
        ),
    };
    quote! {
        #[doc = #doc]
        ///
        /// # Errors
        /// When the call can't be made; what happens to it later is told by what this returns.
        #visibility async fn #ident(
            &self,
            #argument
            options: #wire::CallOptions,
        ) -> ::core::result::Result<#gives, #failure> {
            let exchange = #wire::Caller::open(
                &self.caller,
                #methods::#id,
                #encoded,
                #wire::Arity::#arity,
                #options,
            )
            .await?;
            ::core::result::Result::Ok(#given)
        }
    }
}

/// How the server opens a call, and what the handler gets besides the context.
fn opened(method: &Method, at: usize) -> (TokenStream, TokenStream) {
    let wire = quote! { ::micronet_wire::service };
    let request = request_type(method);
    let (requests, request_argument) = match (&method.request, method.many_requests) {
        (Some(of), true) => (
            quote! {
                #wire::open_stream(&self.schema, #at, &context)?;
                let request = #wire::Incoming::<#of>::of_requests(&context, &self.schema, #at)?;
            },
            quote! { request, },
        ),
        (Some(_), false) => (
            quote! { let request = #wire::open::<#request>(&self.schema, #at, &context, &request)?; },
            quote! { request, },
        ),
        // A method without a request still has its empty body checked.
        (None, _) => (quote! { #wire::open::<()>(&self.schema, #at, &context, &request)?; }, quote! {}),
    };
    match &method.replies {
        Some(of) => (
            quote! { #requests let replies = #wire::Outgoing::<#of>::of_replies(&context)?; },
            quote! { #request_argument replies, },
        ),
        None => (requests, request_argument),
    }
}

fn server(service: &Service) -> TokenStream {
    let (visibility, name, ident) = (&service.visibility, &service.name, &service.ident);
    let (methods, schema) = (methods_ident(service), schema_ident(service));
    let server = format_ident!("{}Server", ident);
    let doc = format!("The server of service `{name}`: decides who may call, decodes, calls, encodes.");
    let arms = service.methods.iter().enumerate().map(|(at, method)| {
        let (id, function, output) = (id_ident(method), &method.ident, &method.output);
        let (opened, arguments) = opened(method, at);
        let call = quote! { <S as #ident>::#function(&*service, &context, #arguments).await };
        let outcome = if method.rpc.one_way {
            // The call is over when the handler is, and its answer is an empty one that goes nowhere.
            quote! { let outcome: #output = ::core::result::Result::Ok(#call); }
        } else {
            quote! { let outcome = #call; }
        };
        quote! {
            #methods::#id => {
                #opened
                let service = ::std::rc::Rc::clone(&self.service);
                ::std::boxed::Box::pin(async move {
                    #outcome
                    ::micronet_wire::service::Outcome::into_answer(outcome)
                })
            }
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(Debug)]
        #visibility struct #server<S> {
            service: ::std::rc::Rc<S>,
            schema: ::std::rc::Rc<::micronet_wire::schema::EncodedSchema>,
        }

        impl<S: #ident + 'static> #server<S> {
            fn start(
                &self,
                context: ::std::boxed::Box<::micronet_wire::service::CallContext>,
                method: u32,
                request: ::micronet_wire::service::Bytes,
            ) -> ::core::result::Result<::micronet_wire::service::Handling, ::micronet_wire::error::RpcError> {
                ::core::result::Result::Ok(match method {
                    #(#arms)*
                    _ => ::micronet_wire::service::refuse_unknown(#methods::SERVICE_NAME, method),
                })
            }
        }

        impl<S: #ident + 'static> #server<S> {
            /// A server of `service`, with the schema validated and encoded once.
            ///
            /// # Errors
            /// When the schema breaks a rule, as a path's parameter that is no field of the request.
            #visibility fn new(service: S) -> ::core::result::Result<Self, ::micronet_wire::schema::SchemaError> {
                Self::with_schema(service, |_| {})
            }

            /// The same, with a schema in which something was changed before: what an operator has configured, as who may call a
            /// method.
            ///
            /// # Errors
            /// As [`new`](Self::new).
            #visibility fn with_schema(
                service: S,
                change: impl ::core::ops::FnOnce(&mut ::micronet_wire::schema::ServiceSchema),
            ) -> ::core::result::Result<Self, ::micronet_wire::schema::SchemaError> {
                let mut schema = #schema();
                change(&mut schema);
                let schema = ::std::rc::Rc::new(::micronet_wire::schema::EncodedSchema::new(schema)?);
                ::core::result::Result::Ok(Self { service: ::std::rc::Rc::new(service), schema })
            }
        }

        impl<S: #ident + 'static> ::micronet_wire::service::Service for #server<S> {
            fn schema(&self) -> &::micronet_wire::schema::EncodedSchema {
                &self.schema
            }

            fn handle(
                &self,
                context: ::std::boxed::Box<::micronet_wire::service::CallContext>,
                method: u32,
                request: ::micronet_wire::service::Bytes,
            ) -> ::micronet_wire::service::Handling {
                self.start(context, method, request)
                    .unwrap_or_else(|error| ::micronet_wire::service::refuse(error))
            }
        }
    }
}
