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

/// Where in the table one lane's contexts remember, and the entries' checks.
#[derive(Clone)]
pub struct Places {
    places: [usize; CONTEXTS],
    checks: [u32; CONTEXTS],
}

impl Default for Places {
    fn default() -> Self {
        Self { places: [0; CONTEXTS], checks: [0; CONTEXTS] }
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

    /// Finds what the contexts of `hashes` remember, a byte below its state, 0 if nothing: in the entry that the hash names or in its
    /// neighbour; where neither has the check, the one of them that is less sure will be the context's.
    #[inline(always)]
    pub fn recall(&self, places: &mut Places, remembered: &mut [u32], hashes: &[u64]) {
        let Places { places, checks } = places;
        for (((&hash, place), check), value) in hashes.iter().zip(places).zip(checks).zip(remembered) {
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
    pub fn learn(&mut self, places: &Places, remembered: &[u32], byte: u8) {
        let Places { places, checks } = places;
        for ((&place, &check), &value) in places.iter().zip(checks).zip(remembered) {
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

/// What becomes of each state, for those that were wrong and then for those that were right: the next state above a 1 if the byte
/// that followed is remembered from then on, else a 0.
const NEXT: [[u16; 256]; 2] = {
    let mut next = [[0; 256]; 2];
    let mut state = 0;
    while state < 256 {
        let (sureness, outcomes) = (state >> 3, state & 7);
        let (wrong, right) = (outcomes << 1 & 7, outcomes << 1 & 7 | 1);
        next[0][state] = match sureness {
            0 => (1 << 3 | 7) << 1 | 1,
            1 | 2 => (1 << 3 | wrong) << 1 | 1,
            _ => ((sureness / 2) << 3 | wrong) << 1,
        } as u16;
        let surer = if sureness < SURE as usize { sureness + 1 } else { sureness };
        next[1][state] = if sureness == 0 { next[0][state] } else { ((surer << 3 | right) << 1) as u16 };
        state += 1;
    }
    next
};

/// What is remembered after `byte` followed.
#[inline(always)]
fn next(remembered: u32, byte: u8) -> u32 {
    let right = symbol(remembered) == byte;
    let next = u32::from(NEXT[usize::from(right)][state(remembered)]);
    let byte = if next & 1 == 1 { byte } else { symbol(remembered) };
    next >> 1 << 8 | u32::from(byte)
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
        let mut places = Places::default();
        let mut code = |check: u64, byte: u8| {
            let mut remembered = [0];
            memories.recall(&mut places, &mut remembered, &[check]);
            memories.learn(&places, &remembered, byte);
            (remembered[0] > 0).then(|| symbol(remembered[0]))
        };
        assert_eq!([code(1, b'a'), code(1, b'a'), code(2, b'b'), code(1, b'a')], [None, Some(b'a'), None, Some(b'a')]);
        assert_eq!([code(3, b'c'), code(2, b'b'), code(1, b'a')], [None, None, Some(b'a')]);
    }
}
