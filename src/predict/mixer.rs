//! Logistic mixing: weighted sums of log-odds with weights that learn from every bit (Mahoney, "Adaptive Weighing
//! of Context Models for Lossless Data Compression", 2005).

use super::kernels::Kernel;
use super::logistic::{Logistic, STRETCH_MAX};

/// Weight of one, in the weights' unit.
pub const ONE: i32 = 1 << 16;
/// Bound of a weight: just under 8.
pub const WEIGHT_MAX: i32 = 8 * ONE - 1;

/// A family of weight sets, one of which a selector picks for each bit.
pub struct Mixer {
    inputs: usize,
    weights: Vec<i32>,
    /// The rate of each set, in 1/2^[`RATE_SHIFT`] of [`Rate`]'s unit.
    rates: Vec<i32>,
    last_rate: i32,
    selected: usize,
    probability: i32,
}

/// The learning rate in 1/1024 of a set that is new, and the one that it falls towards, by 1/2^[`DECAY`] of the difference
/// with each bit.
#[derive(Clone, Copy)]
pub struct Rate {
    pub first: i32,
    pub last: i32,
}

const RATE_SHIFT: u32 = 12;
const DECAY: u32 = 10;

impl Mixer {
    /// `sets` weight sets for `inputs` inputs, a multiple of 8, that start with `weights`.
    pub fn new(sets: usize, weights: &[i32], rate: Rate) -> Self {
        debug_assert!(weights.len().is_multiple_of(8));
        Self {
            inputs: weights.len(),
            weights: weights.repeat(sets),
            rates: vec![rate.first << RATE_SHIFT; sets],
            last_rate: rate.last << RATE_SHIFT,
            selected: 0,
            probability: 1 << 15,
        }
    }

    /// The log-odds that weight set `set` makes of `inputs`.
    #[inline(always)]
    pub fn mix<K: Kernel>(&mut self, inputs: &[i32], set: usize, logistic: &Logistic) -> i32 {
        self.selected = set;
        let weights = &self.weights[set * self.inputs..(set + 1) * self.inputs];
        let octaves = (K::dot(weights, inputs) >> 8).clamp(-STRETCH_MAX, STRETCH_MAX);
        self.probability = logistic.squash(octaves) as i32;
        octaves
    }

    /// Moves the selected weights down the gradient of the coding cost of `bit`.
    #[inline(always)]
    pub fn update<K: Kernel>(&mut self, inputs: &[i32], bit: bool) {
        let rate = &mut self.rates[self.selected];
        let error = (((i32::from(bit) << 16) - self.probability) * (*rate >> RATE_SHIFT)) >> 10;
        *rate += (self.last_rate - *rate) >> DECAY;
        // With inputs within ±4095 no step would round to anything but 0.
        if error.abs() <= 8 {
            return;
        }
        let weights = &mut self.weights[self.selected * self.inputs..(self.selected + 1) * self.inputs];
        K::train(weights, inputs, error);
    }
}
