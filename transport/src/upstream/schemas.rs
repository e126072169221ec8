//! The schemas that instances of one service have served, each with what callers need to use it.

use std::rc::Rc;

use micronet_wire::limits::SCHEMAS_KEPT_MAX;
use micronet_wire::schema::{EncodedSchema, Fingerprint};
use micronet_wire::transcode::ServiceAdapter;

/// One schema.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) schema: Rc<EncodedSchema>,
    /// From the callers' schema to this one; `None` when calls need none.
    pub(super) adapter: Option<Rc<ServiceAdapter>>,
}

/// The schemas, the one that was met first in front.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    known: Vec<Known>,
}

impl Schemas {
    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<Known> {
        self.known.iter().find(|known| known.schema.fingerprint() == fingerprint).cloned()
    }

    /// Keeps a schema. Of those that no instance serves any more, the oldest goes when there are too many.
    pub(super) fn keep(&mut self, new: Known, is_served: impl Fn(Fingerprint) -> bool) {
        let fingerprint = new.schema.fingerprint();
        if self.find(fingerprint).is_some() {
            return;
        }
        if self.known.len() >= SCHEMAS_KEPT_MAX
            && let Some(oldest) = self.known.iter().position(|known| !is_served(known.schema.fingerprint()))
        {
            self.known.remove(oldest);
        }
        self.known.push(new);
    }

    /// The one that was met first of those that are known.
    pub(super) fn first(&self) -> Option<Rc<EncodedSchema>> {
        self.known.first().map(|known| Rc::clone(&known.schema))
    }

    pub(super) fn all(&self) -> Vec<Rc<EncodedSchema>> {
        self.known.iter().map(|known| Rc::clone(&known.schema)).collect()
    }
}

#[cfg(test)]
mod tests {
    use micronet_wire::builtin::builtin_schema;

    use super::*;

    fn known(name: &str) -> Known {
        let mut schema = builtin_schema();
        schema.doc = name.into();
        Known { schema: Rc::new(EncodedSchema::new(schema).unwrap()), adapter: None }
    }

    #[test]
    fn what_is_served_is_kept_and_the_rest_is_bounded() {
        let mut schemas = Schemas::default();
        let served = known("served");
        let is_served = |fingerprint| fingerprint == served.schema.fingerprint();
        schemas.keep(served.clone(), is_served);
        for at in 0..3 * SCHEMAS_KEPT_MAX {
            let new = known(&at.to_string());
            schemas.keep(new.clone(), is_served);
            schemas.keep(new.clone(), is_served);
            assert!(schemas.find(new.schema.fingerprint()).is_some());
        }
        assert_eq!(schemas.all().len(), SCHEMAS_KEPT_MAX);
        assert!(schemas.find(served.schema.fingerprint()).is_some());
        assert!(schemas.find(known("0").schema.fingerprint()).is_none());
    }
}
