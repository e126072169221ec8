//! The schema of a service: its types and methods, as data that travels on the wire (SPEC.md section 10).
//!
//! A schema is written once, as a Rust trait with messages; [`ServiceSchema`] is what the macros make of it and what a
//! server hands to whoever asks. Types live in one flat table and refer to each other by index, so that decoding a
//! schema never recurses, and no type may contain itself, so that the depth of every value is known from its schema.

mod constraints;
mod fingerprint;
mod json;
mod lua;
mod registry;
mod validate;
mod values;

pub(crate) use constraints::Measure;
pub use fingerprint::{EncodedSchema, Fingerprint, method_id};
pub use micronet_wire_macros::Message;
pub use registry::TypeRegistry;
pub use validate::SchemaError;
pub use values::{Blob, Decimal, Hidden, Timestamp};

use crate::encoding::{Decode, Encode};
use crate::transcode::variant_index;

/// A value that can travel: it has an encoding and can describe its type.
///
/// Derive it for structs with named fields and for enums: `#[derive(Message)]`. Doc comments become the schema's docs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't travel: it is not in the closed grammar of messages",
    label = "not a message",
    note = "these can: sized integers up to 64 bits, bool, String, Blob, Timestamp, Decimal, Option, Vec, BTreeMap, and \
            structs and enums with `#[derive(Message)]`"
)]
pub trait Message: Encode + Decode<()> + 'static {
    /// Adds this type (and those it is made of) to the table and says where it stands.
    fn describe(types: &mut TypeRegistry) -> TypeRef;
}

/// The index of a type in its schema's table.
pub type TypeRef = u32;

/// Everything about one service that a peer needs to call it without having been built with it.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ServiceSchema {
    /// The service's name, as in `product.query`.
    pub name: String,
    /// What the service is for.
    pub doc: String,
    /// All types; others refer to them by index.
    pub types: Vec<Type>,
    /// All methods.
    pub methods: Vec<Method>,
}

/// One type of the closed grammar.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Nothing at all; zero bytes; JSON `null`.
    Unit,
    /// True or false.
    Bool,
    /// 8-bit unsigned integer.
    U8,
    /// 16-bit unsigned integer.
    U16,
    /// 32-bit unsigned integer.
    U32,
    /// 64-bit unsigned integer; a string in JSON beyond 2^53 - 1.
    U64,
    /// 8-bit signed integer.
    I8,
    /// 16-bit signed integer.
    I16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer; a string in JSON beyond 2^53 - 1.
    I64,
    /// UTF-8 text.
    String,
    /// Raw bytes; base64 in JSON.
    Bytes,
    /// Microseconds since 1970-01-01 UTC, signed; RFC 3339 in JSON.
    Timestamp,
    /// A decimal number, kept as a signed 64-bit count of its smallest unit; a plain number in JSON.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
    /// A value or nothing; `null` or an absent field in JSON.
    Option {
        /// The type of the value.
        item: TypeRef,
    },
    /// Values of one type, in order.
    List {
        /// The type of each value.
        item: TypeRef,
    },
    /// Values by key, in ascending order of the keys.
    Map {
        /// The type of the keys: string, integer or bool.
        key: TypeRef,
        /// The type of the values.
        value: TypeRef,
    },
    /// Named fields, in order.
    Struct {
        /// The type's name, unique in its schema.
        name: String,
        /// What it is.
        doc: String,
        /// Its fields, in the order of the encoding.
        fields: Vec<Field>,
    },
    /// One of several variants.
    Enum {
        /// The type's name, unique in its schema.
        name: String,
        /// What it is.
        doc: String,
        /// Its variants, in the order of their indices.
        variants: Vec<Variant>,
    },
}

/// One field of a struct or of an enum's variant, and the constraints that its values keep (SPEC.md 10.9).
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// The field's name, also in JSON.
    pub name: String,
    /// What it is.
    pub doc: String,
    /// Its type.
    pub of: TypeRef,
    /// The least that is taken: of an integer its value, of a decimal its smallest units, of a string its characters (Unicode
    /// scalar values), of bytes their number, of a list or a map its items. For an option it limits the value inside.
    pub min: Option<i64>,
    /// The most that is taken, counted as in `min`.
    pub max: Option<i64>,
    /// What a string looks like: one of [`FORMATS`] or a choice, or empty for any.
    pub format: String,
    /// A value that the field takes, as JSON, for people; empty for none.
    pub example: String,
}

/// The formats that a field of text can have, besides a choice: `choice` and the words of which it is one, a space before each.
pub const FORMATS: &[&str] = &["email", "password", "line", "name", "slug"];

/// One variant of an enum.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The variant's name; in JSON `"Name"` without fields, `{"Name":{…}}` with them.
    pub name: String,
    /// What it is.
    pub doc: String,
    /// Its fields; none for a plain name.
    pub fields: Vec<Field>,
    /// For an error type: the HTTP status that this error answers with. 0 elsewhere.
    pub http_status: u16,
}

