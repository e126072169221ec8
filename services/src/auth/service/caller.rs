//! Who calls, as far as accounts are concerned.

use micronet_wire::authority::AuditEntry;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::principal::Principal;
use micronet_wire::schema::Timestamp;
use micronet_wire::service::{CallContext, CallError};

use super::secrets::unique;
use crate::auth::api::AuthError;
use crate::auth::store::Account;

/// An account that has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedIn {
    /// The account's number.
    pub(super) account: i64,
    /// The session; empty where it isn't known.
    pub(super) session: String,
}

impl SignedIn {
    /// The account that calls.
    ///
    /// # Errors
    /// When it is none: the operator may do much, and has no password to change.
    pub(super) fn of(principal: &Principal) -> Result<Self, RpcError> {
        let Principal::User { subject, session, .. } = principal else {
            let words = "this is for accounts that have signed in, and the caller has none";
            return Err(RpcError::new(Code::InsufficientPermissions, words));
        };
        let account = subject.parse().map_err(|_| {
            RpcError::new(Code::InsufficientPermissions, "the caller's account is not one of this service")
        })?;
        Ok(Self { account, session: session.clone() })
    }
}

/// What a caller sees of organizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// All of them: the operator, and who may do everything.
    All,
    /// Its own, by its number.
    Own(i64),
    /// None.
    Nothing,
}

impl Sight {
    pub(super) fn of(principal: &Principal) -> Self {
        match principal {
            Principal::Operator => Self::All,
            Principal::User { .. } if principal.has("*") => Self::All,
            Principal::User { .. } => {
                let own = principal.organization().and_then(|organization| organization.parse().ok());
                own.map_or(Self::Nothing, Self::Own)
            }
            Principal::Anonymous | Principal::Service { .. } => Self::Nothing,
        }
    }

    pub(super) fn sees(self, organization: i64) -> bool {
        match self {
            Self::All => true,
            Self::Own(own) => own == organization,
            Self::Nothing => false,
        }
    }

    /// The organization that a list is of: what was asked for as far as it is seen; `Ok(None)` for all.
    ///
    /// # Errors
    /// [`NothingSeen`] where it holds nothing at all.
    pub(super) fn within(self, asked: Option<i64>) -> Result<Option<i64>, NothingSeen> {
        match (self, asked) {
            (Self::All, asked) => Ok(asked),
            (Self::Own(own), None) => Ok(Some(own)),
            (Self::Own(own), Some(asked)) if own == asked => Ok(Some(own)),
            (Self::Own(_) | Self::Nothing, _) => Err(NothingSeen),
        }
    }

    /// The account, if it is seen; else it isn't there.
    pub(super) fn account(self, account: Account) -> Result<Account, CallError<AuthError>> {
        if self.sees(account.organization_id) {
            Ok(account)
        } else {
            Err(CallError::Service(AuthError::AccountNotFound { id: account.id.unsigned_abs() }))
        }
    }
}

/// A list of what isn't seen is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NothingSeen;

/// What the audit log says of an attempt to sign in or out, which the gateway doesn't record: nobody has signed in yet.
pub(super) fn entry(
    context: &CallContext,
    action: &str,
    account: Option<&Account>,
    code: Option<Code>,
    now_us: i64,
) -> AuditEntry {
    let of =
        |number: fn(&Account) -> i64| account.map(|account| number(account).to_string()).unwrap_or_default();
    AuditEntry {
        id: format!("auth/{}", unique()),
        at: Timestamp(now_us),
        subject: of(|account| account.id),
        organization: of(|account| account.organization_id),
        action: action.to_owned(),
        request_id: context.request_id.to_string(),
        status: u32::from(code.map_or(200, Code::http_status)),
        outcome: code.map_or("ok", Code::name).to_owned(),
        ..AuditEntry::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(organization: &str, permissions: &[&str]) -> Principal {
        Principal::User {
            subject: "7".into(),
            organization: organization.into(),
            session: "s".into(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn who_may_do_everything_sees_everything_and_others_their_own() {
        let cases = [
            (Principal::Operator, Sight::All),
            (user("1", &["*"]), Sight::All),
            (user("2", &["accounts:*"]), Sight::Own(2)),
            (user("", &["accounts:*"]), Sight::Nothing),
            (user("x", &["accounts:*"]), Sight::Nothing),
            (Principal::Anonymous, Sight::Nothing),
            (Principal::Service { name: "order".into() }, Sight::Nothing),
        ];
        for (principal, sight) in cases {
            assert_eq!(Sight::of(&principal), sight, "{principal:?}");
        }
        assert_eq!((Sight::All.within(None), Sight::All.within(Some(3))), (Ok(None), Ok(Some(3))));
        assert_eq!((Sight::Own(2).within(None), Sight::Own(2).within(Some(2))), (Ok(Some(2)), Ok(Some(2))));
        assert_eq!(
            (Sight::Own(2).within(Some(3)), Sight::Nothing.within(None)),
            (Err(NothingSeen), Err(NothingSeen))
        );
    }

    #[test]
    fn only_accounts_have_signed_in() {
        assert_eq!(SignedIn::of(&user("2", &[])), Ok(SignedIn { account: 7, session: "s".into() }));
        assert_eq!(SignedIn::of(&Principal::Operator).unwrap_err().code, Code::InsufficientPermissions);
    }
}
