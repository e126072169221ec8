//! The weights of instances.

use micronet_wire::schema::Message;

/// Gives instances another weight.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Weigh {
    /// The instance's name, or the service's.
    #[field(min = 1, max = 64, example = "node-3")]
    pub(crate) name: String,
    /// Its weight among the instances of its service; 100 is the norm.
    #[field(min = 1, max = 10_000, example = 50)]
    pub(crate) weight: u32,
}
