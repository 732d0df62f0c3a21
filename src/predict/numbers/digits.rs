//! From the part of a number that is written to the values that it may still have.

use crate::layout::{DAY, Format, TIME_MOST, clock_start, clock_unit, is_digit, minutes_up_to, parse_time};

/// What may come next in a number: a minus, a point, a digit, or its end.
pub const SYMBOLS: usize = 13;
pub const MINUS: usize = 0;
pub const POINT: usize = 1;
pub const ZERO: usize = 2;
pub const END: usize = 12;

/// Most digits that are followed.
const DIGITS_MOST: u32 = 15;

/// The number so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Digits {
    /// Whether it is written as expected.
    is_sound: bool,
    negative: bool,
    /// All digits, without the point.
    value: i64,
    /// How many those are.
    count: u32,
    /// Digits after the point, if there is one.
    decimals: Option<u32>,
    /// A time's bytes, how many there are, and what is known of its value: its bounds.
    text: [u8; TIME_MOST],
    length: usize,
    bounds: [i64; 2],
}

impl Digits {
    /// A number of which nothing is written yet.
    pub fn begin() -> Self {
        Self { is_sound: true, bounds: [0, DAY], ..Self::default() }
    }

    /// How many digits stand before the point.
    pub fn whole(&self) -> u32 {
        self.count - self.decimals.unwrap_or(0)
    }

    /// Takes note of a byte; true if it ended the number.
    #[inline(always)]
    pub fn advance(&mut self, byte: u8, format: &Format) -> bool {
        if !self.is_sound {
            return false;
        }
        match format {
            Format::Text => self.is_sound = false,
            Format::Number { whole, .. } => return self.advance_number(byte, (*whole).into()),
            Format::Clock => return self.advance_number(byte, 1),
            Format::Time { pattern } => self.advance_time(byte, pattern.as_bytes()),
        }
        false
    }

    #[inline(always)]
    fn advance_number(&mut self, byte: u8, whole: u32) -> bool {
        let goes_on = self.value > 0 || self.count == 0 || self.count < whole || self.decimals.is_some();
        match byte {
            b'0'..=b'9' if self.count < DIGITS_MOST && goes_on => {
                self.value = self.value * 10 + i64::from(byte - b'0');
                self.count += 1;
                self.decimals = self.decimals.map(|decimals| decimals + 1);
            }
            b'.' if self.decimals.is_none() && (self.count > 0 || whole == 0) => self.decimals = Some(0),
            b'-' if self.count == 0 && !self.negative => self.negative = true,
            b'0'..=b'9' | b'.' | b'-' => self.is_sound = false,
            _ => {
                self.is_sound = false;
                return self.count > 0;
            }
        }
        false
    }

    #[inline(always)]
    fn advance_time(&mut self, byte: u8, pattern: &[u8]) {
        if self.length >= TIME_MOST || byte.is_ascii_digit() != is_digit(pattern, self.length) {
            self.is_sound = false;
            return;
        }
        self.text[self.length] = byte;
        if let Some(unit) = clock_unit(pattern, self.length) {
            let least = self.bounds[0] + i64::from(byte - b'0') * unit;
            self.bounds = [least, self.bounds[1].min(least + unit)];
        }
        self.length += 1;
        if clock_start(pattern) == Some(self.length) {
            let day = parse_time(&self.text[..self.length], &pattern[..self.length]);
            self.is_sound = day.is_some();
            self.bounds = day.map_or([0; 2], |day| [day, day + DAY]);
        }
    }

    /// The weight of each symbol that may come next, `below` being that of all values below one. `longest` is how many
    /// digits there are before the point at most. Nothing where no number goes on.
    #[inline(always)]
    pub fn weights(&self, format: &Format, longest: u32, below: impl Fn(i64) -> u32) -> Option<[u32; SYMBOLS]> {
        if !self.is_sound {
            return None;
        }
        match format {
            Format::Text => None,
            Format::Number { whole, least, most } => {
                let [least, most] = [least, most].map(|&decimals| decimals.min(9).into());
                Some(self.number_weights((*whole).into(), least, most, longest, below))
            }
            Format::Clock => Some(self.number_weights(1, 0, 0, longest, |number| below(minutes_up_to(number)))),
            Format::Time { pattern } => self.time_weights(pattern.as_bytes(), below),
        }
    }

    #[inline(always)]
    fn number_weights(
        &self,
        whole: u32,
        least: u32,
        most: u32,
        longest: u32,
        below: impl Fn(i64) -> u32,
    ) -> [u32; SYMBOLS] {
        // Of a negative number the size is looked at.
        let up_to = |size: i64| if self.negative { below(1).saturating_sub(below(1 - size)) } else { below(size) };
        let between = |start: i64, end: i64| up_to(end).saturating_sub(up_to(start));
        let mut weights = [0; SYMBOLS];
        let power = |places: u32| 10i64.pow(places.min(18));
        // The powers of ten that the next digit may stand for, and the first digit that those above the least may have.
        let (powers, first_above) = match self.decimals {
            Some(decimals) => (most.saturating_sub(decimals + 1)..most.saturating_sub(decimals), 0),
            None if self.count < whole && whole > 1 => {
                let place = most + whole - self.count;
                (place - 1..place, 0)
            }
            None if self.count == 0 => (most..most + longest.max(1), 1),
            None if self.value > 0 => (most..most + longest.saturating_sub(self.count), 0),
            None => (most..most, 0),
        };
        let start = self.value.saturating_mul(10);
        for places in powers.clone() {
            let first = if places > powers.start { first_above } else { 0 };
            let bound = |digit: i64| start.saturating_add(digit).saturating_mul(power(places));
            let mut before = up_to(bound(first));
            for digit in first..10 {
                let next = up_to(bound(digit + 1));
                weights[ZERO + digit as usize] += next.saturating_sub(before);
                before = next;
            }
        }
        match self.decimals {
            Some(decimals) if decimals >= least.max(1) => {
                let exact = self.value.saturating_mul(power(most.saturating_sub(decimals)));
                weights[END] = between(exact, exact.saturating_add(1));
            }
            Some(_) => {}
            None if self.count == 0 => {
                weights[MINUS] = if self.negative { 0 } else { below(0) };
                if whole == 0 && most > 0 {
                    (weights[ZERO], weights[POINT]) = (between(0, 1), between(1, power(most)));
                }
            }
            None if self.count < whole => {}
            None => {
                let exact = self.value.saturating_mul(power(most));
                let after = exact.saturating_add(i64::from(least == 0));
                weights[END] = if least == 0 { between(exact, after) } else { 0 };
                if most > 0 {
                    weights[POINT] = between(after, exact.saturating_add(power(most)));
                }
            }
        }
        weights
    }

    #[inline(always)]
    fn time_weights(&self, pattern: &[u8], below: impl Fn(i64) -> u32) -> Option<[u32; SYMBOLS]> {
        let unit = clock_unit(pattern, self.length)?;
        let [least, most] = self.bounds;
        let mut weights = [0; SYMBOLS];
        let mut before = below(least);
        for digit in 0..10 {
            let end = (least + (digit + 1) * unit).min(most);
            let next = below(end);
            weights[ZERO + digit as usize] = next.saturating_sub(before);
            before = next;
            if end == most {
                break;
            }
        }
        Some(weights)
    }
}
