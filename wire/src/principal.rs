//! Who calls (SPEC.md 6.5).

use smol_str::SmolStr;

use crate::limits::{NAME_BYTES_MAX, PERMISSIONS_MAX};
use crate::request::is_printable;

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
        name: SmolStr,
    },
    /// A person or program that has signed in.
    User {
        /// Its id, which nobody else has, in whatever organization.
        subject: String,
        /// The id of the organization that it belongs to; empty for none.
        organization: String,
        /// The session in which it has signed in; empty where that isn't known.
        session: String,
        /// What it may do, as `orders:read`, `orders:*` or `*`.
        permissions: Vec<String>,
    },
}

impl Principal {
    /// Whether it has a permission: by name, or by one that ends in `*` and holds it.
    #[must_use]
    pub fn has(&self, permission: &str) -> bool {
        match self {
            Self::Operator => true,
            Self::User { permissions, .. } => permissions.iter().any(|own| holds(own, permission)),
            Self::Anonymous | Self::Service { .. } => false,
        }
    }

    /// The organization that it belongs to: only a user belongs to one.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        match self {
            Self::User { organization, .. } if !organization.is_empty() => Some(organization),
            _ => None,
        }
    }

    /// The session in which it has signed in, where that is known.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        match self {
            Self::User { session, .. } if !session.is_empty() => Some(session),
            _ => None,
        }
    }

    /// Whether what belongs to an organization exists as far as it is concerned: the operator and the cluster's services know
    /// of everything, a user knows of what its own organization has. What somebody can't see, a handler answers as if it
    /// weren't there.
    #[must_use]
    pub fn sees(&self, organization: &str) -> bool {
        match self {
            Self::Operator | Self::Service { .. } => true,
            Self::Anonymous | Self::User { .. } => self.organization() == Some(organization),
        }
    }

    /// Whether a call can be made on its behalf: its names keep the limits of SPEC.md 6.5.
    #[must_use]
    pub fn keeps_limits(&self) -> bool {
        let fits = |name: &str| is_printable(name.as_bytes(), NAME_BYTES_MAX);
        match self {
            Self::Anonymous | Self::Operator => true,
            Self::Service { name } => fits(name),
            Self::User { subject, organization, session, permissions } => {
                fits(subject)
                    && [organization, session].into_iter().all(|name| name.is_empty() || fits(name))
                    && permissions.len() <= PERMISSIONS_MAX
                    && permissions.iter().all(|permission| fits(permission))
            }
        }
    }

    /// A short unambiguous name, for logs and for the keys of idempotency tokens. It holds no organization: a user is the same
    /// after a move to another one.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".into(),
            Self::Operator => "operator".into(),
            Self::Service { name } => format!("service/{name}"),
            Self::User { subject, .. } => format!("user/{subject}"),
        }
    }

    /// The principal that a [`key`](Self::key) names, without organization, session and permissions; `None` if it names none.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        match key {
            "anonymous" => Some(Self::Anonymous),
            "operator" => Some(Self::Operator),
            _ => match key.split_once('/')? {
                (_, "") => None,
                ("service", name) => Some(Self::Service { name: name.into() }),
                ("user", id) => Some(Self::User {
                    subject: id.to_owned(),
                    organization: String::new(),
                    session: String::new(),
                    permissions: Vec::new(),
                }),
                _ => None,
            },
        }
    }
}

/// SPEC 10.7: whether to have one permission is to have another: it is the same, `*`, or `x:*` for one that begins with `x:`.
fn holds(own: &str, permission: &str) -> bool {
    own == permission
        || own
            .strip_suffix('*')
            .is_some_and(|start| start.is_empty() || (start.ends_with(':') && permission.starts_with(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(subject: &str, organization: &str, permissions: &[&str]) -> Principal {
        Principal::User {
            subject: subject.into(),
            organization: organization.into(),
            session: String::new(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_key_names_its_principal() {
        let service = Principal::Service { name: "order".into() };
        for principal in
            [Principal::Anonymous, Principal::Operator, service, user("7", "", &[]), user("a/b", "", &[])]
        {
            assert_eq!(Principal::from_key(&principal.key()), Some(principal));
        }
        for key in ["", "nobody", "user/", "service/", "service", "group/7"] {
            assert_eq!(Principal::from_key(key), None, "{key}");
        }
    }

    #[test]
    fn a_permission_with_a_star_holds_those_that_begin_like_it() {
        let check = |own: &[&str], has: &[&str], lacks: &[&str]| {
            let user = user("7", "1", own);
            has.iter().for_each(|permission| assert!(user.has(permission), "{own:?} hold {permission}"));
            lacks
                .iter()
                .for_each(|permission| assert!(!user.has(permission), "{own:?} don't hold {permission}"));
        };
        check(
            &["devices:read"],
            &["devices:read"],
            &["devices:write", "devices", "devices:readers", "*", ""],
        );
        check(
            &["devices:*"],
            &["devices:read", "devices:a:b"],
            &["device:read", "devices", "alerts:read", "*"],
        );
        check(&["*"], &["devices:read", "*", "devices:*"], &[]);
        check(&["dev*", "**", "*:read", ""], &[], &["devices:read", "devices", "alerts:read"]);
        check(&[], &[], &["devices:read", "*"]);
        assert!(Principal::Operator.has("devices:read"));
        assert!(!Principal::Anonymous.has("devices:read"));
        assert!(!Principal::Service { name: "order".into() }.has("devices:read"));
    }

    #[test]
    fn an_organizations_objects_are_seen_by_its_own_users() {
        let service = Principal::Service { name: "order".into() };
        for (principal, own, other) in [
            (user("7", "1", &[]), true, false),
            (user("7", "2", &["*"]), false, true),
            (user("7", "", &["*"]), false, false),
            (Principal::Anonymous, false, false),
            (Principal::Operator, true, true),
            (service, true, true),
        ] {
            assert_eq!((principal.sees("1"), principal.sees("2")), (own, other), "{principal:?}");
        }
        assert!(!user("7", "", &[]).sees(""));
    }
}
