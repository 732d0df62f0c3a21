//! What is known of a table's columns: how their numbers are written and what other columns say of them.
//!
//! All arithmetic is on integers: a column's numbers count units of its last decimal, times count seconds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::times::{TIME_MOST, clock_minutes, clock_number, parse_time, render_time};

/// One column of delimited text. An empty one knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// How its values are written.
    pub format: Format,
    /// Bytes before the value proper: an opening quote, a key.
    pub lead: u8,
    /// What tells most of this column's values: the first alone, the second beside the first, and so on. At most `CLUES`.
    pub clues: Vec<Clue>,
    /// What tells most of them without the first of those. At most `CLUES`.
    pub further_clues: Vec<Clue>,
    /// Whether the clues tell what the first relation misses, not the values.
    pub clues_to_rests: bool,
    /// At most `RELATIONS`.
    pub relations: Vec<Relation>,
    /// Sets of clues by which what the first relation misses is corrected, or where there is none, nought: by what it has missed
    /// where they said the same, the later ones by what the earlier ones have left. At most `CORRECTIONS`.
    pub corrections: Vec<Vec<Clue>>,
    /// Relations of which now one holds, now another, the commonest first. At most `ALTERNATIVES`. The clue of the first one is to
    /// which of them holds.
    pub alternatives: Vec<Relation>,
}

/// Clues to one column.
pub const CLUES: usize = 3;

/// Relations of one column.
pub const RELATIONS: usize = 2;

/// Corrections of one column.
pub const CORRECTIONS: usize = 3;

/// Alternatives of one column.
pub const ALTERNATIVES: usize = 8;

/// What is told of a column's values by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Clue {
    /// A field's bytes.
    Text(Source),
    /// A field's number without so many of its lowest bits.
    Number(Source, u8),
    /// How much the first field's number exceeds the second's, to so many significant bits.
    Difference([Source; 2], u8),
}

/// How a column's values are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Not as numbers.
    #[default]
    Text,
    /// Decimal numbers.
    Number {
        /// Digits before the point at least, as far as there are no decimals: 0 where no zero stands before a point, more than 1 where
        /// zeros fill numbers up to a width.
        whole: u8,
        /// Decimals at least; at most 9 count.
        least: u8,
        /// Decimals at most, zeros at the end left out while there are more than `least`; at most 9 count.
        most: u8,
    },
    /// A date, a time of day or both. The value counts seconds.
    Time {
        /// How it is written: letters for digits, as `YYYY-MM-DD hh:mm:ss`.
        pattern: String,
    },
    /// A time of day as a number, hours times 100 and minutes. The value counts minutes.
    Clock,
}

/// Another field of this record, or any field of the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// In the previous record.
    pub above: bool,
    /// The column.
    pub field: u16,
}

/// A linear form of other fields' values that predicts a column's: (constant + sum of factor · value + 2^19) >> 20.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// In 1/2^20 of the column's unit.
    pub constant: i64,
    /// Factors in 1/2^20, each with its field; fields' values are in units of their own columns.
    pub terms: Vec<(i64, Source)>,
    /// What tells most of whether it holds, where it holds now and then.
    pub clue: Option<Clue>,
    /// Percents of the sampled records in which it held; only for people.
    pub held: u8,
}

/// Binary places of factors.
pub const FACTOR_BITS: u32 = 20;

/// Values beyond this are not calculated with.
pub const VALUE_MAX: i64 = 1_000_000_000_000_000;

/// Most decimals of numbers that are calculated with.
const DECIMALS: usize = 9;

/// Most digits that numbers are filled up to with zeros.
const WHOLE: usize = 12;

/// Longest rendered value.
pub const TEXT_MAX: usize = TIME_MOST;

/// The highest `bits` bits of a number's size and its sign: numbers of one result differ by at most 1/2^(`bits` − 1).
#[inline(always)]
pub fn significant(number: i64, bits: u8) -> i64 {
    let (leading, shift) = leading_bits(number.unsigned_abs(), bits);
    let kept = (leading << 6 | u64::from(shift)) as i64;
    if number < 0 { -kept } else { kept }
}

/// The highest `bits` bits of `size`, and how many are left out below them.
#[inline(always)]
pub fn leading_bits(size: u64, bits: u8) -> (u64, u32) {
    let shift = (u64::BITS - size.leading_zeros()).saturating_sub(bits.into());
    (size >> shift.min(63), shift)
}

impl fmt::Display for Source {
    /// In words; columns are counted from 1.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let above = if self.above { " of the row before" } else { "" };
        write!(formatter, "column {}{above}", self.field + 1)
    }
}

impl fmt::Display for Clue {
    /// In words.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clue::Text(source) => write!(formatter, "{source}"),
            Clue::Number(source, _) => write!(formatter, "roughly {source}"),
            Clue::Difference([first, second], _) => write!(formatter, "roughly {first} - {second}"),
        }
    }
}

