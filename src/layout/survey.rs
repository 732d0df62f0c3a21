//! Finds, on a sample of a table, how its columns are written and what other columns tell of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;

use super::Rows;
use super::clues::Values;
use super::columns::{Column, FACTOR_BITS, Format, Relation, Source, VALUE_MAX};
use super::formats;
use super::schemas::{Mark, SCHEMAS, Schema, Shape, heading};
use crate::parallel::in_order;

/// Rows for the search of clues, at most.
pub const ROWS: usize = 20000;
/// Rows for the search of relations, at most.
const ROWS_NUMERIC: usize = 1500;
/// The same for the widest tables.
const ROWS_NUMERIC_LEAST: usize = 200;
/// Fewest rows that say anything.
pub const ROWS_LEAST: usize = 50;
/// The same for one table of several.
const TABLE_ROWS_LEAST: usize = 400;
/// Columns looked at; those beyond stay unknown.
const COLUMNS: usize = 64;
/// Rows on which pairs of columns are tried, more or less.
const ROWS_FEW: usize = 150;
/// Terms of a sum and of a fit.
const SUM_TERMS: usize = 8;
const FIT_TERMS: usize = 3;

/// A piece of a file, from the beginning of a line on.
pub struct Piece<'a> {
    /// What stands between the piece before and this one.
    pub before: &'a [u8],
    pub text: &'a [u8],
}

/// What `pieces` of a file show of its tables and their columns.
pub fn survey(pieces: &[Piece], delimiter: u8, quote: Option<u8>, threads: NonZeroUsize) -> Vec<Schema> {
    let records: Vec<Vec<Record>> = pieces.iter().map(|piece| records(piece.text, delimiter, quote)).collect();
    let headings = headings(pieces, &records);
    let tables = tables(records.into_iter().flatten().collect(), &headings);
    let share = tables.len();
    let schema = |(mark, table): (Mark, Table)| Schema { mark, columns: columns(&table, share, threads) };
    tables.into_iter().map(schema).collect()
}

/// What is known of the columns of one of `share` tables.
fn columns(table: &Table, share: usize, threads: NonZeroUsize) -> Vec<Column> {
    let plain: Vec<Column> = (0..table.width).map(|field| table.describe(field)).collect();
    let (values, numbers) = (Values::new(table, &plain), Numbers::new(table, &plain));
    let column = |field: usize| {
        let mut relations = numbers.relations(&plain, field);
        let mut alternatives = numbers.alternatives(&plain, field, &relations);
        relations
            .iter_mut()
            .chain(&mut alternatives)
            .for_each(|relation| relation.held = numbers.held(relation, field));
        let known = relations.first().filter(|relation| relation.held >= MOSTLY && !relation.is_of_the_record_before());
        let candidates = values.candidates(field);
        let [clues, further_clues] = values.clues(field, &candidates, known, share);
        let clues_to_rests = known.is_some();
        if !clues_to_rests && relations.first().is_some_and(|relation| relation.held >= SOMETIMES) {
            relations[0].clue = values.clue_to(&relations[..1], field, &candidates, share);
        }
        if !alternatives.is_empty() {
            alternatives[0].clue = values.clue_to(&alternatives, field, &candidates, share);
        }
        let column = Column { clues, further_clues, clues_to_rests, relations, alternatives, ..plain[field].clone() };
        let corrections = values.corrections(&column, field, &candidates, share, |saved| numbers.pays(saved));
        Ok(Column { corrections, ..column })
    };
    let mut columns = Vec::new();
    let all = in_order(table.width, threads, column, |_, column| {
        columns.push(column);
        Ok(())
    });
    debug_assert!(all.is_ok(), "no column fails");
    columns
}

/// A record's fields.
type Record<'a> = Vec<&'a [u8]>;

