//! Builds a schema's type table from Rust types.

use std::any::TypeId;
use std::collections::BTreeMap;

use super::{Type, TypeRef};

/// The table of types that [`Message::describe`](super::Message::describe) fills.
#[derive(Debug, Default)]
pub struct TypeRegistry {
    types: Vec<Type>,
    named: BTreeMap<TypeId, Option<TypeRef>>,
}

impl TypeRegistry {
    /// Adds a type without a name, or finds the equal one that is there.
    pub fn plain(&mut self, described: Type) -> TypeRef {
        let at = self.types.iter().position(|known| *known == described).unwrap_or_else(|| {
            self.types.push(described);
            self.types.len() - 1
        });
        TypeRef::try_from(at).unwrap_or(TypeRef::MAX)
    }

    /// Adds the struct or enum `T`, described by `describe` when it is met first.
    ///
    /// # Panics
    /// When a type contains itself: such messages can't travel (SPEC.md 10.2). It happens when the schema is built, not
    /// when a peer speaks.
    pub fn named<T: 'static>(&mut self, describe: impl FnOnce(&mut Self) -> Type) -> TypeRef {
        match self.named.get(&TypeId::of::<T>()) {
            Some(Some(at)) => return *at,
            Some(None) => panic!("{} contains itself", std::any::type_name::<T>()),
            None => {}
        }
        self.named.insert(TypeId::of::<T>(), None);
        let described = describe(self);
        let at = self.plain(described);
        self.named.insert(TypeId::of::<T>(), Some(at));
        at
    }

    /// The finished table.
    #[must_use]
    pub fn into_types(self) -> Vec<Type> {
        self.types
    }
}
