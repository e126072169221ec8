//! What became of a write that bore an idempotency token (SPEC.md 6.8): the question, the answer, and who gives it.

use std::future::Future;
use std::pin::Pin;

use crate::error::{Code, RpcError};
use crate::limits::TOKEN_BYTES_MAX;
use crate::principal::Principal;
use crate::request::is_printable;
use crate::schema::{Blob, Message, ServiceSchema};
use crate::service::{Answer, CallContext, authorize};

/// Asks what became of a write.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OutcomeOf {
    /// The id of the method that was called.
    pub method: u32,
    /// The token that the call bore.
    pub token: String,
    /// Whose call it was, as anonymous, operator, service/NAME or user/ID; without it the asker's own. Only the operator can name
    /// somebody else.
    pub principal: Option<String>,
}

/// What became of a write.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum TokenOutcome {
    /// Nothing was done under this token, and nothing will be: a copy that still comes is refused with TOKEN_WITHDRAWN.
    NeverStarted,
    /// It isn't decided yet.
    Running,
    /// It was done. A repeat would get the same reply.
    Done {
        /// The reply, as a message of the method's reply type.
        #[field(secret)]
        reply: Blob,
    },
    /// It was refused for good. A repeat would get the same error.
    Failed {
        /// The error's code (SPEC.md 8.2).
        code: u16,
        /// The error's words.
        message: String,
        /// The error's detail.
        detail: Blob,
    },
}

impl TokenOutcome {
    /// The outcome of a write that was answered so.
    #[must_use]
    pub fn answered(answer: Answer) -> Self {
        match answer {
            Ok(reply) => Self::Done { reply: Blob(reply.to_vec()) },
            Err(error) => Self::Failed {
                code: error.code as u16,
                message: error.message,
                detail: Blob(error.detail.to_vec()),
            },
        }
    }

    /// The stored error; `None` if it is another outcome.
    #[must_use]
    pub fn error(&self) -> Option<RpcError> {
        let Self::Failed { code, message, detail } = self else { return None };
        let code = Code::from_number(*code).unwrap_or(Code::Internal);
        Some(RpcError { detail: detail.0.clone().into(), ..RpcError::new(code, message.clone()) })
    }
}

/// A question that may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whose write it was.
    pub principal: Principal,
    /// The id of its method, which the service has.
    pub method: u32,
    /// Its token.
    pub token: String,
}

/// An answer on its way.
pub type Asking = Pin<Box<dyn Future<Output = Result<TokenOutcome, RpcError>>>>;

/// What a service knows about the outcomes of its writes.
pub trait Outcomes {
    /// What became of a write. After [`TokenOutcome::NeverStarted`] it has to refuse the write, should it still come.
    fn outcome(&self, asked: Asked) -> Asking;
}

/// A service that keeps no outcomes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOutcomes;

impl Outcomes for NoOutcomes {
    fn outcome(&self, _: Asked) -> Asking {
        Box::pin(std::future::ready(Err(not_kept())))
    }
}

/// The error of a method whose outcomes nobody keeps, since it takes no token.
#[must_use]
pub fn not_kept() -> RpcError {
    RpcError::new(
        Code::InvalidInput,
        "no outcomes are kept of this method's calls: it takes no idempotency token",
    )
}

