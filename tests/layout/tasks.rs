//! Whatever a server starts has a name, by which `micronet tasks` tells of it.

use crate::source::sources;

/// Where servers are made of.
const SERVERS: [&str; 6] =
    ["transport/src", "services/src", "gateway/src", "tools/src/control", "tools/src/up", "tools/src/otlp"];

/// How tasks are started.
const STARTS: [&str; 3] = ["spawn_local(", "tokio::spawn(", "task::spawn("];

#[test]
fn every_task_of_a_server_has_a_name() {
    let mut named = 0;
    let mut wrongs = Vec::new();
    for source in SERVERS.iter().flat_map(|folder| sources(folder)) {
        let is_of_tests = source.path.contains("/tests") || source.path.ends_with("/testing.rs");
        if is_of_tests || source.path.starts_with("transport/src/tasks") {
            continue;
        }
        let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
        named += code.matches("tasks::spawn(").count();
        for start in STARTS {
            for (at, _) in code.match_indices(start) {
                let then = code[at + start.len()..].trim_start();
                if then.starts_with("tasks::named(") {
                    named += 1;
                } else {
                    wrongs.push(format!("{}: {}", source.path, then.lines().next().unwrap_or_default()));
                }
            }
        }
    }
    assert!(wrongs.is_empty(), "tasks::spawn and tasks::named give a task its name:\n{}", wrongs.join("\n"));
    assert!(named > 30, "only {named} tasks were found");
}
