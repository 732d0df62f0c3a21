//! Relations of which now one holds, now another: a tip of 20, 25 or 30 percent, a tax by rate. Each is a share in whole percents
//! of a sum of other columns.

use std::collections::{BTreeSet, HashMap};

use super::columns::{ALTERNATIVES, Column, FACTOR_BITS, Relation, Source};
use super::survey::{LIMIT, Numbers, Scaled, commonest};

/// Rows looked at.
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
    /// The shares that explain values of `field` that `relations` do not, the one that explains most first.
    pub fn alternatives(&self, columns: &[Column], field: usize, relations: &[Relation]) -> Vec<Relation> {
        let mut target: Vec<Option<i64>> = self.values_of(Source { above: false, field: field as u16 });
        target.truncate(ROWS);
        let usual = commonest(&target);
        let told = |row: usize| relations.iter().any(|relation| self.tells(relation, field, row));
        for (row, value) in target.iter_mut().enumerate() {
            *value = value.filter(|&value| value != usual && value.abs() < LIMIT && !told(row));
        }
        if distinct(&target) < 2 * LEAST {
            return Vec::new();
        }
        let bases = self.bases(columns, field);
        let mut relations = Vec::new();
        let mut candidates: Vec<Share> = leading(&bases).flat_map(|base| shares(base, &target)).collect();
        while relations.len() < ALTERNATIVES {
            let Some(share) = candidates.iter().max_by_key(|share| share.support(&target)) else { break };
            let (share, support) = extended(share.clone(), &bases, &target);
            if support.distinct < LEAST {
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

    fn relation(&self, constant: i64) -> Relation {
        let factor = |scale: i64| ((scale * self.percent) << FACTOR_BITS) / 100;
        Relation {
            constant: (constant << FACTOR_BITS) / PARTS,
            terms: self.terms.iter().map(|&(scale, source)| (factor(scale), source)).collect(),
            held: 0,
        }
    }
}

fn distinct(values: &[Option<i64>]) -> usize {
    values.iter().flatten().collect::<BTreeSet<_>>().len()
}