/// The records of `piece` but the last, which may be cut off.
fn records(piece: &[u8], delimiter: u8, quote: Option<u8>) -> Vec<Record<'_>> {
    let (mut cursor, mut records) = (Rows::new(delimiter, quote), Vec::new());
    for length in 1..=piece.len() {
        cursor.advance(&piece[..length]);
        if piece[length - 1] == b'\n' {
            records.push(cursor.previous().iter().map(|span| &piece[span.start..span.end]).collect::<Record>());
        }
    }
    records
}

/// The tables that are long enough to say anything, the longest first, each with its mark; `headings` are those that the
/// records stand under.
fn tables<'a>(mut records: Vec<Record<'a>>, headings: &[Option<u32>]) -> Vec<(Mark, Table<'a>)> {
    let mut tables = parted(&mut records, headings, Mark::Heading);
    if tables.is_empty() {
        // The first record may name the columns.
        records.drain(..records.len().min(1));
        let shapes: Vec<Option<u32>> = records.iter().map(|record| Some(shape(record))).collect();
        let widths: Vec<Option<u32>> = records.iter().map(|record| Some(record.len() as u32)).collect();
        if come_in_runs(&shapes) {
            tables = parted(&mut records, &shapes, Mark::Shape);
        } else if come_in_runs(&widths) {
            tables = parted(&mut records, &widths, Mark::Width);
        }
    }
    if tables.is_empty() {
        let table = Table::new(records);
        tables = vec![(Mark::Width(table.width as u32), table)];
    }
    tables.retain(|(_, table)| table.rows.len() >= ROWS_LEAST);
    tables.sort_by_key(|(_, table)| std::cmp::Reverse(table.rows.len()));
    tables.truncate(SCHEMAS);
    tables
}

/// The heading that each of the `pieces`' records stands under, if there is one.
fn headings(pieces: &[Piece], records: &[Vec<Record>]) -> Vec<Option<u32>> {
    let of = |record: &Record| record.first().and_then(|field| heading(field));
    let any = records.first().is_some_and(|records| records.iter().any(|record| of(record).is_some()));
    let (mut headings, mut current) = (Vec::new(), None);
    for (piece, records) in pieces.iter().zip(records).take_while(|_| any) {
        current = piece.before.rsplit(|&byte| byte == b'\n').find_map(heading).or(current);
        headings.extend(records.iter().map(|record| {
            current = of(record).or(current);
            current
        }));
    }
    headings
}

/// The records of each key that enough of them have; where that is only one key or none, nothing is parted.
fn parted<'a>(
    records: &mut Vec<Record<'a>>,
    keys: &[Option<u32>],
    mark: impl Fn(u32) -> Mark,
) -> Vec<(Mark, Table<'a>)> {
    let mut groups: BTreeMap<u32, Vec<Record>> = frequent(keys).into_iter().map(|key| (key, Vec::new())).collect();
    if groups.len() < 2 {
        return Vec::new();
    }
    for (record, key) in records.drain(..).zip(keys) {
        if let Some(rows) = key.and_then(|key| groups.get_mut(&key)) {
            rows.push(record);
        }
    }
    groups.into_iter().map(|(key, rows)| (mark(key), Table::new(rows))).collect()
}

/// The keys of records that make a table.
fn frequent(keys: &[Option<u32>]) -> BTreeSet<u32> {
    let mut counts = BTreeMap::new();
    keys.iter().flatten().for_each(|&key| *counts.entry(key).or_insert(0) += 1);
    counts.into_iter().filter(|&(_, count)| count >= TABLE_ROWS_LEAST).map(|(key, _)| key).collect()
}

/// Whether the frequent keys are those of nearly all records, and come in long runs.
fn come_in_runs(keys: &[Option<u32>]) -> bool {
    let frequent = frequent(keys);
    let all = keys.len();
    let keys: Vec<u32> = keys.iter().flatten().copied().filter(|key| frequent.contains(key)).collect();
    let changes = keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
    changes * RUN <= keys.len() && keys.len() * 10 >= all * 9
}

