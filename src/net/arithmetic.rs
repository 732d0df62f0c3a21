//! The integer functions of the network that stand in for 1/√x, 2ˣ and log₂ x.

/// `(value·factor + 2¹⁴) >> 15`: a product in 2⁻¹⁵, rounded to nearest (x86 `pmulhrsw`).
///
/// Factors are never −32768, so the result fits.
#[inline(always)]
pub fn multiply_high(value: i16, factor: i16) -> i16 {
    ((i32::from(value) * i32::from(factor) + (1 << 14)) >> 15) as i16
}

/// Brings a 32-bit sum back to 16 bits: saturating shift, then the row's factor.
#[inline(always)]
pub fn requantise(sum: i32, shift: u8, multiplier: i16) -> i16 {
    let shifted = (sum >> shift).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    multiply_high(shifted, multiplier)
}

/// How a vector of the residual stream is scaled to unit root mean square: `x → multiply_high(x·2^exponent, factor)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Left shift if positive, arithmetic right shift if negative.
    pub exponent: i32,
    /// Factor in 2⁻¹⁵ that brings the root mean square to 512.
    pub factor: i16,
}

const RECIPROCAL_ROOTS: [u32; 192] = reciprocal_roots();

/// `⌊√(2⁶⁰ / v)⌋` at the middle `v = (2i + 129)·2²¹` of each of the 192 steps of `[2²⁸, 2³⁰)`.
const fn reciprocal_roots() -> [u32; 192] {
    let mut table = [0; 192];
    let mut i = 0;
    while i < 192 {
        table[i] = ((1u64 << 60) / ((2 * i as u64 + 129) << 21)).isqrt() as u32;
        i += 1;
    }
    table
}

/// The scale for a vector whose squares sum to `squares`, given `root_width` = `⌊√(width·2¹⁶)⌋`.
///
/// One Newton step for 1/√v from a table, relative error below 2⁻¹⁵.
#[inline(always)]
pub fn scale_for(squares: u64, root_width: u32) -> Scale {
    let squares = squares.max(1);
    let length = (64 - squares.leading_zeros()) as i32;
    let exponent = (30 - length).div_euclid(2);
    let v = if exponent >= 0 { squares << (2 * exponent) } else { squares >> (-2 * exponent) };
    let guess = u64::from(RECIPROCAL_ROOTS[(v >> 22) as usize - 64]);
    let product = ((v * guess) >> 30) * guess;
    let root = (guess * ((3 << 30) - product)) >> 31;
    Scale { exponent, factor: ((root * u64::from(root_width)) >> 14) as i16 }
}

/// One element of a normalised vector, in 1/32 of the root mean square, offset by 128.
#[inline(always)]
pub fn normalised(x: i16, scale: Scale) -> u8 {
    let aligned = if scale.exponent >= 0 { x << scale.exponent } else { x >> -scale.exponent };
    let fine = multiply_high(aligned, scale.factor);
    (((fine + 8) >> 4).clamp(-127, 127) + 128) as u8
}

/// `⌊255·2^(−i/16) + ½⌋`: one octave of attention's exponential.
pub const EXPONENTIALS: [u8; 16] = [255, 244, 234, 224, 214, 205, 197, 188, 180, 173, 165, 158, 152, 145, 139, 133];

/// `2^(7 − o)` for the octaves `o` below eight, zero from there on.
pub const OCTAVES: [u8; 16] = [128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Attention's `2^(−z/16)` in 1/255, zero from eight octaves on.
#[inline(always)]
pub const fn exponential(z: u32) -> u8 {
    if z > 255 {
        return 0;
    }
    let product = EXPONENTIALS[(z & 15) as usize] as u32 * OCTAVES[(z >> 4) as usize] as u32;
    ((product + 64) >> 7) as u8
}

/// How `Σ e·v / Σ e` is taken: the sums are shifted right by `shift`, then multiplied by `factor` in 2⁻¹⁵.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reciprocal {
    /// Brings the sum of exponentials to at most nine bits.
    pub shift: u32,
    /// `2^(22 + shift) / Σ e`, which makes the quotient come out in 1/128.
    pub factor: i16,
}

/// The reciprocal of a sum of exponentials, which is at least 255 (the largest score's own).
#[inline(always)]
pub fn reciprocal(sum: u32) -> Reciprocal {
    let shift = (32 - sum.leading_zeros()).saturating_sub(9);
    Reciprocal { shift, factor: ((1u32 << (22 + shift)) / sum) as i16 }
}

