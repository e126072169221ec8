//! What the shop's answers mean: the envelope taken apart, and the words for a customer.

use serde_json::Value;

use crate::load::Verdict;
use crate::load::http::HttpAnswer;

/// Error codes of a gateway that knows no such route or method: that is not the shop's own "no".
const NO_ROUTE_PREFIXES: [&str; 3] = ["UNKNOWN_", "ROUTE_", "METHOD_"];

/// An answer, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A toy, its price as the shop writes it, and how many there are.
    Toy { name: String, price: String, quantity: u64 },
    /// An order was placed under this number.
    Ordered { number: i64 },
    /// The shop says no.
    No { why: &'static str, message: String },
    /// Something is broken.
    Broken { kind: String, message: String },
}

impl Answer {
    /// Understands the answer to a query.
    pub(crate) fn to_query(answer: &HttpAnswer) -> Self {
        Self::understand(answer, 200, |data| {
            let price = match &data["price"] {
                Value::String(price) => price.clone(),
                number @ Value::Number(_) => number.to_string(),
                _ => return None,
            };
            let name = data["name"].as_str()?.to_owned();
            Some(Self::Toy { name, price, quantity: whole(&data["quantity"])?.try_into().ok()? })
        })
    }

    /// Understands the answer to an order.
    pub(crate) fn to_order(answer: &HttpAnswer) -> Self {
        Self::understand(answer, 201, |data| {
            let number = whole(&data["order_num"])?;
            (number > 0).then_some(Self::Ordered { number })
        })
    }

    /// What the load engine counts.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Toy { .. } | Self::Ordered { .. } => Verdict::Good,
            Self::No { why, .. } => Verdict::Refused((*why).into()),
            Self::Broken { kind, .. } => Verdict::Failed(kind.clone().into()),
        }
    }

    fn understand(answer: &HttpAnswer, success: u16, data: impl Fn(&Value) -> Option<Self>) -> Self {
        let status = answer.status;
        let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if status == success && envelope["success"] == true {
            return data(&envelope["data"]).unwrap_or_else(|| Self::Broken {
                kind: "an answer of another form".into(),
                message: format!("its data is {}", envelope["data"]),
            });
        }
        let code = envelope["error"]["code"].as_str();
        let message = envelope["error"]["message"].as_str().unwrap_or("no reason is given").to_owned();
        let no_route =
            code.is_none_or(|code| NO_ROUTE_PREFIXES.iter().any(|prefix| code.starts_with(prefix)));
        match (status, code) {
            (404, _) if !no_route => Self::No { why: "unknown toy", message },
            (409, Some(_)) => Self::No { why: "out of stock", message },
            (_, Some(code)) => Self::Broken { kind: format!("{status} {code}"), message },
            (_, None) => Self::Broken {
                kind: format!("{status} without the shop's envelope"),
                message: "is this micronet's gateway?".into(),
            },
        }
    }
}

/// A whole number, which JSON may carry as a string when it is large.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16, body: &str) -> HttpAnswer {
        HttpAnswer { status, instance: None, body: body.to_owned().into() }
    }

    fn error(code: &str) -> String {
        format!(
            r#"{{"success":false,"error":{{"code":"{code}","message":"words","details":{{}}}},"meta":{{}}}}"#
        )
    }

    #[test]
    fn a_toy_is_read() {
        let check = |data: &str| {
            let body = format!(r#"{{"success":true,"data":{data},"meta":{{}}}}"#);
            Answer::to_query(&http(200, &body))
        };
        let tux = Answer::Toy { name: "Tux".into(), price: "25.99".into(), quantity: 80 };
        assert_eq!(check(r#"{"name":"Tux","price":25.99,"quantity":80}"#), tux);
        assert_eq!(check(r#"{"name":"Tux","price":"25.99","quantity":"80","id":2}"#), tux);
        assert!(matches!(check(r#"{"name":"Tux","quantity":80}"#), Answer::Broken { .. }));
        assert!(matches!(check(r#"{"name":"Tux","price":1,"quantity":-1}"#), Answer::Broken { .. }));
    }

    #[test]
    fn an_order_is_read() {
        let placed = http(201, r#"{"success":true,"data":{"order_num":422},"meta":{}}"#);
        assert_eq!(Answer::to_order(&placed), Answer::Ordered { number: 422 });
        let unplaced = http(201, r#"{"success":true,"data":{"order_num":-1},"meta":{}}"#);
        assert!(matches!(Answer::to_order(&unplaced), Answer::Broken { .. }));
    }

    #[test]
    fn the_shops_no_is_told_from_what_is_broken() {
        let check = |status: u16, body: &str, wanted: Verdict| {
            assert_eq!(Answer::to_order(&http(status, body)).verdict(), wanted, "{status} {body}");
        };
        check(404, &error("NOT_FOUND"), Verdict::Refused("unknown toy".into()));
        check(409, &error("OUT_OF_STOCK"), Verdict::Refused("out of stock".into()));
        check(404, &error("UNKNOWN_METHOD"), Verdict::Failed("404 UNKNOWN_METHOD".into()));
        check(503, &error("UNAVAILABLE"), Verdict::Failed("503 UNAVAILABLE".into()));
        check(422, &error("INVALID_INPUT"), Verdict::Failed("422 INVALID_INPUT".into()));
        check(404, "<html>", Verdict::Failed("404 without the shop's envelope".into()));
        check(409, "", Verdict::Failed("409 without the shop's envelope".into()));
        check(201, "{}", Verdict::Failed("201 without the shop's envelope".into()));
    }
}
