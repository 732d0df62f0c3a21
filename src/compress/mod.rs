//! From a file to an archive: plan, train, quantise, encode the blocks.

mod advising;
mod estimate;
mod held;
mod layouts;
mod pace;
mod resting;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::block::Coding;
use crate::coder::Followed;
use crate::container::{BlockHeader, Header, Method, Writer, parity_of, part};
use crate::decompress::Proof;
use crate::error::Result;
use crate::layout::{self, Layout};
use crate::limits;
use crate::net::{self, Instructions, Network, Weights};
use crate::options::{Options, Parity, Resources};
use crate::parallel::in_order;
use crate::plan::{NetworkPlan, PROBE_PERCENT, Plan, Probe, SHORT_BLOCK, is_worth_it};
use crate::predict::{Effort, Predictor, Tables};
use crate::progress::{Phase, Progress, Quiet};
use crate::train::{self, Advice, Wanted, Watch};

use self::advising::Listener;
pub use self::estimate::{Estimate, estimate};
use self::held::Held;
use self::pace::Pace;
use self::resting::Places;

/// What came of a compression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Length of the source.
    pub original: u64,
    /// Length of the archive.
    pub archive: u64,
    /// What has been decoded already and need not be again to verify the archive.
    pub proof: Proof,
}

/// Bytes from the start of a file that show how far it compresses.
const SAMPLE: usize = 1 << 20;
/// Bytes that are learned from in a second, more or less.
const USUAL_SPEED: u64 = 150_000;

/// Compresses `source` into `sink`.
///
/// The archive is not verified yet: that is for [`crate::verify`], once it is where it shall stay. Where there are two
/// threads for every block and no network, blocks are decoded and compared while they are coded; then little of that is left.
///
/// # Errors
/// Those of training, of the sink, [`crate::ErrorKind::Mismatch`] if a block that is decoded already does not restore its
/// bytes, and [`crate::ErrorKind::Cancelled`].
pub fn compress(source: &[u8], options: &Options, sink: &mut dyn Write, progress: &dyn Progress) -> Result<Summary> {
    let (mut job, mut plan) = Job::new(source, options, progress)?;
    let sample = job.code_sample(&mut plan, &options.resources)?;
    let network = plan.network.as_ref().filter(|network| match network.is_worth_a_try(sample.expected) {
        true => true,
        false => {
            progress.note(&network.refusal(sample.expected));
            false
        }
    });
    let network = estimate::fit_memory(&mut job, network, options)?;
    let Some(network) = network else {
        let chosen = Chosen { model: None, first_block: sample.only_block };
        return job.write(options, chosen, sink);
    };
    let chosen = job.train(network, options, sample)?;
    if chosen.model.is_none() {
        estimate::fit_memory(&mut job, None, options)?;
    }
    job.write(options, chosen, sink)
}

/// One file on its way into an archive.
struct Job<'a> {
    source: &'a [u8],
    layout: Layout,
    tables: Tables,
    blocks: u32,
    /// About the length of the archive.
    expected: u64,
    parity: Parity,
    threads: NonZeroUsize,
    instructions: Instructions,
    progress: &'a dyn Progress,
    begin: Instant,
}

/// What coding the beginning of a file with contexts alone shows.
struct Sample {
    /// Its length.
    length: usize,
    /// Bytes of memory that it took.
    memory: u64,
    /// How long that took.
    time: Duration,
    /// About what the whole file will become.
    expected: u64,
    /// The streams of the only block, if the sample is the whole file.
    only_block: Option<Encoded>,
}

/// A block that is coded.
struct Encoded {
    stream: Vec<u8>,
    /// What has restored its bytes, if it was decoded as well.
    followed: Option<Followed>,
}

/// Whether the archive has a network, and what choosing has coded already.
#[derive(Default)]
struct Chosen {
    model: Option<Model>,
    first_block: Option<Encoded>,
}

/// A trained network.
struct Model {
    network: Network,
    section: Vec<u8>,
    /// Bytes of memory that it takes to decode one block, beside the predictor.
    memory: u64,
}

impl<'a> Job<'a> {
    /// The file with the plan for it.
    fn new(source: &'a [u8], options: &Options, progress: &'a dyn Progress) -> Result<(Self, Plan)> {
        let plan = Plan::new(options.level, options.network, source);
        let sample = if plan.tables.effort == Effort::Fast { layout::SAMPLE / 4 } else { layout::SAMPLE };
        let layout = Layout::detect_on(source, sample, options.resources.threads);
        let plan = plan.for_layout(&layout);
        let plan = plan.with_blocks_of(options.block, source.len() as u64);
        let job = Self {
            source,
            layout,
            tables: plan.tables,
            blocks: plan.blocks,
            expected: source.len() as u64,
            parity: options.parity,
            threads: options.resources.threads,
            instructions: Instructions::choose()?,
            progress,
            begin: Instant::now(),
        };
        Ok((job, plan))
    }

