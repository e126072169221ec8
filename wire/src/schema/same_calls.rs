//! Whether a service can be called with the schema that the caller was built with (SPEC.md 10.1).

use super::{Field, ServiceSchema, Type, TypeRef};

impl ServiceSchema {
    /// Checks that every method of this schema, which the caller was built with, is served alike by `served`: its messages have the
    /// same encoding. Docs, constraints, examples, HTTP bindings and further methods
    /// make no difference.
    ///
    /// # Errors
    /// The first method that can't be called, and why, in words.
    pub fn check_same_calls(&self, served: &Self) -> Result<(), String> {
        for ours in &self.methods {
            let name = format!("{}.{}", self.name, ours.name);
            let Some(theirs) = served.method(ours.id) else { return Err(format!("{name} is not served")) };
            let compare = Compare { ours: self, theirs: served };
            if ours.shape != theirs.shape {
                return Err(format!("{name} is of another shape"));
            }
            if !compare.same(ours.request, theirs.request) {
                return Err(format!("{name} takes another request"));
            }
            if !compare.same(ours.reply, theirs.reply) {
                return Err(format!("{name} gives another reply"));
            }
            let same_error = match (ours.error, theirs.error) {
                (Some(ours), Some(theirs)) => compare.same(ours, theirs),
                (None, None) => true,
                _ => false,
            };
            if !same_error {
                return Err(format!("{name} fails with other errors"));
            }
        }
        Ok(())
    }
}

/// Two validated schemas: their types refer only to earlier ones, so that comparing them ends.
struct Compare<'a> {
    ours: &'a ServiceSchema,
    theirs: &'a ServiceSchema,
}

impl Compare<'_> {
    /// Whether values of the two types are encoded alike and mean the same by their names.
    fn same(&self, ours: TypeRef, theirs: TypeRef) -> bool {
        match (self.ours.type_at(ours), self.theirs.type_at(theirs)) {
            (Some(Type::Option { item: ours }), Some(Type::Option { item: theirs }))
            | (Some(Type::List { item: ours }), Some(Type::List { item: theirs })) => {
                self.same(*ours, *theirs)
            }
            (Some(Type::Map { key, value }), Some(Type::Map { key: their_key, value: their_value })) => {
                self.same(*key, *their_key) && self.same(*value, *their_value)
            }
            (Some(Type::Struct { fields, .. }), Some(Type::Struct { fields: their_fields, .. })) => {
                self.same_fields(fields, their_fields)
            }
            (Some(Type::Enum { variants, .. }), Some(Type::Enum { variants: their_variants, .. })) => {
                variants.len() == their_variants.len()
                    && variants.iter().zip(their_variants).all(|(ours, theirs)| {
                        ours.name == theirs.name && self.same_fields(&ours.fields, &theirs.fields)
                    })
            }
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => false,
        }
    }

    fn same_fields(&self, ours: &[Field], theirs: &[Field]) -> bool {
        ours.len() == theirs.len()
            && ours
                .iter()
                .zip(theirs)
                .all(|(ours, theirs)| ours.name == theirs.name && self.same(ours.of, theirs.of))
    }
}

#[cfg(test)]
mod tests {
    use crate::builtin::builtin_schema;
    use crate::schema::Type;

    #[test]
    fn only_what_the_encoding_or_a_name_changes_is_another_call() {
        let ours = builtin_schema();
        assert_eq!(ours.check_same_calls(&ours), Ok(()));

        let mut documented = ours.clone();
        documented.methods[0].doc = "Other words.".into();
        documented.types.push(Type::U16);
        for described in &mut documented.types {
            if let Type::Struct { fields, .. } = described {
                (fields[0].max, fields[0].example) = (Some(16), "\"\"".into());
            }
        }
        assert_eq!(ours.check_same_calls(&documented), Ok(()));

        let mut fewer = ours.clone();
        fewer.methods.remove(1);
        assert_eq!(ours.check_same_calls(&fewer), Err("micronet.instance is not served".into()));
        assert_eq!(fewer.check_same_calls(&ours), Ok(()));

        let mut renamed = ours.clone();
        for described in &mut renamed.types {
            if let Type::Struct { name, fields, .. } = described
                && name == "Instance"
            {
                fields[0].name = "service_name".into();
            }
        }
        assert_eq!(ours.check_same_calls(&renamed), Err("micronet.instance gives another reply".into()));
    }
}
