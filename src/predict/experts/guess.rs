//! What numbers that are known beforehand say of the digits to come.

use crate::layout::{Column, TEXT_MAX, leading_bits};
use crate::net::Foretold;

use super::mix;

/// A predicted value, written out beside the field as it is coded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guess {
    text: [u8; TEXT_MAX],
    /// Bytes of the text; 0 if nothing is predicted.
    length: usize,
    /// The field's bytes before the value.
    lead: usize,
    value: i64,
    /// 0 while the field agrees with the text; then 3 plus the first difference, bounded to ±2, between digits, else 6.
    difference: u64,
    /// Bytes since that difference.
    since: u64,
}

impl Guess {
    pub fn new(column: &Column, value: i64) -> Self {
        let (text, length) = column.render(value);
        Self { text, length, lead: usize::from(column.lead), value, ..Self::default() }
    }

    /// Compares `byte`, the field's byte at `offset`, with the text.
    #[inline(always)]
    pub fn advance(&mut self, offset: usize, byte: u8) {
        if self.length == 0 || offset < self.lead {
            return;
        }
        let expected = self.expected(offset);
        if self.difference != 0 {
            self.since += 1;
        } else if byte != expected {
            let digits = byte.is_ascii_digit() && expected.is_ascii_digit();
            let difference = i64::from(byte) - i64::from(expected);
            self.difference = if digits { (3 + difference.clamp(-2, 2)) as u64 } else { 6 };
        }
    }

    /// Whether there is a prediction.
    pub fn exists(&self) -> bool {
        self.length > 0
    }

    /// What a prediction that exists says of the byte at the field's `offset`.
    pub fn foretold(&self, offset: usize) -> Foretold {
        let byte = Some(self.expected(offset)).filter(|&byte| byte != 0);
        Foretold { byte, state: 1 + self.difference as u8 }
    }

    /// Whether there is a prediction and the field so far agrees with it.
    #[inline(always)]
    pub fn agrees(&self) -> bool {
        self.length > 0 && self.difference == 0
    }

    /// The byte that is predicted for `offset`, if the field so far agrees, else 0.
    #[inline(always)]
    pub fn agreeing(&self, offset: usize) -> u8 {
        if self.agrees() { self.expected(offset) } else { 0 }
    }

    /// How far the prediction has held, `partial` being the first `bit_index` bits of the byte at `offset` below a leading 1.
    #[inline(always)]
    pub fn class(&self, offset: usize, partial: usize, bit_index: usize) -> GuessClass {
        match (self.length, self.difference) {
            (0, _) => GuessClass::None,
            (_, 0) if (usize::from(self.expected(offset)) | 256) >> (8 - bit_index) == partial => GuessClass::Holds,
            (_, 0) => GuessClass::Fails,
            (_, 2) if self.since == 0 => GuessClass::JustBelow,
            (_, 2) => GuessClass::Below,
            (_, 4) if self.since == 0 => GuessClass::JustAbove,
            (_, 4) => GuessClass::Above,
            _ => GuessClass::Elsewhere,
        }
    }

    /// The context of the coming byte at `offset`, if there is a prediction: how the field has differed so far, the
    /// predicted byte and the one after it.
    #[inline(always)]
    pub fn key(&self, field: usize, offset: usize) -> Option<u64> {
        if self.length == 0 {
            return None;
        }
        let state = self.difference << 2 | self.since.min(3);
        let expected = u64::from(self.expected(offset)) << 8 | u64::from(self.expected(offset + 1));
        Some(mix(mix(field as u64, state << 16 | expected), offset as u64))
    }

    /// The predicted value.
    #[inline(always)]
    pub fn value(&self) -> Option<i64> {
        (self.length > 0).then_some(self.value)
    }

    /// The predicted value to five significant bits, or exactly if it is small.
    #[inline(always)]
    pub fn size(&self) -> Option<u64> {
        if self.length == 0 {
            return None;
        }
        let (leading, shift) = leading_bits(self.value.unsigned_abs(), 5);
        Some((leading << 8 | u64::from(shift)) << 1 | u64::from(self.value < 0))
    }

    /// The text's byte for the field's `offset`, 0 outside of it.
    #[inline(always)]
    pub fn expected(&self, offset: usize) -> u8 {
        let place = offset.wrapping_sub(self.lead);
        if place < self.length { self.text[place] } else { 0 }
    }
}