/// Clues in words, one after the other.
pub fn listed(clues: &[Clue]) -> String {
    clues.iter().map(Clue::to_string).collect::<Vec<_>>().join(", ")
}

impl Relation {
    /// The relation in words, for the column `field`; columns are counted from 1.
    pub fn describe(&self, field: usize) -> String {
        let mut text = format!("column {} = ", field + 1);
        for (index, &(factor, source)) in self.terms.iter().enumerate() {
            let sign = match (index, factor < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            let thousandths = ((u128::from(factor.unsigned_abs()) * 1000) >> FACTOR_BITS) as u64;
            let times = match (thousandths / 1000, thousandths % 1000) {
                (1, 0) => String::new(),
                (whole, 0) => format!("{whole} "),
                (whole, rest) => format!("{whole}.{rest:03} "),
            };
            text += &format!("{sign}{times}{source}");
        }
        match self.constant >> FACTOR_BITS {
            0 => text,
            constant if constant < 0 => format!("{text} - {}", -constant),
            constant => format!("{text} + {constant}"),
        }
    }

    /// Whether nothing of the field's own record is in it.
    pub fn is_of_the_record_before(&self) -> bool {
        self.terms.iter().all(|(_, source)| source.above)
    }

    /// The predicted value, if all fields have one. `value` gives a field's.
    pub fn predict(&self, value: impl Fn(Source) -> Option<i64>) -> Option<i64> {
        let mut sum = i128::from(self.constant) + (1 << (FACTOR_BITS - 1));
        for &(factor, source) in &self.terms {
            sum += i128::from(factor) * i128::from(value(source)?);
        }
        i64::try_from(sum >> FACTOR_BITS).ok().filter(|value| value.abs() <= VALUE_MAX)
    }
}

impl Column {
    /// The value of `field`, the whole field's bytes, if it is written as expected.
    pub fn parse(&self, field: &[u8]) -> Option<i64> {
        let text = field.get(usize::from(self.lead)..)?;
        match &self.format {
            Format::Text => None,
            Format::Number { most, .. } => parse_number(text, usize::from(*most).min(DECIMALS)),
            Format::Time { pattern } => parse_time(text, pattern.as_bytes()),
            Format::Clock => parse_number(text, 0).and_then(clock_minutes),
        }
    }

    /// How `value` would be written, without the lead: the text and its length.
    pub fn render(&self, value: i64) -> ([u8; TEXT_MAX], usize) {
        let mut text = [0; TEXT_MAX];
        let length = match &self.format {
            Format::Text => 0,
            Format::Number { whole, least, most } => {
                let most = usize::from(*most).min(DECIMALS);
                let whole = usize::from(*whole).min(WHOLE);
                render_number(value, whole, usize::from(*least).min(most), most, &mut text)
            }
            Format::Time { pattern } => render_time(value, pattern.as_bytes(), &mut text),
            Format::Clock => render_number(clock_number(value), 1, 0, 0, &mut text),
        };
        (text, length)
    }
}

/// A decimal number in units of its `most`-th decimal: an optional minus, at least one digit, at most 15 that count, a point before or
/// after a digit and at most `most` digits, then the end or a byte that does not belong to numbers or words, a comma
/// only before what is no digit. Digits from the tenth decimal on do not count.
pub fn parse_number(text: &[u8], most: usize) -> Option<i64> {
    let negative = text.first() == Some(&b'-');
    let (mut value, mut digits, mut decimals, mut point) = (0i64, 0, 0, false);
    for (place, &byte) in text.iter().enumerate().skip(usize::from(negative)) {
        match byte {
            b'0'..=b'9' if decimals == DECIMALS => {}
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                digits += 1;
                decimals += usize::from(point);
                if digits > 15 || decimals > most {
                    return None;
                }
            }
            b'.' if !point && (digits > 0 || text.get(place + 1).is_some_and(u8::is_ascii_digit)) => point = true,
            b',' if !text.get(place + 1).is_some_and(u8::is_ascii_digit) => break,
            b'"' | b'\'' | b')' | b'}' | b']' | b' ' | b'\r' | b'%' => break,
            _ => return None,
        }
    }
    let scaled = value.checked_mul(10i64.pow((most - decimals) as u32))?;
    (digits > 0 && scaled <= VALUE_MAX).then_some(if negative { -scaled } else { scaled })
}