/// One element of a head's output, in half steps of the values, offset by 128.
#[inline(always)]
pub fn averaged(sum: i32, reciprocal: Reciprocal) -> u8 {
    let fine = multiply_high((sum >> reciprocal.shift) as i16, reciprocal.factor);
    (((fine + 32) >> 6).clamp(-127, 127) + 128) as u8
}

/// Coefficients, in 2⁻¹⁵, of the cubic for `1 − 2⁻ˣ` on `[0, 1)` that [`power_of_two`] takes.
pub const POWER: [i16; 3] = [22662, 7575, 1297];

/// A softmax leaf: `2²⁴·2^(−difference/1024)`, about, at least 1.
#[inline(always)]
pub fn power_of_two(difference: u16) -> u32 {
    let x = ((difference & 1023) << 5) as i16;
    let inner = POWER[1] - multiply_high(x, POWER[2]);
    let outer = POWER[0] - multiply_high(x, inner);
    let mantissa = (i16::MAX - multiply_high(x, outer)) as u32;
    let octaves = u32::from(difference >> 10);
    ((mantissa << 9) >> octaves.min(31)) + 1
}

const LOGARITHMS: [u16; 256] = logarithms();

/// log₂(1 + (2i + 1)/512) in 1/256, rounded down, by repeated squaring of a 31-bit mantissa.
const fn logarithms() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut mantissa = (513 + 2 * i as u64) << 22;
        let mut bits = 0;
        let mut logarithm = 0;
        while bits < 8 {
            mantissa = (mantissa * mantissa) >> 31;
            logarithm <<= 1;
            if mantissa >> 32 != 0 {
                logarithm |= 1;
                mantissa >>= 1;
            }
            bits += 1;
        }
        table[i] = logarithm;
        i += 1;
    }
    table
}

/// log₂ of a positive number in 1/256.
#[inline(always)]
pub fn logarithm(value: u32) -> i32 {
    let whole = 31 - value.leading_zeros();
    let mantissa = (value << value.leading_zeros()) >> 23;
    (whole << 8) as i32 + i32::from(LOGARITHMS[(mantissa & 255) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The root by exact integer search, independent of tables and Newton steps.
    fn exact_factor(squares: u64, width: u64, exponent: i32) -> u64 {
        let v =
            if exponent >= 0 { u128::from(squares) << (2 * exponent) } else { u128::from(squares >> (-2 * exponent)) };
        ((u128::from(width) << 48) / v).isqrt() as u64
    }

    proptest! {
        #[test]
        fn the_scale_is_the_reciprocal_root(squares in 1u64..1 << 38, width in prop::sample::select(vec![16u64, 64, 96, 128, 256])) {
            let scale = scale_for(squares, (width << 16).isqrt() as u32);
            let exact = exact_factor(squares, width, scale.exponent);
            prop_assert!(u64::try_from(scale.factor).unwrap().abs_diff(exact) <= 2 + exact / 4096);
        }
    }

    #[test]
    fn the_exponential_halves_every_sixteen_steps() {
        for z in 0..128u32 {
            let mantissa = u32::from(EXPONENTIALS[(z % 16) as usize]);
            assert_eq!(u32::from(exponential(z)), (mantissa * (256 >> (z / 16)) + 128) >> 8);
        }
        assert!((128..300).all(|z| exponential(z) == 0) && exponential(u32::MAX) == 0);
    }

    #[test]
    fn a_leaf_never_grows_with_the_difference_and_halves_each_octave() {
        assert_eq!(power_of_two(0), (32767 << 9) + 1);
        assert!((0..u16::MAX).all(|d| power_of_two(d + 1) <= power_of_two(d)));
        for octave in 0..20u16 {
            let halved = power_of_two(octave << 10) >> 1;
            assert!(power_of_two((octave + 1) << 10).abs_diff(halved) <= 2 + halved / 4096);
        }
    }

    #[test]
    fn the_logarithm_is_monotone_and_exact_at_powers_of_two() {
        assert!((0..31).all(|k| logarithm(1 << k) == k << 8));
        assert!((1..1 << 16).all(|v| logarithm(v) <= logarithm(v + 1)));
        assert_eq!(logarithm(3), 406);
    }

    #[test]
    fn the_reciprocal_averages_to_the_common_value() {
        for count in 1..=256 {
            let sum = 255 * count;
            for value in -63..=63 {
                assert_eq!(
                    i32::from(averaged(sum as i32 * value, reciprocal(sum))),
                    128 + 2 * value,
                    "{count} {value}"
                );
            }
        }
    }
}