/// Which of the record's fields are empty.
fn shape(record: &Record) -> u32 {
    record.iter().fold(Shape::default(), |shape, field| shape.after(field.is_empty())).hash()
}

/// Records of one mark in a row, on average, that make a table.
const RUN: usize = 20;

/// The rows of one table.
pub struct Table<'a> {
    pub rows: Vec<Record<'a>>,
    pub width: usize,
}

impl<'a> Table<'a> {
    fn new(rows: Vec<Record<'a>>) -> Self {
        let mut widths: Vec<usize> = rows.iter().map(Vec::len).collect();
        widths.sort_unstable();
        let width = widths.get(widths.len() / 2).map_or(0, |&width| width.min(COLUMNS));
        Self { rows, width }
    }

    pub fn field(&self, row: usize, field: usize) -> &'a [u8] {
        self.rows[row].get(field).copied().unwrap_or(b"")
    }

    /// How the values of `field` are written.
    fn describe(&self, field: usize) -> Column {
        let texts = places(self.rows.len(), ROWS).map(|row| self.field(row, field)).filter(|text| !text.is_empty());
        formats::column_of(&texts.collect::<Vec<_>>())
    }
}

/// Up to `most` places spread over `1..length`.
fn places(length: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = (length - 1).min(most);
    (0..count).map(move |place| 1 + place * (length - 1) / count)
}

/// Every field that is known before `field` of the same record, and those of the previous record.
pub fn sources(width: usize, field: usize) -> Vec<Source> {
    let here = (0..field).map(|field| Source { above: false, field: field as u16 });
    here.chain((0..width).map(|field| Source { above: true, field: field as u16 })).collect()
}

/// Something for each key, in an open-addressed table that has room for all.
pub struct Keyed<T>(Vec<(u64, Option<T>)>);

impl<T: Copy + Default> Keyed<T> {
    /// For so many keys.
    pub fn new(keys: usize) -> Self {
        Self(vec![(0, None); (keys * 2).next_power_of_two()])
    }

    /// What is there for `key`.
    pub fn entry(&mut self, key: u64) -> &mut T {
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut place = (hash ^ hash >> 32) as usize & (self.0.len() - 1);
        while matches!(self.0[place], (known, Some(_)) if known != key) {
            place = (place + 1) & (self.0.len() - 1);
        }
        let (known, entry) = &mut self.0[place];
        *known = key;
        entry.get_or_insert_default()
    }
}

/// How often each key was seen.
pub type Counts = Keyed<u32>;

impl Counts {
    /// The count before.
    pub fn increment(&mut self, key: u64) -> u64 {
        let count = self.entry(key);
        *count += 1;
        u64::from(*count - 1)
    }
}

/// 256 · log2, to within a tenth of a bit; `value` at least 1.
pub fn log2(value: u64) -> u64 {
    let octave = value.ilog2();
    let fraction = if octave >= 8 { value >> (octave - 8) } else { value << (8 - octave) };
    u64::from(octave) * 256 + fraction - 256
}

/// The sampled rows' numbers.
pub struct Numbers {
    /// Per column and sampled row: this record's value and the previous one's.
    values: Vec<Vec<[Option<i64>; 2]>>,
    rows: usize,
    /// Rows of the table, the sampled ones and the others.
    all: u64,
}

/// A source in units of the target: how many its own unit is, and its values.
pub struct Scaled {
    pub scale: i64,
    pub source: Source,
    pub values: Vec<Option<i64>>,
}

/// One candidate of a linear form: its values per row and the terms it adds to the relation.
struct Feature {
    values: Vec<Option<i64>>,
    terms: Vec<(i64, Source)>,
}

