//! How long coding with a network takes and how large the archive becomes, measured on samples.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Job, Model, Sample};
use crate::block::Coding;
use crate::error::Result;
use crate::options::Options;
use crate::parallel::in_order;
use crate::plan::NetworkPlan;
use crate::predict::Predictor;
use crate::progress::{Progress, Silent};
use crate::train::{Budget, Training};

/// Bytes that speed is measured on, after as many before them: at the start everything is new to tables and memory.
const PIECE: usize = 128 << 10;
/// Bytes that a network in training is tried on.
const TRIAL: usize = 256 << 10;
/// Bytes that a network is probed on; no trial takes more. It saved 6.6 % of the first MiB of trip records, 2.1 of 4 and 0.9 of 8: contexts
/// learn on.
pub const PROBE: usize = 8 << 20;
/// Training steps that are not timed and that are.
const STEPS: [u32; 2] = [1, 3];

/// How fast something goes.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    bytes: u64,
    time: Duration,
}

impl Speed {
    /// `bytes` were done in `time`.
    pub fn new(bytes: u64, time: Duration) -> Self {
        Self { bytes: bytes.max(1), time }
    }

    /// Contexts alone, on a `sample`.
    pub fn of_contexts(sample: &Sample) -> Self {
        Self::new(sample.length as u64, sample.time)
    }

    /// The time that `bytes` take.
    pub fn time_for(self, bytes: u64) -> Duration {
        let nanoseconds = self.time.as_nanos() * u128::from(bytes) / u128::from(self.bytes);
        Duration::from_nanos(nanoseconds as u64)
    }
}

/// What the phases take per byte with a network.
pub struct Pace {
    /// Training, by the bytes that are learnt from.
    pub training: Speed,
    /// Coding on one thread, others being busy with as much.
    coding: Speed,
}

impl Pace {
    /// Trains and codes for about two seconds, with a network at its start: its speed does not depend on its weights.
    pub fn measure(job: &Job, plan: &NetworkPlan, options: &Options) -> Result<Self> {
        let begin = Instant::now();
        let budget = Budget { bytes: u64::MAX, time: None };
        let run = crate::train::TrainOptions { checkpoint: None, ..super::training_options(plan, options) };
        let mut training = Training::new(job.source, &job.layout, &plan.shape, &budget, &run, &Silent)?;
        training.try_steps(STEPS[0])?;
        let begin_of_steps = Instant::now();
        training.try_steps(STEPS[1])?;
        let time = begin_of_steps.elapsed();
        job.progress.check()?;
        let model = job.model(&training.weights()?)?;
        let learnt = u64::from(STEPS[1]) * training.step_bytes();
        drop(training);

        let copies = job.threads.get().min(job.blocks.max(2) as usize);
        let code = |length: usize| -> Result<Duration> {
            let begin = Instant::now();
            let encode = |_| job.coding(Some(&model)).encode(&job.source[..length], &Silent);
            in_order(copies, job.threads, encode, |_, _| Ok(()))?;
            Ok(begin.elapsed())
        };
        let length = job.source.len().min(2 * PIECE);
        let (half, whole) = (code(length / 2)?, code(length)?);
        // What disturbs the machine must not make a piece seem to take next to no time.
        let marginal = whole.saturating_sub(half).max(whole / 4);
        let coding = Speed::new((length - length / 2) as u64, marginal);
        job.progress.note(&format!("speed was measured in {} ms", begin.elapsed().as_millis()));
        Ok(Self { training: Speed::new(learnt, time), coding })
    }

    /// The time from the end of training until the archive is checked.
    pub fn after_training(&self, job: &Job, plan: &NetworkPlan) -> Duration {
        match plan.forced {
            true => self.encode_and_check(job, job.blocks),
            false => self.encode_and_check(job, 1) + self.encode_and_check(job, job.blocks.saturating_sub(1)),
        }
    }

    /// The time to encode so many blocks and to decode them, at the same time or after that.
    fn encode_and_check(&self, job: &Job, blocks: u32) -> Duration {
        let passes = if job.is_pipelined(blocks) { 1 } else { 2 };
        passes * pass(job, blocks, self.coding)
    }
}

/// The time to encode or to decode so many blocks, where a thread has this `speed`.
pub fn pass(job: &Job, blocks: u32, speed: Speed) -> Duration {
    let turns = blocks.div_ceil(job.threads.get().min(1 << 20) as u32);
    turns * speed.time_for(job.longest() as u64)
}

/// The time to probe a network, and to hear what contexts say of the whole file, at the speed that a `sample` was coded at.
pub fn judging(job: &Job, plan: &NetworkPlan, sample: &Sample) -> Duration {
    let contexts = Speed::of_contexts(sample);
    // With the network the sample takes about twice as long.
    let probe = if plan.forced { 0 } else { 2 * PROBE.min(job.source.len()) as u64 };
    contexts.time_for(probe) + pass(job, job.blocks, contexts)
}

/// The part that the network saves of what contexts alone make of the later half of a sample, in 1/10,000, and what they would make
/// of the whole file at that rate. In the earlier half contexts, and the mixing of the two, are yet to learn.
pub fn saved_share(job: &Job, model: &Model) -> Result<(i64, u64)> {
    let sample = &job.source[..job.source.len().min(PROBE)];
    // Two at a time take no more memory than one with all of the tables.
    let tables = job.tables_within(Predictor::memory(job.tables, sample.len()) / 2, sample.len());
    let code = |number: usize| -> Result<u64> {
        let later = LaterHalf::new(sample.len() as u64, job.progress);
        let model = (number == 1).then_some(model);
        Coding { tables, ..job.coding(model) }.encode(sample, &later)?;
        Ok(later.coded.into_inner())
    };
    let mut coded = Vec::new();
    in_order(2, job.threads, code, |_, bytes| {
        coded.push(bytes);
        Ok(())
    })?;
    let [without, with] = coded[..] else { return Ok((0, 0)) };
    let share = (without as i64 - with as i64) * 10_000 / without.max(1) as i64;
    Ok((share, without * job.source.len() as u64 * 2 / sample.len().max(1) as u64))
}

/// Counts the bytes of archive that the later half of what is coded takes.
struct LaterHalf<'a> {
    progress: &'a dyn Progress,
    length: u64,
    done: AtomicU64,
    coded: AtomicU64,
}

impl<'a> LaterHalf<'a> {
    fn new(length: u64, progress: &'a dyn Progress) -> Self {
        Self { progress, length, done: AtomicU64::new(0), coded: AtomicU64::new(0) }
    }
}

impl Progress for LaterHalf<'_> {
    fn advance(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
    }

    fn coded(&self, bytes: u64) {
        if 2 * self.done.load(Ordering::Relaxed) >= self.length {
            self.coded.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.progress.is_cancelled()
    }
}

/// About the length of the whole archive with the network `model`.
pub fn archive_with(job: &Job, model: &Model, sample: &Sample) -> Result<u64> {
    let trial = &job.source[..job.source.len().min(TRIAL)];
    let coded = |model| -> Result<u64> { Ok(job.coding(model).encode(trial, &Silent)?.len() as u64) };
    Ok(sample.expected * coded(Some(model))? / coded(None)?.max(1) + model.section.len() as u64)
}
