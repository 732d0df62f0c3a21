//! The loops over vectors: plain Rust, and the same in AVX2 where the compiler does not find it by itself.

use super::logistic::Logistic;
use super::mixer::WEIGHT_MAX;
use super::slots::learn_slot;

/// The primitives; every implementation gives the same results.
pub trait Kernel {
    /// The sum of (weight · input) >> 8. Equal lengths, multiples of 8.
    fn dot(weights: &[i32], inputs: &[i32]) -> i32;

    /// Adds (input · error + 2^15) >> 16 to each weight, within ±[`WEIGHT_MAX`].
    fn train(weights: &mut [i32], inputs: &[i32], error: i32);

    /// The inputs of eight slots: their probabilities' log-odds, and distances from one half in 1/2^12.
    fn read(slots: &[u32; 8], logistic: &Logistic, octaves: &mut [i32; 8], distances: &mut [i32; 8]);

    /// [`learn_slot`] for eight slots.
    fn learn(slots: &mut [u32; 8], bit: bool, rates: &[i32; 64]);
}

/// The oracle of the others.
pub struct Portable;

impl Kernel for Portable {
    #[inline(always)]
    fn dot(weights: &[i32], inputs: &[i32]) -> i32 {
        weights.iter().zip(inputs).map(|(weight, input)| (weight * input) >> 8).sum()
    }

    #[inline(always)]
    fn train(weights: &mut [i32], inputs: &[i32], error: i32) {
        for (weight, input) in weights.iter_mut().zip(inputs) {
            *weight = (*weight + ((input * error + (1 << 15)) >> 16)).clamp(-WEIGHT_MAX, WEIGHT_MAX);
        }
    }

    #[inline(always)]
    fn read(slots: &[u32; 8], logistic: &Logistic, octaves: &mut [i32; 8], distances: &mut [i32; 8]) {
        for (index, &slot) in slots.iter().enumerate() {
            octaves[index] = logistic.stretch((slot ^ 1 << 31) >> 16);
            distances[index] = slot as i32 >> 20;
        }
    }

    #[inline(always)]
    fn learn(slots: &mut [u32; 8], bit: bool, rates: &[i32; 64]) {
        for slot in slots {
            *slot = learn_slot(*slot, bit, rates);
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::super::logistic::{FINE, Logistic};
    use super::super::mixer::WEIGHT_MAX;
    use super::super::slots::{COUNT_SHIFT, HALF, PROBABILITY_SHIFT};
    use super::Kernel;

    /// To be used only by code that is compiled for AVX2 and runs where it is present.
    pub struct Avx2;

    impl Kernel for Avx2 {
        #[inline(always)]
        fn dot(weights: &[i32], inputs: &[i32]) -> i32 {
            // SAFETY: the loads are of eight values within the chunks; AVX2 is present by the type's contract.
            unsafe {
                let mut sums = _mm256_setzero_si256();
                for (weights, inputs) in weights.as_chunks::<8>().0.iter().zip(inputs.as_chunks::<8>().0) {
                    let weights = _mm256_loadu_si256(weights.as_ptr().cast());
                    let inputs = _mm256_loadu_si256(inputs.as_ptr().cast());
                    sums = _mm256_add_epi32(sums, _mm256_srai_epi32(_mm256_mullo_epi32(weights, inputs), 8));
                }
                let halves = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
                let pairs = _mm_add_epi32(halves, _mm_shuffle_epi32(halves, 0b01_00_11_10));
                _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0b10_11_00_01)))
            }
        }

        #[inline(always)]
        fn train(weights: &mut [i32], inputs: &[i32], error: i32) {
            // SAFETY: as above; the stores are of eight values within the chunk.
            unsafe {
                let (error, half) = (_mm256_set1_epi32(error), _mm256_set1_epi32(1 << 15));
                let (least, most) = (_mm256_set1_epi32(-WEIGHT_MAX), _mm256_set1_epi32(WEIGHT_MAX));
                for (weights, inputs) in weights.as_chunks_mut::<8>().0.iter_mut().zip(inputs.as_chunks::<8>().0) {
                    let inputs = _mm256_loadu_si256(inputs.as_ptr().cast());
                    let step = _mm256_srai_epi32(_mm256_add_epi32(_mm256_mullo_epi32(inputs, error), half), 16);
                    let moved = _mm256_add_epi32(_mm256_loadu_si256(weights.as_ptr().cast()), step);
                    let bounded = _mm256_max_epi32(_mm256_min_epi32(moved, most), least);
                    _mm256_storeu_si256(weights.as_mut_ptr().cast(), bounded);
                }
            }
        }

