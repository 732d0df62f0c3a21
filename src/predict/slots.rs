//! Hashed context tables: for every context a line of adaptive bit probabilities.
//!
//! A line serves one context's next four bits: one word of check and fifteen slots, the nodes of the nibble's
//! binary tree. A slot is 22 bits of probability, less one half and signed, over 6 bits of count and 4 bits of history.
//! For the four bits the lines of sixteen contexts are transposed, so that the slots of a node lie in one row.

use std::mem::MaybeUninit;

use super::logistic::STRETCH_MAX;
use super::vector::{HALF_WIDTH, Row, Vector, WIDTH};

/// Where the count starts within a slot.
pub const COUNT_SHIFT: u32 = 4;
/// Where the probability starts within a slot.
const PROBABILITY_SHIFT: u32 = 10;
/// The signed probability is within ±HALF.
const HALF: i32 = 1 << 21;
/// Groups of sixteen contexts at most.
pub const GROUPS: usize = 2;
/// The count from which on a line knows something.
const KNOWN: i32 = 4;
/// The share of the error by which a slot moves, in 1/256, by its class of count: itself up to 7, then 7 + count / 8. From 32 on
/// a count goes on with one bit in eight.
const RATES: Row = Row([170, 102, 73, 56, 46, 39, 34, 30, 20, 12, 8, 4, 3, 2, 1, 0]);
/// Contexts at most.
pub const CONTEXTS: usize = GROUPS * WIDTH;

/// One table for all contexts.
pub struct Slots {
    /// A power of two of lines, then one spare line for each context.
    lines: Vec<Row>,
    /// 64 less the base-2 logarithm of the lines but the spare ones.
    shift: u32,
    contexts: usize,
    /// How often newcomers met lines that both know something.
    contested: u32,
    /// Room for the lines that are being closed.
    closing: [Row; WIDTH],
}

/// The lines of the present nibble.
#[derive(Clone)]
pub struct Nibble {
    /// Their places in each group's tables, and their contents, transposed.
    places: [[usize; WIDTH]; GROUPS],
    rows: [[Row; WIDTH]; GROUPS],
    node: usize,
}

impl Default for Nibble {
    fn default() -> Self {
        Self { places: [[0; WIDTH]; GROUPS], rows: [[Row::ZERO; WIDTH]; GROUPS], node: 1 }
    }
}

impl Slots {
    /// 2^`bits` lines for so many contexts.
    pub fn new(contexts: usize, bits: u32) -> Self {
        debug_assert!(contexts <= CONTEXTS && bits >= 12);
        Self {
            lines: zeroed((1 << bits) + contexts, Row::ZERO),
            shift: 64 - bits,
            contexts,
            contested: 0,
            closing: [Row::ZERO; WIDTH],
        }
    }

    /// Finds the lines for a coming nibble: a byte's first (`salt` 0), or its second after the partial byte
    /// `salt` (16..32). `hashes` are the contexts'.
    #[inline(always)]
    pub fn find_all(&mut self, nibble: &mut Nibble, hashes: &[u64; CONTEXTS], salt: usize) {
        for (context, &hash) in hashes.iter().enumerate().take(self.contexts) {
            let line = self.index(hash) ^ salt;
            let check = (hash as u32).wrapping_add(salt as u32 * 0x9E35) & 0xFFFF;
            nibble.places[context / WIDTH][context % WIDTH] = self.find(line, check, context);
        }
    }

    /// Opens the lines that were found.
    #[inline(always)]
    pub fn open<V: Vector>(&self, nibble: &mut Nibble) {
        nibble.node = 1;
        if self.contexts == HALF_WIDTH {
            let mut lines = [&Row::ZERO; HALF_WIDTH];
            for (line, &place) in lines.iter_mut().zip(&nibble.places[0]) {
                *line = &self.lines[place];
            }
            return V::transpose_half(lines, &mut nibble.rows[0]);
        }
        let places = nibble.places.as_flattened()[..self.contexts].chunks(WIDTH);
        for (places, rows) in places.zip(&mut nibble.rows) {
            let mut lines = [&Row::ZERO; WIDTH];
            for (line, &place) in lines.iter_mut().zip(places) {
                *line = &self.lines[place];
            }
            V::transpose(lines, rows);
        }
    }

    /// Writes the lines back to their tables. Where two contexts have opened a line, the last to close it decides.
    #[inline(always)]
    pub fn close<V: Vector>(&mut self, nibble: &Nibble) {
        if self.contexts == HALF_WIDTH {
            let lines = self.closing.first_chunk_mut().expect("as many lines");
            V::transpose_back(&nibble.rows[0], lines);
            for (&place, line) in nibble.places[0].iter().zip(lines) {
                V::load(line).store(&mut self.lines[place]);
            }
            return;
        }
        let places = nibble.places.as_flattened()[..self.contexts].chunks(WIDTH);
        for (rows, places) in nibble.rows.iter().zip(places) {
            V::transpose(rows.each_ref(), &mut self.closing);
            for (&place, line) in places.iter().zip(&self.closing) {
                V::load(line).store(&mut self.lines[place]);
            }
        }
    }