fn render_number(value: i64, whole: usize, least: usize, most: usize, text: &mut [u8; TEXT_MAX]) -> usize {
    let mut magnitude = value.unsigned_abs();
    let mut decimals = most;
    while decimals > least && magnitude.is_multiple_of(10) {
        magnitude /= 10;
        decimals -= 1;
    }
    // The digits from the last to the first.
    let digits = (decimals + whole).max(1);
    let mut length = 0;
    let mut push = |byte| {
        text[length] = byte;
        length += 1;
    };
    let mut place = 0;
    while magnitude > 0 || place < digits {
        if place == decimals && decimals > 0 {
            push(b'.');
        }
        push(b'0' + (magnitude % 10) as u8);
        magnitude /= 10;
        place += 1;
    }
    if place == decimals && decimals > 0 {
        push(b'.');
    }
    if value < 0 {
        push(b'-');
    }
    text[..length].reverse();
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(format: Format, value: i64) -> Vec<u8> {
        let (text, length) = Column { format, ..Column::default() }.render(value);
        text[..length].to_vec()
    }

    #[test]
    fn numbers_are_written_as_the_column_writes_them() {
        let trimmed = || Format::Number { whole: 1, least: 0, most: 2 };
        assert_eq!(rendered(trimmed(), 2650), b"26.5");
        assert_eq!(rendered(trimmed(), 0), b"0");
        assert_eq!(rendered(trimmed(), -5), b"-0.05");
        assert_eq!(rendered(Format::Number { whole: 1, least: 1, most: 2 }, 900), b"9.0");
        assert_eq!(rendered(Format::Number { whole: 1, least: 5, most: 5 }, 120565), b"1.20565");
        let bare = || Format::Number { whole: 0, least: 0, most: 2 };
        assert_eq!([rendered(bare(), 65), rendered(bare(), -50), rendered(bare(), 0)], [&b".65"[..], b"-.5", b"0"]);
        assert_eq!(rendered(Format::Number { whole: 6, least: 0, most: 0 }, 123), b"000123");
        let column = Column { format: trimmed(), lead: 4, ..Column::default() };
        assert_eq!(column.parse(b"\"a\":26.5}"), Some(2650));
        assert_eq!(column.parse(b"\"a\":26.5,\"b\""), Some(2650));
        for odd in [
            &b"\"a\":1e5"[..],
            b"\"a\":",
            b"\"a",
            b"\"a\":1.234",
            b"\"a\":1,5",
            b"\"a\":99999999999999999999",
            b"\"a\":-",
        ] {
            assert_eq!(column.parse(odd), None);
        }
    }

    #[test]
    fn a_relation_reads_as_a_formula_in_units_of_its_columns() {
        let here = |field| Source { above: false, field };
        let above = Source { above: true, field: 4 };
        let relation = Relation {
            constant: 250 << 20,
            terms: vec![(1 << 20, here(0)), (-5 << 19, here(1)), (-1 << 20, above)],
            clue: None,
            held: 9,
        };
        let text = "column 4 = column 1 - 2.500 column 2 - column 5 of the row before + 250";
        assert_eq!(relation.describe(3), text);
        let numbers = |source: Source| Some(if source.above { 1000 } else { i64::from(source.field) * 10 + 1 });
        assert_eq!(relation.predict(numbers), Some(250 + 1 - 27 - 1000));
        assert_eq!(relation.predict(|_| None), None);
    }

    #[test]
    fn times_follow_the_calendar() {
        let format = || Format::Time { pattern: "YYYY-MM-DD hh:mm:ss".into() };
        let column = Column { format: format(), ..Column::default() };
        let last_of_february = column.parse(b"2020-02-29 23:59:59").unwrap();
        assert_eq!(rendered(format(), last_of_february + 1), b"2020-03-01 00:00:00");
        assert_eq!(column.parse(b"2020-02-29T23:59:59"), None);
        assert_eq!(column.parse(b"2020-13-29 23:59:59"), None);
        let clock = Column { format: Format::Time { pattern: "hh:mm:ss".into() }, ..Column::default() };
        assert_eq!(rendered(clock.format.clone(), clock.parse(b"23:30:00").unwrap() + 3600), b"00:30:00");
    }

    proptest! {
        #[test]
        fn what_is_rendered_parses_back(value in -VALUE_MAX..=VALUE_MAX, whole in 0..=6u8, least in 0..=9u8, more in 0..=9u8, seconds in 0..300_000_000_000i64) {
            let most = (least + more).min(9);
            let number = Column { format: Format::Number { whole, least, most }, ..Column::default() };
            let (text, length) = number.render(value);
            if let Some(back) = number.parse(&text[..length]) {
                prop_assert_eq!(back, value);
            } else {
                prop_assert!(value.unsigned_abs() > 10u64.pow(14));
            }
            let time = Column { format: Format::Time { pattern: "YYYY.MM.DD hh:mm:ss".into() }, ..Column::default() };
            let (text, length) = time.render(seconds);
            prop_assert_eq!(time.parse(&text[..length]), Some(seconds));
        }
    }
}
