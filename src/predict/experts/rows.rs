//! Delimited text: the field so far, with its neighbours to the left and above.

use std::sync::Arc;

use crate::layout::{Column, Cursor, Format, RELATIONS, Rows, Source};

use super::super::vector::WIDTH;
use super::guess::{FloatDigits, Guess};
use super::{FIELD_CLASSES, mix};

/// What the experts on delimited text remember of the record.
#[derive(Clone, Debug, Default)]
pub struct RowTrail {
    columns: Arc<[Column]>,
    /// The numbers of the record's finished fields, where they have one, and of the previous record's.
    numbers: Vec<Option<i64>>,
    numbers_above: Vec<Option<i64>>,
    /// What the column's relations say of this field.
    guesses: [Guess; RELATIONS],
    float: FloatDigits,
    field: usize,
    offset: usize,
    above: Option<u8>,
    /// The byte after the one above, if the field above goes that far.
    above_next: u8,
    /// The byte at this offset of the field to the left.
    left_byte: u8,
    /// Hash of the field's number and its bytes so far.
    prefix: u64,
    /// Hashes of the record's finished fields and of the previous record's.
    values: Vec<u64>,
    values_above: Vec<u64>,
    /// Bit i: whether the i-th field before this one equals the one above it.
    equal: u64,
    /// The first difference between this field and the one above, so far.
    order: Order,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Equal,
    Less,
    Greater,
}

impl RowTrail {
    pub fn new(columns: &[Column]) -> Self {
        let mut trail = Self { columns: columns.into(), ..Self::default() };
        trail.prefix = 1;
        trail.open_field();
        trail
    }

    #[inline(always)]
    pub fn advance(&mut self, rows: &Rows, cursor: &Cursor, history: &[u8], byte: u8) {
        let position = cursor.position();
        if rows.start() < history.len() {
            self.prefix = mix(self.prefix, u64::from(byte));
            self.float.advance(byte);
            for guess in &mut self.guesses {
                guess.advance(self.offset, byte);
            }
            if self.order == Order::Equal {
                self.order = match self.above {
                    Some(above) if byte == above => Order::Equal,
                    Some(above) if byte < above => Order::Less,
                    _ => Order::Greater,
                };
            }
        } else {
            self.end_field(rows, history);
        }
        self.field = rows.field();
        self.offset = usize::from(position.offset);
        self.above = position.above;
        self.above_next = match rows.previous().get(self.field) {
            Some(span) if span.start + self.offset < span.end => history[span.start + self.offset + 1],
            _ => 0,
        };
        self.left_byte = match rows.current().last() {
            Some(span) if span.start + self.offset <= span.end => history[span.start + self.offset],
            _ => 0,
        };
    }

    #[inline(always)]
    fn end_field(&mut self, rows: &Rows, history: &[u8]) {
        let same = self.values_above.get(self.values.len()) == Some(&self.prefix);
        self.equal = self.equal << 1 | u64::from(same);
        self.values.push(self.prefix);
        let ended = rows.current().last().or(rows.previous().last()).copied().unwrap_or_default();
        let column = self.columns.get(self.field).filter(|column| column.format != Format::Text);
        self.numbers.push(column.and_then(|column| column.parse(&history[ended.start..ended.end])));
        if rows.field() == 0 {
            std::mem::swap(&mut self.values, &mut self.values_above);
            self.values.clear();
            std::mem::swap(&mut self.numbers, &mut self.numbers_above);
            self.numbers.clear();
            self.equal = 0;
        }
        self.prefix = rows.field() as u64 + 1;
        self.order = Order::Equal;
        self.field = rows.field();
        self.open_field();
    }

    /// Evaluates the relations of the field that now begins.
    #[inline(always)]
    fn open_field(&mut self) {
        self.float = FloatDigits::default();
        self.guesses = [Guess::default(); RELATIONS];
        let Some(column) = self.columns.get(self.field) else { return };
        for (guess, relation) in self.guesses.iter_mut().zip(&column.relations) {
            let number = |source: Source| {
                let numbers = if source.above { &self.numbers_above } else { &self.numbers };
                numbers.get(usize::from(source.field)).copied().flatten()
            };
            if let Some(value) = relation.predict(number) {
                *guess = Guess::new(column, value);
            }
        }
    }

    /// The hash of a field's value, 0 if there is none.
    #[inline(always)]
    fn value(&self, source: Source) -> u64 {
        let values = if source.above { &self.values_above } else { &self.values };
        values.get(usize::from(source.field)).copied().unwrap_or(0)
    }

