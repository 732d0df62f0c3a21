#![doc = include_str!("FORMAT.md")]

mod cursor;
mod mend;
mod parity;
mod read;
mod search;
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

pub use mend::{Mending, mend, rewrite};
pub use read::{Archive, Block};
pub use write::{Writer, length_of, parity_of};

/// The first bytes of every archive: no text, not 7-bit clean, and mangled by any change of line ends.
pub const MAGIC: [u8; 8] = *b"\x89NNCZ\r\n\x1a";
/// The version of the format that this build writes and reads.
pub const VERSION: u8 = 14;
/// Most original bytes that one byte of a coded payload can stand for: a byte takes at least one decision, and one whose
/// probability has 16 bits costs at least log₂(65536/65535) bits, so that a payload byte holds at most 363,406 bytes.
pub const EXPANSION: u64 = 1 << 19;

const MODEL_TAG: u8 = b'M';
const BLOCK_TAG: u8 = b'B';
const INDEX_TAG: u8 = b'I';
const PARITY_TAG: u8 = b'P';
/// The last bytes of the index.
const END: [u8; 4] = *b"ZCNN";

/// What the decoder must know before the first block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "HeaderFields", into = "HeaderFields")]
pub struct Header {
    /// Length of the original.
    pub original: u64,
    /// Number of blocks that the original is cut in, by [`part`]; none for an empty file.
    pub blocks: u32,
    /// The level that was asked for, 1…9.
    pub level: u8,
    /// Whether there is a network.
    pub network: bool,
    /// The context tables, and how much the predictor does for a byte.
    pub tables: Tables,
    /// The structure of the original.
    pub layout: Layout,
}

/// The header's fields as they are written.
#[derive(Serialize, Deserialize)]
struct HeaderFields {
    original: u64,
    blocks: u32,
    /// The level, plus [`NETWORK`] if there is a network.
    level: u8,
    tables: Tables,
    layout: Layout,
}

const NETWORK: u8 = 128;

impl From<HeaderFields> for Header {
    fn from(fields: HeaderFields) -> Self {
        let HeaderFields { original, blocks, level, tables, layout } = fields;
        Self { original, blocks, level: level % NETWORK, network: level >= NETWORK, tables, layout }
    }
}

impl From<Header> for HeaderFields {
    fn from(header: Header) -> Self {
        let Header { original, blocks, level, network, tables, layout } = header;
        Self { original, blocks, level: level % NETWORK + if network { NETWORK } else { 0 }, tables, layout }
    }
}

impl Header {
    /// The bytes of the original that block `number` restores.
    pub fn range(&self, number: u32) -> Range<u64> {
        part(self.original, self.blocks.into(), number.into())
    }

    /// What block `number` is called in messages.
    fn name_of_block(&self, number: u32) -> String {
        let Range { start, end } = self.range(number);
        let last = end.saturating_sub(1);
        format!("block {} of {} (bytes {start} to {last} of the original)", u64::from(number) + 1, self.blocks)
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The payload is the original bytes.
    Stored,
    /// The payload is a stream of the range coder.
    Coded {
        /// Its length.
        length: u64,
    },
}

/// What a block's header says, next to its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Bytes 0A among the original ones. Not in an archive of one block, which reads as 0.
    pub newlines: u64,
    /// How the payload holds the bytes.
    pub method: Method,
    /// CRC-32 of the original bytes.
    pub crc: u32,
}

impl BlockHeader {
    /// Length of the payload of block `number`.
    fn payload_length(&self, header: &Header, number: u32) -> u64 {
        match self.method {
            Method::Coded { length } => length,
            Method::Stored => {
                let range = header.range(number);
                range.end - range.start
            }
        }
    }

    /// The header of block `number` as it is written, but for its section CRC.
    fn bytes(&self, header: &Header, number: u32, payload_crc: u32) -> Vec<u8> {
        let mut bytes = vec![BLOCK_TAG];
        if header.blocks > 1 {
            varint::write(number.into(), &mut bytes);
        }
        self.write(header, payload_crc, &mut bytes);
        bytes
    }

    /// What a block's header and its entry in the index have in common.
    fn write(&self, header: &Header, payload_crc: u32, out: &mut Vec<u8>) {
        if header.blocks > 1 {
            varint::write(self.newlines, out);
        }
        match self.method {
            Method::Stored => out.push(0),
            Method::Coded { length } => {
                out.push(1);
                varint::write(length, out);
            }
        }
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&payload_crc.to_le_bytes());
    }
}

/// The part `index` of `length` bytes cut in `parts` parts as equal as can be: from ⌊index·length/parts⌋ to
/// ⌊(index+1)·length/parts⌋. The rule for blocks in a file.
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

/// The CRC-32 of the whole original, from that of each block, in order.
fn combined_crc(header: &Header, blocks: impl Iterator<Item = u32>) -> u32 {
    let mut whole = crc32fast::Hasher::new();
    for (number, crc) in (0..header.blocks).zip(blocks) {
        let range = header.range(number);
        whole.combine(&crc32fast::Hasher::new_with_initial_len(crc, range.end - range.start));
    }
    whole.finalize()
}
