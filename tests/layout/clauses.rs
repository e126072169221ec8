//! Clauses of SPEC.md that the code quotes exist.

use std::collections::BTreeSet;

use crate::source::{read, sources};

/// The numbers of SPEC.md's sections (`## 2. Frames`) and clauses (`**2.3** …`).
fn numbers() -> BTreeSet<String> {
    let spec = read("proto-spec/SPEC.md");
    let section = |line: &str| Some(line.strip_prefix("## ")?.split_once('.')?.0.to_owned());
    let clause = |line: &str| Some(line.strip_prefix("**")?.split_once("**")?.0.to_owned());
    spec.lines().filter_map(|line| section(line).or_else(|| clause(line))).collect()
}

/// The numbers that follow each mention of SPEC in a text: `SPEC 2.3`, `SPEC.md 6.4, 6.5`, `SPEC.md sections 3 to 8`.
fn quoted(text: &str) -> Vec<String> {
    let mut quoted = Vec::new();
    for mention in text.split("SPEC").skip(1) {
        let mention = mention.strip_prefix(".md").unwrap_or(mention);
        let Some(mention) = mention.strip_prefix(' ') else { continue };
        for word in mention.split_whitespace() {
            let number = word.trim_end_matches(|c: char| !c.is_ascii_digit());
            let is_number =
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            if is_number {
                quoted.push(number.to_owned());
            }
            let ends_here = !(word.ends_with(',') || number == word);
            let leads_on = ["section", "sections", "and", "to"].contains(&word);
            if !leads_on && (ends_here || !is_number) {
                break;
            }
        }
    }
    quoted
}

#[test]
fn every_quoted_clause_exists() {
    let numbers = numbers();
    assert!(numbers.len() > 50, "SPEC.md's clauses were not found: {numbers:?}");
    let mut count = 0;
    for source in sources(".").iter().filter(|source| !source.path.starts_with("tests/layout")) {
        for number in quoted(&source.text) {
            assert!(numbers.contains(&number), "{} quotes SPEC {number}, which doesn't exist", source.path);
            count += 1;
        }
    }
    assert!(count > 50, "the code quotes SPEC.md only {count} times");
}

#[test]
fn numbers_are_found_in_a_quotation() {
    let found = quoted(
        "(SPEC.md 6.4, 6.5) and SPEC 2.3: no 7, SPEC.md sections 3 to 8. And SPEC.md says 9, SPEC.md section 10).",
    );
    assert_eq!(found, ["6.4", "6.5", "2.3", "3", "8", "10"]);
}
