//! What lines mean.

use micronet_wire::schema::Access;

use super::{may, names};
use crate::control::chat::commands::{complete, read};
use crate::control::chat::help;
use crate::control::chat::limits::LINE_BYTES_MAX;
use crate::control::chat::table::COMMANDS;

#[test]
fn lines_are_read_by_the_table() {
    type Wanted<'w> = (&'w str, &'w [(&'w str, &'w str)], &'w [(&'w str, u64)]);
    let cases: [(&str, Wanted<'_>); 26] = [
        ("status", ("status", &[], &[])),
        ("  STATUS   User ", ("status", &[("process", "user")], &[])),
        ("ps product-2", ("status", &[("process", "product-2")], &[])),
        ("fail user", ("fail", &[("process", "user")], &[])),
        ("fail product-1 for 30s", ("fail", &[("process", "product-1")], &[("for", 30_000)])),
        ("fail for 30s product-1", ("fail", &[("process", "product-1")], &[("for", 30_000)])),
        (
            "latency product-1 200ms for 30s",
            ("latency", &[("instance", "product-1")], &[("time", 200), ("for", 30_000)]),
        ),
        ("latency product-1 200", ("latency", &[("instance", "product-1")], &[("time", 200)])),
        (
            "slow product 1.5s for 2m",
            ("latency", &[("instance", "product")], &[("time", 1_500), ("for", 120_000)]),
        ),
        ("errors node-3 20%", ("errors", &[("instance", "node-3")], &[("part", 200)])),
        ("errors node-3 0.5%", ("errors", &[("instance", "node-3")], &[("part", 5)])),
        ("scale node 5", ("scale", &[("service", "node")], &[("count", 5)])),
        ("algorithm", ("algorithm", &[], &[])),
        ("algorithm product", ("algorithm", &[("service", "product")], &[])),
        ("algorithm p2c_ewma", ("algorithm", &[("name", "p2c_ewma")], &[])),
        ("algo product Weighted", ("algorithm", &[("service", "product"), ("name", "weighted")], &[])),
        ("weight node-1 50", ("weight", &[("instance", "node-1")], &[("weight", 50)])),
        ("tap", ("tap", &[], &[])),
        ("tap for 10s", ("tap", &[], &[("for", 10_000)])),
        ("tap gateway for 10s", ("tap", &[("process", "gateway")], &[("for", 10_000)])),
        ("stop", ("stop", &[], &[])),
        ("drill", ("drill", &[], &[])),
        (
            "drill kill-instance product for 5s load 50",
            ("drill", &[("kind", "kill-instance"), ("name", "product")], &[("for", 5_000), ("load", 50)]),
        ),
        ("why 01JD", ("why", &[("id", "01JD")], &[])),
        (
            r#"call product.query {"name": "Tux  1"} "#,
            ("call", &[("method", "product.query"), ("json", r#"{"name": "Tux  1"}"#)], &[]),
        ),
        ("y 4f2a", ("yes", &[("code", "4f2a")], &[])),
    ];
    for (line, (name, texts, numbers)) in cases {
        let order = read(line, &names()).unwrap_or_else(|wrong| panic!("{line}: {wrong}")).expect(line);
        assert_eq!(order.command.form.name, name, "{line}");
        for (name, text) in texts {
            assert_eq!(order.values.text(name), Some(*text), "{line}: {name}");
        }
        for (name, number) in numbers {
            assert_eq!(order.values.number(name), Some(*number), "{line}: {name}");
        }
        for argument in order.command.form.arguments {
            let is_wanted = texts.iter().any(|(name, _)| *name == argument.name)
                || numbers.iter().any(|(name, _)| *name == argument.name);
            assert_eq!(order.values.has(argument.name), is_wanted, "{line}: {}", argument.name);
        }
    }
    for nothing in ["", "  ", "\t\n"] {
        assert!(read(nothing, &names()).unwrap().is_none());
    }
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    let cases: [(&str, &[&str]); 17] = [
        ("fial user", &["no command \"fial\"", "did you mean \"fail\"?", "help lists"]),
        ("statsu", &["did you mean \"status\"?"]),
        (
            "fail usr",
            &["\"usr\" is no service or instance", "did you mean \"user\"?", "usage: fail <process>"],
        ),
        ("fail", &["fail needs a service or instance", "usage: fail"]),
        ("fail user for", &["\"for\" is followed by a time, as 30s"]),
        ("fail user for 30", &["\"30\" is no time of up to 1h", "500ms, 30s or 2m"]),
        ("fail user for 2h", &["no time of up to 1h"]),
        ("fail user now", &["fail takes no more", "\"now\""]),
        ("latency product-1 61s", &["no time of up to 60s"]),
        ("latency product-1 -5", &["no time"]),
        ("errors product-1 20", &["\"20\" is no part of all: write it as 20%"]),
        ("errors product-1 101%", &["no part of all"]),
        ("scale gateway 2", &["\"gateway\" is no service", "user, product, node"]),
        ("scale node 17", &["\"17\" is no number from 1 to 16"]),
        ("weight node 50", &["\"node\" is no instance", "node-1, node-2"]),
        ("algorithm product fastest", &["\"fastest\" is no algorithm", "round_robin"]),
        ("whoami please", &["takes nothing"]),
    ];
    for (line, parts) in cases {
        let wrong = read(line, &names()).expect_err(line).to_string();
        for part in parts {
            assert!(wrong.contains(part), "{line}: {part}: {wrong}");
        }
    }
    let long = format!("why {}", "x".repeat(LINE_BYTES_MAX));
    assert!(read(&long, &names()).expect_err("too long").to_string().contains("at most 8192 bytes"));
}

#[test]
fn the_last_word_is_completed_by_what_may_stand_there() {
    let cases: [(&str, usize, &[&str]); 14] = [
        ("re", 0, &["recover", "restart"]),
        ("fail us", 5, &["user", "user-1"]),
        ("fail user ", 10, &["for"]),
        ("fail user for ", 14, &["10s", "30s", "1m", "5m"]),
        ("fail user for 30s ", 18, &[]),
        ("scale n", 6, &["node"]),
        ("weight node-", 7, &["node-1", "node-2", "node-3"]),
        ("algorithm r", 10, &["round_robin"]),
        ("algorithm product le", 18, &["least_connections", "least_response_time"]),
        ("help sta", 5, &["status", "start"]),
        ("ps gate", 3, &["gateway", "gateway-1"]),
        ("latency node-1 ", 15, &[]),
        ("nonsense x", 9, &[]),
        ("tap gateway f", 12, &["for"]),
    ];
    for (line, at, wanted) in cases {
        let (begins, candidates) = complete(line, &names());
        assert_eq!(
            (begins, candidates.as_slice()),
            (at, &*wanted.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()),
            "{line}"
        );
    }
}

/// Each command calls what there is, and its example is one.
#[test]
fn the_table_is_right() {
    let mut known: Vec<&str> = Vec::new();
    for command in COMMANDS {
        let name = command.form.name;
        for word in [name].into_iter().chain(command.aliases.iter().copied()) {
            assert!(!known.contains(&word), "{word} stands for two commands");
            known.push(word);
        }
        for called in command.calls.into_iter().chain(command.looks.map(|(_, called)| called)) {
            let nobody = Access::Services { names: Vec::new() };
            assert_ne!(called.access(), nobody, "{name} calls {}, which isn't there", called.name());
        }
        let order = read(command.example, &names()).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!(order.expect("a command").command.form.name, name);
        assert!(!command.help.is_empty() && command.help.len() < 110, "{name}");
    }
}

#[test]
fn help_tells_everybody_what_they_may() {
    let manager = help::help(None, &may(&["*"]));
    assert!(manager.text.contains("  fail <process> [for <time>]") && !manager.text.contains("Not for you"));
    let client = help::help(None, &may(&["control:read", "network:read"]));
    assert!(client.text.contains("  status [process]") && !client.text.contains("  fail <process>"));
    assert!(client.text.contains("Not for you: fail, recover, start, stop"), "{}", client.text);
    let table: serde_json::Value = serde_json::from_str(&client.data.unwrap()).unwrap();
    let fail = table.as_array().unwrap().iter().find(|command| command["name"] == "fail").unwrap();
    assert_eq!((&fail["permission"], &fail["allowed"]), (&"control:write".into(), &false.into()));
    let about = help::help(Some("break"), &may(&["control:read"])).text;
    for part in [
        "fail <process> [for <time>]",
        "block, break",
        "control:write, which you don't have",
        "control.fail",
        "asks first",
    ] {
        assert!(about.contains(part), "{part}: {about}");
    }
}
