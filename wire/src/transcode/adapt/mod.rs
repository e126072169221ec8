//! Messages of one schema as messages of another, so that a caller can call an instance of a service that was built before or
//! after it (SPEC.md 10.10 to 10.12).
//!
//! Messages on the wire are always in the server's schema. A [`ServiceAdapter`] compares the caller's schema with the server's once,
//! by the names of fields and variants, and makes of each method's types a plan: requests go from the caller's to the
//! server's, replies and errors come back. Types that are encoded alike need no plan, and their messages are not looked at.
//!
//! This module knows two schemas and bytes; which instance is called, and what is done about a refusal, is the transport's.

mod plan;
mod rewrite;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use self::plan::{Compiler, Difference, Plan, Step, Way};
use self::rewrite::rewrite;
use super::{TranscodeError, TranscodeErrorKind};
use crate::error::{Code, Retry, RpcError};
use crate::schema::{EncodedSchema, Method, ServiceSchema};

/// What a caller that was built with one schema needs to call an instance that serves another.
#[derive(Debug)]
pub struct ServiceAdapter {
    /// From the caller's schema to the server's.
    outward: Direction,
    /// From the server's to the caller's.
    inward: Direction,
    methods: HashMap<u32, Calls>,
}

/// All steps of one way, and the schema that its messages come in.
#[derive(Debug)]
struct Direction {
    way: Way,
    from: Rc<EncodedSchema>,
    steps: Vec<Step>,
}

/// How a method of the caller's schema can be called.
#[derive(Debug)]
enum Calls {
    /// Its messages are the same.
    Alike,
    Adapted(Plans),
    Refused(RpcError),
}

/// What to do with each of a method's messages; nothing where there is no plan.
#[derive(Debug)]
struct Plans {
    /// As `product.query`.
    method: String,
    request: Plan,
    reply: Plan,
    error: ErrorPlan,
}

#[derive(Debug, Clone, Copy)]
enum ErrorPlan {
    /// The detail goes from the server's error type to the caller's.
    Value(Plan),
    /// One of the two has no errors of its own: the words are all that can be passed on.
    Words,
}

/// One method whose messages differ.
#[derive(Debug, Clone, Copy)]
pub struct MethodAdapter<'a> {
    service: &'a ServiceAdapter,
    plans: &'a Plans,
}

impl ServiceAdapter {
    /// Compares the schema that the caller was built with to the one that an instance serves. `None` when every method can be
    /// called as it is: docs, constraints, the names of types, and methods that only the server has make no difference.
    #[must_use]
    pub fn new(mine: &Rc<EncodedSchema>, theirs: &Rc<EncodedSchema>) -> Option<Self> {
        if mine.fingerprint() == theirs.fingerprint() {
            return None;
        }
        let (here, there) = (mine.schema(), theirs.schema());
        let (mut outward, mut inward) =
            (Compiler::new(Way::Outward, here, there), Compiler::new(Way::Inward, there, here));
        let compile = |method: &Method| {
            let name = format!("{}.{}", here.name, method.name);
            let calls = compare(method, there, &mut outward, &mut inward);
            let calls = match calls {
                Ok(compared) => compared.of(name),
                Err(refusal) => refusal.of(&name),
            };
            (method.id, calls)
        };
        let methods: HashMap<_, _> = here.methods.iter().map(compile).collect();
        if methods.values().all(|calls| matches!(calls, Calls::Alike)) {
            return None;
        }
        Some(Self {
            outward: Direction { way: Way::Outward, from: Rc::clone(mine), steps: outward.into_steps() },
            inward: Direction { way: Way::Inward, from: Rc::clone(theirs), steps: inward.into_steps() },
            methods,
        })
    }

    /// How to call the method with this id; `None` when its messages need nothing, as those of a method do that the caller's
    /// schema doesn't have.
    ///
    /// # Errors
    /// When it can't be called on such an instance: [`Code::UnknownMethod`] where the instance doesn't have it,
    /// [`Code::SchemaMismatch`] with words that name the method and the difference. Both say that the call wasn't started.
    pub fn method(&self, id: u32) -> Result<Option<MethodAdapter<'_>>, RpcError> {
        match self.methods.get(&id) {
            None | Some(Calls::Alike) => Ok(None),
            Some(Calls::Adapted(plans)) => Ok(Some(MethodAdapter { service: self, plans })),
            Some(Calls::Refused(error)) => Err(error.clone()),
        }
    }

    /// Why methods can't be called, in words, one for each of them; in alphabetical order.
    #[must_use]
    pub fn refusals(&self) -> Vec<&str> {
        let mut words = Vec::new();
        for calls in self.methods.values() {
            if let Calls::Refused(error) = calls {
                words.push(&*error.message);
            }
        }
        words.sort_unstable();
        words
    }
}

