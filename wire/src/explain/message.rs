//! The messages of calls, value by value.

use super::call::Direction;
use super::notes::Notes;
use super::{Part, Schemas};
use crate::schema::{Method, ServiceSchema, TypeRef};
use crate::transcode::{MASKED, Values, has_secrets, values};

/// What a call's messages look like in one direction, where its service is known.
pub(super) fn type_of(
    schemas: &Schemas,
    method: u32,
    direction: Direction,
) -> Option<(&ServiceSchema, TypeRef)> {
    let (schema, method): (_, &Method) = schemas.method(method)?;
    let of = match direction {
        Direction::Request => method.request,
        Direction::Reply => method.reply,
        Direction::Error => method.error?,
    };
    Some((schema, of))
}

/// Notes the rest of the bytes as a whole message.
pub(super) fn whole(notes: &mut Notes<'_>, schemas: &Schemas, method: u32, direction: Direction) {
    let bytes = notes.rest();
    match type_of(schemas, method, direction) {
        None => notes.unknown(direction.name()),
        Some((schema, of)) => {
            let taken = values(schema, of, bytes);
            let parts = parts(&taken, notes.offset(), direction, bytes.len());
            let covered = parts.last().map_or(0, |part| part.at.end - notes.offset());
            if parts.is_empty() && bytes.is_empty() {
                notes.note(0, 0, direction.name(), "without fields");
            }
            notes.extend(parts, covered);
            finish(notes, &taken, direction, has_secrets(schema, of));
        }
    }
}

/// Notes a whole message whose bytes came in pieces, so that none of them stand here.
pub(super) fn assembled(
    notes: &mut Notes<'_>,
    schemas: &Schemas,
    method: u32,
    direction: Direction,
    message: &[u8],
) {
    let Some((schema, of)) = type_of(schemas, method, direction) else { return };
    let taken = values(schema, of, message);
    let mut parts = parts(&taken, 0, direction, message.len());
    parts.iter_mut().for_each(|part| part.at = notes.offset()..notes.offset());
    notes.extend(parts, 0);
    finish(notes, &taken, direction, has_secrets(schema, of));
}

/// Whether a message of this call has something in it that nobody should be shown.
pub(super) fn is_secret(schemas: &Schemas, method: u32, direction: Direction) -> bool {
    type_of(schemas, method, direction).is_some_and(|(schema, of)| has_secrets(schema, of))
}

fn parts(taken: &Values, base: usize, direction: Direction, length: usize) -> Vec<Part> {
    let shown = taken.list.iter().map(|value| Part {
        at: base + value.at.start..base + value.at.end.min(length),
        depth: value.depth + 1,
        name: if value.name.is_empty() { direction.name().into() } else { value.name.clone() },
        meaning: if value.secret { MASKED.into() } else { value.text.clone() },
        secret: value.secret,
    });
    shown.collect()
}

fn finish(notes: &mut Notes<'_>, taken: &Values, direction: Direction, secrets: bool) {
    if let Some(wrong) = &taken.wrong {
        notes.fault(format!("the {} doesn't fit its schema: {wrong}", direction.name()));
    }
    if !notes.rest().is_empty() && (taken.more || taken.wrong.is_some()) {
        notes.unknown(if taken.more { "and more" } else { "what doesn't fit" });
        if secrets {
            notes.hide();
        }
    }
}
