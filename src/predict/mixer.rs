//! Logistic mixing in two layers: weighted sums of log-odds with weights that learn from every bit (Mahoney, "Adaptive
//! Weighing of Context Models for Lossless Data Compression", 2005).

use super::logistic::{Logistic, STRETCH_MAX};
use super::slots::prefetch;
use super::vector::{Row, Vector, WIDTH};

/// Mixers of the first layer that are summed at once, whose weight sets are selected each in its own way.
pub const SELECTORS: usize = 4;
/// Such fours at most.
pub const FOURS: usize = 2;
/// Something for each mixer of a four.
pub type Four<T> = [T; SELECTORS];
/// Weight of one, in the weights' unit.
pub const ONE: i32 = 1 << 16;
/// Bound of a weight: just under 8.
const WEIGHT_MAX: i32 = 8 * ONE - 1;
/// Where the rates of the first layer's sets and of the last one's begin.
const FIRST_RATE: i32 = 2200;
const FIRST_LAST_RATE: i32 = 1200;

/// With inputs within ±4095 no smaller error would move a weight.
const ERROR_LEAST: i32 = 9;

/// The first layer mixes all inputs, once for each selector; the last one mixes what those gave.
pub struct Mixers {
    /// Rows of inputs.
    rows: usize,
    /// The first layer's sets, `rows` each.
    weights: Vec<Row>,
    rates: Vec<Rate>,
    /// The first set of each selector.
    starts: Vec<Four<usize>>,
    last_weights: Vec<[Four<i32>; FOURS]>,
    last_rates: Vec<Rate>,
    /// Where rates settle in the long run, in 1/1024.
    settled: i32,
}

/// What mixers begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Rows of inputs.
    pub rows: usize,
    /// The first layer's weights, `rows` for each mixer.
    pub weights: Vec<Row>,
    /// The last layer's, one for each mixer.
    pub last: Vec<i32>,
}

impl Beginning {
    /// The same `weights` for each of so many mixers, and the mean of what these give.
    pub fn alike(weights: &[Row], mixers: usize) -> Self {
        Self { rows: weights.len(), weights: weights.repeat(mixers), last: vec![ONE / mixers as i32; mixers] }
    }
}

/// The weight sets of the present bit, and what they gave, in 1/256 octave.
#[derive(Clone, Default)]
pub struct Selection {
    sets: [Four<usize>; FOURS],
    /// The first rows of their weights.
    places: [Four<usize>; FOURS],
    outputs: [Four<i32>; FOURS],
    last_set: usize,
    last_output: i32,
}

impl Mixers {
    /// Mixers that start with `beginning`, as many sets of weights for each selector as `sizes` says, and with `last_sets` sets
    /// in the last layer, whose rates settle at `settled`/1024 where they are not below that.
    pub fn new(beginning: &Beginning, sizes: &[Four<usize>], last_sets: usize, settled: i32) -> Self {
        let mut sets = 0;
        let mut starts = vec![[0; SELECTORS]; sizes.len()];
        for (start, size) in starts.as_flattened_mut().iter_mut().zip(sizes.as_flattened()) {
            *start = sets;
            sets += size;
        }
        let mut weights = Vec::with_capacity(sets * beginning.rows);
        for (first, &size) in beginning.weights.chunks(beginning.rows).zip(sizes.as_flattened()) {
            (0..size).for_each(|_| weights.extend_from_slice(first));
        }
        let mut last_weights = [[0; SELECTORS]; FOURS];
        last_weights.as_flattened_mut()[..beginning.last.len()].copy_from_slice(&beginning.last);
        Self {
            rows: beginning.rows,
            weights,
            rates: vec![Rate::new(FIRST_RATE, 300); sets],
            last_weights: vec![last_weights; last_sets],
            last_rates: vec![Rate::new(FIRST_LAST_RATE, 200); last_sets],
            starts,
            settled,
        }
    }

