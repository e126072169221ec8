//! What pages of other origins may ask: cross-origin resource sharing (the Fetch standard's "HTTP-CORS protocol"), and the refusal of
//! writes that a page of another origin sends without asking first.
//!
//! Nothing here is ambient: a gateway neither sets nor reads cookies, nor asks a browser for a password, so what a foreign page
//! can have a browser send carries nobody's rights. The refusal keeps such a page from what anybody may do, too.

use micronet_wire::http1::{HeaderBlock, Method, RequestHead, Status};
use micronet_wire::rest::{Answer, Refused};

use crate::settings::Cors;

/// The answer to a preflight of a page that may ask. To others nothing is granted: OPTIONS is answered as ever.
pub(crate) fn preflight(cors: &Cors, head: &RequestHead) -> Option<Answer> {
    if head.method() != Method::Options || !cors.is_open() {
        return None;
    }
    let headers = head.headers();
    let method = headers.get("Access-Control-Request-Method")?;
    cors.allows(headers.get("Origin")?)?;
    let mut answer = Answer::text(Status::NO_CONTENT, "");
    if cors.allows_method(method) {
        answer.lines.extend(cors.preflight());
    }
    Some(answer)
}

/// Says in an answer whether a page of the request's origin may read it.
pub(crate) fn tell(cors: &Cors, head: &RequestHead, headers: &mut HeaderBlock) {
    if !cors.is_open() {
        return;
    }
    let allowed = head.headers().get("Origin").and_then(|origin| cors.allows(origin));
    if cors.varies() {
        let _ = headers.put("Vary", "Origin");
    }
    let Some(origin) = allowed else { return };
    let _ = headers.put("Access-Control-Allow-Origin", origin);
    if head.method() != Method::Options {
        headers.extend(cors.answer());
    }
}

