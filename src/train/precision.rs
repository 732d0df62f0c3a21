//! How finely each tensor is rounded: as finely as pays on a file of its length.
//!
//! Rounding to multiples of a step s moves a weight by s²/12 in the mean square, and costs each byte of the file that times half of
//! the loss' second derivative; a step finer by a factor e takes one nat more to send. Their sum is least where
//! s² = 12 / (bytes · second derivative): the shortest description of network and file together (Hinton and van Camp 1993, "Keeping
//! neural networks simple by minimizing the description length of the weights"). The second derivative's stand-in is Fisher's information,
//! the mean square of the gradient at single positions, which steps of training show in passing.

use std::ops::Range;

use super::batch::Corpus;
use super::parameters::Parameters;
use crate::net::Shape;

/// Steps of training that the running means reach back over.
const MEMORY: u32 = 200;

/// What training has shown so far of how exact each tensor must be.
#[derive(Clone, Debug)]
pub struct Precision {
    /// For each tensor, the mean over its weights of the squared gradient at a position, in nats².
    squares: Vec<f32>,
    /// Steps seen.
    seen: u32,
    /// The weights that are sent of each tensor.
    sent: Vec<usize>,
    /// Bytes that the network predicts.
    predicted: f64,
}

impl Precision {
    /// For a network of `shape` that learns from `corpus`, on whose like it predicts so many bytes.
    pub fn new(parameters: &Parameters, shape: &Shape, corpus: &Corpus, predicted: f64) -> Self {
        let mut sent: Vec<usize> = parameters.tensors.iter().map(|tensor| tensor.range.len()).collect();
        for (&table, rows) in parameters.embeddings.iter().zip(corpus.used_rows(shape)) {
            sent[table] = rows.iter().filter(|&&used| used).count() * parameters.tensors[table].columns;
        }
        Self { squares: vec![0.0; sent.len()], seen: 0, sent, predicted }
    }

    /// Takes in the `gradient` of the mean loss over so many positions. Single positions' gradients are taken to be independent of one another.
    pub fn observe(&mut self, parameters: &Parameters, gradient: &[f32], positions: usize) {
        self.seen = self.seen.saturating_add(1);
        let share = 1.0 / self.seen.min(MEMORY) as f32;
        for ((square, tensor), &sent) in self.squares.iter_mut().zip(&parameters.tensors).zip(&self.sent) {
            let sum = sum_of_squares(&gradient[tensor.range.clone()]);
            *square += (sum * positions as f32 / sent.max(1) as f32 - *square) * share;
        }
    }

    /// For each tensor the step to round to, `coarseness` times as large as theory has it; at most the root mean square of its `values`.
    pub fn steps(&self, parameters: &Parameters, values: &[f32], coarseness: f32) -> Vec<f32> {
        let tensors = parameters.tensors.iter().zip(&self.squares).zip(&self.sent);
        let step = |range: &Range<usize>, square: f32, sent: usize| {
            let best = (12.0 / (self.predicted * f64::from(square).max(1e-30))).sqrt() as f32;
            let largest = (sum_of_squares(&values[range.clone()]) / sent.max(1) as f32).sqrt();
            (coarseness * best).min(largest)
        };
        tensors.map(|((tensor, &square), &sent)| step(&tensor.range, square, sent)).collect()
    }

    /// The weights that are sent.
    #[cfg(test)]
    pub fn sent(&self) -> usize {
        self.sent.iter().sum()
    }

    /// Its running means.
    pub fn squares(&self) -> &[f32] {
        &self.squares
    }

    /// Continues with such means after so many steps.
    pub fn restore(&mut self, seen: u32, squares: Vec<f32>) {
        (self.seen, self.squares) = (seen, squares);
    }
}

fn sum_of_squares(values: &[f32]) -> f32 {
    values.iter().map(|value| value * value).sum()
}
