//! Hashed context tables: for every context a line of adaptive bit probabilities.
//!
//! A line serves one context's next four bits: one word of check and fifteen slots, the nodes of the nibble's
//! binary tree. A slot is 22 bits of probability, less one half and signed, over 6 bits of count and 4 bits of history.

use super::kernels::Kernel;
use super::logistic::Logistic;

/// Words in a line: 64 bytes, one cache line.
const LINE: usize = 16;
/// Where the count starts within a slot.
pub const COUNT_SHIFT: u32 = 4;
/// Where the probability starts within a slot.
pub const PROBABILITY_SHIFT: u32 = 10;
/// The signed probability is within ±HALF.
pub const HALF: i32 = 1 << 21;
/// Contexts at most.
pub const CONTEXTS: usize = 32;

/// One table per context.
pub struct Slots {
    words: Vec<u32>,
    /// Words to skip so that lines lie on cache lines.
    skip: usize,
    /// Base-2 logarithm of a context's lines.
    bits: u32,
    contexts: usize,
    /// The first word of each context's present line.
    line: [usize; CONTEXTS],
    /// The present slots, as they were before the bit.
    slot: [u32; CONTEXTS],
    node: usize,
    rates: Rates,
}

/// The share of the error by which a slot of each count moves, in 1/256.
type Rates = [i32; 64];

impl Slots {
    /// `contexts` tables of 2^`bits` lines each. A slot's count stops at `limit`.
    pub fn new(contexts: usize, bits: u32, limit: usize) -> Self {
        debug_assert!(contexts <= CONTEXTS && bits >= 7);
        let words = zeroed((contexts << bits) * LINE + LINE);
        let skip = words.as_ptr().align_offset(64).min(LINE);
        Self {
            words,
            skip,
            bits,
            contexts,
            line: [0; CONTEXTS],
            slot: [0; CONTEXTS],
            node: 1,
            rates: std::array::from_fn(|count| 512 / (2 * count.min(limit) as i32 + 3)),
        }
    }

    /// Finds the lines for the coming nibble: the byte's first (`nibble` 0), or its second after the partial byte
    /// `nibble` (16..32). `hashes` are the contexts'.
    #[inline(always)]
    pub fn find(&mut self, hashes: &[u64; CONTEXTS], nibble: usize) {
        for (context, &hash) in hashes.iter().enumerate().take(self.contexts) {
            let table = self.table(context);
            let index = self.index(hash) ^ nibble;
            let check = ((hash as u32).wrapping_add(nibble as u32 * 0x9E35)) & 0xFFFF;
            self.line[context] = self.choose(table, index, check);
        }
        self.node = 1;
    }

    /// Asks the memory for the lines that [`Self::find`] will want for the first nibble.
    #[inline(always)]
    pub fn prefetch(&self, hashes: &[u64; CONTEXTS]) {
        for (context, &hash) in hashes.iter().enumerate().take(self.contexts) {
            prefetch(&self.words, self.table(context) + self.index(hash) * LINE);
        }
    }

    /// The same for the second nibble, when three of the byte's bits are known: `partial` is 8..16.
    #[inline(always)]
    pub fn prefetch_second(&self, hashes: &[u64; CONTEXTS], partial: usize) {
        for (context, &hash) in hashes.iter().enumerate().take(self.contexts) {
            let index = self.index(hash) ^ (partial * 2);
            prefetch(&self.words, self.table(context) + index * LINE);
            prefetch(&self.words, self.table(context) + (index ^ 1) * LINE);
        }
    }

    #[inline(always)]
    fn table(&self, context: usize) -> usize {
        self.skip + ((context << self.bits) * LINE)
    }

    #[inline(always)]
    fn index(&self, hash: u64) -> usize {
        (hash >> (64 - self.bits)) as usize
    }

