//! `#[derive(Message)]`: the encoding of a struct or enum, and its description in a schema.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Error, Fields, GenericArgument, Ident, LitInt, PathArguments,
    Result, Type,
};

use crate::attributes;
use crate::constraints::{self, Constraints};

/// A field: how Rust names it, and what its schema says.
struct Field {
    ident: Ident,
    name: String,
    doc: String,
    of: Type,
    constraints: Constraints,
}

/// A variant: likewise.
struct Variant {
    ident: Ident,
    name: String,
    doc: String,
    fields: Vec<Field>,
    http_status: u16,
}

/// What the three implementations are made of.
struct Parts {
    encode: TokenStream,
    decode: TokenStream,
    describe: TokenStream,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    attributes::refuse_renames(&input.attrs)?;
    refuse_status(&input.attrs)?;
    constraints::refuse(&input.attrs)?;
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "a message can't be generic: each type of a schema has one name and one shape",
        ));
    }
    let parts = match &input.data {
        Data::Struct(data) => struct_parts(input, &fields(&data.fields)?),
        Data::Enum(data) => enum_parts(input, &variants(input, data)?),
        Data::Union(data) => {
            return Err(Error::new_spanned(
                data.union_token,
                "a union can't be a message: the wire wouldn't know which field it holds; use an enum",
            ));
        }
    };
    Ok(implementations(&input.ident, &parts))
}

/// The generics are named so that no type of the user's can have their names: a message may be called `Context`.
fn implementations(ident: &Ident, Parts { encode, decode, describe }: &Parts) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::micronet_wire::encoding::Encode for #ident {
            fn encode<__E: ::micronet_wire::encoding::Encoder>(
                &self,
                encoder: &mut __E,
            ) -> ::core::result::Result<(), ::micronet_wire::encoding::EncodeError> {
                #encode
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl<__Context> ::micronet_wire::encoding::Decode<__Context> for #ident {
            fn decode<__D: ::micronet_wire::encoding::Decoder<Context = __Context>>(
                decoder: &mut __D,
            ) -> ::core::result::Result<Self, ::micronet_wire::encoding::DecodeError> {
                #decode
            }
        }

        #[automatically_derived]
        impl ::micronet_wire::schema::Message for #ident {
            fn describe(types: &mut ::micronet_wire::schema::TypeRegistry) -> ::micronet_wire::schema::TypeRef {
                types.named::<Self>(|types| { #describe })
            }
        }
    }
}

