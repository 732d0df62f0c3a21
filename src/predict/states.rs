//! What became of slots that were in the same state: an indirect, adaptive probability for each.

use super::beginnings::Section;
#[cfg(feature = "reports")]
use super::beginnings::mean_odds;
use super::logistic::Logistic;
use super::slots::{self, COUNT_SHIFT, GROUPS};
#[cfg(feature = "reports")]
use super::vector::TABLE;
use super::vector::{Row, Tables, Vector, WIDTH};

/// Classes of count up to 31; one more is for those above. The last entries are not looked up.
const COUNT_CLASSES: Row = Row([0, 1, 2, 3, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6]);

/// One map from state to probability per context. Its cells are written as slots are.
pub struct StateMaps {
    /// For each group of contexts.
    maps: Vec<Tables>,
}

/// The states of the present bit and the cells that they stand for, for each group of contexts.
pub type StateCells = [(Row, Row); GROUPS];

impl StateMaps {
    /// Maps for `groups` times sixteen contexts, which all begin with what the section of chances says.
    pub fn new(groups: usize, chances: &mut Section, logistic: &Logistic) -> Self {
        let plain = |state: u32| (state & 31) << 11 | 1 << 10;
        let map = std::array::from_fn(|state| chances.slot(plain(state as u32), logistic));
        Self { maps: vec![[map; WIDTH]; groups] }
    }

    /// What the maps have learned that others may begin with.
    #[cfg(feature = "reports")]
    pub fn learned(&self, logistic: &Logistic) -> Vec<Option<i32>> {
        let maps = self.maps.as_flattened();
        (0..TABLE).map(|state| mean_odds(maps.iter().map(|map| slots::known(map[state])), logistic)).collect()
    }

    /// Writes the log-odds that each context's map gives for its slot.
    #[inline(always)]
    pub fn predict<'a, V: Vector>(
        &self,
        present: &mut StateCells,
        slots: impl Iterator<Item = &'a Row>,
        inputs: &mut [Row],
    ) {
        for (((slots, inputs), tables), (states, cells)) in slots.zip(inputs).zip(&self.maps).zip(present) {
            let slots = V::load(slots);
            let state = state(slots);
            let cell = state.pick(tables);
            state.store(states);
            cell.store(cells);
            let known = slots.shift_right::<COUNT_SHIFT>().and(V::splat(63)).min(V::splat(1));
            slots::stretch(cell).mul(known).store(inputs);
        }
    }

    /// Learns the bit that followed.
    #[inline(always)]
    pub fn update<V: Vector>(&mut self, present: &mut StateCells, bit: bool) {
        for (tables, (states, cells)) in self.maps.iter_mut().zip(present) {
            slots::learn(V::load(cells), bit).put(tables, V::load(states));
        }
    }
}

/// The states of slots, [`TABLE`] of them: a class of the count of 8, the history of 16, the probability in 32 steps.
#[inline(always)]
fn state<V: Vector>(slots: V) -> V {
    let probability = slots.shift_right::<27>().add(V::splat(16));
    let count = slots.shift_right::<COUNT_SHIFT>().and(V::splat(63));
    let class = count.min(V::splat(10)).look_up(&COUNT_CLASSES).add(count.shift_right::<5>());
    class.shift_left::<4>().or(slots.and(V::splat(15))).shift_left::<5>().or(probability)
}
