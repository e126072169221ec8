//! The formats of texts (SPEC.md 10.9): an e-mail address, a line, a name, or one of some words.

use std::collections::BTreeSet;

use super::email::is_email;
use super::scalar::{names, short};

/// What the format of a choice begins with; the words follow, a space before each.
const CHOICE: &str = "choice ";

/// Whether there is such a format.
#[must_use]
pub fn is_format(format: &str) -> bool {
    crate::schema::FORMATS.contains(&format) || choices(format).is_some_and(are_words)
}

/// The words of which a text of this format is one.
#[must_use]
pub fn choices(format: &str) -> Option<impl Iterator<Item = &str> + Clone> {
    format.strip_prefix(CHOICE).map(|words| words.split(' '))
}

/// What is wrong with a text as one of this format, in words.
pub(super) fn fault(format: &str, text: &str) -> Option<String> {
    let (is_right, expected) = match format {
        "email" => (is_email(text), "an e-mail address".into()),
        "line" => (is_line(text), "one line of text, not only white space".into()),
        "name" => {
            let is_name = is_line(text) && text.chars().any(|each| !is_blank(each) && !each.is_ascii_digit());
            (is_name, "one line of text that is no number".into())
        }
        "slug" => (is_slug(text), "small letters, digits and - within, up to 64".into()),
        "password" => return None,
        _ => {
            let mut words = choices(format)?;
            (words.any(|word| word == text), format!("one of {}", names(choices(format)?)))
        }
    };
    (!is_right).then(|| format!("expected {expected}, found {}", short(text)))
}

/// Whether a choice has words, each once, of printable ASCII.
fn are_words<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    let mut known = BTreeSet::new();
    words.all(|word| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()) && known.insert(word)
    })
}

/// Whether a text is one line in which there is something to see.
fn is_line(text: &str) -> bool {
    text.chars().all(|each| !breaks_lines(each)) && text.chars().any(|each| !is_blank(each))
}

/// Whether a text is a name as it stands in addresses: small letters, digits, and `-` within.
fn is_slug(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len())
        && text.bytes().all(is_part)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a character is no part of a line: control characters, and what separates lines and paragraphs.
fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Whether nothing is seen of a character: white space, and what has no width.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_something_and_a_name_is_no_number() {
        for (text, line, name) in [
            ("Tux", true, true),
            (" Tux 2 ", true, true),
            ("x", true, true),
            ("12.5", true, true),
            ("-1", true, true),
            ("Größe ½", true, true),
            ("2", true, false),
            (" 2 3 ", true, false),
            ("", false, false),
            (" ", false, false),
            ("\u{a0}\u{3000}", false, false),
            ("\u{200b}\u{feff}", false, false),
            ("a\nb", false, false),
            ("a\0", false, false),
            ("a\u{7f}", false, false),
            ("a\u{85}b", false, false),
            ("a\u{2028}b", false, false),
        ] {
            assert_eq!(fault("line", text).is_none(), line, "{text:?} as a line");
            assert_eq!(fault("name", text).is_none(), name, "{text:?} as a name");
        }
    }

    #[test]
    fn a_choice_is_one_of_its_words() {
        assert_eq!(fault("choice id -id", "-id"), None);
        for wrong in ["", "i", "id -id", "ID"] {
            assert!(
                fault("choice id -id", wrong).is_some_and(|words| words.contains("one of id, -id")),
                "{wrong}"
            );
        }
        for (text, is_right) in
            [("a", true), ("a-1", true), ("-a", false), ("a-", false), ("A", false), ("", false)]
        {
            assert_eq!(fault("slug", text).is_none(), is_right, "{text}");
        }
        for good in ["email", "line", "name", "choice a", "choice a -a b"] {
            assert!(is_format(good), "{good}");
        }
        for bad in ["phone", "choice", "choice ", "choice a  b", "choice a a", "choice ä", "choice a\tb"] {
            assert!(!is_format(bad), "{bad}");
        }
    }
}
