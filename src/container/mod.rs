#![doc = include_str!("FORMAT.md")]

mod read;
#[cfg(test)]
mod tests;
mod varint;
mod write;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::limits;
use crate::predict::Tables;

pub use read::{Archive, Block};
pub use write::Writer;

/// The first bytes of every archive: no text, not 7-bit clean, and mangled by any change of line ends.
pub const MAGIC: [u8; 8] = *b"\x89NNCZ\r\n\x1a";
/// The version of the format that this build writes and reads.
pub const VERSION: u8 = 1;
/// Most original bytes that one byte of a coded payload can stand for: a byte takes at least one decision, and one whose
/// probability has 16 bits costs at least log₂(65536/65535) bits, so that a payload byte holds at most 363,406 bytes.
pub const EXPANSION: u64 = 1 << 19;

const MODEL_TAG: u8 = b'M';
const BLOCK_TAG: u8 = b'B';
const INDEX_TAG: u8 = b'I';
const END: [u8; 4] = *b"ZCNN";

/// What the decoder must know before the first block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Length of the original.
    pub original: u64,
    /// Number of blocks that the original is cut in, by [`part`]; none for an empty file.
    pub blocks: u32,
    /// The level that was asked for, 1…9.
    pub level: u8,
    /// The context tables, and how much the predictor does for a byte.
    pub tables: Tables,
    /// The structure of the original.
    pub layout: Layout,
}

impl Header {
    /// The bytes of the original that block `number` restores.
    pub fn range(&self, number: u32) -> Range<u64> {
        part(self.original, self.blocks.into(), number.into())
    }

    /// An error of kind [`ErrorKind::Limit`] if a declared size is over a limit, [`ErrorKind::Damaged`] if the sizes
    /// contradict each other.
    fn check(&self) -> Result<()> {
        let blocks = u64::from(self.blocks);
        if blocks > self.original || (blocks == 0) != (self.original == 0) {
            return Err(Error::damaged(format!("{} bytes in {blocks} blocks", self.original)));
        }
        check_limit("blocks", blocks, limits::BLOCKS)?;
        if blocks > 0 {
            check_limit("bytes in a block", self.original.div_ceil(blocks), limits::BLOCK_LENGTH)?;
        }
        check_limit("level of the context tables", self.tables.bits.into(), limits::TABLE_BITS.into())
    }
}

/// How a block's payload holds its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// The payload is the original bytes.
    Stored,
    /// The payload is one stream of the range coder a lane, side by side.
    Coded {
        /// Length of each lane's stream; lane `i` of `n` codes [`part`] `i` of `n` of the block's bytes.
        lanes: Vec<u64>,
    },
}

/// What a block's header says, next to its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// How the payload holds the bytes.
    pub method: Method,
    /// CRC-32 of the original bytes.
    pub crc: u32,
}

/// The part `index` of `length` bytes cut in `parts` parts as equal as can be: from ⌊index·length/parts⌋ to
/// ⌊(index+1)·length/parts⌋. The rule for blocks in a file and for lanes in a block.
pub fn part(length: u64, parts: u64, index: u64) -> Range<u64> {
    let cut = |index: u64| (u128::from(index) * u128::from(length) / u128::from(parts.max(1))) as u64;
    cut(index)..cut(index + 1)
}

fn check_limit(what: &str, value: u64, limit: u64) -> Result<()> {
    if value > limit {
        let message = format!("the archive asks for {value} {what}, this build allows at most {limit}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(())
}

/// CRC-32 of `bytes`, made to depend on the archive's header so that a section of another archive does not fit.
fn section_crc(header_crc: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header_crc.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// The CRC-32 of parts put together, from each one's length and CRC-32.
fn combined_crc(parts: impl Iterator<Item = (u64, u32)>) -> u32 {
    let mut whole = crc32fast::Hasher::new();
    for (length, crc) in parts {
        whole.combine(&crc32fast::Hasher::new_with_initial_len(crc, length));
    }
    whole.finalize()
}
