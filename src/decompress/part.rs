//! A part of the original, from the blocks that it lies in alone.

use std::io::Write;
use std::ops::{Range, RangeInclusive};

use super::decoder::Decoder;
use crate::container::Archive;
use crate::error::Result;
use crate::options::Resources;
use crate::progress::{Phase, Progress};

/// What of the original is wanted. What lies beyond its end is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// Bytes, from 0.
    Bytes(Range<u64>),
    /// Lines, from 1, each with the byte 0A that ends it.
    Lines(RangeInclusive<u64>),
}

/// Decodes a part of what `archive` holds into `sink`.
///
/// # Errors
/// As [`crate::decompress`]; damage to blocks that the part does not lie in is none, but for the number of lines.
pub fn extract(
    archive: &[u8],
    part: &Part,
    resources: &Resources,
    sink: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<()> {
    let archive = Archive::open(archive)?;
    if *part == Part::All {
        archive.check_complete()?;
    }
    archive.remarks().iter().for_each(|remark| progress.warning(remark));
    let wanted = Wanted::of(part, &archive)?;
    let range = |number| archive.header().range(number);
    progress.begin(Phase::Decoding, wanted.numbers.iter().map(|&number| range(number).end - range(number).start).sum());
    let decoder = Decoder::new(&archive, resources, progress)?;
    let mut newlines = wanted.newlines_before;
    decoder.each(&wanted.numbers, progress, |number, bytes| {
        let bytes = bytes?;
        let slice = match part {
            Part::All => 0..bytes.len(),
            Part::Bytes(wanted) => {
                let within = |at: u64| (at.saturating_sub(range(number).start) as usize).min(bytes.len());
                within(wanted.start)..within(wanted.end)
            }
            Part::Lines(lines) => {
                let slice = lines_of(&bytes, newlines, lines);
                newlines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
                slice
            }
        };
        Ok(sink.write_all(&bytes[slice])?)
    })
}

/// The blocks that a part lies in.
struct Wanted {
    numbers: Vec<u32>,
    /// Ends of lines in the blocks before.
    newlines_before: u64,
}

impl Wanted {
    fn of(part: &Part, archive: &Archive<'_>) -> Result<Self> {
        let header = archive.header();
        let all = 0..header.blocks;
        let mut newlines_before = 0;
        let numbers = match part {
            Part::All => all.collect(),
            Part::Bytes(wanted) => {
                let touches = |range: Range<u64>| range.start < wanted.end && wanted.start < range.end;
                all.filter(|&number| !wanted.is_empty() && touches(header.range(number))).collect()
            }
            Part::Lines(_) if header.blocks == 1 => vec![0],
            Part::Lines(lines) => {
                let (mut numbers, mut ended) = (Vec::new(), 0u64);
                for number in all.take_while(|_| !lines.is_empty()) {
                    if ended >= *lines.end() {
                        break;
                    }
                    let newlines = archive.block(number)?.header.newlines;
                    if ended.saturating_add(newlines) >= lines.start() - 1 {
                        numbers.push(number);
                    } else {
                        newlines_before += newlines;
                    }
                    ended = ended.saturating_add(newlines);
                }
                numbers
            }
        };
        Ok(Self { numbers, newlines_before })
    }
}

/// The bytes of some lines, where `before` lines end before `bytes`.
fn lines_of(bytes: &[u8], before: u64, lines: &RangeInclusive<u64>) -> Range<usize> {
    let end_of_line = |number: u64| match number.checked_sub(before) {
        None | Some(0) => 0,
        Some(count) => {
            let place = usize::try_from(count - 1).ok().and_then(|skip| memchr::memchr_iter(b'\n', bytes).nth(skip));
            place.map_or(bytes.len(), |place| place + 1)
        }
    };
    if lines.is_empty() { 0..0 } else { end_of_line(lines.start() - 1)..end_of_line(*lines.end()) }
}
