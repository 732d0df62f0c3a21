//! What the relation of a column, or where it has none nought, has missed by where some clues said the same: running means, those of
//! the later clues of what is left by the earlier ones.

use super::clues::{Candidate, Values, joined, runs};
use super::columns::{CLUES, CORRECTIONS, Clue, Column, Relation, Source};
use super::survey::{Keyed, LIMIT, log2};

/// A running mean that outliers hardly move, of differences in 1/256.
#[derive(Clone, Copy, Debug, Default)]
pub struct Correction {
    mean: i64,
    /// The mean distance from it.
    spread: i64,
    seen: u16,
    /// Of the clues that it is for.
    check: u16,
}

/// Where the count of what was seen stops.
const SEEN_MOST: u16 = 40;
/// As many must have been seen until outliers are told.
const SEEN_LEAST: u16 = 4;

impl Correction {
    /// None yet, for clues of this check.
    pub fn of(check: u16) -> Self {
        Self { check, ..Self::default() }
    }

    /// The clues' check.
    #[inline(always)]
    pub fn check(&self) -> u16 {
        self.check
    }

    /// What to add: the mean, less where little has been seen.
    #[inline(always)]
    pub fn value(&self) -> i64 {
        let seen = i128::from(self.seen);
        (i128::from(self.mean) * seen / (seen + 1)) as i64
    }

    /// The mean distance, if enough has been seen.
    #[inline(always)]
    pub fn spread(&self) -> Option<i64> {
        (self.seen >= SEEN_LEAST).then_some(self.spread)
    }

    /// How much has been seen, at most 40.
    #[inline(always)]
    pub fn seen(&self) -> u16 {
        self.seen
    }

    #[inline(always)]
    pub fn learn(&mut self, difference: i64) {
        let mut distance = difference - self.mean;
        if self.seen >= SEEN_LEAST {
            let most = self.spread + self.spread / 2;
            distance = distance.clamp(-most, most);
        }
        self.seen = (self.seen + 1).min(SEEN_MOST);
        let seen = i64::from(self.seen);
        self.spread += if seen == 1 { distance.abs() } else { (distance.abs() - self.spread) / seen };
        self.mean += distance / seen;
    }
}

/// Steps of coding that the search for all columns may take.
const BUDGET: usize = 60_000_000;
/// Sets of clues that are tried at every stage, those that did best at the first.
const KEPT: usize = 12;
/// Bits a row, times 256, that corrections must bring a number closer, and each of them.
const LEAST: u64 = 16;
/// The same for a column's numbers to be far enough from what is expected.
const FAR: u64 = 640;

/// What is still missed, in 1/256, in each of some rows.
struct Missed {
    rows: Vec<usize>,
    rests: Vec<i64>,
}

/// A set of clues, and what they say in each row.
struct Set {
    clues: Vec<Clue>,
    said: Vec<u64>,
}

impl Values {
    /// The sets of clues, of `candidates`, by whose running means the numbers of `field` are best corrected, the first of them
    /// first; found in one of `share` parts of the time for all tables. `pays` says whether what saves so many bits a row, times
    /// 256, is worth its place.
    pub fn corrections(
        &self,
        column: &Column,
        field: usize,
        candidates: &[Candidate],
        share: usize,
        pays: impl Fn(u64) -> bool,
    ) -> Vec<Vec<Clue>> {
        if !self.is_numeric(field) {
            return Vec::new();
        }
        let candidates: Vec<&Candidate> =
            candidates.iter().filter(|candidate| candidate.clue.is_of_this_record()).collect();
        let likely = one_of_each_source(&candidates);
        let tries = candidates.len() + likely.len() * likely.len() / 2 + 2 * (KEPT + candidates.len());
        let affordable = BUDGET / share / (self.numeric_columns() * tries).max(1);
        let Some((mut missed, before)) = self.missed(column, field, affordable) else { return Vec::new() };
        let mut sets: Vec<Set> = candidates.iter().map(|candidate| Set::of(candidate, &missed.rows)).collect();
        for (index, &first) in likely.iter().enumerate() {
            let pairs = likely[..index].iter().filter(|second| !first.clue.tells_of(second.clue));
            sets.extend(pairs.map(|second| Set::of(first, &missed.rows).with(second, &missed.rows)));
        }
        let (mut chosen, mut cost): (Vec<Vec<Clue>>, u64) = (Vec::new(), missed.cost());
        while chosen.len() < CORRECTIONS {
            let mut tried: Vec<(u64, Set)> = sets.into_iter().map(|set| (missed.corrected(&set).0, set)).collect();
            tried.sort_by_key(|tried| tried.0);
            tried.truncate(KEPT);
            let Some((least, best)) = tried.first().filter(|(least, _)| least + missed.least() < cost) else { break };
            cost = *least;
            missed.rests = missed.corrected(best).1;
            chosen.push(best.clues.clone());
            let beside = candidates.iter().filter(|candidate| {
                best.clues.len() < CLUES && !best.clues.iter().any(|clue| clue.tells_of(candidate.clue))
            });
            let beside: Vec<Set> = beside.map(|candidate| best.with(candidate, &missed.rows)).collect();
            sets = tried.into_iter().skip(1).map(|(_, set)| set).chain(beside).collect();
        }
        if cost + missed.least() < before && pays((before - cost) / missed.rows.len() as u64) {
            chosen
        } else {
            Vec::new()
        }
    }

