//! Tokens of a service that keeps nothing on disk: the replies to its writes are remembered for as long as the process lives.
//!
//! It stands around a service, so that its handlers know nothing of tokens. A write that comes again gets the first one's reply, and
//! waits for it where that is still under way. What was refused isn't remembered: it may be tried again.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use micronet_transport::clock;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::outcomes::{Asked, Asking, Outcomes, TokenOutcome};
use micronet_wire::schema::{Blob, CallShape, EncodedSchema, Method};
use micronet_wire::service::{Answer, CallContext, Handling, Service, authorize};
use sha2::{Digest as _, Sha256};

use crate::calls::key_for;
use crate::underway::{NoTurn, Turn, Underway};

/// For how long a reply is remembered, in nanoseconds: a day.
const KEPT_NS: u64 = 24 * 3_600 * 1_000_000_000;
/// How many tokens are remembered. Where there is no room for another one, its write is refused.
const TOKENS_MAX: usize = 4_096;
/// Writes under way at once.
const UNDERWAY_MAX: usize = 256;

/// A service whose writes under tokens are carried out once.
pub struct Remembered<S> {
    service: S,
    memory: Rc<Memory>,
}

/// What is remembered.
struct Memory {
    schema: EncodedSchema,
    underway: Underway<Answer>,
    known: RefCell<Known>,
}

#[derive(Default)]
struct Known {
    by_key: BTreeMap<String, Reply>,
    /// The keys, the oldest first.
    ages: VecDeque<(u64, String)>,
}

/// What a token came to.
#[derive(Clone)]
enum Reply {
    /// The write had this reply, to a request of this hash.
    Done { hash: [u8; 32], reply: Bytes },
    /// Somebody was told that it never started.
    Withdrawn,
}

impl<S> fmt::Debug for Remembered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.memory.known.borrow().by_key.len();
        f.debug_struct("Remembered").field("tokens", &tokens).finish_non_exhaustive()
    }
}

impl<S: Service> Remembered<S> {
    /// The service, of which nothing is known yet.
    #[must_use]
    pub fn new(service: S) -> Self {
        let (schema, underway) = (service.schema().clone(), Underway::at_most(UNDERWAY_MAX));
        let memory = Rc::new(Memory { schema, underway, known: RefCell::default() });
        Self { service, memory }
    }

    /// What became of its writes.
    #[must_use]
    pub fn outcomes(&self) -> Box<dyn Outcomes> {
        Box::new(Remembrance(Rc::clone(&self.memory)))
    }

    /// The method, if a token makes a difference to it: a write by somebody who may.
    fn write(&self, context: &CallContext, method: u32) -> Option<&Method> {
        let method = self.memory.schema.schema().method(method)?;
        let is_write = !method.is_idempotent() && method.shape == CallShape::Unary;
        (is_write && authorize(&context.principal, &method.access).is_ok()).then_some(method)
    }
}

impl<S: Service> Service for Remembered<S> {
    fn schema(&self) -> &EncodedSchema {
        self.service.schema()
    }

    fn handle(&self, context: Box<CallContext>, method: u32, request: Bytes) -> Handling {
        let (Some(token), Some(write)) = (context.token.clone(), self.write(&context, method)) else {
            return self.service.handle(context, method, request);
        };
        let key = key_for(&context.principal, &write.name, &token);
        let hash: [u8; 32] = Sha256::digest(&request).into();
        match self.memory.begin(&key, hash) {
            Err(answer) => Box::pin(std::future::ready(answer)),
            Ok(Turn::Later(first)) => Box::pin(async move {
                let broke_off = || RpcError::new(Code::Unavailable, "the first copy of this write broke off");
                first.end().await.unwrap_or_else(|| Err(broke_off()))
            }),
            Ok(Turn::First(first)) => {
                let (handling, memory) =
                    (self.service.handle(context, method, request), Rc::clone(&self.memory));
                Box::pin(async move {
                    let answer = handling.await;
                    if let Ok(reply) = &answer {
                        memory.keep(key, Reply::Done { hash, reply: reply.clone() });
                    }
                    first.done(answer.clone());
                    answer
                })
            }
        }
    }
}

impl Memory {
    /// Begins a write; or says how it is answered without.
    fn begin(&self, key: &str, hash: [u8; 32]) -> Result<Turn<Answer>, Answer> {
        let refuse = |code, words: &str| Err(Err(RpcError::new(code, words)));
        match self.find(key) {
            Some(Reply::Done { hash: known, reply }) if known == hash => return Err(Ok(reply)),
            Some(Reply::Done { .. }) => {
                return refuse(
                    Code::TokenReused,
                    "this idempotency token was used before with another request",
                );
            }
            Some(Reply::Withdrawn) => {
                return refuse(Code::TokenWithdrawn, "what became of this call was asked before it came");
            }
            None => {}
        }
        match self.underway.begin(key, hash) {
            Ok(Turn::First(_)) if !self.has_room() => {
                refuse(Code::Overloaded, "no more idempotency tokens can be remembered now")
            }
            Ok(turn) => Ok(turn),
            Err(NoTurn::Reused) => {
                refuse(Code::TokenReused, "this idempotency token is in use with another request")
            }
            Err(NoTurn::Full) => refuse(Code::Overloaded, "too many writes are under way"),
        }
    }

    fn find(&self, key: &str) -> Option<Reply> {
        let (mut known, now) = (self.known.borrow_mut(), clock::now());
        while known.ages.front().is_some_and(|(since, _)| now.saturating_sub(*since) > KEPT_NS) {
            if let Some((_, key)) = known.ages.pop_front() {
                known.by_key.remove(&key);
            }
        }
        known.by_key.get(key).cloned()
    }

