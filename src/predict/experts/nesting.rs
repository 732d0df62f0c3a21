//! What the coming byte stands within: elements of XML and HTML, and brackets.

use super::mix;

/// Follows tags and brackets. Anything that is neither only makes odd contexts.
#[derive(Clone, Debug, Default)]
pub struct Nesting {
    /// What is open, innermost last.
    open: Vec<Opened>,
    tag: Tag,
    /// Hash of the tag's name so far, 0 outside of tags.
    name: u64,
    /// Whether the tag began with `</`.
    closing: bool,
    /// Whether the place in the tag is between double quotes.
    quoted: bool,
}

/// An element or a bracket that is open.
#[derive(Clone, Copy, Debug)]
struct Opened {
    /// What closes it: the hash of the element's name, or the bracket.
    kind: u64,
    /// Its hash as a context.
    hash: u64,
}

/// The place in a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tag {
    #[default]
    Outside,
    Name,
    Rest,
}

/// What is open further out is forgotten.
const DEPTH: usize = 32;

impl Nesting {
    /// The hash of the innermost that is open, 0 if nothing is.
    #[inline(always)]
    pub fn within(&self) -> u64 {
        self.open.last().map_or(0, |opened| opened.hash)
    }

    /// The hash of the tag's name so far, 0 outside of tags.
    #[inline(always)]
    pub fn name(&self) -> u64 {
        self.name
    }

    /// Takes note of `byte`, which came after `previous`; `key` is what brackets that open now belong to.
    #[inline(always)]
    pub fn advance(&mut self, byte: u8, previous: u8, key: u64) {
        match self.tag {
            Tag::Outside => self.advance_outside(byte, key),
            Tag::Name if is_name(byte) => self.name = mix(self.name.max(1), u64::from(byte)),
            Tag::Name if byte == b'/' && previous == b'<' => self.closing = true,
            Tag::Name if self.name == 0 => self.leave(byte, key),
            Tag::Name | Tag::Rest => self.advance_in_tag(byte, previous, key),
        }
    }

    #[inline(always)]
    fn advance_outside(&mut self, byte: u8, key: u64) {
        match byte {
            b'<' => (self.tag, self.closing, self.quoted) = (Tag::Name, false, false),
            b'(' | b'[' | b'{' => self.push(u64::from(byte), mix(key, u64::from(byte))),
            b')' => self.close(u64::from(b'(')),
            b']' => self.close(u64::from(b'[')),
            b'}' => self.close(u64::from(b'{')),
            _ => {}
        }
    }

    fn advance_in_tag(&mut self, byte: u8, previous: u8, key: u64) {
        self.tag = Tag::Rest;
        match byte {
            b'"' => self.quoted = !self.quoted,
            _ if self.quoted => {}
            b'>' => {
                let name = self.name;
                if self.closing {
                    self.close(name);
                } else if previous != b'/' {
                    self.push(name, name);
                }
                self.leave(byte, key);
            }
            b';' | b'{' | b'(' | b')' | b'<' => self.leave(byte, key),
            _ => {}
        }
    }

    /// The tag is over, or was none; `byte` stands outside.
    fn leave(&mut self, byte: u8, key: u64) {
        (self.tag, self.name) = (Tag::Outside, 0);
        self.advance_outside(byte, key);
    }

    fn push(&mut self, kind: u64, hash: u64) {
        if self.open.len() == DEPTH {
            self.open.remove(0);
        }
        self.open.push(Opened { kind, hash });
    }

    /// Closes the innermost of that kind and all within it; nothing if there is none.
    fn close(&mut self, kind: u64) {
        if let Some(place) = self.open.iter().rposition(|opened| opened.kind == kind) {
            self.open.truncate(place);
        }
    }
}

/// Whether tags' names have such bytes.
#[inline(always)]
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 128 || b"-_:.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Nesting {
        let mut nesting = Nesting::default();
        let mut previous = 0;
        for byte in text.bytes() {
            nesting.advance(byte, previous, 0);
            previous = byte;
        }
        nesting
    }

    #[test]
    fn elements_and_brackets_are_within_what_was_opened_and_not_closed() {
        let inner = after("<b>").within();
        for text in ["<a>x</a><b y='1' z=\"(;>\">", "<a><b><br/>", "<b>[(<c></d>)] 1 < 2"] {
            assert_eq!(after(text).within(), inner, "{text}");
        }
        assert_eq!(after("<html><p>one<p>two</html>").within(), 0);
        assert_eq!(after("{[(}").within(), 0);
        assert_eq!(after("for (i=0;i<n;i++) { a[i]").within(), after("{").within());
        assert_ne!(after("{").within(), after("[").within());
    }

    #[test]
    fn a_tag_has_a_name_until_it_ends() {
        assert_eq!(after("<a href=\"x>\"").name(), after("</a").name());
        assert_eq!(after("<a>").name(), 0);
        assert_eq!(after("a < b").name(), 0);
    }

    #[test]
    fn what_is_open_far_out_is_forgotten() {
        assert_eq!(after(&"<a>".repeat(1000)).open.len(), DEPTH);
    }
}
