//! Training: the only room with floats and candle.
//!
//! The network overfits one file. What comes out are the integer weights of [`crate::net`]; nothing else of a training
//! run, neither its speed nor its device, is needed to decode.

mod batch;
mod cpu;
mod forward;
mod model;
mod optimiser;
mod parameters;
mod quantise;
mod random;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use candle_core::Device as CandleDevice;

use self::batch::{Batch, Corpus};
use self::cpu::{CpuEngine, Simd};
use self::model::Model;
use self::optimiser::{Optimiser, Rates};
use self::parameters::Parameters;
use self::random::Random;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::net::{Shape, Weights};
use crate::options::Device;
use crate::progress::{Phase, Progress};

/// Largest magnitude after normalisation: 127 in the integer network's units of 1/32.
const NORM_LIMIT: f32 = 127.0 / 32.0;
/// Added to the mean square before its root is taken.
const NORM_EPSILON: f32 = 1e-5;
/// Progress of training is counted in thousandths of its budget.
const PROGRESS_TOTAL: u64 = 1000;
/// The sample that a trained network is judged on: sequences, and their length in windows.
const EVALUATION: [usize; 2] = [48, 16];

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
}

/// The rates and sizes of a training run; the default is what was measured to learn fastest on several kinds of files.
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
    /// Share of the budget in which the rate rises.
    pub warm_up: f32,
    /// Share of the budget in which the rate falls.
    pub decay: f32,
    /// Share of the budget at the end in which the weights are rounded as they will be in the archive.
    pub rounding: f32,
    /// Least step between the rounded weights of a row, relative to the row's root mean square. Coarser steps make
    /// the weights cheaper to send.
    pub coarseness: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            windows: 3,
            sequences: 8,
            muon_rate: 0.02,
            adam_rate: 0.004,
            warm_up: 0.02,
            decay: 0.6,
            rounding: 0.1,
            coarseness: 0.15,
        }
    }
}

/// Something that computes the loss of a batch and its gradient.
trait Engine {
    /// The mean loss in nats a byte of `batch` under the parameters `values`; writes its gradient.
    fn gradient(&mut self, values: &[f32], batch: &Batch, gradient: &mut [f32]) -> Result<f64>;

    /// The mean loss alone.
    fn loss(&mut self, values: &[f32], batch: &Batch) -> Result<f64>;
}

/// Trains a network of `shape` on `bytes` and rounds it to integers.
///
/// # Errors
/// [`ErrorKind::Cancelled`] soon after `progress` asks to stop; [`ErrorKind::Unsupported`] for a shape that cannot be
/// trained or a device that fails.
pub fn train(
    bytes: &[u8],
    layout: &Layout,
    shape: &Shape,
    budget: &Budget,
    options: &TrainOptions,
    progress: &dyn Progress,
) -> Result<Weights> {
    let mut trained = Training::new(bytes, layout, shape, options, progress)?.run(budget, options, progress)?;
    let bits = trained.bits_per_byte(&options.recipe)?;
    progress.note(&format!("the network alone stands at {bits:.3} bits per byte on a sample"));
    quantise::quantise(&trained.values, shape, &trained.corpus, options.recipe.coarseness)
}

/// A network in training.
struct Training {
    parameters: Parameters,
    corpus: Corpus,
    engine: Box<dyn Engine>,
    random: Random,
    values: Vec<f32>,
    optimiser: Optimiser,
    bytes_seen: u64,
}

impl Training {
    fn new(
        bytes: &[u8],
        layout: &Layout,
        shape: &Shape,
        options: &TrainOptions,
        progress: &dyn Progress,
    ) -> Result<Self> {
        check(shape, bytes)?;
        let parameters = Parameters::new(shape);
        let mut random = Random::new(options.seed);
        let values = parameters.initial(&mut random);
        let optimiser = Optimiser::new(&parameters, options.threads);
        let engine = open_engine(shape, options, progress);
        Ok(Self {
            corpus: Corpus::new(bytes, layout, shape),
            parameters,
            engine,
            random,
            values,
            optimiser,
            bytes_seen: 0,
        })
    }