    fn has_room(&self) -> bool {
        self.known.borrow().by_key.len() < TOKENS_MAX
    }

    fn keep(&self, key: String, reply: Reply) {
        let mut known = self.known.borrow_mut();
        known.ages.push_back((clock::now(), key.clone()));
        known.by_key.insert(key, reply);
    }

    fn outcome(&self, asked: &Asked) -> Result<TokenOutcome, RpcError> {
        let Some(method) = self.schema.schema().method(asked.method).filter(|method| !method.is_idempotent())
        else {
            return Err(micronet_wire::outcomes::not_kept());
        };
        let key = key_for(&asked.principal, &method.name, &asked.token);
        match self.find(&key) {
            Some(Reply::Done { reply, .. }) => return Ok(TokenOutcome::Done { reply: Blob(reply.to_vec()) }),
            Some(Reply::Withdrawn) => return Ok(TokenOutcome::NeverStarted),
            None if self.underway.has(&key) => return Ok(TokenOutcome::Running),
            None => {}
        }
        if !self.has_room() {
            return Err(RpcError::new(Code::Overloaded, "no more idempotency tokens can be remembered now"));
        }
        self.keep(key, Reply::Withdrawn);
        Ok(TokenOutcome::NeverStarted)
    }
}

/// Tells what is remembered.
struct Remembrance(Rc<Memory>);

impl Outcomes for Remembrance {
    fn outcome(&self, asked: Asked) -> Asking {
        Box::pin(std::future::ready(self.0.outcome(&asked)))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use micronet_wire::encoding;
    use micronet_wire::principal::Principal;
    use micronet_wire::schema::Message;
    use micronet_wire::service::service;

    use super::*;

    #[derive(Message, Debug, Clone)]
    struct Amount {
        amount: u32,
    }

    /// Counts.
    #[service(name = "counter")]
    trait Counter {
        /// Adds, and tells the sum.
        #[rpc(permission = "counter:write")]
        async fn add(&self, context: &CallContext, request: Amount) -> Result<Amount, RpcError>;
    }

    #[derive(Default)]
    struct Sum(Cell<u32>);

    impl Counter for Sum {
        async fn add(&self, _: &CallContext, request: Amount) -> Result<Amount, RpcError> {
            tokio::task::yield_now().await;
            if request.amount == 0 {
                return Err(RpcError::new(Code::InvalidInput, "nothing to add"));
            }
            self.0.set(self.0.get() + request.amount);
            Ok(Amount { amount: self.0.get() })
        }
    }

    fn counter() -> Remembered<CounterServer<Sum>> {
        Remembered::new(CounterServer::new(Sum::default()).unwrap())
    }

    fn add(counter: &impl Service, who: Principal, token: &str, amount: u32) -> Handling {
        let method = counter.schema().schema().methods[0].id;
        let context = CallContext { principal: who, token: Some(token.to_owned()), ..CallContext::default() };
        counter.handle(Box::new(context), method, encoding::encode(&Amount { amount }).unwrap())
    }

    async fn sum(handling: Handling) -> Result<u32, Code> {
        let answer = handling.await.map_err(|error| error.code)?;
        Ok(encoding::decode::<Amount>(&answer).unwrap().amount)
    }

    #[tokio::test(flavor = "local")]
    async fn a_repeat_gets_the_first_reply_also_while_that_is_under_way() {
        let counter = counter();
        let operators = |token: &str, amount| add(&counter, Principal::Operator, token, amount);
        let (first, second) = (operators("a", 3), operators("a", 3));
        assert_eq!(sum(operators("a", 4)).await, Err(Code::TokenReused), "while it is under way");
        assert_eq!(tokio::join!(sum(first), sum(second)), (Ok(3), Ok(3)));
        assert_eq!(sum(operators("a", 3)).await, Ok(3));
        assert_eq!(sum(operators("a", 4)).await, Err(Code::TokenReused));
        assert_eq!(sum(operators("b", 4)).await, Ok(7));
        // What was refused may be tried again under its token, and who may not do it has none.
        assert_eq!(sum(operators("c", 0)).await, Err(Code::InvalidInput));
        assert_eq!(sum(operators("c", 1)).await, Ok(8));
        assert_eq!(sum(add(&counter, Principal::Anonymous, "a", 3)).await, Err(Code::Unauthenticated));
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn what_was_asked_for_is_told_and_holds_until_its_time_is_over() {
        let counter = counter();
        let method = counter.schema().schema().methods[0].id;
        let outcomes = counter.outcomes();
        let asked = |token: &str| {
            outcomes.outcome(Asked { principal: Principal::Operator, method, token: token.to_owned() })
        };
        assert_eq!(asked("never").await, Ok(TokenOutcome::NeverStarted));
        assert_eq!(sum(add(&counter, Principal::Operator, "never", 1)).await, Err(Code::TokenWithdrawn));
        let first = add(&counter, Principal::Operator, "done", 2);
        assert_eq!(asked("done").await, Ok(TokenOutcome::Running));
        assert_eq!(sum(first).await, Ok(2));
        assert!(matches!(asked("done").await, Ok(TokenOutcome::Done { .. })));
        tokio::time::advance(std::time::Duration::from_nanos(KEPT_NS + 1)).await;
        assert_eq!(sum(add(&counter, Principal::Operator, "done", 2)).await, Ok(4), "it is forgotten");
    }
}
