//! Logistic mixing: weighted sums of log-odds with weights that learn from every bit (Mahoney, "Adaptive Weighing
//! of Context Models for Lossless Data Compression", 2005).

use super::logistic::{Logistic, STRETCH_MAX};

/// Weight of one, in the weights' unit.
pub const ONE: i32 = 1 << 16;
/// Bound of a weight: just under 8.
const WEIGHT_MAX: i32 = 8 * ONE - 1;

/// A family of weight sets, one of which a selector picks for each bit.
pub struct Mixer {
    inputs: usize,
    weights: Vec<i32>,
    /// Bits each set has learned from, up to [`Rate::steps`].
    learned: Vec<u16>,
    rate: Rate,
    selected: usize,
    probability: i32,
}

/// The learning rate in 1/1024: from `first` down to `last`, linearly over `steps` bits of each weight set.
#[derive(Clone, Copy)]
pub struct Rate {
    pub first: i32,
    pub last: i32,
    pub steps: i32,
}

impl Mixer {
    /// `sets` weight sets for `inputs` inputs, a multiple of 8, that start with `weights`.
    pub fn new(sets: usize, weights: &[i32], rate: Rate) -> Self {
        debug_assert!(weights.len().is_multiple_of(8) && rate.steps <= i32::from(u16::MAX));
        Self {
            inputs: weights.len(),
            weights: weights.repeat(sets),
            learned: vec![0; sets],
            rate,
            selected: 0,
            probability: 1 << 15,
        }
    }

    /// The log-odds that weight set `set` makes of `inputs`.
    #[inline(always)]
    pub fn mix(&mut self, inputs: &[i32], set: usize, logistic: &Logistic) -> i32 {
        self.selected = set;
        let weights = &self.weights[set * self.inputs..(set + 1) * self.inputs];
        let mut sums = [0i32; 8];
        for (weights, inputs) in weights.chunks_exact(8).zip(inputs.chunks_exact(8)) {
            for lane in 0..8 {
                sums[lane] += (weights[lane] * inputs[lane]) >> 8;
            }
        }
        let octaves = (sums.iter().sum::<i32>() >> 8).clamp(-STRETCH_MAX, STRETCH_MAX);
        self.probability = logistic.squash(octaves) as i32;
        octaves
    }

    /// Moves the selected weights down the gradient of the coding cost of `bit`.
    #[inline(always)]
    pub fn update(&mut self, inputs: &[i32], bit: bool) {
        let learned = i32::from(self.learned[self.selected]);
        let rate = self.rate.first + (self.rate.last - self.rate.first) * learned / self.rate.steps;
        self.learned[self.selected] += u16::from(learned < self.rate.steps);
        let error = (((i32::from(bit) << 16) - self.probability) * rate) >> 10;
        let weights = &mut self.weights[self.selected * self.inputs..(self.selected + 1) * self.inputs];
        for (weights, inputs) in weights.chunks_exact_mut(8).zip(inputs.chunks_exact(8)) {
            for lane in 0..8 {
                let step = (inputs[lane] * error + (1 << 15)) >> 16;
                weights[lane] = (weights[lane] + step).clamp(-WEIGHT_MAX, WEIGHT_MAX);
            }
        }
    }
}