impl MethodAdapter<'_> {
    /// A request of the caller's as the server takes it.
    ///
    /// # Errors
    /// [`Code::SchemaMismatch`] when what the request says can't be said to this server: the words name the field, and the call
    /// wasn't started. [`Code::BadRequest`] for bytes that are no such request.
    pub fn request(&self, request: Bytes) -> Result<Bytes, RpcError> {
        self.rewritten(&self.service.outward, self.plans.request, &request).map_or(Ok(request), |adapted| {
            adapted.map_err(|error| {
                let code = match error.kind {
                    TranscodeErrorKind::Undecodable => Code::BadRequest,
                    TranscodeErrorKind::TooLarge => Code::MessageTooLarge,
                    _ => Code::SchemaMismatch,
                };
                RpcError::new(code, self.words("request", &error))
            })
        })
    }

    /// A reply of the server's as the caller knows it.
    ///
    /// # Errors
    /// [`Code::SchemaMismatch`] when the caller's type has no place for what it says: the words name the field, and the call was
    /// executed. [`Code::Protocol`] for bytes that are no such reply.
    pub fn reply(&self, reply: Bytes) -> Result<Bytes, RpcError> {
        self.rewritten(&self.service.inward, self.plans.reply, &reply).map_or(Ok(reply), |adapted| {
            adapted.map_err(|error| {
                let code = match error.kind {
                    TranscodeErrorKind::Undecodable => Code::Protocol,
                    _ => Code::SchemaMismatch,
                };
                RpcError::new(code, self.words("reply", &error)).retry(Retry::MaybeExecuted, 0)
            })
        })
    }

    /// An error of a call as the caller knows it. Where the caller's type has no place for the service's own error, the service's
    /// words stay, and say so.
    #[must_use]
    pub fn error(&self, error: RpcError) -> RpcError {
        if error.code != Code::Application {
            return error;
        }
        let plan = match self.plans.error {
            ErrorPlan::Words => return RpcError { detail: Bytes::new(), ..error },
            ErrorPlan::Value(plan) => plan,
        };
        match self.rewritten(&self.service.inward, plan, &error.detail) {
            None => error,
            Some(Ok(detail)) => RpcError { detail, ..error },
            Some(Err(failure)) => {
                let message = format!("{} ({})", error.message, self.words("error", &failure));
                RpcError { detail: Bytes::new(), message, ..error }
            }
        }
    }

    fn rewritten(
        &self,
        direction: &Direction,
        plan: Plan,
        message: &[u8],
    ) -> Option<Result<Bytes, TranscodeError>> {
        let Direction { way, from, steps } = direction;
        plan.map(|root| rewrite(steps, root, *way, from.schema(), message))
    }

    fn words(&self, part: &str, error: &TranscodeError) -> String {
        // What is wrong with a value is told of it; what is wrong with the bytes stands for itself.
        let told = matches!(
            error.kind,
            TranscodeErrorKind::Range | TranscodeErrorKind::Missing | TranscodeErrorKind::Unknown
        );
        let colon = if told { "" } else { ":" };
        format!("{}: {}{colon} {}", self.plans.method, place(part, &error.path), error.words)
    }
}

/// Where in a method's messages something is, for people.
fn place(part: &str, path: &str) -> String {
    if path.is_empty() { format!("the {part}") } else { format!("{part} field \"{path}\"") }
}

/// The plans of one method, before they have its name.
struct Compared {
    request: Plan,
    reply: Plan,
    error: ErrorPlan,
}

/// Why a method can't be called.
enum Refusal {
    NotServed,
    Shape(String),
    Messages(&'static str, Difference),
}

fn compare(
    here: &Method,
    there: &ServiceSchema,
    outward: &mut Compiler<'_>,
    inward: &mut Compiler<'_>,
) -> Result<Compared, Refusal> {
    let theirs = there.method(here.id).ok_or(Refusal::NotServed)?;
    if here.shape != theirs.shape {
        return Err(Refusal::Shape(format!("{:?} here and {:?} there", here.shape, theirs.shape)));
    }
    let within = |part| move |difference| Refusal::Messages(part, difference);
    let request = outward.plan(here.request, theirs.request).map_err(within("request"))?;
    let reply = inward.plan(theirs.reply, here.reply).map_err(within("reply"))?;
    let error = match (theirs.error, here.error) {
        (Some(theirs), Some(ours)) => ErrorPlan::Value(inward.plan(theirs, ours).map_err(within("error"))?),
        (None, None) => ErrorPlan::Value(None),
        _ => ErrorPlan::Words,
    };
    Ok(Compared { request, reply, error })
}

impl Compared {
    fn of(self, method: String) -> Calls {
        let Self { request, reply, error } = self;
        match (request, reply, error) {
            (None, None, ErrorPlan::Value(None)) => Calls::Alike,
            _ => Calls::Adapted(Plans { method, request, reply, error }),
        }
    }
}

impl Refusal {
    fn of(self, method: &str) -> Calls {
        let error = match self {
            Self::NotServed => RpcError::new(Code::UnknownMethod, format!("{method} is not served there"))
                .retry(Retry::NeverStarted, 0),
            Self::Shape(words) => RpcError::new(Code::SchemaMismatch, format!("{method} is {words}")),
            Self::Messages(part, Difference { path, words }) => {
                RpcError::new(Code::SchemaMismatch, format!("{method}: {} {words}", place(part, &path)))
            }
        };
        Calls::Refused(error)
    }
}
