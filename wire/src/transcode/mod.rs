//! JSON to the payload encoding and back, from a schema alone (SPEC.md section 9).
//!
//! A gateway that has fetched a schema speaks JSON to its clients and messages to services, without having been built
//! with a service's types. Both ways go in one pass and build no tree. What comes out of [`to_binary`] is byte for byte
//! what the service's own types would encode.
//!
//! | type | JSON |
//! |---|---|
//! | unit | `null` |
//! | bool | `true`, `false` |
//! | integers | a number; `1.0` is 1, `-0` is 0, `1e3` and `"1.0"` are none. Beyond 2^53 - 1 either way it is written as a string, since JavaScript would round it; the 64-bit types accept a string for every value |
//! | string | a string |
//! | bytes | a string of base64: standard alphabet, with padding, no stray bits (RFC 4648 section 4) |
//! | timestamp | a string as `2026-11-21T03:31:18.000123Z` (RFC 3339): written in UTC with 6 digits of fraction; accepted with none to 6 and with an offset. Years 0000 to 9999, no leap seconds |
//! | decimal | a number as `25.99`, written with exactly as many digits after the point as its scale; accepted with fewer, and as a string; never an exponent, and never rounded |
//! | option | the value, or `null`; as a struct's field it may be absent |
//! | list | an array |
//! | map | an object; its keys as text: `"EUR"`, `"-7"`, `"true"`, in any order, none twice |
//! | struct | an object with its fields in any order, none twice, none unknown; all but options must be there |
//! | enum | a variant without fields is its name, `"Paid"`; one with fields is an object `{"Shipped":{"carrier":"DHL"}}` |
//!
//! Fields that come in the schema's order cost nothing extra; others are put in order afterwards. Text that is no JSON
//! is always reported as that, even when a value before the fault has the wrong type. Otherwise all that is wrong with the
//! values is reported together, the constraints of their fields included (SPEC.md 10.9).
//!
//! Between two builds of a service messages go from one schema to another without JSON: [`ServiceAdapter`].
//!
//! This module knows schemas, JSON and bytes; it must not know HTTP or frames.

mod adapt;
mod base64;
mod binary;
mod check;
mod collection;
mod constraint;
mod email;
mod error;
mod format;
mod mask;
mod parameters;
mod path;
mod resume;
mod scalar;
mod structure;
mod survey;
#[cfg(test)]
mod tests;
mod time;
mod to_binary;
mod to_json;

pub use adapt::{MethodAdapter, ServiceAdapter};
pub use check::check_constraints;
pub(crate) use constraint::check_example;
pub use error::{Place, TranscodeError, TranscodeErrorKind};
pub use format::{choices, is_format};
pub use mask::mask;
pub use resume::Resumption;
pub use time::put_timestamp;
pub use to_binary::to_binary;
pub use to_json::{to_json, to_json_masked, variant_index};
