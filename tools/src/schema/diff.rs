//! What two schemas of a service differ in, and whether callers that were built with the one can call instances of the other. The
//! latter is decided by what adapts calls in a running network (SPEC.md 10.10, 10.11), and by nothing else.

use std::rc::Rc;

use micronet_wire::schema::{EncodedSchema, Field, Method, ServiceSchema, Type, TypeRef, Variant};
use micronet_wire::transcode::ServiceAdapter;
use serde_json::json;

use crate::describe::{limits_in_words, type_in_words};
use crate::terminal::Style;

/// Two schemas, compared.
#[derive(Debug)]
pub(super) struct Comparison {
    same: bool,
    /// What was added, removed and changed, a line each, with `+`, `-` or `~` before it.
    changes: Vec<String>,
    /// Why callers of the older one can't call instances of the newer one, a line for each method.
    refused: Vec<String>,
    /// The same the other way round.
    refused_back: Vec<String>,
}

impl Comparison {
    pub(super) fn new(older: &Rc<EncodedSchema>, newer: &Rc<EncodedSchema>) -> Self {
        Self {
            same: older.fingerprint() == newer.fingerprint(),
            changes: changes(older.schema(), newer.schema()),
            refused: refusals(older, newer),
            refused_back: refusals(newer, older),
        }
    }

    /// Whether every call that the older one has can be made on an instance of the newer one.
    pub(super) fn is_compatible(&self) -> bool {
        self.refused.is_empty()
    }

    pub(super) fn words(&self, style: Style) -> String {
        if self.same {
            return "the same schema".into();
        }
        let mut lines = self.changes.clone();
        if lines.is_empty() {
            lines.push("nothing differs but the order of types, or their docs".into());
        }
        lines.push(String::new());
        let verdict = |callers: &str, refused: &[String], lines: &mut Vec<String>| {
            if refused.is_empty() {
                lines.push(format!("{callers}: {}", style.green("every call works")));
            } else {
                lines.push(format!(
                    "{callers}: {}",
                    style.red(format!("{} methods can't be called", refused.len()))
                ));
                lines.extend(refused.iter().map(|words| format!("  {words}")));
            }
        };
        verdict("callers of the older one, instances of the newer one", &self.refused, &mut lines);
        verdict("callers of the newer one, instances of the older one", &self.refused_back, &mut lines);
        lines.join("\n")
    }

    pub(super) fn json(&self) -> String {
        json!({
            "same": self.same, "compatible": self.is_compatible(), "changes": self.changes,
            "refused": self.refused, "refused_back": self.refused_back,
        })
        .to_string()
    }
}

fn refusals(mine: &Rc<EncodedSchema>, theirs: &Rc<EncodedSchema>) -> Vec<String> {
    let Some(adapter) = ServiceAdapter::new(mine, theirs) else { return Vec::new() };
    adapter.refusals().into_iter().map(str::to_owned).collect()
}

/// The things of two lists by name, in the order of the older one: with their counterparts, then those that are new.
fn paired<'a, T>(
    older: &'a [T],
    newer: &'a [T],
    name: impl Fn(&T) -> &str,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let find = |list: &'a [T], wanted: &T| list.iter().find(|item| name(item) == name(wanted));
    let mut pairs: Vec<_> = older.iter().map(|item| (Some(item), find(newer, item))).collect();
    pairs.extend(newer.iter().filter(|item| find(older, item).is_none()).map(|item| (None, Some(item))));
    pairs
}

fn changes(older: &ServiceSchema, newer: &ServiceSchema) -> Vec<String> {
    let mut found = Vec::new();
    if older.name != newer.name {
        found.push(format!("~ the service is {} and was {}", newer.name, older.name));
    }
    for pair in paired(&older.methods, &newer.methods, |method| &method.name) {
        match pair {
            (Some(gone), None) => found.push(format!("- method {}", gone.name)),
            (None, Some(new)) => found.push(format!("+ method {}", new.name)),
            (Some(before), Some(after)) => method(older, newer, before, after, &mut found),
            (None, None) => {}
        }
    }
    let named = |schema: &ServiceSchema| -> Vec<(String, Type)> {
        let types = schema.types.iter().filter_map(|described| match described {
            Type::Struct { name, .. } | Type::Enum { name, .. } => Some((name.clone(), described.clone())),
            _ => None,
        });
        types.collect()
    };
    let (before, after) = (named(older), named(newer));
    for pair in paired(&before, &after, |(name, _)| name) {
        match pair {
            (Some((name, _)), None) => found.push(format!("- type {name}")),
            (None, Some((name, _))) => found.push(format!("+ type {name}")),
            (Some((name, before)), Some((_, after))) => {
                members(older, newer, name, (before, after), &mut found);
            }
            (None, None) => {}
        }
    }
    found
}

