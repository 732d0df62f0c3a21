//! Goes over the explained bytes once, in order, and sums them up in every way that is shown.

use nncz::layout::Layout;
use nncz::predict::Expert;
use nncz::{COST_BITS, Explained};

use super::groups::Groups;
use super::surprise::{Field, Surprise};

/// Points of the curve over the file.
const POINTS: u64 = 400;
/// Rows of a heat map, and bytes of each.
const MAP_ROWS: usize = 20;
const MAP_BYTES: usize = 260;
/// Bytes that show what is to be summed by.
const SAMPLE: usize = 1 << 20;

/// The sums so far.
pub struct Account {
    /// Decided by the first bytes.
    pub groups: Option<Groups>,
    pub sums: Vec<Sum>,
    /// Bytes and cost for each part of the file.
    pub curve: Vec<(u64, u64)>,
    pub surprise: Surprise,
    /// The first rows, and rows from the middle.
    pub maps: [Vec<MapRow>; 2],
    pub rows: u64,
    layout: Layout,
    length: u64,
    /// Bytes seen.
    place: u64,
    /// The row in work.
    row: Vec<u8>,
    costs: Vec<u32>,
    experts: Vec<Option<Expert>>,
    numbers: Vec<usize>,
}

/// What is known of one group.
#[derive(Clone)]
pub struct Sum {
    /// Original bytes.
    pub bytes: u64,
    /// In 1/2^24 bit.
    pub cost: u64,
    /// Bytes for which each expert did most; the last is nobody.
    pub experts: [u64; Expert::COUNT + 1],
}

/// A row of a heat map: byte, bits, group.
pub struct MapRow {
    pub number: u64,
    pub bytes: Vec<(u8, f32, usize)>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { bytes: 0, cost: 0, experts: [0; Expert::COUNT + 1] }
    }
}

/// A cost in bits.
pub fn bits(cost: u64) -> f64 {
    cost as f64 / f64::from(1 << COST_BITS)
}

impl Account {
    /// For a file of `length` bytes.
    pub fn new(layout: &Layout, length: u64) -> Self {
        Self {
            groups: None,
            sums: vec![],
            curve: vec![(0, 0); POINTS.min(length) as usize],
            surprise: Surprise::default(),
            maps: [vec![], vec![]],
            rows: 0,
            layout: layout.clone(),
            length,
            place: 0,
            row: vec![],
            costs: vec![],
            experts: vec![],
            numbers: vec![],
        }
    }

    /// Takes the next block.
    pub fn take(&mut self, block: &Explained) {
        let sample = &block.bytes[..block.bytes.len().min(SAMPLE)];
        let mut groups = self.groups.take().unwrap_or_else(|| Groups::new(&self.layout, sample));
        let points = self.curve.len() as u128;
        for ((&byte, &cost), &expert) in block.bytes.iter().zip(&block.costs).zip(&block.experts) {
            let point = &mut self.curve[(u128::from(self.place) * points / u128::from(self.length)) as usize];
            *point = (point.0 + 1, point.1 + u64::from(cost));
            self.place += 1;
            self.row.push(byte);
            self.costs.push(cost);
            self.experts.push(expert);
            if groups.ends(&self.row) || self.place == self.length {
                self.end_row(&mut groups);
            }
        }
        self.groups = Some(groups);
    }

    fn end_row(&mut self, groups: &mut Groups) {
        groups.assign(&self.row, &mut self.numbers);
        self.rows += 1;
        if self.sums.len() < groups.names().len() {
            self.sums.resize(groups.names().len(), Sum::default());
        }
        let mut fields: Vec<Field> = Vec::new();
        for (place, ((&group, &cost), expert)) in self.numbers.iter().zip(&self.costs).zip(&self.experts).enumerate() {
            let sum = &mut self.sums[group];
            sum.bytes += 1;
            sum.cost += u64::from(cost);
            sum.experts[expert.map_or(Expert::COUNT, Expert::index)] += 1;
            let bits = bits(cost.into());
            match fields.last_mut() {
                Some(field) if field.group == group => (field.end, field.bits) = (place + 1, field.bits + bits),
                _ => fields.push(Field { group, start: place, end: place + 1, bits }),
            }
        }
        let offset = self.place - self.row.len() as u64;
        self.surprise.row(offset, &self.row, &fields, |place| bits(self.costs[place].into()));
        if groups.has_head && self.rows == 1 {
            self.surprise.forget_all();
        }
        let map = usize::from(self.rows > MAP_ROWS as u64 && offset >= self.length / 2);
        if self.maps[map].len() < MAP_ROWS {
            let shown = self.row.iter().zip(&self.costs).zip(&self.numbers).take(MAP_BYTES);
            let bytes = shown.map(|((&byte, &cost), &number)| (byte, bits(cost.into()) as f32, number)).collect();
            self.maps[map].push(MapRow { number: self.rows, bytes });
        }
        self.row.clear();
        self.costs.clear();
        self.experts.clear();
    }
}