    /// The hash of the `distance`-th field to the left, 0 if there is none.
    #[inline(always)]
    fn left(&self, distance: usize) -> u64 {
        self.values.len().checked_sub(distance).map_or(0, |index| self.values[index])
    }

    /// A key for the match model that follows fields: the field so far and the one to its left.
    #[inline(always)]
    pub fn match_key(&self) -> u64 {
        mix(self.prefix, self.left(1))
    }

    /// The field, its offset up to 3, and whether the byte above still agrees with `partial`.
    #[inline(always)]
    pub fn place_class(&self, partial: usize, bit_index: usize) -> usize {
        let agrees = self.above.is_some_and(|above| (usize::from(above) | 256) >> (8 - bit_index) == partial);
        (self.field_class() * 4 + self.offset.min(3)) * 2 + usize::from(agrees)
    }

    /// The field, as far as selectors tell it.
    #[inline(always)]
    pub fn field_class(&self) -> usize {
        self.field.min(FIELD_CLASSES - 1)
    }

    /// The keys of the coming byte's first contexts, the one of the match models left to fill in; `last` holds the last
    /// eight bytes, the latest lowest.
    #[inline(always)]
    pub fn keys(&self, last: u64) -> [u64; WIDTH] {
        let order = |count: u32| last & (u64::MAX >> (64 - 8 * count));
        let field = self.field as u64;
        let difference = self.order as u64;
        let with_left = mix(self.prefix, self.left(1));
        let [first, second] = &self.guesses;
        [
            0,
            order(3),
            second.key(self.field, self.offset).unwrap_or(mix(5, order(6))),
            self.prefix,
            second.size().map_or(mix(field, order(3)), |size| mix(self.prefix, size)),
            mix(self.prefix, self.equal),
            with_left,
            mix(self.place(), self.above_two() << 2 | difference),
            mix(self.place(), u64::from(self.left_byte) << 2 | difference),
            mix(self.place(), order(2)),
            first.size().map_or(mix(self.prefix, self.left(3)), |size| mix(self.prefix, size)),
            mix(with_left, self.left(2)),
            mix(self.prefix, self.best()),
            match self.columns.get(self.field).and_then(|column| column.pair) {
                Some([first, second]) => mix(mix(self.prefix, self.value(first)), self.value(second)),
                None => mix(mix(self.prefix, self.same_above()), self.left(1)),
            },
            self.float.key().unwrap_or(mix(3, order(2))),
            first.key(self.field, self.offset).unwrap_or(mix(4, order(4))),
        ]
    }

    /// The keys of the other contexts, given the first ones.
    #[inline(always)]
    pub fn more_keys(&self, last: u64, keys: &[u64; WIDTH]) -> [u64; WIDTH] {
        let order = |count: u32| last & (u64::MAX >> (64 - 8 * count));
        let with_left = mix(self.prefix, self.left(1));
        [
            self.place(),
            order(5),
            mix(self.prefix, self.left(2)),
            order(1),
            order(2),
            order(4),
            order(6),
            mix(self.prefix, self.same_above()),
            mix(with_left, self.equal),
            mix(mix(self.prefix, self.best()), self.left(1)),
            mix(mix(self.prefix, self.same_above()), self.best()),
            mix(self.place(), self.above_two() << 16 | u64::from(self.left_byte) << 8 | order(1)),
            mix(keys[15], keys[2]),
            mix(keys[14], order(1)),
            mix(with_left, self.left(3)),
            mix(self.field as u64, order(4)),
        ]
    }

    /// The field and the offset in it.
    #[inline(always)]
    fn place(&self) -> u64 {
        mix(self.field as u64, self.offset as u64)
    }

    /// The byte above and the one after it.
    #[inline(always)]
    fn above_two(&self) -> u64 {
        self.above.map_or(256, u64::from) << 8 | u64::from(self.above_next)
    }

    /// The hash of the value of the same field above.
    #[inline(always)]
    fn same_above(&self) -> u64 {
        self.value(Source { above: true, field: self.field as u16 })
    }

    /// The hash of the value of the column's best source.
    #[inline(always)]
    fn best(&self) -> u64 {
        let column = self.columns.get(self.field);
        column.and_then(|column| column.best).map_or_else(|| self.same_above(), |best| self.value(best))
    }
}
