//! Sixteen numbers at once: the loops of the predictor are written once over [`Vector`], for every instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use portable::Portable;

/// Numbers in a vector.
pub const WIDTH: usize = 16;

/// Half of them.
pub const HALF_WIDTH: usize = WIDTH / 2;

/// Entries of a table that a vector picks from.
pub const TABLE: usize = 4096;

/// A table for each number of a vector.
pub type Tables = [[i32; TABLE]; WIDTH];

/// The memory of a vector: one cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Row(pub [i32; WIDTH]);

impl Row {
    /// Sixteen zeros.
    pub const ZERO: Self = Self([0; WIDTH]);

    /// The numbers of `rows`, one row after the other.
    #[inline(always)]
    pub fn numbers_mut(rows: &mut [Self]) -> &mut [i32] {
        // SAFETY: a row is an array of sixteen numbers and nothing else.
        unsafe { std::slice::from_raw_parts_mut(rows.as_mut_ptr().cast(), rows.len() * WIDTH) }
    }
}

/// Sixteen 32-bit numbers. Sums and products wrap around; every implementation gives the same results.
pub trait Vector: Copy {
    /// The row's numbers.
    fn load(row: &Row) -> Self;

    /// Writes the numbers to `row`.
    fn store(self, row: &mut Row);

    /// Sixteen times `number`.
    fn splat(number: i32) -> Self;

    /// Sums.
    fn add(self, other: Self) -> Self;

    /// Differences.
    fn sub(self, other: Self) -> Self;

    /// The lower halves of the products.
    fn mul(self, other: Self) -> Self;

    /// The lesser of each two, signed.
    fn min(self, other: Self) -> Self;

    /// The greater of each two, signed.
    fn max(self, other: Self) -> Self;

    /// The bits that are in both.
    fn and(self, other: Self) -> Self;

    /// The bits that are in one of them.
    fn or(self, other: Self) -> Self;

    /// Shifts left by `BITS`.
    fn shift_left<const BITS: u32>(self) -> Self;

    /// Shifts right by `BITS`, rounding towards minus infinity.
    fn shift_right<const BITS: u32>(self) -> Self;

    /// The entries of `table` that these numbers, 0 to 15, name.
    fn look_up(self, table: &Row) -> Self;

    /// log2 of each, in 1/2^23, with the curve between two powers of two replaced by its chord. For numbers from 1 to
    /// 2^24 − 1.
    fn chord_log2(self) -> Self;

    /// The sums of the sixteen numbers of each vector.
    fn sums(vectors: [Self; 4]) -> [i32; 4];

    /// From each table the entry that the number of its place names, 0 to 4095.
    #[inline(always)]
    fn pick(self, tables: &Tables) -> Self {
        let mut numbers = Row::ZERO;
        self.store(&mut numbers);
        for (number, table) in numbers.0.iter_mut().zip(tables) {
            *number = table[*number as usize % TABLE];
        }
        Self::load(&numbers)
    }

    /// Puts the numbers into the tables' entries that `indices` name, 0 to 4095.
    #[inline(always)]
    fn put(self, tables: &mut Tables, indices: Self) {
        let (mut numbers, mut places) = (Row::ZERO, Row::ZERO);
        self.store(&mut numbers);
        indices.store(&mut places);
        for ((table, &place), &number) in tables.iter_mut().zip(&places.0).zip(&numbers.0) {
            table[place as usize % TABLE] = number;
        }
    }

    /// Row i of `rows` gets number i of every line.
    fn transpose(lines: [&Row; WIDTH], rows: &mut [Row; WIDTH]);

    /// The same for half as many lines, which go to the first halves of the rows; the others are left as they are.
    fn transpose_half(lines: [&Row; HALF_WIDTH], rows: &mut [Row; WIDTH]);

    /// The lines that the first halves of `rows` came from.
    fn transpose_back(rows: &[Row; WIDTH], lines: &mut [Row; HALF_WIDTH]);
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
