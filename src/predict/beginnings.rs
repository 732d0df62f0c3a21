//! What the adaptive state begins with: what it came to be on other files. `cargo bench --bench beginnings` makes the table.

use super::Effort;
use super::experts::Experts;
use super::logistic::Logistic;
use super::mixer::{Beginning, ONE};
use super::slots;
use super::vector::Row;

/// Sections one after the other, each after its length in bytes, of 32 bits, little-endian: for text, for records and for rows what
/// the mixers of each effort begin with, then what voices and states do.
#[derive(Clone, Copy)]
pub struct Beginnings(&'static [u8]);

/// Reads a section. Past its end everything is plain.
pub struct Section(&'static [u8]);

/// Sections of each kind of experts.
const SECTIONS: usize = 5;
/// Binary places that weights lose in the table.
const WEIGHT_SHIFT: u32 = 4;
/// What the counts of slots begin with.
const SEEN: i32 = 14;
/// Steps of log-odds in the table, in 1/256 octave.
const ODDS_STEP: i32 = 32;

impl Beginnings {
    /// The table that the format knows.
    pub const OURS: Self = Self(include_bytes!("beginnings.bin"));
    /// One that knows nothing.
    #[cfg(feature = "reports")]
    pub const PLAIN: Self = Self(&[]);

    /// What the mixers of `experts` begin with.
    pub fn mixers(self, experts: Experts, effort: Effort) -> Section {
        self.section(experts as usize * SECTIONS + effort as usize)
    }

    /// What the voices and states of `experts` begin with.
    pub fn chances(self, experts: Experts) -> Section {
        self.section(experts as usize * SECTIONS + SECTIONS - 1)
    }

    fn section(self, number: usize) -> Section {
        let mut rest = self.0;
        for place in 0.. {
            let Some((length, after)) = rest.split_first_chunk() else { break };
            let (section, others) = after.split_at(u32::from_le_bytes(*length) as usize);
            if place == number {
                return Section(section);
            }
            rest = others;
        }
        Section(&[])
    }
}

impl Section {
    /// The next mixers, so many and of so many rows.
    #[inline(never)]
    pub fn mixers(&mut self, mixers: usize, rows: usize) -> Beginning {
        let weights = (0..mixers * rows).map(|_| Row(std::array::from_fn(|_| self.weight(ONE / 8)))).collect();
        Beginning { rows, weights, last: (0..mixers).map(|_| self.weight(ONE / mixers as i32)).collect() }
    }

    /// The next probability in 1/65536, or a `plain` one.
    #[inline(never)]
    pub fn chance(&mut self, plain: u32, logistic: &Logistic) -> u32 {
        let Some((odds, rest)) = self.0.split_first() else { return plain };
        self.0 = rest;
        logistic.squash(i32::from(*odds as i8) * ODDS_STEP)
    }

    /// The next probability, as a slot that has seen some bits; or a new one of a `plain` probability.
    #[inline(never)]
    pub fn slot(&mut self, plain: u32, logistic: &Logistic) -> i32 {
        let count = if self.0.is_empty() { 0 } else { SEEN };
        slots::slot(self.chance(plain, logistic), count)
    }

    #[inline(never)]
    fn weight(&mut self, plain: i32) -> i32 {
        let Some((weight, rest)) = self.0.split_first_chunk() else { return plain };
        self.0 = rest;
        i32::from(i16::from_le_bytes(*weight)) << WEIGHT_SHIFT
    }
}

/// What a file has taught, in units of the table; `None` is what did not occur in it.
#[cfg(feature = "reports")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The mixers' weights.
    pub weights: Vec<Option<i32>>,
    /// The log-odds of states.
    pub states: Vec<Option<i32>>,
    /// Those of voices that say bytes.
    pub bytes: Vec<Option<i32>>,
    /// Those of voices that say upper halves.
    pub halves: Vec<Option<i32>>,
}

/// Adds the weights of `learned` in the order in which a section has them.
#[cfg(feature = "reports")]
pub fn add_weights(weights: &mut Vec<Option<i32>>, learned: &Beginning) {
    let numbers = learned.weights.iter().flat_map(|row| row.0).chain(learned.last.iter().copied());
    weights.extend(numbers.map(|weight| Some(weight >> WEIGHT_SHIFT)));
}

/// The mean of some chances in 1/65536, each with its weight, as log-odds.
#[cfg(feature = "reports")]
pub fn mean_odds(chances: impl Iterator<Item = (u32, u32)>, logistic: &Logistic) -> Option<i32> {
    let (sum, all) = chances.fold((0, 0), |(sum, all), (chance, weight)| {
        (sum + u64::from(chance) * u64::from(weight), all + u64::from(weight))
    });
    Some(logistic.stretch(sum.checked_div(all)? as u32) / ODDS_STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::model::Model;

    #[test]
    fn the_table_has_every_section_and_nothing_else() {
        let sections: Vec<usize> = (0..=3 * SECTIONS).map(|number| Beginnings::OURS.section(number).0.len()).collect();
        assert!(sections[..3 * SECTIONS].iter().all(|&length| length > 0), "{sections:?}");
        assert_eq!(sections.iter().sum::<usize>() + 3 * SECTIONS * 4, Beginnings::OURS.0.len());
    }

    #[test]
    fn the_chapter_tells_the_table_that_the_format_knows() {
        let crc = format!("CRC-32 is {:08x}", crc32fast::hash(Beginnings::OURS.0));
        assert!(include_str!("FORMAT.md").contains(&crc), "{crc}");
    }

    #[test]
    fn models_read_their_sections_to_the_end() {
        for experts in [Experts::Text, Experts::Records, Experts::Rows] {
            for effort in [Effort::Fast, Effort::Quick, Effort::Normal, Effort::Full] {
                let mut sections = (Beginnings::OURS.mixers(experts, effort), Beginnings::OURS.chances(experts));
                Model::beginning_with(&mut sections, experts, effort, 14);
                let has_halves = effort == Effort::Fast || experts == Experts::Rows && effort != Effort::Full;
                assert!(sections.0.0.is_empty() && (sections.1.0.is_empty() || !has_halves), "{experts:?} {effort:?}");
            }
        }
    }
}
