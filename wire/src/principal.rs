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

    /// The principal that a [`key`](Self::key) names, without permissions; `None` if it names none.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        match key {
            "anonymous" => Some(Self::Anonymous),
            "operator" => Some(Self::Operator),
            _ => match key.split_once('/')? {
                (_, "") => None,
                ("service", name) => Some(Self::Service { name: name.to_owned() }),
                ("user", id) => Some(Self::User { subject: id.to_owned(), permissions: Vec::new() }),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_principal() {
        let user = |subject: &str| Principal::User { subject: subject.into(), permissions: Vec::new() };
        let service = Principal::Service { name: "order".into() };
        for principal in [Principal::Anonymous, Principal::Operator, service, user("7"), user("a/b")] {
            assert_eq!(Principal::from_key(&principal.key()), Some(principal));
        }
        for key in ["", "nobody", "user/", "service/", "service", "group/7"] {
            assert_eq!(Principal::from_key(key), None, "{key}");
        }
    }
}
