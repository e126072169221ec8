//! Signing in and out, and what somebody who has signed in does with the own account.

use micronet_transport::clock::unix_us;
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::principal::Principal;
use micronet_wire::schema::{Hidden, Timestamp};
use micronet_wire::service::{CallContext, CallError};

use super::caller::{SignedIn, entry};
use super::secrets::{hash, secret, unique};
use super::views::{account_info, organization_info, session_info};
use super::{Answer, AuthService};
use crate::auth::api::{
    AuthError, ChangePassword, IssuedTicket, Login, Logout, Me, Sessions, SessionsEnded, Tokens,
};
use crate::auth::store::{Account, Attempt, Ending, Given, NewSession, Refreshed, SecretHash, Session};
use crate::database::is_storable;
use crate::paging::folded;

/// What is said whatever is wrong with an address and a password.
const WRONG: &str = "the e-mail address or the password is not right";

impl AuthService {
    /// By an address and its password. Whoever has the wrong one of either learns nothing, also not by how long it takes.
    pub(super) async fn sign_in(&self, context: &CallContext, request: Login) -> Answer<Tokens> {
        let wrong = || CallError::Rpc(RpcError::new(Code::InvalidCredentials, WRONG));
        if !is_storable(&request.email) {
            return Err(wrong());
        }
        let email_hash = address_hash(&request.email);
        let account = self.attempt(request.email, email_hash).await?;
        let hashed = account.as_ref().filter(|account| account.is_active);
        let hashed = hashed.map(|account| account.hashed_password.clone());
        let is_right = self.passwords.matches(request.password, hashed).await?;
        let now_us = unix_us();
        let started = match account.clone().filter(|_| is_right) {
            Some(account) => self.start_session(context, account, email_hash, now_us).await?,
            None => None,
        };
        let Some(tokens) = started else {
            let failed =
                entry(context, "auth.login", account.as_ref(), Some(Code::InvalidCredentials), now_us);
            self.store.attempt_failed(failed).await?;
            return Err(wrong());
        };
        self.wake();
        Ok(tokens)
    }

    /// Begins an attempt, unless too many have failed: the account of the address.
    async fn attempt(&self, email: String, email_hash: SecretHash) -> Answer<Option<Account>> {
        match self.store.begin_attempt(email, email_hash, unix_us()).await? {
            Attempt::Begun(account) => Ok(account),
            Attempt::Refused { retry_after_s } => {
                let words = format!(
                    "too many attempts with this address have failed: try again in {retry_after_s} s"
                );
                let error = RpcError::new(Code::RateLimitExceeded, words);
                // No other instance would say anything else.
                Err(CallError::Rpc(error.retry(Retry::Never, retry_after_s.saturating_mul(1_000))))
            }
        }
    }

    async fn start_session(
        &self,
        context: &CallContext,
        account: Account,
        email_hash: SecretHash,
        now_us: i64,
    ) -> Answer<Option<Tokens>> {
        let (refresh, jti) = (secret(), unique());
        let new = NewSession {
            id: unique(),
            given: Given { refresh: hash(&refresh.0), jti: jti.clone() },
            email_hash,
            entry: entry(context, "auth.login", Some(&account), None, now_us),
            account: account.clone(),
        };
        match self.store.start_session(new, now_us).await? {
            Some(session) => self.tokens(account, &session, refresh, &jti).await.map(Some),
            None => Ok(None),
        }
    }

    async fn tokens(
        &self,
        account: Account,
        session: &Session,
        refresh: Hidden,
        jti: &str,
    ) -> Answer<Tokens> {
        let (access_token, expires_in) =
            self.signer.sign(&account, &session.id, jti, session.expires_at).await?;
        let left_s = (session.expires_at - unix_us()).div_euclid(1_000_000);
        Ok(Tokens {
            access_token,
            token_type: "Bearer".into(),
            expires_in,
            refresh_token: refresh,
            refresh_expires_in: u32::try_from(left_s).unwrap_or_default(),
            session: session.id.clone(),
            permissions: account.permissions(),
            account: account_info(account),
        })
    }

    /// By a refresh token, which is then used.
    pub(super) async fn renew(&self, context: &CallContext, token: &Hidden) -> Answer<Tokens> {
        let (refresh, jti) = (secret(), unique());
        // Without an idempotency token nothing is a repeat.
        let key = hash(&context.token.clone().unwrap_or_else(unique));
        let given = Given { refresh: hash(&refresh.0), jti: jti.clone() };
        let refused = |words| CallError::Rpc(RpcError::new(Code::InvalidCredentials, words));
        match self.store.refresh(hash(&token.0), key, given, unix_us()).await? {
            Refreshed::Given(account, session) => self.tokens(account, &session, refresh, &jti).await,
            Refreshed::Unknown => Err(refused("the refresh token is not known, or its session is over")),
            Refreshed::Reused => {
                self.wake();
                tracing::warn!(
                    request_id = context.request_id.as_str(),
                    "a refresh token came again: its session has ended"
                );
                Err(refused("the refresh token was used before: its session has ended, sign in again"))
            }
        }
    }

