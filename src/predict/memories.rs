//! The byte that last followed each context, and how sure the context has become of it.
//!
//! They lie closer together than the lines of bit probabilities, so that a byte which is expected and right touches little
//! memory.

use super::slots::{CONTEXTS, prefetch, zeroed};

/// One table for all contexts.
pub struct Memories {
    /// A power of two: 16 bits of check over what is remembered, a byte below its state; 0 if nothing.
    entries: Vec<u32>,
    /// 64 less the base-2 logarithm of the entries.
    shift: u32,
}

/// What one lane's contexts remember at its present byte.
#[derive(Clone)]
pub struct Remembered {
    /// The entries' places and checks.
    places: [usize; CONTEXTS],
    checks: [u32; CONTEXTS],
    /// The byte below its state, 0 if there is none.
    pub values: [u32; CONTEXTS],
}

impl Default for Remembered {
    fn default() -> Self {
        Self { places: [0; CONTEXTS], checks: [0; CONTEXTS], values: [0; CONTEXTS] }
    }
}

/// Sureness is at most this.
const SURE: u32 = 31;

impl Memories {
    /// 2^`bits` entries.
    pub fn new(bits: u32) -> Self {
        Self { entries: zeroed(1 << bits, 0), shift: 64 - bits }
    }

    /// Asks the memory for the entries of `hashes`.
    #[inline(always)]
    pub fn prefetch(&self, hashes: &[u64]) {
        for &hash in hashes {
            prefetch(&self.entries, (hash >> self.shift) as usize);
        }
    }

    /// Finds what the contexts of `hashes` remember: in the entry that the hash names or in its neighbour; where neither has
    /// the check, the one of them that is less sure will be the context's.
    #[inline(always)]
    pub fn recall(&self, remembered: &mut Remembered, hashes: &[u64]) {
        let Remembered { places, checks, values } = remembered;
        for (((&hash, place), check), value) in hashes.iter().zip(places).zip(checks).zip(values) {
            let first = (hash >> self.shift) as usize;
            let [entry, neighbour] = [self.entries[first], self.entries[first ^ 1]];
            *check = (hash as u32) << 16;
            let [is_first, is_second] = [entry, neighbour].map(|entry| (entry ^ *check) >> 16 == 0);
            let second = !is_first && (is_second || sureness(neighbour) < sureness(entry));
            *place = first ^ usize::from(second);
            let found = if second { neighbour } else { entry };
            *value = if is_first || is_second { found & 0xFFFF } else { 0 };
        }
    }

    /// Moves what the contexts remember on: `byte` followed.
    #[inline(always)]
    pub fn learn(&mut self, remembered: &Remembered, byte: u8, contexts: usize) {
        let Remembered { places, checks, values } = remembered;
        for ((&place, &check), &value) in places.iter().zip(checks).zip(values).take(contexts) {
            self.entries[place] = check | next(value, byte);
        }
    }
}

/// The byte that is remembered.
#[inline(always)]
pub fn symbol(remembered: u32) -> u8 {
    remembered as u8
}

/// The sureness, 0 to [`SURE`], above the last three outcomes.
#[inline(always)]
pub fn state(remembered: u32) -> usize {
    (remembered >> 8 & 255) as usize
}

#[inline(always)]
fn sureness(entry: u32) -> u32 {
    entry >> 11 & SURE
}

/// What is remembered after `byte` followed.
#[inline(always)]
fn next(remembered: u32, byte: u8) -> u32 {
    let (sureness, outcomes) = (sureness(remembered), remembered >> 8 & 7);
    if sureness == 0 {
        return 1 << 11 | 7 << 8 | u32::from(byte);
    }
    let right = symbol(remembered) == byte;
    let outcomes = (outcomes << 1 | u32::from(right)) & 7;
    let (sureness, byte) = match right {
        true => ((sureness + 1).min(SURE), byte),
        false if sureness <= 2 => (1, byte),
        false => (sureness / 2, symbol(remembered)),
    };
    sureness << 11 | outcomes << 8 | u32::from(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is remembered after `bytes` followed, as byte, sureness and outcomes.
    fn after(bytes: &[u8]) -> (u8, u32, u32) {
        let remembered = bytes.iter().fold(0, |remembered, &byte| next(remembered, byte));
        (symbol(remembered), sureness(remembered), remembered >> 8 & 7)
    }

    #[test]
    fn a_context_is_slow_to_give_up_a_byte_that_it_is_sure_of() {
        assert_eq!(after(b"a"), (b'a', 1, 7));
        assert_eq!(after(b"ab"), (b'b', 1, 6));
        assert_eq!(after(b"aaaaaaaab"), (b'a', 4, 6));
        assert_eq!(after(b"aaaaaaaabb"), (b'a', 2, 4));
        assert_eq!(after(b"aaaaaaaabbb"), (b'b', 1, 0));
        assert_eq!(after(&[b'a'; 100]), (b'a', SURE, 7));
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_less_sure() {
        let mut memories = Memories::new(12);
        let mut remembered = Remembered::default();
        let mut code = |check: u64, byte: u8| {
            memories.recall(&mut remembered, &[check]);
            let value = remembered.values[0];
            memories.learn(&remembered, byte, 1);
            (value > 0).then(|| symbol(value))
        };
        assert_eq!([code(1, b'a'), code(1, b'a'), code(2, b'b'), code(1, b'a')], [None, Some(b'a'), None, Some(b'a')]);
        assert_eq!([code(3, b'c'), code(2, b'b'), code(1, b'a')], [None, None, Some(b'a')]);
    }
}
