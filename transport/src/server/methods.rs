//! The methods that a port answers: what has to be known of each whenever it is called.

use micronet_wire::builtin::builtin_schema;
use micronet_wire::network::operation_schema;
use micronet_wire::schema::{CallShape, Method, ServiceSchema};

/// The methods of a port's own service, and those that concern its process, in the order of their ids.
pub(super) struct Methods {
    service: String,
    methods: Vec<Served>,
}

/// One of them.
pub(super) struct Served {
    id: u32,
    name: String,
    /// Where it has a stream of messages.
    pub(super) stream: Option<CallShape>,
    /// It is no service's own, and is always answered, so that what is wrong can be seen and set right.
    pub(super) is_of_process: bool,
}

impl Methods {
    pub(super) fn of(own: &ServiceSchema) -> Self {
        let others = [builtin_schema(), operation_schema()];
        let of_process = others.iter().flat_map(|schema| &schema.methods);
        let methods = of_process.map(|method| Served::of(method, true));
        let methods = methods.chain(own.methods.iter().map(|method| Served::of(method, false)));
        let mut methods: Vec<Served> = methods.collect();
        methods.sort_by_key(|method| method.id);
        Self { service: own.name.clone(), methods }
    }

    pub(super) fn get(&self, id: u32) -> Option<&Served> {
        let at = self.methods.binary_search_by_key(&id, |method| method.id).ok()?;
        self.methods.get(at)
    }

    /// The names of the service and of a method of it.
    pub(super) fn names<'a>(&'a self, method: Option<&'a Served>) -> (&'a str, &'a str) {
        (&self.service, method.map_or("unknown", |method| &method.name))
    }
}

impl Served {
    fn of(method: &Method, is_of_process: bool) -> Self {
        let streams = !matches!(method.shape, CallShape::Unary | CallShape::OneWay);
        Self {
            id: method.id,
            name: method.name.clone(),
            stream: streams.then_some(method.shape),
            is_of_process,
        }
    }
}
