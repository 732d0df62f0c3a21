//! Training: the only room with floats and candle.
//!
//! The network overfits one file. What comes out are the integer weights of [`crate::net`]; nothing else of a training
//! run, neither its speed nor its device, is needed to decode.

mod advice;
mod batch;
mod checkpoint;
mod cpu;
mod ending;
mod forward;
mod mixed;
mod model;
mod optimiser;
mod parameters;
mod precision;
mod quantise;
mod random;
#[cfg(test)]
mod tests;
mod training;

use std::path::PathBuf;
use std::time::Duration;

pub use self::advice::{Advice, Wanted};
use self::batch::Batch;
pub use self::ending::Watch;
use self::mixed::Shares;
pub use self::training::{End, Training};
use crate::error::Result;
use crate::layout::Layout;
use crate::net::{Shape, Weights};
use crate::options::Device;
use crate::progress::Progress;

/// Largest magnitude after normalisation: 127 in the integer network's units of 1/32.
const NORM_LIMIT: f32 = 127.0 / 32.0;
/// Added to the mean square before its root is taken.
const NORM_EPSILON: f32 = 1e-5;
/// How long to train: until either runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes to learn from, counted as often as they are seen.
    pub bytes: u64,
    /// Wall-clock time. With a limit, two runs of one seed need not give the same weights.
    pub time: Option<Duration>,
}

/// What else decides the result of a training run.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// Start of the random numbers: first weights and places drawn from the file.
    pub seed: u64,
    /// Worker threads. Each takes a fixed part of every batch, so the weights depend on their number.
    pub threads: usize,
    /// Where to compute.
    pub device: Device,
    /// Rates and sizes.
    pub recipe: Recipe,
    /// Where to keep the state of the run from time to time and when it is interrupted. A run that finds its own state
    /// there continues from it; with the same options, its weights are those of a run that never stopped.
    pub checkpoint: Option<PathBuf>,
}

/// The rates and sizes of a training run.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Positions in one sequence, as a multiple of the window.
    pub windows: usize,
    /// Sequences in one step.
    pub sequences: usize,
    /// Highest rate of the hidden matrices.
    pub muon_rate: f32,
    /// Highest rate of everything else.
    pub adam_rate: f32,
    /// Part of themselves that hidden matrices lose with a step, relative to their rate. Else they grow all the time, and the
    /// larger they are the less they come to terms with being rounded.
    pub weight_decay: f32,
    /// Share of the budget in which the rate rises.
    pub warm_up: f32,
    /// Share of the budget in which the rate falls.
    pub decay: f32,
    /// Share of the budget at the end in which the weights are rounded as they will be in the archive.
    pub rounding: f32,
    /// Least step between the rounded weights of a tensor, relative to what would give the shortest description if rounding were
    /// not learned and contexts did not take over a part of what the network loses by it.
    pub coarseness: f32,
}

impl Recipe {
    /// What was measured to learn most from so many bytes. Longer runs take larger steps, not as many more.
    pub fn of(bytes: u64) -> Self {
        let (sequences, muon_rate, weight_decay) = match bytes >> 20 {
            0..24 => (8, 0.02, 0.02),
            24..128 => (16, 0.025, 0.03),
            _ => (32, 0.03, 0.05),
        };
        Self {
            windows: 3,
            sequences,
            muon_rate,
            adam_rate: 0.012,
            weight_decay,
            warm_up: 0.02,
            decay: 0.6,
            rounding: 0.15,
            coarseness: 3.0,
        }
    }
}

/// Something that computes the loss of a batch and its gradient.
trait Engine {
    /// The mean loss in nats a byte of `batch` under the parameters `values`; writes its gradient, or where the batch has advice,
    /// that of [what the network is to be good at](mixed), also by the shares.
    fn gradient(&mut self, values: &[f32], batch: &Batch, gradient: &mut [f32]) -> Result<(f64, Shares)>;

    /// The mean loss alone.
    fn loss(&mut self, values: &[f32], batch: &Batch) -> Result<f64>;
}

/// Trains a network of `shape` on `bytes` and rounds it to integers. `watch` sees it on the way; nothing comes of it if that
/// says to give up. From when that gives advice, the network learns to add to what contexts say.
///
/// # Errors
/// [`crate::ErrorKind::Cancelled`] soon after `progress` asks to stop; [`crate::ErrorKind::Unsupported`] for a shape that cannot be
/// trained or a device that fails.
pub fn train(
    bytes: &[u8],
    layout: &Layout,
    shape: &Shape,
    budget: &Budget,
    options: &TrainOptions,
    watch: &mut Watch,
    progress: &dyn Progress,
) -> Result<Option<Weights>> {
    let mut training = Training::new(bytes, layout, shape, budget, options, progress)?;
    if training.run(watch, progress)? == End::GivenUp {
        return Ok(None);
    }
    let bits = training.bits_per_byte()?;
    progress.note(&format!("the network alone stands at {bits:.3} bits for each byte that it predicts, on a sample"));
    training.weights().map(Some)
}