impl Numbers {
    fn new(table: &Table, columns: &[Column]) -> Self {
        // The search of sums takes time by the square of the columns.
        let most = (400 * ROWS_NUMERIC / (table.width * table.width).max(400)).max(ROWS_NUMERIC_LEAST);
        let rows: Vec<usize> = places(table.rows.len(), most).collect();
        let parse = |field: usize, row: usize| columns[field].parse(table.field(row, field));
        let column = |field| rows.iter().map(|&row| [parse(field, row), parse(field, row - 1)]).collect();
        Self { values: (0..table.width).map(column).collect(), rows: rows.len(), all: table.rows.len() as u64 }
    }

    /// The relations worth keeping for `field`: an exact sum and a fit.
    fn relations(&self, columns: &[Column], field: usize) -> Vec<Relation> {
        let target: Vec<Option<i64>> = self.values[field].iter().map(|pair| pair[0]).collect();
        let mut distinct: Vec<i64> = target.iter().flatten().copied().collect();
        let known = distinct.len();
        distinct.sort_unstable();
        distinct.dedup();
        if known * 2 < self.rows || distinct.len() < 8 {
            return Vec::new();
        }
        let sum = self.sum(columns, field, &target);
        let told = sum.as_ref().is_some_and(|sum| self.held(sum, field) >= CERTAIN);
        let fit = if told { None } else { self.fit(columns, field, &target) };
        sum.into_iter().chain(fit).collect()
    }

    /// A source's number in each sampled row.
    pub fn values_of(&self, source: Source) -> Vec<Option<i64>> {
        self.values[usize::from(source.field)].iter().map(|pair| pair[usize::from(source.above)]).collect()
    }

    /// Whether what saves so many bits a row, times 256, is worth its place in the header.
    pub fn pays(&self, saved: u64) -> bool {
        saved * self.all > RELATION_COST * 256
    }

    /// Whether `relation` tells the number of `field` in the sampled row `row`.
    pub fn tells(&self, relation: &Relation, field: usize, row: usize) -> bool {
        let value = self.values[field][row][0];
        value.is_some() && relation.predict(|source| self.number(source, row)) == value
    }

    /// In how many percent of the sampled rows it does.
    fn held(&self, relation: &Relation, field: usize) -> u8 {
        ((0..self.rows).filter(|&row| self.tells(relation, field, row)).count() * 100 / self.rows.max(1)) as u8
    }

    /// A source's number in the sampled row `row`.
    fn number(&self, source: Source, row: usize) -> Option<i64> {
        self.values[usize::from(source.field)][row][usize::from(source.above)]
    }

    /// The sources of `field` whose values count in units that its own are multiples of; values beyond `most` are left out.
    pub fn scaled(&self, columns: &[Column], field: usize, most: i64) -> Vec<Scaled> {
        let scaled = |source: Source| {
            let scale = unit_ratio(&columns[field].format, &columns[usize::from(source.field)].format)?;
            let scaled = |value: i64| value.checked_mul(scale).filter(|value| value.abs() <= most);
            let values = self.values_of(source).iter().map(|value| value.and_then(scaled)).collect();
            Some(Scaled { scale, source, values })
        };
        sources(columns.len(), field).into_iter().filter_map(scaled).collect()
    }

    /// The sum of columns that makes what is left of the value cheapest: starting from nothing, or from the best pair, of which neither
    /// column need say anything alone, as a difference of two times.
    fn sum(&self, columns: &[Column], field: usize, target: &[Option<i64>]) -> Option<Relation> {
        let candidates = self.scaled(columns, field, VALUE_MAX);
        let before = rest_cost(target);
        let nothing = Sum { terms: Vec::new(), rest: target.to_vec(), cost: before };
        let pair = nothing.with_pair(&candidates);
        let sums = [Some(nothing), pair].into_iter().flatten().map(|start| start.completed(&candidates));
        let Sum { terms, rest, cost } = sums.min_by_key(|sum| sum.cost)?;
        let constant = Some(commonest(&rest)).filter(|rest| rest.abs() < LIMIT)? << FACTOR_BITS;
        let pays = cost * 10 < before * 9 && self.pays((before - cost) / self.rows as u64);
        pays.then_some(Relation { constant, terms, ..Relation::default() })
    }

