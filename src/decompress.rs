//! From an archive back to the original: open, decode the blocks, check each, hand them out in order.

use std::io::Write;
use std::num::NonZeroUsize;

use crate::block::Coding;
use crate::container::{Archive, Method};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::net::{self, Instructions, Network, Shape};
use crate::parallel::in_order;
use crate::predict::Predictor;
use crate::progress::{Phase, Progress};

/// Decodes `archive` into `sink`, with blocks on up to `threads` threads.
///
/// Every block is checked before its bytes are written, so that what reaches the sink is right as far as it goes.
///
/// # Errors
/// [`ErrorKind::Damaged`], [`ErrorKind::Version`] or [`ErrorKind::Limit`] for an archive that cannot be restored;
/// [`ErrorKind::Io`] from the sink; [`ErrorKind::Cancelled`].
pub fn decompress(archive: &[u8], threads: NonZeroUsize, sink: &mut dyn Write, progress: &dyn Progress) -> Result<()> {
    let archive = Archive::open(archive)?;
    progress.begin(Phase::Decoding, archive.header().original);
    restore(&archive, threads, progress, |_, bytes| Ok(sink.write_all(&bytes)?))
}

/// Decodes `archive` and compares every byte with `source`.
///
/// # Errors
/// [`ErrorKind::Mismatch`] where they differ, else as [`decompress`].
pub fn verify(archive: &[u8], source: &[u8], threads: NonZeroUsize, progress: &dyn Progress) -> Result<()> {
    let archive = Archive::open(archive)?;
    progress.begin(Phase::Verifying, archive.header().original);
    if archive.header().original != source.len() as u64 {
        return Err(Error::new(ErrorKind::Mismatch, "the archive does not hold as many bytes as the source has"));
    }
    restore(&archive, threads, progress, |number, bytes| {
        let start = archive.blocks()[number].original.start;
        match bytes.iter().zip(&source[start as usize..]).position(|(restored, original)| restored != original) {
            None => Ok(()),
            Some(at) => {
                let message = format!("byte {} of the source is not what the archive restores", start + at as u64);
                Err(Error::new(ErrorKind::Mismatch, message))
            }
        }
    })
}

/// Decodes and checks every block and hands it to `take`, in order.
fn restore(
    archive: &Archive<'_>,
    threads: NonZeroUsize,
    progress: &dyn Progress,
    mut take: impl FnMut(usize, Vec<u8>) -> Result<()>,
) -> Result<()> {
    let weights = archive.model()?.map(net::decode).transpose()?;
    let threads = threads_within_memory(archive, weights.as_ref().map(|weights| &weights.shape), threads)?;
    let instructions = Instructions::choose()?;
    let network = weights.map(|weights| Network::new(&weights, instructions));
    let header = archive.header();
    let coding = Coding {
        layout: &header.layout,
        tables: header.tables,
        instructions,
        network: network.as_ref(),
        pipelined: threads.get() >= 2 * archive.blocks().len(),
    };
    let decode = |number| decode_block(archive, number, &coding, progress);
    in_order(archive.blocks().len(), threads, decode, &mut take)
}

fn decode_block(archive: &Archive<'_>, number: usize, coding: &Coding<'_>, progress: &dyn Progress) -> Result<Vec<u8>> {
    let payload = archive.payload(number)?;
    let block = &archive.blocks()[number];
    let restored = match &block.header.method {
        Method::Stored => {
            progress.check()?;
            progress.advance(payload.len() as u64);
            payload.to_vec()
        }
        Method::Coded { lanes } => {
            let mut rest = payload;
            let mut streams = Vec::with_capacity(lanes.len());
            for &length in lanes {
                let (stream, after) = rest
                    .split_at_checked(length as usize)
                    .ok_or_else(|| Error::damaged(format!("block {number} is shorter than its lanes")))?;
                streams.push(stream);
                rest = after;
            }
            coding.decode(&streams, (block.original.end - block.original.start) as usize, progress)?
        }
    };
    archive.check_restored(number, &restored)?;
    Ok(restored)
}

/// As many of `threads` as may each decode a block in the memory that an archive of this length is allowed.
///
/// # Errors
/// [`ErrorKind::Limit`] if it is not enough for one.
fn threads_within_memory(archive: &Archive<'_>, shape: Option<&Shape>, threads: NonZeroUsize) -> Result<NonZeroUsize> {
    let header = archive.header();
    let (mut longest, mut lanes) = (0, 0);
    for block in archive.blocks() {
        if let Method::Coded { lanes: streams } = &block.header.method {
            longest = longest.max(block.original.end - block.original.start);
            lanes = lanes.max(streams.len());
        }
    }
    let network = shape.map_or(0, Shape::memory);
    let team = shape.map_or(0, |shape| shape.team_memory(lanes));
    let block = team + Predictor::memory(&header.layout, header.tables, longest as usize);
    let allowed = limits::decoder_memory(archive.length());
    if network + block > allowed {
        let (need, length) = (network + block, archive.length());
        let message = format!("it needs {need} bytes of memory; an archive of {length} bytes may take {allowed}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let fitting = usize::try_from((allowed - network) / (block + Predictor::FIXED_MEMORY)).unwrap_or(usize::MAX);
    Ok(NonZeroUsize::new(fitting).map_or(NonZeroUsize::MIN, |fitting| fitting.min(threads)))
}