    fn run(mut self, budget: &Budget, options: &TrainOptions, progress: &dyn Progress) -> Result<Self> {
        let recipe = &options.recipe;
        let begin = Instant::now();
        let mut gradient = vec![0.0; self.parameters.len()];
        let mut rounded = self.values.clone();
        let mut shown = Shown::default();
        progress.begin(Phase::Training, PROGRESS_TOTAL);
        loop {
            progress.check()?;
            let used = fraction_used(budget, self.bytes_seen, begin.elapsed());
            shown.advance(used, progress);
            if used >= 1.0 {
                return Ok(self);
            }
            let length = recipe.windows * self.window();
            let batch = self.corpus.draw(&mut self.random, recipe.sequences, length);
            let values = if used >= 1.0 - f64::from(recipe.rounding) {
                quantise::round_parameters(&self.parameters, &self.values, &mut rounded, recipe.coarseness);
                &rounded
            } else {
                &self.values
            };
            let loss = self.engine.gradient(values, &batch, &mut gradient)?;
            let scale = rate(recipe, used as f32);
            let rates = Rates { muon: recipe.muon_rate * scale, adam: recipe.adam_rate * scale, clip: 1.0 };
            self.optimiser.step(&self.parameters, &mut self.values, &gradient, rates);
            self.bytes_seen += batch.positions() as u64;
            shown.loss(loss, self.bytes_seen, progress);
        }
    }

    /// What the rounded network needs for a sample of the file, before its computation is rounded too.
    fn bits_per_byte(&mut self, recipe: &Recipe) -> Result<f64> {
        let mut rounded = self.values.clone();
        quantise::round_parameters(&self.parameters, &self.values, &mut rounded, recipe.coarseness);
        let sample = self.corpus.spread(EVALUATION[0], EVALUATION[1] * self.window());
        Ok(self.engine.loss(&rounded, &sample)? * std::f64::consts::LOG2_E)
    }

    fn window(&self) -> usize {
        self.parameters.tensors[self.parameters.layers[0].bias].columns
    }
}

/// What was last told to the caller.
#[derive(Default)]
struct Shown {
    thousandths: u64,
    bits: Option<f64>,
}

impl Shown {
    fn advance(&mut self, used: f64, progress: &dyn Progress) {
        let thousandths = ((used * PROGRESS_TOTAL as f64) as u64).min(PROGRESS_TOTAL);
        progress.advance(thousandths - self.thousandths);
        self.thousandths = thousandths;
    }

    fn loss(&mut self, nats: f64, bytes: u64, progress: &dyn Progress) {
        let bits = nats * std::f64::consts::LOG2_E;
        let average = self.bits.map_or(bits, |average| average + 0.05 * (bits - average));
        self.bits = Some(average);
        progress.training(bytes, (average * 1000.0) as u32);
    }
}

/// Share of the budget that is used up, from 0 to 1 and beyond.
fn fraction_used(budget: &Budget, bytes: u64, elapsed: Duration) -> f64 {
    let by_bytes = bytes as f64 / budget.bytes.max(1) as f64;
    let by_time = budget.time.map_or(0.0, |time| elapsed.as_secs_f64() / time.as_secs_f64().max(1e-9));
    by_bytes.max(by_time)
}

/// The learning rate relative to its highest: up, level, and down to nothing, each in a straight line.
fn rate(recipe: &Recipe, used: f32) -> f32 {
    let rising = (used + 0.001) / recipe.warm_up.max(0.001);
    let falling = (1.0 - used) / recipe.decay.max(0.001);
    rising.min(falling).clamp(0.0, 1.0)
}

fn check(shape: &Shape, bytes: &[u8]) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::Unsupported, format!("cannot train this network: {why}")));
    if shape.width == 0 || shape.heads == 0 || shape.width % u16::from(shape.heads) != 0 {
        return refuse("the width is no multiple of the heads");
    }
    if shape.layers == 0 || shape.hidden == 0 || shape.window == 0 || shape.fields == 0 || shape.offsets == 0 {
        return refuse("a size is 0");
    }
    if bytes.is_empty() || bytes.iter().any(|byte| shape.alphabet.binary_search(byte).is_err()) {
        return refuse("its alphabet is not that of the file");
    }
    Ok(())
}

fn open_engine(shape: &Shape, options: &TrainOptions, progress: &dyn Progress) -> Box<dyn Engine> {
    if options.device != Device::Cpu {
        match CandleDevice::new_cuda(0) {
            Ok(device) => return Box::new(Model::new(shape, device)),
            Err(_) if options.device == Device::Auto => {}
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().next().unwrap_or_default();
                progress.warning(&format!("no GPU could be opened ({reason}); training on the CPU"));
            }
        }
    }
    if CpuEngine::supports(shape) {
        return Box::new(CpuEngine::new(shape, options.threads, Simd::detect()));
    }
    Box::new(Model::new(shape, CandleDevice::Cpu))
}
