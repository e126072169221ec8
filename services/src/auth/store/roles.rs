//! Roles, and what they permit.

use micronet_wire::error::RpcError;
use micronet_wire::faults::Faults;

/// What somebody is within an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May do everything within the organization; an admin of the first one, everything.
    Admin,
    /// Looks after devices and alerts.
    Operator,
    /// Looks, and changes nothing; in the first organization also at the network itself.
    Viewer,
    /// A program.
    ApiUser,
}

/// What includes every permission.
const EVERYTHING: &str = "*";

/// What an admin may do within an organization that isn't the first one: nothing of what all organizations share.
const ADMIN_WITHIN: &[&str] =
    &["accounts:*", "devices:*", "alerts:*", "reports:*", "metrics:*", "audit:read"];

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Operator, Self::Viewer, Self::ApiUser];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::ApiUser => "api_user",
        }
    }

    /// What it permits within the first organization, or within another one.
    #[must_use]
    pub fn permissions(self, is_home: bool) -> &'static [&'static str] {
        match self {
            Self::Admin if is_home => &[EVERYTHING],
            Self::Admin => ADMIN_WITHIN,
            Self::Operator => &["devices:read", "devices:write", "alerts:read", "alerts:write"],
            Self::Viewer if is_home => {
                &["devices:read", "alerts:read", "reports:read", "control:read", "network:read"]
            }
            Self::Viewer => &["devices:read", "alerts:read", "reports:read"],
            Self::ApiUser => &["devices:read", "metrics:read"],
        }
    }
}

/// The roles of an account: each once, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(Vec<Role>);

impl Roles {
    /// The roles of these names.
    ///
    /// # Errors
    /// A fault that names the roles that there are.
    pub fn of(names: &[impl AsRef<str>]) -> Result<Self, RpcError> {
        let mut roles = Vec::with_capacity(names.len());
        for name in names {
            let Some(role) = Role::ALL.into_iter().find(|role| role.name() == name.as_ref()) else {
                let known = Role::ALL.map(Role::name).join(", ");
                return Err(Faults::new().check(false, "roles", format!("each is one of {known}")).into());
            };
            roles.push(role);
        }
        roles.sort_unstable();
        roles.dedup();
        Ok(Self(roles))
    }

    /// As a row has them.
    #[must_use]
    pub fn text(&self) -> String {
        self.names().join(" ")
    }

    /// From a row; what isn't known is none.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(Role::ALL.into_iter().filter(|role| text.split(' ').any(|name| name == role.name())).collect())
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|role| role.name().to_owned()).collect()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// What they permit together, each once, within the first organization or within another one.
    #[must_use]
    pub fn permissions(&self, is_home: bool) -> Vec<String> {
        let mut permissions: Vec<&str> =
            self.0.iter().flat_map(|role| role.permissions(is_home)).copied().collect();
        if permissions.contains(&EVERYTHING) {
            return vec![EVERYTHING.to_owned()];
        }
        permissions.sort_unstable();
        permissions.dedup();
        permissions.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_back_from_their_text() {
        let roles = Roles::of(&["viewer", "admin", "viewer"]).unwrap();
        assert_eq!(roles.text(), "admin viewer");
        assert_eq!(Roles::from_text(&roles.text()), roles);
        assert_eq!(Roles::from_text(""), Roles::default());
        assert!(Roles::of(&["Admin"]).unwrap_err().message.contains("api_user"));
    }

    /// The table of roles, as it was agreed.
    #[test]
    fn each_role_permits_its_row_and_no_more() {
        let rows: [(&str, bool, &[&str]); 9] = [
            ("admin", true, &["*"]),
            ("admin viewer", true, &["*"]),
            (
                "viewer",
                true,
                &["alerts:read", "control:read", "devices:read", "network:read", "reports:read"],
            ),
            ("operator", true, &["alerts:read", "alerts:write", "devices:read", "devices:write"]),
            (
                "admin",
                false,
                &["accounts:*", "alerts:*", "audit:read", "devices:*", "metrics:*", "reports:*"],
            ),
            ("operator", false, &["alerts:read", "alerts:write", "devices:read", "devices:write"]),
            ("viewer", false, &["alerts:read", "devices:read", "reports:read"]),
            ("api_user", false, &["devices:read", "metrics:read"]),
            ("", false, &[]),
        ];
        for (role, is_home, permissions) in rows {
            assert_eq!(Roles::from_text(role).permissions(is_home), permissions, "{role}");
        }
        let both = Roles::of(&["viewer", "api_user"]).unwrap();
        assert_eq!(both.permissions(false), ["alerts:read", "devices:read", "metrics:read", "reports:read"]);
    }
}
