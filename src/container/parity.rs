//! What parity an archive carries: how the protected bytes are cut in shards, and the section that holds the parity.

use std::ops::Range;

use super::{PARITY_TAG, varint};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Parity;

/// Longest stretch of protected bytes that has parity shards of its own.
const SEGMENT: u64 = 32 << 20;
/// Longest burst that the parity of the vital sections repairs, wherever it lies.
const BURST: u64 = 4096;
/// Length of the protected bytes from which on shards are long.
const LONG: u64 = 8 << 20;

/// What an archive's parity protects: the string of protected bytes is cut in segments, these in shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Vital or whole.
    pub kind: Parity,
    /// Length of the archive before the parity.
    pub archive: u64,
    /// Length of header and model.
    pub front: u64,
    /// Where the index begins.
    pub index: u64,
}

/// A stretch of the protected bytes with parity of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Where it begins, in the string of protected bytes.
    pub start: u64,
    /// Shards of protected bytes, the last one filled up with zeros.
    pub data: usize,
    /// Shards of parity.
    pub parity: usize,
}

impl Plan {
    /// Number of the protected bytes: all, or those of header, model and index.
    pub fn protected(&self) -> u64 {
        match self.kind {
            Parity::Vital => self.front + (self.archive - self.index),
            _ => self.archive,
        }
    }

    /// Length of a shard: even.
    pub fn shard(&self) -> usize {
        shard_length(self.kind, self.protected())
    }

    pub fn segments(&self) -> impl Iterator<Item = Segment> + use<> {
        let (kind, protected, shard) = (self.kind, self.protected(), self.shard());
        (0..protected.div_ceil(SEGMENT)).map(move |number| {
            let start = number * SEGMENT;
            let data = (protected - start).min(SEGMENT).div_ceil(shard as u64) as usize;
            Segment { start, data, parity: parity_shards(kind, data, shard) }
        })
    }

    /// The pieces of the archive that make up a shard, in order; less than a shard at the end of the protected bytes.
    pub fn pieces(&self, segment: &Segment, shard: usize) -> impl Iterator<Item = Range<u64>> + use<> {
        let start = segment.start + (shard * self.shard()) as u64;
        let end = self.protected().min(start + self.shard() as u64);
        let (seam, gap) = match self.kind {
            Parity::Vital => (self.front, self.index - self.front),
            _ => (self.archive, 0),
        };
        let before = start.min(seam)..end.min(seam);
        let after = start.max(seam) + gap..end.max(seam) + gap;
        [before, after].into_iter().filter(|piece| !piece.is_empty())
    }

    /// Length of one copy of the table: its head and the checksums of all shards.
    pub fn table_length(&self) -> u64 {
        let shards: usize = self.segments().map(|segment| segment.data + segment.parity).sum();
        self.head(0).len() as u64 + 4 * shards as u64 + 4
    }

    /// Length of all parity shards.
    pub fn shards_length(&self) -> u64 {
        let shards: usize = self.segments().map(|segment| segment.parity).sum();
        (shards * self.shard()) as u64
    }

    /// Length of the parity section.
    pub fn length(&self) -> u64 {
        2 * self.table_length() + self.shards_length()
    }

    /// Where the two copies of the table begin.
    pub fn copies(&self) -> [u64; 2] {
        [self.archive, self.archive + self.table_length() + self.shards_length()]
    }

    /// The table's first bytes, for an archive whose header has the checksum `header_crc`.
    pub fn head(&self, header_crc: u32) -> Vec<u8> {
        let mut head = vec![PARITY_TAG];
        head.extend_from_slice(&header_crc.to_le_bytes());
        [self.archive, self.front, self.index].into_iter().for_each(|number| varint::write(number, &mut head));
        head.push(self.kind.code());
        head.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
        head
    }

    /// The plan and the length of the head at the start of `bytes`, if there is a sound one.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut at = 5;
        let mut number = || {
            let (number, length) = varint::read(bytes.get(at..)?)?;
            at += length;
            Some(number)
        };
        let (archive, front, index) = (number()?, number()?, number()?);
        let (head, crc) = (bytes.get(..at + 1)?, bytes.get(at + 1..at + 5)?);
        let kind = Parity::from_code(head[at])?;
        let is_sound = head[0] == PARITY_TAG && crc == crc32fast::hash(head).to_le_bytes();
        let is_plan = kind != Parity::None && front <= index && index < archive && archive < 1 << 48;
        (is_sound && is_plan).then_some((Self { kind, archive, front, index }, at + 5))
    }
}

/// Length of a shard of `protected` bytes. A few are a single shard, whose parity is a copy.
fn shard_length(kind: Parity, protected: u64) -> usize {
    let single = if kind == Parity::Vital { BURST } else { 1024 };
    match protected {
        few if few <= single => (few.max(1).next_multiple_of(2)) as usize,
        many if many < LONG => 1024,
        _ => 4096,
    }
}

/// As many parity shards as repair a burst, or as hundredths of the protected ones ask for.
fn parity_shards(kind: Parity, data: usize, shard: usize) -> usize {
    match kind {
        Parity::None => 0,
        Parity::Vital => data.min((BURST as usize - 1).div_ceil(shard) + 1),
        Parity::Whole(percent) => (data * usize::from(percent)).div_ceil(100).max(data.min(2)),
    }
}

/// Makes the parity of protected bytes as they come.
pub(super) struct Encoder {
    kind: Parity,
    segment: Vec<u8>,
    table: Vec<u8>,
    shards: Vec<u8>,
}

impl Encoder {
    pub fn new(kind: Parity) -> Self {
        Self { kind, segment: Vec::new(), table: Vec::new(), shards: Vec::new() }
    }

    /// Takes the next protected bytes.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.segment.len() as u64 == SEGMENT {
                self.close(shard_length(self.kind, SEGMENT))?;
            }
            let room = (SEGMENT as usize - self.segment.len()).min(bytes.len());
            self.segment.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
        }
        Ok(())
    }

    /// The parity section.
    pub fn finish(mut self, plan: &Plan, header_crc: u32) -> Result<Vec<u8>> {
        self.close(plan.shard())?;
        let mut table = plan.head(header_crc);
        table.extend_from_slice(&self.table);
        table.extend_from_slice(&crc32fast::hash(&self.table).to_le_bytes());
        Ok([&table[..], &self.shards, &table].concat())
    }

    fn close(&mut self, shard: usize) -> Result<()> {
        self.segment.resize(self.segment.len().next_multiple_of(shard), 0);
        let data = self.segment.chunks(shard);
        let count = parity_shards(self.kind, data.len(), shard);
        let parity = reed_solomon_simd::encode(data.len(), count, data.clone()).map_err(refused)?;
        let parity = parity.iter().map(Vec::as_slice);
        for shard in data.chain(parity.clone()) {
            self.table.extend_from_slice(&crc32fast::hash(shard).to_le_bytes());
        }
        parity.for_each(|shard| self.shards.extend_from_slice(shard));
        self.segment.clear();
        Ok(())
    }
}

/// The code takes up to 32,768 shards of either kind and even lengths, which plans stay within.
pub(super) fn refused(error: reed_solomon_simd::Error) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the parity code refuses its shards: {error}"))
}
