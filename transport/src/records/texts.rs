//! The texts of one request's notes, all in one string: so they are kept by copying it, and forgotten at once.

use std::ops::Range;

/// A text that may be noted of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Text {
    RequestId,
    From,
    Principal,
    Service,
    Method,
    Code,
    Words,
    Cache,
    /// The method over HTTP; there is none where the request was a call.
    Verb,
    Target,
    Route,
    Version,
    Referer,
    UserAgent,
}

/// How many there are.
const TEXTS: usize = Text::UserAgent as usize + 1;
/// What says where all of them stand takes so much.
pub(super) const PLACES_BYTES: usize = TEXTS * 4;

/// The texts that were noted so far; the others are empty.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: String,
    /// Where each begins, and where it ends.
    places: [(u16, u16); TEXTS],
}

impl Texts {
    /// Notes a text, instead of what was noted before. What finds no room is left out.
    pub(super) fn note(&mut self, text: Text, words: &str) {
        self.write(text, |out| out.push_str(words));
    }

    /// Notes a text that is appended to what it is given.
    pub(super) fn write(&mut self, text: Text, append: impl FnOnce(&mut String)) {
        let start = self.all.len();
        append(&mut self.all);
        match (u16::try_from(start), u16::try_from(self.all.len())) {
            (Ok(start), Ok(end)) => self.places[text as usize] = (start, end),
            _ => {
                self.all.truncate(start);
                self.places[text as usize] = (0, 0);
            }
        }
    }

    /// A text; empty where none was noted.
    pub(super) fn get(&self, text: Text) -> &str {
        let (start, end) = self.places[text as usize];
        &self.all[start.into()..end.into()]
    }

    /// Forgets everything but the memory that it took.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.places = Default::default();
    }

    /// All of them, one behind the other.
    pub(super) fn all(&self) -> &str {
        &self.all
    }

    /// Where they stand in it, to be [`found`] there.
    pub(super) fn places(&self) -> [u8; PLACES_BYTES] {
        let mut bytes = [0; PLACES_BYTES];
        for (bytes, (start, end)) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(self.places) {
            *bytes = (u32::from(start) | u32::from(end) << 16).to_le_bytes();
        }
        bytes
    }
}

/// Where a text stands.
pub(super) fn found(places: &[u8; PLACES_BYTES], text: Text) -> Range<usize> {
    let place = places.as_chunks::<4>().0[text as usize];
    let [start, end] = [[place[0], place[1]], [place[2], place[3]]].map(u16::from_le_bytes);
    start.into()..end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &Texts, text: Text) -> &str {
        &texts.all()[found(&texts.places(), text)]
    }

    #[test]
    fn each_text_is_the_one_that_was_noted_last() {
        let mut texts = Texts::default();
        texts.note(Text::Code, "OK");
        texts.note(Text::UserAgent, "né");
        texts.note(Text::Code, "INTERNAL");
        for (text, words) in [(Text::Code, "INTERNAL"), (Text::UserAgent, "né"), (Text::Words, "")] {
            assert_eq!((texts.get(text), of(&texts, text)), (words, words));
        }
        texts.note(Text::Code, "");
        assert_eq!((texts.get(Text::Code), texts.get(Text::UserAgent)), ("", "né"));
        texts.clear();
        assert_eq!((texts.get(Text::UserAgent), texts.all()), ("", ""));
    }

    #[test]
    fn what_finds_no_room_is_left_out_alone() {
        let mut texts = Texts::default();
        texts.note(Text::From, "shop");
        texts.note(Text::Words, &"x".repeat(usize::from(u16::MAX)));
        texts.note(Text::Code, "OK");
        assert_eq!([Text::From, Text::Words, Text::Code].map(|text| of(&texts, text)), ["shop", "", "OK"]);
    }
}
