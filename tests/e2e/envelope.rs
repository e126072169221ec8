//! The envelope around every JSON answer, and the headers of every answer.

use micronet_tests::http_client::Answer;
use serde_json::{Value, json};

/// Checks everything that all answers have in common.
#[track_caller]
pub(crate) fn check_envelope(answer: &Answer) {
    let shown = answer.shown();
    check_headers(answer);
    assert_eq!(answer.header("Content-Type"), Some("application/json"), "{shown}");
    let body = answer.json();
    let good = answer.status() < 400;
    assert_eq!(body["success"], good, "{shown}");
    assert_eq!(keys(&body), if good { ["data", "meta", "success"] } else { ["error", "meta", "success"] });
    assert_eq!(keys(&body["meta"]), ["request_id", "timestamp", "version"], "{shown}");
    assert_eq!(body["meta"]["request_id"].as_str(), answer.header("X-Request-ID"), "{shown}");
    assert_eq!(body["meta"]["version"].as_str(), answer.header("X-API-Version"), "{shown}");
    check_timestamp(&body["meta"]["timestamp"], &shown);
    if !good {
        assert_eq!(keys(&body["error"]), ["code", "details", "message"], "{shown}");
        let code = body["error"]["code"].as_str().unwrap_or_default();
        let is_code = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        assert!(!code.is_empty() && code.bytes().all(is_code), "{shown}");
        assert!(body["error"]["details"].is_object(), "{shown}");
        assert_ne!(body["error"]["message"], json!(""), "{shown}");
    }
}

/// Checks the headers that answers without an envelope have too.
#[track_caller]
pub(crate) fn check_headers(answer: &Answer) {
    assert_eq!(answer.header("X-API-Version"), Some("v1"), "{}", answer.shown());
    assert!(answer.header("X-Request-ID").is_some_and(|id| !id.is_empty()), "{}", answer.shown());
    assert!(answer.header("Date").is_some_and(|date| date.ends_with(" GMT")), "{}", answer.shown());
}

/// RFC 3339, in UTC: `2026-01-31T12:00:00.123456Z`.
#[track_caller]
pub(crate) fn check_timestamp(value: &Value, shown: &str) {
    let text = value.as_str().unwrap_or_default();
    let form: String =
        text.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect();
    let (seconds, fraction) = form.split_once('.').unwrap_or((&form, "0Z"));
    let is_form = seconds == "0000-00-00T00:00:00" && fraction.trim_start_matches('0') == "Z";
    assert!(is_form, "{text:?} is no timestamp in {shown}");
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}