    /// The weights that mixers like these may begin with: the mean of the sets, each by how far its rate has fallen.
    #[cfg(feature = "reports")]
    pub fn learned(&self) -> Beginning {
        let used = |rate: &Rate, first: i32| i64::from(((first << RATE_SHIFT) - rate.now) >> RATE_SHIFT);
        let mean = |sum: i64, weight: i64| if weight == 0 { 0 } else { (sum / weight) as i32 };
        let starts = self.starts.as_flattened();
        let mut weights = Vec::new();
        for (mixer, &start) in starts.iter().enumerate() {
            let end = starts.get(mixer + 1).copied().unwrap_or(self.rates.len());
            let all: i64 = self.rates[start..end].iter().map(|rate| used(rate, FIRST_RATE)).sum();
            weights.extend((0..self.rows).map(|row| {
                Row(std::array::from_fn(|place| {
                    let weighted = |set: usize| {
                        used(&self.rates[set], FIRST_RATE) * i64::from(self.weights[set * self.rows + row].0[place])
                    };
                    mean((start..end).map(weighted).sum(), all)
                }))
            }));
        }
        let all: i64 = self.last_rates.iter().map(|rate| used(rate, FIRST_LAST_RATE)).sum();
        let last = (0..starts.len()).map(|mixer| {
            let sets = self.last_weights.iter().zip(&self.last_rates);
            mean(sets.map(|(set, rate)| used(rate, FIRST_LAST_RATE) * i64::from(set.as_flattened()[mixer])).sum(), all)
        });
        Beginning { rows: self.rows, weights, last: last.collect() }
    }

    /// Fours of mixers in the first layer.
    #[cfg(feature = "reports")]
    pub fn fours(&self) -> usize {
        self.starts.len()
    }

    /// Selects a set for each mixer of the four of that number.
    #[inline(always)]
    pub fn select(&self, selection: &mut Selection, four: usize, sets: Four<usize>) {
        let starts = &self.starts[four];
        for mixer in 0..SELECTORS {
            let set = starts[mixer] + sets[mixer];
            let place = set * self.rows;
            (selection.sets[four][mixer], selection.places[four][mixer]) = (set, place);
            prefetch(&self.weights, place);
        }
    }

    /// Selects a set for the last layer.
    #[inline(always)]
    pub fn select_last(&self, selection: &mut Selection, set: usize) {
        selection.last_set = set;
    }

    /// The log-odds that the selected sets make of `inputs`.
    #[inline(always)]
    pub fn mix<V: Vector>(&self, selection: &mut Selection, inputs: &[Row]) -> i32 {
        let Selection { places, outputs, last_set, last_output, .. } = selection;
        let mut sum = 0;
        let fours = places.iter().zip(outputs).zip(&self.last_weights[*last_set]);
        for ((places, outputs), last_weights) in fours.take(self.starts.len()) {
            let mut sums = [V::splat(0); SELECTORS];
            for (sum, &place) in sums.iter_mut().zip(places) {
                for (weights, inputs) in self.weights[place..][..self.rows].iter().zip(inputs) {
                    *sum = sum.add(V::load(weights).mul(V::load(inputs)).shift_right::<8>());
                }
            }
            *outputs = V::sums(sums);
            for (output, weight) in outputs.iter_mut().zip(*last_weights) {
                *output = (*output >> 8).clamp(-STRETCH_MAX, STRETCH_MAX);
                sum += (weight * *output) >> 8;
            }
        }
        *last_output = (sum >> 8).clamp(-STRETCH_MAX, STRETCH_MAX);
        *last_output
    }

    /// What each input added to the last output, first layer and last together, in 1/256 octave: `add` gets the inputs' row
    /// and the sums.
    #[inline(always)]
    pub fn shares(&self, selection: &Selection, inputs: &[Row], mut add: impl FnMut(usize, [i32; WIDTH])) {
        let mixers = selection.sets.as_flattened().iter().zip(self.last_weights[selection.last_set].as_flattened());
        for (number, inputs) in inputs.iter().enumerate() {
            let mut weights = [0; WIDTH];
            for (set, last_weight) in mixers.clone().take(SELECTORS * self.starts.len()) {
                for (sum, weight) in weights.iter_mut().zip(self.weights[set * self.rows + number].0) {
                    *sum += ((last_weight >> 4) * (weight >> 4)) >> 8;
                }
            }
            add(number, std::array::from_fn(|index| ((weights[index] >> 6) * inputs.0[index]) >> 10));
        }
    }

