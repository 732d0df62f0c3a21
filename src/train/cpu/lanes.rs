//! Sixteen floats at a time: the primitives that the kernels are written over.

/// What products of matrices take: sixteen floats, or, as factors, sixteen pairs of smaller ones. Every method is sound only
/// where the processor has the implementing type's instructions.
pub trait Factors: Copy {
    /// Whether 32 registers hold a whole vector each, so that larger tiles pay.
    const WIDE: bool;

    /// # Safety
    /// As the trait; `from` points to 16 readable floats.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// As the trait; `to` points to 16 writable floats.
    unsafe fn store(self, to: *mut f32);
    /// # Safety
    /// As the trait.
    unsafe fn splat(value: f32) -> Self;
    /// `self·factor + addend`, the addend and the sum in floats.
    ///
    /// # Safety
    /// As the trait.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// Asks for the memory at `place` to be brought near.
    #[inline(always)]
    fn prefetch(place: *const f32) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint, which no address makes fail; all x86-64 processors have it.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(place.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = place;
    }
}

/// Sixteen floats.
pub trait Lanes: Factors {
    /// # Safety
    /// As the trait.
    unsafe fn add(self, other: Self) -> Self;
    /// # Safety
    /// As the trait.
    unsafe fn mul(self, other: Self) -> Self;
    /// # Safety
    /// As the trait.
    unsafe fn max(self, other: Self) -> Self;
    /// # Safety
    /// As the trait.
    unsafe fn min(self, other: Self) -> Self;
    /// `self` where `|measure| < limit`, elsewhere 0.
    ///
    /// # Safety
    /// As the trait.
    unsafe fn where_within(self, measure: Self, limit: Self) -> Self;
    /// `2^self` for a whole number in −126…127.
    ///
    /// # Safety
    /// As the trait.
    unsafe fn exp2_whole(self) -> Self;
    /// The nearest whole number.
    ///
    /// # Safety
    /// As the trait.
    unsafe fn round(self) -> Self;

    /// The sum of all sixteen.
    ///
    /// # Safety
    /// As the trait.
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the caller answers for the instructions; the array holds 16 floats.
        let array = unsafe { self.to_array() };
        let eight: [f32; 8] = std::array::from_fn(|i| array[i] + array[i + 8]);
        let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }

    /// The largest of all sixteen.
    ///
    /// # Safety
    /// As the trait.
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        // SAFETY: the caller answers for the instructions.
        let array = unsafe { self.to_array() };
        array.into_iter().fold(f32::MIN, f32::max)
    }

    /// # Safety
    /// As the trait.
    #[inline(always)]
    unsafe fn to_array(self) -> [f32; 16] {
        let mut array = [0.0f32; 16];
        // SAFETY: the caller answers for the instructions; the array holds 16 floats.
        unsafe { self.store(array.as_mut_ptr()) };
        array
    }

    /// `e^self`, to about 1e-7 of itself; 0 far below.
    ///
    /// # Safety
    /// As the trait.
    #[inline(always)]
    unsafe fn exp(self) -> Self {
        // SAFETY: the caller answers for the instructions.
        unsafe {
            let clamped = self.max(Self::splat(-87.0)).min(Self::splat(88.0));
            let whole = clamped.mul(Self::splat(std::f32::consts::LOG2_E)).round();
            // ln 2 in two parts, so that the remainder is exact.
            let rest = whole.mul_add(Self::splat(-0.693_359_4), clamped);
            let rest = whole.mul_add(Self::splat(2.121_944_4e-4), rest);
            let mut series = Self::splat(1.0 / 5040.0);
            for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
                series = series.mul_add(rest, Self::splat(factor));
            }
            series.mul(whole.exp2_whole())
        }
    }
}

