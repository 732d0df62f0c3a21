//! What became of slots that were in the same state: an indirect, adaptive probability for each.

use super::beginnings::Section;
#[cfg(feature = "reports")]
use super::beginnings::mean_odds;
use super::logistic::Logistic;
use super::slots::{self, COUNT_SHIFT, GROUPS, lasting_rates};
use super::vector::{Row, Vector, WIDTH};

/// States told apart: 8 classes of count, 16 of history, 32 of probability.
const STATES: usize = 8 * 16 * 32;
/// Classes of count up to 31; one more is for those above. The last entries are not looked up.
const COUNT_CLASSES: Row = Row([0, 1, 2, 3, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6]);

/// One map from state to probability per context. Its cells are written as slots are.
pub struct StateMaps {
    cells: Vec<i32>,
    groups: usize,
    rates: Row,
}

/// The cells of one lane's present bit, a row for each group of contexts: their states, and what they hold.
#[derive(Clone)]
pub struct StateCells {
    states: [Row; GROUPS],
    cells: [Row; GROUPS],
}

impl Default for StateCells {
    fn default() -> Self {
        Self { states: [Row::ZERO; GROUPS], cells: [Row::ZERO; GROUPS] }
    }
}

impl StateMaps {
    /// Maps for `groups` times sixteen contexts, which all begin with what the section of chances says.
    pub fn new(groups: usize, chances: &mut Section, logistic: &Logistic) -> Self {
        let plain = |state: u32| (state & 31) << 11 | 1 << 10;
        let map: Vec<i32> = (0..STATES as u32).map(|state| chances.slot(plain(state), logistic)).collect();
        Self { cells: map.repeat(groups * WIDTH), groups, rates: lasting_rates() }
    }

    /// What the maps have learned that others may begin with.
    #[cfg(feature = "reports")]
    pub fn learned(&self, logistic: &Logistic) -> Vec<Option<i32>> {
        let maps = self.cells.as_chunks::<STATES>().0;
        (0..STATES).map(|state| mean_odds(maps.iter().map(|map| slots::known(map[state])), logistic)).collect()
    }

    /// Writes the log-odds that each context's map gives for its slot.
    #[inline(always)]
    pub fn predict<'a, V: Vector>(
        &self,
        present: &mut StateCells,
        slots: impl Iterator<Item = &'a Row>,
        inputs: &mut [Row],
    ) {
        for (group, (slots, inputs)) in slots.zip(inputs).enumerate() {
            let (states, cells) = (&mut present.states[group], &mut present.cells[group]);
            let slots = V::load(slots);
            state(slots).store(states);
            for ((cell, &state), map) in cells.0.iter_mut().zip(&states.0).zip(self.maps(group)) {
                *cell = map[state as usize];
            }
            let known = slots.shift_right::<COUNT_SHIFT>().and(V::splat(63)).min(V::splat(1));
            slots::stretch(V::load(cells)).mul(known).store(inputs);
        }
    }

    /// Learns the bit that followed.
    #[inline(always)]
    pub fn update<V: Vector>(&mut self, present: &mut StateCells, bit: bool) {
        for group in 0..self.groups {
            let (states, cells) = (&present.states[group], &mut present.cells[group]);
            slots::learn(V::load(cells), bit, &self.rates).store(cells);
            let maps = self.cells.as_chunks_mut::<STATES>().0[group * WIDTH..].iter_mut();
            for ((map, &state), &cell) in maps.zip(&states.0).zip(&cells.0) {
                map[state as usize & (STATES - 1)] = cell;
            }
        }
    }

    /// The maps of a group's contexts.
    #[inline(always)]
    fn maps(&self, group: usize) -> impl Iterator<Item = &[i32; STATES]> {
        self.cells.as_chunks().0[group * WIDTH..].iter()
    }
}

/// The states of slots: the probability's top five bits, the history, the class of the count.
#[inline(always)]
fn state<V: Vector>(slots: V) -> V {
    let probability = slots.shift_right::<27>().add(V::splat(16));
    let count = slots.shift_right::<COUNT_SHIFT>().and(V::splat(63));
    let class = count.min(V::splat(10)).look_up(&COUNT_CLASSES).add(count.shift_right::<5>());
    class.shift_left::<4>().or(slots.and(V::splat(15))).shift_left::<5>().or(probability)
}
