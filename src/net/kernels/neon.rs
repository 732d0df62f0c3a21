//! 64-bit Arm with NEON, which every such processor has: products of signed bytes, summed in pairs.

use std::arch::aarch64::*;

use super::super::arithmetic::{EXPONENTIALS, OCTAVES, POWER, Reciprocal, Scale};
use super::vectors::{Vectors, Work};

/// Proof that the processor has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// The kernel, if this processor can run it.
    pub fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

// SAFETY, of all blocks below: `self` proves the instruction set, and each load and store is within an array.
impl Vectors for Neon {
    type Sums = [int32x4_t; 4];
    type Unsigned = [int8x16_t; 4];
    type Signed = [int8x16_t; 4];

    const ZERO: i32 = 128;
    const SUMS: usize = 4;

    fn enter(self, work: impl Work) {
        work.run(self);
    }

    #[inline(always)]
    fn zero(self) -> [int32x4_t; 4] {
        // SAFETY: as above.
        unsafe { [vdupq_n_s32(0); 4] }
    }

    #[inline(always)]
    fn sums(self, numbers: &[i32; 16]) -> [int32x4_t; 4] {
        // SAFETY: as above.
        unsafe { each(|part| vld1q_s32(numbers.as_ptr().add(4 * part))) }
    }

    #[inline(always)]
    fn store(self, sums: [int32x4_t; 4], numbers: &mut [i32; 16]) {
        for (numbers, sums) in numbers.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
            // SAFETY: as above.
            unsafe { vst1q_s32(numbers.as_mut_ptr(), sums) };
        }
    }

    #[inline(always)]
    fn total(self, sums: [int32x4_t; 4]) -> i32 {
        // SAFETY: as above.
        unsafe { vaddvq_s32(vaddq_s32(vaddq_s32(sums[0], sums[1]), vaddq_s32(sums[2], sums[3]))) }
    }

    #[inline(always)]
    fn largest(self, sums: [int32x4_t; 4]) -> i32 {
        // SAFETY: as above.
        unsafe { vmaxvq_s32(vmaxq_s32(vmaxq_s32(sums[0], sums[1]), vmaxq_s32(sums[2], sums[3]))) }
    }

    #[inline(always)]
    fn larger(self, one: [int32x4_t; 4], other: [int32x4_t; 4]) -> [int32x4_t; 4] {
        // SAFETY: as above.
        unsafe { each(|part| vmaxq_s32(one[part], other[part])) }
    }

    #[inline(always)]
    fn unsigned(self, quads: &[u8; 64]) -> [int8x16_t; 4] {
        // SAFETY: as above.
        unsafe { each(|part| less_128(vld1q_u8(quads.as_ptr().add(16 * part)))) }
    }

    #[inline(always)]
    fn signed(self, quads: &[i8; 64]) -> [int8x16_t; 4] {
        // SAFETY: as above.
        unsafe { each(|part| vld1q_s8(quads.as_ptr().add(16 * part))) }
    }

    #[inline(always)]
    fn spread_unsigned(self, quad: &[u8; 4]) -> [int8x16_t; 4] {
        // SAFETY: as above.
        unsafe { [less_128(vreinterpretq_u8_u32(vdupq_n_u32(u32::from_ne_bytes(*quad)))); 4] }
    }

    #[inline(always)]
    fn spread_signed(self, quad: &[i8; 4]) -> [int8x16_t; 4] {
        // SAFETY: as above.
        unsafe { [vreinterpretq_s8_u32(vdupq_n_u32(u32::from_ne_bytes(quad.map(|byte| byte as u8)))); 4] }
    }

    #[inline(always)]
    fn dot(self, sums: [int32x4_t; 4], unsigned: [int8x16_t; 4], signed: [int8x16_t; 4]) -> [int32x4_t; 4] {
        // SAFETY: as above.
        unsafe {
            each(|part| {
                let low = vmull_s8(vget_low_s8(unsigned[part]), vget_low_s8(signed[part]));
                let high = vmull_high_s8(unsigned[part], signed[part]);
                vpadalq_s16(sums[part], vpaddq_s16(low, high))
            })
        }
    }

    #[inline(always)]
    fn requantise(self, sums: [int32x4_t; 4], shift: u8, multipliers: &[i16; 16], outputs: &mut [i16; 16]) {
        // SAFETY: as above.
        unsafe {
            let shifted = shift_to_16(sums, shift.into());
            for (half, shifted) in shifted.into_iter().enumerate() {
                let multipliers = vld1q_s16(multipliers.as_ptr().add(8 * half));
                vst1q_s16(outputs.as_mut_ptr().add(8 * half), vqrdmulhq_s16(shifted, multipliers));
            }
        }
    }

    #[inline(always)]
    fn exponentials(self, scores: &[[i32; 16]; 4], largest: i32, shift: u8, outputs: &mut [u8; 64]) {
        for (scores, outputs) in scores.iter().zip(outputs.as_chunks_mut::<16>().0) {
            // SAFETY: as above.
            unsafe { exponentials(self.sums(scores), largest, shift, outputs) };
        }
    }

    #[inline(always)]
    fn average(self, sums: [int32x4_t; 4], reciprocal: Reciprocal, outputs: &mut [u8; 16]) {
        // SAFETY: as above.
        unsafe {
            let factor = vdupq_n_s16(reciprocal.factor);
            let [low, high] = shift_to_16(sums, reciprocal.shift as i32);
            let halves = |sums| vrshrq_n_s16::<6>(vqrdmulhq_s16(sums, factor));
            vst1q_u8(outputs.as_mut_ptr(), offset_bytes(halves(low), halves(high)));
        }
    }

    #[inline(always)]
    fn squares(self, stream: &[[i16; 16]]) -> u64 {
        // SAFETY: as above.
        unsafe {
            let mut sums = vdupq_n_u64(0);
            for x in stream.as_flattened().as_chunks::<8>().0 {
                let x = vld1q_s16(x.as_ptr());
                sums = vpadalq_u32(sums, vreinterpretq_u32_s32(vmull_s16(vget_low_s16(x), vget_low_s16(x))));
                sums = vpadalq_u32(sums, vreinterpretq_u32_s32(vmull_high_s16(x, x)));
            }
            vaddvq_u64(sums)
        }
    }

    #[inline(always)]
    fn normalised(self, stream: &[i16; 16], scale: Scale, outputs: &mut [u8; 16]) {
        // SAFETY: as above.
        unsafe {
            let (exponent, factor) = (vdupq_n_s16(scale.exponent as i16), vdupq_n_s16(scale.factor));
            let normal = |half: usize| {
                let aligned = vshlq_s16(vld1q_s16(stream.as_ptr().add(8 * half)), exponent);
                vrshrq_n_s16::<4>(vqrdmulhq_s16(aligned, factor))
            };
            vst1q_u8(outputs.as_mut_ptr(), offset_bytes(normal(0), normal(1)));
        }
    }

    #[inline(always)]
    fn powers_of_two(self, logits: &[i16; 16], largest: i16, outputs: &mut [u32; 16]) {
        let halves = logits.as_chunks::<8>().0.iter().zip(outputs.as_chunks_mut::<8>().0);
        for (logits, outputs) in halves {
            // SAFETY: as above.
            unsafe { powers_of_two(logits, largest, outputs) };
        }
    }
}

