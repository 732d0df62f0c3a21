//! Relations of which now one holds, now another: a start where the last one ended, a tip of 20, 25 or 30 percent, a tax by rate. Each
//! is another field's value, or a share in whole percents of a sum of other columns.

use std::collections::{BTreeSet, HashMap};

use super::columns::{ALTERNATIVES, Column, FACTOR_BITS, Relation, Source};
use super::survey::{LIMIT, Numbers, Scaled, commonest, log2};

/// Copies of other fields at most.
const COPIES: usize = 3;
/// Distinct values that must be copied, and one row in so many.
const LEAST_COPIED: usize = 16;
const RARELY: u64 = 50;
/// Bits, times 256, that it takes to say that a value is copied: log2 e, the most that it is for a rare one.
const SAYING: u64 = 369;
/// Rows looked at for shares.
const ROWS: usize = 600;
/// Columns that a share is taken of, those of most distinct values.
const BASES: usize = 6;
/// Terms of a sum.
const TERMS: usize = 6;
/// Distinct values that must follow from a share to be no chance.
const LEAST: usize = 8;
/// Bits that a value is held to cost less where an alternative tells it.
const SAVED: usize = 4;
/// Values are calculated in so many parts of a unit: shares of it are rounded off.
const PARTS: i64 = 16;

/// A share of one or more columns, and what is left of the values less that share, in 1/[`PARTS`].
#[derive(Clone)]
struct Share {
    percent: i64,
    terms: Vec<(i64, Source)>,
    rests: Vec<Option<i64>>,
}

/// The values of a share that agree on the constant to add.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
struct Support {
    /// Distinct values.
    distinct: usize,
    /// The constant, in 1/[`PARTS`].
    constant: i64,
}

impl Numbers {
    /// The copies and shares that explain values of `field` that `relations` do not, of each kind the one that explains most
    /// first.
    pub fn alternatives(&self, columns: &[Column], field: usize, relations: &[Relation]) -> Vec<Relation> {
        let mut target = self.values_of(Source { above: false, field: field as u16 });
        let usual = commonest(&target[..target.len().min(ROWS)]);
        let told = |row: usize| relations.iter().any(|relation| self.tells(relation, field, row));
        for (row, value) in target.iter_mut().enumerate() {
            *value = value.filter(|&value| value.abs() < LIMIT && !told(row));
        }
        let copies = self.copies(columns, field, &mut target);
        target.truncate(ROWS);
        target.iter_mut().for_each(|value| *value = value.filter(|&value| value != usual));
        let shares = self.shares(columns, field, target);
        copies.into_iter().chain(shares).take(ALTERNATIVES).collect()
    }

    /// Fields that have the values of `target` far more often than by chance; those are taken out of it.
    fn copies(&self, columns: &[Column], field: usize, target: &mut [Option<i64>]) -> Vec<Relation> {
        let sources = self.scaled(columns, field, LIMIT - 1);
        let mut copies = Vec::new();
        while copies.len() < COPIES {
            let tried = sources.iter().map(|source| (saved_by_copying(&source.values, target), source));
            let Some((saved, best)) = tried.max_by_key(|tried| tried.0) else { break };
            if saved == 0 || !self.pays(saved / target.len() as u64) {
                break;
            }
            target
                .iter_mut()
                .zip(&best.values)
                .for_each(|(target, value)| *target = target.filter(|_| target != value));
            let terms = vec![(best.scale << FACTOR_BITS, best.source)];
            copies.push(Relation { terms, ..Relation::default() });
        }
        copies
    }

    /// The shares that explain values of `target`.
    fn shares(&self, columns: &[Column], field: usize, mut target: Vec<Option<i64>>) -> Vec<Relation> {
        if distinct(&target) < 2 * LEAST {
            return Vec::new();
        }
        let bases = self.bases(columns, field);
        let mut relations = Vec::new();
        let mut candidates: Vec<Share> = leading(&bases).flat_map(|base| shares(base, &target)).collect();
        while relations.len() < ALTERNATIVES {
            let Some(share) = candidates.iter().max_by_key(|share| share.support(&target)) else { break };
            let (share, support) = extended(share.clone(), &bases, &target);
            if support.distinct < LEAST || support.distinct < 2 * share.chance(&bases, &target) {
                break;
            }
            let relation = share.relation(support.constant);
            let explained: Vec<usize> =
                (0..target.len()).filter(|&row| target[row].is_some() && self.tells(&relation, field, row)).collect();
            let saved = explained.len() * SAVED * 256 / target.len();
            if explained.len() < LEAST || !self.pays(saved as u64) {
                break;
            }
            explained.into_iter().for_each(|row| target[row] = None);
            candidates.retain(|share| share.support(&target).distinct * 2 >= LEAST);
            relations.push(relation);
        }
        relations
    }

    /// The columns of the same record that a share may be taken of.
    fn bases(&self, columns: &[Column], field: usize) -> Vec<Scaled> {
        let mut bases = self.scaled(columns, field, LIMIT - 1);
        bases.retain(|base| !base.source.above);
        bases.iter_mut().for_each(|base| base.values.truncate(ROWS));
        bases
    }
}