    /// Moves the slots towards `bit` and on to the nibble's next node.
    #[inline(always)]
    pub fn update<V: Vector>(&self, nibble: &mut Nibble, bit: bool) {
        for rows in &mut nibble.rows[..self.contexts.div_ceil(WIDTH)] {
            let slots = &mut rows[nibble.node];
            learn(V::load(slots), bit).store(slots);
        }
        nibble.node = nibble.node * 2 + usize::from(bit);
    }

    /// The line that has `check`: the one at `line`, or its neighbour. If neither has, the one of them that knows less,
    /// cleared; or the context's spare line.
    #[inline(always)]
    fn find(&mut self, line: usize, check: u32, context: usize) -> usize {
        if self.has(line, check) {
            line
        } else if self.has(line ^ 1, check) {
            line ^ 1
        } else {
            self.replace(line, check, context)
        }
    }

    #[inline(always)]
    fn has(&self, line: usize, check: u32) -> bool {
        self.lines[line].0[0] as u32 == check
    }

    #[inline(never)]
    fn replace(&mut self, line: usize, check: u32, context: usize) -> usize {
        let known = |line: usize| (self.lines[line].0[1] >> COUNT_SHIFT) & 63;
        let mut line = if known(line ^ 1) < known(line) { line ^ 1 } else { line };
        if known(line) >= KNOWN {
            // Most newcomers never come again: only every eighth gets the line of one that has come often.
            self.contested = self.contested.wrapping_add(1);
            if !self.contested.is_multiple_of(8) {
                line = self.lines.len() - self.contexts + context;
            }
        }
        self.lines[line] = Row::ZERO;
        self.lines[line].0[0] = check as i32;
        line
    }

    /// Asks the memory for the lines that [`Self::find_all`] will want.
    #[inline(always)]
    pub fn prefetch(&self, hashes: &[u64; CONTEXTS], salt: usize) {
        prefetch_all(&self.lines, &hashes[..self.contexts], |hash| self.index(hash) ^ salt);
    }

    #[inline(always)]
    fn index(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }
}

impl Nibble {
    /// Writes the inputs of the coming bit: each slot's log-odds, one row for each of so many groups as `inputs` has rows.
    #[inline(always)]
    pub fn read<V: Vector>(&self, inputs: &mut [Row]) {
        for (rows, input) in self.rows.iter().zip(inputs) {
            stretch(V::load(&rows[self.node])).store(input);
        }
    }

    /// How often the coming bit's slots of some contexts of the first group have been seen, two bits each: never, up to 3 times, up to
    /// 24, or more often.
    #[inline(always)]
    pub fn counts<const COUNT: usize>(&self, contexts: [usize; COUNT]) -> usize {
        let slots = &self.rows[0][self.node].0;
        contexts.into_iter().fold(0, |counts, context| {
            let count = slots[context] >> COUNT_SHIFT & 63;
            let class = usize::from(count > 0) + usize::from(count > 3) + usize::from(count > 24);
            counts << 2 | class
        })
    }

    /// The slots of the coming bit, a row for each group.
    #[inline(always)]
    pub fn slots(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().map(|rows| &rows[self.node])
    }
}

/// A slot of the probability `one`/65536 and a count.
pub fn slot(one: u32, count: i32) -> i32 {
    (((one << 6) as i32) - HALF) << PROBABILITY_SHIFT | count << COUNT_SHIFT
}

/// The probability of `slot`, in 1/65536, and its count.
#[cfg(feature = "reports")]
pub fn known(slot: i32) -> (u32, u32) {
    (((slot >> PROBABILITY_SHIFT) + HALF) as u32 >> 6, slot as u32 >> COUNT_SHIFT & 63)
}

/// The log-odds of slots' probabilities, in 1/256 octave.
#[inline(always)]
pub fn stretch<V: Vector>(slots: V) -> V {
    // The odds are those of odd numbers in 1..2^23. A parabola takes up what the chord misses of the logarithm.
    let double = slots.shift_right::<PROBABILITY_SHIFT>().add(V::splat(HALF)).shift_left::<1>();
    let (ones, zeros) = (double.or(V::splat(1)), V::splat((1 << 23) - 1).sub(double));
    let (ones, zeros) = (ones.chord_log2(), zeros.chord_log2());
    let missed = parabola(ones).sub(parabola(zeros)).shift_right::<12>().mul(V::splat(11));
    let octaves = ones.sub(zeros).add(missed).shift_right::<15>();
    octaves.min(V::splat(STRETCH_MAX)).max(V::splat(-STRETCH_MAX))
}

/// x·(1 − x) in 1/2^30, x being the part of `chord` below whole octaves.
#[inline(always)]
fn parabola<V: Vector>(chord: V) -> V {
    let fraction = chord.shift_right::<8>().and(V::splat(0x7FFF));
    fraction.mul(V::splat(0x8000).sub(fraction))
}

