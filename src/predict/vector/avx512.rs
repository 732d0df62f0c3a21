//! One AVX-512 register (instruction set F).

use std::arch::x86_64::*;

use super::{Avx2, HALF_WIDTH, Row, TABLE, Tables, Vector, WIDTH};

/// Sixteen numbers in one register. To be used only in code that is compiled for AVX-512 and runs where it is present.
#[derive(Clone, Copy)]
pub struct Avx512(__m512i);

/// Calls an instruction.
macro_rules! call {
    ($instruction:expr) => {
        // SAFETY: AVX-512F is present by the type's contract; loads and stores are of whole, aligned rows,
        // or of four numbers.
        unsafe { $instruction }
    };
}

/// Where entries of tables that lie one after the other are, given their indices.
#[inline(always)]
fn places(indices: Avx512) -> __m512i {
    const STARTS: Row = {
        let mut starts = Row::ZERO;
        let mut table = 0;
        while table < WIDTH {
            starts.0[table] = (table * TABLE) as i32;
            table += 1;
        }
        starts
    };
    indices.and(Avx512::splat(TABLE as i32 - 1)).or(Avx512::load(&STARTS)).0
}

impl Vector for Avx512 {
    #[inline(always)]
    fn load(row: &Row) -> Self {
        Self(call!(_mm512_load_si512(std::ptr::from_ref(row).cast())))
    }

    #[inline(always)]
    fn store(self, row: &mut Row) {
        call!(_mm512_store_si512(std::ptr::from_mut(row).cast(), self.0))
    }

    #[inline(always)]
    fn splat(number: i32) -> Self {
        Self(call!(_mm512_set1_epi32(number)))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(call!(_mm512_add_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(call!(_mm512_sub_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(call!(_mm512_mullo_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(call!(_mm512_min_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(call!(_mm512_max_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(call!(_mm512_and_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(call!(_mm512_or_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        Self(call!(_mm512_slli_epi32::<BITS>(self.0)))
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        Self(call!(_mm512_srai_epi32::<BITS>(self.0)))
    }

    #[inline(always)]
    fn look_up(self, table: &Row) -> Self {
        Self(call!(_mm512_permutexvar_epi32(self.0, Self::load(table).0)))
    }

    #[inline(always)]
    fn chord_log2(self) -> Self {
        // Below 2^24 the conversion is exact: it only finds the leading bit.
        let bits = call!(_mm512_castps_si512(_mm512_cvtepi32_ps(self.0)));
        Self(bits).sub(Self::splat(127 << 23))
    }

    #[inline(always)]
    fn sums(vectors: [Self; 4]) -> [i32; 4] {
        let [a, b, c, d] = vectors;
        let mut sums = [0; 4];
        call!({
            // The sums of two vectors' quarters side by side, then of their pairs.
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a.0, b.0), _mm512_unpackhi_epi32(a.0, b.0));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c.0, d.0), _mm512_unpackhi_epi32(c.0, d.0));
            let all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
            let eight = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
            let four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
            _mm_storeu_si128(sums.as_mut_ptr().cast(), four);
        });
        sums
    }

    #[inline(always)]
    fn pick(self, tables: &Tables) -> Self {
        // SAFETY: AVX-512F is present by the type's contract; the places lie within the tables.
        Self(unsafe { _mm512_i32gather_epi32::<4>(places(self), tables.as_ptr().cast()) })
    }

    #[inline(always)]
    fn put(self, tables: &mut Tables, indices: Self) {
        // SAFETY: as above.
        unsafe { _mm512_i32scatter_epi32::<4>(tables.as_mut_ptr().cast(), places(indices), self.0) }
    }

    #[inline(always)]
    fn transpose(lines: [&Row; WIDTH], rows: &mut [Row; WIDTH]) {
        // First blocks of 4 by 4 numbers within the quarters of the registers, then the quarters.
        let mut blocks = [call!(_mm512_setzero_si512()); WIDTH];
        for (block, line) in blocks.iter_mut().zip(lines) {
            *block = Self::load(line).0;
        }
        for first in [0, 4, 8, 12] {
            let [a, b, c, d] = [blocks[first], blocks[first + 1], blocks[first + 2], blocks[first + 3]];
            let [ab, cd] = call!([_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d)]);
            let [ab_high, cd_high] = call!([_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d)]);
            blocks[first] = call!(_mm512_unpacklo_epi64(ab, cd));
            blocks[first + 1] = call!(_mm512_unpackhi_epi64(ab, cd));
            blocks[first + 2] = call!(_mm512_unpacklo_epi64(ab_high, cd_high));
            blocks[first + 3] = call!(_mm512_unpackhi_epi64(ab_high, cd_high));
        }
        for number in 0..4 {
            let [a, b, c, d] = [blocks[number], blocks[4 + number], blocks[8 + number], blocks[12 + number]];
            let [even_ab, even_cd] =
                call!([_mm512_shuffle_i32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_i32x4::<0b10_00_10_00>(c, d)]);
            let [odd_ab, odd_cd] =
                call!([_mm512_shuffle_i32x4::<0b11_01_11_01>(a, b), _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d)]);
            Self(call!(_mm512_shuffle_i32x4::<0b10_00_10_00>(even_ab, even_cd))).store(&mut rows[number]);
            Self(call!(_mm512_shuffle_i32x4::<0b10_00_10_00>(odd_ab, odd_cd))).store(&mut rows[4 + number]);
            Self(call!(_mm512_shuffle_i32x4::<0b11_01_11_01>(even_ab, even_cd))).store(&mut rows[8 + number]);
            Self(call!(_mm512_shuffle_i32x4::<0b11_01_11_01>(odd_ab, odd_cd))).store(&mut rows[12 + number]);
        }
    }

    #[inline(always)]
    fn transpose_half(lines: [&Row; HALF_WIDTH], rows: &mut [Row; WIDTH]) {
        Avx2::transpose_half(lines, rows);
    }

    #[inline(always)]
    fn transpose_back(rows: &[Row; WIDTH], lines: &mut [Row; HALF_WIDTH]) {
        Avx2::transpose_back(rows, lines);
    }
}
