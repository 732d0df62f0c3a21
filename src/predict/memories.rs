//! The byte that last followed each context, and how sure the context has become of it.
//!
//! They lie closer together than the lines of bit probabilities, so that a byte which is expected and right touches little
//! memory.

use super::slots::{prefetch_all, zeroed};
use super::vector::{Row, Vector, WIDTH};

/// One table for all contexts.
pub struct Memories {
    /// A power of two of neighbours: 16 bits of check over what is remembered, a byte below its state; 0 if nothing.
    pairs: Vec<[u32; 2]>,
    /// 64 less the base-2 logarithm of the entries.
    shift: u32,
}

/// Where one context remembers, the entry's check, and what it remembers: a byte below its state, 0 if nothing.
#[derive(Clone, Copy, Default)]
pub struct Recalled {
    place: u32,
    check: u32,
    remembered: i32,
}

/// Where in the table contexts remember, and the entries' checks.
#[derive(Clone, Default)]
pub struct Places {
    places: [u32; WIDTH],
    checks: [u32; WIDTH],
}

/// Contexts that are looked after together: their number is a multiple of this.
const TOGETHER: usize = 8;
/// Sureness is at most this.
const SURE: i32 = 31;
/// The state of what came all of many times.
const CERTAIN: i32 = SURE << 3 | 7;
/// A context that is less sure takes up another byte at once.
const FIRM: i32 = 3;

impl Memories {
    /// 2^`bits` entries.
    pub fn new(bits: u32) -> Self {
        Self { pairs: zeroed(1 << (bits - 1), [0; 2]), shift: 64 - bits }
    }

    /// Asks the memory for the entries of `hashes`.
    #[inline(always)]
    pub fn prefetch(&self, hashes: &[u64]) {
        prefetch_all(self.pairs.as_flattened(), hashes, |hash| (hash >> self.shift) as usize);
    }

    /// Finds what the contexts of `hashes` remember, a byte below its state, 0 if nothing: in the entry that the hash names or in its
    /// neighbour; where neither has the check, the one of them that is less sure will be the context's.
    #[inline(always)]
    pub fn recall(&self, places: &mut Places, remembered: &mut Row, hashes: &[u64]) {
        let places = places.places.as_chunks_mut().0.iter_mut().zip(places.checks.as_chunks_mut().0);
        let remembered = remembered.0.as_chunks_mut().0;
        for ((hashes, (places, checks)), remembered) in hashes.as_chunks().0.iter().zip(places).zip(remembered) {
            self.recall_together(places, checks, remembered, hashes);
        }
    }

    #[inline(always)]
    fn recall_together(
        &self,
        places: &mut [u32; TOGETHER],
        checks: &mut [u32; TOGETHER],
        remembered: &mut [i32; TOGETHER],
        hashes: &[u64; TOGETHER],
    ) {
        let mut pairs = [[0; 2]; TOGETHER];
        for (pair, &hash) in pairs.iter_mut().zip(hashes) {
            *pair = self.pairs[(hash >> self.shift) as usize / 2];
        }
        for index in 0..TOGETHER {
            let recalled = self.find_in(pairs[index], hashes[index]);
            places[index] = recalled.place;
            checks[index] = recalled.check;
            remembered[index] = recalled.remembered;
        }
    }

    /// Finds what the context of `hash` remembers.
    #[inline(always)]
    pub fn find(&self, hash: u64) -> Recalled {
        self.find_in(self.pairs[(hash >> self.shift) as usize / 2], hash)
    }

    #[inline(always)]
    fn find_in(&self, [even, odd]: [u32; 2], hash: u64) -> Recalled {
        let first = (hash >> self.shift) as u32;
        let (entry, neighbour) = if first & 1 == 0 { (even, odd) } else { (odd, even) };
        let check = (hash as u32) << 16;
        let (is_first, is_second) = ((entry ^ check) >> 16 == 0, (neighbour ^ check) >> 16 == 0);
        let second = !is_first & (is_second | (sureness(neighbour) < sureness(entry)));
        let found = if second { neighbour } else { entry };
        let remembered = if is_first | is_second { (found & 0xFFFF) as i32 } else { 0 };
        Recalled { place: first ^ u32::from(second), check, remembered }
    }

