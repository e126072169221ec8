//! Whether what was said is what was expected.

/// What differs from run to run.
const ANYTHING: &str = "…";

/// Whether a text is as expected: `…` is anything within a line, and a line of it any number of lines.
pub(crate) fn fits(expected: &str, said: &str) -> bool {
    let (expected, said): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), said.lines().collect());
    lines_fit(&expected, &said)
}

fn lines_fit(expected: &[&str], said: &[&str]) -> bool {
    match expected {
        [] => said.is_empty(),
        [ANYTHING, rest @ ..] => (0..=said.len()).any(|skipped| lines_fit(rest, &said[skipped..])),
        [line, rest @ ..] => {
            said.first().is_some_and(|first| line_fits(line, first.trim_end())) && lines_fit(rest, &said[1..])
        }
    }
}

fn line_fits(expected: &str, said: &str) -> bool {
    let Some((beginning, rest)) = expected.split_once(ANYTHING) else { return expected == said };
    let Some(said) = said.strip_prefix(beginning) else { return false };
    let starts = said.char_indices().map(|(at, _)| at).chain([said.len()]);
    starts.map(|at| &said[at..]).any(|left| line_fits(rest, left))
}

#[test]
fn what_differs_is_left_open_and_nothing_else() {
    for (expected, said, wanted) in [
        ("", "", true),
        ("", "a\n", false),
        ("a\n", "a\n", true),
        ("a\n", "", false),
        ("a\n", "a\nb\n", false),
        ("a…c\n", "abbc\n", true),
        ("a…c\n", "abb\n", false),
        ("a…\n", "a\n", true),
        ("…\nb\n…\n", "a\na\nb\n", true),
        ("…\nb\n", "a\nb\nc\n", false),
        ("{…}\n", "{\"a\":1}\n", true),
    ] {
        assert_eq!(fits(expected, said), wanted, "{expected:?} and {said:?}");
    }
}
