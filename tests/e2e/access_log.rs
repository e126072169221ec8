//! The gateway's access log, and logs as JSON.

use std::path::Path;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::Value;

/// Starts a network whose gateway has these settings.
fn start(folder: Folder, settings: &str) -> Network {
    std::fs::create_dir_all(folder.path()).expect("the folder can be made");
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, settings).expect("the folder can be written");
    let file = file.display().to_string();
    Network::start_in(folder, &["--demo", "toystore", "--gateway-config", &file])
}

/// The line of a request, once it is written.
#[track_caller]
fn line(file: &Path, has: &str) -> String {
    until(&format!("a line with {has}"), || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().find(|line| line.contains(has)).map(str::to_owned).ok_or(text)
    })
}

#[test]
fn json_has_the_ledger_and_no_secret_and_a_file_that_was_moved_is_opened_again() {
    let folder = Folder::new();
    let file = folder.path().join("access.log");
    let settings = format!("[access_log]\nfile = {:?}\n", file.display().to_string());
    let network = start(folder, &settings);
    let headers = [
        ("X-Request-ID", "one"),
        ("User-Agent", "a \"test\""),
        ("Authorization", "Bearer hidden.hidden.hidden"),
    ];
    network.http().request("GET", "/products/Tux?token=hidden", &[headers[0], headers[1]], b"");
    let read: Value = serde_json::from_str(&line(&file, "\"one\"")).expect("JSON");
    assert_eq!((&read["method"], &read["target"]), (&"GET".into(), &"/products/Tux?token=***".into()));
    assert_eq!((&read["user_agent"], &read["version"]), (&"a \"test\"".into(), &"HTTP/1.1".into()));
    assert_eq!(read["client"], "127.0.0.1");
    network.http().request("GET", "/products/Tux", &[("X-Request-ID", "two")], b"").check(200);
    let read: Value = serde_json::from_str(&line(&file, "\"two\"")).expect("JSON");
    assert_eq!((&read["status"], &read["route"]), (&200.into(), &"/products/{name}".into()));
    for part in ["took_us", "receive_queue_us", "handler_us", "credit_wait_us", "write_queue_us", "bytes_out"]
    {
        assert!(read[part].is_u64(), "{part} is missing in {read}");
    }
    assert!(read["instance"].as_str().is_some_and(|name| name.starts_with("product-")), "{read}");
    network.http().request("GET", "/orders/1", &[("X-Request-ID", "three"), headers[2]], b"").check(401);
    line(&file, "\"three\"");
    assert!(!std::fs::read_to_string(&file).expect("the log").contains("hidden"));

    let moved = file.with_extension("1");
    std::fs::rename(&file, &moved).expect("it can be moved");
    network.command(&["reload", "gateway"]).check(0);
    until("the file to be there again", || if file.exists() { Ok(()) } else { Err("it isn't".to_owned()) });
    network.http().request("GET", "/products/Tux", &[("X-Request-ID", "four")], b"").check(200);
    line(&file, "\"four\"");
    assert!(!std::fs::read_to_string(&moved).expect("the former log").contains("\"four\""));
    let page = network.http().get("/metrics").check(200).text();
    assert!(page.contains(r#"micronet_access_log_lines_total{outcome="lost"} 0"#), "{page}");

    network.http().request("GET", "/products/Tux", &[("X-Request-ID", "last")], b"").check(200);
    let folder = network.stop();
    let text = std::fs::read_to_string(folder.path().join("access.log")).expect("the log");
    assert!(text.contains("\"last\""), "what was answered before the end is written: {text}");
}

#[test]
fn other_programs_read_the_combined_format() {
    let folder = Folder::new();
    let file = folder.path().join("access.log");
    let settings = format!("[access_log]\nfile = {:?}\nformat = \"combined\"\n", file.display().to_string());
    let network = start(folder, &settings);
    let headers = [("X-Request-ID", "one"), ("User-Agent", "test/1"), ("Referer", "http://a/")];
    network.http().request("GET", "/products/Tux", &headers, b"").check(200);
    let line = line(&file, "request_id=one");
    assert!(
        line.starts_with("127.0.0.1 - - [") && line.contains(" +0000] \"GET /products/Tux HTTP/1.1\" 200 "),
        "{line}"
    );
    assert!(line.contains(" \"http://a/\" \"test/1\" took_us=") && line.contains(" handler_us="), "{line}");
}

#[test]
fn logs_are_json_where_that_is_wanted() {
    let flags = ["--demo", "toystore", "--log-format", "json", "--log", "debug"];
    let network = Network::start_in(Folder::new(), &flags);
    network.http().request("GET", "/products/Tux", &[("X-Request-ID", "one")], b"").check(200);
    let answered = line(&network.folder().path().join("logs/gateway-1.log"), "\"answered\"");
    let read: Value = serde_json::from_str(&answered).expect("JSON");
    assert_eq!((&read["request_id"], &read["level"]), (&"one".into(), &"debug".into()));
    let text = std::fs::read_to_string(network.folder().path().join("logs/order-1.log")).expect("a log");
    assert!(text.lines().count() > 0);
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["time"].is_string() && event["target"].is_string(), "{event}");
    }
}
