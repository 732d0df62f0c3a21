//! Delimited text: the field so far, with its neighbours to the left and above.

use std::sync::Arc;

use crate::layout::{
    ALTERNATIVES, CLUES, CORRECTIONS, Clue, Column, Cursor, Format, RELATIONS, Relation, Rows, Schema, Shape, Source,
    follow, significant,
};

use crate::net::Foretold;

use super::super::vector::WIDTH;
use super::guess::{FloatDigits, Guess, GuessClass};
use super::{FIELD_CLASSES, mix};

/// Offsets within a field that selectors tell apart.
const OFFSETS: usize = 24;
/// Places that selectors tell apart.
pub const PLACES: usize = 1024;

/// What the experts on delimited text remember of the record.
#[derive(Clone, Debug, Default)]
pub struct RowTrail {
    schemas: Arc<[Schema]>,
    /// The table that the record is held to belong to.
    schema: usize,
    /// The record's shape so far.
    shape: Shape,
    /// The numbers of finished fields, where they have one.
    numbers: Finished<Option<i64>>,
    /// What the clues to the field's column say, and the further ones.
    clues: [Said; 2],
    /// Whether those tell what the first relation misses.
    clues_to_rests: bool,
    /// What the column's relations say of this field.
    guesses: [Guess; RELATIONS],
    /// What those relations say of which now one holds, now another.
    alternatives: [Guess; ALTERNATIVES],
    /// How many of them there are.
    choices: usize,
    /// What the clues say to whether the first relation holds, and to which alternative does.
    holding: Option<u64>,
    chosen: Option<u64>,
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
    /// Hashes of finished fields.
    values: Finished<u64>,
    /// Bit i: whether the i-th field before this one equals the one above it.
    equal: u64,
    /// The first difference between this field and the one above, so far.
    order: Order,
}

/// A field that is about to begin, as far as its number is concerned.
pub struct NumberField<'a> {
    /// The number of the field and its table.
    pub number: usize,
    pub column: &'a Column,
    /// What relations expect, or else the value above.
    pub expected: [Option<i64>; RELATIONS],
    /// What the column's corrections start from, and the hashes of what their clues say.
    pub base: Option<i64>,
    pub corrections: [Option<u64>; CORRECTIONS],
}

/// Something of each of the record's finished fields, and of the previous record's.
#[derive(Clone, Debug, Default)]
struct Finished<T> {
    here: Vec<T>,
    above: Vec<T>,
}

/// What a chain of clues says.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    values: [u64; CLUES],
    count: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Equal,
    Less,
    Greater,
}

impl RowTrail {
    pub fn new(schemas: &[Schema]) -> Self {
        let mut trail = Self { schemas: schemas.into(), ..Self::default() };
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
            for guess in self.guesses.iter_mut().chain(&mut self.alternatives[..self.choices]) {
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
        let same = self.values.above.get(self.values.here.len()) == Some(&self.prefix);
        self.equal = self.equal << 1 | u64::from(same);
        self.values.here.push(self.prefix);
        let ended = rows.current().last().or(rows.previous().last()).copied().unwrap_or_default();
        let column = self.column(self.field).filter(|column| column.format != Format::Text);
        let number = column.and_then(|column| column.parse(&history[ended.start..ended.end]));
        self.numbers.here.push(number);
        self.shape = self.shape.after(ended.start == ended.end);
        if rows.field() == 0 {
            if let Some(first) = rows.previous().first() {
                let first_field = &history[first.start..first.end];
                self.schema = follow(&self.schemas, self.schema, first_field, rows.previous().len(), self.shape);
            }
            self.shape = Shape::default();
            self.values.end_record();
            self.numbers.end_record();
            self.equal = 0;
        }
        self.prefix = rows.field() as u64 + 1;
        self.order = Order::Equal;
        self.field = rows.field();
        self.open_field();
    }

    /// Evaluates the clues and the relations of the field that now begins. Not a part of each build's code: it is seldom wanted.
    #[inline(never)]
    fn open_field(&mut self) {
        self.float = FloatDigits::default();
        self.guesses = [Guess::default(); RELATIONS];
        self.choices = 0;
        self.clues = [Said::default(); 2];
        self.clues_to_rests = false;
        (self.holding, self.chosen) = (None, None);
        let schemas = Arc::clone(&self.schemas);
        let Some(column) = schemas.get(self.schema).and_then(|schema| schema.columns.get(self.field)) else { return };
        for (said, clues) in self.clues.iter_mut().zip([&column.clues, &column.further_clues]) {
            for &clue in clues.iter().take(CLUES) {
                said.push(clue_said(clue, &self.values, &self.numbers));
            }
        }
        self.clues_to_rests = column.clues_to_rests;
        let clue_to =
            |relations: &[Relation]| relations.first()?.clue.map(|clue| clue_said(clue, &self.values, &self.numbers));
        (self.holding, self.chosen) = (clue_to(&column.relations), clue_to(&column.alternatives));
        let number = |source: Source| self.numbers.get(source).flatten();
        for (guess, relation) in self.guesses.iter_mut().zip(&column.relations) {
            if let Some(value) = relation.predict(number) {
                *guess = Guess::new(column, value);
            }
        }
        for (guess, relation) in self.alternatives.iter_mut().zip(&column.alternatives) {
            *guess = relation.predict(number).map_or_else(Guess::default, |value| Guess::new(column, value));
            self.choices += 1;
        }
    }

    /// What is known of a column of the present table.
    #[inline(always)]
    fn column(&self, field: usize) -> Option<&Column> {
        self.schemas.get(self.schema)?.columns.get(field)
    }

    /// The column of the present field.
    #[inline(always)]
    pub fn present_column(&self) -> Option<&Column> {
        self.column(self.field)
    }

    /// Bytes of the present field so far.
    #[inline(always)]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The number of the field that ended last, if it has one.
    #[inline(always)]
    pub fn ended_number(&self) -> Option<i64> {
        self.numbers.here.last().or(self.numbers.above.last()).copied().flatten()
    }

    /// The present field, if its column is known.
    #[inline(always)]
    pub fn number_field(&self) -> Option<NumberField<'_>> {
        let column = self.present_column()?;
        let above = self.numbers.get(Source { above: true, field: self.field as u16 }).flatten();
        let [first, second] = self.guesses.each_ref().map(Guess::value);
        let number = self.schema << 10 | self.field;
        let expected = [first.or(above), second.or(above.filter(|_| first.is_some()))];
        let base = if column.relations.is_empty() { Some(0) } else { first };
        let mut corrections = [None; CORRECTIONS];
        for (index, (hash, clues)) in corrections.iter_mut().zip(&column.corrections).enumerate() {
            let said = |hash, &clue| mix(hash, clue_said(clue, &self.values, &self.numbers));
            *hash = Some(clues.iter().take(CLUES).fold(mix(number as u64, index as u64), said));
        }
        Some(NumberField { number, column, expected, base, corrections })
    }

