//! Numbers as numbers: how a column's values spread around what is expected of them tells the digits to come, carries
//! and all, where these digits have never been seen together.
//!
//! Relations between columns, or else the value above, say what number to expect. A histogram of the differences tells
//! how likely every value is; those values that begin with the digits so far give the odds of the next byte.

mod digits;
mod histogram;

use crate::layout::{CORRECTIONS, Column, Correction, Format, RELATIONS, significant};
use crate::net::logarithm;

use super::experts::{NumberField, Trail, mix};
use digits::{Digits, END, SYMBOLS};
use histogram::Histogram;

/// Those who say what number to expect: each relation, and the first with its corrections.
pub const GUIDES: usize = RELATIONS + 1;
/// Base-2 logarithm of the histograms.
const HISTOGRAM_BITS: u32 = 12;
/// Base-2 logarithm of the corrections.
const CORRECTION_BITS: u32 = 15;
/// Binary places of what is corrected.
const BINARY_PLACES: u32 = 8;
/// Columns whose ways of writing are told apart.
const COLUMNS: usize = 256;
/// Numbers beyond this are not told apart.
const FARTHEST: i64 = 1 << 60;
/// Largest log-odds, in 1/256 octave.
const ODDS_MOST: i32 = 3071;

/// What is learned of numbers.
pub struct Numbers {
    histograms: Vec<Histogram>,
    styles: Vec<Style>,
    corrections: Vec<Correction>,
}

/// How the numbers of a column have been written.
#[derive(Clone, Copy, Default)]
struct Style {
    /// Most digits before the point.
    longest: u8,
    /// The byte that last ended a number.
    end: u8,
}

/// What is expected of the number that the next byte stands in.
#[derive(Clone, Default)]
pub struct Outlook {
    digits: Digits,
    column: usize,
    guides: [Option<Guide>; GUIDES],
    /// The places of the number's corrections, each with the number that it was to correct, in 1/256.
    corrections: [Option<(usize, i64)>; CORRECTIONS],
    /// What may come next, by guide.
    sums: [Sums; GUIDES],
    /// Whether those are set.
    is_weighed: bool,
    /// The byte that ends the number.
    end: u8,
}

/// The running sums of what the symbols for a coming byte weigh, in the order of their bytes, that of a number's end left out.
#[derive(Clone, Default)]
struct Sums {
    below: [u32; SYMBOLS],
    end: u32,
}

/// A number to expect, and the histogram of how far it was missed.
#[derive(Clone, Copy)]
struct Guide {
    number: i64,
    histogram: usize,
}

impl Numbers {
    /// Bytes of memory that it takes.
    pub const MEMORY: u64 = ((size_of::<Histogram>() << HISTOGRAM_BITS)
        + (size_of::<Correction>() << CORRECTION_BITS)
        + COLUMNS * size_of::<Style>()) as u64;

    pub fn new() -> Self {
        Self {
            histograms: vec![Histogram::new(); 1 << HISTOGRAM_BITS],
            styles: vec![Style::default(); COLUMNS],
            corrections: vec![Default::default(); 1 << CORRECTION_BITS],
        }
    }

    /// Takes note of `byte`, after the `trail` did.
    #[inline(always)]
    pub fn advance(&mut self, outlook: &mut Outlook, trail: &Trail, byte: u8) {
        let Some(row) = trail.rows() else { return };
        outlook.is_weighed = false;
        let offset = row.offset();
        if offset == 0 {
            self.begin(outlook, row.ended_number(), row.number_field());
        }
        let Some(column) = row.present_column().filter(|column| column.format != Format::Text) else { return };
        let lead = usize::from(column.lead);
        if offset > lead {
            self.follow(outlook, byte, &column.format);
        }
    }