    /// The line that has `check`, of the two where it may be; or the one of them that knows less, cleared.
    #[inline(always)]
    fn choose(&mut self, table: usize, index: usize, check: u32) -> usize {
        let (first, second) = (table + index * LINE, table + (index ^ 32) * LINE);
        if self.words[first] == check {
            return first;
        }
        if self.words[second] == check {
            return second;
        }
        let known = |line: usize| (self.words[line + 1] >> COUNT_SHIFT) & 63;
        let line = if known(second) < known(first) { second } else { first };
        self.words[line..line + LINE].fill(0);
        self.words[line] = check;
        line
    }

    /// Gathers the slots of the coming bit, one of each context.
    #[inline(always)]
    pub fn gather(&mut self) {
        for (slot, line) in self.slot.iter_mut().zip(&self.line).take(self.contexts) {
            *slot = self.words[line + self.node];
        }
        self.slot[self.contexts..self.contexts.next_multiple_of(8)].fill(0);
    }

    /// Writes the gathered slots' inputs: the log-odds of all, then the distances from one half of all, each padded with zeros
    /// to a multiple of 8.
    #[inline(always)]
    pub fn read<K: Kernel>(&self, inputs: &mut [i32], logistic: &Logistic) {
        let (octaves, distances) = inputs.split_at_mut(inputs.len() / 2);
        let (octaves, distances) = (octaves.as_chunks_mut().0, distances.as_chunks_mut().0);
        for ((slots, octaves), distances) in self.slot.as_chunks().0.iter().zip(octaves).zip(distances) {
            K::read(slots, logistic, octaves, distances);
        }
    }

    /// The gathered slots.
    #[inline(always)]
    pub fn present(&self) -> &[u32] {
        &self.slot[..self.contexts]
    }

    /// Moves the gathered slots towards `bit` and on to the nibble's next node.
    #[inline(always)]
    pub fn update<K: Kernel>(&mut self, bit: bool) {
        for slots in &mut self.slot.as_chunks_mut::<8>().0[..self.contexts.div_ceil(8)] {
            K::learn(slots, bit, &self.rates);
        }
        for (slot, line) in self.slot.iter().zip(&self.line).take(self.contexts) {
            self.words[line + self.node] = *slot;
        }
        self.node = self.node * 2 + usize::from(bit);
    }
}

/// `length` zeros, on large pages where the system offers them: the lines of a byte lie all over the tables.
fn zeroed(length: usize) -> Vec<u32> {
    #[allow(unused_mut)]
    let mut words = vec![0u32; length];
    #[cfg(target_os = "linux")]
    if length * 4 >= LARGE_PAGE * 8 {
        let start = words.as_mut_ptr().cast::<u8>();
        let skip = start.align_offset(LARGE_PAGE);
        let whole = (length * 4 - skip) / LARGE_PAGE * LARGE_PAGE;
        // SAFETY: the range is whole pages within the allocation; the advice changes no contents. Refusal is harmless.
        let _ = unsafe { rustix::mm::madvise(start.add(skip).cast(), whole, rustix::mm::Advice::LinuxHugepage) };
    }
    words
}

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const LARGE_PAGE: usize = 2 << 20;

/// Asks for the cache line of `words[place]`.
#[inline(always)]
fn prefetch(words: &[u32], place: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch touches nothing, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(words.as_ptr().wrapping_add(place).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (words, place);
}

/// `slot` after `bit` was seen there: the probability moves by `rates[count]`/256 of its error.
#[inline(always)]
pub fn learn_slot(slot: u32, bit: bool, rates: &[i32; 64]) -> u32 {
    let target = if bit { HALF - 1 } else { -HALF };
    let count = (slot >> COUNT_SHIFT) & 63;
    let probability = slot as i32 >> PROBABILITY_SHIFT;
    let moved = probability + (((target - probability) * rates[count as usize]) >> 8);
    let history = (slot << 1 | u32::from(bit)) & 15;
    (moved as u32) << PROBABILITY_SHIFT | (count + 1).min(63) << COUNT_SHIFT | history
}
