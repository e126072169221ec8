//! Statements about many rows at once. There are few of each kind, so that they stay prepared: what they are about is a power of two in number.

use std::fmt::Write;

use super::GROUP_JOBS_MAX;

/// Parts of `items` by which statements insert them: each a power of two in number, and [`GROUP_JOBS_MAX`] at most.
pub(crate) fn sized<T>(mut items: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let count = items.len().min(GROUP_JOBS_MAX).checked_ilog2()?;
        let (part, rest) = items.split_at(1 << count);
        items = rest;
        Some(part)
    })
}

/// What statements look up: all of `items`, and some of them twice, up to the next power of two.
pub(crate) fn padded<T>(items: &[T]) -> Vec<&T> {
    let count = if items.is_empty() { 0 } else { items.len().next_power_of_two() };
    items.iter().cycle().take(count).collect()
}

/// `rows` lists of parameters, with commas between them, as `($3, $4), ($5, $6)` of two `columns` from the third on.
pub(crate) fn placeholders(first: usize, columns: usize, rows: usize) -> String {
    let mut text = String::with_capacity(rows * (columns * 6 + 4));
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{comma}${}", first + row * columns + column);
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_powers_of_two() {
        let lengths = |count: usize| sized(&vec![0; count]).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(1), [1]);
        assert_eq!(lengths(21), [16, 4, 1]);
        assert_eq!(lengths(2 * GROUP_JOBS_MAX + 3), [GROUP_JOBS_MAX, GROUP_JOBS_MAX, 2, 1]);
    }

    #[test]
    fn what_is_looked_up_is_there_whole() {
        assert_eq!(padded::<u8>(&[]), [&0; 0]);
        assert_eq!(padded(&[7]), [&7]);
        assert_eq!(padded(&[1, 2, 3, 4, 5]), [&1, &2, &3, &4, &5, &1, &2, &3]);
    }

    #[test]
    fn parameters_are_numbered_through() {
        assert_eq!(placeholders(1, 1, 3), "($1), ($2), ($3)");
        assert_eq!(placeholders(3, 2, 2), "($3, $4), ($5, $6)");
    }
}
