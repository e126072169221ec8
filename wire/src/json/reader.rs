//! The pull reader: checks JSON text while its caller takes values out of it.

use super::text::{Text, escape};
use crate::limits::NESTING_MAX;

/// Reads one JSON value from left to right; the caller says what it expects next.
///
/// After an error the reader is of no further use.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// An array or object was opened and nothing of it was read yet, so no comma is due.
    opened: bool,
}

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// Where text stops being JSON, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxError {
    /// Bytes before the offending one.
    pub offset: usize,
    /// Arrays and objects nest deeper than [`NESTING_MAX`]; the text may well be JSON otherwise.
    pub too_deep: bool,
    /// What was expected.
    pub words: &'static str,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, depth: 0, opened: false }
    }

    /// How many bytes have been read; after [`peek`](Self::peek) the place of the value that comes next.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The kind of the value that comes next.
    ///
    /// # Errors
    /// When no value can start here.
    pub fn peek(&mut self) -> Result<Kind, SyntaxError> {
        self.skip_whitespace();
        match self.text.get(self.at) {
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => self.wrong("expected a value"),
            None => self.wrong("expected a value, but the text ends"),
        }
    }

    /// Reads `null`.
    ///
    /// # Errors
    /// When something else comes.
    pub fn null(&mut self) -> Result<(), SyntaxError> {
        self.skip_whitespace();
        if self.word(b"null") { Ok(()) } else { self.wrong("expected null") }
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// When something else comes.
    pub fn boolean(&mut self) -> Result<bool, SyntaxError> {
        self.skip_whitespace();
        if self.word(b"true") {
            Ok(true)
        } else if self.word(b"false") {
            Ok(false)
        } else {
            self.wrong("expected true or false")
        }
    }

    /// Reads a number and returns its text as it stands.
    ///
    /// # Errors
    /// When something else comes, or the number isn't written as RFC 8259 section 6 wants it.
    pub fn number(&mut self) -> Result<&'a str, SyntaxError> {
        self.skip_whitespace();
        let start = self.at;
        self.take(b'-');
        if self.take(b'0') {
            if self.next_is(u8::is_ascii_digit) {
                return self.wrong("a number can't start with a needless 0");
            }
        } else {
            self.digits("expected a digit")?;
        }
        if self.take(b'.') {
            self.digits("expected a digit after the point")?;
        }
        if self.next_is(|byte| matches!(byte, b'e' | b'E')) {
            self.at += 1;
            if self.next_is(|byte| matches!(byte, b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("expected a digit in the exponent")?;
        }
        std::str::from_utf8(&self.text[start..self.at])
            .map_err(|_| self.error_at(start, "a number that is no text"))
    }

    /// Reads a string.
    ///
    /// # Errors
    /// When something else comes, or the string has a control character, a wrong escape, half of a surrogate pair or
    /// bytes that are no UTF-8.
    pub fn string(&mut self) -> Result<Text<'a>, SyntaxError> {
        self.skip_whitespace();
        if !self.take(b'"') {
            return self.wrong("expected a string");
        }
        let start = self.at;
        let mut saved = 0;
        loop {
            let ordinary =
                self.text[self.at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f));
            self.at += ordinary.unwrap_or(self.text.len() - self.at);
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let (character, used) =
                        escape(&self.text[self.at + 1..]).map_err(|words| self.error_at(self.at, words))?;
                    saved += 1 + used - character.len_utf8();
                    self.at += 1 + used;
                }
                Some(_) => return self.wrong("a control character in a string must be escaped"),
                None => return self.wrong("the text ends inside a string"),
            }
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        match std::str::from_utf8(raw) {
            Ok(valid) => Ok(Text::new(valid, valid.len() - saved, start - 1)),
            Err(error) => Err(self.error_at(start + error.valid_up_to(), "a string that is not UTF-8")),
        }
    }

    /// Reads the `{` of an object; [`next_name`](Self::next_name) follows.
    ///
    /// # Errors
    /// When something else comes, or the object stands too deep.
    pub fn begin_object(&mut self) -> Result<(), SyntaxError> {
        self.begin(b'{', "expected an object")
    }

    /// Reads the name of the object's next field and the colon; the value follows. `None` at the object's end.
    ///
    /// # Errors
    /// When neither a field nor the end comes.
    pub fn next_name(&mut self) -> Result<Option<Text<'a>>, SyntaxError> {
        if self.ends(b'}', "expected ',' or '}' after a field")? {
            return Ok(None);
        }
        if self.text.get(self.at) != Some(&b'"') {
            return self.wrong("expected a field's name in double quotes");
        }
        let name = self.string()?;
        self.skip_whitespace();
        if self.take(b':') { Ok(Some(name)) } else { self.wrong("expected ':' after a field's name") }
    }

    /// Reads the object's next field up to its colon if it bears exactly this name, which must be one that needs no
    /// escapes, and is written without; otherwise reads nothing. It saves [`next_name`](Self::next_name) most of its
    /// work for a caller that knows which field to expect.
    pub fn take_name(&mut self, name: &str) -> bool {
        let before = (self.at, self.opened);
        self.skip_whitespace();
        let first = std::mem::take(&mut self.opened);
        let found = (first || self.take(b',')) && {
            self.skip_whitespace();
            self.take(b'"') && self.word(name.as_bytes()) && self.take(b'"') && {
                self.skip_whitespace();
                self.take(b':')
            }
        };
        if !found {
            (self.at, self.opened) = before;
        }
        found
    }

    /// Reads the `[` of an array; [`next_item`](Self::next_item) follows.
    ///
    /// # Errors
    /// When something else comes, or the array stands too deep.
    pub fn begin_array(&mut self) -> Result<(), SyntaxError> {
        self.begin(b'[', "expected an array")
    }

    /// Whether another item of the array follows; otherwise its end has been read.
    ///
    /// # Errors
    /// When neither an item nor the end comes.
    pub fn next_item(&mut self) -> Result<bool, SyntaxError> {
        Ok(!self.ends(b']', "expected ',' or ']' after an item")?)
    }

    /// Reads one value of any kind and checks it.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn skip(&mut self) -> Result<(), SyntaxError> {
        match self.peek()? {
            Kind::Null => self.null(),
            Kind::Bool => self.boolean().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::String => self.string().map(drop),
            Kind::Array => {
                self.begin_array()?;
                while self.next_item()? {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Object => {
                self.begin_object()?;
                while self.next_name()?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
        }
    }

    /// Checks that nothing but white space is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&mut self) -> Result<(), SyntaxError> {
        self.skip_whitespace();
        if self.at == self.text.len() { Ok(()) } else { self.wrong("expected nothing more after the value") }
    }

    fn begin(&mut self, bracket: u8, words: &'static str) -> Result<(), SyntaxError> {
        self.skip_whitespace();
        if self.depth == NESTING_MAX {
            let words = "arrays and objects nest too deep";
            return Err(SyntaxError { offset: self.at, too_deep: true, words });
        }
        if !self.take(bracket) {
            return self.wrong(words);
        }
        self.depth += 1;
        self.opened = true;
        Ok(())
    }

    /// Reads the closing bracket, or the comma before what comes next.
    fn ends(&mut self, bracket: u8, words: &'static str) -> Result<bool, SyntaxError> {
        self.skip_whitespace();
        let first = std::mem::take(&mut self.opened);
        if self.take(bracket) {
            self.depth -= 1;
            return Ok(true);
        }
        if !first {
            if !self.take(b',') {
                return self.wrong(words);
            }
            self.skip_whitespace();
        }
        Ok(false)
    }

    fn digits(&mut self, words: &'static str) -> Result<(), SyntaxError> {
        if !self.next_is(u8::is_ascii_digit) {
            return self.wrong(words);
        }
        while self.next_is(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let found = self.text[self.at..].starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn next_is(&self, test: impl FnOnce(&u8) -> bool) -> bool {
        self.text.get(self.at).is_some_and(test)
    }

    fn skip_whitespace(&mut self) {
        while self.next_is(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong<T>(&self, words: &'static str) -> Result<T, SyntaxError> {
        Err(self.error_at(self.at, words))
    }

    fn error_at(&self, offset: usize, words: &'static str) -> SyntaxError {
        SyntaxError { offset, too_deep: false, words }
    }
}
