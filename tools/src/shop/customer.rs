//! A customer: what is asked next, given what was answered.

use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use super::Lines;
use super::answer::Answer;
use super::request::{self, Keys};
use crate::cli::ShopMode;
use crate::load::Verdict;
use crate::load::engine::{ExchangeError, Workload};
use crate::load::http::{HttpAnswer, HttpRequest};
use crate::load::random::Random;
use crate::load::report::duration;
use crate::terminal;

/// The most that a random customer buys at once.
const RANDOM_QUANTITY_MAX: u64 = 5;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A toy's price and quantity.
    Query,
    /// An order of a toy.
    Buy {
        /// Which toy.
        toy: String,
        /// How many.
        quantity: u64,
    },
}

/// The workload of one client.
#[derive(Debug)]
pub(super) struct Customer {
    mode: ShopMode,
    lines: Lines,
    /// What a random customer asks for.
    toys: Rc<[String]>,
    random: Random,
    /// How often the mode's question has been asked.
    asked: u64,
    /// What is bought next, since the last answer made the customer want it.
    wanted: Option<(String, u64)>,
    /// No two customers ever send one key for two orders.
    keys: Keys,
}

impl Customer {
    /// A customer who prints answers there, and if at random asks for these toys.
    pub(super) fn new(mode: ShopMode, lines: Lines, toys: Rc<[String]>) -> Result<Self, getrandom::Error> {
        let (random, keys) = (Random::from_system()?, Keys::from_system()?);
        Ok(Self { mode, lines, toys, random, asked: 0, wanted: None, keys })
    }

    fn buy(&mut self, toy: String, quantity: u64) -> (Subject, HttpRequest) {
        let http = request::buy(&toy, quantity, self.keys.next());
        (Subject::Buy { toy, quantity }, http)
    }

    /// A random customer who sees a toy in stock may want some of it, but not more than there are.
    fn look_at(&mut self, answer: &Answer) {
        if let (ShopMode::Random { probability, .. }, Answer::Toy { name, quantity, .. }) =
            (&self.mode, answer)
            && *quantity > 0
            && self.random.chance(*probability)
        {
            let most = RANDOM_QUANTITY_MAX.min(*quantity);
            self.wanted = Some((name.clone(), 1 + self.random.below(most)));
        }
    }
}

impl Workload for Customer {
    type Request = HttpRequest;
    type Answer = HttpAnswer;
    type Ticket = Subject;

    fn next(&mut self) -> Option<(Subject, HttpRequest)> {
        if let Some((toy, quantity)) = self.wanted.take() {
            return Some(self.buy(toy, quantity));
        }
        let (ShopMode::Query { count, .. } | ShopMode::Buy { count, .. } | ShopMode::Random { count, .. }) =
            &self.mode;
        if self.asked >= *count {
            return None;
        }
        self.asked += 1;
        match self.mode.clone() {
            ShopMode::Query { toy, .. } => Some((Subject::Query, request::query(&toy))),
            ShopMode::Buy { toy, quantity, .. } => Some(self.buy(toy, quantity.into())),
            ShopMode::Random { .. } => {
                let toy = self.random.pick(&self.toys)?;
                Some((Subject::Query, request::query(toy)))
            }
        }
    }

    fn kind<'t>(&'t self, subject: &'t Subject) -> &'t str {
        match subject {
            Subject::Query => "query",
            Subject::Buy { .. } => "buy",
        }
    }

    fn judge(
        &mut self,
        subject: &Subject,
        answer: &Result<HttpAnswer, ExchangeError>,
        took: Duration,
    ) -> Verdict {
        let understood = match (answer, subject) {
            (Err(error), _) => Answer::Broken { kind: error.kind.into(), message: error.detail.clone() },
            (Ok(answer), Subject::Query) => Answer::to_query(answer),
            (Ok(answer), Subject::Buy { .. }) => Answer::to_order(answer),
        };
        self.look_at(&understood);
        if self.lines != Lines::Nowhere {
            let instance = answer.as_ref().ok().and_then(|answer| answer.instance.as_deref());
            let line = line(subject, &understood, instance, took);
            if self.lines == Lines::Stdout { terminal::say(&line) } else { terminal::note(&line) }
        }
        understood.verdict()
    }
}

