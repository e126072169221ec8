//! A buyer: asks with a token, and with the same token again until there is an answer.

use std::net::SocketAddr;

use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::patience::until;
use micronet_tests::random::Random;

/// What there is to buy.
pub(crate) const TOYS: [&str; 4] = ["Tux", "Whale", "Elephant", "Bird"];
/// What those buy at once who don't wait for an answer. Nobody else does, so what became of it can be told from the order log.
pub(crate) const WISH_QUANTITY: u64 = 4;

/// What was asked for, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Purchase {
    pub(crate) token: String,
    pub(crate) toy: &'static str,
    pub(crate) quantity: u64,
    /// The order's number; `None` when there was not enough.
    pub(crate) order_num: Option<u64>,
}

/// A buyer, on a connection of its own for as long as it holds.
#[derive(Debug)]
pub(crate) struct Buyer {
    gateway: SocketAddr,
    http: Option<HttpClient>,
    number: usize,
    random: Random,
    asked: usize,
    repeated: usize,
    purchases: Vec<Purchase>,
    /// How many of them were taken into the books.
    entered: usize,
}

impl Buyer {
    pub(crate) fn new(gateway: SocketAddr, number: usize, seed: u64) -> Self {
        let random = Random::new(seed);
        Self { gateway, http: None, number, random, asked: 0, repeated: 0, purchases: Vec::new(), entered: 0 }
    }

    /// How many requests were sent again.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated
    }

    /// What was bought or refused since this was last asked.
    pub(crate) fn new_purchases(&mut self) -> Vec<Purchase> {
        let from = std::mem::replace(&mut self.entered, self.purchases.len());
        self.purchases[from..].to_vec()
    }

    /// Asks once more for something that was answered before, perhaps by servers that have died since: the answer is the same,
    /// and nothing is bought.
    pub(crate) fn ask_again(&mut self) {
        if !self.purchases.is_empty() {
            let Purchase { token, toy, quantity, order_num } = self.random.pick(&self.purchases).clone();
            let again = self.ask(&token, toy, quantity);
            assert_eq!(again, order_num, "{token} for {quantity} {toy} was answered in two ways");
        }
    }

    /// Buys a few of some toy, and once in a while more than there can be.
    pub(crate) fn buy_something(&mut self) {
        let toy = *self.random.pick(&TOYS);
        let quantity = if self.random.percent(5) { 1000 } else { self.random.between(1, 3) };
        self.buy(toy, quantity);
    }

    /// Buys one piece after the other until there is nothing left.
    pub(crate) fn buy_everything(&mut self) {
        for toy in TOYS {
            while self.buy(toy, 1) {}
        }
    }

    /// Whether it was sold.
    fn buy(&mut self, toy: &'static str, quantity: u64) -> bool {
        self.asked += 1;
        let token = format!("buyer-{}-{}", self.number, self.asked);
        let order_num = self.ask(&token, toy, quantity);
        // Once in a while an answer gets lost on the buyer's own side.
        if self.random.percent(20) {
            let again = self.ask(&token, toy, quantity);
            assert_eq!(again, order_num, "{token} for {quantity} {toy} was answered in two ways");
        }
        self.purchases.push(Purchase { token, toy, quantity, order_num });
        order_num.is_some()
    }

    fn ask(&mut self, token: &str, toy: &str, quantity: u64) -> Option<u64> {
        let body = format!(r#"{{"name":"{toy}","quantity":{quantity}}}"#);
        let mut tries = 0;
        let what = format!("an answer to {token} for {quantity} {toy}");
        let answer = until(&what, || {
            tries += 1;
            let answer = self.try_to_ask(token, &body)?;
            match answer.status() {
                201 | 409 => Ok(answer),
                503 | 504 => Err(answer.shown()),
                _ => panic!("{token} for {quantity} {toy} is answered with {}", answer.shown()),
            }
        });
        self.repeated += tries - 1;
        if answer.status() == 201 {
            return Some(answer.at("/data/order_num").as_u64().expect("an order's number"));
        }
        let available = answer.at("/error/details/available").as_u64().expect("how many there are");
        assert!(available < quantity, "{quantity} {toy} were refused: {}", answer.shown());
        None
    }

    fn try_to_ask(&mut self, token: &str, body: &str) -> Result<Answer, String> {
        let mut http = self.http.take().unwrap_or_else(|| HttpClient::connect(self.gateway));
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", token)];
        let answer = http.try_request("POST", "/orders", &headers, body.as_bytes())?;
        self.http = http.is_open().then_some(http);
        Ok(answer)
    }
}

/// Sends a wish and does not wait for the answer: the connection ends when what is returned is dropped.
pub(crate) fn leave_a_wish(gateway: SocketAddr, random: &mut Random) -> (HttpClient, Purchase) {
    let token = format!("in-a-hurry-{:016x}", random.bits());
    let toy = random.pick::<&str>(&TOYS);
    let wish = Purchase { token, toy, quantity: WISH_QUANTITY, order_num: None };
    let mut http = HttpClient::connect(gateway);
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", wish.token.as_str())];
    let body = format!(r#"{{"name":"{}","quantity":{}}}"#, wish.toy, wish.quantity);
    http.send("POST", "/orders", &headers, body.as_bytes()).expect("the gateway takes it");
    (http, wish)
}
