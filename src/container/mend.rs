//! Mending: the parity of an archive restores what was damaged, in place.

use std::io::Write;
use std::ops::Range;

use super::parity::{Plan, Segment, refused};
use super::{Archive, PARITY_TAG, Writer};
use crate::error::Result;

/// Most heads of a table that are believed: an archive has two.
const CANDIDATES: usize = 4;

/// What parity found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mending {
    /// What did not match its checksum and is restored now, in whole shards: ranges of the archive.
    pub mended: Vec<Range<u64>>,
    /// What did not match and cannot be restored, because there is more of it than parity.
    pub lost: Vec<Range<u64>>,
    /// Length of the parity that did not match.
    pub parity: u64,
}

/// Restores in place what parity protects and does not match its checksum. None if the archive is sound as it is, or
/// has no parity, or none that can be read.
///
/// Bytes that were inserted or went missing move all that follow, which parity does not follow.
///
/// # Errors
/// None that an archive can cause.
pub fn mend(bytes: &mut [u8]) -> Result<Option<Mending>> {
    if Archive::open(bytes).is_ok_and(|archive| archive.is_sound()) {
        return Ok(None);
    }
    let Some(table) = Table::find(bytes) else { return Ok(None) };
    let mut found = Mending::default();
    for segment in &table.examine(bytes) {
        found.parity += (segment.parity.len() * table.plan.shard()) as u64;
        let ranges = segment.data.iter().flat_map(|&shard| table.plan.pieces(&segment.segment, shard));
        if segment.data.len() + segment.parity.len() <= segment.segment.parity {
            table.restore(bytes, segment)?;
            ranges.for_each(|range| append(&mut found.mended, range));
        } else {
            ranges.for_each(|range| append(&mut found.lost, range));
        }
    }
    Ok(Some(found))
}

/// Writes an archive anew, with the parity that it says it has: sound as it was when it was made.
///
/// # Errors
/// [`crate::ErrorKind::Damaged`] for the first thing that is lost; what `sink` says.
pub fn rewrite(archive: &Archive<'_>, sink: &mut dyn Write) -> Result<u64> {
    let mut writer = Writer::new(sink, archive.header(), archive.parity())?;
    if let Some(model) = archive.model()? {
        writer.model(model)?;
    }
    for number in 0..archive.header().blocks {
        let block = archive.block(number)?;
        writer.block(&block.header, archive.payload(block)?)?;
    }
    writer.finish()
}

/// Whether all that parity protects, and the parity itself, matches its checksums; true without parity.
pub(super) fn is_sound(bytes: &[u8]) -> bool {
    Table::find(bytes).is_none_or(|table| table.examine(bytes).is_empty())
}