    /// Moves the selected weights down the gradient of the coding cost of `bit`.
    #[inline(always)]
    pub fn update<V: Vector>(&mut self, selection: &Selection, inputs: &[Row], bit: bool, logistic: &Logistic) {
        let Selection { sets, places, outputs, last_set, last_output } = selection;
        let last_error = self.last_rates[*last_set].error(bit, *last_output, self.settled, logistic);
        let fours = sets.iter().zip(places).zip(outputs).zip(&mut self.last_weights[*last_set]);
        for (((sets, places), outputs), last_weights) in fours.take(self.starts.len()) {
            let mut moved = *last_weights;
            for (weight, output) in moved.iter_mut().zip(*outputs) {
                let step = (output * last_error + (1 << 15)) >> 16;
                *weight = (*weight + step).clamp(-WEIGHT_MAX, WEIGHT_MAX);
            }
            *last_weights = moved;
            for ((&set, &place), &output) in sets.iter().zip(places).zip(outputs) {
                let error = self.rates[set].error(bit, output, self.settled, logistic);
                // To train a row or two in vain is cheaper than to guess wrong whether it would be.
                if self.rows <= 2 || error.abs() >= ERROR_LEAST {
                    train::<V>(&mut self.weights[place..][..self.rows], inputs, error);
                }
            }
        }
    }
}

/// Adds (input · error) / 2^16, rounded, to each weight.
#[inline(always)]
fn train<V: Vector>(weights: &mut [Row], inputs: &[Row], error: i32) {
    let (error, half) = (V::splat(error), V::splat(1 << 15));
    for (weights, inputs) in weights.iter_mut().zip(inputs) {
        let step = V::load(inputs).mul(error).add(half).shift_right::<16>();
        let moved = V::load(weights).add(step);
        moved.min(V::splat(WEIGHT_MAX)).max(V::splat(-WEIGHT_MAX)).store(weights);
    }
}

/// The learning rate of a set of weights, in 1/1024; it falls from the first to the last, by 1/2^[`DECAY`] of the
/// difference with each bit, while the last falls to where it settles, by 1/2^[`SETTLING`]. Both have [`RATE_SHIFT`] more bits.
#[derive(Clone, Copy)]
struct Rate {
    now: i32,
    last: i32,
}

const RATE_SHIFT: u32 = 12;
const DECAY: u32 = 10;
const SETTLING: u32 = 18;

impl Rate {
    fn new(first: i32, last: i32) -> Self {
        Self { now: first << RATE_SHIFT, last: last << RATE_SHIFT }
    }

    /// The error of the log-odds `output` for `bit`, in 1/65536, times the rate, which goes on falling.
    #[inline(always)]
    fn error(&mut self, bit: bool, output: i32, settled: i32, logistic: &Logistic) -> i32 {
        let error = (((i32::from(bit) << 16) - logistic.squash(output) as i32) * (self.now >> RATE_SHIFT)) >> 10;
        self.now += (self.last - self.now) >> DECAY;
        self.last += ((settled << RATE_SHIFT) - self.last).min(0) >> SETTLING;
        error
    }
}

#[cfg(test)]
mod tests {
    use super::super::logistic;
    use super::*;

    #[test]
    fn rates_fall_soon_and_settle_in_the_long_run() {
        let after = |bits: usize, settled: i32| {
            let mut rate = Rate::new(FIRST_RATE, 300);
            (0..bits).for_each(|_| _ = rate.error(true, 0, settled, logistic::tables()));
            rate.now >> RATE_SHIFT
        };
        assert_eq!([after(0, 120), after(20_000, 300), after(4_000_000, 300)], [FIRST_RATE, 300, 300]);
        assert!((280..300).contains(&after(20_000, 120)));
        assert_eq!(after(4_000_000, 120), 120);
    }
}