    /// Least squares on up to three features, each chosen for what it explains of the rest.
    fn fit(&self, columns: &[Column], field: usize, target: &[Option<i64>]) -> Option<Relation> {
        let features = self.features(columns, field);
        let mut chosen: Vec<(&Feature, i64)> = Vec::new();
        let mut rows: Vec<usize> =
            (0..self.rows).filter(|&row| target[row].is_some_and(|value| value.abs() < LIMIT)).collect();
        let centred = |values: &[Option<i64>], rows: &[usize]| {
            let mean = rows.iter().map(|&row| values[row].unwrap_or(0)).sum::<i64>() / rows.len().max(1) as i64;
            (rows.iter().map(|&row| values[row].unwrap_or(0) - mean).collect::<Vec<i64>>(), mean)
        };
        // A value that stands for "none" hides the line on which the others lie.
        let usual = commonest(target);
        let others = rows.iter().filter(|&&row| target[row] != Some(usual)).count();
        if (rows.len() / 8..rows.len() * 4 / 5).contains(&others) {
            rows.retain(|&row| target[row] != Some(usual));
        }
        let before = magnitude(&centred(target, &rows).0) / rows.len().max(1) as u64;
        for _ in 0..FIT_TERMS {
            let rest = residual(target, &chosen, &rows, &centred);
            let explained = |feature: &Feature| {
                let values = centred(&feature.values, &rows).0;
                let (product, square) = products(&rest, &values);
                if square == 0 { 0 } else { (product / square.isqrt().max(1)).unsigned_abs() }
            };
            let usable = features.iter().filter(|feature| {
                rows.iter().filter(|&&row| feature.values[row].is_none_or(|value| value.abs() >= LIMIT)).count() * 10
                    < rows.len()
            });
            let Some(feature) = usable.max_by_key(|feature| explained(feature)) else { break };
            if chosen.iter().any(|(known, _)| std::ptr::eq(*known, feature)) {
                break;
            }
            rows.retain(|&row| feature.values[row].is_some_and(|value| value.abs() < LIMIT));
            chosen.push((feature, 0));
            descend(target, &mut chosen, &rows, &centred);
            let rest = residual(target, &chosen, &rows, &centred);
            let mut sizes: Vec<u64> = rest.iter().map(|value| value.unsigned_abs()).collect();
            sizes.sort_unstable();
            let far = sizes.get(sizes.len() / 2).map_or(0, |median| median * 8 + 8);
            let kept: Vec<usize> =
                rows.iter().zip(&rest).filter(|(_, rest)| rest.unsigned_abs() <= far).map(|(&row, _)| row).collect();
            if kept.len() * 2 > rows.len() {
                rows = kept;
                descend(target, &mut chosen, &rows, &centred);
            }
        }
        if rows.len() * 2 < self.rows {
            return None;
        }
        let after = magnitude(&residual(target, &chosen, &rows, &centred)) / rows.len() as u64;
        let mut constant = i128::from(centred(target, &rows).1) << FACTOR_BITS;
        let mut terms: Vec<(i64, Source)> = Vec::new();
        for (feature, factor) in &chosen {
            constant -= i128::from(*factor) * i128::from(centred(&feature.values, &rows).1);
            terms.extend(feature.terms.iter().map(|&(sign, source)| (sign * factor, source)));
        }
        let constant = i64::try_from(constant).ok()?;
        (after + 64 < before && self.pays(before - after)).then_some(Relation {
            constant,
            terms,
            ..Relation::default()
        })
    }

