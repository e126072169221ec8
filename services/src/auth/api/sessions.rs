//! The messages of signing in: passwords and tokens, sessions, tickets, and the first account.

use micronet_wire::schema::{Hidden, Message, Timestamp};

use super::{AccountInfo, OrganizationInfo};

/// Signs in.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account's e-mail address.
    #[field(min = 3, max = 254, example = "ada@example.com")]
    pub email: String,
    /// Its password.
    #[field(min = 1, max = 128, secret)]
    pub password: Hidden,
}

/// Asks for new tokens.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The refresh token that was given last.
    #[field(min = 1, max = 128, secret)]
    pub refresh_token: Hidden,
}

/// Signs out.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Logout {
    /// A refresh token of the session; without it, the session is that of the request's access token.
    #[field(min = 1, max = 128, secret)]
    pub refresh_token: Option<Hidden>,
    /// Whether all sessions of the account end.
    pub everywhere: Option<bool>,
}

/// What somebody who has signed in shows from then on.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token: a JSON Web Token, for the header `Authorization: Bearer …`.
    #[field(secret)]
    pub access_token: Hidden,
    /// The kind of token: `Bearer`.
    pub token_type: String,
    /// For how long the access token is good, in seconds.
    pub expires_in: u32,
    /// What new tokens are given for, once.
    #[field(secret)]
    pub refresh_token: Hidden,
    /// For how long it is good, in seconds.
    pub refresh_expires_in: u32,
    /// The session.
    pub session: String,
    /// Who has signed in.
    pub account: AccountInfo,
    /// What the account may do.
    pub permissions: Vec<String>,
}

/// Changes one's password.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ChangePassword {
    /// The password until now.
    #[field(min = 1, max = 128, secret)]
    pub current_password: Hidden,
    /// The password from now on.
    #[field(min = 8, max = 128, secret)]
    pub new_password: Hidden,
}

/// Who has signed in.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The account; none for the operator.
    pub account: Option<AccountInfo>,
    /// Its organization.
    pub organization: Option<OrganizationInfo>,
    /// The session, where it is known.
    pub session: Option<String>,
    /// What the token of this request permits.
    pub permissions: Vec<String>,
}

/// Names a session.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct SessionId {
    /// As the list of sessions names it.
    #[field(min = 1, max = 64)]
    pub id: String,
}

/// The sessions of an account.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    /// The sessions, the newest first.
    pub sessions: Vec<SessionInfo>,
}

/// A session.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its name.
    pub id: String,
    /// Whether this request is made in it.
    pub current: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When tokens were last given in it.
    pub seen_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// Sessions have ended.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionsEnded {
    /// How many.
    pub ended: u32,
}

/// A ticket was given.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct IssuedTicket {
    /// The ticket.
    #[field(secret)]
    pub ticket: Hidden,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Whether there is an account.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct SetupState {
    /// Whether the first account has still to be made.
    pub needed: bool,
    /// The demonstration's accounts that still have the passwords that everybody knows.
    pub demo: Vec<DemoLogin>,
}

/// What signs in to a demonstration: it is no secret.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct DemoLogin {
    /// What the account is: `manager` or `client`.
    #[field(example = "manager")]
    pub role: String,
    /// Its e-mail address.
    #[field(example = "manager@demo.example")]
    pub email: String,
    /// Its password.
    #[field(example = "manager-demo")]
    pub password: String,
}

/// Makes the first account.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The code that was made for this.
    #[field(min = 1, max = 128, secret)]
    pub code: Hidden,
    /// The account's e-mail address.
    #[field(min = 3, max = 254, format = "email", example = "ada@example.com")]
    pub email: String,
    /// Its password.
    #[field(min = 8, max = 128, secret)]
    pub password: Hidden,
    /// The name of whoever it belongs to.
    #[field(min = 1, max = 200, format = "line", example = "Ada Lovelace")]
    pub full_name: String,
    /// The organization's name.
    #[field(min = 1, max = 200, format = "line", example = "Analytical Engines")]
    pub organization: String,
}

/// Another key signs.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Its name.
    pub kid: String,
}
