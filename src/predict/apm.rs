//! Adaptive probabilities: single cells, and maps that correct a final probability in a small context (secondary
//! symbol estimation).

use super::logistic::{Logistic, STRETCH_MAX};
use super::slots::prefetch;

/// A probability of 32 bits that moves by 1/2^`rate` of its error, faster while it is new.
#[derive(Clone, Copy)]
pub struct Cell(u32);

/// The count of a cell that is no longer new.
const COUNT_MAX: u32 = 255;

/// The share of its error by which a cell of each count moves, in 1/65536.
const RATES: [u16; 256] = {
    let mut rates = [0; 256];
    let mut count = 0;
    while count < 256 {
        rates[count] = (65536 / (2 * count + 3) * 2) as u16;
        count += 1;
    }
    rates
};

impl Cell {
    /// A new cell of probability `probability`/65536.
    pub fn new(probability: u32) -> Self {
        Self(probability << 16)
    }

    /// 16 bits.
    #[inline(always)]
    pub fn probability(self) -> u32 {
        self.0 >> 16
    }

    /// Moves towards `bit` by 1/(count + 1.5), the count stopping at `limit` (at most 255). Its low 10 bits count.
    #[inline(always)]
    pub fn update(&mut self, bit: bool, limit: u32) {
        let count = self.0 & 1023;
        let probability = (self.0 >> 10) as i32;
        let target = if bit { (1 << 22) - 1 } else { 0 };
        let rate = i64::from(RATES[count as usize & 255]);
        let moved = probability + ((i64::from(target - probability) * rate) >> 16) as i32;
        self.0 = (moved as u32) << 10 | (count + 1).min(limit.min(COUNT_MAX));
    }
}

/// Columns of a map: the incoming log-odds at every octave from −16 to 16.
const COLUMNS: usize = 33;

/// For each context a curve from incoming to corrected probability, interpolated between its columns.
pub struct Apm {
    cells: Vec<Cell>,
}

impl Apm {
    /// Curves for `contexts` contexts, at first the identity.
    pub fn new(contexts: usize, logistic: &Logistic) -> Self {
        let curve: Vec<Cell> = (0..COLUMNS as i32)
            .map(|column| Cell::new(logistic.squash(((column - 16) * 256).clamp(-STRETCH_MAX, STRETCH_MAX))))
            .collect();
        Self { cells: curve.repeat(contexts) }
    }

    /// The probability in 1/65536 that `context`'s curve gives for the log-odds `octaves`, and the cell to learn from it, the one of
    /// the nearer column.
    #[inline(always)]
    pub fn refine(&self, context: usize, octaves: i32) -> (u32, usize) {
        let place = (octaves + 4096) as usize;
        let (column, weight) = (place >> 8, (place & 255) as u32);
        let base = context * COLUMNS + column;
        let between = self.cells[base].probability() * (256 - weight) + self.cells[base + 1].probability() * weight;
        (between >> 8, base + usize::from(weight >= 128))
    }

    /// Moves a cell towards `bit`.
    #[inline(always)]
    pub fn update(&mut self, cell: usize, bit: bool) {
        self.cells[cell].update(bit, COUNT_MAX);
    }
}

/// The two maps that have the last word on a decision.
pub struct FinalMaps([Apm; 2]);

impl FinalMaps {
    /// Maps of so many contexts.
    pub fn new(contexts: [usize; 2], logistic: &Logistic) -> Self {
        Self(contexts.map(|contexts| Apm::new(contexts, logistic)))
    }

    /// Asks the memory for the curves of these contexts.
    #[inline(always)]
    pub fn prefetch(&self, contexts: [usize; 2]) {
        for (map, context) in self.0.iter().zip(contexts) {
            let first = context * COLUMNS;
            for column in [0, COLUMNS / 2, COLUMNS - 1] {
                prefetch(&map.cells, first + column);
            }
        }
    }

    /// The final probability in 1/65536 for the log-odds `octaves`, in one context for each map. `cells` gets what
    /// [`Self::update`] is to learn.
    #[inline(always)]
    pub fn refine(&self, cells: &mut [usize; 2], contexts: [usize; 2], octaves: i32, logistic: &Logistic) -> u16 {
        let mut sum = 2 * logistic.squash(octaves) + 2;
        for ((map, cell), context) in self.0.iter().zip(cells).zip(contexts) {
            let (refined, nearer) = map.refine(context, octaves);
            sum += refined;
            *cell = nearer;
        }
        (sum >> 2).clamp(1, 65535) as u16
    }

    /// Moves the columns nearer to the last log-odds towards `bit`.
    #[inline(always)]
    pub fn update(&mut self, cells: &[usize; 2], bit: bool) {
        for (map, &cell) in self.0.iter_mut().zip(cells) {
            map.update(cell, bit);
        }
    }
}
