//! Limits by class, account and address, as delivered and as configured.

use std::process::Command;
use std::time::Instant;

use micronet_tests::http_client::HttpClient;
use micronet_tests::process::run;

use super::shop;

#[test]
fn limits_hold_for_each_class_by_itself() {
    let network = shop("[rates]\nmonitoring = \"3/hour\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let mut http = network.http();
    let began = Instant::now();
    for left in ["2", "1", "0"] {
        let answer = http.get("/stats").check(200);
        assert_eq!(answer.header("RateLimit-Remaining"), Some(left));
        assert_eq!(answer.header("RateLimit-Limit"), Some("3"));
    }
    let refused = http.get("/stats").check(429);
    assert_eq!(refused.at("/error/code"), "RATE_LIMIT_EXCEEDED");
    // A third of the hour, less what has passed since.
    let retry_after = refused.header("Retry-After").and_then(|seconds| seconds.parse().ok());
    assert!(
        retry_after.is_some_and(|seconds| (1_200 - began.elapsed().as_secs()..=1_200).contains(&seconds)),
        "{retry_after:?}"
    );
    assert_eq!(refused.header("RateLimit-Policy"), Some("3;w=3600"));
    // Another connection is no other caller; another class is counted by itself.
    HttpClient::connect(network.gateway()).get("/stats").check(429);
    http.get("/products/Tux").check(200);
    // Whoever a trusted proxy names is somebody else, and all of an IPv6 /64 is one.
    let mut from =
        |address: &str| http.request("GET", "/stats", &[("X-Forwarded-For", address)], b"").status();
    assert_eq!(from("192.0.2.1"), 200);
    let of_one = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"].map(&mut from);
    assert_eq!(of_one, [200, 200, 200, 429]);
    assert_eq!(from("2001:db8:0:1::1"), 200);
    // The operator could lift the limits, and isn't held by them.
    let token = format!("Bearer {}", network.folder().operator_token());
    http.request("GET", "/stats", &[("Authorization", &token)], b"").check(200);
    let metrics = http.get("/metrics").check(200).text();
    assert!(metrics.contains("micronet_rate_limited_total{class=\"monitoring\"} 3"), "{metrics}");
    let _ = network.stop();
}

#[test]
fn limits_as_delivered_let_the_shop_work_and_refuse_guessing() {
    let network = shop("");
    let mut http = network.http();
    for _ in 0..2_000 {
        http.get("/products/Tux").check(200);
    }
    // A hundred at once, and one more each 600 ms.
    let outcome = |http: &mut HttpClient| http.post("/api/v1/outcomes/product.create/none", "").status();
    let statuses: Vec<u16> = (0..400).map(|_| outcome(&mut http)).collect();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(statuses[..100].iter().all(|status| *status != 429), "{statuses:?}");
    assert!(refused > 0, "{statuses:?}");
    let _ = network.stop();
}

#[test]
fn curl_sees_what_browsers_are_told() {
    let network = shop("[cors]\norigins = [\"https://app.example\"]\n");
    let url = |path: &str| format!("http://{}{path}", network.gateway());
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--max-time", "20"]).args(arguments);
        run(command).check(0).stdout
    };
    let page = curl(&["-H", "Origin: https://app.example", &url("/products/Tux")]);
    for line in [
        "HTTP/1.1 200 OK",
        "X-Content-Type-Options: nosniff",
        "Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy: no-referrer",
        "Cross-Origin-Opener-Policy: same-origin",
        "Cross-Origin-Resource-Policy: same-origin",
        "Permissions-Policy: camera=()",
        "Cache-Control: no-cache",
        "Vary: Origin",
        "Access-Control-Allow-Origin: https://app.example",
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
    assert!(!page.contains("Set-Cookie") && !page.contains("Access-Control-Allow-Credentials"), "{page}");
    let tag = page.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("a tag").trim();
    let again = curl(&["-H", &format!("If-None-Match: {tag}"), &url("/products/Tux")]);
    assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
    let head = curl(&["-I", &url("/products/Tux")]);
    assert!(head.contains(&format!("ETag: {tag}")), "{head}");
    let asks =
        ["-X", "OPTIONS", "-H", "Origin: https://app.example", "-H", "Access-Control-Request-Method: POST"];
    let preflight = curl(&[&asks[..], &[&url("/orders")]].concat());
    assert!(
        preflight.starts_with("HTTP/1.1 204 ") && preflight.contains("Access-Control-Max-Age: 600"),
        "{preflight}"
    );
    let evil = curl(&["-X", "POST", "-H", "Sec-Fetch-Site: cross-site", &url("/products/Tux/purchase")]);
    assert!(evil.contains("403 Forbidden") || evil.contains("404 "), "{evil}");
    let guarded = curl(&["-X", "POST", "-H", "Origin: https://evil.example", &url("/orders")]);
    assert!(guarded.contains("CROSS_ORIGIN_REFUSED"), "{guarded}");
    let kept = curl(&["-X", "PUT", "-H", "If-Match: \"x\"", &url("/orders/1")]);
    assert!(kept.contains("412 Precondition Failed"), "{kept}");
    let _ = network.stop();
}
