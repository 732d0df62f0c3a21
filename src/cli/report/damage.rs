//! What is said about damage.

use std::ops::Range;

use nncz::{Mending, Salvage};

use super::grouped;

/// What parity found and did, in lines.
pub fn mending(mending: &Mending) -> Vec<String> {
    let places = |ranges: &[Range<u64>]| {
        let total = grouped(ranges.iter().map(|range| range.end - range.start).sum());
        let first = ranges.first().map_or(0, |range| range.start);
        match ranges.len() {
            1 => format!("{total} bytes at byte {first}"),
            several => format!("{total} bytes in {several} places from byte {first} on"),
        }
    };
    let mut lines = Vec::new();
    if !mending.mended.is_empty() {
        lines.push(format!(
            "{} of the archive do not match their checksums; parity mends them",
            places(&mending.mended)
        ));
    }
    if !mending.lost.is_empty() {
        lines.push(format!("{} of the archive do not match; that is more than parity can mend", places(&mending.lost)));
    }
    if mending.parity > 0 {
        lines.push(format!("{} bytes of the parity itself do not match", grouped(mending.parity)));
    }
    if lines.is_empty() {
        lines.push("checksums do not match where parity does not reach".to_owned());
    }
    lines
}

/// What is damaged, and what is lost, in lines.
pub fn damage(outcome: &Salvage) -> Vec<String> {
    let mut lines: Vec<String> =
        outcome.remarks.iter().map(|remark| remark.trim_start_matches("damaged archive: ").to_owned()).collect();
    for lost in &outcome.lost {
        let Range { start, end } = lost.bytes;
        let rows = match lost.lines {
            (Some(first), Some(last)) => format!(", in lines {} to {}", grouped(first), grouped(last)),
            (Some(first), None) => format!(", from line {} on", grouped(first)),
            (None, _) => String::new(),
        };
        let last = grouped(end.saturating_sub(1));
        let bytes = format!("lost: bytes {} to {last}{rows}", grouped(start));
        lines.push(format!("{bytes}: {}", lost.reason.trim_start_matches("damaged archive: ")));
    }
    lines
}

/// The verdict on an archive that has lost something.
pub fn loss(outcome: &Salvage, original: u64) -> String {
    let blocks: u32 = outcome.lost.iter().map(|lost| lost.blocks.len() as u32).sum();
    let noun = if blocks == 1 { "block is" } else { "blocks are" };
    let (restored, original) = (grouped(outcome.restored), grouped(original));
    format!("damaged archive: {blocks} {noun} lost; nncz salvage restores {restored} of {original} bytes")
}
