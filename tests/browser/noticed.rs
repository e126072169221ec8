//! What a browser noticed while a page was used: what its console says, and what it requested from where.

use serde_json::Value;

use crate::browser::Browser;

/// What is wrong with what a page did since it was asked last, besides what the console tells of the network in expected words.
pub(crate) fn wrongs(browser: &Browser, origin: &str, expected: &[&str]) -> Vec<String> {
    let logs = (browser.log("browser"), browser.log("performance"));
    let (Ok(console), Ok(requests)) = logs else { return vec![format!("the logs can't be read: {logs:?}")] };
    let said = console.iter().filter_map(|entry| wrong_line(entry, expected));
    let requested = requests.iter().filter_map(requested).filter(|address| !is_ours(address, origin));
    said.chain(requested.map(|address| format!("it requested {address}"))).collect()
}

/// A line of the console that tells of something wrong, as of an error or of a breach of the content security policy.
fn wrong_line(entry: &Value, expected: &[&str]) -> Option<String> {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let (level, source, message) = (text("level"), text("source"), text("message"));
    let is_wrong = level == "SEVERE" || level == "WARNING" || ["security", "violation"].contains(&source);
    // Of each answer that is no success, and of each connection that fails, chromium tells whatever the page makes of it.
    let of_network = source == "network" || message.contains("WebSocket connection to");
    let is_expected = of_network && expected.iter().any(|words| message.contains(words));
    (is_wrong && !is_expected).then(|| format!("the console says ({level}, {source}): {message}"))
}

/// Where an entry of the log tells that something was requested from.
fn requested(entry: &Value) -> Option<String> {
    let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
    let place = match event.pointer("/message/method")?.as_str()? {
        "Network.requestWillBeSent" => "/message/params/request/url",
        "Network.webSocketCreated" => "/message/params/url",
        _ => return None,
    };
    Some(event.pointer(place)?.as_str()?.to_owned())
}

fn is_ours(address: &str, origin: &str) -> bool {
    let here = |scheme: &str| address.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(origin));
    let ours = ["http://", "ws://"].into_iter().find_map(here).is_some_and(|rest| rest.starts_with('/'));
    // What a page has made itself, and the tab that the browser begins with.
    ours || ["data:", "blob:", "about:blank", "chrome://"].iter().any(|own| address.starts_with(own))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_the_console_errors_and_breaches_are_wrong() {
        let line = |level, source, message: &str, expected: &[&str]| {
            wrong_line(&json!({ "level": level, "source": source, "message": message }), expected).is_some()
        };
        let refused =
            "http://h/ - Failed to load resource: the server responded with a status of 403 (Forbidden)";
        assert!(!line("INFO", "console-api", "hello", &[]));
        assert!(line("SEVERE", "javascript", "TypeError", &[]));
        assert!(line("SEVERE", "network", refused, &[]));
        assert!(line("SEVERE", "network", refused, &["status of 404"]));
        assert!(!line("SEVERE", "network", refused, &["status of 404", "status of 403"]));
        assert!(line("SEVERE", "javascript", refused, &["status of 403"]));
        assert!(line("INFO", "security", "Refused to apply inline style", &[]));
    }

    #[test]
    fn what_is_requested_elsewhere_is_not_ours() {
        for (address, ours) in [
            ("http://127.0.0.1:8000/main.js", true),
            ("ws://127.0.0.1:8000/ws/chatops", true),
            ("data:image/svg+xml,", true),
            ("http://127.0.0.1:80000/", false),
            ("https://fonts.example/a.woff", false),
        ] {
            assert_eq!(is_ours(address, "127.0.0.1:8000"), ours, "{address}");
        }
    }
}