/// The bases of most distinct values.
fn leading(bases: &[Scaled]) -> impl Iterator<Item = &Scaled> {
    let mut leading: Vec<(usize, &Scaled)> = bases.iter().map(|base| (distinct(&base.values), base)).collect();
    leading.sort_by_key(|&(distinct, base)| (std::cmp::Reverse(distinct), base.source.field));
    leading.into_iter().take(BASES).filter(|&(distinct, _)| distinct >= LEAST).map(|(_, base)| base)
}

/// The shares of `base` that are no chance.
fn shares(base: &Scaled, target: &[Option<i64>]) -> Vec<Share> {
    let rests: Vec<Option<i64>> = target.iter().map(|value| value.map(|value| value * PARTS)).collect();
    let share = |percent| Share { percent, terms: Vec::new(), rests: rests.clone() }.with(base);
    (1..=100).map(share).filter(|share| share.support(target).distinct * 2 >= LEAST).collect()
}

/// `share` with the further columns that it is a share of, and its support.
fn extended(mut share: Share, bases: &[Scaled], target: &[Option<i64>]) -> (Share, Support) {
    let mut support = share.support(target);
    while share.terms.len() < TERMS {
        let unused = bases.iter().filter(|base| share.terms.iter().all(|&(_, source)| source != base.source));
        let tried = unused.map(|base| {
            let share = share.with(base);
            (share.support(target), share)
        });
        let Some((best_support, best)) = tried.max_by(|first, second| first.0.cmp(&second.0)) else { break };
        if best_support.distinct <= support.distinct + support.distinct / 16 {
            break;
        }
        (share, support) = (best, best_support);
    }
    (share, support)
}

impl Share {
    /// The same share of one more column.
    fn with(&self, base: &Scaled) -> Self {
        let rests = self.rests.iter().zip(&base.values);
        let rests = rests.map(|(rest, value)| Some(rest.as_ref()? - value.as_ref()? * self.percent * PARTS / 100));
        let terms = [&self.terms[..], &[(base.scale, base.source)]].concat();
        Self { percent: self.percent, terms, rests: rests.collect() }
    }

    /// The constant on which most distinct values of `target` agree.
    fn support(&self, target: &[Option<i64>]) -> Support {
        let mut rests: Vec<(i64, i64)> =
            target.iter().zip(&self.rests).filter_map(|(target, rest)| Some(((*rest)?, (*target)?))).collect();
        rests.sort_unstable();
        // Values may be off by one half of a unit either way.
        let (mut best, mut first, mut counts) = (Support::default(), 0, HashMap::new());
        for &(rest, value) in &rests {
            *counts.entry(value).or_insert(0) += 1;
            while rest - rests[first].0 >= PARTS {
                match counts.get_mut(&rests[first].1) {
                    Some(count) if *count > 1 => *count -= 1,
                    _ => _ = counts.remove(&rests[first].1),
                }
                first += 1;
            }
            best = best.max(Support { distinct: counts.len(), constant: (rests[first].0 + rest) / 2 });
        }
        best
    }

    /// Distinct values that would follow from it if the rows of `target` had nothing to do with those of `bases`.
    fn chance(&self, bases: &[Scaled], target: &[Option<i64>]) -> usize {
        let mut target = target.to_vec();
        let length = target.len();
        target.rotate_left(length / 2);
        let rests = target.iter().map(|value| value.map(|value| value * PARTS)).collect();
        let alone = Share { percent: self.percent, terms: Vec::new(), rests };
        let terms = self.terms.iter().filter_map(|(_, source)| bases.iter().find(|base| base.source == *source));
        terms.fold(alone, |share, base| share.with(base)).support(&target).distinct
    }

    fn relation(&self, constant: i64) -> Relation {
        let factor = |scale: i64| ((scale * self.percent) << FACTOR_BITS) / 100;
        Relation {
            constant: (constant << FACTOR_BITS) / PARTS,
            terms: self.terms.iter().map(|&(scale, source)| (factor(scale), source)).collect(),
            ..Relation::default()
        }
    }
}

/// Bits, times 256, that are saved where `target` has the same of `values` more than twice as often as by chance: each then takes
/// less by how much more often, but for what it costs to say so.
fn saved_by_copying(values: &[Option<i64>], target: &[Option<i64>]) -> u64 {
    let (mut counts, mut all) = (HashMap::<i64, [u64; 3]>::new(), 0);
    for (value, target) in values.iter().zip(target) {
        let (Some(value), Some(target)) = (value, target) else { continue };
        all += 1;
        counts.entry(*value).or_default()[0] += 1;
        counts.entry(*target).or_default()[1] += 1;
        counts.entry(*value).or_default()[2] += u64::from(value == target);
    }
    let copied: u64 = counts.values().map(|counts| counts[2]).sum();
    let different = counts.values().filter(|counts| counts[2] > 0).count();
    let chance = counts.values().map(|counts| counts[0] * counts[1]).sum::<u64>() / all.max(1);
    if different < LEAST_COPIED || copied < 2 * chance || copied * RARELY < all {
        return 0;
    }
    copied * (log2(copied) - log2(chance.max(1))).saturating_sub(SAYING)
}

fn distinct(values: &[Option<i64>]) -> usize {
    values.iter().flatten().collect::<BTreeSet<_>>().len()
}
