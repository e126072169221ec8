//! What is asked of the shop, as HTTP.

use std::fmt::Write;

use crate::load::http::HttpRequest;

/// Asks for a toy.
pub(crate) fn query(toy: &str) -> HttpRequest {
    get(format!("/products/{}", percent_encoded(toy)))
}

/// Orders some of a toy. The same key is never executed twice.
pub(crate) fn buy(toy: &str, quantity: u64, key: String) -> HttpRequest {
    post("/orders".into(), &serde_json::json!({ "name": toy, "quantity": quantity }), key)
}

/// Asks for all toys, as many as stand on the largest page.
pub(crate) fn list() -> HttpRequest {
    get("/api/v1/products?per_page=100".into())
}

/// Adds pieces to the stock, as the operator.
pub(crate) fn restock(toy: &str, quantity: u64, key: String, operator_token: &str) -> HttpRequest {
    let target = format!("/api/v1/products/{}/restock", percent_encoded(toy));
    let mut request = post(target, &serde_json::json!({ "quantity": quantity }), key);
    request.headers.push(("Authorization".into(), format!("Bearer {operator_token}")));
    request
}

/// Idempotency keys: no two are alike, whoever makes them.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: u64,
    count: u64,
}

impl Keys {
    /// Keys with a prefix that nobody else has.
    pub(crate) fn from_system() -> Result<Self, getrandom::Error> {
        Ok(Self { prefix: getrandom::u64()?, count: 0 })
    }

    /// The next key.
    pub(crate) fn next(&mut self) -> String {
        self.count += 1;
        format!("{:016x}-{}", self.prefix, self.count)
    }
}

fn get(target: String) -> HttpRequest {
    HttpRequest { method: "GET", target, headers: Vec::new(), body: Vec::new() }
}

fn post(target: String, body: &serde_json::Value, key: String) -> HttpRequest {
    HttpRequest {
        method: "POST",
        target,
        headers: vec![("Content-Type".into(), "application/json".into()), ("Idempotency-Key".into(), key)],
        body: body.to_string().into_bytes(),
    }
}

/// A path segment (RFC 3986 section 3.3): everything but unreserved characters is encoded.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_has_a_key_of_its_own() {
        let mut keys = Keys { prefix: 1, count: 0 };
        let [first, second] = [(); 2].map(|()| buy("Tux", 1, keys.next()).headers.pop());
        assert_eq!(first.as_ref().map(|(name, _)| &**name), Some("Idempotency-Key"));
        assert_ne!(first, second);
    }

    #[test]
    fn a_name_is_one_path_segment() {
        assert_eq!(query("Tux").target, "/products/Tux");
        assert_eq!(percent_encoded("a/b ?é"), "a%2Fb%20%3F%C3%A9");
    }
}