/// One method of a service.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// The hash of `service.method` that frames carry: [`method_id`].
    pub id: u32,
    /// The method's name without its service.
    pub name: String,
    /// What it does.
    pub doc: String,
    /// The request's type: always a struct, or unit.
    pub request: TypeRef,
    /// The reply's type.
    pub reply: TypeRef,
    /// The type of the service's own errors: an enum, or none.
    pub error: Option<TypeRef>,
    /// How many messages go each way.
    pub shape: CallShape,
    /// What executing it has for an effect, once and again.
    pub idempotency: Idempotency,
    /// Who may call it.
    pub access: Access,
    /// The class of rate limits that it belongs to.
    pub rate_class: String,
    /// Where HTTP reaches it; empty for methods that HTTP doesn't reach.
    pub http: Vec<HttpBinding>,
    /// The HTTP status of a success: 200, or 201 for what creates.
    pub http_status: u16,
    /// How HTTP shows the reply.
    pub media: Media,
    /// The stream of the same service each of whose messages says that replies may differ from now on: a reply to somebody anonymous
    /// may be kept until then. Empty where no reply may be kept.
    pub cache: String,
    /// The variants of its error type that it answers with, by name; empty for any of them.
    pub errors: Vec<String>,
}

impl Method {
    /// Whether executing it twice has the same effect as once, even without a token.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotency != Idempotency::No
    }

    /// Whether it changes nothing that its caller asks for.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.idempotency == Idempotency::Safe
    }

    /// Whether its calls can wait longer than others (SPEC.md 6.7).
    #[must_use]
    pub fn is_bulk(&self) -> bool {
        self.rate_class == "bulk"
    }

    /// Whether it answers with this variant of its error type.
    #[must_use]
    pub fn may_fail_with(&self, variant: &Variant) -> bool {
        self.errors.is_empty() || self.errors.contains(&variant.name)
    }

    /// Whether its messages go one by one, in either direction.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        !matches!(self.shape, CallShape::Unary | CallShape::OneWay)
    }

    /// The paths on which a server with HTTP leads to it: of a stream of replies those at which it is a stream of events.
    pub fn paths(&self) -> impl Iterator<Item = &HttpBinding> {
        self.http.iter().filter(|binding| !binding.is_socket())
    }

    /// The paths at which a stream is a WebSocket, without what they all begin with (`/ws`).
    pub fn socket_paths(&self) -> impl Iterator<Item = &HttpBinding> {
        self.http.iter().filter(|_| self.is_stream())
    }
}

/// How many messages go each way in a call.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallShape {
    /// One request, one reply.
    Unary,
    /// One request, many replies.
    ServerStream,
    /// Many requests, one reply.
    ClientStream,
    /// Many both ways.
    Bidirectional,
    /// One request, no reply.
    OneWay,
}

/// What executing a method has for an effect, in the terms of RFC 9110 section 9.2.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// Executing it twice may do more than executing it once.
    No,
    /// Executing it twice has the same effect as once, even without a token.
    Idempotent,
    /// It changes nothing that its caller asks for, so it is idempotent too.
    Safe,
}

/// Who may call a method.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anyone, also without a credential.
    Public,
    /// A principal that has this permission.
    Permission {
        /// As `orders:read`.
        name: String,
    },
    /// Any service of the same cluster, acting for itself.
    Service,
    /// One of these services of the same cluster, acting for itself.
    Services {
        /// Their node names, as `order`.
        names: Vec<String>,
    },
    /// Anyone who has signed in, and the operator.
    SignedIn,
}

/// A place where HTTP reaches a method.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct HttpBinding {
    /// GET, POST, PUT, PATCH or DELETE; or WS, for a stream that is a WebSocket and nothing else.
    pub method: String,
    /// As `/api/v1/products/{name}`; what stands in braces is a field of the request.
    pub path: String,
}

impl HttpBinding {
    /// Whether it is a WebSocket and nothing else.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.method == "WS"
    }
}

/// How HTTP shows a reply.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// As JSON in the envelope.
    Json,
    /// The reply is a string, shown as `text/plain`.
    Text,
    /// The reply is one page of a list: a struct of `items`, a list, and `pagination`, a struct. The envelope shows the
    /// items as its data, and `pagination` beside them.
    Page,
    /// As JSON without the envelope: what has a form of its own, whoever serves it.
    Bare,
}

impl Variant {
    /// The variant's name as an error code: `OutOfStock` is `OUT_OF_STOCK`.
    #[must_use]
    pub fn error_code(&self) -> String {
        let mut code = String::with_capacity(self.name.len() + 4);
        for (at, character) in self.name.char_indices() {
            if at > 0 && character.is_ascii_uppercase() {
                code.push('_');
            }
            code.push(character.to_ascii_uppercase());
        }
        code
    }
}

impl ServiceSchema {
    /// The variant that an encoded error of this method holds; `None` when the method has no errors of its own, or no such
    /// variant.
    #[must_use]
    pub fn error_variant(&self, method: &Method, detail: &[u8]) -> Option<&Variant> {
        let Some(Type::Enum { variants, .. }) = self.type_at(method.error?) else { return None };
        variants.get(variant_index(detail)?)
    }

    /// The method with this id.
    #[must_use]
    pub fn method(&self, id: u32) -> Option<&Method> {
        self.methods.iter().find(|method| method.id == id)
    }

    /// The method with this id, to change it.
    pub fn method_mut(&mut self, id: u32) -> Option<&mut Method> {
        self.methods.iter_mut().find(|method| method.id == id)
    }

    /// The method with this name (without the service).
    #[must_use]
    pub fn method_named(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// The type at this place of the table, if there is one.
    #[must_use]
    pub fn type_at(&self, at: TypeRef) -> Option<&Type> {
        self.types.get(at as usize)
    }
}
