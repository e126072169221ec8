//! Why the control service says no.

use std::fmt;

use micronet_wire::schema::Message;

/// Why the control service says no.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) enum ControlError {
    /// No process of the network has this name.
    #[status(404)]
    NoSuchProcess {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// No fault has this number, or it is too long past.
    #[status(404)]
    NoSuchFault {
        /// The number.
        id: u64,
    },
    /// No drill has this number, or it is too long past.
    #[status(404)]
    NoSuchDrill {
        /// The number.
        id: u64,
    },
    /// A drill would take more than the network can spare.
    #[status(409)]
    BeyondBlastRadius {
        /// What would be lost.
        lost: String,
        /// Whether `force` does it all the same.
        force: bool,
    },
    /// It would leave a service without a healthy instance; `force` does it all the same.
    #[status(409)]
    LastHealthy {
        /// The service.
        service: String,
        /// Those that would be lost.
        instances: Vec<String>,
    },
    /// Another operation on the service is under way.
    #[status(409)]
    Busy {
        /// The service.
        service: String,
    },
    /// That can't be done with it.
    #[status(409)]
    NotPossible {
        /// Why not.
        reason: String,
    },
    /// A plan of a network is not right.
    #[status(409)]
    WrongPlan {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A process that was started has not become ready.
    #[status(503)]
    DidNotStart {
        /// Its name.
        instance: String,
        /// How it ended, or what it waits for.
        reason: String,
    },
    /// The settings that were to be read again can't be used; those from before hold.
    #[status(422)]
    UnusableSettings {
        /// Whose.
        instance: String,
        /// Everything that is wrong with them.
        faults: Vec<String>,
    },
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchProcess { name, known } => {
                write!(
                    f,
                    "no process or service of this network is called {name:?}; there are {}",
                    known.join(", ")
                )
            }
            Self::NoSuchFault { id } => write!(f, "there is no fault {id}, or it is too long past"),
            Self::NoSuchDrill { id } => write!(f, "there is no drill {id}, or it is too long past"),
            Self::BeyondBlastRadius { lost, force: true } => {
                write!(f, "{lost}; force does it all the same")
            }
            Self::BeyondBlastRadius { lost, force: false } => f.write_str(lost),
            Self::LastHealthy { service, instances } => {
                let instances = instances.join(", ");
                write!(
                    f,
                    "{service} would have no healthy instance without {instances}: force does it all the same"
                )
            }
            Self::Busy { service } => write!(f, "another operation on {service} is under way"),
            Self::NotPossible { reason } => f.write_str(reason),
            Self::WrongPlan { line, reason } => write!(f, "the plan, line {line}: {reason}"),
            Self::UnusableSettings { instance, faults } => {
                write!(f, "the settings of {instance} can't be used: {}", faults.join("; "))
            }
            Self::DidNotStart { instance, reason } => write!(f, "{instance} did not start: {reason}"),
        }
    }
}
