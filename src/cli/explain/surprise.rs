//! Which rows are the most surprising: those whose fields, or single bytes, cost far more than their like do at worst.
//!
//! A field is compared with those of the same group in the same epoch, since everything is dear while the model still
//! learns: an epoch ends where as many rows again were seen. A byte is compared with those at the same offset of such
//! fields. The yardstick is the cost that one in a thousand reaches; what goes beyond it, in bits, is surprise, and a
//! row's is the sum over its fields and bytes. Before a thousand rows were seen it counts in proportion.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;

/// Rows of the first epoch.
const FIRST_EPOCH: usize = 64;
/// One field in so many is dearer than the yardstick.
const RARE: usize = 1000;
/// At least so many are.
const RARE_LEAST: usize = 3;
/// Fields remembered of a group and an epoch, and bytes of an offset as well.
const FIELDS: usize = 24;
const BYTES: usize = 12;
/// Offsets told apart in all groups together, and in one.
const OFFSETS: usize = 2048;
const OFFSETS_IN_GROUP: usize = 32;
/// Cheaper bytes surprise nobody, in bits.
const CHEAP: f64 = 1.0;
/// Steps of a histogram for a factor of two.
const STEPS: f64 = 20.0;
/// Bytes of a row that are kept to be shown.
pub const SHOWN: usize = 400;

/// A row that may be surprising.
#[derive(Debug)]
pub struct Row {
    /// From 1.
    pub number: u64,
    /// Where it begins in the original.
    pub offset: u64,
    /// Its first bytes.
    pub text: Vec<u8>,
    /// What it costs, in bits.
    pub bits: f64,
    /// How far its surprising fields go beyond the usual, in bits.
    pub surprise: f64,
    /// The surprising fields: group, bits, bytes.
    pub fields: Vec<(usize, f64, Vec<u8>)>,
}

/// Gathers fields; rows come in order.
#[derive(Default)]
pub struct Surprise {
    rows: u64,
    classes: HashMap<Kind, Class>,
    groups: usize,
}

/// What is compared with each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Kind {
    group: usize,
    /// Of a byte; none for the whole field.
    offset: Option<usize>,
    epoch: u32,
}

/// The costs of one kind.
#[derive(Default)]
struct Class {
    histogram: Vec<u32>,
    dearest: BinaryHeap<Candidate>,
}

/// One that may be surprising, ordered so that the cheapest is the greatest and so the first to be forgotten.
struct Candidate {
    bits: f64,
    row: Rc<Seen>,
    field: Rc<(f64, Vec<u8>)>,
}

struct Seen {
    number: u64,
    offset: u64,
    text: Vec<u8>,
    bits: f64,
}

/// A field of a row: its group, where it lies in the row, its cost in bits.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub group: usize,
    pub start: usize,
    pub end: usize,
    pub bits: f64,
}

impl Surprise {
    /// Takes note of a row and its fields; `bits` gives the cost of the byte at a place in the row.
    pub fn row(&mut self, offset: u64, row: &[u8], fields: &[Field], bits: impl Fn(usize) -> f64) {
        self.rows += 1;
        let epoch = ((self.rows - 1) as usize / FIRST_EPOCH + 1).ilog2();
        self.groups = fields.iter().map(|field| field.group + 1).fold(self.groups, usize::max);
        let offsets = (OFFSETS / self.groups.max(1)).clamp(1, OFFSETS_IN_GROUP);
        let mut seen: Option<Rc<Seen>> = None;
        for field in fields {
            let mut known: Option<Rc<(f64, Vec<u8>)>> = None;
            let bytes =
                (field.start..field.end).map(|place| (Some((place - field.start).min(offsets - 1)), bits(place)));
            let whole = std::iter::once((None, field.bits));
            for (offset_in_field, bits) in bytes.filter(|byte| byte.1 >= CHEAP).chain(whole) {
                let kind = Kind { group: field.group, offset: offset_in_field, epoch };
                let class = self.classes.entry(kind).or_default();
                let room = if offset_in_field.is_some() { BYTES } else { FIELDS };
                class.count(bits);
                if class.dearest.len() >= room && class.dearest.peek().is_some_and(|least| least.bits >= bits) {
                    continue;
                }
                let row = seen.get_or_insert_with(|| {
                    let text = row[..row.len().min(SHOWN)].to_vec();
                    let bits = fields.iter().map(|field| field.bits).sum();
                    Rc::new(Seen { number: self.rows, offset, text, bits })
                });
                let text = &row.text[field.start.min(row.text.len())..field.end.min(row.text.len())];
                let field = known.get_or_insert_with(|| Rc::new((field.bits, text.to_vec())));
                class.dearest.push(Candidate { bits, row: Rc::clone(row), field: Rc::clone(field) });
                if class.dearest.len() > room {
                    class.dearest.pop();
                }
            }
        }
    }