    /// The hash of a field's value, 0 if there is none.
    #[inline(always)]
    fn value(&self, source: Source) -> u64 {
        self.values.get(source).unwrap_or(0)
    }

    /// The contexts of the alternatives, if the column has any: what each that still agrees expects beside the clue to which holds, and
    /// the first that does.
    #[inline(always)]
    fn choice_keys(&self) -> Option<[u64; 2]> {
        if self.choices == 0 {
            return None;
        }
        let (mut all, mut first) = (0, 0);
        for (index, guess) in self.alternatives[..self.choices].iter().enumerate().rev() {
            let expected = guess.agreeing(self.offset);
            all = all << 8 | u64::from(expected);
            if guess.agrees() {
                first =
                    (index as u64 + 1) << 16 | u64::from(expected) << 8 | u64::from(guess.expected(self.offset + 1));
            }
        }
        let all = mix(self.field as u64, all);
        let all = self.chosen.map_or(all, |said| mix(all, said));
        Some([all, mix(mix(self.field as u64, first), self.offset as u64)])
    }

    /// The hash of the `distance`-th field to the left, 0 if there is none.
    #[inline(always)]
    fn left(&self, distance: usize) -> u64 {
        self.values.here.len().checked_sub(distance).map_or(0, |index| self.values.here[index])
    }

    /// A key for the match model that follows fields: the field so far and the one to its left.
    #[inline(always)]
    pub fn match_key(&self) -> u64 {
        mix(self.prefix, self.left(1))
    }

    /// What the first relation that holds says of the coming byte, or else the first that there is.
    pub fn foretold(&self) -> Foretold {
        let [first, second] = &self.guesses;
        let alternatives = &self.alternatives[..self.choices];
        let mut guesses = std::iter::once(first).chain(alternatives).chain([second]).filter(|guess| guess.exists());
        let chosen = guesses.clone().find(|guess| guess.agrees()).or_else(|| guesses.next());
        chosen.map_or_else(Foretold::default, |guess| guess.foretold(self.offset))
    }

    /// The byte at this offset of the field to the left, if it goes that far.
    pub fn left_byte(&self) -> Option<u8> {
        Some(self.left_byte).filter(|&byte| byte != 0)
    }

    /// The place, and whether the byte above still agrees with `partial`.
    #[inline(always)]
    pub fn place_class(&self, partial: usize, bit_index: usize) -> usize {
        let agrees = self.above.is_some_and(|above| (usize::from(above) | 256) >> (8 - bit_index) == partial);
        self.place_number() * 2 + usize::from(agrees)
    }

    /// The field so far, the field to the left.
    #[inline(always)]
    pub fn more_sets(&self) -> [u64; 2] {
        [self.prefix, self.left(1)]
    }

