//! Hashed context tables: for every context a line of adaptive bit probabilities.
//!
//! A line serves one context's next four bits: one word of check and fifteen slots, the nodes of the nibble's
//! binary tree. A slot is 22 bits of probability, less one half and signed, over 6 bits of count and 4 bits of history.

/// Words in a line: 64 bytes, one cache line.
const LINE: usize = 16;
/// Where the count starts within a slot.
const COUNT_SHIFT: u32 = 4;
/// Where the probability starts within a slot.
const PROBABILITY_SHIFT: u32 = 10;
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
        let words = vec![0u32; (contexts << bits) * LINE + LINE];
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
            let table = self.skip + ((context << self.bits) * LINE);
            let first = (hash >> (64 - self.bits)) as usize;
            // The lines of a byte's second nibble share the page of its first.
            let index = if nibble == 0 { first } else { first ^ ((nibble - 15) << 1) };
            let check = ((hash as u32).wrapping_add(nibble as u32 * 0x9E35)) & 0xFFFF;
            self.line[context] = self.choose(table, index, check);
        }
        self.node = 1;
    }

    /// The line that has `check`, of the two where it may be; or the one of them that knows less, cleared.
    #[inline(always)]
    fn choose(&mut self, table: usize, index: usize, check: u32) -> usize {
        let (first, second) = (table + index * LINE, table + (index ^ 1) * LINE);
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

    /// Gathers the slots of the coming bit and gives each one's probability, signed within ±[`HALF`], and count.
    #[inline(always)]
    pub fn gather(&mut self, mut take: impl FnMut(usize, i32, usize)) {
        for context in 0..self.contexts {
            let slot = self.words[self.line[context] + self.node];
            self.slot[context] = slot;
            take(context, slot as i32 >> PROBABILITY_SHIFT, (slot >> COUNT_SHIFT) as usize & 63);
        }
    }

    /// Moves the gathered slots towards `bit` and on to the nibble's next node.
    #[inline(always)]
    pub fn update(&mut self, bit: bool) {
        let target = if bit { HALF - 1 } else { -HALF };
        for context in 0..self.contexts {
            let slot = self.slot[context];
            let count = (slot >> COUNT_SHIFT) & 63;
            let probability = slot as i32 >> PROBABILITY_SHIFT;
            let moved = probability + (((target - probability) * self.rates[count as usize]) >> 8);
            let history = (slot << 1 | u32::from(bit)) & 15;
            self.words[self.line[context] + self.node] =
                (moved as u32) << PROBABILITY_SHIFT | (count + 1).min(63) << COUNT_SHIFT | history;
        }
        self.node = self.node * 2 + usize::from(bit);
    }
}