    /// Codes the beginning of the file, and fits the tables and the network of the `plan` to what that shows.
    fn code_sample(&mut self, plan: &mut Plan, resources: &Resources) -> Result<Sample> {
        let sample = &self.source[..self.source.len().min(SAMPLE)];
        self.progress.begin(Phase::Choosing, sample.len() as u64);
        let used = self.tables_for_sample(sample.len(), resources);
        let planned = std::mem::replace(&mut self.tables, used);
        let memory = Predictor::memory(self.tables, sample.len()) + Predictor::FIXED_MEMORY;
        resources.check_memory(memory)?;
        self.settle_layout(resources)?;
        let begin = Instant::now();
        let coding = self.coding(None);
        let stream = match &mut plan.network {
            None => coding.encode(sample, self.progress)?,
            Some(NetworkPlan { shape, awake, .. }) => {
                let mut places = Places::new(sample, &self.layout, shape);
                let stream = coding.encode_observed(sample, self.progress, &mut places)?;
                let resting = places.resting();
                *awake = places.awake(&resting);
                shape.resting = resting;
                stream
            }
        };
        let time = begin.elapsed();
        let expected = stream.len() as u64 * self.source.len() as u64 / sample.len().max(1) as u64;
        (self.tables, self.expected) = (planned, expected);
        plan.network = plan.network.take().map(|network| network.with_width_for(expected));
        self.fit_tables(expected / 2);
        let is_final = self.tables == used && sample.len() == self.source.len() && self.blocks == 1;
        let only_block = is_final.then_some(Encoded { stream, followed: None });
        Ok(Sample { length: sample.len(), memory, time, expected, only_block })
    }

    /// The tables for a sample that becomes an eighth of its length, within the memory allowed.
    fn tables_for_sample(&self, length: usize, resources: &Resources) -> Tables {
        let allowed = resources.memory.saturating_sub(Predictor::FIXED_MEMORY);
        self.tables_within(limits::decoder_memory(length as u64 / 16).min(allowed), length)
    }

    /// The largest tables up to the present ones with which a block of `length` bytes takes up to `memory`, or else the
    /// smallest there are.
    fn tables_within(&self, memory: u64, length: usize) -> Tables {
        let mut tables = self.tables;
        while tables.bits > Tables::LEAST_BITS && Predictor::memory(tables, length) > memory {
            tables.bits -= 1;
        }
        tables
    }

    /// Takes smaller tables, and where these are not enough shorter blocks, that an archive of `length` bytes may ask
    /// for so much memory.
    fn fit_tables(&mut self, length: u64) {
        let memory = limits::decoder_memory(length);
        self.tables = self.tables_within(memory, self.longest());
        if Predictor::memory(self.tables, self.longest()) > memory {
            self.blocks = self.source.len().div_ceil(SHORT_BLOCK as usize) as u32;
        }
    }

    /// Length of the longest block.
    fn longest(&self) -> usize {
        self.source.len().div_ceil(self.blocks.max(1) as usize)
    }

    /// Trains a network and keeps it if the archive is smaller with it; gives up early if it will not be.
    fn train(&self, plan: &NetworkPlan, options: &Options, sample: Sample) -> Result<Chosen> {
        let budget = self.budget(plan, options, &sample)?;
        self.progress.note(&format!("training begins, of a network of {} parameters", plan.shape.parameters()));
        let training = training_options(plan, options);
        let mut show = |weights: &Weights| {
            let model = self.model(weights)?;
            self.progress.archive_so_far(pace::archive_with(self, &model, &sample)?);
            Ok(())
        };
        let mut without = None;
        let mut judge = |weights: &Weights, wanted: &Wanted| {
            if !plan.forced && !self.may_pay(weights)? {
                return Ok(None);
            }
            self.progress
                .note("contexts code the file once, and from then on the network learns to add to what they say");
            let (advice, first_block) = self.advise(wanted)?;
            without = Some(first_block);
            Ok(Some(advice))
        };
        let watch = if self.progress.follows_archive() { Watch::new(&mut show) } else { Watch::none() };
        let mut watch = watch.with_probe(PROBE_PERCENT, &mut judge);
        let (source, layout) = (self.source, &self.layout);
        let weights = train::train(source, layout, &plan.shape, &budget, &training, &mut watch, self.progress)?;
        let Some(weights) = weights else { return Ok(Chosen { model: None, first_block: sample.only_block }) };
        let model = self.model(&weights)?;
        match plan.forced {
            true => Ok(Chosen { model: Some(model), first_block: None }),
            false => self.keep_if_it_pays(model, without),
        }
    }

