//! The `#[service]` and `#[derive(Message)]` macros of `micronet-wire`.
//!
//! What they expand to names that crate as `::micronet_wire`, so this one is used through its reexports:
//! `micronet_wire::schema::Message` and `micronet_wire::service::service`.

mod attributes;
mod expansion;
mod message;
mod rpc;
mod service;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// Makes a struct or an enum a message: gives it an encoding and a description in the schema.
///
/// It may be put on a struct with named fields, and on an enum whose variants are plain names or have named fields. The
/// fields' types must be in the grammar of messages themselves. Doc comments become the schema's docs. Fields are encoded
/// in order with nothing between them, a variant as its place in the enum and its fields.
///
/// `#[status(404)]` on a variant of an error enum is the HTTP status that this error answers with.
#[proc_macro_derive(Message, attributes(status))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    message::derive(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// Makes a trait a service.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(arguments.into(), item.into()).unwrap_or_else(Error::into_compile_error).into()
}