    /// What the relation leaves of the numbers of `field` in `most` rows, and what it would cost to code what the best of other
    /// guides leaves.
    fn missed(&self, column: &Column, field: usize, most: usize) -> Option<(Missed, u64)> {
        let number = |source: Source, row: usize| self.number(source, row);
        let target = Source { above: false, field: field as u16 };
        let rests = |expected: &dyn Fn(usize) -> Option<i64>, rows: &[usize]| -> Vec<i64> {
            let rest = |row: usize| expected(row).map_or(0, |expected| number(target, row).unwrap_or(0) - expected);
            rows.iter().map(|&row| rest(row) << 8).collect()
        };
        let by = |relation: &Relation, row: usize| relation.predict(|source| number(source, row));
        let base = |row: usize| column.relations.first().map_or(Some(0), |relation| by(relation, row));
        let known = |row: &usize| {
            number(target, *row)
                .zip(base(*row))
                .is_some_and(|(number, base)| number.abs() < LIMIT && base.abs() < LIMIT)
        };
        let all = self.rows();
        let rows: Vec<usize> = runs(all - 1, most).into_iter().map(|row| row + 1).filter(known).collect();
        if rows.len() * 2 < all.min(most) {
            return None;
        }
        let missed = Missed { rests: rests(&base, &rows), rows };
        let rows = &missed.rows;
        let above = |row: usize| number(Source { above: true, ..target }, row);
        let before = match column.relations.get(1) {
            Some(second) => missed.cost().min(cost(&rests(&|row| by(second, row), rows))),
            None if column.relations.is_empty() => cost(&rests(&above, rows)),
            None => missed.cost(),
        };
        let is_far = before > FAR * rows.len() as u64;
        is_far.then_some((missed, before))
    }
}

impl Missed {
    /// Bits, times 256, of the sizes of what is missed.
    fn cost(&self) -> u64 {
        cost(&self.rests)
    }

    /// Bits, times 256, that a correction must save.
    fn least(&self) -> u64 {
        LEAST * self.rows.len() as u64
    }

    /// The same cost, and what is missed, after a correction by what the clues of `set` say, learned on the way.
    fn corrected(&self, set: &Set) -> (u64, Vec<i64>) {
        let mut means: Keyed<Correction> = Keyed::new(self.rests.len());
        let correct = |(&rest, &said): (&i64, &u64)| {
            let mean = means.entry(said);
            let left = rest - mean.value();
            mean.learn(rest);
            left
        };
        let rests: Vec<i64> = self.rests.iter().zip(&set.said).map(correct).collect();
        (cost(&rests), rests)
    }
}

impl Set {
    fn of(candidate: &Candidate, rows: &[usize]) -> Self {
        Self { clues: Vec::new(), said: vec![0; rows.len()] }.with(candidate, rows)
    }

    fn with(&self, candidate: &Candidate, rows: &[usize]) -> Self {
        let said = self.said.iter().zip(rows).map(|(&said, &row)| joined(said, candidate.code(row)));
        Self { clues: [&self.clues[..], &[candidate.clue]].concat(), said: said.collect() }
    }
}

/// Bits, times 256, of the sizes of differences in 1/256.
fn cost(rests: &[i64]) -> u64 {
    rests.iter().map(|rest| log2((rest.unsigned_abs() >> 8) + 1)).sum()
}

/// Of the clues to the same fields one that is neither the coarsest nor the finest, if there are so many.
fn one_of_each_source<'a, 'b>(candidates: &[&'a Candidate<'b>]) -> Vec<&'a Candidate<'b>> {
    let mut groups: Vec<Vec<&'a Candidate<'b>>> = Vec::new();
    for candidate in candidates {
        match groups.iter_mut().find(|group| group[0].clue.tells_of(candidate.clue)) {
            Some(group) => group.push(candidate),
            None => groups.push(vec![candidate]),
        }
    }
    groups.into_iter().map(|group| group[(group.len() - 1) / 2]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::columns::VALUE_MAX;
    use super::*;

    #[test]
    fn a_correction_is_a_mean_that_an_outlier_hardly_moves() {
        let mut correction = Correction::default();
        assert_eq!((correction.value(), correction.spread()), (0, None));
        correction.learn(512);
        assert_eq!(correction.value(), 256, "half of what was seen once");
        (0..100).for_each(|step| correction.learn(1000 + step % 5 * 100));
        let before = correction.value();
        assert!((1050..1250).contains(&before), "{before}");
        assert!((50..200).contains(&correction.spread().unwrap()), "{correction:?}");
        correction.learn(1 << 40);
        assert!((correction.value() - before).abs() < 20, "{before} became {}", correction.value());
        assert_eq!(correction.seen(), 40);
    }

    #[test]
    fn the_largest_numbers_are_corrected_as_others_are() {
        let mut correction = Correction::default();
        let largest = (2 * VALUE_MAX) << 8;
        (0..60).for_each(|_| correction.learn(largest));
        assert!((largest / 41 * 39..largest).contains(&correction.value()), "{}", correction.value());
    }
}
