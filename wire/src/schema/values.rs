//! The value types of the grammar that Rust has no type for, and [`Message`] for those that it has.

use std::collections::BTreeMap;

use super::{Message, Type, TypeRef, TypeRegistry};
use crate::encoding::{Decode, DecodeError, Decoder, Encode, EncodeError, Encoder};

/// A decimal number with `SCALE` digits after the point, kept as a count of its smallest unit; money is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const SCALE: u8>(pub i64);

/// Microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// Raw bytes, as opposed to a list of small integers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Vec<u8>);

/// A text that is shown to nobody, as a password: a string wherever it travels, and not in what `Debug` writes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(not shown)")
    }
}

impl<const SCALE: u8> std::fmt::Display for Decimal<SCALE> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let unit = 10_u64.pow(u32::from(SCALE));
        let minor = self.0.unsigned_abs();
        if SCALE == 0 {
            return write!(f, "{sign}{minor}");
        }
        write!(f, "{sign}{}.{:0width$}", minor / unit, minor % unit, width = usize::from(SCALE))
    }
}

/// Encodes and decodes a newtype as what it holds.
macro_rules! transparent {
    ([$($generics:tt)*] $name:ty, $inner:ty, $describe:expr) => {
        impl<$($generics)*> Encode for $name {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                self.0.encode(encoder)
            }
        }
        impl<Context, $($generics)*> Decode<Context> for $name {
            fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
                Ok(Self(<$inner>::decode(decoder)?))
            }
        }
        impl<$($generics)*> Message for $name {
            fn describe(types: &mut TypeRegistry) -> TypeRef {
                types.plain($describe)
            }
        }
    };
}

transparent!([const SCALE: u8] Decimal<SCALE>, i64, Type::Decimal { scale: SCALE });
transparent!([] Timestamp, i64, Type::Timestamp);
transparent!([] Blob, Vec<u8>, Type::Bytes);
transparent!([] Hidden, String, Type::String);

macro_rules! plain {
    ($($rust:ty => $type:expr),* $(,)?) => {$(
        impl Message for $rust {
            fn describe(types: &mut TypeRegistry) -> TypeRef {
                types.plain($type)
            }
        }
    )*};
}

plain! {
    () => Type::Unit, bool => Type::Bool, String => Type::String,
    u8 => Type::U8, u16 => Type::U16, u32 => Type::U32, u64 => Type::U64,
    i8 => Type::I8, i16 => Type::I16, i32 => Type::I32, i64 => Type::I64,
}

impl<T: Message> Message for Option<T> {
    fn describe(types: &mut TypeRegistry) -> TypeRef {
        let item = T::describe(types);
        types.plain(Type::Option { item })
    }
}

impl<T: Message> Message for Vec<T> {
    fn describe(types: &mut TypeRegistry) -> TypeRef {
        let item = T::describe(types);
        types.plain(Type::List { item })
    }
}

impl<K: Message + Ord, V: Message> Message for BTreeMap<K, V> {
    fn describe(types: &mut TypeRegistry) -> TypeRef {
        let (key, value) = (K::describe(types), V::describe(types));
        types.plain(Type::Map { key, value })
    }
}
