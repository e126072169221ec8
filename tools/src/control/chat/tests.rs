//! Grammar and conversations, without a network.

mod conversations;
mod lines;

use micronet_wire::principal::Principal;

use super::names::Names;
use super::session::{Session, Speaker};

fn names() -> Names {
    let service = |name: &str, count: usize| {
        (name.to_owned(), (1..=count).map(|number| format!("{name}-{number}")).collect())
    };
    Names {
        services: vec![service("user", 1), service("product", 2), service("node", 3), service("gateway", 1)],
        scalable: ["user", "product", "node"].map(str::to_owned).into(),
    }
}

fn may(permissions: &[&str]) -> Principal {
    Principal::User {
        subject: "2".into(),
        organization: "1".into(),
        session: String::new(),
        permissions: permissions.iter().map(|&permission| permission.to_owned()).collect(),
    }
}

/// A conversation of somebody who may do this.
fn session(permissions: &[&str]) -> Session {
    let principal = may(permissions);
    let role = if permissions.contains(&"*") { "manager" } else { "client" };
    Session::new(Speaker { user: "user_16b92b53".into(), principal, address: String::new(), role })
}