    /// Leaves out the row just seen: a head.
    pub fn forget_all(&mut self) {
        self.classes.clear();
    }

    /// The most surprising rows, the first one first.
    pub fn most(self, count: usize) -> Vec<Row> {
        let mut rows: HashMap<u64, Row> = HashMap::new();
        let mut classes: Vec<(Kind, Class)> = self.classes.into_iter().collect();
        classes.sort_by_key(|class| class.0);
        for (kind, class) in classes {
            let rows_of_epoch = FIRST_EPOCH << kind.epoch;
            let certainty = (rows_of_epoch as f64 / RARE as f64).min(1.0);
            let usual = class.usual((rows_of_epoch / RARE).max(RARE_LEAST));
            for Candidate { bits, row, field } in class.dearest {
                let surprise = (bits - usual) * certainty;
                if surprise <= 0.0 {
                    continue;
                }
                let entry = rows.entry(row.number).or_insert_with(|| Row {
                    number: row.number,
                    offset: row.offset,
                    text: row.text.clone(),
                    bits: row.bits,
                    surprise: 0.0,
                    fields: vec![],
                });
                entry.surprise += surprise;
                if entry.fields.iter().all(|known| known.0 != kind.group) {
                    entry.fields.push((kind.group, field.0, field.1.clone()));
                }
            }
        }
        let mut rows: Vec<Row> = rows.into_values().collect();
        rows.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then(a.number.cmp(&b.number)));
        rows.truncate(count);
        for row in &mut rows {
            row.fields.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        rows
    }
}

impl Class {
    fn count(&mut self, bits: f64) {
        let step = ((1.0 + bits).log2() * STEPS) as usize;
        if self.histogram.len() <= step {
            self.histogram.resize(step + 1, 0);
        }
        self.histogram[step] += 1;
    }

    /// The cost that about `rare` of them go beyond.
    fn usual(&self, rare: usize) -> f64 {
        let mut left = rare as u32;
        for (step, &number) in self.histogram.iter().enumerate().rev() {
            if number >= left {
                return ((step + 1) as f64 / STEPS).exp2() - 1.0;
            }
            left -= number;
        }
        CHEAP
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other.bits.total_cmp(&self.bits).then(other.row.number.cmp(&self.row.number))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_far_beyond_the_usual_of_their_own_column_stand_out() {
        let mut surprise = Surprise::default();
        for number in 0..5000u64 {
            // A dear column with a wide spread, a cheap one, and a start that is dear in both.
            let learning = if number < 30 { 60.0 } else { 0.0 };
            let mut costs = [30.0 + (number * 7919 % 100) as f64 / 2.0 + learning, 0.2 + learning];
            match number {
                1234 => costs[1] = 19.0,
                3210 => costs[0] = 140.0,
                _ => {}
            }
            let field = |group, start, end| Field { group, start, end, bits: costs[group] };
            surprise.row(number * 4, b"ab,c", &[field(0, 0, 3), field(1, 3, 4)], |_| 0.0);
        }
        let most = surprise.most(2);
        let found: Vec<_> = most.iter().map(|row| (row.number, row.fields[0].0, &row.fields[0].2[..])).collect();
        assert_eq!(found, [(3211, 0, &b"ab,"[..]), (1235, 1, &b"c"[..])]);
        assert!((most[0].bits - 140.2).abs() < 1e-9 && most[1].offset == 4936);
    }

    #[test]
    fn a_byte_that_was_always_certain_stands_out_in_a_dear_field() {
        let mut surprise = Surprise::default();
        for number in 0..3000u64 {
            let (first, second) =
                if number == 2500 { (14.0, 10.0) } else { (0.01, (number * 7919 % 100) as f64 / 2.0) };
            let field = Field { group: 0, start: 0, end: 2, bits: first + second };
            surprise.row(number * 2, b"ab", &[field], |place| [first, second][place]);
        }
        let most = surprise.most(1);
        assert_eq!((most[0].number, most[0].fields.len()), (2501, 1));
    }
}
