//! Lists in pages: which page somebody asks for, in which order, and what stands beside the items of the answer.

use micronet_wire::error::RpcError;
use micronet_wire::faults::Faults;
use micronet_wire::schema::Message;

use crate::database::is_storable;

/// Items of a page when the caller doesn't say.
pub const PER_PAGE_DEFAULT: u32 = 20;

/// Items of a page at most.
pub const PER_PAGE_MAX: u32 = 100;

/// The last page that can be asked for: what stands behind it is found by a narrower filter.
pub const PAGE_MAX: u32 = 1_000_000;

/// Where a page stands in its list.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Pagination {
    /// This page, from 1.
    pub page: u32,
    /// Items of a full page.
    pub per_page: u32,
    /// Items of all pages.
    pub total: u64,
    /// How many pages there are.
    pub total_pages: u64,
    /// Whether a page follows.
    pub has_next: bool,
    /// Whether a page precedes.
    pub has_prev: bool,
}

/// A page that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    number: u32,
    size: u32,
}

impl Page {
    /// The page of a request; what it leaves out is the first page, and [`PER_PAGE_DEFAULT`] items. The schema bounds both.
    #[must_use]
    pub fn of(number: Option<u32>, size: Option<u32>) -> Self {
        let number = number.unwrap_or(1).clamp(1, PAGE_MAX);
        Self { number, size: size.unwrap_or(PER_PAGE_DEFAULT).clamp(1, PER_PAGE_MAX) }
    }

    /// Items of it at most.
    #[must_use]
    pub fn limit(self) -> i64 {
        i64::from(self.size)
    }

    /// Items before it.
    #[must_use]
    pub fn offset(self) -> i64 {
        i64::from(self.number - 1) * i64::from(self.size)
    }

    /// Where it stands among `total` items.
    #[must_use]
    pub fn among(self, total: i64) -> Pagination {
        let total = u64::try_from(total).unwrap_or(0);
        let total_pages = total.div_ceil(u64::from(self.size));
        Pagination {
            page: self.number,
            per_page: self.size,
            total,
            total_pages,
            has_next: u64::from(self.number) < total_pages,
            has_prev: self.number > 1,
        }
    }
}

/// The order of a list: a column of ours, and which way.
///
/// `keys` are the names that a caller may sort by, each with its SQL; the first is the default, and a `-` before a name turns
/// the order round. Rows that are equal by it stand in the order of `tie`, so that no row is on two pages.
///
/// # Errors
/// A fault that names what may be sorted by.
pub fn order_by(sort: Option<&str>, keys: &[(&str, &str)], tie: &str) -> Result<String, RpcError> {
    let sort = sort.unwrap_or_else(|| keys.first().map_or("", |(name, _)| name));
    let (wanted, direction) = sort.strip_prefix('-').map_or((sort, "ASC"), |name| (name, "DESC"));
    match keys.iter().find(|(name, _)| *name == wanted.trim_start_matches('-')) {
        Some((_, sql)) if !wanted.starts_with('-') => Ok(format!("{sql} {direction}, {tie} {direction}")),
        _ => {
            let names: Vec<_> = keys.iter().map(|(name, _)| *name).collect();
            let words = format!("one of {}, with - before it to turn the order round", names.join(", "));
            Err(Faults::new().check(false, "sort", words).into())
        }
    }
}

/// The pattern of LIKE that finds a text anywhere, whatever is in it; with `ESCAPE '\'`. Everything matches an empty one.
///
/// What it is compared with has to be [`folded`], since databases differ in what they take for a letter.
#[must_use]
pub fn contains(text: &str) -> String {
    if !is_storable(text) {
        // It is nowhere to be found; and an empty pattern is that of the empty text, which no name is.
        return String::new();
    }
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in folded(text).chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// A text as it is compared where case doesn't matter: each letter in lower case, whatever stands beside it. (The small sigma
/// is another one at the end of a word, and [`str::to_lowercase`] looks to that; what is searched for need not end there.)
#[must_use]
pub fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).map(|letter| if letter == 'ς' { 'σ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_its_place() {
        let among = |number, size, total| {
            let at = Page::of(number, size).among(total);
            (at.page, at.per_page, at.total, at.total_pages, at.has_prev, at.has_next)
        };
        assert_eq!(among(None, None, 0), (1, PER_PAGE_DEFAULT, 0, 0, false, false));
        assert_eq!(among(None, None, 20), (1, PER_PAGE_DEFAULT, 20, 1, false, false));
        assert_eq!(among(None, None, 21), (1, PER_PAGE_DEFAULT, 21, 2, false, true));
        assert_eq!(among(Some(2), Some(5), 11), (2, 5, 11, 3, true, true));
        assert_eq!(among(Some(3), Some(5), 11), (3, 5, 11, 3, true, false));
        assert_eq!(among(Some(9), Some(5), 11), (9, 5, 11, 3, true, false), "behind the end");
        assert_eq!(Page::of(Some(3), Some(5)).offset(), 10);
    }

    #[test]
    fn only_known_columns_reach_the_sql() {
        let keys = [("id", "id"), ("price", "price_minor")];
        let order = |sort| order_by(sort, &keys, "id").map_err(|error| error.message);
        assert_eq!(order(None).unwrap(), "id ASC, id ASC");
        assert_eq!(order(Some("-price")).unwrap(), "price_minor DESC, id DESC");
        for wrong in ["", "-", "--price", "price_minor", "id; DROP TABLE products", "Price"] {
            let words = order(Some(wrong)).unwrap_err();
            assert!(words.contains("id, price"), "{wrong}: {words}");
        }
    }

    #[test]
    fn a_pattern_means_the_text_and_nothing_else() {
        assert_eq!(contains("50%_A\\"), "%50\\%\\_a\\\\%");
        assert_eq!(contains(""), "%%");
    }

    #[test]
    fn case_makes_no_difference_wherever_a_letter_stands() {
        assert_eq!(folded("ΟΔΟΣ οδος"), "οδοσ οδοσ");
        assert!(folded("ΟΔΟΣΑ").contains(&folded("ΟΔΟΣ")));
        assert_eq!(folded("ÉLAN Straße"), "élan straße");
    }
}