/// Adds a range to ascending ones, joined to the last one where they touch.
fn append(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// The table of a parity section.
struct Table {
    plan: Plan,
    /// Where the parity shards begin.
    shards: usize,
    /// CRC-32 of every shard: by segment, the data and then the parity.
    crcs: Vec<u32>,
}

/// A segment and the numbers of its shards that do not match.
struct Damage {
    segment: Segment,
    data: Vec<usize>,
    parity: Vec<usize>,
    /// Where the segment's checksums begin in the table, and its parity in the archive.
    crcs: usize,
    shards: usize,
}

impl Table {
    /// Finds the table by one of its copies, each of which tells where it should lie.
    fn find(bytes: &[u8]) -> Option<Self> {
        let plans = memchr::memchr_iter(PARITY_TAG, bytes).filter_map(|at| {
            let (plan, head) = Plan::read(&bytes[at..]).filter(|(plan, _)| plan.archive <= bytes.len() as u64)?;
            plan.copies().contains(&(at as u64)).then_some((plan, head))
        });
        plans.take(CANDIDATES).find_map(|(plan, head)| {
            let (head, length) = (head as u64, plan.table_length());
            let crcs = plan.copies().into_iter().find_map(|copy| checksums(bytes, copy + head, length - head))?;
            Some(Self { plan, shards: (plan.archive + length) as usize, crcs })
        })
    }

    fn examine(&self, bytes: &[u8]) -> Vec<Damage> {
        let (mut crcs, mut shards) = (0, self.shards);
        let mut damaged = Vec::new();
        for segment in self.plan.segments() {
            let is_bad = |&number: &usize| {
                let crc = match number.checked_sub(segment.data) {
                    None => self.data(bytes, &segment, number).map(|shard| crc32fast::hash(&shard)),
                    Some(number) => self.parity(bytes, shards, number).map(crc32fast::hash),
                };
                crc != Some(self.crcs[crcs + number])
            };
            let data: Vec<usize> = (0..segment.data).filter(is_bad).collect();
            let parity = (segment.data..segment.data + segment.parity).filter(is_bad);
            let parity: Vec<usize> = parity.map(|number| number - segment.data).collect();
            if !data.is_empty() || !parity.is_empty() {
                damaged.push(Damage { segment, data, parity, crcs, shards });
            }
            crcs += segment.data + segment.parity;
            shards += segment.parity * self.plan.shard();
        }
        damaged
    }

    /// Restores the data of a segment that has parity enough.
    fn restore(&self, bytes: &mut [u8], damage: &Damage) -> Result<()> {
        if damage.data.is_empty() {
            return Ok(());
        }
        let Segment { data, parity, .. } = damage.segment;
        let mut decoder =
            reed_solomon_simd::ReedSolomonDecoder::new(data, parity, self.plan.shard()).map_err(refused)?;
        for number in (0..data).filter(|number| damage.data.binary_search(number).is_err()) {
            if let Some(shard) = self.data(bytes, &damage.segment, number) {
                decoder.add_original_shard(number, shard).map_err(refused)?;
            }
        }
        for number in (0..parity).filter(|number| damage.parity.binary_search(number).is_err()) {
            if let Some(shard) = self.parity(bytes, damage.shards, number) {
                decoder.add_recovery_shard(number, shard).map_err(refused)?;
            }
        }
        let restored = decoder.decode().map_err(refused)?;
        for (number, shard) in restored.restored_original_iter() {
            if crc32fast::hash(shard) != self.crcs[damage.crcs + number] {
                continue;
            }
            let mut rest = shard;
            for piece in self.plan.pieces(&damage.segment, number) {
                let (part, after) = rest.split_at((piece.end - piece.start) as usize);
                if let Some(place) = bytes.get_mut(piece.start as usize..piece.end as usize) {
                    place.copy_from_slice(part);
                }
                rest = after;
            }
        }
        Ok(())
    }

    /// A shard of protected bytes, if the archive is long enough.
    fn data(&self, bytes: &[u8], segment: &Segment, number: usize) -> Option<Vec<u8>> {
        let mut shard = Vec::with_capacity(self.plan.shard());
        for piece in self.plan.pieces(segment, number) {
            shard.extend_from_slice(bytes.get(piece.start as usize..piece.end as usize)?);
        }
        shard.resize(self.plan.shard(), 0);
        Some(shard)
    }

    /// A parity shard of the segment whose parity begins at `start`.
    fn parity<'a>(&self, bytes: &'a [u8], start: usize, number: usize) -> Option<&'a [u8]> {
        bytes.get(start + number * self.plan.shard()..)?.get(..self.plan.shard())
    }
}

/// The list of checksums of `length` bytes, its own included, at `start`.
fn checksums(bytes: &[u8], start: u64, length: u64) -> Option<Vec<u32>> {
    let list = bytes.get(usize::try_from(start).ok()?..)?.get(..usize::try_from(length).ok()?)?;
    let (list, crc) = list.split_last_chunk::<4>()?;
    let numbers = list.chunks_exact(4).map(|bytes| u32::from_le_bytes(std::array::from_fn(|i| bytes[i])));
    (crc32fast::hash(list).to_le_bytes() == *crc).then(|| numbers.collect())
}
