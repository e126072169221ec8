//! Who calls (SPEC.md 6.5).

/// The identity on whose behalf a call is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Principal {
    /// Nobody known: no credential was given.
    #[default]
    Anonymous,
    /// The operator of this network: may do everything.
    Operator,
    /// A service of the cluster, acting for itself.
    Service {
        /// Its node name, as `order`.
        name: String,
    },
    /// A person or program that has signed in.
    User {
        /// Its id.
        subject: String,
        /// What it may do, as `orders:read`.
        permissions: Vec<String>,
    },
}

impl Principal {
    /// Whether it has a permission.
    #[must_use]
    pub fn has(&self, permission: &str) -> bool {
        match self {
            Self::Operator => true,
            Self::User { permissions, .. } => permissions.iter().any(|own| own == permission || own == "*"),
            Self::Anonymous | Self::Service { .. } => false,
        }
    }

    /// A short unambiguous name, for logs and for the keys of idempotency tokens.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".into(),
            Self::Operator => "operator".into(),
            Self::Service { name } => format!("service/{name}"),
            Self::User { subject, .. } => format!("user/{subject}"),
        }
    }
}