    /// The place, and how far the relations' predictions have held.
    #[inline(always)]
    pub fn guess_class(&self, partial: usize, bit_index: usize) -> usize {
        let class = |guess: &Guess| guess.class(self.offset, partial, bit_index);
        let [first, second] = &self.guesses;
        let chosen = self.alternatives[..self.choices].iter().map(class).find(|&class| class != GuessClass::Fails);
        let second = if self.choices > 0 { chosen.unwrap_or(GuessClass::Fails) } else { class(second) };
        (self.place_number() % 32 * GuessClass::COUNT + class(first) as usize) * GuessClass::COUNT + second as usize
    }

    /// The field and its offset, as far as selectors tell them.
    #[inline(always)]
    pub fn place_number(&self) -> usize {
        (self.field * OFFSETS + self.offset.min(OFFSETS - 1)) % PLACES
    }

    /// The field, as far as selectors tell it.
    #[inline(always)]
    pub fn field_class(&self) -> usize {
        self.field.min(FIELD_CLASSES - 1)
    }

    /// The keys of the coming byte's contexts, the one of the match models left to fill in; `last` holds the last
    /// eight bytes, the latest lowest.
    #[inline(always)]
    pub fn keys(&self, last: u64) -> [u64; WIDTH] {
        let order = |count: u32| last & (u64::MAX >> (64 - 8 * count));
        let field = self.field as u64;
        let difference = self.order as u64;
        let with_left = mix(self.prefix, self.left(1));
        let [first, second] = &self.guesses;
        // Not in a closure, so that what nobody wants is not calculated.
        let choices = match self.choice_keys() {
            Some(keys) => keys,
            None => [
                second.key(self.field, self.offset).unwrap_or(mix(5, order(6))),
                second.size().map_or(mix(field, order(3)), |size| mix(self.prefix, size)),
            ],
        };
        // The hashes of the field so far, or of how far its relations hold, and the first one, two and three clues to its column,
        // as far as there are so many.
        let first_key = first.key(self.field, self.offset);
        let so_far = match first_key {
            Some(key) if self.clues_to_rests => mix(key, second.agreeing(self.offset).into()),
            _ => self.prefix,
        };
        let [[one, two, three], [further, further_two, _]] = [self.clues[0].keys(so_far), self.clues[1].keys(so_far)];
        [
            0,
            further.unwrap_or(order(3)),
            choices[0],
            further_two.unwrap_or(self.prefix),
            choices[1],
            mix(self.prefix, self.equal),
            with_left,
            mix(self.place(), self.above_two() << 2 | difference),
            mix(self.place(), u64::from(self.left_byte) << 2 | difference),
            mix(self.place(), order(2)),
            first.size().map_or(mix(self.prefix, self.left(3)), |size| mix(self.prefix, size)),
            three.unwrap_or_else(|| mix(with_left, self.left(2))),
            one.unwrap_or_else(|| mix(self.prefix, self.same_above())),
            two.unwrap_or_else(|| mix(mix(self.prefix, self.same_above()), self.left(1))),
            self.float.key().unwrap_or(mix(3, order(2))),
            match (first_key, self.holding) {
                (Some(key), Some(said)) => mix(key, said),
                _ => first_key.unwrap_or(mix(4, order(4))),
            },
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
}

impl Said {
    #[inline(always)]
    fn push(&mut self, value: u64) {
        self.values[self.count] = value;
        self.count += 1;
    }

    /// The hashes of `key` and the first one, two and three, as far as there are so many.
    #[inline(always)]
    fn keys(&self, key: u64) -> [Option<u64>; CLUES] {
        let one = mix(key, self.values[0]);
        let two = mix(one, self.values[1]);
        let three = mix(two, self.values[2]);
        [(self.count > 0).then_some(one), (self.count > 1).then_some(two), (self.count > 2).then_some(three)]
    }
}

impl<T: Copy> Finished<T> {
    /// What is there of a field.
    #[inline(always)]
    fn get(&self, source: Source) -> Option<T> {
        let fields = if source.above { &self.above } else { &self.here };
        fields.get(usize::from(source.field)).copied()
    }

    #[inline(always)]
    fn end_record(&mut self) {
        std::mem::swap(&mut self.here, &mut self.above);
        self.here.clear();
    }
}

/// What a clue says.
#[inline(always)]
fn clue_said(clue: Clue, values: &Finished<u64>, numbers: &Finished<Option<i64>>) -> u64 {
    let number = |source| numbers.get(source).flatten();
    let said = match clue {
        Clue::Text(source) => return values.get(source).unwrap_or(0),
        Clue::Number(source, shift) => number(source).map(|number| number >> shift.min(63)),
        Clue::Difference([first, second], bits) => {
            number(first).zip(number(second)).map(|(first, second)| significant(first - second, bits))
        }
    };
    said.map_or(1 << 63, |said| said as u64)
}
