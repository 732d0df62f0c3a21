//! x86-64 with AVX-512 VNNI: sixteen dot products of four bytes at once.

use std::arch::x86_64::*;

use super::super::arithmetic::{EXPONENTIALS, OCTAVES, Reciprocal, Scale};
use super::avx2::{mantissas_and_octaves, normalised, offset_bytes};
use super::vectors::{Vectors, Work};

/// Proof that the processor has AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The kernel, if this processor can run it.
    pub fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        has.then_some(Self(()))
    }
}

// SAFETY, of all blocks below: `self` proves the instruction set, and each load and store is of a whole array.
impl Vectors for Avx512 {
    type Sums = __m512i;
    type Unsigned = __m512i;
    type Signed = __m512i;

    const ZERO: i32 = 0;
    const SUMS: usize = 16;

    fn enter(self, work: impl Work) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
        fn enter(vectors: Avx512, work: impl Work) {
            work.run(vectors);
        }
        // SAFETY: as above.
        unsafe { enter(self, work) }
    }

    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn sums(self, numbers: &[i32; 16]) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, sums: __m512i, numbers: &mut [i32; 16]) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), sums) }
    }

    #[inline(always)]
    fn total(self, sums: __m512i) -> i32 {
        // SAFETY: as above.
        unsafe { _mm512_reduce_add_epi32(sums) }
    }

    #[inline(always)]
    fn largest(self, sums: __m512i) -> i32 {
        // SAFETY: as above.
        unsafe { _mm512_reduce_max_epi32(sums) }
    }

    #[inline(always)]
    fn larger(self, one: __m512i, other: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_max_epi32(one, other) }
    }

    #[inline(always)]
    fn unsigned(self, quads: &[u8; 64]) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(quads.as_ptr().cast()) }
    }

    #[inline(always)]
    fn signed(self, quads: &[i8; 64]) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(quads.as_ptr().cast()) }
    }

    #[inline(always)]
    fn spread_unsigned(self, quad: &[u8; 4]) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_set1_epi32(i32::from_ne_bytes(*quad)) }
    }

    #[inline(always)]
    fn spread_signed(self, quad: &[i8; 4]) -> __m512i {
        self.spread_unsigned(&quad.map(|byte| byte as u8))
    }

    #[inline(always)]
    fn dot(self, sums: __m512i, unsigned: __m512i, signed: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_dpbusd_epi32(sums, unsigned, signed) }
    }

    #[inline(always)]
    fn requantise(self, sums: __m512i, shift: u8, multipliers: &[i16; 16], outputs: &mut [i16; 16]) {
        // SAFETY: as above.
        unsafe {
            let shifted = _mm512_cvtsepi32_epi16(_mm512_sra_epi32(sums, _mm_cvtsi32_si128(shift.into())));
            let scaled = _mm256_mulhrs_epi16(shifted, _mm256_loadu_si256(multipliers.as_ptr().cast()));
            _mm256_storeu_si256(outputs.as_mut_ptr().cast(), scaled);
        }
    }

    #[inline(always)]
    fn exponentials(self, scores: &[[i32; 16]; 4], largest: i32, shift: u8, outputs: &mut [u8; 64]) {
        // SAFETY: as above.
        unsafe {
            let (largest, shift) = (_mm512_set1_epi32(largest), _mm_cvtsi32_si128(shift.into()));
            let steps = |part: usize| {
                let scores = _mm512_loadu_si512(scores[part].as_ptr().cast());
                _mm512_srl_epi32(_mm512_sub_epi32(largest, scores), shift)
            };
            let low = _mm512_packs_epi32(steps(0), steps(1));
            let high = _mm512_packs_epi32(steps(2), steps(3));
            // Packing works within 128 bits and leaves the quads of scores transposed.
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let steps = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
            let nibble = _mm512_set1_epi8(15);
            let table = |bytes: &[u8; 16]| _mm512_broadcast_i32x4(_mm_loadu_si128(bytes.as_ptr().cast()));
            let mantissas = _mm512_shuffle_epi8(table(&EXPONENTIALS), _mm512_and_si512(steps, nibble));
            let octaves = _mm512_and_si512(_mm512_srli_epi16::<4>(steps), nibble);
            let factors = _mm512_shuffle_epi8(table(&OCTAVES), octaves);
            let rounded = |products| _mm512_srli_epi16::<7>(_mm512_add_epi16(products, _mm512_set1_epi16(64)));
            let byte = _mm512_set1_epi16(255);
            let even = _mm512_mullo_epi16(_mm512_and_si512(mantissas, byte), _mm512_and_si512(factors, byte));
            let odd = _mm512_mullo_epi16(_mm512_srli_epi16::<8>(mantissas), _mm512_srli_epi16::<8>(factors));
            let bytes = _mm512_or_si512(rounded(even), _mm512_slli_epi16::<8>(rounded(odd)));
            _mm512_storeu_si512(outputs.as_mut_ptr().cast(), bytes);
        }
    }

    #[inline(always)]
    fn average(self, sums: __m512i, reciprocal: Reciprocal, outputs: &mut [u8; 16]) {
        // SAFETY: as above.
        unsafe {
            let shifted = _mm512_sra_epi32(sums, _mm_cvtsi32_si128(reciprocal.shift as i32));
            let fine = _mm256_mulhrs_epi16(_mm512_cvtepi32_epi16(shifted), _mm256_set1_epi16(reciprocal.factor));
            let halves = _mm256_srai_epi16::<6>(_mm256_add_epi16(fine, _mm256_set1_epi16(32)));
            _mm_storeu_si128(outputs.as_mut_ptr().cast(), offset_bytes(halves));
        }
    }

    #[inline(always)]
    fn squares(self, stream: &[[i16; 16]]) -> u64 {
        // SAFETY: as above.
        unsafe {
            let sums = stream.iter().fold(_mm512_setzero_si512(), |sums, x| {
                let x = _mm256_loadu_si256(x.as_ptr().cast());
                // A pair's sum can reach 2³¹ and is read as unsigned.
                _mm512_add_epi64(sums, _mm512_cvtepu32_epi64(_mm256_madd_epi16(x, x)))
            });
            _mm512_reduce_add_epi64(sums) as u64
        }
    }

    #[inline(always)]
    fn normalised(self, stream: &[i16; 16], scale: Scale, outputs: &mut [u8; 16]) {
        // SAFETY: as above.
        unsafe { normalised(stream, scale, outputs) }
    }

    #[inline(always)]
    fn powers_of_two(self, logits: &[i16; 16], largest: i16, outputs: &mut [u32; 16]) {
        // SAFETY: as above.
        unsafe {
            let (mantissa, octaves) = mantissas_and_octaves(logits, largest);
            let scaled = _mm512_slli_epi32::<9>(_mm512_cvtepu16_epi32(mantissa));
            let leaf = _mm512_srlv_epi32(scaled, _mm512_cvtepu16_epi32(octaves));
            _mm512_storeu_si512(outputs.as_mut_ptr().cast(), _mm512_add_epi32(leaf, _mm512_set1_epi32(1)));
        }
    }
}
