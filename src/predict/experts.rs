//! What each layout's experts look at: the contexts' hashes, the match models' keys, the mixers' selectors.

use crate::layout::{Cursor, Rows, Structure};

use super::slots::CONTEXTS;

/// Mixers whose weight sets are selected each in its own way.
pub const SELECTORS: usize = 4;
/// Match models.
pub const MATCHES: usize = 3;
/// Fields told apart by selectors.
const FIELD_CLASSES: usize = 256;

/// Which experts work on a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experts {
    Plain,
    Rows,
}

/// What one lane's experts remember of its bytes.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The last eight bytes, the latest lowest.
    last: u64,
    /// Hash of the word that the last bytes are in; 0 outside of words.
    word: u64,
    word_before: u64,
    row: RowTrail,
}

/// What the experts on delimited text remember of the record.
#[derive(Clone, Debug, Default)]
struct RowTrail {
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

impl Experts {
    pub fn new(cursor: &Cursor) -> Self {
        match cursor.structure() {
            Structure::Plain => Experts::Plain,
            Structure::Rows(_) => Experts::Rows,
        }
    }

    /// Hashed contexts.
    pub fn contexts(self) -> usize {
        match self {
            Experts::Plain => 8,
            Experts::Rows => 12,
        }
    }

    /// Where the counts of slots stop.
    pub fn count_limit(self) -> usize {
        match self {
            Experts::Plain => 60,
            Experts::Rows => 40,
        }
    }

    /// Weight sets of each mixer.
    pub fn selector_sizes(self) -> [usize; SELECTORS] {
        match self {
            Experts::Plain => [256, 256 * 8, 16 * 16, 256],
            Experts::Rows => [FIELD_CLASSES * 8, 256, 16 * 16, 256],
        }
    }

    /// Weight sets of the final mixer.
    pub fn final_sets(self) -> usize {
        FIELD_CLASSES
    }
}

impl Trail {
    /// Takes note of the last byte of `history`, after the cursor did.
    #[inline(always)]
    pub fn advance(&mut self, cursor: &Cursor, history: &[u8]) {
        let Some(&byte) = history.last() else { return };
        self.last = self.last << 8 | u64::from(byte);
        if byte.is_ascii_alphanumeric() || byte >= 128 {
            self.word = mix(self.word.max(1), u64::from(byte.to_ascii_lowercase()));
        } else if self.word != 0 {
            self.word_before = self.word;
            self.word = 0;
        }
        if let Structure::Rows(rows) = cursor.structure() {
            self.row.advance(rows, cursor, history, byte);
        }
    }

    /// The hashes of the contexts of the coming byte.
    #[inline(always)]
    pub fn contexts(&self, experts: Experts, predicted: [Option<u8>; MATCHES], hashes: &mut [u64; CONTEXTS]) {
        let order = |count: u32| self.last & (u64::MAX >> (64 - 8 * count));
        let keys = match experts {
            Experts::Plain => {
                let mut keys = [0; CONTEXTS];
                for (key, count) in keys.iter_mut().zip([1, 2, 3, 4, 5, 6]) {
                    *key = order(count);
                }
                keys[6] = self.word;
                keys[7] = mix(self.word, self.word_before);
                keys
            }
            Experts::Rows => self.row.keys(order(1), order(3), order(5), predicted),
        };
        for (index, hash) in hashes.iter_mut().enumerate().take(experts.contexts()) {
            *hash = mix(keys[index], index as u64 + 1);
        }
    }

    /// The match models' keys: the last 16 bytes, the last 6, and the field so far with the one left of it.
    #[inline(always)]
    pub fn match_keys(&self, experts: Experts, history: &[u8]) -> [u64; MATCHES] {
        let longest = match history.len().checked_sub(16) {
            Some(start) => {
                let before = history[start..start + 8].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
                mix(before, self.last)
            }
            None => 0,
        };
        let third = match experts {
            Experts::Plain => self.last & 0xFFFF_FFFF,
            Experts::Rows => mix(self.row.prefix, self.row.left(1)),
        };
        [longest, mix(1, self.last & 0xFFFF_FFFF_FFFF), mix(2, third)]
    }

