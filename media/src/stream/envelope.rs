//! A scanner for JSON objects that copies nothing: it walks members and skips what nobody asked for.
//!
//! It is stricter than it must be nowhere and never panics: a text that it cannot walk is `None`, and
//! whoever needs certainty about the rest asks a JSON library.

use memchr::{memchr2, memchr3};

/// A JSON string as it stands in the text, between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawText<'a> {
    quoted: &'a str,
    escaped: bool,
}

impl<'a> RawText<'a> {
    /// The letters themselves when the string holds no escape; these are nearly all.
    pub fn plain(&self) -> Option<&'a str> {
        (!self.escaped).then(|| &self.quoted[1..self.quoted.len() - 1])
    }

    /// The letters, with escapes resolved; `None` when an escape is not JSON.
    pub fn to_text(&self) -> Option<String> {
        match self.plain() {
            Some(plain) => Some(plain.to_owned()),
            None => serde_json::from_str(self.quoted).ok(),
        }
    }

    /// The string says exactly `word`.
    pub fn is(&self, word: &str) -> bool {
        match self.plain() {
            Some(plain) => plain == word,
            None => self.to_text().as_deref() == Some(word),
        }
    }
}

/// A place in a text.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Walks one object; `visit` must consume each member's value. `None`: not an object, or not JSON.
    pub fn object(
        &mut self,
        mut visit: impl FnMut(&mut Self, RawText<'a>) -> Option<()>,
    ) -> Option<()> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            visit(self, key)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Reads a string value.
    pub fn string(&mut self) -> Option<RawText<'a>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at;
        let end = self.string_end(start + 1)?;
        self.at = end;
        let quoted = self.text.get(start..end)?;
        let escaped = memchr::memchr(b'\\', quoted.as_bytes()).is_some();
        Some(RawText { quoted, escaped })
    }

    /// Reads a string value, or skips a value of another kind.
    pub fn string_or_skip(&mut self) -> Option<Option<RawText<'a>>> {
        if self.peek()? == b'"' {
            return self.string().map(Some);
        }
        self.skip().map(|()| None)
    }

    /// The next value is an object.
    pub fn is_object(&mut self) -> bool {
        self.peek() == Some(b'{')
    }

    /// Skips one value of any kind.
    pub fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.at = self.string_end(self.at + 1)?,
            b'{' | b'[' => self.skip_nested()?,
            b',' | b':' | b'}' | b']' => return None,
            _ => self.skip_word(),
        }
        Some(())
    }

    /// Nothing but white space is left.
    pub fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// The place behind the closing quote of a string whose letters begin at `from`.
    pub(super) fn string_end(&self, from: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = from;
        loop {
            at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                return Some(at + 1);
            }
            at += 2;
        }
    }

    fn skip_word(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += memchr3(b',', b'}', b']', rest).unwrap_or(rest.len());
    }

    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    self.at = self.string_end(self.at + 1)?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}