    /// Ends the session of a refresh token, or that of the caller; or all of that account.
    pub(super) async fn sign_out(&self, context: &CallContext, request: Logout) -> Answer<SessionsEnded> {
        let (account, session) = match request.refresh_token {
            Some(token) => match self.store.session_of(hash(&token.0)).await? {
                Some(session) => (session.account_id, session.id),
                // It is over already.
                None => return Ok(SessionsEnded { ended: 0 }),
            },
            None if context.principal == Principal::Anonymous => {
                let words = "no credential was given: send an access token, or a refresh token in the body";
                return Err(CallError::Rpc(RpcError::new(Code::Unauthenticated, words)));
            }
            None => {
                let SignedIn { account, session } = SignedIn::of(&context.principal)?;
                (account, session)
            }
        };
        let which = match request.everywhere {
            Some(true) => Ending::AllOf { account },
            _ => Ending::One { account, session },
        };
        self.end(which).await
    }

    async fn end(&self, which: Ending) -> Answer<SessionsEnded> {
        let ended = match self.store.end_sessions(which, unix_us()).await.map_err(CallError::from) {
            Err(CallError::Service(AuthError::SessionNotFound { .. })) => 0,
            ended => ended?,
        };
        self.wake();
        Ok(SessionsEnded { ended })
    }

    /// Who it is that calls.
    pub(super) async fn introduce(&self, principal: &Principal) -> Answer<Me> {
        let Principal::User { permissions, .. } = principal else {
            let permissions = vec!["*".to_owned()];
            return Ok(Me { account: None, organization: None, session: None, permissions });
        };
        let signed_in = SignedIn::of(principal)?;
        let account = self.store.account(signed_in.account).await?;
        let organization = self.store.organization(account.organization_id).await?;
        Ok(Me {
            account: Some(account_info(account)),
            organization: Some(organization_info(organization)),
            session: principal.session().map(str::to_owned),
            permissions: permissions.clone(),
        })
    }

    /// Another password, by the one until now.
    pub(super) async fn exchange_password(
        &self,
        context: &CallContext,
        request: ChangePassword,
    ) -> Answer<SessionsEnded> {
        let signed_in = SignedIn::of(&context.principal)?;
        let account = self.store.account(signed_in.account).await?;
        let email_hash = address_hash(&account.email);
        self.attempt(account.email.clone(), email_hash).await?;
        let hashed = Some(account.hashed_password.clone());
        if !self.passwords.matches(request.current_password, hashed).await? {
            let words = "the current password is not right";
            return Err(CallError::Rpc(RpcError::new(Code::InvalidCredentials, words)));
        }
        self.store.attempt_succeeded(email_hash).await?;
        let hashed = self.passwords.hash(request.new_password).await?;
        let but = context.principal.session().map(str::to_owned);
        let ended = self.store.set_password(account.id, hashed, but, unix_us()).await?;
        self.wake();
        Ok(SessionsEnded { ended })
    }

    pub(super) async fn own_sessions(&self, principal: &Principal) -> Answer<Sessions> {
        let SignedIn { account, session: current } = SignedIn::of(principal)?;
        let sessions = self.store.sessions(account, unix_us()).await?;
        Ok(Sessions {
            sessions: sessions.into_iter().map(|session| session_info(session, &current)).collect(),
        })
    }

    pub(super) async fn end_own_session(
        &self,
        principal: &Principal,
        session: String,
    ) -> Answer<SessionsEnded> {
        let SignedIn { account, .. } = SignedIn::of(principal)?;
        if !is_storable(&session) {
            return Err(CallError::Service(AuthError::SessionNotFound { id: session }));
        }
        let ended = self.store.end_sessions(Ending::One { account, session }, unix_us()).await?;
        self.wake();
        Ok(SessionsEnded { ended })
    }

    pub(super) async fn end_own_other_sessions(&self, principal: &Principal) -> Answer<SessionsEnded> {
        let SignedIn { account, session: but } = SignedIn::of(principal)?;
        self.end(Ending::OthersOf { account, but }).await
    }

    pub(super) async fn issue_ticket(&self, principal: &Principal) -> Answer<IssuedTicket> {
        let SignedIn { account, session } = SignedIn::of(principal)?;
        let ticket = secret();
        let expires_at = self.store.issue_ticket(hash(&ticket.0), account, session, unix_us()).await?;
        Ok(IssuedTicket { ticket, expires_at: Timestamp(expires_at) })
    }
}

/// Under what attempts are counted: the address in lower case.
fn address_hash(email: &str) -> SecretHash {
    hash(&folded(email))
}
