//! x86-64 with AVX2, and with AVX-VNNI's dot products as well. AVX2's own byte products saturate at 16 bits, which weights within
//! ±63 cannot reach.

use std::arch::x86_64::*;

use super::super::arithmetic::{EXPONENTIALS, OCTAVES, POWER, Reciprocal, Scale};
use super::vectors::{Vectors, Work};

/// Proof that the processor has AVX2, and AVX-VNNI if `DOTS`.
#[derive(Clone, Copy, Debug)]
pub struct Vectors256<const DOTS: bool>(());

/// AVX2 alone.
pub type Avx2 = Vectors256<false>;
/// AVX2 and AVX-VNNI.
pub type AvxVnni = Vectors256<true>;

impl<const DOTS: bool> Vectors256<DOTS> {
    /// The kernel, if this processor can run it.
    pub fn detect() -> Option<Self> {
        let dots = !DOTS || is_x86_feature_detected!("avxvnni");
        (is_x86_feature_detected!("avx2") && dots).then_some(Self(()))
    }
}

// SAFETY, of all blocks below: `self` proves the instruction set, and each load and store is within an array.
impl<const DOTS: bool> Vectors for Vectors256<DOTS> {
    type Sums = [__m256i; 2];
    type Unsigned = [__m256i; 2];
    type Signed = [__m256i; 2];

    const ZERO: i32 = 0;
    const SUMS: usize = 4;

    fn enter(self, work: impl Work) {
        #[target_feature(enable = "avx2")]
        fn enter(work: impl Work) {
            work.run(Vectors256::<false>(()));
        }
        #[target_feature(enable = "avx2,avxvnni")]
        fn enter_with_dots(work: impl Work) {
            work.run(Vectors256::<true>(()));
        }
        // SAFETY: as above.
        unsafe { if DOTS { enter_with_dots(work) } else { enter(work) } }
    }

