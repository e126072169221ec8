//! Every row of SPEC 16.4 and 16.5, what ends a connection and what ends a call, has a vector; and every vector of a refusal
//! its row.

use std::collections::BTreeSet;

use micronet_tests::spec;

/// The files whose refusals are those of a connection. The others' are of messages and schemas (SPEC 9, 10).
const FILES: [&str; 7] = ["header", "frames", "hello", "request", "error", "proof", "transcript"];

/// A row of a table, or the vector for it: code and clause.
type Row = (String, String);

/// The rows for which there are vectors: those whose keys are among `keys`.
fn vectors(keys: &[&str]) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for file in FILES {
        for case in spec::vectors(file)["cases"].as_array().unwrap() {
            let Some(code) = keys.iter().find_map(|key| case[key].as_str()) else { continue };
            let clause =
                case["clause"].as_str().unwrap_or_else(|| panic!("{file}: {} names no clause", case["name"]));
            rows.insert((code.to_owned(), clause.to_owned()));
        }
    }
    rows
}

fn table(after: &str) -> BTreeSet<Row> {
    let text = spec::read("proto-spec/SPEC.md");
    let rows = spec::table(&text, after, "| code | clause");
    rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

/// A malformed head costs a call, and not the connection.
fn is_of_a_head((code, _): &Row) -> bool {
    code == "BAD_REQUEST"
}

#[test]
fn every_end_of_a_connection_has_a_vector() {
    let (of_heads, of_connections): (BTreeSet<_>, BTreeSet<_>) =
        vectors(&["refused", "ends"]).into_iter().partition(is_of_a_head);
    assert_eq!(table("**16.4**"), of_connections);
    let of_calls: BTreeSet<_> = vectors(&["answers"]).union(&of_heads).cloned().collect();
    assert_eq!(table("**16.5**"), of_calls);
    assert!(of_connections.len() > 30 && of_calls.len() > 10, "the tables of SPEC 16 were not found");
}

/// A clause that says that something ends the connection has its row, and so its vector.
#[test]
fn every_clause_that_ends_connections_has_a_row() {
    // What the one says is permitted and not demanded, and the other is the list of codes.
    const OTHERS: [&str; 2] = ["5.5", "8.2"];
    let text = spec::read("proto-spec/SPEC.md");
    let rows: BTreeSet<String> = table("**16.4**").into_iter().map(|(_, clause)| clause).collect();
    let mut found = 0;
    for clause in text.split("\n**").skip(1) {
        let (number, words) = clause.split_once("**").unwrap();
        let section = number.split('.').next().and_then(|section| section.parse().ok()).unwrap_or(0);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let ends = ["end the connection", "ends the connection", "connection ends with", "ends it with"];
        if !(2..=8).contains(&section) || !ends.iter().any(|phrase| words.contains(phrase)) {
            continue;
        }
        assert!(
            rows.contains(number) || OTHERS.contains(&number),
            "SPEC {number} ends the connection, but has no row in 16.4"
        );
        found += 1;
    }
    assert!(found > 20, "only {found} clauses speak of it");
}
