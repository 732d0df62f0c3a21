//! What decodes the blocks of one archive, on as many threads as memory allows.

use std::num::NonZeroUsize;

use crate::block::{Coding, Observer, Unobserved};
use crate::container::{Archive, Block, Method};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::net::{self, Instructions, Network, Shape};
use crate::options::Resources;
use crate::parallel::{in_order, waiting};
use crate::predict::Predictor;
use crate::progress::Progress;

/// The decoder of an archive's blocks.
pub struct Decoder<'a> {
    archive: &'a Archive<'a>,
    network: Option<Network>,
    instructions: Instructions,
    threads: NonZeroUsize,
}

/// What decoding takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Bytes of memory for the network.
    pub network: u64,
    /// Bytes of memory for each block in work.
    pub block: u64,
    /// The same to follow it.
    follow: u64,
    /// Bytes of memory for a block that is done and not taken yet.
    done: u64,
    blocks: u64,
}

/// Memory that following the blocks takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Follow {
    /// Bytes for each byte of a block, in work or done.
    pub byte: u64,
    /// Bytes for each block, in work or done.
    pub block: u64,
}

impl<'a> Decoder<'a> {
    /// Errors: the network is damaged; decoding takes more memory than is allowed.
    pub fn new(archive: &'a Archive<'a>, resources: &Resources, progress: &dyn Progress) -> Result<Self> {
        Self::followed(archive, Follow::default(), resources, progress)
    }

    /// The same for blocks that are followed with [`Self::each_observed`].
    pub fn followed(
        archive: &'a Archive<'a>,
        follow: Follow,
        resources: &Resources,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let weights = archive.model()?.map(net::decode).transpose()?;
        let need = Need::of(archive, weights.as_ref().map(|weights| &weights.shape), follow);
        let threads = need.threads(archive, resources)?;
        progress.note(&format!("decoding takes about {} of memory: {threads} threads", mebibytes(need.total(threads))));
        let instructions = Instructions::choose()?;
        let network = weights.map(|weights| Network::new(&weights, instructions));
        Ok(Self { archive, network, instructions, threads })
    }

    /// Decodes and checks blocks by their numbers, and hands over the bytes of each, or what is wrong with it, in order.
    pub fn each(
        &self,
        numbers: &[u32],
        progress: &dyn Progress,
        mut take: impl FnMut(u32, Result<Vec<u8>>) -> Result<()>,
    ) -> Result<()> {
        self.each_observed(numbers, progress, |_| Unobserved, |number, bytes, _| take(number, bytes))
    }

    /// The same, each block followed by what `observe` makes for it.
    pub fn each_observed<O: Observer + Send>(
        &self,
        numbers: &[u32],
        progress: &dyn Progress,
        observe: impl Fn(u32) -> O + Sync,
        mut take: impl FnMut(u32, Result<Vec<u8>>, O) -> Result<()>,
    ) -> Result<()> {
        let header = self.archive.header();
        let coding = Coding {
            layout: &header.layout,
            tables: header.tables,
            instructions: self.instructions,
            network: self.network.as_ref(),
        };
        let decode = |place: usize| {
            let mut observer = observe(numbers[place]);
            match self.block(numbers[place], &coding, progress, &mut observer) {
                Err(error) if error.kind() == ErrorKind::Damaged => Ok((Err(error), observer)),
                result => Ok((Ok(result?), observer)),
            }
        };
        let take = |place, (result, observer)| take(numbers[place], result, observer);
        in_order(numbers.len(), self.threads, decode, take)
    }

    fn block(
        &self,
        number: u32,
        coding: &Coding<'_>,
        progress: &dyn Progress,
        observer: &mut impl Observer,
    ) -> Result<Vec<u8>> {
        let block = self.archive.block(number)?;
        let payload = self.archive.payload(block)?;
        let restored = match &block.header.method {
            Method::Stored => {
                progress.check()?;
                progress.advance(payload.len() as u64);
                payload.to_vec()
            }
            Method::Coded { .. } => coding.decode(payload, block.original_length() as usize, progress, observer)?,
        };
        self.archive.check_restored(block, &restored)?;
        Ok(restored)
    }
}

impl Need {
    /// What an archive takes whose network has this shape.
    pub fn of(archive: &Archive<'_>, shape: Option<&Shape>, follow: Follow) -> Self {
        let header = archive.header();
        let longest = archive.blocks().iter().map(Block::original_length).max().unwrap_or(0);
        let coded = archive.blocks().iter().filter(|block| block.header.method != Method::Stored);
        let coded = coded.map(Block::original_length).max().unwrap_or(0);
        let session = shape.map_or(0, Shape::session_memory);
        let block = session + Predictor::memory(header.tables, coded as usize);
        let follow = longest * follow.byte + follow.block;
        Self {
            network: shape.map_or(0, Shape::memory),
            block,
            follow,
            done: longest + follow,
            blocks: archive.blocks().len() as u64,
        }
    }

    /// Bytes of memory on a number of threads.
    pub fn total(&self, threads: NonZeroUsize) -> u64 {
        let at_once = self.blocks.clamp(1, threads.get() as u64);
        self.network
            + at_once * (self.block + self.follow + Predictor::FIXED_MEMORY)
            + waiting(self.blocks, threads) * self.done
    }

    /// As many threads as may each decode a block: within the memory that the caller allows, and within what an
    /// archive of this length may take. Errors: it is not enough for one.
    fn threads(&self, archive: &Archive<'_>, resources: &Resources) -> Result<NonZeroUsize> {
        let (length, one) = (archive.length(), self.total(NonZeroUsize::MIN));
        let allowed = limits::decoder_memory(length);
        if self.network + self.block > allowed {
            let need = self.network + self.block;
            let message = format!("it needs {need} bytes of memory; an archive of {length} bytes may take {allowed}");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        resources.check_memory(one)?;
        let allowed = allowed.min(resources.memory);
        let useful = resources.threads.get().min(usize::try_from(self.blocks).unwrap_or(usize::MAX));
        let fitting = (2..=useful).rev().filter_map(NonZeroUsize::new).find(|&threads| self.total(threads) <= allowed);
        Ok(match fitting {
            _ if useful <= 1 => resources.threads,
            Some(fitting) if fitting.get() == useful => resources.threads,
            Some(fitting) => fitting,
            None => NonZeroUsize::MIN,
        })
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
