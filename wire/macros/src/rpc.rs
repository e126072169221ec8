//! `#[rpc(…)]`: what a method's attribute says about it.

use std::collections::BTreeSet;

use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Ident, LitInt, LitStr, Result, Token, parenthesized, token};

use crate::attributes;

/// Who may call a method.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Public,
    SignedIn,
    Permission(String),
    Service,
    Services(Vec<String>),
}

/// What executing a method has for an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    No,
    Idempotent,
    Safe,
}

/// A place where HTTP reaches a method.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) method: String,
    pub(crate) path: String,
}

/// The attribute, read and checked.
pub(crate) struct Rpc {
    pub(crate) http: Vec<Binding>,
    pub(crate) idempotency: Idempotency,
    pub(crate) access: Access,
    pub(crate) rate: String,
    pub(crate) cache: String,
    pub(crate) status: u16,
    pub(crate) text: bool,
    pub(crate) page: bool,
    pub(crate) bare: bool,
    pub(crate) one_way: bool,
    /// Which variants of the error type it answers with; empty for any.
    pub(crate) errors: Vec<Ident>,
}

/// The attribute as it is being read: nothing has a default yet, so that a repetition is seen.
#[derive(Default)]
struct Words {
    http: Vec<Binding>,
    idempotent: bool,
    safe: bool,
    access: Option<Access>,
    rate: Option<String>,
    cache: Option<String>,
    status: Option<u16>,
    text: bool,
    page: bool,
    bare: bool,
    one_way: bool,
    errors: Vec<Ident>,
}

const ACCESS_MISSING: &str = "who may call this method? say one of `public`, `signed_in`, `permission = \"…\"`, `service` and `service(\"…\")` in `#[rpc(…)]`";

/// Takes the `#[rpc(…)]` of a method away and reads it.
pub(crate) fn take(attributes: &mut Vec<Attribute>, method: &Ident) -> Result<Rpc> {
    let Some(at) = attributes.iter().position(|attribute| attribute.path().is_ident("rpc")) else {
        return Err(Error::new_spanned(method, ACCESS_MISSING));
    };
    let attribute = attributes.remove(at);
    if let Some(second) = attributes::find(attributes, "rpc") {
        return Err(Error::new_spanned(second, "a method has one `#[rpc(…)]`: write everything in it"));
    }
    let mut words = Words::default();
    attribute.parse_nested_meta(|meta| words.read(&meta))?;
    let idempotency = words.idempotency().map_err(|said| Error::new_spanned(&attribute, said))?;
    let Some(access) = words.access else {
        return Err(Error::new_spanned(attribute, ACCESS_MISSING));
    };
    if words.http.is_empty() && (words.status.is_some() || words.text || words.page || words.bare) {
        return Err(Error::new_spanned(
            attribute,
            "`status`, `text`, `page` and `bare` are for HTTP: the method has no `http(…)`",
        ));
    }
    if [words.text, words.page, words.bare].into_iter().filter(|said| *said).count() > 1 {
        return Err(Error::new_spanned(
            attribute,
            "a reply is shown in one way: as `text`, as a `page` or `bare`",
        ));
    }
    if words.cache.is_some() && (access != Access::Public || idempotency == Idempotency::No) {
        return Err(Error::new_spanned(
            attribute,
            "a reply that may be kept is one of a method that is `public`, and `safe` or `idempotent`",
        ));
    }
    if words.one_way && !words.http.is_empty() {
        return Err(Error::new_spanned(
            attribute,
            "HTTP can't reach a one-way method, since it has no answer: leave out `http(…)` or `one_way`",
        ));
    }
    Ok(Rpc {
        http: words.http,
        idempotency,
        access,
        rate: words.rate.unwrap_or_else(|| "api".into()),
        cache: words.cache.unwrap_or_default(),
        status: words.status.unwrap_or(200),
        text: words.text,
        page: words.page,
        bare: words.bare,
        one_way: words.one_way,
        errors: words.errors,
    })
}

