//! From an archive to what every byte of the original costs in it, and who predicted it.

use super::decoder::{Decoder, Follow};
use crate::block::Observer;
use crate::coder;
use crate::container::{Archive, Block, Method};
use crate::error::Result;
use crate::options::Resources;
use crate::predict::{Ablation, Credit, Decision, Evidence, Expert, Part};
use crate::progress::{Phase, Progress};

/// The unit of costs is 1/2^this of a bit.
pub const COST_BITS: u32 = 24;

/// One block, explained.
pub struct Explained {
    /// The original bytes.
    pub bytes: Vec<u8>,
    /// What each costs, in 1/2^[`COST_BITS`] bit.
    pub costs: Vec<u32>,
    /// The expert that did most for each.
    pub experts: Vec<Option<Expert>>,
    /// What each of [`Part::ALL`] would have paid for the block, if that was asked for and the block is coded.
    pub ablation: Option<[u64; Part::ALL.len()]>,
}

/// Decodes and checks every block of `archive` and hands it to `take`, in order, with what it was coded from; `ablate`
/// also finds what some of the experts would have reached without the others. That takes memory beside the decoder's, which
/// `resources` bounds too.
///
/// # Errors
/// As [`crate::decompress`], and those of `take`.
pub fn explain(
    archive: &Archive<'_>,
    ablate: bool,
    resources: &Resources,
    progress: &dyn Progress,
    mut take: impl FnMut(Explained) -> Result<()>,
) -> Result<()> {
    progress.begin(Phase::Decoding, archive.header().original);
    let watch = |number: u32| {
        // A block that is missing is an error as soon as it is to be decoded.
        let block = archive.block(number).ok();
        let is_stored = block.is_none_or(|block| block.header.method == Method::Stored);
        let length = block.map_or(0, Block::original_length) as usize;
        Watch {
            costs: vec![if is_stored { 8 << COST_BITS } else { 0 }; length],
            experts: vec![None; length],
            ablation: (ablate && !is_stored).then(|| Ablation::new(&archive.header().layout)),
            cost: 0,
            credit: Credit::default(),
        }
    };
    let numbers: Vec<u32> = (0..archive.header().blocks).collect();
    let follow = Follow {
        byte: (size_of::<u32>() + size_of::<Option<Expert>>()) as u64,
        block: if ablate { Ablation::memory() } else { 0 },
    };
    Decoder::followed(archive, follow, resources, progress)?.each_observed(
        &numbers,
        progress,
        watch,
        |_, bytes, watch| {
            let Watch { costs, experts, ablation, .. } = watch;
            take(Explained { bytes: bytes?, costs, experts, ablation: ablation.map(|ablation| ablation.costs()) })
        },
    )
}

/// Writes down what one block's bytes cost.
struct Watch {
    costs: Vec<u32>,
    experts: Vec<Option<Expert>>,
    ablation: Option<Ablation>,
    /// Of the byte in work.
    cost: u32,
    credit: Credit,
}

impl Observer for Watch {
    const ASKS_ALWAYS: bool = true;

    #[inline(always)]
    fn decision(&mut self, _: Decision, yes: u16, answer: bool, evidence: &Evidence<'_>) {
        self.cost += coder::cost(yes, answer);
        evidence.thank(answer, &mut self.credit);
        if let Some(ablation) = &mut self.ablation {
            ablation.observe(evidence, answer);
        }
    }

    #[inline(always)]
    fn byte(&mut self, place: usize) {
        self.costs[place] = std::mem::take(&mut self.cost);
        self.experts[place] = std::mem::take(&mut self.credit).first();
    }
}
