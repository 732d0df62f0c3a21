//! Text without records: words, lines, keys and tokens.

use super::super::vector::WIDTH;
use super::followers::Followers;
use super::mix;
use super::nesting::Nesting;

/// What the experts on text remember.
#[derive(Clone, Debug, Default)]
pub struct TextTrail {
    /// Hash of the word (letters, digits, bytes from 128, in lower case) that the last byte ended, 0 outside of words.
    word: u64,
    /// Bytes of that word.
    word_length: usize,
    /// The words before it, latest first.
    words: [u64; 2],
    /// The last tokens, latest first: words with runs of digits collapsed, and each other byte.
    shapes: [u64; 3],
    shape: u64,
    /// The word before the last ':' or '=', or the name after the last '<'.
    key: u64,
    tag_open: bool,
    /// Where this line and the one before it start in the block.
    line: usize,
    line_before: usize,
    /// The line's first word.
    head: u64,
    /// The byte above the coming one in the line before, and the one after that; 0 if there is none.
    above: [u8; 2],
    column: usize,
    /// Hash of the line so far with runs of digits collapsed, 0 at its start.
    line_shape: u64,
    /// The kinds of the last eight bytes, and the last eight that were of no word, the latest lowest.
    kinds: u64,
    marks: u64,
    nesting: Nesting,
    followers: Followers,
}

impl TextTrail {
    /// Takes note of the last byte of `history`, which is the lowest of `last`.
    #[inline(always)]
    pub fn advance(&mut self, history: &[u8], last: u64) {
        let [byte, previous, ..] = last.to_le_bytes();
        let shaped = if byte.is_ascii_digit() { b'0' } else { byte };
        let collapsed = byte.is_ascii_digit() && previous.is_ascii_digit();
        if byte.is_ascii_alphanumeric() || byte >= 128 {
            self.word_length += 1;
            self.word = mix(self.word.max(1), u64::from(byte.to_ascii_lowercase()));
            if !collapsed {
                self.shape = mix(self.shape.max(1), u64::from(shaped));
            }
        } else {
            self.word_length = 0;
            self.end_word(byte);
            self.marks = self.marks << 8 | u64::from(byte);
        }
        if byte == b'\n' {
            (self.line_before, self.line, self.head, self.line_shape) = (self.line, history.len(), 0, 0);
        } else if !collapsed {
            self.line_shape = mix(self.line_shape.max(1), u64::from(shaped));
        }
        self.kinds = self.kinds << 8 | u64::from(kind(byte));
        self.nesting.advance(byte, previous, self.key);
        self.followers.advance(last);
        self.column = history.len() - self.line;
        let place = self.line_before + self.column;
        let within = |place: usize| if place < self.line { history[place] } else { 0 };
        self.above = [within(place), within(place + 1)];
    }

    #[inline(always)]
    fn end_word(&mut self, byte: u8) {
        if self.word != 0 {
            if self.tag_open || byte == b':' || byte == b'=' {
                self.key = self.word;
            }
            if self.head == 0 {
                self.head = self.word;
            }
            self.words = [self.word, self.words[0]];
            self.shapes = [self.shape, self.shapes[0], self.shapes[1]];
            (self.word, self.shape) = (0, 0);
            self.tag_open = false;
        } else if byte == b':' || byte == b'=' {
            self.key = self.words[0];
        }
        self.tag_open |= byte == b'<';
        self.shapes = [u64::from(byte), self.shapes[0], self.shapes[1]];
    }

    /// A key for the match model that follows tokens.
    #[inline(always)]
    pub fn match_key(&self) -> u64 {
        mix(mix(mix(self.word, self.shapes[0]), self.shapes[1]), self.shapes[2])
    }

    /// The keys of the coming byte's first contexts, the one of the match models left to fill in; `last` holds the last
    /// eight bytes, the latest lowest.
    #[inline(always)]
    pub fn keys(&self, last: u64) -> [u64; WIDTH] {
        let order = |count: u32| last & (u64::MAX >> (64 - 8 * count));
        let [above, above_next] = self.above.map(u64::from);
        [
            0,
            order(2),
            order(3),
            order(4),
            order(5),
            order(6),
            mix(self.followers.of_three(last), order(1)),
            mix(self.word, order(1)),
            mix(self.word, self.words[0]),
            self.kinds,
            mix(self.word, self.key),
            self.line_shape,
            mix(self.nesting.within(), if self.nesting.name() == 0 { self.word } else { self.nesting.name() }),
            (self.bounded_column() as u64) << 16 | above << 8 | above_next,
            mix(self.marks & 0xFF_FFFF, order(1)),
            mix(self.word, self.head),
        ]
    }

    /// The keys of the other contexts.
    #[inline(always)]
    pub fn more_keys(&self, last: u64) -> [u64; WIDTH] {
        let order = |count: u32| last & (u64::MAX >> (64 - 8 * count));
        let [above, above_next] = self.above.map(u64::from);
        [
            last,
            mix(mix(self.word, self.words[0]), self.words[1]),
            mix(self.followers.of_one(last), order(1)),
            order(1),
            self.match_key(),
            mix(self.key, order(3)),
            mix(self.head, (self.bounded_column() as u64) << 8 | order(1)),
            mix(self.marks & 0xFFFF_FFFF, self.word),
            mix(self.words[0], self.words[1]),
            mix(mix(self.word, self.words[1]), 1),
            mix(self.kinds & 0xFFFF_FFFF_FFFF, order(2)),
            mix(self.shape, mix(self.shapes[0], mix(self.shapes[1], self.shapes[2]))),
            mix(self.word, mix(self.shapes[0], self.shapes[1])),
            0,
            mix(self.nesting.within(), order(2)),
            mix(above << 8 | above_next, order(2)),
        ]
    }

    /// The place, and whether the byte above still agrees with `partial`.
    #[inline(always)]
    pub fn place_class(&self, partial: usize, bit_index: usize) -> usize {
        let agrees = (usize::from(self.above[0]) | 256) >> (8 - bit_index) == partial;
        self.place_number() * 2 + usize::from(agrees)
    }

    /// The length of the word so far, the kind of the byte before it, and the kind of the byte above; below 256.
    #[inline(always)]
    pub fn place_number(&self) -> usize {
        let before = match self.shapes[0] {
            0..=31 => 0,
            32 => 1,
            byte @ 33..=255 => 2 + (byte & 3) as usize,
            _ => 6,
        };
        let above = match self.above[0] {
            0 => 0,
            b'0'..=b'9' => 1,
            b'a'..=b'z' | b'A'..=b'Z' => 2,
            _ => 3,
        };
        (self.word_length.min(7) * 8 + before) * 4 + above
    }

    /// The kinds of the last three bytes, the last two marks.
    #[inline(always)]
    pub fn more_sets(&self) -> [u64; 2] {
        [self.kinds & 0xFF_FFFF, self.marks & 0xFFFF]
    }

    /// The column, at most 255.
    #[inline(always)]
    pub fn bounded_column(&self) -> usize {
        self.column.min(255)
    }
}

/// What kind of byte it is: a small letter or a byte from 128, a capital, a digit, or itself.
#[inline(always)]
fn kind(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | 128.. => b'a',
        b'A'..=b'Z' => b'A',
        b'0'..=b'9' => b'0',
        _ => byte,
    }
}
