//! What became of slots that were in the same state: an indirect, adaptive probability for each.

use super::apm::Cell;
use super::logistic::Logistic;
use super::slots::{CONTEXTS, COUNT_SHIFT};
use super::vector::{Row, WIDTH};

/// States told apart: 8 classes of count, 16 of history, 32 of probability.
const STATES: usize = 8 * 16 * 32;

/// One map from state to probability per context.
pub struct StateMaps {
    cells: Vec<Cell>,
    contexts: usize,
}

impl StateMaps {
    /// Maps for `groups` times sixteen contexts.
    pub fn new(groups: usize) -> Self {
        let contexts = groups * WIDTH;
        let cells = (0..STATES * contexts).map(|index| Cell::new((index as u32 & 31) << 11 | 1 << 10)).collect();
        Self { cells, contexts }
    }

    /// Writes the log-odds that each context's map gives for its slot, and the cells' places into `present`.
    #[inline(always)]
    pub fn predict<'a>(
        &self,
        present: &mut [usize; CONTEXTS],
        slots: impl Iterator<Item = &'a Row>,
        inputs: &mut [Row],
        logistic: &Logistic,
    ) {
        for (group, (slots, inputs)) in slots.zip(inputs).enumerate() {
            for index in 0..WIDTH {
                let (context, slot) = (group * WIDTH + index, slots.0[index] as u32);
                let cell = context * STATES + state(slot);
                present[context] = cell;
                let known = slot >> COUNT_SHIFT & 63 > 0;
                inputs.0[index] = if known { logistic.stretch(self.cells[cell].probability()) } else { 0 };
            }
        }
    }

    /// Learns the bit that followed.
    #[inline(always)]
    pub fn update(&mut self, present: &[usize; CONTEXTS], bit: bool) {
        for &cell in &present[..self.contexts] {
            self.cells[cell].update(bit, 255);
        }
    }
}

/// The state of a slot: its probability's top five bits, its history, the class of its count.
#[inline(always)]
fn state(slot: u32) -> usize {
    let probability = (slot >> 27) ^ 16;
    let count = slot >> COUNT_SHIFT & 63;
    let class = match count {
        0..=3 => count,
        4..=5 => 4,
        6..=9 => 5,
        10..=31 => 6,
        _ => 7,
    };
    ((class << 4 | slot & 15) << 5 | probability) as usize
}
