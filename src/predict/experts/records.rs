//! Binary data, as records of one length: the bytes around and above.

use super::super::slots::CONTEXTS;
use super::mix;

/// What the experts on records remember.
#[derive(Clone, Debug, Default)]
pub struct RecordTrail {
    /// The record's length, at least 1.
    length: usize,
    /// The coming byte's place in its record.
    column: usize,
    /// The byte above the coming one, those left and right of that, and the one two records up; 0 if there is none.
    above: u64,
    above_left: u64,
    above_right: u64,
    above_two: u64,
}

impl RecordTrail {
    pub fn new(length: usize) -> Self {
        Self { length: length.max(1), ..Self::default() }
    }

    /// Takes note of the last byte of `history`.
    #[inline(always)]
    pub fn advance(&mut self, history: &[u8]) {
        let back = |distance: usize| history.len().checked_sub(distance).map_or(0, |place| u64::from(history[place]));
        self.column = if self.column + 1 == self.length { 0 } else { self.column + 1 };
        self.above = back(self.length);
        self.above_left = back(self.length + 1);
        self.above_right = if self.length > 1 { back(self.length - 1) } else { 0 };
        self.above_two = back(2 * self.length);
    }

    /// The column, for selectors.
    #[inline(always)]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The byte above.
    #[inline(always)]
    pub fn above(&self) -> usize {
        self.above as usize
    }

    /// The keys of the coming byte's contexts; `last` holds the last eight bytes, the latest lowest.
    #[inline(always)]
    pub fn keys(&self, last: u64) -> [u64; CONTEXTS] {
        let order = |count: u32| last & (u64::MAX >> (64 - 8 * count));
        let column = self.column as u64;
        let (left, above) = (order(1), self.above);
        let gradient = (above + left).wrapping_sub(self.above_left) & 511;
        let mut keys = [0; CONTEXTS];
        keys[21] = order(1);
        for (key, count) in keys[1..].iter_mut().zip([2, 3, 4, 6]) {
            *key = order(count);
        }
        keys[5] = column << 8 | above;
        keys[6] = above << 8 | self.above_two;
        keys[7] = above << 8 | left;
        keys[8] = above << 16 | self.above_left << 8 | left;
        keys[9] = column << 8 | left;
        keys[10] = column << 16 | above << 8 | left;
        keys[11] = above << 24 | self.above_right << 16 | self.above_left << 8 | left;
        keys[12] = mix(gradient, column);
        keys[13] = last & 0xFF00;
        keys[14] = last & 0xFF0000;
        keys[15] = last & 0xFFFF00;
        keys[16] = last & 0xFFFF0000;
        keys[17] = last & 0xFF000000;
        keys[18] = last & 0xFF0000FF;
        keys[19] = last & 0xFF00FF00;
        keys[20] = order(5);
        keys[22] = column;
        keys[23] = column << 16 | last & 0xFFFF;
        keys[24] = order(7);
        keys[25] = above << 16 | self.above_two << 8 | left;
        keys[26] = mix(column, self.above_two << 8 | above);
        keys[27] = last & 0xF0F0_F0F0;
        keys[28] = mix(above << 16 | self.above_right << 8 | left, 1);
        keys[29] = mix(last & 0xFFFF, above);
        keys[30] = mix(column, last & 0xFF_FFFF);
        keys[31] = mix((2 * above).wrapping_sub(self.above_two) & 511, column);
        keys
    }
}