    /// A field has ended, perhaps with a number, and another begins.
    fn begin(&mut self, outlook: &mut Outlook, ended: Option<i64>, field: Option<NumberField<'_>>) {
        if let Some(number) = ended {
            for guide in outlook.guides.iter().flatten() {
                self.histograms[guide.histogram].learn(number - guide.number);
            }
            for &(place, expected) in outlook.corrections.iter().flatten() {
                self.corrections[place].learn((number << BINARY_PLACES) - expected);
            }
        }
        *outlook = Outlook::default();
        let Some(field) = field.filter(|field| field.column.format != Format::Text) else { return };
        outlook.column = field.number % COLUMNS;
        outlook.digits = Digits::begin();
        for (index, (guide, expected)) in outlook.guides.iter_mut().zip(field.expected).enumerate() {
            *guide = expected.map(|number| Guide { number, histogram: histogram(&field, index, number) });
        }
        outlook.guides[RELATIONS] = self.corrected(outlook, &field);
    }

    /// What the column's corrections make of what its first relation expects, if it has any.
    fn corrected(&mut self, outlook: &mut Outlook, field: &NumberField<'_>) -> Option<Guide> {
        let mut expected = field.base? << BINARY_PLACES;
        let (mut spread, mut seen) = (0, None);
        for (place, hash) in outlook.corrections.iter_mut().zip(field.corrections) {
            let Some(hash) = hash else { break };
            let (index, check) = ((hash >> (64 - CORRECTION_BITS)) as usize, hash as u16);
            *place = Some((index, expected));
            let correction = &mut self.corrections[index];
            if correction.check() != check {
                *correction = Correction::of(check);
            }
            expected += correction.value();
            spread = correction.spread().unwrap_or(spread);
            seen = Some(correction.seen());
        }
        let seen = u64::from(u16::BITS - seen?.leading_zeros());
        let spread = significant(spread >> (BINARY_PLACES - 1), 2) as u64;
        let histogram = place(&[field.number as u64, RELATIONS as u64, spread << 4 | seen]);
        Some(Guide { number: expected >> BINARY_PLACES, histogram })
    }

    /// Takes note of a byte within the field, after its lead.
    #[inline(always)]
    fn follow(&mut self, outlook: &mut Outlook, byte: u8, format: &Format) {
        let whole = outlook.digits.whole();
        if outlook.digits.advance(byte, format) {
            let style = &mut self.styles[outlook.column];
            *style = Style { longest: style.longest.max(whole as u8), end: byte };
        }
    }

    /// Weighs what may come next.
    #[inline(always)]
    pub fn look_ahead(&self, outlook: &mut Outlook, trail: &Trail) {
        let Some(row) = trail.rows() else { return };
        let Some(column) = row.present_column().filter(|column| column.format != Format::Text) else { return };
        if row.offset() >= usize::from(column.lead) {
            self.weigh(outlook, column);
        }
    }

    #[inline(always)]
    fn weigh(&self, outlook: &mut Outlook, column: &Column) {
        let Style { longest, end } = self.styles[outlook.column];
        for (guide, sums) in outlook.guides.iter().zip(&mut outlook.sums) {
            let Some(guide) = guide else { continue };
            let histogram = &self.histograms[guide.histogram];
            let below = |number: i64| histogram.below(number.clamp(-FARTHEST, FARTHEST) - guide.number);
            let Some(weights) = outlook.digits.weights(&column.format, longest.max(1).into(), below) else { return };
            *sums = Sums::of(&weights);
        }
        (outlook.is_weighed, outlook.end) = (outlook.guides.iter().any(Option::is_some), end);
    }
}

impl Outlook {
    /// The log-odds of a one after the bits of `node` (a leading one, then the bits so far), in 1/256 octave, by each guide.
    #[inline(always)]
    pub fn stretch(&self, node: usize) -> [i32; GUIDES] {
        if !self.is_weighed {
            return [0; GUIDES];
        }
        let half = 128 >> node.ilog2();
        let first = node * 2 * half - 256;
        let [start, middle, end] = [first, first + half, first + 2 * half].map(|byte| Rank::of(byte, self.end));
        let mut said = [0; GUIDES];
        for (said, (guide, sums)) in said.iter_mut().zip(self.guides.iter().zip(&self.sums)) {
            if guide.is_some() {
                let before = sums.below(middle);
                *said = odds(sums.below(end) - before, before - sums.below(start));
            }
        }
        said
    }

