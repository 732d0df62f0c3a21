//! Which other fields tell most of a column's values: chosen by conditional entropy on a sample.

use std::borrow::Cow;
use std::collections::HashMap;

use super::columns::{CLUES, Clue, Column, Format, Relation, Source, significant};
use super::survey::{Counts, Keyed, ROWS, ROWS_LEAST, Table, log2, sources};

/// Steps of coding that the search of all columns' clues may take.
const BUDGET: usize = 90_000_000;
/// Candidates are screened on one row in so many, and so many are then tried on all.
const SCREEN: usize = 6;
const FIRST: usize = 24;
/// The chance in 1/2^32 of a value that was never seen.
const NOVEL: u64 = 1 << 20;
/// Runs of rows that are looked at, where that is not all.
const RUNS: usize = 16;
/// Clues that may stand beside the first.
const FURTHER: usize = 12;
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
pub struct Candidate<'a> {
    pub clue: Clue,
    codes: Cow<'a, [u32]>,
    /// Whether the values are those of the record before.
    above: bool,
}

impl Values {
    /// The values of `table`, whose `columns` have been described.
    pub fn new(table: &Table, columns: &[Column]) -> Self {
        let rows = runs(table.rows.len(), ROWS);
        let columns = columns.iter().enumerate().map(|(field, column)| Codes::new(table, &rows, field, column));
        Self(columns.collect())
    }

    /// Of `candidates`, what tells most of the values of `field`, or of what they differ by from what `relation` says, and what
    /// tells most of them without the first of those; found in one of `share` parts of the time for all tables.
    pub fn clues(
        &self,
        field: usize,
        candidates: &[Candidate],
        relation: Option<&Relation>,
        share: usize,
    ) -> [Vec<Clue>; 2] {
        let rests = relation.map(|relation| self.rests(field, relation));
        let target = rests.as_deref().unwrap_or_else(|| self.0[field].target());
        let (all, tried) = self.told(target, candidates, share);
        // The whole file may gain by what the sample is too short for. Where no value comes again, there are better contexts.
        let is_filled_up = self.0[field].repeats();
        let clues = all.clone().chain(tried.clone(), is_filled_up);
        let Some(&first) = clues.first() else { return Default::default() };
        let others = tried.into_iter().filter(|(_, candidate)| !candidate.clue.tells_of(first));
        let further = all.chain(others.collect(), is_filled_up);
        [clues, further]
    }

    /// Of `candidates`, what tells most of which of `relations` holds for `field`, if any of them does.
    pub fn clue_to(
        &self,
        relations: &[Relation],
        field: usize,
        candidates: &[Candidate],
        share: usize,
    ) -> Option<Clue> {
        let here = Source { above: false, field: field as u16 };
        let holds = |row: usize| {
            let number = self.number(here, row)?;
            relations.iter().position(|relation| relation.predict(|source| self.number(source, row)) == Some(number))
        };
        let target: Vec<u32> = (0..self.rows()).map(|row| holds(row).map_or(0, |index| index as u32 + 1)).collect();
        let (all, tried) = self.told(&target, candidates, share);
        tried.first().filter(|(least, _)| *least < cost(&all.chances)).map(|(_, best)| best.clue)
    }