    /// All numeric fields known before `field`, and the differences of the record's times.
    fn features(&self, columns: &[Column], field: usize) -> Vec<Feature> {
        let one = |source| Feature { values: bounded(self.values_of(source)), terms: vec![(1, source)] };
        let is_time = |field: usize| matches!(columns[field].format, Format::Time { .. });
        let numeric = sources(columns.len(), field)
            .into_iter()
            .filter(|source| columns[usize::from(source.field)].format != Format::Text);
        let mut features: Vec<Feature> = numeric.map(one).collect();
        for later in (0..field).filter(|&field| is_time(field)) {
            for earlier in (0..later).filter(|&field| is_time(field)) {
                let here = |field: usize| Source { above: false, field: field as u16 };
                let (from, to) = (here(earlier), here(later));
                let values = bounded(subtract(&self.values_of(to), &self.values_of(from), 1));
                features.push(Feature { values, terms: vec![(1, to), (-1, from)] });
            }
        }
        features
    }
}

/// A sum of columns on its way.
struct Sum {
    terms: Vec<(i64, Source)>,
    /// What it leaves of the values, and the bits that take, times 256.
    rest: Vec<Option<i64>>,
    cost: u64,
}

impl Sum {
    /// The same with the two columns that make the rest of a few rows cheapest.
    fn with_pair(&self, candidates: &[Scaled]) -> Option<Self> {
        let every = (self.rest.len() / ROWS_FEW).max(1);
        let few = |values: &[Option<i64>]| values.iter().step_by(every).copied().collect::<Vec<_>>();
        let values: Vec<_> = candidates.iter().map(|candidate| few(&candidate.values)).collect();
        let rest = few(&self.rest);
        let mut best = (rest_cost(&rest), None);
        for (first, sign) in (0..candidates.len()).flat_map(|first| [(first, 1), (first, -1)]) {
            let rest = subtract(&rest, &values[first], sign);
            // A record's own column, added, and before it any other.
            for second in (0..candidates.len()).filter(|&second| second != first && !candidates[second].source.above) {
                let cost = rest_cost(&subtract(&rest, &values[second], 1));
                if cost < best.0 {
                    best = (cost, Some([(first, sign), (second, 1)]));
                }
            }
        }
        let [(first, sign), (second, _)] = best.1?;
        Some(self.with(&candidates[second], 1).with(&candidates[first], sign))
    }

    /// The same with the columns added or subtracted that each make the rest cheapest, while it gets cheaper.
    fn completed(mut self, candidates: &[Scaled]) -> Self {
        while self.terms.len() < SUM_TERMS {
            let tries = candidates.iter().flat_map(|candidate| [1, -1].map(|sign| self.with(candidate, sign)));
            match tries.min_by_key(|tried| tried.cost) {
                Some(next) if next.cost + self.rest.len() as u64 * 4 <= self.cost => self = next,
                _ => break,
            }
        }
        self
    }

    fn with(&self, candidate: &Scaled, sign: i64) -> Self {
        let rest = subtract(&self.rest, &candidate.values, sign);
        let term = ((sign * candidate.scale) << FACTOR_BITS, candidate.source);
        Self { cost: rest_cost(&rest), rest, terms: [&self.terms[..], &[term]].concat() }
    }
}

/// The values with the greatest and the least fiftieth moved to the border of the rest: outliers would rule the squares.
fn bounded(mut values: Vec<Option<i64>>) -> Vec<Option<i64>> {
    let mut sorted: Vec<i64> = values.iter().flatten().copied().collect();
    sorted.sort_unstable();
    if let (Some(&least), Some(&most)) =
        (sorted.get(sorted.len() / 50), sorted.get(sorted.len() - sorted.len() / 50 - 1))
    {
        values.iter_mut().flatten().for_each(|value| *value = (*value).clamp(least, most));
    }
    values
}

/// Percents of the rows from which on a sum needs no fit beside it.
const CERTAIN: u8 = 75;
/// Percents of the rows from which on a clue is sought to whether a relation holds, and from which on clues to what it misses.
const SOMETIMES: u8 = 2;
const MOSTLY: u8 = 50;
/// Bits that a relation takes in the header.
const RELATION_COST: u64 = 320;

