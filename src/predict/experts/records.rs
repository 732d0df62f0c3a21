//! Binary data, as records of one length: the bytes around and above.

use super::super::vector::WIDTH;
use super::followers::Followers;
use super::mix;

/// What the experts on records remember.
#[derive(Clone, Debug, Default)]
pub struct RecordTrail {
    /// The record's length, at least 1.
    length: usize,
    /// The coming byte's place in its record.
    column: usize,
    /// Bytes since the last that was 0, at most [`SINCE_MOST`].
    since_zero: usize,
    /// The byte above the coming one, those left and right of that, and the one two records up; 0 if there is none.
    above: u64,
    above_left: u64,
    above_right: u64,
    above_two: u64,
    /// The bytes two to the left and two to the right of the byte above, the left one higher.
    above_far: u64,
    /// The kinds of the last eight bytes, four bits each, the latest lowest.
    kinds: u32,
    /// Hash of the word (letters, digits, bytes from 192, in lower case) that the last byte ended, 0 outside of words.
    word: u64,
    followers: Followers,
}

/// Bytes since a zero that are told apart.
const SINCE_MOST: usize = 255;

impl RecordTrail {
    pub fn new(length: usize) -> Self {
        Self { length: length.max(1), ..Self::default() }
    }

    /// Takes note of the last byte of `history`, which is the lowest of `last`.
    #[inline(always)]
    pub fn advance(&mut self, history: &[u8], last: u64) {
        let [byte, ..] = last.to_le_bytes();
        let is_word = byte.is_ascii_alphanumeric() || byte >= 192;
        self.word = if is_word { mix(self.word.max(1), u64::from(byte.to_ascii_lowercase())) } else { 0 };
        self.kinds = self.kinds << 4 | kind(byte);
        self.followers.advance(last);
        let back = |distance: usize| history.len().checked_sub(distance).map_or(0, |place| u64::from(history[place]));
        self.column = if self.column + 1 == self.length { 0 } else { self.column + 1 };
        self.since_zero = if byte == 0 { 0 } else { (self.since_zero + 1).min(SINCE_MOST) };
        self.above = back(self.length);
        self.above_left = back(self.length + 1);
        self.above_right = if self.length > 1 { back(self.length - 1) } else { 0 };
        let right_two = if self.length > 2 { back(self.length - 2) } else { 0 };
        self.above_far = back(self.length + 2) << 8 | right_two;
        self.above_two = back(2 * self.length);
    }

    /// The column; where there are no records to speak of, the bytes since the last that was 0.
    #[inline(always)]
    pub fn column(&self) -> usize {
        if self.length > 2 { self.column } else { self.since_zero }
    }

    /// The byte above.
    #[inline(always)]
    pub fn above(&self) -> usize {
        self.above as usize
    }

    /// The keys of the coming byte's first contexts, the one of the match models left to fill in; `last` holds the last
    /// eight bytes, the latest lowest.
    #[inline(always)]
    pub fn keys(&self, last: u64) -> [u64; WIDTH] {
        let order = |count: u32| last & (u64::MAX >> (64 - 8 * count));
        let &Self { above, above_left, above_right, above_two, .. } = self;
        let (column, left) = (self.column() as u64, order(1));
        let gradient = (above + left).wrapping_sub(above_left) & 511;
        [
            0,
            order(2),
            order(3),
            order(4),
            order(6),
            column << 8 | above,
            above << 8 | above_two,
            above << 8 | left,
            above << 16 | above_left << 8 | left,
            column << 8 | left,
            column << 16 | above << 8 | left,
            above << 24 | above_right << 16 | above_left << 8 | left,
            mix(gradient, column),
            last & 0xFF00,
            last & 0xFF0000,
            mix(self.followers.of_three(last), left),
        ]
    }

    /// The keys of the other contexts.
    #[inline(always)]
    pub fn more_keys(&self, last: u64) -> [u64; WIDTH] {
        let order = |count: u32| last & (u64::MAX >> (64 - 8 * count));
        let &Self { above, above_left, above_right, above_two, .. } = self;
        let (column, left) = (self.column() as u64, order(1));
        [
            last & 0xFFFF0000,
            mix(self.word, left),
            last & 0xFF0000FF,
            last & 0xFF00FF00,
            order(5),
            order(1),
            column,
            column << 16 | last & 0xFFFF,
            order(7),
            above << 16 | above_two << 8 | left,
            mix(above << 24 | (above_right & 0xF0) << 16 | (above_left & 15) << 16 | above_two << 8 | left & 15, 2),
            self.kinds.into(),
            mix(above << 32 | self.above_far << 16 | above_left << 8 | above_right, 1),
            mix(last & 0xFFFF, above),
            mix(column, last & 0xFF_FFFF),
            mix((2 * above).wrapping_sub(above_two) & 511, column),
        ]
    }
}

/// What kind of byte it is, below 8.
#[inline(always)]
fn kind(byte: u8) -> u32 {
    match byte {
        0 => 0,
        1..=31 => 1,
        b'0'..=b'9' => 2,
        b'A'..=b'Z' => 3,
        b'a'..=b'z' => 4,
        32..=126 => 5,
        127..=254 => 6,
        255 => 7,
    }
}
