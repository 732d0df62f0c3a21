//! Whether an archive, where it stands, restores its source.

use std::collections::BTreeMap;

use super::decoder::Decoder;
use crate::coder::Followed;
use crate::container::{Archive, Header, Method};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Resources;
use crate::progress::{Phase, Progress};

/// What of an archive was decoded and compared with its source while it was made. By default that is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// What coding depended on, if the archive's maker is known.
    header: Option<Header>,
    /// CRC-32 of the model section's content, if there is one.
    model: Option<u32>,
    /// The stream of each block that was decoded, by the block's number.
    streams: BTreeMap<u32, Followed>,
}

impl Proof {
    /// Nothing yet, of an archive with this header and content of its model section.
    pub fn new(header: Header, model: Option<&[u8]>) -> Self {
        Self { header: Some(header), model: model.map(crc32fast::hash), streams: BTreeMap::new() }
    }

    /// Adds that a block was restored from a stream that was this one.
    pub fn add(&mut self, block: u32, stream: Followed) {
        self.streams.insert(block, stream);
    }

    /// Whether a block need not be decoded again.
    pub fn covers(&self, block: u32) -> bool {
        self.streams.contains_key(&block)
    }

    /// An error if `archive` is not made of what was decoded, or says that its blocks are of other bytes than `source`.
    fn check(&self, archive: &Archive<'_>, source: &[u8], progress: &dyn Progress) -> Result<()> {
        if self.header.as_ref().is_some_and(|header| header != archive.header()) {
            return Err(mismatch("the archive does not begin with the header that was written"));
        }
        if self.header.is_some() && self.model != archive.model()?.map(crc32fast::hash) {
            return Err(mismatch("the archive does not hold the network that was written"));
        }
        for (&number, stream) in &self.streams {
            let block = archive.block(number)?;
            let is_stream = block.header.method == Method::Coded { length: stream.length }
                && crc32fast::hash(archive.payload(block)?) == stream.crc;
            if !is_stream {
                return Err(mismatch(format!("block {} of the archive is not what was written", number + 1)));
            }
            let original = &source[block.original.start as usize..block.original.end as usize];
            if crc32fast::hash(original) != block.header.crc {
                return Err(mismatch(format!("block {} of the source is not what the archive says", number + 1)));
            }
            progress.advance(block.original_length());
        }
        Ok(())
    }
}

/// Decodes `archive` and compares every byte with `source`. Blocks with a `proof` are not decoded again: it is enough that
/// the archive holds the very streams that have restored them.
///
/// # Errors
/// [`ErrorKind::Mismatch`] where they differ or the archive is not sound, else as [`super::decompress`].
pub fn verify(
    archive: &[u8],
    source: &[u8],
    proof: &Proof,
    resources: &Resources,
    progress: &dyn Progress,
) -> Result<()> {
    let archive = Archive::open(archive)?;
    progress.begin(Phase::Verifying, archive.header().original);
    if archive.header().original != source.len() as u64 {
        return Err(mismatch("the archive does not hold as many bytes as the source has"));
    }
    // Made even if it has nothing to do: it refuses what takes more memory than an archive of its length may.
    let decoder = Decoder::new(&archive, resources, progress)?;
    proof.check(&archive, source, progress)?;
    let numbers: Vec<u32> = (0..archive.header().blocks).filter(|&number| !proof.covers(number)).collect();
    decoder.each(&numbers, progress, |number, bytes| {
        let (bytes, start) = (bytes?, archive.header().range(number).start);
        match bytes.iter().zip(&source[start as usize..]).position(|(restored, original)| restored != original) {
            None => Ok(()),
            Some(at) => {
                Err(mismatch(format!("byte {} of the source is not what the archive restores", start + at as u64)))
            }
        }
    })?;
    match archive.is_sound() {
        true => Ok(()),
        false => Err(mismatch("the archive's checksums do not match what was written")),
    }
}

fn mismatch(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Mismatch, message)
}