    #[inline(always)]
    fn zero(self) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    fn sums(self, numbers: &[i32; 16]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { load_two(numbers.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, sums: [__m256i; 2], numbers: &mut [i32; 16]) {
        let numbers: *mut __m256i = numbers.as_mut_ptr().cast();
        // SAFETY: as above.
        unsafe {
            _mm256_storeu_si256(numbers, sums[0]);
            _mm256_storeu_si256(numbers.add(1), sums[1]);
        }
    }

    #[inline(always)]
    fn total(self, sums: [__m256i; 2]) -> i32 {
        // SAFETY: as above.
        unsafe { total(_mm256_add_epi32(sums[0], sums[1])) }
    }

    #[inline(always)]
    fn largest(self, sums: [__m256i; 2]) -> i32 {
        // SAFETY: as above.
        unsafe { largest(_mm256_max_epi32(sums[0], sums[1])) }
    }

    #[inline(always)]
    fn larger(self, one: [__m256i; 2], other: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { [_mm256_max_epi32(one[0], other[0]), _mm256_max_epi32(one[1], other[1])] }
    }

    #[inline(always)]
    fn unsigned(self, quads: &[u8; 64]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { load_two(quads.as_ptr().cast()) }
    }

    #[inline(always)]
    fn signed(self, quads: &[i8; 64]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { load_two(quads.as_ptr().cast()) }
    }

    #[inline(always)]
    fn spread_unsigned(self, quad: &[u8; 4]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { [_mm256_set1_epi32(i32::from_ne_bytes(*quad)); 2] }
    }

    #[inline(always)]
    fn spread_signed(self, quad: &[i8; 4]) -> [__m256i; 2] {
        self.spread_unsigned(&quad.map(|byte| byte as u8))
    }

    #[inline(always)]
    fn dot(self, sums: [__m256i; 2], unsigned: [__m256i; 2], signed: [__m256i; 2]) -> [__m256i; 2] {
        let half = |half: usize| {
            // SAFETY: as above.
            unsafe {
                if DOTS {
                    return _mm256_dpbusd_avx_epi32(sums[half], unsigned[half], signed[half]);
                }
                let pairs = _mm256_maddubs_epi16(unsigned[half], signed[half]);
                _mm256_add_epi32(sums[half], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
            }
        };
        [half(0), half(1)]
    }

    #[inline(always)]
    fn requantise(self, sums: [__m256i; 2], shift: u8, multipliers: &[i16; 16], outputs: &mut [i16; 16]) {
        // SAFETY: as above.
        unsafe {
            let shifted = shift_to_16(sums, shift.into());
            let scaled = _mm256_mulhrs_epi16(shifted, _mm256_loadu_si256(multipliers.as_ptr().cast()));
            _mm256_storeu_si256(outputs.as_mut_ptr().cast(), scaled);
        }
    }

    #[inline(always)]
    fn exponentials(self, scores: &[[i32; 16]; 4], largest: i32, shift: u8, outputs: &mut [u8; 64]) {
        // SAFETY: as above.
        unsafe {
            let (largest, shift) = (_mm256_set1_epi32(largest), _mm_cvtsi32_si128(shift.into()));
            for (scores, outputs) in scores.as_chunks::<2>().0.iter().zip(outputs.as_chunks_mut::<32>().0) {
                let steps = |part: usize| {
                    let scores = _mm256_loadu_si256(scores[part / 2].as_ptr().add(part % 2 * 8).cast());
                    _mm256_srl_epi32(_mm256_sub_epi32(largest, scores), shift)
                };
                let low = _mm256_packs_epi32(steps(0), steps(1));
                let high = _mm256_packs_epi32(steps(2), steps(3));
                // Packing works within 128 bits and leaves the quads of scores transposed.
                let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
                let steps = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
                _mm256_storeu_si256(outputs.as_mut_ptr().cast(), exponentials(steps));
            }
        }
    }

    #[inline(always)]
    fn average(self, sums: [__m256i; 2], reciprocal: Reciprocal, outputs: &mut [u8; 16]) {
        // SAFETY: as above.
        unsafe {
            let shifted = shift_to_16(sums, reciprocal.shift as i32);
            let fine = _mm256_mulhrs_epi16(shifted, _mm256_set1_epi16(reciprocal.factor));
            let halves = _mm256_srai_epi16::<6>(_mm256_add_epi16(fine, _mm256_set1_epi16(32)));
            _mm_storeu_si128(outputs.as_mut_ptr().cast(), offset_bytes(halves));
        }
    }

    #[inline(always)]
    fn squares(self, stream: &[[i16; 16]]) -> u64 {
        // SAFETY: as above.
        unsafe {
            let sums = stream.iter().fold(_mm256_setzero_si256(), |sums, x| {
                let x = _mm256_loadu_si256(x.as_ptr().cast());
                // A pair's sum can reach 2³¹ and is read as unsigned.
                let pairs = _mm256_madd_epi16(x, x);
                let even = _mm256_blend_epi32::<0b1010_1010>(pairs, _mm256_setzero_si256());
                _mm256_add_epi64(sums, _mm256_add_epi64(even, _mm256_srli_epi64::<32>(pairs)))
            });
            let mut numbers = [0; 4];
            _mm256_storeu_si256(numbers.as_mut_ptr().cast(), sums);
            numbers.iter().sum()
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
            let leaves = |mantissa: __m128i, octaves: __m128i| {
                let scaled = _mm256_slli_epi32::<9>(_mm256_cvtepu16_epi32(mantissa));
                let leaf = _mm256_srlv_epi32(scaled, _mm256_cvtepu16_epi32(octaves));
                _mm256_add_epi32(leaf, _mm256_set1_epi32(1))
            };
            let low = leaves(_mm256_castsi256_si128(mantissa), _mm256_castsi256_si128(octaves));
            let high = leaves(_mm256_extracti128_si256::<1>(mantissa), _mm256_extracti128_si256::<1>(octaves));
            _mm256_storeu_si256(outputs.as_mut_ptr().cast(), low);
            _mm256_storeu_si256(outputs.as_mut_ptr().add(8).cast(), high);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_two(numbers: *const __m256i) -> [__m256i; 2] {
    // SAFETY: the caller's 64 bytes.
    unsafe { [_mm256_loadu_si256(numbers), _mm256_loadu_si256(numbers.add(1))] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn total(numbers: __m256i) -> i32 {
    let halves = _mm_add_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
    let pairs = _mm_add_epi32(halves, _mm_shuffle_epi32::<0b01_00_11_10>(halves));
    _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn largest(numbers: __m256i) -> i32 {
    let halves = _mm_max_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
    let pairs = _mm_max_epi32(halves, _mm_shuffle_epi32::<0b01_00_11_10>(halves));
    _mm_cvtsi128_si32(_mm_max_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs)))
}

/// Shifts sixteen sums right and saturates them to 16 bits, in their order.
#[inline]
#[target_feature(enable = "avx2")]
fn shift_to_16(sums: [__m256i; 2], shift: i32) -> __m256i {
    let shift = _mm_cvtsi32_si128(shift);
    let packed = _mm256_packs_epi32(_mm256_sra_epi32(sums[0], shift), _mm256_sra_epi32(sums[1], shift));
    _mm256_permute4x64_epi64::<0b11_01_10_00>(packed)
}

/// Exponentials of numbers of steps.
#[inline]
#[target_feature(enable = "avx2")]
fn exponentials(steps: __m256i) -> __m256i {
    // SAFETY: the table is 16 bytes.
    let table = |bytes: &[u8; 16]| unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.as_ptr().cast())) };
    let nibble = _mm256_set1_epi8(15);
    let mantissas = _mm256_shuffle_epi8(table(&EXPONENTIALS), _mm256_and_si256(steps, nibble));
    let octaves = _mm256_and_si256(_mm256_srli_epi16::<4>(steps), nibble);
    let factors = _mm256_shuffle_epi8(table(&OCTAVES), octaves);
    let byte = _mm256_set1_epi16(255);
    let even = _mm256_mullo_epi16(_mm256_and_si256(mantissas, byte), _mm256_and_si256(factors, byte));
    let odd = _mm256_mullo_epi16(_mm256_srli_epi16::<8>(mantissas), _mm256_srli_epi16::<8>(factors));
    let half = _mm256_set1_epi16(64);
    let even = _mm256_srli_epi16::<7>(_mm256_add_epi16(even, half));
    let odd = _mm256_srli_epi16::<7>(_mm256_add_epi16(odd, half));
    _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd))
}

/// [`Vectors::normalised`], for all instruction sets that have AVX2's.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn normalised(stream: &[i16; 16], scale: Scale, outputs: &mut [u8; 16]) {
    let left = _mm_cvtsi32_si128(scale.exponent.max(0));
    let right = _mm_cvtsi32_si128((-scale.exponent).max(0));
    // SAFETY: the load is of a whole array.
    let x = unsafe { _mm256_loadu_si256(stream.as_ptr().cast()) };
    let aligned = _mm256_sra_epi16(_mm256_sll_epi16(x, left), right);
    let fine = _mm256_mulhrs_epi16(aligned, _mm256_set1_epi16(scale.factor));
    let normal = _mm256_srai_epi16::<4>(_mm256_add_epi16(fine, _mm256_set1_epi16(8)));
    // SAFETY: the store is of a whole array.
    unsafe { _mm_storeu_si128(outputs.as_mut_ptr().cast(), offset_bytes(normal)) }
}

/// What [`Vectors::powers_of_two`] shifts for each logit, and by how many bits to the right.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn mantissas_and_octaves(logits: &[i16; 16], largest: i16) -> (__m256i, __m256i) {
    // SAFETY: the load is of a whole array.
    let logits = unsafe { _mm256_loadu_si256(logits.as_ptr().cast()) };
    let difference = _mm256_sub_epi16(_mm256_set1_epi16(largest), logits);
    let x = _mm256_slli_epi16::<5>(_mm256_and_si256(difference, _mm256_set1_epi16(1023)));
    let mut mantissas = _mm256_set1_epi16(POWER[2]);
    for power in [POWER[1], POWER[0], i16::MAX] {
        mantissas = _mm256_sub_epi16(_mm256_set1_epi16(power), _mm256_mulhrs_epi16(x, mantissas));
    }
    (mantissas, _mm256_srli_epi16::<10>(difference))
}

/// Clamps to ±127 and adds 128.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn offset_bytes(values: __m256i) -> __m128i {
    let clamped = _mm256_max_epi16(_mm256_min_epi16(values, _mm256_set1_epi16(127)), _mm256_set1_epi16(-127));
    let offset = _mm256_add_epi16(clamped, _mm256_set1_epi16(128));
    _mm_packus_epi16(_mm256_castsi256_si128(offset), _mm256_extracti128_si256::<1>(offset))
}
