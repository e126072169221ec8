//! `#[field(…)]`: the constraints and the example of a field.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::ParseStream;
use syn::{Attribute, Error, GenericArgument, Lit, LitInt, LitStr, PathArguments, Result, Token, Type};

use crate::attributes;

/// What a field's attribute says beyond its type.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Constraints {
    min: Option<i64>,
    max: Option<i64>,
    format: Option<String>,
    /// JSON.
    example: Option<String>,
}

const UNKNOWN: &str = "not known here: `#[field(…)]` has `min = 1`, `max = 200`, `format = \"email\"`, `secret` and `example = \"…\"`";

/// The formats of strings besides a choice, as `micronet_wire::schema::FORMATS`, but for that of secrets.
const FORMATS: [&str; 4] = ["email", "line", "name", "slug"];

/// The format of what is shown to nobody.
const SECRET: &str = "password";

const FORMAT_UNKNOWN: &str = "the formats that are known: \"email\", \"line\", \"name\", \"slug\", and \"choice A B …\" for one of some words";

impl Constraints {
    /// Reads the attribute of a field of this type. What the macro can't see of the type is checked with the schema.
    pub(crate) fn read(attributes: &[Attribute], of: &Type) -> Result<Self> {
        let mut read = Self::default();
        let mut found = attributes.iter().filter(|attribute| attribute.path().is_ident("field"));
        let Some(attribute) = found.next() else { return Ok(read) };
        if let Some(second) = found.next() {
            return Err(Error::new_spanned(second, "a field has one `#[field(…)]`: write everything in it"));
        }
        attribute.parse_nested_meta(|meta| read.word(&meta, of))?;
        let refuse = |words: &str| Err(Error::new_spanned(attribute, words));
        if let (Some(min), Some(max)) = (read.min, read.max)
            && min > max
        {
            return refuse("`min` is above `max`: no value would be taken");
        }
        let limits = [read.min, read.max];
        match kind(of).as_str() {
            "bool" | "Timestamp" if limits != [None; 2] => {
                return refuse("`min` and `max` limit numbers, strings, bytes, lists and maps");
            }
            "String" | "Blob" | "Vec" | "BTreeMap" if limits.iter().flatten().any(|limit| *limit < 0) => {
                return refuse("a length is never below 0");
            }
            "Blob" if read.is_secret() => {}
            kind if read.is_secret() && KNOWN.contains(&kind) => {
                return refuse("strings and bytes can be `secret`");
            }
            kind if read.format.is_some() && KNOWN.contains(&kind) => {
                return refuse("a `format` is for strings");
            }
            _ => {}
        }
        Ok(read)
    }

    fn word(&mut self, meta: &ParseNestedMeta<'_>, of: &Type) -> Result<()> {
        let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match word.as_str() {
            "min" => once(meta, &mut self.min, limit(meta.value()?)?),
            "max" => once(meta, &mut self.max, limit(meta.value()?)?),
            "format" => {
                let literal: LitStr = meta.value()?.parse()?;
                let format = literal.value();
                if !FORMATS.contains(&format.as_str()) && !format.starts_with("choice ") {
                    return Err(Error::new_spanned(literal, FORMAT_UNKNOWN));
                }
                once(meta, &mut self.format, format)
            }
            "secret" => once(meta, &mut self.format, SECRET.to_owned()),
            "example" => once(meta, &mut self.example, example(meta.value()?, of)?),
            _ => Err(meta.error(UNKNOWN)),
        }
    }

    fn is_secret(&self) -> bool {
        self.format.as_deref() == Some(SECRET)
    }

    /// The fields of `schema::Field` that follow its type.
    pub(crate) fn described(&self) -> TokenStream {
        let (min, max) = (limited(self.min), limited(self.max));
        let (format, example) = (text(self.format.as_deref()), text(self.example.as_deref()));
        quote! { min: #min, max: #max, format: #format, example: #example, }
    }
}

/// Refuses the attribute where no field is.
pub(crate) fn refuse(attributes: &[Attribute]) -> Result<()> {
    match attributes::find(attributes, "field") {
        Some(found) => Err(Error::new_spanned(found, "`#[field(…)]` stands on fields")),
        None => Ok(()),
    }
}

fn limited(limit: Option<i64>) -> TokenStream {
    match limit {
        Some(limit) => quote! { ::core::option::Option::Some(#limit) },
        None => quote! { ::core::option::Option::None },
    }
}

fn text(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote! { ::std::string::String::from(#text) },
        None => quote! { ::std::string::String::new() },
    }
}

fn once<T>(meta: &ParseNestedMeta<'_>, slot: &mut Option<T>, value: T) -> Result<()> {
    if slot.replace(value).is_some() { Err(meta.error("this stands here twice")) } else { Ok(()) }
}

/// `200` or `-5`.
fn limit(input: ParseStream<'_>) -> Result<i64> {
    let minus: Option<Token![-]> = input.parse()?;
    let literal: LitInt = input.parse()?;
    let sign = if minus.is_some() { "-" } else { "" };
    let number = format!("{sign}{}", literal.base10_digits()).parse();
    number.map_err(|_| Error::new_spanned(literal, "a limit is an integer of 64 bits"))
}

/// A number or a bool as it is written; a text as JSON, or as it stands where the field's value is a string in JSON.
fn example(input: ParseStream<'_>, of: &Type) -> Result<String> {
    let minus: Option<Token![-]> = input.parse()?;
    let sign = if minus.is_some() { "-" } else { "" };
    match input.parse()? {
        Lit::Int(number) if number.suffix().is_empty() => Ok(format!("{sign}{}", number.base10_digits())),
        Lit::Float(number) if number.suffix().is_empty() => Ok(format!("{sign}{}", number.base10_digits())),
        Lit::Bool(flag) if minus.is_none() => Ok(flag.value.to_string()),
        Lit::Str(literal) if minus.is_none() => {
            let text = literal.value();
            if text.is_empty() {
                Err(Error::new_spanned(literal, "this can't be empty"))
            } else if matches!(kind(of).as_str(), "String" | "Blob" | "Timestamp") && !text.starts_with('"') {
                Ok(quoted(&text))
            } else {
                Ok(text)
            }
        }
        other => Err(Error::new_spanned(other, "an example is a number, a bool, or JSON in a string")),
    }
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\0'..='\u{1f}' => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// The types of the grammar that are no strings, as far as their names tell.
const KNOWN: &[&str] = &[
    "bool",
    "u8",
    "u16",
    "u32",
    "u64",
    "i8",
    "i16",
    "i32",
    "i64",
    "Decimal",
    "Timestamp",
    "Blob",
    "Vec",
    "BTreeMap",
];

/// The name of the type, or of what an option of it holds.
fn kind(of: &Type) -> String {
    let Type::Path(path) = of else { return String::new() };
    let Some(segment) = path.path.segments.last() else { return String::new() };
    if segment.ident == "Option"
        && let PathArguments::AngleBracketed(arguments) = &segment.arguments
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        return kind(inner);
    }
    segment.ident.to_string()
}
