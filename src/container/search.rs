//! What is left of a damaged archive: its blocks and its index, wherever they lie.

use std::collections::BTreeMap;

use super::cursor::{Cursor, Found, Index};
use super::{BLOCK_TAG, END, Header, section_crc, varint};

/// Most places that are looked at for one block, and for the index: more are no accident.
const CANDIDATES: usize = 4;

/// The blocks of an archive with this header, by number, as far as they are to be found in `bytes`.
///
/// Every header with a right checksum counts, whatever lies around it; of several with one number the first whose
/// payload is sound. For a block without a header of its own the index has a copy, and its neighbours say where it lies.
pub(super) fn blocks(bytes: &[u8], header: &Header, header_crc: u32, from: usize) -> BTreeMap<u32, Found> {
    let is_sound = |found: &Found| crc32fast::hash(&bytes[found.payload.clone()]) == found.payload_crc;
    let mut blocks: BTreeMap<u32, Found> = BTreeMap::new();
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for at in memchr::memchr_iter(BLOCK_TAG, &bytes[from..]) {
        if !has_header(&bytes[from + at..], header, header_crc) {
            continue;
        }
        let Ok(found) = Cursor::within(bytes, header_crc, from + at).block(header) else { continue };
        let seen = seen.entry(found.number).or_default();
        *seen += 1;
        if *seen > CANDIDATES || blocks.get(&found.number).is_some_and(is_sound) {
            continue;
        }
        if *seen == 1 || is_sound(&found) {
            blocks.insert(found.number, found);
        }
    }
    if let Some(index) = index(bytes, header, header_crc) {
        let ascending = 0..header.blocks;
        let mut place = |number, is_forward| {
            if blocks.contains_key(&number) {
                return;
            }
            let neighbours = Neighbours { blocks: &blocks, header, from };
            let found = neighbours.place(&index, number, is_forward);
            if let Some(found) = found.filter(|found| found.payload.end <= bytes.len() && is_sound(found)) {
                blocks.insert(number, found);
            }
        };
        ascending.clone().for_each(|number| place(number, true));
        ascending.clone().rev().for_each(|number| place(number, false));
        for (number, (block, payload_crc)) in ascending.zip(index.blocks) {
            // What is known of a block helps to say what is lost with it.
            blocks.entry(number).or_insert(Found { number, header: block, payload: 0..0, payload_crc });
        }
    }
    blocks
}

/// Whether a block's header with a right checksum is at the start of `bytes`: the quick look at what is mostly none.
fn has_header(bytes: &[u8], header: &Header, header_crc: u32) -> bool {
    let skip = |at: usize, numbers: u8| (0..numbers).try_fold(at, |at, _| Some(at + varint::read(bytes.get(at..)?)?.1));
    let Some(at) = skip(1, if header.blocks > 1 { 2 } else { 0 }) else { return false };
    let Some(&method) = bytes.get(at).filter(|&&method| method <= 1) else { return false };
    let Some(at) = skip(at + 1, method) else { return false };
    let crc = bytes.get(at + 8..).and_then(<[u8]>::first_chunk);
    crc.is_some_and(|crc| section_crc(header_crc, &bytes[..at + 8]).to_le_bytes() == *crc)
}

/// The index with a right checksum that lies last.
pub(super) fn index(bytes: &[u8], header: &Header, header_crc: u32) -> Option<Index> {
    memchr::memmem::rfind_iter(bytes, &END).take(CANDIDATES).find_map(|end| {
        let length = u32::from_le_bytes(*bytes[..end].last_chunk()?);
        let start = (end - 4).checked_sub(length as usize)?;
        Cursor::within(bytes, header_crc, start).index(header).ok()
    })
}

/// Where a block without a header must lie: between its neighbours.
struct Neighbours<'a> {
    blocks: &'a BTreeMap<u32, Found>,
    header: &'a Header,
    /// Where the first block begins.
    from: usize,
}

impl Neighbours<'_> {
    fn place(&self, index: &Index, number: u32, is_forward: bool) -> Option<Found> {
        let (block, payload_crc) = index.blocks.get(number as usize)?;
        let front = self.front(block, number, *payload_crc);
        let payload = usize::try_from(block.payload_length(self.header, number)).ok()?;
        let start = if is_forward {
            match number.checked_sub(1) {
                None => self.from,
                Some(before) => self.blocks.get(&before)?.payload.end,
            }
        } else {
            let after = self.blocks.get(&(number + 1))?;
            let front_after = self.front(&after.header, number + 1, after.payload_crc);
            after.payload.start.checked_sub(front_after)?.checked_sub(payload)?.checked_sub(front)?
        };
        let payload = start + front..start.checked_add(front)?.checked_add(payload)?;
        Some(Found { number, header: block.clone(), payload, payload_crc: *payload_crc })
    }

    /// Length of a block's header.
    fn front(&self, block: &super::BlockHeader, number: u32, payload_crc: u32) -> usize {
        block.bytes(self.header, number, payload_crc).len() + 4
    }
}