/// An answer as a line.
fn line(subject: &Subject, answer: &Answer, instance: Option<&str>, took: Duration) -> String {
    let mut line = match (answer, subject) {
        (Answer::Toy { name, price, quantity }, _) => format!("{name}: {price}, {quantity} in stock"),
        (Answer::Ordered { number }, Subject::Buy { toy, quantity }) => {
            format!("order {number}: {quantity} x {toy}")
        }
        (Answer::Ordered { number }, Subject::Query) => format!("order {number}"),
        (Answer::No { why, message }, Subject::Buy { toy, quantity }) => {
            format!("no order of {quantity} x {toy}: {why} ({message})")
        }
        (Answer::No { why, message }, Subject::Query) => format!("{why} ({message})"),
        (Answer::Broken { kind, message }, _) => format!("failed: {kind}: {message}"),
    };
    let _ = match instance {
        Some(instance) => write!(line, "  [{instance}, {}]", duration(took)),
        None => write!(line, "  [{}]", duration(took)),
    };
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(mode: ShopMode) -> Customer {
        let toys = ["Tux".to_owned(), "Laptop".to_owned()];
        let customer = Customer::new(mode, Lines::Nowhere, toys.into()).unwrap();
        Customer { random: Random::from_seed(1), ..customer }
    }

    fn toy(quantity: u64) -> Result<HttpAnswer, ExchangeError> {
        let body =
            format!(r#"{{"success":true,"data":{{"name":"Tux","price":25.99,"quantity":{quantity}}}}}"#);
        Ok(HttpAnswer { status: 200, instance: None, body: body.into() })
    }

    /// Asks until there is no more to ask, with this stock, and counts queries and buys.
    fn run(mut customer: Customer, stock: u64) -> (u64, u64) {
        let (mut queries, mut buys) = (0, 0);
        while let Some((subject, _)) = customer.next() {
            let answer = match subject {
                Subject::Query => {
                    queries += 1;
                    toy(stock)
                }
                Subject::Buy { quantity, .. } => {
                    assert!((1..=RANDOM_QUANTITY_MAX.min(stock)).contains(&quantity));
                    buys += 1;
                    let body = r#"{"success":true,"data":{"order_num":1}}"#.into();
                    Ok(HttpAnswer { status: 201, instance: None, body })
                }
            };
            assert_eq!(customer.judge(&subject, &answer, Duration::ZERO), Verdict::Good);
        }
        (queries, buys)
    }

    #[test]
    fn a_customer_asks_as_often_as_told() {
        assert_eq!(run(customer(ShopMode::Query { toy: "Tux".into(), count: 3 }), 5), (3, 0));
        assert_eq!(run(customer(ShopMode::Buy { toy: "Tux".into(), quantity: 2, count: 3 }), 5), (0, 3));
    }

    #[test]
    fn a_random_customer_buys_with_the_given_probability_what_is_in_stock() {
        let random = |probability| customer(ShopMode::Random { count: 100, probability });
        assert_eq!(run(random(0.0), 80), (100, 0));
        assert_eq!(run(random(1.0), 80), (100, 100));
        assert_eq!(run(random(1.0), 2), (100, 100));
        assert_eq!(run(random(1.0), 0), (100, 0), "what is not in stock is not bought");
        let (_, buys) = run(random(0.5), 80);
        assert!((30..70).contains(&buys), "{buys} of 100");
    }

    #[test]
    fn a_random_customer_asks_for_all_that_is_listed() {
        let mut customer = customer(ShopMode::Random { count: 20, probability: 0.0 });
        let mut targets: Vec<String> = std::iter::from_fn(|| Some(customer.next()?.1.target)).collect();
        targets.sort();
        targets.dedup();
        assert_eq!(targets, ["/products/Laptop", "/products/Tux"]);
    }

    #[test]
    fn answers_are_told_in_words() {
        let subject = Subject::Buy { toy: "Whale".into(), quantity: 2 };
        let check = |answer: Answer, wanted: &str| {
            assert_eq!(line(&subject, &answer, Some("order-1"), Duration::from_millis(2)), wanted);
        };
        check(Answer::Ordered { number: 7 }, "order 7: 2 x Whale  [order-1, 2.00 ms]");
        let no = Answer::No { why: "out of stock", message: "1 left".into() };
        check(no, "no order of 2 x Whale: out of stock (1 left)  [order-1, 2.00 ms]");
    }
}