    /// How long to train: as the plan says, or for what coding leaves of the time asked for.
    fn budget(&self, plan: &NetworkPlan, options: &Options, sample: &Sample) -> Result<train::Budget> {
        let Some(time) = options.time else { return Ok(train::Budget { bytes: plan.training, time: None }) };
        let coding = Pace::measure(self, plan, options)?.after_training(self, plan);
        let coding = coding + pace::judging(self, plan, sample);
        let left = time.saturating_sub(self.begin.elapsed() + coding);
        let (asked, coding) = (time.as_secs(), coding.as_secs());
        if left < time / 10 {
            let message = format!("coding and checking alone take about {coding} s; more than {asked} s will pass");
            self.progress.warning(&message);
        }
        Ok(train::Budget { bytes: u64::MAX, time: Some(left.max(time / 10)) })
    }

    /// The network as a decoder will read it.
    fn model(&self, weights: &Weights) -> Result<Model> {
        let section = net::encode(weights);
        let network = Network::new(&net::decode(&section)?, self.instructions);
        Ok(Model { network, section, memory: weights.shape.memory() + weights.shape.session_memory() })
    }

    /// Whether the network, as it stands at the probe, may yet save enough.
    fn may_pay(&self, weights: &Weights) -> Result<bool> {
        let model = self.model(weights)?;
        let (saved, coded) = pace::saved_share(self, &model)?;
        let (weights, parity) = (model.section.len() as u64, self.parity_of(&model));
        let probe = Probe { saved, weights, parity, coded };
        self.progress.note(&probe.verdict());
        Ok(probe.may_pay())
    }

    /// Codes all blocks on the contexts alone: what these say where it is `wanted`, and what the first block becomes.
    fn advise(&self, wanted: &Wanted) -> Result<(Advice, Encoded)> {
        let (mut advice, mut first_block) = (Advice::default(), None);
        let record = |number: usize| {
            let range = self.range(number);
            let block = &self.source[range.clone()];
            let mut listener = Listener::new(block, range.start, wanted);
            let stream = self.coding(None).encode_observed(block, &Quiet(self.progress), &mut listener)?;
            Ok((listener.advice, stream))
        };
        in_order(self.blocks as usize, self.threads, record, |_, (said, stream)| {
            advice.append(said);
            first_block.get_or_insert(stream);
            Ok(())
        })?;
        let stream = first_block.unwrap_or_default();
        Ok((advice, Encoded { stream, followed: None }))
    }

    /// Codes the first block with the network, and on the contexts alone if it is not known what becomes of it `without`. Tables start
    /// empty with each block, so that the others will gain as much.
    fn keep_if_it_pays(&self, model: Model, without: Option<Encoded>) -> Result<Chosen> {
        let block = self.first_block();
        let passes = if without.is_some() { 1 } else { 2 };
        self.progress.begin(Phase::Choosing, passes * block.len() as u64);
        let without = match without {
            Some(encoded) => encoded,
            None => Encoded { stream: self.coding(None).encode(block, self.progress)?, followed: None },
        };
        let with = self.encode_block(block, Some(&model), self.is_pipelined(1))?;
        let saved = without.stream.len().saturating_sub(with.stream.len()) as u64 * self.source.len() as u64
            / block.len() as u64;
        let (weights, parity) = (model.section.len() as u64, self.parity_of(&model));
        let pays = is_worth_it(saved, weights + parity, self.expected);
        let verdict = match pays {
            true => "so it is kept",
            false if saved > weights + parity => {
                "too little for the time that it takes to restore with it, so it is left out"
            }
            false => "so it is left out",
        };
        let cost = format!("{weights} bytes of weights and {parity} of their parity");
        self.progress.note(&format!("the network saves {saved} bytes for {cost}, {verdict}"));
        let winner = if pays { with } else { without };
        Ok(Chosen { model: pays.then_some(model), first_block: Some(winner) })
    }

    /// Bytes that the archive's parity grows by with the network.
    fn parity_of(&self, model: &Model) -> u64 {
        if self.parity == Parity::Vital { parity_of(model.section.len() as u64, self.expected) } else { 0 }
    }

    /// What a network is tried on.
    fn first_block(&self) -> &[u8] {
        &self.source[self.range(0)]
    }

    /// Where the block of that number stands.
    fn range(&self, number: usize) -> Range<usize> {
        let range = part(self.source.len() as u64, self.blocks.into(), number as u64);
        range.start as usize..range.end as usize
    }