/// Slots after `bit` was seen there: the probability moves by the share of its error that the count's class has.
#[inline(always)]
pub fn learn<V: Vector>(slots: V, bit: bool) -> V {
    let (one, target) = (V::splat(1), V::splat(if bit { HALF - 1 } else { -HALF }));
    let count = slots.shift_right::<{ COUNT_SHIFT }>().and(V::splat(63));
    let class = count.min(count.shift_right::<3>().add(V::splat(7)));
    let probability = slots.shift_right::<PROBABILITY_SHIFT>();
    let step = target.sub(probability).mul(class.look_up(&RATES)).add(V::splat(128)).shift_right::<8>();
    let moved = probability.add(step);
    // What the lowest bits of the probability are is as good as chance.
    let is_slow = V::splat(0).sub(count.shift_right::<5>());
    let counts = one.sub(moved.and(V::splat(7)).and(is_slow).min(one));
    let counted = count.add(counts).min(V::splat(63)).shift_left::<COUNT_SHIFT>();
    let history = slots.shift_left::<1>().or(V::splat(i32::from(bit))).and(V::splat(15));
    moved.shift_left::<PROBABILITY_SHIFT>().or(counted).or(history)
}

/// A table of `length` zeros, on large pages where the system offers them: what a byte needs lies all over the tables.
pub fn zeroed<T: Copy>(length: usize, zero: T) -> Vec<T> {
    let mut table = Vec::with_capacity(length);
    advise_large_pages(table.spare_capacity_mut());
    table.resize(length, zero);
    table
}

/// Asks for large pages, before the room is touched for the first time.
fn advise_large_pages<T>(room: &mut [MaybeUninit<T>]) {
    #[cfg(target_os = "linux")]
    if size_of_val(room) >= LARGE_PAGE * 2 {
        let start = room.as_mut_ptr().cast::<u8>();
        let skip = start.align_offset(LARGE_PAGE);
        let whole = (size_of_val(room) - skip) / LARGE_PAGE * LARGE_PAGE;
        // SAFETY: the range is whole pages within the room; the advice changes no contents. Refusal is harmless.
        let _ = unsafe { rustix::mm::madvise(start.add(skip).cast(), whole, rustix::mm::Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = room;
}

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const LARGE_PAGE: usize = 2 << 20;

/// Asks for the cache line of `values[place]`.
#[inline(always)]
pub fn prefetch<T>(values: &[T], place: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch touches nothing, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_add(place).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, place);
}

/// Asks for the cache lines of `values` at the places of all `hashes`, of which there are mostly a multiple of eight.
#[inline(always)]
pub fn prefetch_all<T>(values: &[T], hashes: &[u64], place: impl Fn(u64) -> usize) {
    let (eights, others) = hashes.as_chunks::<8>();
    for eight in eights {
        for &hash in eight {
            prefetch(values, place(hash));
        }
    }
    for &hash in others {
        prefetch(values, place(hash));
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::Portable;
    use super::*;

    #[test]
    fn a_slot_comes_to_know_a_chance_to_a_few_thousandths() {
        let (mut row, mut number) = (Row::ZERO, 0u32);
        let mut learn_one_in_eight = |bits: u32| {
            for _ in 0..bits {
                number += 1;
                learn(Portable::load(&row), number.wrapping_mul(0x9E37_79B9) >> 29 == 0).store(&mut row);
            }
            (row.0[0] >> PROBABILITY_SHIFT) + HALF
        };
        learn_one_in_eight(2000);
        let seen: Vec<i32> = (0..50).map(|_| learn_one_in_eight(7)).collect();
        assert!(seen.iter().all(|seen| (seen - HALF / 4).abs() < HALF / 100), "{seen:?} of {HALF}");
    }

    #[test]
    fn from_32_on_a_count_stands_for_eight_bits() {
        let mut row = Row::ZERO;
        let mut count_after = |bits: u32| {
            (0..bits).for_each(|bit| learn(Portable::load(&row), bit % 3 == 0).store(&mut row));
            row.0[0] >> COUNT_SHIFT & 63
        };
        assert_eq!([count_after(31), count_after(1)], [31, 32]);
        assert!((36..45).contains(&count_after(64)));
        assert_eq!(count_after(1000), 63);
    }

    #[test]
    fn counts_are_told_in_two_bits_each() {
        let mut nibble = Nibble::default();
        for (context, count) in [1, 4, 25].into_iter().enumerate() {
            nibble.rows[0][1].0[context] = count << COUNT_SHIFT;
        }
        assert_eq!(nibble.counts([2, 0, 5, 1]), 0b11_01_00_10);
    }

    #[test]
    fn newcomers_leave_lines_that_know_something_to_their_owners_seven_times_of_eight() {
        let mut slots = Slots::new(16, 14);
        for (line, check) in [(6, 1), (7, 2)] {
            assert_eq!(slots.find(line, check, 0), line);
            slots.lines[line].0[1] = 10 << COUNT_SHIFT;
        }
        let spare = (1 << 14) + 5;
        let found: Vec<usize> = (3..11).map(|check| slots.find(6, check, 5)).collect();
        assert_eq!(found, [spare, spare, spare, spare, spare, spare, spare, 6]);
        assert_eq!((slots.find(7, 2, 0), slots.find(6, 10, 0)), (7, 6));
    }
}