/// Plain Rust, for the compiler to make of what it can.
#[derive(Clone, Copy)]
pub struct Portable([f32; 16]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Factors for Portable {
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises 16 readable floats; arrays of floats may lie at any float's address.
        Self(unsafe { from.cast::<[f32; 16]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises 16 writable floats.
        unsafe { to.cast::<[f32; 16]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 16])
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.zip(factor, |a, b| a * b).zip(addend, |a, b| a + b)
    }
}

impl Lanes for Portable {
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn where_within(self, measure: Self, limit: Self) -> Self {
        Self(std::array::from_fn(|i| if measure.0[i].abs() < limit.0[i] { self.0[i] } else { 0.0 }))
    }
    #[inline(always)]
    unsafe fn exp2_whole(self) -> Self {
        Self(self.0.map(|x| f32::from_bits(((x as i32 + 127) as u32) << 23)))
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        Self(self.0.map(|x| (x + 12_582_912.0) - 12_582_912.0))
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512, PairsOfAvx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Factors, Lanes};

    /// AVX-512F.
    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    impl Factors for Avx512 {
        const WIDE: bool = true;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as the trait.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
        }
    }

    impl Lanes for Avx512 {
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_min_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn where_within(self, measure: Self, limit: Self) -> Self {
            // SAFETY: as the trait.
            Self(unsafe {
                let mask = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_abs_ps(measure.0), limit.0);
                _mm512_maskz_mov_ps(mask, self.0)
            })
        }
        #[inline(always)]
        unsafe fn exp2_whole(self) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_scalef_ps(_mm512_set1_ps(1.0), self.0) })
        }
        #[inline(always)]
        unsafe fn round(self) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
        }
    }

    /// AVX-512 with products of bfloat16: as a factor, sixteen pairs of them, the earlier in the lower half; elsewhere, sixteen
    /// floats.
    #[derive(Clone, Copy)]
    pub struct PairsOfAvx512(__m512);

    impl PairsOfAvx512 {
        /// Rounds 16 floats at `upper` and 16 at `lower`, and writes the pairs of neighbours in each, eight to a row, and the
        /// pairs of each upper float with the lower one.
        ///
        /// # Safety
        /// As the trait, for what each pointer is said to point to.
        #[inline(always)]
        pub unsafe fn pair(rows: [*const f32; 2], across: [*mut u32; 2], down: *mut u32) {
            // SAFETY: as the trait.
            unsafe {
                let half = |row| std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(row)));
                let halves = rows.map(half);
                across.into_iter().zip(halves).for_each(|(to, half)| _mm256_storeu_si256(to.cast(), half));
                let [upper, lower] = halves.map(|half| _mm512_cvtepu16_epi32(half));
                _mm512_storeu_si512(down.cast(), _mm512_or_si512(upper, _mm512_slli_epi32::<16>(lower)));
            }
        }
    }

    impl Factors for PairsOfAvx512 {
        const WIDE: bool = true;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as the trait.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as the trait.
            Self(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: as the trait; both types are 512 bits.
            Self(unsafe {
                let [left, right] = [self, factor].map(|pairs| std::mem::transmute::<__m512, __m512bh>(pairs.0));
                _mm512_dpbf16_ps(addend.0, left, right)
            })
        }
    }

    /// AVX2 with FMA: two registers.
    #[derive(Clone, Copy)]
    pub struct Avx2(__m256, __m256);

    impl Factors for Avx2 {
        const WIDE: bool = false;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as the trait.
            unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as the trait.
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as the trait.
            unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: as the trait.
            unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1)) }
        }
    }

    impl Lanes for Avx2 {
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as the trait.
            unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: as the trait.
            unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: as the trait.
            unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            // SAFETY: as the trait.
            unsafe { Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn where_within(self, measure: Self, limit: Self) -> Self {
            // SAFETY: as the trait.
            unsafe {
                let half = |value, measure, limit| {
                    let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), measure);
                    _mm256_and_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(magnitude, limit), value)
                };
                Self(half(self.0, measure.0, limit.0), half(self.1, measure.1, limit.1))
            }
        }
        #[inline(always)]
        unsafe fn exp2_whole(self) -> Self {
            // SAFETY: as the trait.
            unsafe {
                let half = |value| {
                    let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(value), _mm256_set1_epi32(127));
                    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
                };
                Self(half(self.0), half(self.1))
            }
        }
        #[inline(always)]
        unsafe fn round(self) -> Self {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            // SAFETY: as the trait.
            unsafe { Self(_mm256_round_ps::<NEAREST>(self.0), _mm256_round_ps::<NEAREST>(self.1)) }
        }
    }
}