    /// Encodes all blocks and writes the archive. One that becomes too short for what decoding it takes is made anew with
    /// smaller tables.
    fn write(&mut self, options: &Options, chosen: Chosen, sink: &mut dyn Write) -> Result<Summary> {
        let Chosen { model, mut first_block } = chosen;
        loop {
            let network = model.as_ref().map_or(0, |model| model.memory);
            let memory = network + Predictor::memory(self.tables, self.longest());
            let mut held = Held::new(sink, limits::shortest_archive(memory));
            let summary = self.write_once(options, model.as_ref(), first_block.take(), &mut held)?;
            if held.is_open() {
                return Ok(summary);
            }
            self.progress.note("the archive is too short for tables of this size; it is made anew with smaller ones");
            let blocks = self.blocks;
            self.fit_tables(summary.archive - summary.archive / 8);
            if self.blocks > blocks {
                self.threads = NonZeroUsize::MIN;
            }
        }
    }

    fn write_once(
        &self,
        options: &Options,
        model: Option<&Model>,
        first_block: Option<Encoded>,
        sink: &mut dyn Write,
    ) -> Result<Summary> {
        let header = Header {
            original: self.source.len() as u64,
            blocks: self.blocks,
            level: options.level,
            network: model.is_some(),
            tables: self.tables,
            layout: self.layout.clone(),
        };
        let mut writer = Writer::new(sink, &header, options.parity)?;
        if let Some(model) = model {
            writer.model(&model.section)?;
        }
        let block = |number| &self.source[self.range(number)];
        let mut proof = Proof::new(header.clone(), model.map(|model| &model.section[..]));
        let mut put = |number, Encoded { stream, followed }| {
            let (header, payload) = seal(block(number), stream);
            if let (Method::Coded { .. }, Some(followed)) = (&header.method, followed) {
                proof.add(number as u32, followed);
            }
            writer.block(&header, &payload)
        };
        let first = u32::from(first_block.is_some());
        if let Some(encoded) = first_block {
            put(0, encoded)?;
        }
        let rest = self.blocks - first;
        if rest > 0 {
            self.progress.begin(Phase::Encoding, header.original - u64::from(first) * header.range(0).end);
            // To decode blocks as well takes memory, which is there if it is for all blocks, and for any one of several.
            let pipelined = self.is_pipelined(if rest > 1 { self.blocks } else { rest });
            let encode = |number| self.encode_block(block(first as usize + number), model, pipelined);
            in_order(rest as usize, self.threads, encode, |number, coded| put(first as usize + number, coded))?;
        }
        Ok(Summary { original: header.original, archive: writer.finish()?, proof })
    }

    /// Codes a block, and decodes it as well if a thread is free for that.
    fn encode_block(&self, bytes: &[u8], model: Option<&Model>, pipelined: bool) -> Result<Encoded> {
        let coding = self.coding(model);
        if pipelined {
            let (stream, followed) = coding.encode_and_check(bytes, self.progress)?;
            return Ok(Encoded { stream, followed: Some(followed) });
        }
        Ok(Encoded { stream: coding.encode(bytes, self.progress)?, followed: None })
    }

    /// Whether there are two threads for each of so many blocks.
    fn is_pipelined(&self, blocks: u32) -> bool {
        self.threads.get() >= 2 * blocks as usize
    }

    fn coding<'b>(&'b self, model: Option<&'b Model>) -> Coding<'b> {
        let (layout, network) = (&self.layout, model.map(|model| &model.network));
        Coding { layout, tables: self.tables, instructions: self.instructions, network }
    }
}

/// About the bytes that a training learns from.
fn learned_bytes(plan: &NetworkPlan, options: &Options) -> u64 {
    // Not as measured: a run that goes on from its checkpoint needs the same recipe.
    options.time.map_or(plan.training, |time| time.as_secs().saturating_mul(USUAL_SPEED))
}

fn training_options(plan: &NetworkPlan, options: &Options) -> train::TrainOptions {
    train::TrainOptions {
        seed: options.seed,
        threads: options.resources.threads.get(),
        device: options.device,
        recipe: train::Recipe::of(learned_bytes(plan, options)),
        checkpoint: options.checkpoint.clone(),
    }
}

/// The block as it is written: coded, or stored if that is not longer.
fn seal(bytes: &[u8], stream: Vec<u8>) -> (BlockHeader, Vec<u8>) {
    let (crc, newlines) = (crc32fast::hash(bytes), memchr::memchr_iter(b'\n', bytes).count() as u64);
    if stream.len() >= bytes.len() {
        return (BlockHeader { newlines, method: Method::Stored, crc }, bytes.to_vec());
    }
    (BlockHeader { newlines, method: Method::Coded { length: stream.len() as u64 }, crc }, stream)
}
