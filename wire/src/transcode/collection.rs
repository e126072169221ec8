//! Lists and maps from JSON: their counts aren't known before their ends, and keys may come in any order.

use std::ops::Range;

use super::binary::{BinaryReader, Key, put_count_at};
use super::error::{Failure, Outcome, TranscodeErrorKind};
use super::to_binary::Packer;
use crate::schema::{Type, TypeRef};

impl Packer<'_> {
    /// Reads an array. One byte is left for the count; more are made when it needs them.
    pub(super) fn list(&mut self, item: TypeRef) -> Outcome {
        self.json.begin_array()?;
        let count_at = self.out.len();
        self.out.extend_from_slice(&[0]);
        let mut count = 0;
        while self.json.next_item()? {
            self.value(item).map_err(|failure| failure.in_item(count))?;
            count += 1;
        }
        put_count_at(self.out, count_at, count);
        Ok(())
    }

    /// Reads an object as a map; entries that come in ascending order of their keys cost nothing extra.
    pub(super) fn map(&mut self, key: TypeRef, value: TypeRef) -> Outcome {
        let offset = self.json.offset();
        self.json.begin_object()?;
        let key_type = self.type_at(key)?;
        let count_at = self.out.len();
        self.out.extend_from_slice(&[0]);
        let (mut count, mut ascending, mut previous) = (0, true, None);
        while let Some(name) = self.json.next_name()? {
            let at = self.out.len();
            let entry = self.parsed(key_type, name).and_then(|()| self.value(value));
            entry.map_err(|failure| failure.in_key(&name.unescaped()))?;
            if let Some(previous) = previous
                && ascending
            {
                ascending = self.key_at(previous, key_type)? < self.key_at(at, key_type)?;
            }
            previous = Some(at);
            count += 1;
        }
        if !ascending {
            self.sort_entries(count_at + 1, key_type, value, offset)?;
        }
        put_count_at(self.out, count_at, count);
        Ok(())
    }

    fn key_at(&self, at: usize, key_type: &Type) -> Outcome<Key<'_>> {
        BinaryReader::new(&self.out[at..]).key(key_type)
    }

    /// Puts the entries from `start` on in the order of their keys; `offset` is where the map begins in the JSON text.
    fn sort_entries(&mut self, start: usize, key_type: &Type, value: TypeRef, offset: usize) -> Outcome {
        let unordered = self.out[start..].to_vec();
        let mut walk = BinaryReader::new(&unordered);
        let mut entries: Vec<(Key<'_>, Range<usize>)> = Vec::new();
        while walk.offset() < unordered.len() {
            let from = walk.offset();
            let key = walk.key(key_type)?;
            walk.skip(self.schema, value)?;
            entries.push((key, from..walk.offset()));
        }
        entries.sort_unstable_by_key(|(key, _)| *key);
        if let Some([(twice, _), _]) = entries.array_windows().find(|[(a, _), (b, _)]| a == b) {
            return Err(key_twice(offset).in_key(&twice.to_string()));
        }
        self.out.truncate(start);
        for (_, entry) in entries {
            self.out.extend_from_slice(&unordered[entry]);
        }
        Ok(())
    }
}

/// The failure for a key that comes again in the map at `offset`.
#[cold]
pub(super) fn key_twice(offset: usize) -> Failure {
    Failure::new(TranscodeErrorKind::Duplicate, offset, "this key is given twice")
}