/// How far a prediction has held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessClass {
    /// There is none.
    None,
    Holds,
    /// The present byte is another.
    Fails,
    /// The last byte was one less.
    JustBelow,
    Below,
    /// The last byte was one more.
    JustAbove,
    Above,
    Elsewhere,
}

impl GuessClass {
    /// Classes.
    pub const COUNT: usize = 8;
}

/// The digits of a number so far, taken as those of a binary floating point number of 24 bits precision: from some digit on few or
/// one such number remain possible, and tell the digits to come.
#[derive(Clone, Copy, Debug, Default)]
pub struct FloatDigits {
    /// All digits so far, without the point.
    digits: u64,
    count: u32,
    /// Digits after the point.
    decimals: u32,
    point: bool,
}

/// Decimals from which candidates are looked for.
const DECIMALS_LEAST: u32 = 3;
/// Digits up to which they are.
const DIGITS_MOST: u32 = 18;
/// Bits of a float's significand.
const PRECISION: u32 = 24;

impl FloatDigits {
    #[inline(always)]
    pub fn advance(&mut self, byte: u8) {
        match byte {
            b'0'..=b'9' if self.count < DIGITS_MOST => {
                self.digits = self.digits * 10 + u64::from(byte - b'0');
                self.count += u32::from(self.digits > 0);
                self.decimals += u32::from(self.point);
            }
            b'.' if !self.point && self.count > 0 => self.point = true,
            b'-' if self.count == 0 && !self.point => {}
            _ => *self = Self::default(),
        }
    }

    /// The context of the next digit: how many floats begin with these digits (up to 4), the next digit of the least and of the greatest,
    /// and whether the least ends here; none while there are too few digits or too many.
    #[inline(always)]
    pub fn key(&self) -> Option<u64> {
        if self.decimals < DECIMALS_LEAST || self.count >= DIGITS_MOST || self.digits == 0 {
            return None;
        }
        Some(self.candidates())
    }

    fn candidates(&self) -> u64 {
        let digits = u128::from(self.digits);
        let scale = 10u128.pow(self.decimals);
        // The number lies in [digits, digits + 1) / scale; floats there are multiples of 2^-places.
        let exponent = ((digits << 40) / scale).max(1).ilog2() as i32 - 40;
        let places = (PRECISION as i32 - 1 - exponent).clamp(0, 44) as u32;
        let least = (digits << places).div_ceil(scale);
        let greatest = (((digits + 1) << places) - 1) / scale;
        let next_digit = |float: u128| (((float * scale * 10) >> places) - digits * 10) as u64 & 15;
        if greatest < least {
            return mix(7, u64::from(self.count));
        }
        let count = (greatest - least + 1).min(4) as u64;
        let ends = (least * scale) & ((1 << places) - 1) == 0;
        let digits = next_digit(least) << 8 | next_digit(greatest) << 4 | u64::from(ends);
        mix(8 + count, digits << 8 | u64::from(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<u64> {
        let mut float = FloatDigits::default();
        text.bytes().for_each(|byte| float.advance(byte));
        float.key()
    }

    #[test]
    fn the_digits_of_a_float_are_foretold_from_its_first_ones() {
        // 40.765151977539062… is the float nearest to 40.76515; only it begins with these digits, and a 9 follows, then a 7.
        let alone = |count: u64, next: u64, digits: u64| Some(mix(8 + count, (next << 8 | next << 4) << 8 | digits));
        assert_eq!(key("40.76515"), key("40.76515"));
        assert_eq!(key("40.765151"), alone(1, 9, 8));
        assert_eq!(key("-40.7651519"), alone(1, 7, 9));
        assert_eq!(key("40.7"), None);
        assert_eq!(key("abc"), None);
    }

    #[test]
    fn a_guess_follows_the_field_and_remembers_how_it_differed() {
        use crate::layout::Format;
        let column = Column { format: Format::Number { whole: 1, least: 0, most: 2 }, lead: 1, ..Column::default() };
        let guess = Guess::new(&column, 2650);
        let follow = |text: &[u8]| {
            let mut guess = guess;
            text.iter().enumerate().for_each(|(offset, &byte)| guess.advance(offset, byte));
            (guess.difference, guess.expected(text.len()))
        };
        assert_eq!(follow(b"x26"), (0, b'.'));
        assert_eq!(follow(b"x25"), (2, b'.'));
        assert_eq!(follow(b"x26.5"), (0, 0));
    }
}