/// Values beyond this are left out of fits.
pub const LIMIT: i64 = 1 << 40;

/// How many units of `target` one unit of `source` is, if a whole number.
fn unit_ratio(target: &Format, source: &Format) -> Option<i64> {
    match (target, source) {
        (Format::Number { most: target, .. }, Format::Number { most: source, .. }) if source <= target => {
            Some(10i64.pow(u32::from(target - source)))
        }
        (Format::Time { .. }, Format::Time { .. })
        | (Format::Clock, Format::Clock | Format::Number { most: 0, .. }) => Some(1),
        (Format::Number { most, .. }, Format::Clock) => Some(10i64.pow(u32::from(*most))),
        (Format::Time { .. }, Format::Clock) => Some(60),
        _ => None,
    }
}

/// `rest` less `sign` times `values`; where a value is missing the rest goes missing.
fn subtract(rest: &[Option<i64>], values: &[Option<i64>], sign: i64) -> Vec<Option<i64>> {
    rest.iter().zip(values).map(|(rest, value)| Some(rest.as_ref()? - sign * value.as_ref()?)).collect()
}

/// Bits, times 256, to code `rest`, learning its commoner values on the way.
fn rest_cost(rest: &[Option<i64>]) -> u64 {
    let (mut counts, mut cost) = (Counts::new(rest.len()), 0);
    for (total, value) in rest.iter().enumerate() {
        cost += log2(total as u64 + 2);
        match *value {
            None => cost += 40 * 256,
            Some(value) => match counts.increment(value as u64) {
                0 => cost += 512 + 2 * log2(value.unsigned_abs() + 1),
                seen => cost -= log2(seen),
            },
        }
    }
    cost
}

pub fn commonest(rest: &[Option<i64>]) -> i64 {
    let mut counts = HashMap::new();
    for value in rest.iter().flatten() {
        *counts.entry(*value).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|&(value, count)| (count, value)).map_or(0, |(value, _)| value)
}

/// The sums of products and of squares.
fn products(rest: &[i64], values: &[i64]) -> (i128, i128) {
    rest.iter().zip(values).fold((0, 0), |(product, square), (&rest, &value)| {
        (product + i128::from(rest) * i128::from(value), square + i128::from(value) * i128::from(value))
    })
}

/// A mean-free copy of some rows' values, and the mean.
type Centred<'a> = &'a dyn Fn(&[Option<i64>], &[usize]) -> (Vec<i64>, i64);

fn residual(target: &[Option<i64>], chosen: &[(&Feature, i64)], rows: &[usize], centred: Centred) -> Vec<i64> {
    let mut rest = centred(target, rows).0;
    for (feature, factor) in chosen {
        for (rest, value) in rest.iter_mut().zip(centred(&feature.values, rows).0) {
            *rest -= ((i128::from(*factor) * i128::from(value)) >> FACTOR_BITS) as i64;
        }
    }
    rest
}

/// Coordinate descent on the squared error.
fn descend(target: &[Option<i64>], chosen: &mut [(&Feature, i64)], rows: &[usize], centred: Centred) {
    for _ in 0..12 {
        for index in 0..chosen.len() {
            chosen[index].1 = 0;
            let rest = residual(target, chosen, rows, centred);
            let (product, square) = products(&rest, &centred(&chosen[index].0.values, rows).0);
            let scaled = product.checked_mul(1 << FACTOR_BITS).and_then(|product| product.checked_div(square));
            chosen[index].1 = scaled
                .and_then(|factor| i64::try_from(factor).ok())
                .filter(|factor| factor.abs() < 1 << 40)
                .unwrap_or(0);
        }
    }
}

/// Bits, times 256, of the sizes of `rest`.
fn magnitude(rest: &[i64]) -> u64 {
    rest.iter().map(|value| log2(value.unsigned_abs() + 1)).sum()
}