fn method(
    older: &ServiceSchema,
    newer: &ServiceSchema,
    before: &Method,
    after: &Method,
    found: &mut Vec<String>,
) {
    let name = &after.name;
    let mut changed = |what: &str, was: String, is: String| {
        if was != is {
            found.push(format!("~ method {name}: {what} {is}, was {was}"));
        }
    };
    changed("takes", type_in_words(older, before.request), type_in_words(newer, after.request));
    changed("gives", type_in_words(older, before.reply), type_in_words(newer, after.reply));
    let errors = |schema: &ServiceSchema, of: Option<TypeRef>| {
        of.map_or_else(|| "no errors of its own".to_owned(), |of| type_in_words(schema, of))
    };
    changed("fails with", errors(older, before.error), errors(newer, after.error));
    changed("shape", format!("{:?}", before.shape), format!("{:?}", after.shape));
    changed("access", format!("{:?}", before.access), format!("{:?}", after.access));
    changed("idempotency", format!("{:?}", before.idempotency), format!("{:?}", after.idempotency));
    changed("rate class", format!("{:?}", before.rate_class), format!("{:?}", after.rate_class));
    let places = |method: &Method| {
        let places: Vec<String> =
            method.http.iter().map(|place| format!("{} {}", place.method, place.path)).collect();
        if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") }
    };
    changed("HTTP", places(before), places(after));
}

fn members(
    older: &ServiceSchema,
    newer: &ServiceSchema,
    name: &str,
    types: (&Type, &Type),
    found: &mut Vec<String>,
) {
    match types {
        (Type::Struct { fields: before, .. }, Type::Struct { fields: after, .. }) => {
            fields(older, newer, name, (before, after), found);
        }
        (Type::Enum { variants: before, .. }, Type::Enum { variants: after, .. }) => {
            for pair in paired(before, after, |variant: &Variant| &variant.name) {
                match pair {
                    (Some(gone), None) => found.push(format!("- variant {name}.{}", gone.name)),
                    (None, Some(new)) => found.push(format!("+ variant {name}.{}", new.name)),
                    (Some(before), Some(after)) => {
                        let name = format!("{name}.{}", after.name);
                        fields(older, newer, &name, (&before.fields, &after.fields), found);
                    }
                    (None, None) => {}
                }
            }
        }
        _ => found.push(format!("~ type {name} is of another kind")),
    }
}

fn fields(
    older: &ServiceSchema,
    newer: &ServiceSchema,
    name: &str,
    fields: (&[Field], &[Field]),
    found: &mut Vec<String>,
) {
    for pair in paired(fields.0, fields.1, |field: &Field| &field.name) {
        match pair {
            (Some(gone), None) => {
                found.push(format!("- field {name}.{}: {}", gone.name, type_in_words(older, gone.of)));
            }
            (None, Some(new)) => {
                found.push(format!("+ field {name}.{}: {}", new.name, type_in_words(newer, new.of)));
            }
            (Some(before), Some(after)) => {
                let (was, is) = (type_in_words(older, before.of), type_in_words(newer, after.of));
                if was != is {
                    found.push(format!("~ field {name}.{} is {is}, was {was}", after.name));
                }
                let any = |limits: String| if limits.is_empty() { "anything".to_owned() } else { limits };
                let (was, is) = (any(limits_in_words(older, before)), any(limits_in_words(newer, after)));
                if was != is {
                    found.push(format!("~ field {name}.{} takes {is}, took {was}", after.name));
                }
            }
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use micronet_services::product::api::product_schema;

    use super::*;

    fn compare(change: impl Fn(&mut ServiceSchema)) -> Comparison {
        let mut newer = product_schema();
        change(&mut newer);
        let encoded = |schema| Rc::new(EncodedSchema::new(schema).unwrap());
        Comparison::new(&encoded(product_schema()), &encoded(newer))
    }

    /// The fields of a struct.
    fn fields_of<'s>(schema: &'s mut ServiceSchema, wanted: &str) -> &'s mut Vec<Field> {
        schema
            .types
            .iter_mut()
            .find_map(|described| match described {
                Type::Struct { name, fields, .. } if name == wanted => Some(fields),
                _ => None,
            })
            .unwrap()
    }

    #[test]
    fn what_is_the_same_is_said_to_be() {
        let comparison = compare(|_| {});
        assert_eq!(comparison.words(Style::PLAIN), "the same schema");
        assert!(comparison.is_compatible());
        let docs = compare(|schema| schema.doc.push('!'));
        assert!(docs.is_compatible() && docs.words(Style::PLAIN).starts_with("nothing differs but"));
    }

    #[test]
    fn a_required_field_that_is_new_breaks_older_callers() {
        let comparison = compare(|schema| {
            let of = fields_of(schema, "Query")[0].of;
            fields_of(schema, "Query").push(Field { name: "shelf".into(), of, ..Field::default() });
        });
        let words = comparison.words(Style::PLAIN);
        assert!(!comparison.is_compatible() && words.contains("+ field Query.shelf: string"), "{words}");
        assert!(words.contains("product.query: request field \"shelf\" is required"), "{words}");
    }

    #[test]
    fn methods_come_and_go() {
        let comparison = compare(|schema| {
            let query = schema.methods.iter().position(|method| method.name == "query").unwrap();
            schema.methods.remove(query);
        });
        assert!(!comparison.is_compatible() && comparison.changes.contains(&"- method query".to_owned()));
        assert!(comparison.refused_back.is_empty());
        let access = compare(|schema| {
            schema.methods[0].rate_class = "bulk".into();
            fields_of(schema, "Query")[0].max = Some(7);
        });
        let words = access.words(Style::PLAIN);
        assert!(access.is_compatible() && words.contains("rate class \"bulk\", was"), "{words}");
        assert!(words.contains("~ field Query.name takes"), "{words}");
    }
}
