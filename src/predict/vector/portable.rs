//! Plain Rust: the oracle of the others, and good enough for a compiler that knows its processor's vectors.

use super::{HALF_WIDTH, Row, Vector, WIDTH};

/// Sixteen numbers in plain Rust.
#[derive(Clone, Copy)]
pub struct Portable([i32; WIDTH]);

impl Portable {
    #[inline(always)]
    fn with(self, other: Self, operation: impl Fn(i32, i32) -> i32) -> Self {
        Self(std::array::from_fn(|index| operation(self.0[index], other.0[index])))
    }
}

impl Vector for Portable {
    #[inline(always)]
    fn load(row: &Row) -> Self {
        Self(row.0)
    }

    #[inline(always)]
    fn store(self, row: &mut Row) {
        row.0 = self.0;
    }

    #[inline(always)]
    fn splat(number: i32) -> Self {
        Self([number; WIDTH])
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.with(other, i32::wrapping_add)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.with(other, i32::wrapping_sub)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.with(other, i32::wrapping_mul)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.with(other, i32::min)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.with(other, i32::max)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.with(other, |first, second| first & second)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.with(other, |first, second| first | second)
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        Self(self.0.map(|number| number << BITS))
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        Self(self.0.map(|number| number >> BITS))
    }

    #[inline(always)]
    fn look_up(self, table: &Row) -> Self {
        Self(self.0.map(|index| table.0[index as usize & 15]))
    }

    #[inline(always)]
    fn chord_log2(self) -> Self {
        Self(self.0.map(|number| {
            let exponent = number.ilog2();
            ((exponent << 23) + ((number as u32) << (23 - exponent)) - (1 << 23)) as i32
        }))
    }

    #[inline(always)]
    fn sums(vectors: [Self; 4]) -> [i32; 4] {
        vectors.map(|vector| vector.0.iter().fold(0i32, |sum, &number| sum.wrapping_add(number)))
    }

    #[inline(always)]
    fn transpose(lines: [&Row; WIDTH], rows: &mut [Row; WIDTH]) {
        for (index, row) in rows.iter_mut().enumerate() {
            for (number, line) in row.0.iter_mut().zip(lines) {
                *number = line.0[index];
            }
        }
    }

    #[inline(always)]
    fn transpose_half(lines: [&Row; HALF_WIDTH], rows: &mut [Row; WIDTH]) {
        for (index, row) in rows.iter_mut().enumerate() {
            for (number, line) in row.0.iter_mut().zip(lines) {
                *number = line.0[index];
            }
        }
    }

    #[inline(always)]
    fn transpose_back(rows: &[Row; WIDTH], lines: &mut [Row; HALF_WIDTH]) {
        for (index, row) in rows.iter().enumerate() {
            for (line, number) in lines.iter_mut().zip(row.0) {
                line.0[index] = number;
            }
        }
    }
}