    /// The values of `target` in as many rows as may be looked at, and the likeliest of `candidates` after what coding them costs
    /// with each.
    fn told<'a, 'b>(
        &self,
        target: &[u32],
        candidates: &'a [Candidate<'b>],
        share: usize,
    ) -> (Told, Vec<(u64, &'a Candidate<'b>)>) {
        let tries = candidates.len() / SCREEN + FIRST + 2 * (CLUES - 1) * FURTHER;
        let affordable = BUDGET / share / (self.0.len() * tries);
        let told = |most: usize| Told::new(target, most.max(ROWS_LEAST));
        let (screened, all) = (told(affordable / SCREEN), told(affordable));
        let likely = screened.tried(candidates.iter()).into_iter().take(FIRST).map(|(_, candidate)| candidate);
        let tried = all.tried(likely);
        (all, tried)
    }

    /// What the values of `field` differ by from what `relation` says, as small numbers.
    fn rests(&self, field: usize, relation: &Relation) -> Vec<u32> {
        let mut known = HashMap::new();
        let here = Source { above: false, field: field as u16 };
        let rest = |row: usize| Some(self.number(here, row)? - relation.predict(|source| self.number(source, row))?);
        let code = |row: usize| {
            let next = known.len() as u32;
            *known.entry(rest(row)).or_insert(next)
        };
        (0..self.rows()).map(code).collect()
    }

    /// How many columns have numbers of many sizes.
    pub fn numeric_columns(&self) -> usize {
        self.0.iter().filter(|column| column.classes.is_some()).count()
    }

    /// Whether `field` is one.
    pub fn is_numeric(&self, field: usize) -> bool {
        self.0[field].classes.is_some()
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.0.first().map_or(0, |column| column.exact.len())
    }

    /// A source's number in `row`.
    pub fn number(&self, source: Source, row: usize) -> Option<i64> {
        let row = row.checked_sub(usize::from(source.above))?;
        self.0[usize::from(source.field)].numbers.get(row).copied().flatten()
    }

    /// Every field that is known before `field`, by its text if that repeats, and by its number's classes.
    pub fn candidates(&self, field: usize) -> Vec<Candidate<'_>> {
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

    /// The times that are known before `field`.
    fn times(&self, field: usize) -> Vec<Source> {
        let is_time = |source: &Source| match self.0[usize::from(source.field)].format {
            Format::Time { .. } => true,
            Format::Clock => !source.above,
            _ => false,
        };
        sources(self.0.len(), field).into_iter().filter(is_time).collect()
    }

    /// Whether the times of two columns count the same.
    fn are_alike(&self, first: Source, second: Source) -> bool {
        let kind = |source: Source| std::mem::discriminant(&self.0[usize::from(source.field)].format);
        kind(first) == kind(second)
    }

    /// The differences of two times that are known before `field`, at a few precisions.
    fn differences(&self, field: usize) -> Vec<Candidate<'static>> {
        let times = self.times(field);
        let mut candidates = Vec::new();
        for (index, &first) in times.iter().enumerate() {
            for &second in times[..index].iter().filter(|second| self.are_alike(first, **second)) {
                let difference = |row: usize| Some(self.number(first, row)? - self.number(second, row)?);
                let differences: Vec<Option<i64>> = (0..self.rows()).map(difference).collect();
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

/// Values to be told, as far as some clues tell them.
#[derive(Clone)]
struct Told {
    /// The rows looked at, and the values there.
    rows: Vec<usize>,
    target: Vec<u32>,
    /// What the clues say, and the values' chances in 1/2^32.
    context: Vec<u64>,
    chances: Vec<u64>,
}

impl Told {
    /// Some of the values of `target`, so many at most, told by no clue.
    fn new(target: &[u32], most: usize) -> Self {
        let rows: Vec<usize> = runs(target.len() - 1, most).into_iter().map(|row| row + 1).collect();
        let target: Vec<u32> = rows.iter().map(|&row| target[row]).collect();
        let context = vec![0; rows.len()];
        let chances = chances(&context, &target, &vec![NOVEL; rows.len()]);
        Self { rows, target, context, chances }
    }

    /// The candidates after what coding the values costs with each, the least first.
    fn tried<'a, 'b>(&self, candidates: impl Iterator<Item = &'a Candidate<'b>>) -> Vec<(u64, &'a Candidate<'b>)> {
        let mut tried: Vec<(u64, &Candidate)> =
            candidates.map(|candidate| (cost(&self.chances(&self.beside(candidate))), candidate)).collect();
        tried.sort_by_key(|tried| tried.0);
        tried
    }

    /// Of the candidates that were `tried` the one that tells most of the values, the one that tells most beside it, and so on
    /// while the sample gains by it; once it has, also as far as there are any, if that is asked for.
    fn chain(mut self, mut tried: Vec<(u64, &Candidate)>, is_filled_up: bool) -> Vec<Clue> {
        let (mut clues, alone) = (Vec::new(), cost(&self.chances));
        while let Some(&(least, best)) = tried.first()
            && (clues.is_empty() || least < cost(&self.chances) || (is_filled_up && cost(&self.chances) < alone))
        {
            self.context = self.beside(best);
            self.chances = self.chances(&self.context);
            clues.push(best.clue);
            if clues.len() == CLUES {
                break;
            }
            let further = tried.iter().map(|tried| tried.1).filter(|candidate| !candidate.clue.is_part_of(best.clue));
            tried = self.tried(further.take(FURTHER));
        }
        clues
    }

    /// What the clues and `candidate` say.
    fn beside(&self, candidate: &Candidate) -> Vec<u64> {
        let context = self.rows.iter().zip(&self.context);
        context.map(|(&row, &context)| joined(context, candidate.code(row))).collect()
    }

    /// The values' chances with what further clues say too.
    fn chances(&self, contexts: &[u64]) -> Vec<u64> {
        chances(contexts, &self.target, &self.chances)
    }
}

impl Codes {
    fn new(table: &Table, rows: &[usize], field: usize, column: &Column) -> Self {
        let (mut known, mut exact) = (HashMap::new(), Vec::with_capacity(rows.len()));
        for &row in rows {
            let next = known.len() as u32;
            exact.push(*known.entry(table.field(row, field)).or_insert(next));
        }
        let numbers: Vec<Option<i64>> = match column.format {
            Format::Text => Vec::new(),
            _ => rows.iter().map(|&row| column.parse(table.field(row, field))).collect(),
        };
        let classes = spread(&numbers).map(|spread| {
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
    pub fn tells_of(self, other: Clue) -> bool {
        match (self, other) {
            (Clue::Text(this) | Clue::Number(this, _), Clue::Text(other) | Clue::Number(other, _)) => this == other,
            (Clue::Difference(this, _), Clue::Difference(other, _)) => this == other,
            _ => false,
        }
    }

    /// Whether nothing of the record before is in it.
    pub fn is_of_this_record(self) -> bool {
        match self {
            Clue::Text(source) | Clue::Number(source, _) => !source.above,
            Clue::Difference(sources, _) => sources.iter().all(|source| !source.above),
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

    /// What it says in `row`.
    pub fn code(&self, row: usize) -> u32 {
        self.codes[row - usize::from(self.above)]
    }
}

/// What the middle nine tenths of a run's numbers lie within, in the middle one of the runs, if most rows have numbers. Times
/// go on from run to run.
fn spread(numbers: &[Option<i64>]) -> Option<i64> {
    let within = |run: &[Option<i64>]| {
        let mut sorted: Vec<i64> = run.iter().flatten().copied().collect();
        sorted.sort_unstable();
        let (least, most) = (sorted.len() / 20, sorted.len().checked_sub(1 + sorted.len() / 20)?);
        Some(sorted[most] - sorted[least])
    };
    let known = numbers.iter().flatten().count();
    let mut spreads: Vec<i64> = numbers.chunks(numbers.len().div_ceil(RUNS).max(1)).filter_map(within).collect();
    spreads.sort_unstable();
    spreads.get(spreads.len() / 2).copied().filter(|_| known * 2 > numbers.len())
}

/// Of so many rows `most` at most, in runs from the first to the last: a row's clues may be in the one before.
pub fn runs(rows: usize, most: usize) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let run = |number: usize| (0..most / RUNS).map(move |row| number * rows / RUNS + row);
    (0..RUNS).flat_map(run).collect()
}

pub fn joined(context: u64, code: u32) -> u64 {
    (context.rotate_left(32) ^ u64::from(code) ^ 1 << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The chance in 1/2^32 of each of the values, one after the other, given its context, learned on the way; `before` are their
/// chances without it, which count the more the more values a context has had (Witten and Bell, "The zero-frequency problem",
/// 1991, method C).
fn chances(contexts: &[u64], values: &[u32], before: &[u64]) -> Vec<u64> {
    let (mut joint, mut within) = (Counts::new(values.len()), Keyed::<[u32; 2]>::new(values.len()));
    let values = contexts.iter().zip(values).zip(before);
    let chance = |((&context, &value), &before): ((&u64, &u32), &u64)| {
        let both = joint.increment(joined(context, value));
        let [seen, distinct] = within.entry(context);
        let novel = u64::from(*distinct) + 1;
        let chance = ((both << 32) + novel * before) / (u64::from(*seen) + novel);
        (*seen, *distinct) = (*seen + 1, *distinct + u32::from(both == 0));
        chance.max(1)
    };
    values.map(chance).collect()
}

/// Bits, times 256, to code values of these chances.
fn cost(chances: &[u64]) -> u64 {
    chances.iter().map(|&chance| 32 * 256 - log2(chance)).sum()
}
