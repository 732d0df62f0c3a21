//! One training run: batches, steps, rates over the budget, checkpoints.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use candle_core::Device as CandleDevice;

use super::batch::Corpus;
use super::checkpoint::{self, State};
use super::cpu::{CpuEngine, Simd};
use super::ending::{Landing, Watch};
use super::mixed::Shares;
use super::model::Model;
use super::optimiser::{Optimiser, Rates};
use super::parameters::Parameters;
use super::precision::Precision;
use super::random::Random;
use super::{Budget, Engine, Recipe, TrainOptions, quantise};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::net::{Shape, Weights};
use crate::options::Device;
use crate::progress::{Phase, Progress};

/// Progress of training is counted in thousandths of its budget.
const PROGRESS_TOTAL: u64 = 1000;
/// The sample that a trained network is judged on: sequences, and their length in windows.
const EVALUATION: [usize; 2] = [48, 16];
/// Time between two checkpoints.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);
/// Longest gradient that is followed unshortened.
const GRADIENT_CLIP: f32 = 1.0;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The budget is used up, or the caller asked for the end.
    Trained,
    /// Who watched it said not to go on.
    GivenUp,
}

/// A network in training.
pub struct Training<'a> {
    bytes: &'a [u8],
    layout: &'a Layout,
    shape: Shape,
    budget: Budget,
    recipe: Recipe,
    parameters: Parameters,
    corpus: Corpus,
    pub(super) engine: Box<dyn Engine>,
    random: Random,
    pub(super) values: Vec<f32>,
    rounded: Vec<f32>,
    gradient: Vec<f32>,
    optimiser: Optimiser,
    precision: Precision,
    shares: Shares,
    bytes_seen: u64,
    checkpoint: Option<PathBuf>,
    identity: String,
    /// Time spent before this run continued.
    earlier: Duration,
}

impl<'a> Training<'a> {
    /// A network of `shape` at its start, or where the checkpoint says that this run stood.
    ///
    /// # Errors
    /// As [`super::train`].
    pub fn new(
        bytes: &'a [u8],
        layout: &'a Layout,
        shape: &Shape,
        budget: &Budget,
        options: &TrainOptions,
        progress: &dyn Progress,
    ) -> Result<Self> {
        check(shape, bytes)?;
        let parameters = Parameters::new(shape);
        let mut random = Random::new(options.seed);
        let values = parameters.initial(&mut random);
        let corpus = Corpus::new(bytes, layout, shape);
        let precision = Precision::new(&parameters, shape, &corpus, corpus.predicted_of(bytes.len()));
        let mut training = Self {
            bytes,
            layout,
            shape: shape.clone(),
            budget: *budget,
            recipe: options.recipe.clone(),
            corpus,
            engine: open_engine(shape, options, progress),
            random,
            rounded: values.clone(),
            gradient: vec![0.0; values.len()],
            values,
            optimiser: Optimiser::new(&parameters, options.threads),
            parameters,
            precision,
            shares: Shares::START,
            bytes_seen: 0,
            checkpoint: options.checkpoint.clone(),
            identity: identity(bytes, layout, shape, budget, options),
            earlier: Duration::ZERO,
        };
        training.resume(progress)?;
        Ok(training)
    }

    /// Trains until the budget is used up, the caller asks for the end or `watch` says to give up, and shows the network to
    /// `watch` from time to time.
    ///
    /// # Errors
    /// As [`super::train`]; interrupted, it keeps its state first.
    pub fn run(&mut self, watch: &mut Watch, progress: &dyn Progress) -> Result<End> {
        let mut begin = Instant::now();
        let mut saved = begin;
        let mut shown = Shown::default();
        let mut landing = None;
        progress.begin(Phase::Training, PROGRESS_TOTAL);
        loop {
            let elapsed = self.earlier + begin.elapsed();
            let mut used = fraction_used(&self.budget, self.bytes_seen, elapsed);
            if progress.ends_training() && landing.is_none() {
                self.save(elapsed, progress);
                landing = Some(Landing::new(used, self.recipe.rounding.into(), self.bytes_seen));
            }
            if let Some(landing) = &landing {
                used = used.max(landing.used(self.bytes_seen));
            }
            shown.advance(used, progress);
            let stop = progress.check();
            if stop.is_err() || used >= 1.0 || saved.elapsed() >= CHECKPOINT_INTERVAL {
                self.save(elapsed, progress);
                saved = Instant::now();
            }
            stop?;
            if used >= 1.0 {
                return Ok(End::Trained);
            }
            // Before the step, so that a run that is continued takes it with the same advice.
            if landing.is_none()
                && let Some(judge) = watch.judge(used)
            {
                let begin_of_judging = Instant::now();
                let weights = self.weights()?;
                // Judging takes the memory that the corpus has taken.
                let wanted = self.corpus.take_wanted();
                let Some(advice) = judge(&weights, &wanted)? else { return Ok(End::GivenUp) };
                self.corpus = Corpus::new(self.bytes, self.layout, &self.shape);
                self.corpus.heed(advice)?;
                // The budget is for learning.
                begin += begin_of_judging.elapsed();
            }
            let loss = self.step(used)?;
            shown.loss(loss, self.bytes_seen, progress);
            watch.look(|| self.weights())?;
        }
    }

