//! Logistic mixing in two layers: weighted sums of log-odds with weights that learn from every bit (Mahoney, "Adaptive
//! Weighing of Context Models for Lossless Data Compression", 2005).

use super::logistic::{Logistic, STRETCH_MAX};
use super::slots::prefetch;
use super::vector::{Row, Vector, WIDTH};

/// Mixers of the first layer, whose weight sets are selected each in its own way.
pub const SELECTORS: usize = 4;
/// Weight of one, in the weights' unit.
pub const ONE: i32 = 1 << 16;
/// Bound of a weight: just under 8.
const WEIGHT_MAX: i32 = 8 * ONE - 1;
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
    starts: [usize; SELECTORS],
    last_weights: Vec<[i32; SELECTORS]>,
    last_rates: Vec<Rate>,
}

/// The weight sets of one lane's present bit, and what they gave, in 1/256 octave.
#[derive(Clone, Default)]
pub struct Selection {
    sets: [usize; SELECTORS],
    outputs: [i32; SELECTORS],
    last_set: usize,
    last_output: i32,
}

impl Mixers {
    /// Mixers that start with `weights`, as many sets of them for each selector as `sizes` says, and with `last_sets` sets
    /// of equal weights in the last layer.
    pub fn new(weights: &[Row], sizes: [usize; SELECTORS], last_sets: usize) -> Self {
        let sets: usize = sizes.iter().sum();
        let starts = std::array::from_fn(|index| sizes[..index].iter().sum());
        Self {
            rows: weights.len(),
            weights: weights.repeat(sets),
            rates: vec![Rate::new(3500, 300); sets],
            starts,
            last_weights: vec![[ONE / SELECTORS as i32; SELECTORS]; last_sets],
            last_rates: vec![Rate::new(2000, 200); last_sets],
        }
    }

    /// Selects a set for each mixer of the first layer and one for the last.
    #[inline(always)]
    pub fn select(&self, selection: &mut Selection, sets: [usize; SELECTORS], last_set: usize) {
        for (index, set) in sets.into_iter().enumerate() {
            selection.sets[index] = self.starts[index] + set;
            prefetch(&self.weights, selection.sets[index] * self.rows);
        }
        selection.last_set = last_set;
    }

    /// The log-odds that the selected sets make of `inputs`.
    #[inline(always)]
    pub fn mix<V: Vector>(&self, selection: &mut Selection, inputs: &[Row]) -> i32 {
        let mut sums = [V::splat(0); SELECTORS];
        for (sum, set) in sums.iter_mut().zip(selection.sets) {
            for (weights, inputs) in self.weights[set * self.rows..][..self.rows].iter().zip(inputs) {
                *sum = sum.add(V::load(weights).mul(V::load(inputs)).shift_right::<8>());
            }
        }
        let mut sum = 0;
        let weights = &self.last_weights[selection.last_set];
        for ((output, total), weight) in selection.outputs.iter_mut().zip(V::sums(sums)).zip(weights) {
            *output = (total >> 8).clamp(-STRETCH_MAX, STRETCH_MAX);
            sum += (weight * *output) >> 8;
        }
        selection.last_output = (sum >> 8).clamp(-STRETCH_MAX, STRETCH_MAX);
        selection.last_output
    }

    /// What each input added to the last output, first layer and last together, in 1/256 octave: `add` gets the inputs' row
    /// and the sums.
    #[inline(always)]
    pub fn shares(&self, selection: &Selection, inputs: &[Row], mut add: impl FnMut(usize, [i32; WIDTH])) {
        let last_weights = &self.last_weights[selection.last_set];
        for (number, inputs) in inputs.iter().enumerate() {
            let mut weights = [0; WIDTH];
            for (set, last_weight) in selection.sets.into_iter().zip(last_weights) {
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
        let Selection { sets, outputs, last_set, last_output } = *selection;
        let error = self.last_rates[last_set].error(bit, last_output, logistic);
        for (weight, output) in self.last_weights[last_set].iter_mut().zip(outputs) {
            *weight = (*weight + ((output * error + (1 << 15)) >> 16)).clamp(-WEIGHT_MAX, WEIGHT_MAX);
        }
        for (set, output) in sets.into_iter().zip(outputs) {
            let error = self.rates[set].error(bit, output, logistic);
            if error.abs() >= ERROR_LEAST {
                train::<V>(&mut self.weights[set * self.rows..][..self.rows], inputs, error);
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
/// difference with each bit. Both have [`RATE_SHIFT`] more bits.
#[derive(Clone, Copy)]
struct Rate {
    now: i32,
    last: i32,
}

const RATE_SHIFT: u32 = 12;
const DECAY: u32 = 10;

impl Rate {
    fn new(first: i32, last: i32) -> Self {
        Self { now: first << RATE_SHIFT, last: last << RATE_SHIFT }
    }

    /// The error of the log-odds `output` for `bit`, in 1/65536, times the rate, which goes on falling.
    #[inline(always)]
    fn error(&mut self, bit: bool, output: i32, logistic: &Logistic) -> i32 {
        let error = (((i32::from(bit) << 16) - logistic.squash(output) as i32) * (self.now >> RATE_SHIFT)) >> 10;
        self.now += (self.last - self.now) >> DECAY;
        error
    }
}
