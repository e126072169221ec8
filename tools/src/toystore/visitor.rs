//! A client of the measurement: as many requests of one kind as it was told, each for a random product.

use std::rc::Rc;
use std::time::Duration;

use crate::load::Verdict;
use crate::load::engine::{ExchangeError, Workload};
use crate::load::http::{HttpAnswer, HttpRequest};
use crate::load::random::Random;
use crate::shop::answer::Answer;
use crate::shop::request::{self, Keys};

/// What a visitor comes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Asks for a product.
    Get,
    /// Orders one piece of a product.
    Order,
}

impl Errand {
    /// Its name: the method that it uses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Order => "POST",
        }
    }
}

/// The workload of one client.
#[derive(Debug)]
pub(super) struct Visitor {
    errand: Errand,
    left: u64,
    products: Rc<[String]>,
    random: Random,
    keys: Keys,
}

impl Visitor {
    /// A visitor with so many errands among these products.
    pub(super) fn new(errand: Errand, count: u64, products: Rc<[String]>) -> Result<Self, getrandom::Error> {
        let (random, keys) = (Random::from_system()?, Keys::from_system()?);
        Ok(Self { errand, left: count, products, random, keys })
    }
}

impl Workload for Visitor {
    type Request = HttpRequest;
    type Answer = HttpAnswer;
    type Ticket = ();

    fn next(&mut self) -> Option<((), HttpRequest)> {
        self.left = self.left.checked_sub(1)?;
        let product = self.random.pick(&self.products)?;
        let request = match self.errand {
            Errand::Get => request::query(product),
            Errand::Order => request::buy(product, 1, self.keys.next()),
        };
        Some(((), request))
    }

    fn kind<'t>(&'t self, (): &'t ()) -> &'t str {
        self.errand.name()
    }

    fn judge(&mut self, (): &(), answer: &Result<HttpAnswer, ExchangeError>, _: Duration) -> Verdict {
        match answer {
            Err(error) => Verdict::Failed(error.kind.into()),
            Ok(answer) => match self.errand {
                Errand::Get => Answer::to_query(answer).verdict(),
                Errand::Order => Answer::to_order(answer).verdict(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_asks_for_random_products_as_often_as_told() {
        let products: Rc<[String]> = ["Tux".to_owned(), "Bird".to_owned()].into();
        let check = |errand, method, wanted: &[&str]| {
            let mut visitor = Visitor::new(errand, 50, Rc::clone(&products)).unwrap();
            let asked: Vec<HttpRequest> =
                std::iter::from_fn(|| visitor.next().map(|(_, request)| request)).collect();
            assert_eq!(asked.len(), 50);
            assert!(asked.iter().all(|request| request.method == method), "{asked:?}");
            let mut targets: Vec<&str> = asked.iter().map(|request| request.target.as_str()).collect();
            targets.sort_unstable();
            targets.dedup();
            assert_eq!(targets, wanted);
        };
        check(Errand::Get, "GET", &["/products/Bird", "/products/Tux"]);
        check(Errand::Order, "POST", &["/orders"]);
    }

    #[test]
    fn out_of_stock_is_an_answer() {
        let mut visitor = Visitor::new(Errand::Order, 1, ["Tux".to_owned()].into()).unwrap();
        let body = r#"{"success":false,"error":{"code":"OUT_OF_STOCK","message":"","details":{}}}"#;
        let answer = HttpAnswer { status: 409, instance: None, body: body.into() };
        assert_eq!(visitor.judge(&(), &Ok(answer), Duration::ZERO), Verdict::Refused("out of stock".into()));
    }
}