        #[inline(always)]
        fn read(slots: &[u32; 8], logistic: &Logistic, octaves: &mut [i32; 8], distances: &mut [i32; 8]) {
            // SAFETY: as above; the gather reads four bytes at entries of two, and one more entry ends the table.
            unsafe {
                let slots = _mm256_loadu_si256(slots.as_ptr().cast());
                let probability = _mm256_srli_epi32(_mm256_xor_si256(slots, _mm256_set1_epi32(i32::MIN)), 16);
                let upper = _mm256_cmpgt_epi32(probability, _mm256_set1_epi32((1 << 15) - 1));
                let other = _mm256_sub_epi32(_mm256_set1_epi32(1 << 16), probability);
                let small = _mm256_min_epi32(probability, other);
                let fine = _mm256_set1_epi32(FINE as i32);
                let coarse = _mm256_add_epi32(fine, _mm256_srli_epi32(_mm256_sub_epi32(small, fine), 4));
                let entry = _mm256_blendv_epi8(coarse, small, _mm256_cmpgt_epi32(fine, small));
                let pairs = _mm256_i32gather_epi32::<2>(logistic.entries().as_ptr().cast(), entry);
                let lower = _mm256_srai_epi32(_mm256_slli_epi32(pairs, 16), 16);
                let signed = _mm256_sub_epi32(_mm256_xor_si256(lower, upper), upper);
                _mm256_storeu_si256(octaves.as_mut_ptr().cast(), signed);
                _mm256_storeu_si256(distances.as_mut_ptr().cast(), _mm256_srai_epi32(slots, 20));
            }
        }

        #[inline(always)]
        fn learn(slots: &mut [u32; 8], bit: bool, rates: &[i32; 64]) {
            // SAFETY: as above; the gather's indices are below 64.
            unsafe {
                let target = _mm256_set1_epi32(if bit { HALF - 1 } else { -HALF });
                let old = _mm256_loadu_si256(slots.as_ptr().cast());
                let count = _mm256_and_si256(_mm256_srli_epi32(old, COUNT_SHIFT as i32), _mm256_set1_epi32(63));
                let rate = _mm256_i32gather_epi32::<4>(rates.as_ptr(), count);
                let probability = _mm256_srai_epi32(old, PROBABILITY_SHIFT as i32);
                let step = _mm256_srai_epi32(_mm256_mullo_epi32(_mm256_sub_epi32(target, probability), rate), 8);
                let moved = _mm256_slli_epi32(_mm256_add_epi32(probability, step), PROBABILITY_SHIFT as i32);
                let next = _mm256_min_epi32(_mm256_add_epi32(count, _mm256_set1_epi32(1)), _mm256_set1_epi32(63));
                let shifted = _mm256_or_si256(_mm256_slli_epi32(old, 1), _mm256_set1_epi32(i32::from(bit)));
                let history = _mm256_and_si256(shifted, _mm256_set1_epi32(15));
                let low = _mm256_or_si256(_mm256_slli_epi32(next, COUNT_SHIFT as i32), history);
                _mm256_storeu_si256(slots.as_mut_ptr().cast(), _mm256_or_si256(moved, low));
            }
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn avx2_gives_what_plain_rust_gives(
            pairs in proptest::collection::vec((-WEIGHT_MAX..=WEIGHT_MAX, -4095..=4095i32), 40),
            slots: [u32; 8],
            error in -500_000..=500_000i32,
            bit: bool,
        ) {
            if !is_x86_feature_detected!("avx2") {
                return Ok(());
            }
            let (weights, inputs): (Vec<i32>, Vec<i32>) = pairs.into_iter().unzip();
            prop_assert_eq!(Portable::dot(&weights, &inputs), Avx2::dot(&weights, &inputs));
            let (mut plain, mut fast) = (weights.clone(), weights);
            Portable::train(&mut plain, &inputs, error);
            Avx2::train(&mut fast, &inputs, error);
            prop_assert_eq!(plain, fast);
            let (mut plain, mut fast) = ([[0; 8]; 2], [[0; 8]; 2]);
            let [octaves, distances] = &mut plain;
            Portable::read(&slots, crate::predict::logistic::tables(), octaves, distances);
            let [octaves, distances] = &mut fast;
            Avx2::read(&slots, crate::predict::logistic::tables(), octaves, distances);
            prop_assert_eq!(plain, fast);
            let rates = std::array::from_fn(|count| 170 - count as i32);
            let (mut plain, mut fast) = (slots, slots);
            Portable::learn(&mut plain, bit, &rates);
            Avx2::learn(&mut fast, bit, &rates);
            prop_assert_eq!(plain, fast);
        }
    }
}