/// An operation on each of the four parts of sixteen numbers or quads.
#[inline(always)]
fn each<T>(operation: impl Fn(usize) -> T) -> [T; 4] {
    [operation(0), operation(1), operation(2), operation(3)]
}

#[inline]
#[target_feature(enable = "neon")]
fn less_128(bytes: uint8x16_t) -> int8x16_t {
    vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(128)))
}

/// Shifts sixteen sums right and saturates them to 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn shift_to_16(sums: [int32x4_t; 4], shift: i32) -> [int16x8_t; 2] {
    let [a, b, c, d] = sums.map(|sums| vqmovn_s32(vshlq_s32(sums, vdupq_n_s32(-shift))));
    [vcombine_s16(a, b), vcombine_s16(c, d)]
}

/// Clamps to ±127 and adds 128.
#[inline]
#[target_feature(enable = "neon")]
fn offset_bytes(low: int16x8_t, high: int16x8_t) -> uint8x16_t {
    let bytes = vmaxq_s8(vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)), vdupq_n_s8(-127));
    veorq_u8(vreinterpretq_u8_s8(bytes), vdupq_n_u8(128))
}

#[inline]
#[target_feature(enable = "neon")]
fn exponentials(scores: [int32x4_t; 4], largest: i32, shift: u8, outputs: &mut [u8; 16]) {
    let (largest, shift) = (vdupq_n_s32(largest), vdupq_n_s32(-i32::from(shift)));
    let [a, b, c, d] = scores.map(|score| {
        let steps = vshlq_u32(vreinterpretq_u32_s32(vsubq_s32(largest, score)), shift);
        vqmovn_u32(steps)
    });
    let steps = vcombine_u8(vqmovn_u16(vcombine_u16(a, b)), vqmovn_u16(vcombine_u16(c, d)));
    // SAFETY: both tables are 16 bytes.
    let (mantissas, octaves) = unsafe { (vld1q_u8(EXPONENTIALS.as_ptr()), vld1q_u8(OCTAVES.as_ptr())) };
    let mantissas = vqtbl1q_u8(mantissas, vandq_u8(steps, vdupq_n_u8(15)));
    let factors = vqtbl1q_u8(octaves, vshrq_n_u8::<4>(steps));
    let low = vrshrn_n_u16::<7>(vmull_u8(vget_low_u8(mantissas), vget_low_u8(factors)));
    let high = vrshrn_n_u16::<7>(vmull_high_u8(mantissas, factors));
    // SAFETY: the outputs are 16 bytes.
    unsafe { vst1q_u8(outputs.as_mut_ptr(), vcombine_u8(low, high)) };
}

#[inline]
#[target_feature(enable = "neon")]
fn powers_of_two(logits: &[i16; 8], largest: i16, outputs: &mut [u32; 8]) {
    // SAFETY: there are 8 logits.
    let logits = unsafe { vld1q_s16(logits.as_ptr()) };
    let difference = vreinterpretq_u16_s16(vsubq_s16(vdupq_n_s16(largest), logits));
    let x = vreinterpretq_s16_u16(vshlq_n_u16::<5>(vandq_u16(difference, vdupq_n_u16(1023))));
    let step = |power: i16, y| vsubq_s16(vdupq_n_s16(power), vqrdmulhq_s16(x, y));
    let mantissa = step(i16::MAX, step(POWER[0], step(POWER[1], vdupq_n_s16(POWER[2]))));
    let (mantissa, octaves) = (vreinterpretq_u16_s16(mantissa), vshrq_n_u16::<10>(difference));
    let leaves = |mantissa, octaves| {
        let right = vnegq_s32(vreinterpretq_s32_u32(vmovl_u16(octaves)));
        vaddq_u32(vshlq_u32(vshll_n_u16::<9>(mantissa), right), vdupq_n_u32(1))
    };
    let low = leaves(vget_low_u16(mantissa), vget_low_u16(octaves));
    let high = leaves(vget_high_u16(mantissa), vget_high_u16(octaves));
    // SAFETY: the outputs are 32 bytes.
    unsafe {
        vst1q_u32(outputs.as_mut_ptr(), low);
        vst1q_u32(outputs.as_mut_ptr().add(4), high);
    }
}
