//! What a compression will take, from a quick probe.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::pace::{self, Pace, Speed};
use super::{Job, training_options};
use crate::error::Result;
use crate::options::Options;
use crate::parallel::waiting;
use crate::plan::{NetworkPlan, PROBE_PERCENT};
use crate::predict::Predictor;
use crate::progress::Progress;

/// Bytes of memory that training takes for each parameter: values, moments, gradients; and one more gradient for each
/// thread.
const TRAINING_PARAMETER: u64 = 32;
const TRAINING_GRADIENT: u64 = 4;
/// The same on each thread, for each position of a sequence, each layer and each number of the network's width.
const TRAINING_ACTIVATION: u64 = 640;
/// The same for each byte that is learnt from, and for what contexts say of it; and how many bytes that are at most.
const TRAINING_BYTE: u64 = 12;
const TRAINING_ADVICE: u64 = 12;
const TRAINING_BYTES: u64 = 96 << 20;

/// About the bytes of an archive that are not payload.
const HEADERS: u64 = 64;

/// What a compression is expected to take. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Length of the source.
    pub original: u64,
    /// Length of the archive by contexts alone; a network may make it smaller.
    pub archive: u64,
    /// Whether a network will be trained.
    pub trains: bool,
    /// Why, or why not, in words.
    pub reason: String,
    /// Time for training.
    pub training: Duration,
    /// Time for choosing, encoding, and decoding to compare.
    pub coding: Duration,
    /// Memory to compress, beside the source itself.
    pub memory: u64,
    /// Memory to decompress on as many threads.
    pub memory_to_decompress: u64,
}

/// Codes a sample of `source`, and trains for a moment if a network is planned, to tell what [`crate::compress`] with
/// the same options will take.
///
/// # Errors
/// As [`crate::compress`].
pub fn estimate(source: &[u8], options: &Options, progress: &dyn Progress) -> Result<Estimate> {
    let (mut job, mut plan) = Job::new(source, options, progress)?;
    let sample = job.code_sample(&mut plan, &options.resources)?;
    fit_memory(&mut job, None, options)?;
    let contexts = pace::pass(&job, job.blocks, Speed::of_contexts(&sample));
    // One of the passes, to encode and to decode, is saved if there is nothing to encode, or both go on at the same time.
    let passes = if sample.only_block.is_some() || job.is_pipelined(job.blocks) { 1 } else { 2 };
    let mut estimate = Estimate {
        original: source.len() as u64,
        archive: sample.expected.min(source.len() as u64) + HEADERS,
        trains: false,
        reason: format!("level {} has no network", options.level),
        training: Duration::ZERO,
        coding: sample.time + passes * contexts,
        memory: sample.memory.max(coding_memory(&job, None)),
        memory_to_decompress: decoding_memory(&job, None, job.blocks),
    };
    match &plan.network {
        None => {}
        Some(network) if !network.is_worth_a_try(sample.expected) => estimate.reason = network.refusal(sample.expected),
        Some(network) => {
            let pace = Pace::measure(&job, network, options)?;
            let coding = sample.time + pace::judging(&job, network, &sample) + pace.after_training(&job, network);
            estimate.trains = true;
            estimate.reason = format!(
                "a network of {} parameters is trained and kept if it pays; training ends after {PROBE_PERCENT} % if it cannot",
                network.shape.parameters()
            );
            estimate.training = match options.time {
                Some(time) => time.saturating_sub(coding).max(time / 10),
                None => pace.training.time_for(network.training),
            };
            estimate.coding = coding;
            estimate.memory_to_decompress = decoding_memory(&job, Some(network), job.blocks);
            let training = training_memory(&job, network, options);
            estimate.memory = estimate.memory.max(coding_memory(&job, Some(network))).max(training);
        }
    }
    Ok(estimate)
}

/// Takes no more threads than may each code a block in the memory allowed, and a network only if training it fits.
///
/// # Errors
/// [`crate::ErrorKind::Limit`] if one thread does not fit, or a network that was insisted on.
pub fn fit_memory<'a>(
    job: &mut Job,
    network: Option<&'a NetworkPlan>,
    options: &Options,
) -> Result<Option<&'a NetworkPlan>> {
    let (planned, resources) = (job.threads, &options.resources);
    let mut fit = |network: Option<&NetworkPlan>| {
        job.threads = NonZeroUsize::MIN;
        resources.check_memory(coding_memory(job, network))?;
        let useful = 2 * job.blocks.max(1) as usize;
        job.threads = planned.min(NonZeroUsize::new(useful).unwrap_or(planned));
        while coding_memory(job, network) > resources.memory {
            job.threads = NonZeroUsize::new(job.threads.get() - 1).unwrap_or(NonZeroUsize::MIN);
        }
        network.map_or(Ok(()), |network| resources.check_memory(training_memory(job, network, options)))
    };
    match fit(network) {
        Err(error) if network.is_some_and(|network| !network.forced) => {
            job.progress.warning(&format!("no network is trained: {error}"));
        }
        result => return result.map(|()| network),
    }
    job.threads = planned;
    fit_memory(job, None, options)
}

/// Memory to code as many blocks at once as there are threads, and to try a network, which takes two.
fn coding_memory(job: &Job, network: Option<&NetworkPlan>) -> u64 {
    let blocks = if network.is_some() { job.blocks.max(2) } else { job.blocks };
    // Blocks are decoded while they are encoded.
    let at_once = if job.is_pipelined(blocks) { 2 * blocks } else { blocks };
    // A stream that grows has room for up to as much again.
    let streams = 2 * (job.expected / u64::from(job.blocks.max(1))).min(job.longest() as u64);
    let held = u64::from(blocks).min(job.threads.get() as u64) + waiting(job.blocks.into(), job.threads);
    decoding_memory(job, network, at_once) + held * streams
}

/// Memory to decode as many of so many blocks at once as there are threads.
fn decoding_memory(job: &Job, network: Option<&NetworkPlan>, blocks: u32) -> u64 {
    let (blocks, longest) = (u64::from(blocks.max(1)), job.longest());
    let session = network.map_or(0, |network| network.shape.session_memory());
    let block = Predictor::memory(job.tables, longest) + Predictor::FIXED_MEMORY + session;
    let at_once = blocks.min(job.threads.get() as u64);
    let done = waiting(job.blocks.into(), job.threads) * longest as u64;
    network.map_or(0, |network| network.shape.memory()) + at_once * block + done
}

/// Memory to train, and to code a sample now and then to see how large the archive becomes.
fn training_memory(job: &Job, network: &NetworkPlan, options: &Options) -> u64 {
    let shape = &network.shape;
    let positions = (training_options(network, options).recipe.windows * usize::from(shape.window)) as u64;
    let activations = positions * u64::from(shape.width) * u64::from(shape.layers) * TRAINING_ACTIVATION;
    let parameters = shape.parameters() as u64;
    let threads = options.resources.threads.get() as u64 * (activations + parameters * TRAINING_GRADIENT);
    let learnt = (job.source.len() as u64).min(TRAINING_BYTES) * network.awake / 100;
    // The contexts' advice takes more than a probe. Meanwhile nothing else is known of the bytes.
    let at_once = u64::from(job.blocks.max(1)).min(job.threads.get() as u64);
    let contexts = at_once * (Predictor::memory(job.tables, job.longest()) + Predictor::FIXED_MEMORY);
    let trial = contexts + shape.memory() + shape.session_memory();
    (learnt * TRAINING_BYTE).max(trial) + learnt * TRAINING_ADVICE + parameters * TRAINING_PARAMETER + threads
}