impl Words {
    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match word.as_str() {
            "http" => self.read_http(meta),
            "idempotent" => flag(meta, &mut self.idempotent),
            "safe" => flag(meta, &mut self.safe),
            "text" => flag(meta, &mut self.text),
            "page" => flag(meta, &mut self.page),
            "bare" => flag(meta, &mut self.bare),
            "one_way" => flag(meta, &mut self.one_way),
            "public" => self.set_access(meta, Access::Public),
            "signed_in" => self.set_access(meta, Access::SignedIn),
            "service" if meta.input.peek(token::Paren) => {
                let names = service_names(meta)?;
                self.set_access(meta, Access::Services(names))
            }
            "service" => self.set_access(meta, Access::Service),
            "permission" => {
                let name = nonempty(meta)?;
                self.set_access(meta, Access::Permission(name))
            }
            "errors" => {
                let content;
                parenthesized!(content in meta.input);
                let named = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?;
                if named.is_empty() || !self.errors.is_empty() {
                    return Err(meta.error("name the variants once, as `errors(NotFound, OutOfStock)`"));
                }
                self.errors.extend(named);
                Ok(())
            }
            "rate" => once(meta, &mut self.rate, nonempty(meta)?),
            "cache" => once(meta, &mut self.cache, nonempty(meta)?),
            "status" => {
                let literal: LitInt = meta.value()?.parse()?;
                match literal.base10_parse::<u16>() {
                    Ok(status @ 200..=299) => once(meta, &mut self.status, status),
                    _ => Err(Error::new_spanned(
                        literal,
                        "the HTTP status of a success is between 200 and 299",
                    )),
                }
            }
            "stream" => Err(meta
                .error("`stream` is not supported yet: every method takes one request and gives one reply")),
            _ => Err(meta.error(
                "not known here: `#[rpc(…)]` has `http(\"GET /path\")`, `safe`, `idempotent`, `one_way`, `public`, `signed_in`, \
                 `permission = \"…\"`, `service`, `service(\"name\")`, `rate = \"…\"`, `cache = \"…\"`, `status = 201`, `errors(…)`, `text`, `page` and `bare`",
            )),
        }
    }

    /// What was said of its effect; an error where that contradicts something else.
    fn idempotency(&self) -> std::result::Result<Idempotency, &'static str> {
        // RFC 9110 section 9.3: who sends one of these asks for a change.
        let asks_for_change = |at: &Binding| matches!(at.method.as_str(), "PUT" | "PATCH" | "DELETE");
        match (self.safe, self.idempotent) {
            (false, false) => Ok(Idempotency::No),
            (false, true) => Ok(Idempotency::Idempotent),
            (true, true) => Err("what is `safe` is idempotent too: leave out `idempotent`"),
            (true, false) if self.one_way => {
                Err("a `safe` method is called for its answer, which a `one_way` one doesn't have")
            }
            (true, false) if self.http.iter().any(asks_for_change) => {
                Err("PUT, PATCH and DELETE ask for a change, and a `safe` method makes none")
            }
            (true, false) => Ok(Idempotency::Safe),
        }
    }

    fn set_access(&mut self, meta: &ParseNestedMeta<'_>, access: Access) -> Result<()> {
        match self.access.replace(access) {
            None => Ok(()),
            Some(_) => {
                Err(meta
                    .error("only one of `public`, `signed_in`, `permission = \"…\"` and `service` can hold"))
            }
        }
    }

    fn read_http(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let content;
        parenthesized!(content in meta.input);
        let literals = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
        if literals.is_empty() {
            return Err(meta.error("name at least one binding, as `http(\"GET /products/{name}\")`"));
        }
        for literal in literals {
            let bound = binding(&literal.value()).map_err(|words| Error::new_spanned(&literal, words))?;
            if self.http.contains(&bound) {
                return Err(Error::new_spanned(literal, "this binding stands here twice"));
            }
            self.http.push(bound);
        }
        Ok(())
    }
}

fn flag(meta: &ParseNestedMeta<'_>, flag: &mut bool) -> Result<()> {
    if std::mem::replace(flag, true) { Err(meta.error("this stands here twice")) } else { Ok(()) }
}

fn once<T>(meta: &ParseNestedMeta<'_>, slot: &mut Option<T>, value: T) -> Result<()> {
    if slot.replace(value).is_some() { Err(meta.error("this stands here twice")) } else { Ok(()) }
}

fn nonempty(meta: &ParseNestedMeta<'_>) -> Result<String> {
    let literal: LitStr = meta.value()?.parse()?;
    if literal.value().is_empty() {
        Err(Error::new_spanned(literal, "this can't be empty"))
    } else {
        Ok(literal.value())
    }
}

/// `service("order", "gateway")`: the node names of services.
fn service_names(meta: &ParseNestedMeta<'_>) -> Result<Vec<String>> {
    let content;
    parenthesized!(content in meta.input);
    let mut names = Vec::new();
    for literal in Punctuated::<LitStr, Token![,]>::parse_terminated(&content)? {
        let name = literal.value();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(Error::new_spanned(literal, "this is not the name of a service"));
        }
        if names.contains(&name) {
            return Err(Error::new_spanned(literal, "this service stands here twice"));
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err(
            meta.error("name at least one service, as `service(\"order\")`, or say `service` for all")
        );
    }
    Ok(names)
}

/// `GET /products/{name}`. Whether `name` is a field of the request is seen when the schema is validated, because the
/// macro sees only the request's name.
fn binding(text: &str) -> std::result::Result<Binding, String> {
    let Some((method, path)) = text.split_once(' ') else {
        return Err("a binding is an HTTP method, a space and a path, as `GET /products/{name}`".into());
    };
    if !matches!(method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "WS") {
        return Err(format!("{method:?} is none of GET, POST, PUT, PATCH, DELETE and WS"));
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err(format!("the path {path:?} doesn't start with a slash"));
    };
    let mut parameters = BTreeSet::new();
    for segment in rest.split('/') {
        if let Some(parameter) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            if !attributes::is_name(parameter) {
                return Err(format!("{segment} is not the name of a field in braces"));
            }
            if !parameters.insert(parameter) {
                return Err(format!("{segment} stands twice in the path"));
            }
        } else if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
            return Err(format!(
                "{segment:?} has characters that a path can't have; a parameter is a whole segment, as `/{{name}}`"
            ));
        }
    }
    Ok(Binding { method: method.into(), path: path.into() })
}