    /// Moves on what a few contexts remember: `byte` followed.
    #[inline(always)]
    pub fn learn_found<V: Vector>(&mut self, found: &[Recalled], byte: u8) {
        let mut row = Row::ZERO;
        for (remembered, recalled) in row.0.iter_mut().zip(found) {
            *remembered = recalled.remembered;
        }
        next(V::load(&row), byte).store(&mut row);
        let entries = self.pairs.as_flattened_mut();
        for (recalled, moved) in found.iter().zip(row.0) {
            entries[recalled.place as usize] = recalled.check | moved as u32;
        }
    }

    /// Moves what so many contexts remember on: `byte` followed.
    #[inline(always)]
    pub fn learn<V: Vector>(&mut self, places: &Places, remembered: &Row, contexts: usize, byte: u8) {
        let mut moved = Row::ZERO;
        next(V::load(remembered), byte).store(&mut moved);
        let entries = self.pairs.as_flattened_mut();
        let places = places.places.as_chunks::<TOGETHER>().0.iter().zip(places.checks.as_chunks::<TOGETHER>().0);
        let moved = moved.0.as_chunks::<TOGETHER>().0;
        for ((places, checks), moved) in places.zip(moved).take(contexts / TOGETHER) {
            for index in 0..TOGETHER {
                entries[places[index] as usize] = checks[index] | moved[index] as u32;
            }
        }
    }
}

impl Recalled {
    /// The byte that is remembered, if it has come all of many times.
    #[inline(always)]
    pub fn certain_byte(&self) -> Option<u8> {
        (self.remembered >> 8 == CERTAIN).then_some(self.remembered as u8)
    }
}

#[inline(always)]
fn sureness(entry: u32) -> u32 {
    entry >> 11 & SURE as u32
}

/// What is remembered after `byte` followed: below the sureness, 0 to [`SURE`], the last three outcomes, and the byte below those.
#[inline(always)]
fn next<V: Vector>(remembered: V, byte: u8) -> V {
    let (one, byte) = (V::splat(1), V::splat(byte.into()));
    let (sureness, symbol) = (remembered.shift_right::<11>(), remembered.and(V::splat(255)));
    let wrong = symbol.sub(byte).max(byte.sub(symbol)).min(one);
    let [if_right, if_wrong] = [sureness.add(one).min(V::splat(SURE)), sureness.shift_right::<1>().max(one)];
    let moved = if_right.add(if_wrong.sub(if_right).and(V::splat(0).sub(wrong)));
    // All are right where nothing has followed yet.
    let is_new = sureness.min(one).sub(one);
    let outcomes = remembered.shift_right::<8>().shift_left::<1>().or(one.sub(wrong)).or(is_new).and(V::splat(7));
    let keeps = V::splat(FIRM - 1).sub(sureness).shift_right::<31>();
    let symbol = byte.add(symbol.sub(byte).and(keeps));
    moved.shift_left::<11>().or(outcomes.shift_left::<8>()).or(symbol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::vector::Portable;

    /// What is remembered after `bytes` followed, as byte, sureness and outcomes.
    fn after(bytes: &[u8]) -> (u8, u32, u32) {
        let none = Portable::splat(0);
        let mut remembered = Row::ZERO;
        bytes.iter().fold(none, |remembered, &byte| next(remembered, byte)).store(&mut remembered);
        let remembered = remembered.0[0] as u32;
        (remembered as u8, sureness(remembered), remembered >> 8 & 7)
    }

    #[test]
    fn a_context_is_slow_to_give_up_a_byte_that_it_is_sure_of() {
        assert_eq!(after(b"a"), (b'a', 1, 7));
        assert_eq!(after(b"ab"), (b'b', 1, 6));
        assert_eq!(after(b"aaaaaaaab"), (b'a', 4, 6));
        assert_eq!(after(b"aaaaaaaabb"), (b'a', 2, 4));
        assert_eq!(after(b"aaaaaaaabbb"), (b'b', 1, 0));
        assert_eq!(after(&[b'a'; 100]), (b'a', SURE as u32, 7));
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_less_sure() {
        let mut memories = Memories::new(12);
        let mut places = Places::default();
        let mut code = |check: u64, byte: u8| {
            let mut remembered = Row::ZERO;
            memories.recall(&mut places, &mut remembered, &[check; TOGETHER]);
            memories.learn::<Portable>(&places, &remembered, TOGETHER, byte);
            (remembered.0[0] > 0).then_some(remembered.0[0] as u8)
        };
        assert_eq!([code(1, b'a'), code(1, b'a'), code(2, b'b'), code(1, b'a')], [None, Some(b'a'), None, Some(b'a')]);
        assert_eq!([code(3, b'c'), code(2, b'b'), code(1, b'a')], [None, None, Some(b'a')]);
    }
}
