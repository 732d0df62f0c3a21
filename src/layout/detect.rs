//! Which layout a file follows.

use std::num::NonZeroUsize;

use super::survey::{Piece, survey};
use super::{Layout, Rows};

/// Pieces of a long file.
const PIECES: usize = 16;
/// Lines looked at.
const LINES: usize = 4096;
/// Fewest lines that make a table.
const LINES_LEAST: usize = 3;
/// Longer lines on average are no records.
const LINE_LENGTH: usize = 1 << 12;
/// Delimiters, likeliest first: a tie goes to the earlier.
const DELIMITERS: [u8; 5] = *b",\t;|\x01";
/// What also stands within fields, of prose, logs and times: taken only where none of the others makes a table.
const INNER_DELIMITERS: [u8; 3] = *b":= ";

/// Looks at so many bytes of `source` at most, those at its beginning, and where they are a table, at pieces of all of it.
pub fn detect(source: &[u8], most: usize, threads: NonZeroUsize) -> Layout {
    let sample = &source[..source.len().min(most)];
    if is_binary(sample) {
        return Layout::Records { length: record_length(sample) };
    }
    let lines = whole_lines(sample);
    if lines.len() < LINES_LEAST || lines.len() * LINE_LENGTH < sample.len() {
        return Layout::Plain;
    }
    let quote = quote(&lines);
    let best_of = |delimiters: &[u8]| {
        let scores = delimiters.iter().rev().map(|&delimiter| (regularity(&lines, delimiter, quote), delimiter));
        scores.filter(|(score, _)| *score > 0).max_by_key(|(score, _)| *score).map(|(_, delimiter)| delimiter)
    };
    let best = match are_objects(&lines) {
        true => best_of(&[&DELIMITERS[..], &INNER_DELIMITERS].concat()),
        false => best_of(&DELIMITERS).or_else(|| best_of(&INNER_DELIMITERS)),
    };
    match best {
        Some(delimiter) => {
            Layout::Delimited { delimiter, quote, schemas: survey(&pieces(source, most), delimiter, quote, threads) }
        }
        None => Layout::Plain,
    }
}

/// All of `source`, or pieces of it from its beginning to its end that have `most` bytes together: a file may change its nature.
fn pieces(source: &[u8], most: usize) -> Vec<Piece<'_>> {
    if source.len() <= most {
        return vec![Piece { before: &[], text: source }];
    }
    let (length, mut before) = (most / PIECES, 0);
    let mut piece = |number: usize| {
        let end = number * (source.len() - length) / (PIECES - 1) + length;
        let start = end - length;
        let line = match memchr::memchr(b'\n', &source[start..end]) {
            _ if number == 0 => start,
            Some(place) => start + place + 1,
            None => end,
        };
        let gap = std::mem::replace(&mut before, end)..line;
        Piece { before: &source[gap], text: &source[line..end] }
    };
    (0..PIECES).map(&mut piece).collect()
}

/// Whether the lines are JSON objects, whose colons part keys and values.
fn are_objects(lines: &[&[u8]]) -> bool {
    lines.iter().filter(|line| line.starts_with(b"{")).count() * 2 > lines.len()
}

/// The sample's lines without their line feeds; the last one, which may be cut off, only if it ends with one.
fn whole_lines(sample: &[u8]) -> Vec<&[u8]> {
    let end = sample.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
    let lines = sample[..end].split(|&byte| byte == b'\n').take(LINES);
    lines.filter(|line| !line.is_empty()).collect()
}

/// How regularly `delimiter` cuts the lines: 0 if it does not make a table of them, else more for more lines that
/// have as many fields as the line before them (so several tables in one file do well), and a little more for more fields.
fn regularity(lines: &[&[u8]], delimiter: u8, quote: Option<u8>) -> usize {
    let counts: Vec<usize> = lines.iter().map(|line| count(line, delimiter, quote)).collect();
    let alike = counts.windows(2).filter(|pair| pair[0] == pair[1] && pair[0] > 0).count();
    let fields = counts.iter().sum::<usize>() / counts.len();
    let needed = if INNER_DELIMITERS.contains(&delimiter) { 95 } else { 66 };
    if alike == 0 || alike * 100 < needed * (lines.len() - 1) {
        return 0;
    }
    alike * 1000 / lines.len() + fields.min(100)
}

/// Delimiters in `line` outside of quoted fields.
fn count(line: &[u8], delimiter: u8, quote: Option<u8>) -> usize {
    let mut rows = Rows::new(delimiter, quote);
    (1..=line.len()).for_each(|length| _ = rows.advance(&line[..length]));
    rows.field()
}

/// The quote in use: the one of the two that more often stands beside a byte that is neither letter nor digit on
/// one side only.
fn quote(lines: &[&[u8]]) -> Option<u8> {
    let uses = |quote: u8| {
        let windows = lines.iter().flat_map(|line| line.windows(3)).filter(|window| window[1] == quote);
        windows.filter(|window| window[0].is_ascii_alphanumeric() != window[2].is_ascii_alphanumeric()).count()
    };
    let (double, single) = (uses(b'"'), uses(b'\''));
    match double.max(single) {
        0 => None,
        _ if double >= single => Some(b'"'),
        _ => Some(b'\''),
    }
}

/// Whether more than one byte in 200 is a control code that text does not have.
fn is_binary(sample: &[u8]) -> bool {
    let controls = sample.iter().filter(|&&byte| byte < 32 && !b"\t\n\r\x01\x0C".contains(&byte)).count();
    controls * 200 > sample.len()
}

/// The distance at which bytes are most often the same, not counting runs; 1 if none stands out.
fn record_length(sample: &[u8]) -> u16 {
    let spans: Vec<&[u8]> =
        sample.chunks(sample.len().div_ceil(SPANS).max(1)).map(|part| &part[..part.len().min(SPAN)]).collect();
    let places: Vec<Vec<usize>> =
        spans.iter().map(|span| (1..span.len()).filter(|&place| span[place] != span[place - 1]).collect()).collect();
    let same = |distance: usize| {
        let (mut same, mut all) = (0, 0);
        for (span, places) in spans.iter().zip(&places) {
            let from = places.partition_point(|&place| place < distance);
            same += places[from..].iter().filter(|&&place| span[place] == span[place - distance]).count();
            all += places.len() - from;
        }
        (same * 4096).checked_div(all).unwrap_or(0)
    };
    let most = (spans.first().map_or(0, |span| span.len()) / 4).min(DISTANCE);
    let scores: Vec<usize> = (1..=most).map(same).collect();
    let mean = scores.iter().sum::<usize>() / scores.len().max(1);
    let best = scores.iter().copied().max().unwrap_or(0);
    // A multiple of the record's length does as well as the length; a weak peak is chance.
    let needed = best - (best.saturating_sub(mean)) / 8;
    let first = scores.iter().position(|&score| score >= needed).map_or(1, |place| place + 1);
    if best > mean + 128 { first as u16 } else { 1 }
}

/// Parts of the sample, and the bytes at the beginning of each whose distances are measured.
const SPANS: usize = 8;
const SPAN: usize = 1 << 13;
/// Longest record.
const DISTANCE: usize = 2048;