    /// The weight sets to use for a bit. `partial` is the byte so far with a leading 1, `bit_index` its length;
    /// `classes` are the match models' classes of length.
    #[inline(always)]
    pub fn selectors(
        &self,
        experts: Experts,
        partial: usize,
        bit_index: usize,
        classes: [usize; MATCHES],
    ) -> [usize; SELECTORS] {
        let previous = (self.last & 255) as usize;
        match experts {
            Experts::Plain => {
                [partial, previous * 8 + bit_index, classes[0] * 16 + classes[1], (self.last >> 8 & 255) as usize]
            }
            Experts::Rows => {
                let row = &self.row;
                let agrees = row.above.is_some_and(|above| (usize::from(above) | 256) >> (8 - bit_index) == partial);
                let field = row.field.min(FIELD_CLASSES - 1);
                [
                    (field * 4 + row.offset.min(3)) * 2 + usize::from(agrees),
                    partial,
                    classes[0] * 16 + classes[2],
                    previous,
                ]
            }
        }
    }

    /// The final mixer's weight set.
    #[inline(always)]
    pub fn final_set(&self, experts: Experts) -> usize {
        match experts {
            Experts::Plain => 0,
            Experts::Rows => self.row.field.min(FIELD_CLASSES - 1),
        }
    }

    /// The last byte, 0 at the start.
    #[inline(always)]
    pub fn previous(&self) -> usize {
        (self.last & 255) as usize
    }
}

impl RowTrail {
    #[inline(always)]
    fn advance(&mut self, rows: &Rows, cursor: &Cursor, history: &[u8], byte: u8) {
        let position = cursor.position();
        if rows.start() < history.len() {
            self.prefix = mix(self.prefix, u64::from(byte));
            if self.order == Order::Equal {
                self.order = match self.above {
                    Some(above) if byte == above => Order::Equal,
                    Some(above) if byte < above => Order::Less,
                    _ => Order::Greater,
                };
            }
        } else {
            self.end_field(rows);
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
    fn end_field(&mut self, rows: &Rows) {
        let same = self.values_above.get(self.values.len()) == Some(&self.prefix);
        self.equal = self.equal << 1 | u64::from(same);
        self.values.push(self.prefix);
        if rows.field() == 0 {
            std::mem::swap(&mut self.values, &mut self.values_above);
            self.values.clear();
            self.equal = 0;
        }
        self.prefix = rows.field() as u64 + 1;
        self.order = Order::Equal;
    }

    /// The hash of the `distance`-th field to the left, 0 if there is none.
    #[inline(always)]
    fn left(&self, distance: usize) -> u64 {
        self.values.len().checked_sub(distance).map_or(0, |index| self.values[index])
    }

    #[inline(always)]
    fn keys(&self, order_1: u64, order_3: u64, order_5: u64, predicted: [Option<u8>; MATCHES]) -> [u64; CONTEXTS] {
        let guess = |index: usize| predicted[index].map_or(256, u64::from);
        let place = mix(self.field as u64, self.offset as u64);
        let above = self.above.map_or(256, u64::from) << 8 | u64::from(self.above_next);
        let order = self.order as u64;
        let mut keys = [0; CONTEXTS];
        keys[0] = order_1;
        keys[1] = order_3;
        keys[2] = order_5;
        keys[3] = self.prefix;
        keys[4] = mix(self.prefix, self.left(2));
        keys[5] = mix(self.prefix, self.equal);
        keys[6] = mix(self.prefix, self.left(1));
        keys[7] = mix(place, above << 2 | order);
        keys[8] = mix(place, u64::from(self.left_byte) << 2 | order);
        keys[9] = guess(2) << 16 | guess(0).min(guess(1));
        keys[10] = place;
        keys[11] = mix(mix(self.prefix, self.left(1)), self.left(2));
        keys
    }
}

/// A hash of two values whose upper bits are well spread.
#[inline(always)]
fn mix(first: u64, second: u64) -> u64 {
    let product = (first.rotate_left(25) ^ second).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ product >> 32
}
