//! Numbers as numbers: how a column's values spread around what is expected of them tells the digits to come, carries
//! and all, where these digits have never been seen together.
//!
//! Relations between columns, or else the value above, say what number to expect. A histogram of the differences tells
//! how likely every value is; those values that begin with the digits so far give the odds of the next byte.

mod digits;
mod histogram;

use crate::layout::{Column, Format, RELATIONS, significant};
use crate::net::logarithm;

use super::experts::{NumberField, Trail, mix};
use digits::{Digits, END, MINUS, POINT, SYMBOLS, ZERO};
use histogram::Histogram;

/// Those who say what number to expect.
pub const GUIDES: usize = RELATIONS;
/// Base-2 logarithm of the histograms.
const HISTOGRAM_BITS: u32 = 12;
/// Columns whose ways of writing are told apart.
const COLUMNS: usize = 256;
/// Numbers beyond this are not told apart.
const FARTHEST: i64 = 1 << 60;
/// Largest log-odds, in 1/256 octave.
const ODDS_MOST: i32 = 3071;

/// What all lanes share.
pub struct Numbers {
    histograms: Vec<Histogram>,
    styles: Vec<Style>,
}

/// How the numbers of a column have been written.
#[derive(Clone, Copy, Default)]
struct Style {
    /// Most digits before the point.
    longest: u8,
    /// The byte that last ended a number.
    end: u8,
}

/// What one lane expects of the number that it stands in.
#[derive(Clone, Default)]
pub struct Outlook {
    digits: Digits,
    column: usize,
    guides: [Option<Guide>; GUIDES],
    /// For the coming byte, by guide: the sums of the weights of the symbols before each, in the order of their bytes.
    sums: [[u32; SYMBOLS + 1]; GUIDES],
    /// Whether those are set.
    is_weighed: bool,
    /// The byte that ends the number.
    end: u8,
}

/// A number to expect, and the histogram of how far it was missed.
#[derive(Clone, Copy)]
struct Guide {
    number: i64,
    histogram: usize,
}

impl Numbers {
    /// Bytes of memory that it takes.
    pub const MEMORY: u64 = ((size_of::<Histogram>() << HISTOGRAM_BITS) + COLUMNS * size_of::<Style>()) as u64;

    pub fn new() -> Self {
        Self { histograms: vec![Histogram::new(); 1 << HISTOGRAM_BITS], styles: vec![Style::default(); COLUMNS] }
    }

    /// Takes note of `byte`, after the lane's `trail` did, and weighs what may come next.
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
        if offset >= lead {
            self.weigh(outlook, column);
        }
    }

    /// A field has ended, perhaps with a number, and another begins.
    fn begin(&mut self, outlook: &mut Outlook, ended: Option<i64>, field: Option<NumberField<'_>>) {
        if let Some(number) = ended {
            for guide in outlook.guides.iter().flatten() {
                self.histograms[guide.histogram].learn(number - guide.number);
            }
        }
        *outlook = Outlook::default();
        let Some(field) = field.filter(|field| field.column.format != Format::Text) else { return };
        outlook.column = field.number % COLUMNS;
        outlook.digits = Digits::begin();
        for (index, (guide, expected)) in outlook.guides.iter_mut().zip(field.expected).enumerate() {
            *guide = expected.map(|number| Guide { number, histogram: histogram(&field, index, number) });
        }
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

    #[inline(always)]
    fn weigh(&self, outlook: &mut Outlook, column: &Column) {
        let Style { longest, end } = self.styles[outlook.column];
        for (guide, sums) in outlook.guides.iter().zip(&mut outlook.sums) {
            let Some(guide) = guide else { continue };
            let histogram = &self.histograms[guide.histogram];
            let below = |number: i64| histogram.below(number.clamp(-FARTHEST, FARTHEST) - guide.number);
            let Some(weights) = outlook.digits.weights(&column.format, longest.max(1).into(), below) else { return };
            *sums = sums_in_order(&weights, end);
        }
        (outlook.is_weighed, outlook.end) = (true, end);
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
        let [start, middle, end] = [first, first + half, first + 2 * half].map(|byte| rank(byte, self.end));
        self.by_guide(|sums| odds(sums[end] - sums[middle], sums[middle] - sums[start]))
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
        let [start, end] = [first, first + count].map(|byte| rank(byte, self.end));
        self.by_guide(|sums| {
            let weight = sums[end] - sums[start];
            odds(weight, sums[SYMBOLS] - weight)
        })
    }

    #[inline(always)]
    fn by_guide(&self, odds: impl Fn(&[u32; SYMBOLS + 1]) -> i32) -> [i32; GUIDES] {
        std::array::from_fn(|guide| self.guides[guide].map_or(0, |_| odds(&self.sums[guide])))
    }
}

/// log₂ of the odds, in 1/256, bounded; 0 where none is possible.
#[inline(always)]
fn odds(ones: u32, zeros: u32) -> i32 {
    (logarithm(ones.max(1)) - logarithm(zeros.max(1))).clamp(-ODDS_MOST, ODDS_MOST)
}

/// The running sums of the symbols' weights in the order of their bytes, the number's end being the byte `end`. None is
/// held to be impossible.
#[inline(always)]
fn sums_in_order(weights: &[u32; SYMBOLS], end: u8) -> [u32; SYMBOLS + 1] {
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let least = (total >> 12) as u32 + 1;
    let mut sums = [0; SYMBOLS + 1];
    let before_end = rank(end.into(), u8::MAX);
    for (index, symbol) in [MINUS, POINT].into_iter().chain(ZERO..END).enumerate() {
        sums[1 + index + usize::from(index >= before_end)] = (weights[symbol] >> 1) + least;
    }
    sums[1 + before_end] = (weights[END] >> 1) + least;
    for place in 1..=SYMBOLS {
        sums[place] += sums[place - 1];
    }
    sums
}

/// How many of the symbols' bytes are below `byte`.
#[inline(always)]
fn rank(byte: usize, end: u8) -> usize {
    let digits = byte.saturating_sub(usize::from(b'0')).min(10);
    let others = [b'-', b'.', end].map(|symbol| usize::from(byte > usize::from(symbol)));
    digits + others.iter().sum::<usize>()
}

/// The histogram of what a guide misses: by the expected number's size, unless it is a time.
fn histogram(field: &NumberField<'_>, guide: usize, number: i64) -> usize {
    let size = match field.column.format {
        Format::Time { .. } => 0,
        _ => significant(number, 2) as u64,
    };
    (mix(mix(field.number as u64, guide as u64), size) >> (64 - HISTOGRAM_BITS)) as usize
}

#[cfg(test)]
mod tests;
