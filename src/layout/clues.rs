//! Which other fields tell most of a column's values: chosen by conditional entropy on a sample.

use std::borrow::Cow;
use std::collections::HashMap;

use super::columns::{CLUES, Clue, Column, Format, Source, significant};
use super::survey::{Counts, ROWS, ROWS_LEAST, Table, log2, sources};

/// Steps of coding that the search of all columns' clues may take.
const BUDGET: usize = 30_000_000;
/// The chance in 1/2^32 of a value that was never seen.
const NOVEL: u64 = 1 << 20;
/// How many values' worth the chance without a context counts in it.
const PRIOR: u64 = 8;
/// Clues that may stand beside the first.
const FURTHER: usize = 16;
/// Classes that the middle nine tenths of a column's numbers fall into, at least, as a clue and as what is to be told.
const CLASSES: [i64; 3] = [8, 32, 128];

/// The sampled rows' values, as small numbers.
pub struct Values(Vec<Codes>);

/// One column's values: each distinct text has its own number, and numbers have classes.
struct Codes {
    exact: Vec<u32>,
    distinct: usize,
    format: Format,
    numbers: Vec<Option<i64>>,
    /// Coarse classes and fine ones, each with the shift that makes them.
    classes: Option<[(u8, Vec<u32>); CLASSES.len()]>,
}

/// A possible clue to a column, and the values that it stands for.
struct Candidate<'a> {
    clue: Clue,
    codes: Cow<'a, [u32]>,
    /// Whether the values are those of the record before.
    above: bool,
}

impl Values {
    /// The values of `table`, whose `columns` have been described.
    pub fn new(table: &Table, columns: &[Column]) -> Self {
        let rows = table.rows.len().min(ROWS);
        let columns = columns.iter().enumerate().map(|(field, column)| Codes::new(table, rows, field, column));
        Self(columns.collect())
    }

    /// What tells most of the values of `field`, and what tells most of them without the first of those; found in one of
    /// `share` parts of the time for all tables.
    pub fn clues(&self, field: usize, share: usize) -> [Vec<Clue>; 2] {
        let candidates = self.candidates(field);
        let clues = self.chain(field, share, candidates.iter().collect());
        let Some(&first) = clues.first() else { return Default::default() };
        let others = candidates.iter().filter(|candidate| !candidate.clue.tells_of(first));
        let further = self.chain(field, share, others.collect());
        [clues, further]
    }

    /// Of `candidates` the one that tells most of the values of `field`, the one that tells most beside it, and so on.
    fn chain(&self, field: usize, share: usize, mut candidates: Vec<&Candidate>) -> Vec<Clue> {
        let target = self.0[field].target();
        let affordable = BUDGET / share / (self.0.len() * (candidates.len() + (CLUES - 1) * FURTHER)).max(1);
        let rows: Vec<usize> = (1..target.len().min(affordable.max(ROWS_LEAST))).collect();
        let target: Vec<u32> = rows.iter().map(|&row| target[row]).collect();
        let mut context: Vec<u64> = vec![0; rows.len()];
        let mut chances = chances(&context, &target, &vec![NOVEL; rows.len()]);
        let mut clues = Vec::new();
        while clues.len() < CLUES {
            let beside = |candidate: &Candidate| -> Vec<u64> {
                rows.iter().zip(&context).map(|(&row, &context)| joined(context, candidate.code(row))).collect()
            };
            let with = |candidate: &Candidate| self::chances(&beside(candidate), &target, &chances);
            let mut tried: Vec<(u64, &Candidate)> =
                candidates.into_iter().map(|candidate| (cost(&with(candidate)), candidate)).collect();
            tried.sort_by_key(|tried| tried.0);
            let Some((_, best)) = tried.first().filter(|(least, _)| *least < cost(&chances) || clues.is_empty()) else {
                break;
            };
            chances = with(best);
            context = beside(best);
            let clue = best.clue;
            clues.push(clue);
            let further =
                tried.into_iter().map(|(_, candidate)| candidate).filter(|candidate| !candidate.clue.is_part_of(clue));
            candidates = further.take(FURTHER).collect();
        }
        clues
    }