    /// The log-odds that `byte` comes, by each guide.
    #[inline(always)]
    pub fn stretch_byte(&self, byte: u8) -> [i32; GUIDES] {
        self.stretch_bytes(byte.into(), 1)
    }

    /// The log-odds that a byte with the upper half of `byte` comes, by each guide.
    #[inline(always)]
    pub fn stretch_half(&self, byte: u8) -> [i32; GUIDES] {
        self.stretch_bytes(usize::from(byte) & 0xF0, 16)
    }

    #[inline(always)]
    fn stretch_bytes(&self, first: usize, count: usize) -> [i32; GUIDES] {
        if !self.is_weighed {
            return [0; GUIDES];
        }
        let [start, end] = [first, first + count].map(|byte| Rank::of(byte, self.end));
        let mut said = [0; GUIDES];
        for (said, (guide, sums)) in said.iter_mut().zip(self.guides.iter().zip(&self.sums)) {
            if guide.is_some() {
                let weight = sums.below(end) - sums.below(start);
                *said = odds(weight, sums.below[SYMBOLS - 1] + sums.end - weight);
            }
        }
        said
    }
}

/// log₂ of the odds, in 1/256, bounded; 0 where none is possible.
#[inline(always)]
fn odds(ones: u32, zeros: u32) -> i32 {
    (logarithm(ones.max(1)) - logarithm(zeros.max(1))).clamp(-ODDS_MOST, ODDS_MOST)
}

impl Sums {
    /// The sums of the symbols' `weights`. None is held to be impossible.
    #[inline(always)]
    fn of(weights: &[u32; SYMBOLS]) -> Self {
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let least = (total >> 12) as u32 + 1;
        let mut below = [0; SYMBOLS];
        for (symbol, weight) in weights[..END].iter().enumerate() {
            below[symbol + 1] = below[symbol] + (weight >> 1) + least;
        }
        Self { below, end: (weights[END] >> 1) + least }
    }

    /// The sum of the symbols below a byte.
    #[inline(always)]
    fn below(&self, Rank { others, ends }: Rank) -> u32 {
        self.below[others] + (self.end & ends)
    }
}

/// A byte's place among the symbols'.
#[derive(Clone, Copy)]
struct Rank {
    /// How many are below it, that of the end left out.
    others: usize,
    /// All ones if that of the end is.
    ends: u32,
}

impl Rank {
    /// The place of `byte`, up to 256, where `end` ends the number.
    #[inline(always)]
    fn of(byte: usize, end: u8) -> Self {
        Self { others: RANKS[byte].into(), ends: u32::from(byte > usize::from(end)).wrapping_neg() }
    }
}

/// How many of the symbols minus, point and digits are below each byte. They are in the order of their bytes.
const RANKS: [u8; 257] = {
    let mut ranks = [0; 257];
    let mut byte = 1;
    while byte < ranks.len() {
        let before = (byte - 1) as u8;
        ranks[byte] = ranks[byte - 1] + matches!(before, b'-' | b'.' | b'0'..=b'9') as u8;
        byte += 1;
    }
    ranks
};

/// The histogram of what a guide misses: by the expected number's size, unless it is a time.
fn histogram(field: &NumberField<'_>, guide: usize, number: i64) -> usize {
    let size = match field.column.format {
        Format::Time { .. } => 0,
        _ => significant(number, 2) as u64,
    };
    place(&[field.number as u64, guide as u64, size])
}

/// The place of the histogram for a field, a guide and a class of what is expected.
fn place([field, guide, class]: &[u64; 3]) -> usize {
    (mix(mix(*field, *guide), *class) >> (64 - HISTOGRAM_BITS)) as usize
}

#[cfg(test)]
mod tests;
