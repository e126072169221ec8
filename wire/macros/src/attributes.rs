//! What both macros read from attributes: doc comments, names, and the attributes that have no place here.

use syn::ext::IdentExt as _;
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, Meta, Result};

/// The doc comment, one leading space of each line removed, lines joined, trimmed.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        // `#[doc(hidden)]` and `#[doc = include_str!("…")]` bring no words that could be read here.
        if let Meta::NameValue(pair) = &attribute.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
        {
            let text = text.value();
            lines.extend(text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()));
        }
    }
    lines.join("\n").trim().to_owned()
}

/// The name as the schema shows it: `r#type` is `type`.
pub(crate) fn name(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// The longest name that a schema may have: `NAME_BYTES_MAX` of `micronet-wire`, which this crate can't depend on.
const NAME_BYTES_MAX: usize = 64;

/// Whether a schema may have this name (SPEC.md section 10).
pub(crate) fn is_name(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain && text.len() <= NAME_BYTES_MAX && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Refuses attributes that promise another encoding or other names than the schema will have.
pub(crate) fn refuse_renames(attributes: &[Attribute]) -> Result<()> {
    for attribute in attributes {
        if attribute.path().is_ident("serde") || attribute.path().is_ident("bincode") {
            return Err(Error::new_spanned(
                attribute,
                "a message is encoded as it is written: attributes that rename or change fields aren't supported",
            ));
        }
    }
    Ok(())
}

/// The first attribute of this name.
pub(crate) fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.path().is_ident(name))
}