/// Checks a question: that the service has the method, and that the asker may call it and ask on that behalf (SPEC.md 6.8).
pub(crate) fn open(schema: &ServiceSchema, context: &CallContext, of: OutcomeOf) -> Result<Asked, RpcError> {
    let OutcomeOf { method, token, principal } = of;
    let Some(called) = schema.method(method) else {
        let words = format!("{} has no method with the id {method:#010x}", schema.name);
        return Err(RpcError::new(Code::UnknownMethod, words));
    };
    authorize(&context.principal, &called.access)?;
    if !is_printable(token.as_bytes(), TOKEN_BYTES_MAX) {
        return Err(RpcError::new(Code::InvalidInput, "a token has 1 to 64 characters of printable ASCII"));
    }
    let principal = match principal {
        None => context.principal.clone(),
        Some(key) if key == context.principal.key() => context.principal.clone(),
        Some(key) if context.principal == Principal::Operator => Principal::from_key(&key)
            .ok_or_else(|| RpcError::new(Code::InvalidInput, format!("{key:?} names no principal")))?,
        Some(_) => {
            let words = "only the operator can ask for the outcomes of somebody else's writes";
            return Err(RpcError::new(Code::InsufficientPermissions, words));
        }
    };
    Ok(Asked { principal, method, token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin::{BuiltinMethods, builtin_schema};
    use crate::schema::Access;

    /// The schema of a service whose method `schema` is for services, and `instance` for everybody.
    fn schema() -> ServiceSchema {
        let mut schema = builtin_schema();
        schema.method_mut(BuiltinMethods::SCHEMA).unwrap().access = Access::Service;
        schema
    }

    fn asked(principal: Principal, method: u32, token: &str, of: Option<&str>) -> Result<Asked, Code> {
        let context = CallContext { principal, ..CallContext::default() };
        let of = OutcomeOf { method, token: token.into(), principal: of.map(str::to_owned) };
        open(&schema(), &context, of).map_err(|error| error.code)
    }

    #[test]
    fn who_may_call_may_ask_and_only_the_operator_for_others() {
        const PUBLIC: u32 = BuiltinMethods::INSTANCE;
        const OF_SERVICES: u32 = BuiltinMethods::SCHEMA;
        let user = || Principal::User {
            subject: "7".into(),
            organization: "1".into(),
            session: "s1".into(),
            permissions: vec!["*".into()],
        };
        let order = || Principal::Service { name: "order".into() };
        let may = |asker: Principal, method, of: Option<&str>, whose: Principal| {
            let expected = Asked { principal: whose, method, token: "key".into() };
            assert_eq!(asked(asker, method, "key", of), Ok(expected));
        };
        may(Principal::Anonymous, PUBLIC, None, Principal::Anonymous);
        may(user(), PUBLIC, None, user());
        may(user(), PUBLIC, Some("user/7"), user());
        may(order(), OF_SERVICES, None, order());
        may(Principal::Operator, PUBLIC, Some("anonymous"), Principal::Anonymous);
        may(Principal::Operator, OF_SERVICES, Some("service/order"), order());
        let refused = [
            (Principal::Anonymous, OF_SERVICES, None, Code::Unauthenticated),
            (user(), OF_SERVICES, None, Code::InsufficientPermissions),
            (user(), PUBLIC, Some("user/8"), Code::InsufficientPermissions),
            (order(), PUBLIC, Some("anonymous"), Code::InsufficientPermissions),
            (Principal::Anonymous, PUBLIC, Some("operator"), Code::InsufficientPermissions),
            (Principal::Operator, PUBLIC, Some("nobody"), Code::InvalidInput),
            (Principal::Operator, 7, None, Code::UnknownMethod),
        ];
        for (asker, method, of, code) in refused {
            assert_eq!(asked(asker.clone(), method, "key", of), Err(code), "{asker:?} {method:x} {of:?}");
        }
        for token in ["", "two words", "\u{e9}", &"k".repeat(65)] {
            assert_eq!(asked(Principal::Operator, PUBLIC, token, None), Err(Code::InvalidInput), "{token:?}");
        }
    }

    #[test]
    fn a_stored_error_comes_back_as_it_was() {
        let error = RpcError { detail: vec![1, 2].into(), ..RpcError::new(Code::Application, "no") };
        assert_eq!(TokenOutcome::answered(Err(error.clone())).error(), Some(error));
        let done = TokenOutcome::answered(Ok(vec![3].into()));
        assert_eq!((done.error(), done), (None, TokenOutcome::Done { reply: Blob(vec![3]) }));
    }
}
