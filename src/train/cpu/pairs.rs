//! Matrices of floats beside their numbers rounded to bfloat16, in pairs, for the processors that multiply those twice as
//! fast.

use super::Simd;

/// Two numbers of bfloat16, the earlier in the lower half.
pub type Pair = u32;

/// A matrix that products with weights read.
#[derive(Clone, Default)]
pub struct Operand {
    /// Its rows, one after the other.
    pub values: Vec<f32>,
    /// The pairs of neighbours in each row.
    pub across: Vec<Pair>,
    /// The pairs of each number in an even row with the one below.
    pub down: Vec<Pair>,
}

impl Operand {
    /// `rows` rows of zeros, `apart` (an even number) from one to the next.
    pub fn new(rows: usize, apart: usize) -> Self {
        let (across, down) = (vec![0; rows * apart / 2], vec![0; rows.div_ceil(2) * apart]);
        Self { values: vec![0.0; rows * apart], across, down }
    }

    /// Takes over the first `width` values of each row into pairs, if `simd` multiplies pairs.
    pub fn pair(&mut self, simd: Simd, [width, apart]: [usize; 2]) {
        if simd.multiplies_pairs() {
            simd.pair(&self.values, &mut self.across, &mut self.down, [width, apart]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Random;
    use super::super::{Rows, RowsMut, View};
    use super::*;

    /// Seven rows of 48 numbers, 64 apart, and what bfloat16 keeps of them.
    fn operand(random: &mut Random, simd: Simd) -> (Operand, Vec<f32>) {
        let mut operand = Operand::new(7, 64);
        operand.values.iter_mut().for_each(|value| *value = random.normal());
        operand.pair(simd, [48, 64]);
        let rounded = operand.values.iter().map(|value| {
            let bits = value.to_bits();
            f32::from_bits((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
        });
        let rounded = rounded.collect();
        (operand, rounded)
    }

    fn assert_near(got: &[f32], expected: impl Fn(usize, usize) -> f32) {
        for (row, got) in got.chunks(48).enumerate() {
            for (column, got) in got.iter().enumerate() {
                let expected = expected(row, column);
                assert!((got - expected).abs() < 1e-4, "row {row}, column {column}: {got} for {expected}");
            }
        }
    }

    /// Against sums of products of the rounded numbers, one after the other.
    #[test]
    fn products_of_pairs_are_those_of_rounded_numbers() {
        for simd in Simd::available().into_iter().filter(|simd| simd.multiplies_pairs()) {
            let mut random = Random::new(5);
            let ((left, x), (right, y)) = (operand(&mut random, simd), operand(&mut random, simd));
            let b = Rows { values: &right.down, apart: 64 };
            // Over the seven rows of both, the last without a partner.
            let mut sums = vec![1.0; 48 * 48];
            let c = RowsMut { values: &mut sums, apart: 48 };
            simd.product_of_pairs(View { values: &left.down, rows: 1, columns: 64 }, b, c, [48, 4, 48], true);
            assert_near(&sums, |row, column| 1.0 + (0..7).map(|k| x[k * 64 + row] * y[k * 64 + column]).sum::<f32>());
            // Over the first six columns of one and rows of the other.
            let mut sums = vec![1.0; 7 * 48];
            let c = RowsMut { values: &mut sums, apart: 48 };
            simd.product_of_pairs(View { values: &left.across, rows: 32, columns: 1 }, b, c, [7, 3, 48], false);
            assert_near(&sums, |row, column| (0..6).map(|k| x[row * 64 + k] * y[k * 64 + column]).sum());
        }
    }
}