fn struct_parts(input: &DeriveInput, fields: &[Field]) -> Parts {
    let idents: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    let decoded = decode_fields(fields);
    let (name, doc, described) =
        (attributes::name(&input.ident), attributes::doc(&input.attrs), describe_fields(fields));
    Parts {
        encode: quote! { #(::micronet_wire::encoding::Encode::encode(&self.#idents, encoder)?;)* },
        decode: quote! { ::core::result::Result::Ok(Self { #decoded }) },
        describe: quote! {
            ::micronet_wire::schema::Type::Struct {
                name: ::std::string::String::from(#name),
                doc: ::std::string::String::from(#doc),
                fields: #described,
            }
        },
    }
}

fn enum_parts(input: &DeriveInput, variants: &[Variant]) -> Parts {
    let (mut encode, mut decode, mut describe) = (Vec::new(), Vec::new(), Vec::new());
    for (index, Variant { ident, name, doc, fields, http_status }) in (0_u32..).zip(variants) {
        // Bound under names of our own, so that a field may be called `encoder`.
        let bound: Vec<_> = (0..fields.len()).map(|at| format_ident!("field_{at}")).collect();
        let idents = fields.iter().map(|field| &field.ident);
        let decoded = decode_fields(fields);
        let described = describe_fields(fields);
        encode.push(quote! {
            Self::#ident { #(#idents: #bound),* } => {
                ::micronet_wire::encoding::Encode::encode(&#index, encoder)?;
                #(::micronet_wire::encoding::Encode::encode(#bound, encoder)?;)*
            }
        });
        decode.push(quote! { #index => ::core::result::Result::Ok(Self::#ident { #decoded }), });
        describe.push(quote! {
            ::micronet_wire::schema::Variant {
                name: ::std::string::String::from(#name),
                doc: ::std::string::String::from(#doc),
                fields: #described,
                http_status: #http_status,
            }
        });
    }
    let (name, doc) = (attributes::name(&input.ident), attributes::doc(&input.attrs));
    Parts {
        encode: quote! { match self { #(#encode)* } },
        decode: quote! {
            match <u32 as ::micronet_wire::encoding::Decode<__Context>>::decode(decoder)? {
                #(#decode)*
                _ => ::core::result::Result::Err(::micronet_wire::encoding::unknown_variant()),
            }
        },
        describe: quote! {
            ::micronet_wire::schema::Type::Enum {
                name: ::std::string::String::from(#name),
                doc: ::std::string::String::from(#doc),
                variants: ::std::vec![#(#describe),*],
            }
        },
    }
}

fn decode_fields(fields: &[Field]) -> TokenStream {
    let idents = fields.iter().map(|field| &field.ident);
    quote! { #(#idents: ::micronet_wire::encoding::Decode::decode(decoder)?),* }
}

fn describe_fields(fields: &[Field]) -> TokenStream {
    let described = fields.iter().map(|Field { name, doc, of, constraints, .. }| {
        // Errors about the type point at it; lints still see that the code is the macro's.
        let span = of.span().resolved_at(Span::call_site());
        let at = quote_spanned! { span => <#of as ::micronet_wire::schema::Message>::describe(types) };
        let constraints = constraints.described();
        quote! {
            ::micronet_wire::schema::Field {
                name: ::std::string::String::from(#name),
                doc: ::std::string::String::from(#doc),
                of: #at,
                #constraints
            }
        }
    });
    quote! { ::std::vec![#(#described),*] }
}

fn fields(fields: &Fields) -> Result<Vec<Field>> {
    let named = match fields {
        Fields::Named(fields) => &fields.named,
        Fields::Unit => return Ok(Vec::new()),
        Fields::Unnamed(fields) => {
            return Err(Error::new_spanned(
                fields,
                "the fields of a message need names, which JSON and the tools show: write `{ name: Type }`",
            ));
        }
    };
    let mut read = Vec::with_capacity(named.len());
    for field in named {
        attributes::refuse_renames(&field.attrs)?;
        refuse_status(&field.attrs)?;
        refuse_outside_grammar(&field.ty)?;
        if let Some(ident) = field.ident.clone() {
            let (name, doc) = (attributes::name(&ident), attributes::doc(&field.attrs));
            let constraints = Constraints::read(&field.attrs, &field.ty)?;
            read.push(Field { ident, name, doc, of: field.ty.clone(), constraints });
        }
    }
    Ok(read)
}

fn variants(input: &DeriveInput, data: &DataEnum) -> Result<Vec<Variant>> {
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "an enum without variants has no value that could travel",
        ));
    }
    let mut read = Vec::with_capacity(data.variants.len());
    for variant in &data.variants {
        attributes::refuse_renames(&variant.attrs)?;
        constraints::refuse(&variant.attrs)?;
        if let Some((_, discriminant)) = &variant.discriminant {
            return Err(Error::new_spanned(
                discriminant,
                "a variant's index on the wire is its place in the enum: it can't be chosen",
            ));
        }
        read.push(Variant {
            ident: variant.ident.clone(),
            name: attributes::name(&variant.ident),
            doc: attributes::doc(&variant.attrs),
            fields: fields(&variant.fields)?,
            http_status: status(&variant.attrs)?,
        });
    }
    Ok(read)
}

/// The HTTP status of `#[status(404)]`; 0 without.
fn status(attributes: &[Attribute]) -> Result<u16> {
    let Some(attribute) = attributes::find(attributes, "status") else { return Ok(0) };
    let literal: LitInt = attribute.parse_args()?;
    match literal.base10_parse::<u16>() {
        Ok(status @ 400..=599) => Ok(status),
        _ => Err(Error::new_spanned(literal, "the HTTP status of an error is between 400 and 599")),
    }
}

fn refuse_status(attributes: &[Attribute]) -> Result<()> {
    match attributes::find(attributes, "status") {
        Some(found) => {
            Err(Error::new_spanned(found, "`#[status(…)]` stands on the variants of an error enum"))
        }
        None => Ok(()),
    }
}

/// Refuses the primitive types that the grammar leaves out. What else can't travel doesn't implement `Message`, and the
/// compiler says so.
fn refuse_outside_grammar(of: &Type) -> Result<()> {
    let Type::Path(path) = of else { return Ok(()) };
    let Some(segment) = path.path.segments.last() else { return Ok(()) };
    let instead = match segment.ident.to_string().as_str() {
        "usize" => "u64, or u32",
        "isize" => "i64, or i32",
        "f32" | "f64" => "Decimal, or an integer of a smaller unit",
        "u128" | "i128" => "a Blob",
        "char" => "a String",
        _ => "",
    };
    if !instead.is_empty() {
        return Err(Error::new_spanned(
            of,
            format!(
                "`{}` is not in the closed grammar of messages (sized integers up to 64 bits, bool, String, Blob, \
                 Timestamp, Decimal, Option, Vec, BTreeMap, and structs and enums of these): use {instead}",
                segment.ident
            ),
        ));
    }
    if let PathArguments::AngleBracketed(arguments) = &segment.arguments {
        for argument in &arguments.args {
            if let GenericArgument::Type(inner) = argument {
                refuse_outside_grammar(inner)?;
            }
        }
    }
    Ok(())
}
