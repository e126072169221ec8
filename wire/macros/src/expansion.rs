//! What `#[service]` writes: the trait, the ids of its methods, its schema, its client and its server.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, TraitItem, Type, parse_quote};

use crate::rpc::Access;
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
    let (idempotent, rate, status) = (rpc.idempotent, &rpc.rate, rpc.status);
    let described = quote_spanned! { at_call_site(&request) =>
        <#request as ::micronet_wire::schema::Message>::describe(types)
    };
    let outcome = quote_spanned! { at_call_site(output) =>
        <#output as ::micronet_wire::service::Outcome>::describe(types)
    };
    let access = match &rpc.access {
        Access::Public => quote! { Public },
        Access::Service => quote! { Service },
        Access::Services(names) => {
            quote! { Services { names: ::std::vec![#(::std::string::String::from(#names)),*] } }
        }
        Access::Permission(name) => quote! { Permission { name: ::std::string::String::from(#name) } },
    };
    let media = match (rpc.text, rpc.page) {
        (true, _) => quote! { Text },
        (_, true) => quote! { Page },
        _ => quote! { Json },
    };
    let shape = if rpc.one_way {
        quote! { OneWay }
    } else {
        quote! { Unary }
    };
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
            ::micronet_wire::schema::Method {
                id: #methods::#id,
                name: ::std::string::String::from(#name),
                doc: ::std::string::String::from(#doc),
                request,
                reply,
                error,
                shape: ::micronet_wire::schema::CallShape::#shape,
                idempotent: #idempotent,
                access: ::micronet_wire::schema::Access::#access,
                rate_class: ::std::string::String::from(#rate),
                http: ::std::vec![#(#bindings),*],
                http_status: #status,
                media: ::micronet_wire::schema::Media::#media,
            }
        }
    }
}

fn client(service: &Service) -> TokenStream {
    let (visibility, name, methods) = (&service.visibility, &service.name, methods_ident(service));
    let client = format_ident!("{}Client", service.ident);
    let doc = format!("The client of service `{name}`, over whatever calls can be made on.");
    let calls = service.methods.iter().map(|method| {
        let Method { ident, doc, output, .. } = method;
        let id = id_ident(method);
        let (argument, request) = match &method.request {
            Some(of) => (quote! { request: &#of, }, quote! { request }),
            None => (quote! {}, quote! { &() }),
        };
        let doc = if doc.is_empty() { format!("Calls `{name}.{}`.", method.name) } else { doc.clone() };
        let (errors, function, outcome) = if method.rpc.one_way {
            let errors = "When the call can't be made: there is no connection, or none that can take more.";
            (errors, quote! { send }, quote! { answer })
        } else {
            let outcome = quote! { ::micronet_wire::service::Outcome::from_answer(answer) };
            ("The service's own, or what went wrong on the way there.", quote! { call }, outcome)
        };
        // Whoever retries calls has to know which of them may be repeated.
        let options = if method.rpc.idempotent {
            quote! { ::micronet_wire::service::CallOptions { idempotent: true, ..options } }
        } else {
            quote! { options }
        };
        quote! {
            #[doc = #doc]
            ///
            /// # Errors
            #[doc = #errors]
            #visibility async fn #ident(
                &self,
                #argument
                options: ::micronet_wire::service::CallOptions,
            ) -> #output {
                let answer = match ::micronet_wire::service::encode_request(#request) {
                    ::core::result::Result::Ok(request) => {
                        ::micronet_wire::service::Caller::#function(&self.caller, #methods::#id, request, #options)
                            .await
                    }
                    ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
                };
                #outcome
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

fn server(service: &Service) -> TokenStream {
    let (visibility, name, ident) = (&service.visibility, &service.name, &service.ident);
    let (methods, schema) = (methods_ident(service), schema_ident(service));
    let server = format_ident!("{}Server", ident);
    let doc = format!("The server of service `{name}`: decides who may call, decodes, calls, encodes.");
    let arms = service.methods.iter().enumerate().map(|(at, method)| {
        let (id, function, request) = (id_ident(method), &method.ident, request_type(method));
        let output = &method.output;
        let argument = method.request.as_ref().map(|_| quote! { request, });
        // A method without a request still has its empty body checked.
        let bound = if argument.is_some() {
            quote! { request }
        } else {
            quote! { () }
        };
        let call = quote! { <S as #ident>::#function(&*service, &context, #argument).await };
        let outcome = if method.rpc.one_way {
            // The call is over when the handler is, and its answer is an empty one that goes nowhere.
            quote! { let outcome: #output = ::core::result::Result::Ok(#call); }
        } else {
            quote! { let outcome = #call; }
        };
        quote! {
            #methods::#id => {
                match ::micronet_wire::service::open::<#request>(&self.schema, #at, &context, &request) {
                    ::core::result::Result::Ok(#bound) => {
                        let service = ::std::rc::Rc::clone(&self.service);
                        ::std::boxed::Box::pin(async move {
                            #outcome
                            ::micronet_wire::service::Outcome::into_answer(outcome)
                        })
                    }
                    ::core::result::Result::Err(error) => ::micronet_wire::service::refuse(error),
                }
            }
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(Debug)]
        #visibility struct #server<S> {
            service: ::std::rc::Rc<S>,
            schema: ::micronet_wire::schema::EncodedSchema,
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
                let schema = ::micronet_wire::schema::EncodedSchema::new(schema)?;
                ::core::result::Result::Ok(Self { service: ::std::rc::Rc::new(service), schema })
            }
        }

        impl<S: #ident + 'static> ::micronet_wire::service::Service for #server<S> {
            fn schema(&self) -> &::micronet_wire::schema::EncodedSchema {
                &self.schema
            }

            fn handle(
                &self,
                context: ::micronet_wire::service::CallContext,
                method: u32,
                request: ::micronet_wire::service::Bytes,
            ) -> ::micronet_wire::service::Handling {
                match method {
                    #(#arms)*
                    _ => ::micronet_wire::service::refuse_unknown(#methods::SERVICE_NAME, method),
                }
            }
        }
    }
}
