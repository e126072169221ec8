//! What is asked of the control service about what passes processes.

use micronet_wire::network::TapFilter;
use micronet_wire::schema::Message;

/// Asks for what passes processes from now on.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tap {
    /// An instance, or a service: all of its instances, also those that are started later. All processes unless given.
    #[field(min = 1, max = 64, example = "gateway")]
    pub(crate) name: Option<String>,
    /// What is wanted of it.
    pub(crate) filter: TapFilter,
}