    /// Every field that is known before `field`, by its text if that repeats, and by its number's classes.
    fn candidates(&self, field: usize) -> Vec<Candidate<'_>> {
        let mut candidates = Vec::new();
        for source in sources(self.0.len(), field) {
            let column = &self.0[usize::from(source.field)];
            if column.repeats() || column.classes.is_none() {
                candidates.push(Candidate::new(Clue::Text(source), &column.exact, source.above));
            }
            for (shift, codes) in column.classes.iter().flatten().filter(|(shift, _)| *shift > 0) {
                candidates.push(Candidate::new(Clue::Number(source, *shift), codes, source.above));
            }
        }
        candidates.extend(self.differences(field));
        candidates
    }

    /// The differences of two times that are known before `field`, at a few precisions.
    fn differences(&self, field: usize) -> Vec<Candidate<'static>> {
        let times: Vec<Source> = sources(self.0.len(), field)
            .into_iter()
            .filter(|source| matches!(self.0[usize::from(source.field)].format, Format::Time { .. }))
            .collect();
        let mut candidates = Vec::new();
        for (index, &first) in times.iter().enumerate() {
            for &second in &times[..index] {
                let rows = self.0[usize::from(first.field)].numbers.len();
                let number = |source: Source, row: usize| {
                    let row = row.checked_sub(usize::from(source.above))?;
                    self.0[usize::from(source.field)].numbers[row]
                };
                let differences: Vec<Option<i64>> =
                    (0..rows).map(|row| Some(number(first, row)? - number(second, row)?)).collect();
                for bits in [1, 2, 3, 4] {
                    let code = |difference: &Option<i64>| match *difference {
                        None => 0,
                        Some(difference) => significant(difference, bits) as u32 | 1 << 31,
                    };
                    candidates.push(Candidate {
                        clue: Clue::Difference([first, second], bits),
                        codes: differences.iter().map(code).collect(),
                        above: false,
                    });
                }
            }
        }
        candidates
    }
}

impl Codes {
    fn new(table: &Table, rows: usize, field: usize, column: &Column) -> Self {
        let (mut known, mut exact) = (HashMap::new(), Vec::with_capacity(rows));
        for row in 0..rows {
            let next = known.len() as u32;
            exact.push(*known.entry(table.field(row, field)).or_insert(next));
        }
        let numbers: Vec<Option<i64>> = match column.format {
            Format::Text => Vec::new(),
            _ => (0..rows).map(|row| column.parse(table.field(row, field))).collect(),
        };
        let mut sorted: Vec<i64> = numbers.iter().flatten().copied().collect();
        sorted.sort_unstable();
        let classes = (sorted.len() * 2 > rows).then(|| {
            let spread = sorted[sorted.len() - 1 - sorted.len() / 20] - sorted[sorted.len() / 20];
            CLASSES.map(|least| {
                let shift = (spread / least).max(1).ilog2();
                let class = |number: &Option<i64>| number.map_or(0, |number| (number >> shift) as u32 | 1 << 31);
                (shift as u8, numbers.iter().map(class).collect())
            })
        });
        let distinct = known.len();
        let format = column.format.clone();
        Self {
            exact,
            distinct,
            format,
            numbers,
            classes: classes.filter(|[(shift, _), ..]| *shift > 0 && distinct > 64),
        }
    }

    /// Whether values come again often enough to say something.
    fn repeats(&self) -> bool {
        self.distinct * 4 <= self.exact.len()
    }

    /// The values as they are to be told: numbers that hardly repeat only roughly.
    fn target(&self) -> &[u32] {
        match &self.classes {
            Some([_, (_, fine), _]) if !self.repeats() => fine,
            _ => &self.exact,
        }
    }
}

impl Clue {
    /// Whether both are clues to the same field or difference.
    fn tells_of(self, other: Clue) -> bool {
        match (self, other) {
            (Clue::Text(this) | Clue::Number(this, _), Clue::Text(other) | Clue::Number(other, _)) => this == other,
            (Clue::Difference(this, _), Clue::Difference(other, _)) => this == other,
            _ => false,
        }
    }

    /// Whether `other` says as much or more of the same field.
    fn is_part_of(self, other: Clue) -> bool {
        match (self, other) {
            (Clue::Text(this), Clue::Text(other)) => this == other,
            (Clue::Number(this, _), Clue::Text(other)) => this == other,
            (Clue::Number(this, shift), Clue::Number(other, finer)) => this == other && shift >= finer,
            (Clue::Difference(this, bits), Clue::Difference(other, finer)) => this == other && bits <= finer,
            _ => false,
        }
    }
}

impl<'a> Candidate<'a> {
    fn new(clue: Clue, codes: &'a [u32], above: bool) -> Self {
        Self { clue, codes: Cow::Borrowed(codes), above }
    }

    fn code(&self, row: usize) -> u32 {
        self.codes[row - usize::from(self.above)]
    }
}

fn joined(context: u64, code: u32) -> u64 {
    (context.rotate_left(32) ^ u64::from(code) ^ 1 << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The chance in 1/2^32 of each of the values, one after the other, given its context, learned on the way; `before` are their
/// chances without it.
fn chances(contexts: &[u64], values: &[u32], before: &[u64]) -> Vec<u64> {
    let (mut joint, mut within) = (Counts::new(), Counts::new());
    let values = contexts.iter().zip(values).zip(before);
    let chance = |((&context, &value), &before): ((&u64, &u32), &u64)| {
        let seen = within.increment(context);
        let both = joint.increment(joined(context, value));
        (((both << 32) + PRIOR * before) / (seen + PRIOR)).max(1)
    };
    values.map(chance).collect()
}

/// Bits, times 256, to code values of these chances.
fn cost(chances: &[u64]) -> u64 {
    chances.iter().map(|&chance| 32 * 256 - log2(chance)).sum()
}
