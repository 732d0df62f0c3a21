//! Two AVX2 registers.

use std::arch::x86_64::*;

use super::{HALF_WIDTH, Row, Vector, WIDTH};

/// Sixteen numbers in two registers. To be used only in code that is compiled for AVX2 and runs where it is present.
#[derive(Clone, Copy)]
pub struct Avx2([__m256i; 2]);

/// Calls an instruction.
macro_rules! call {
    ($instruction:expr) => {
        // SAFETY: AVX2 is present by the types' contract; loads and stores are of aligned halves of rows,
        // or of four numbers.
        unsafe { $instruction }
    };
}

/// Calls an instruction for both halves. Not a function with a closure, which would be compiled without AVX2.
macro_rules! halves {
    ($instruction:expr, $($vector:expr),+) => {
        Self(call!([$instruction($($vector.0[0]),+), $instruction($($vector.0[1]),+)]))
    };
}

/// Eight halves of rows, transposed.
#[inline(always)]
fn transpose_eight(lines: [__m256i; 8]) -> [__m256i; 8] {
    let mut blocks = lines;
    for first in [0, 4] {
        let [a, b, c, d] = [lines[first], lines[first + 1], lines[first + 2], lines[first + 3]];
        call!({
            let (ab_low, cd_low) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            blocks[first] = _mm256_unpacklo_epi64(ab_low, cd_low);
            blocks[first + 1] = _mm256_unpackhi_epi64(ab_low, cd_low);
            blocks[first + 2] = _mm256_unpacklo_epi64(ab_high, cd_high);
            blocks[first + 3] = _mm256_unpackhi_epi64(ab_high, cd_high);
        });
    }
    let mut rows = blocks;
    for row in 0..4 {
        let (upper, lower) = (blocks[row], blocks[4 + row]);
        rows[row] = call!(_mm256_permute2x128_si256::<0x20>(upper, lower));
        rows[4 + row] = call!(_mm256_permute2x128_si256::<0x31>(upper, lower));
    }
    rows
}

impl Vector for Avx2 {
    #[inline(always)]
    fn load(row: &Row) -> Self {
        let start: *const __m256i = std::ptr::from_ref(row).cast();
        Self(call!([_mm256_load_si256(start), _mm256_load_si256(start.add(1))]))
    }

    #[inline(always)]
    fn store(self, row: &mut Row) {
        let start: *mut __m256i = std::ptr::from_mut(row).cast();
        call!({
            _mm256_store_si256(start, self.0[0]);
            _mm256_store_si256(start.add(1), self.0[1]);
        });
    }

    #[inline(always)]
    fn splat(number: i32) -> Self {
        Self([call!(_mm256_set1_epi32(number)); 2])
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        halves!(_mm256_add_epi32, self, other)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        halves!(_mm256_sub_epi32, self, other)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        halves!(_mm256_mullo_epi32, self, other)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        halves!(_mm256_min_epi32, self, other)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        halves!(_mm256_max_epi32, self, other)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        halves!(_mm256_and_si256, self, other)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        halves!(_mm256_or_si256, self, other)
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        let bits = call!(_mm_cvtsi32_si128(BITS as i32));
        Self(call!([_mm256_sll_epi32(self.0[0], bits), _mm256_sll_epi32(self.0[1], bits)]))
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        let bits = call!(_mm_cvtsi32_si128(BITS as i32));
        Self(call!([_mm256_sra_epi32(self.0[0], bits), _mm256_sra_epi32(self.0[1], bits)]))
    }

    #[inline(always)]
    fn look_up(self, table: &Row) -> Self {
        let [low, high] = Self::load(table).0;
        let mut found = [low; 2];
        for (found, index) in found.iter_mut().zip(self.0) {
            *found = call!({
                let (of_low, of_high) =
                    (_mm256_permutevar8x32_epi32(low, index), _mm256_permutevar8x32_epi32(high, index));
                _mm256_blendv_epi8(of_low, of_high, _mm256_cmpgt_epi32(index, _mm256_set1_epi32(7)))
            });
        }
        Self(found)
    }

    #[inline(always)]
    fn chord_log2(self) -> Self {
        // Below 2^24 the conversion is exact: it only finds the leading bit.
        let [low, high] = call!([_mm256_cvtepi32_ps(self.0[0]), _mm256_cvtepi32_ps(self.0[1])]);
        Self(call!([_mm256_castps_si256(low), _mm256_castps_si256(high)])).sub(Self::splat(127 << 23))
    }

    #[inline(always)]
    fn sums(vectors: [Self; 4]) -> [i32; 4] {
        let [a, b, c, d] = vectors;
        let mut sums = [0; 4];
        call!({
            let (a, b) = (_mm256_add_epi32(a.0[0], a.0[1]), _mm256_add_epi32(b.0[0], b.0[1]));
            let (c, d) = (_mm256_add_epi32(c.0[0], c.0[1]), _mm256_add_epi32(d.0[0], d.0[1]));
            let quarters = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let [low, high] = [_mm256_castsi256_si128(quarters), _mm256_extracti128_si256::<1>(quarters)];
            _mm_storeu_si128(sums.as_mut_ptr().cast(), _mm_add_epi32(low, high));
        });
        sums
    }

    #[inline(always)]
    fn transpose(lines: [&Row; WIDTH], rows: &mut [Row; WIDTH]) {
        for side in 0..2 {
            let mut halves = [[call!(_mm256_setzero_si256()); 8]; 2];
            for (line, half) in lines.into_iter().zip(halves.as_flattened_mut()) {
                *half = Self::load(line).0[side];
            }
            let [left, right] = [transpose_eight(halves[0]), transpose_eight(halves[1])];
            for number in 0..8 {
                Self([left[number], right[number]]).store(&mut rows[side * 8 + number]);
            }
        }
    }

    #[inline(always)]
    fn transpose_half(lines: [&Row; HALF_WIDTH], rows: &mut [Row; WIDTH]) {
        for (side, rows) in rows.as_chunks_mut::<HALF_WIDTH>().0.iter_mut().enumerate() {
            let mut halves = [call!(_mm256_setzero_si256()); HALF_WIDTH];
            for (half, line) in halves.iter_mut().zip(lines) {
                *half = Self::load(line).0[side];
            }
            for (row, half) in rows.iter_mut().zip(transpose_eight(halves)) {
                call!(_mm256_store_si256(std::ptr::from_mut(row).cast(), half));
            }
        }
    }

    #[inline(always)]
    fn transpose_back(rows: &[Row; WIDTH], lines: &mut [Row; HALF_WIDTH]) {
        let mut halves = [[call!(_mm256_setzero_si256()); HALF_WIDTH]; 2];
        for (half, row) in halves.as_flattened_mut().iter_mut().zip(rows) {
            *half = Self::load(row).0[0];
        }
        let [left, right] = [transpose_eight(halves[0]), transpose_eight(halves[1])];
        for (number, line) in lines.iter_mut().enumerate() {
            Self([left[number], right[number]]).store(line);
        }
    }
}