/// The refusal of a write that a browser sends for a page of another origin that may not ask. Browsers say so themselves
/// (`Sec-Fetch-Site`); older ones name the origin, which is ours if its host is the one that was asked.
pub(crate) fn foreign_write(cors: &Cors, head: &RequestHead) -> Option<Refused> {
    if matches!(head.method(), Method::Get | Method::Head | Method::Options) {
        return None;
    }
    let headers = head.headers();
    let origin = headers.get("Origin");
    let is_foreign = match (headers.get("Sec-Fetch-Site"), origin) {
        (Some(site), _) => !matches!(site, b"same-origin" | b"none"),
        (None, None) => false,
        (None, Some(origin)) => {
            let host = origin.iter().position(|byte| *byte == b'/').and_then(|at| origin.get(at + 2..));
            host.is_none() || host != headers.get("Host")
        }
    };
    if !is_foreign || origin.is_some_and(|origin| cors.allows(origin).is_some()) {
        return None;
    }
    let words = "a page of another origin may not do this: it isn't among cors.origins";
    Some(Box::new(Answer::error(Status::FORBIDDEN, "CROSS_ORIGIN_REFUSED", words, b"")))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use micronet_wire::http1::ServerConnection;

    use super::*;
    use crate::settings::Settings;

    fn cors(text: &str) -> Cors {
        Settings::read(&format!("[cors]\n{text}")).expect("a sound file").cors
    }

    fn head(method: &str, lines: &str) -> RequestHead {
        let mut input =
            BytesMut::from(&*format!("{method} /x HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n"));
        ServerConnection::new().poll_head(&mut input).expect("a sound head").expect("a whole head")
    }

    fn told(cors: &Cors, head: &RequestHead) -> String {
        let mut headers = HeaderBlock::default();
        tell(cors, head, &mut headers);
        String::from_utf8_lossy(headers.bytes()).into_owned()
    }

    const ASKS: &str = "Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n";

    #[test]
    fn without_settings_nobody_else_may_ask() {
        let none = Cors::default();
        assert!(preflight(&none, &head("OPTIONS", ASKS)).is_none());
        assert_eq!(told(&none, &head("GET", "Origin: https://app.example\r\n")), "");
    }

    #[test]
    fn who_is_named_may_ask() {
        let named =
            cors("origins = [\"https://app.example\"]\nmethods = [\"GET\", \"PUT\"]\nmax_age = \"1min\"\n");
        let answer = preflight(&named, &head("OPTIONS", ASKS)).expect("it is a preflight");
        let said = String::from_utf8_lossy(answer.lines.bytes()).into_owned();
        assert!(said.contains("Access-Control-Allow-Methods: GET, PUT\r\n"), "{said}");
        assert!(
            said.contains("Access-Control-Max-Age: 60\r\n") && said.contains("Idempotency-Key"),
            "{said}"
        );
        let told = told(&named, &head("OPTIONS", ASKS));
        assert_eq!(told, "Vary: Origin\r\nAccess-Control-Allow-Origin: https://app.example\r\n");
        // Another method gets no permission, another origin not even that answer.
        let other = preflight(&named, &head("OPTIONS", &ASKS.replace("PUT", "DELETE"))).expect("a preflight");
        assert!(other.lines.is_empty());
        for origin in ["https://app.example.evil", "http://app.example", "null", "https://APP.example"] {
            let lines = ASKS.replace("https://app.example", origin);
            assert!(preflight(&named, &head("OPTIONS", &lines)).is_none(), "{origin}");
        }
        assert!(preflight(&named, &head("OPTIONS", "Origin: https://app.example\r\n")).is_none());
    }

    #[test]
    fn caches_learn_that_answers_differ() {
        let named = cors("origins = [\"https://app.example\"]\ncredentials = true\n");
        assert_eq!(told(&named, &head("GET", "")), "Vary: Origin\r\n");
        let to_page = told(&named, &head("GET", "Origin: https://app.example\r\n"));
        assert!(to_page.contains("Access-Control-Allow-Credentials: true\r\n"), "{to_page}");
        assert!(to_page.contains("Access-Control-Expose-Headers: ETag, "), "{to_page}");
        let any = cors("origins = [\"*\"]\n");
        let to_page = told(&any, &head("GET", "Origin: https://app.example\r\n"));
        assert!(to_page.starts_with("Access-Control-Allow-Origin: *\r\n"), "{to_page}");
        assert!(!to_page.contains("Credentials") && !to_page.contains("Vary"), "{to_page}");
    }

    #[test]
    fn what_would_be_unsafe_is_refused() {
        for wrong in [
            "origins = [\"*\"]\ncredentials = true\n",
            "origins = [\"null\"]\n",
            "origins = [\"https://a.example/\"]\n",
            "origins = [\"https://*.example\"]\n",
            "origins = [\"https://A.example\"]\n",
            "methods = [\"TRACE\"]\n",
            "headers = [\"X Y\"]\n",
            "max_age = \"48h\"\n",
        ] {
            assert!(Settings::read(&format!("[cors]\n{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_foreign_page_writes_nothing() {
        let named = cors("origins = [\"https://app.example\"]\n");
        let refuses = |method: &str, lines: &str| foreign_write(&named, &head(method, lines)).is_some();
        for lines in [
            "Sec-Fetch-Site: cross-site\r\n",
            "Sec-Fetch-Site: same-site\r\nOrigin: https://other.shop.example\r\n",
            "Origin: https://evil.example\r\n",
            "Origin: null\r\n",
            "Origin: https://shop.example.evil\r\n",
        ] {
            assert!(refuses("POST", lines), "{lines}");
            assert!(!refuses("GET", lines), "{lines}");
        }
        for lines in [
            "",
            "Sec-Fetch-Site: same-origin\r\nOrigin: https://shop.example\r\n",
            "Sec-Fetch-Site: none\r\n",
            "Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example\r\n",
            "Origin: http://shop.example\r\n",
        ] {
            assert!(!refuses("POST", lines), "{lines}");
        }
    }
}