    /// One step at the share `used` of the budget; returns the loss of the network alone in nats a byte before it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the device fails.
    pub fn step(&mut self, used: f64) -> Result<f64> {
        let is_rounding = used >= 1.0 - f64::from(self.recipe.rounding);
        if is_rounding {
            self.round();
        }
        let recipe = &self.recipe;
        let length = recipe.windows * usize::from(self.shape.window);
        let batch = self.corpus.draw(&mut self.random, recipe.sequences, length, self.shares);
        let values = if is_rounding { &self.rounded } else { &self.values };
        let (loss, by_shares) = self.engine.gradient(values, &batch, &mut self.gradient)?;
        self.shares.learn(by_shares);
        self.precision.observe(&self.parameters, &self.gradient, batch.positions());
        let scale = rate(recipe, used as f32);
        let (muon, adam) = (recipe.muon_rate * scale, recipe.adam_rate * scale);
        let rates = Rates { muon, adam, decay: recipe.weight_decay, clip: GRADIENT_CLIP };
        self.optimiser.step(&self.parameters, &mut self.values, &self.gradient, rates);
        self.bytes_seen += batch.positions() as u64;
        Ok(loss)
    }

    /// Does some steps as at the beginning, to see how long they take.
    ///
    /// # Errors
    /// As [`Training::step`].
    pub fn try_steps(&mut self, count: u32) -> Result<()> {
        (0..count).try_for_each(|_| self.step(0.0).map(|_| ()))
    }

    /// Bytes in one step.
    pub fn step_bytes(&self) -> u64 {
        (self.recipe.sequences * self.recipe.windows * usize::from(self.shape.window)) as u64
    }

    /// What the rounded network needs for a sample of the file, before its computation is rounded too.
    ///
    /// # Errors
    /// As [`Training::step`].
    pub fn bits_per_byte(&mut self) -> Result<f64> {
        self.round();
        let sample = self.corpus.spread(EVALUATION[0], EVALUATION[1] * usize::from(self.shape.window));
        Ok(self.engine.loss(&self.rounded, &sample)? * std::f64::consts::LOG2_E)
    }

    /// The network in integers.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if training diverged.
    pub fn weights(&self) -> Result<Weights> {
        quantise::quantise(&self.values, &self.shape, &self.corpus, &self.steps())
    }

    fn round(&mut self) {
        let steps = self.steps();
        quantise::round_parameters(&self.parameters, &self.values, &mut self.rounded, &steps);
    }

    /// The step that each tensor is rounded to.
    fn steps(&self) -> Vec<f32> {
        self.precision.steps(&self.parameters, &self.values, self.recipe.coarseness)
    }

    fn resume(&mut self, progress: &dyn Progress) -> Result<()> {
        let Some(path) = &self.checkpoint else { return Ok(()) };
        match checkpoint::load(path, &self.identity, self.values.len(), self.parameters.tensors.len())? {
            Some(state) => {
                progress.note(&format!("training continues after {} bytes", state.bytes_seen));
                (self.bytes_seen, self.earlier, self.values) = (state.bytes_seen, state.elapsed, state.values);
                self.random = Random::from_state(state.random);
                self.optimiser.restore(state.steps, state.first, state.second);
                self.precision.restore(state.steps, state.squares);
                self.shares = Shares { network: state.shares[0], contexts: state.shares[1] };
            }
            None if path.exists() => progress.note("the checkpoint is of another run or damaged; training starts anew"),
            None => {}
        }
        Ok(())
    }

    /// A checkpoint that cannot be written stops no training.
    fn save(&self, elapsed: Duration, progress: &dyn Progress) {
        let Some(path) = &self.checkpoint else { return };
        let (steps, first, second) = self.optimiser.state();
        let state = State {
            bytes_seen: self.bytes_seen,
            elapsed,
            random: self.random.state(),
            steps,
            values: self.values.clone(),
            first: first.to_vec(),
            second: second.to_vec(),
            squares: self.precision.squares().to_vec(),
            shares: vec![self.shares.network, self.shares.contexts],
        };
        if let Err(error) = checkpoint::save(path, &self.identity, &state) {
            progress.warning(&format!("no checkpoint could be written to {}: {error}", path.display()));
        }
    }
}

/// Everything that the weights follow from, but how long a run limited in time may still take. A run continues only one
/// with the same.
fn identity(bytes: &[u8], layout: &Layout, shape: &Shape, budget: &Budget, options: &TrainOptions) -> String {
    let TrainOptions { seed, threads, device, recipe, checkpoint: _ } = options;
    let (version, length, checksum) = (env!("CARGO_PKG_VERSION"), bytes.len(), crc32fast::hash(bytes));
    let budget = (budget.bytes, budget.time.is_some());
    format!("{version} {length} {checksum} {layout:?} {shape:?} {budget:?} {seed} {threads} {device:?} {recipe:?}")
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
    if shape.width == 0 || shape.heads == 0 || !shape.width.is_multiple_of(u16::from(shape.heads)) {
        return refuse("the width is no multiple of the heads");
    }
    if shape.layers == 0 || shape.hidden == 0 || shape.window == 0 || shape.fields == 0 || shape.offsets == 0 {
        return refuse("a size is 0");
    }
    let mut known = [false; 256];
    shape.alphabet.iter().for_each(|&byte| known[usize::from(byte)] = true);
    if bytes.is_empty() || bytes.iter().any(|&byte| !known[usize::from(byte)]) {
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
