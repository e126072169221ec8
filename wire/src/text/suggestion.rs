//! What somebody meant who mistyped a name.

/// Differences up to which a name may be what was meant.
const DIFFERENCES_MAX: usize = 2;
/// The longest name that is compared, in bytes: comparing costs the product of two lengths.
const COMPARED_BYTES_MAX: usize = 128;

/// The name that `given` is most like, whatever its case; `None` where it is like none.
pub fn nearest<'n>(given: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if given.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let given = given.to_ascii_lowercase();
    let far =
        |name: &str| (name.len() <= COMPARED_BYTES_MAX).then(|| distance(&given, &name.to_ascii_lowercase()));
    let compared = names.into_iter().filter_map(|name| Some((far(name)?, name)));
    // A short word is like many others.
    let allowed = DIFFERENCES_MAX.min((given.len() + 1) / 3);
    compared
        .filter(|(differences, _)| *differences <= allowed)
        .min_by_key(|(differences, _)| *differences)
        .map(|(_, name)| name)
}

/// How many letters have to be added, left out, replaced or swapped with their neighbours (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, opposite) in other.iter().enumerate() {
            let mut least = (last[column + 1] + 1)
                .min(next[column] + 1)
                .min(last[column] + usize::from(letter != opposite));
            if row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *opposite {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        let names = ["HELP", "HEALTH", "METHODS", "CALL", "WHO"];
        for (given, meant) in [
            ("HLEP", Some("HELP")),
            ("helth", Some("HEALTH")),
            ("method", Some("METHODS")),
            ("cal", Some("CALL")),
            ("w", None),
            ("wh", Some("WHO")),
            ("EHLO", None),
            ("", None),
            ("quit", None),
        ] {
            assert_eq!(nearest(given, names), meant, "{given}");
        }
        assert_eq!(nearest(&"a".repeat(COMPARED_BYTES_MAX + 1), names), None);
    }

    #[test]
    fn differences_are_counted() {
        for (one, other, count) in
            [("", "", 0), ("abc", "", 3), ("abc", "acb", 1), ("abc", "abd", 1), ("ab", "bca", 3)]
        {
            assert_eq!((distance(one, other), distance(other, one)), (count, count), "{one} and {other}");
        }
    }
}
