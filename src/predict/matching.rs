//! Match models: what followed the last time that this key was seen.

use super::apm::Cell;
use super::logistic::Logistic;
use super::slots::{prefetch, zeroed};

/// Where keys of a block were last seen.
pub struct MatchTable {
    places: Vec<u64>,
    shift: u32,
    cells: Vec<Cell>,
}

/// The place of an earlier text that seems to be repeated.
#[derive(Clone, Copy, Default)]
pub struct Match {
    /// The place in the block of the byte that is predicted, if `length` is not 0.
    place: usize,
    /// Bytes predicted right in a row, and 1; 0 if nothing is predicted.
    length: u32,
    /// The class of `length`, below [`LENGTHS`].
    class: usize,
    predicted: u8,
}

/// Match models.
pub const MATCHES: usize = 3;
/// Classes of length.
pub const LENGTHS: usize = 16;

impl MatchTable {
    /// 2^`bits` places.
    pub fn new(bits: u32) -> Self {
        Self { places: zeroed(1 << bits, 0), shift: 64 - bits, cells: vec![Cell::new(3 << 14); LENGTHS * 8 * 2] }
    }

    /// Asks the memory for what [`Self::find`] and [`Self::enter`] will want.
    #[inline(always)]
    pub fn prefetch(&self, key: u64) {
        prefetch(&self.places, (key >> self.shift) as usize);
    }

    /// The place where `key` was last seen; 0: never.
    #[inline(always)]
    pub fn find(&self, key: u64) -> usize {
        let found = self.places[(key >> self.shift) as usize];
        if (found ^ (key << 32)) >> 32 == 0 { found as u32 as usize } else { 0 }
    }

    /// Takes note that `key` was seen at `place`. That waits for no memory, unlike a search.
    #[inline(always)]
    pub fn enter(&mut self, key: u64, place: usize) {
        self.places[(key >> self.shift) as usize] = key << 32 | place as u64;
    }
}

impl Match {
    /// The byte it predicts, while it does.
    #[inline(always)]
    pub fn predicted(&self) -> Option<u8> {
        (self.length > 0).then_some(self.predicted)
    }

    /// The class of the length, below [`LENGTHS`]; 0 if nothing is predicted.
    #[inline(always)]
    pub fn class(&self) -> usize {
        self.class
    }

    /// After `byte` was coded: follows on, or takes up `candidate` (a place just past the key's last occurrence and the
    /// length that is known to agree there).
    #[inline(always)]
    pub fn advance(&mut self, byte: u8, history: &[u8], candidate: impl FnOnce() -> (usize, u32)) {
        if self.length > 0 && self.predicted == byte {
            self.place += 1;
            self.length = (self.length + 1).min(65535);
        } else {
            (self.place, self.length) = candidate();
        }
        if self.length > 0 {
            self.predicted = history[self.place];
        }
        self.class = class(self.length);
    }

    /// The predicted bit's log-odds of a one and the probability's distance from one half in 1/4096, or zeros if
    /// nothing is predicted for this bit.
    #[inline(always)]
    pub fn inputs(&self, table: &MatchTable, bit_index: usize, logistic: &Logistic) -> (i32, i32) {
        if self.length == 0 {
            return (0, 0);
        }
        let probability = table.cells[self.class * 8 + bit_index].probability();
        let (octaves, distance) = (logistic.stretch(probability), probability as i32 - (1 << 15));
        let sign = i32::from(self.predicted << bit_index) << 24 >> 31;
        // Minus the value where the predicted bit is a zero.
        ((octaves ^ !sign) - !sign, ((distance ^ !sign) - !sign) >> 4)
    }

    /// Ends the match unless what it predicts is right so far.
    #[inline(always)]
    pub fn keep_if(&mut self, right: impl FnOnce(u8) -> bool) {
        if self.length > 0 && !right(self.predicted) {
            (self.length, self.class) = (0, 0);
        }
    }

    /// Learns whether the predicted bit was right; a wrong one ends the match.
    #[inline(always)]
    pub fn update(&mut self, table: &mut MatchTable, bit: bool, bit_index: usize) {
        if self.length > 0 {
            let right = (self.predicted << bit_index & 128 != 0) == bit;
            table.cells[self.class * 8 + bit_index].update(right, 255);
            if !right {
                (self.length, self.class) = (0, 0);
            }
        }
    }
}

/// The classes of the match models' lengths.
#[inline(always)]
pub fn classes([first, second, third]: &[Match; MATCHES]) -> [usize; MATCHES] {
    [first.class, second.class, third.class]
}

/// The class of a length: 0 for 0, wider the longer it is.
#[inline(always)]
fn class(length: u32) -> usize {
    CLASSES[length.min(LAST_CLASS) as usize].into()
}

/// The length from which on the class is the last one.
const LAST_CLASS: u32 = 512;

const CLASSES: [u8; LAST_CLASS as usize + 1] = {
    let mut classes = [0; LAST_CLASS as usize + 1];
    let mut length = 0;
    while length < classes.len() {
        classes[length] = match length {
            0..=7 => length,
            8..=15 => 8 + (length - 8) / 4,
            16..=31 => 10 + (length - 16) / 8,
            32..=63 => 12,
            64..=127 => 13,
            128..=511 => 14,
            _ => 15,
        } as u8;
        length += 1;
    }
    classes
};

/// The number of bytes at the end of both that agree, at most [`AGREEMENT_MOST`].
#[inline(always)]
pub fn agreement(first: &[u8], second: &[u8]) -> u32 {
    let mut agreeing = 0;
    let (mut first, mut second) = (first, second);
    while agreeing < AGREEMENT_MOST {
        let (Some((first_rest, &first_word)), Some((second_rest, &second_word))) =
            (first.split_last_chunk::<8>(), second.split_last_chunk::<8>())
        else {
            let pairs = first.iter().rev().zip(second.iter().rev());
            return (agreeing + pairs.take_while(|(first, second)| first == second).count() as u32).min(AGREEMENT_MOST);
        };
        let difference = u64::from_le_bytes(first_word) ^ u64::from_le_bytes(second_word);
        if difference != 0 {
            return agreeing + difference.leading_zeros() / 8;
        }
        (agreeing, first, second) = (agreeing + 8, first_rest, second_rest);
    }
    AGREEMENT_MOST
}

/// Bytes that are compared at most.
const AGREEMENT_MOST: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agreement_counts_the_equal_bytes_at_the_end(
            start in proptest::collection::vec(0..2u8, 0..20), other in proptest::collection::vec(0..2u8, 0..20),
            end in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let (first, second) = ([&start[..], &end].concat(), [&other[..], &end].concat());
            let expected = first.iter().rev().zip(second.iter().rev()).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(agreement(&first, &second), expected.min(32) as u32);
        }
    }
}
