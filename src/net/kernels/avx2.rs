//! x86-64 with AVX2. Its byte products saturate at 16 bits, which weights within ±63 cannot reach.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::super::arithmetic::{EXPONENTIALS, POWER, Reciprocal, Scale, power_of_two, reciprocal, scale_for};
use super::super::weights::Matrix;
use super::quads::{self, Cache};
use super::{AttentionShape, Kernel};

/// Proof that the processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The kernel, if this processor can run it.
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// By sixteen rows and then by four columns: two vectors hold `[8 rows][4 columns]` each.
pub struct Packed {
    rows: usize,
    columns: usize,
    weights: Vec<[__m256i; 2]>,
    offsets: Vec<[__m256i; 2]>,
    multipliers: Vec<__m256i>,
    shift: u8,
}

impl Kernel for Avx2 {
    type Packed = Packed;
    type Cache = Cache;

    fn pack(self, matrix: &Matrix, offset: bool) -> Packed {
        // SAFETY: all are plain integers of the same sizes.
        unsafe {
            Packed {
                rows: matrix.rows,
                columns: matrix.columns,
                weights: quads::weights(matrix).map(|bytes| transmute::<[i8; 64], [__m256i; 2]>(bytes)).collect(),
                offsets: quads::by_sixteen(&matrix.row_offsets(offset))
                    .map(|offsets| transmute::<[i32; 16], [__m256i; 2]>(offsets))
                    .collect(),
                multipliers: quads::by_sixteen(&matrix.multipliers)
                    .map(|multipliers| transmute::<[i16; 16], __m256i>(multipliers))
                    .collect(),
                shift: matrix.shift,
            }
        }
    }

    fn product(self, matrix: &Packed, inputs: &[u8], outputs: &mut [i16], team: usize) {
        let (columns, rows) = (matrix.columns, matrix.rows);
        assert!(inputs.len() >= team * columns && outputs.len() >= team * rows);
        for first in (0..team).step_by(4) {
            let inputs = &inputs[first * columns..];
            let outputs = &mut outputs[first * rows..];
            // SAFETY: `self` proves the instruction set, the assertion above and the slices the lengths.
            unsafe {
                match team - first {
                    1 => product::<1>(matrix, inputs, outputs),
                    2 => product::<2>(matrix, inputs, outputs),
                    3 => product::<3>(matrix, inputs, outputs),
                    _ => product::<4>(matrix, inputs, outputs),
                }
            }
        }
    }

    fn normalise(self, stream: &[i16], root_width: u32, outputs: &mut [u8]) {
        assert!(stream.len().is_multiple_of(16) && outputs.len() >= stream.len());
        // SAFETY: `self` proves the instruction set, the assertion the lengths.
        unsafe {
            let scale = scale_for(sum_of_squares(stream), root_width);
            normalise(stream, scale, outputs);
        }
    }

    fn cache(self, shape: &AttentionShape) -> Cache {
        Cache::new(shape)
    }

    fn remember(self, cache: &mut Cache, shape: &AttentionShape, slot: usize, key: &[i16], value: &[i16]) {
        cache.remember(shape, slot, key, value);
    }

    fn attend(
        self,
        cache: &mut Cache,
        shape: &AttentionShape,
        queries: &[i8],
        bias: &[i32],
        start: usize,
        outputs: &mut [u8],
    ) {
        let (window, width) = (shape.window, shape.head_width);
        cache.check(shape);
        for head in 0..shape.heads {
            let bias = &bias[head * (2 * window - 1) + start..][..window];
            let queries = &queries[head * width..][..width];
            let outputs = &mut outputs[head * width..][..width];
            // SAFETY: `self` proves the instruction set, the assertions and slices the lengths.
            unsafe { attend_head(cache, shape, queries, bias, outputs) };
        }
    }

    fn leaves(self, logits: &[i16], outputs: &mut [u32]) {
        assert!(outputs.len() >= logits.len());
        let largest = logits.iter().copied().max().unwrap_or(0);
        let whole = logits.len() / 16 * 16;
        for (logits, outputs) in logits.chunks_exact(16).zip(outputs.chunks_exact_mut(16)) {
            // SAFETY: `self` proves the instruction set; both chunks have 16 numbers.
            unsafe { leaves(logits, largest, outputs) };
        }
        for (&logit, output) in logits[whole..].iter().zip(&mut outputs[whole..]) {
            *output = power_of_two((i32::from(largest) - i32::from(logit)) as u16);
        }
    }
}

/// Multiplies all rows with `TEAM` vectors, sixteen rows at a time with their sums in registers.
#[target_feature(enable = "avx2")]
unsafe fn product<const TEAM: usize>(matrix: &Packed, inputs: &[u8], outputs: &mut [i16]) {
    let chunks = matrix.columns / 4;
    let shift = _mm_cvtsi32_si128(matrix.shift.into());
    for (group, weights) in matrix.weights.chunks_exact(chunks).enumerate() {
        let mut sums = [matrix.offsets[group]; TEAM];
        for (chunk, weights) in weights.iter().enumerate() {
            for (lane, sums) in sums.iter_mut().enumerate() {
                // SAFETY: inputs hold TEAM vectors of `4·chunks` bytes.
                let input = unsafe { inputs.as_ptr().add(4 * (lane * chunks + chunk)).cast::<i32>().read_unaligned() };
                let input = _mm256_set1_epi32(input);
                sums[0] = dot(sums[0], input, weights[0]);
                sums[1] = dot(sums[1], input, weights[1]);
            }
        }
        let row = 16 * group;
        for (lane, sums) in sums.iter().enumerate() {
            let shifted = pack_16(_mm256_sra_epi32(sums[0], shift), _mm256_sra_epi32(sums[1], shift));
            let scaled = _mm256_mulhrs_epi16(shifted, matrix.multipliers[group]);
            let output = &mut outputs[lane * matrix.rows + row..(lane + 1) * matrix.rows];
            match output.first_chunk_mut::<16>() {
                // SAFETY: the chunk is 32 bytes.
                Some(output) => unsafe { _mm256_storeu_si256(output.as_mut_ptr().cast(), scaled) },
                None => {
                    // SAFETY: both are 32 bytes of plain integers.
                    let last = unsafe { transmute::<__m256i, [i16; 16]>(scaled) };
                    output.copy_from_slice(&last[..output.len()]);
                }
            }
        }
    }
}

/// Adds the dot products of four bytes, unsigned with signed within ±63, to eight sums.
#[inline]
#[target_feature(enable = "avx2")]
fn dot(sums: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(unsigned, signed);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

/// Saturates sixteen numbers to 16 bits, in their order.
#[inline]
#[target_feature(enable = "avx2")]
fn pack_16(low: __m256i, high: __m256i) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high))
}

#[target_feature(enable = "avx2")]
unsafe fn sum_of_squares(stream: &[i16]) -> u64 {
    let mut sums = _mm256_setzero_si256();
    for x in stream.chunks_exact(16) {
        // SAFETY: a chunk is 32 bytes.
        let x = unsafe { _mm256_loadu_si256(x.as_ptr().cast()) };
        // A pair's sum can reach 2³¹ and is read as unsigned.
        let pairs = _mm256_madd_epi16(x, x);
        sums = _mm256_add_epi64(sums, _mm256_cvtepu32_epi64(_mm256_castsi256_si128(pairs)));
        sums = _mm256_add_epi64(sums, _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(pairs)));
    }
    // SAFETY: both are 32 bytes of plain integers.
    unsafe { transmute::<__m256i, [u64; 4]>(sums) }.iter().sum()
}

#[target_feature(enable = "avx2")]
unsafe fn normalise(stream: &[i16], scale: Scale, outputs: &mut [u8]) {
    let left = _mm_cvtsi32_si128(scale.exponent.max(0));
    let right = _mm_cvtsi32_si128((-scale.exponent).max(0));
    let factor = _mm256_set1_epi16(scale.factor);
    for (x, output) in stream.chunks_exact(16).zip(outputs.chunks_exact_mut(16)) {
        // SAFETY: a chunk of the stream is 32 bytes, one of the outputs 16.
        unsafe {
            let x = _mm256_loadu_si256(x.as_ptr().cast());
            let aligned = _mm256_sra_epi16(_mm256_sll_epi16(x, left), right);
            let fine = _mm256_mulhrs_epi16(aligned, factor);
            let bytes = offset_bytes(_mm256_srai_epi16::<4>(_mm256_add_epi16(fine, _mm256_set1_epi16(8))));
            _mm_storeu_si128(output.as_mut_ptr().cast(), bytes);
        }
    }
}

/// Clamps to ±127 and adds 128.
#[inline]
#[target_feature(enable = "avx2")]
fn offset_bytes(values: __m256i) -> __m128i {
    let clamped = _mm256_max_epi16(_mm256_min_epi16(values, _mm256_set1_epi16(127)), _mm256_set1_epi16(-127));
    let offset = _mm256_add_epi16(clamped, _mm256_set1_epi16(128));
    _mm_packus_epi16(_mm256_castsi256_si128(offset), _mm256_extracti128_si256::<1>(offset))
}

#[target_feature(enable = "avx2")]
unsafe fn attend_head(cache: &mut Cache, shape: &AttentionShape, queries: &[i8], bias: &[i32], outputs: &mut [u8]) {
    // SAFETY: the caller's lengths.
    unsafe {
        let total = exponentials(cache, shape, queries, bias);
        let reciprocal = reciprocal(total);
        for (column, output) in outputs.chunks_exact_mut(16).enumerate() {
            let sums = weighted_sums(cache, shape, column);
            _mm_storeu_si128(output.as_mut_ptr().cast(), averaged(sums, reciprocal));
        }
    }
}

/// Writes the exponential of every slot's score and returns their sum.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn exponentials(cache: &mut Cache, shape: &AttentionShape, queries: &[i8], bias: &[i32]) -> u32 {
    let Cache { keys, scores, weights, .. } = cache;
    for (group, scores) in scores[..shape.window].chunks_exact_mut(8).enumerate() {
        // SAFETY: there are `head_width` queries, the bias has `window` numbers, the keys `head_width/4 × window × 4` bytes.
        unsafe {
            let mut sum = _mm256_loadu_si256(bias.as_ptr().add(8 * group).cast());
            for chunk in 0..queries.len() / 4 {
                let query = queries.as_ptr().add(4 * chunk).cast::<i32>().read_unaligned();
                let query = _mm256_set1_epi32(query);
                let keys = keys.as_ptr().add(4 * (chunk * shape.window + 8 * group));
                sum = dot(sum, _mm256_loadu_si256(keys.cast()), query);
            }
            _mm256_storeu_si256(scores.as_mut_ptr().cast(), sum);
        }
    }
    let largest = _mm256_set1_epi32(scores[..shape.window].iter().copied().max().unwrap_or(0));
    let shift = _mm_cvtsi32_si128(shape.score_shift.into());
    let table = EXPONENTIALS.map(i32::from);
    // SAFETY: the table is 64 bytes.
    let (low, high) =
        unsafe { (_mm256_loadu_si256(table.as_ptr().cast()), _mm256_loadu_si256(table.as_ptr().add(8).cast())) };
    let mut total = _mm256_setzero_si256();
    for (scores, weights) in scores[..shape.window].chunks_exact(8).zip(weights.chunks_exact_mut(8)) {
        // SAFETY: both chunks have eight elements.
        unsafe {
            let score = _mm256_loadu_si256(scores.as_ptr().cast());
            let weight = exponential(_mm256_srl_epi32(_mm256_sub_epi32(largest, score), shift), low, high);
            total = _mm256_add_epi32(total, weight);
            let words = pack_16(weight, weight);
            let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_castsi256_si128(words));
            _mm_storel_epi64(weights.as_mut_ptr().cast(), bytes);
        }
    }
    // SAFETY: both are 32 bytes of plain integers.
    unsafe { transmute::<__m256i, [u32; 8]>(total) }.iter().sum()
}

/// Eight exponentials of numbers of steps, by the table's lower and upper half.
#[inline]
#[target_feature(enable = "avx2")]
fn exponential(steps: __m256i, low: __m256i, high: __m256i) -> __m256i {
    let near = _mm256_cmpeq_epi32(_mm256_srli_epi32::<7>(steps), _mm256_setzero_si256());
    let upper = _mm256_cmpgt_epi32(_mm256_and_si256(steps, _mm256_set1_epi32(8)), _mm256_setzero_si256());
    let lower_half = _mm256_permutevar8x32_epi32(low, steps);
    let upper_half = _mm256_permutevar8x32_epi32(high, steps);
    let mantissa = _mm256_blendv_epi8(lower_half, upper_half, upper);
    let octaves = _mm256_sub_epi32(_mm256_set1_epi32(8), _mm256_srli_epi32::<4>(steps));
    let scaled = _mm256_add_epi32(_mm256_sllv_epi32(mantissa, octaves), _mm256_set1_epi32(128));
    _mm256_and_si256(_mm256_srli_epi32::<8>(scaled), near)
}

/// `Σ weight·value` over the ring for sixteen elements of the head, from `16·column` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn weighted_sums(cache: &Cache, shape: &AttentionShape, column: usize) -> [__m256i; 2] {
    let mut sums = [_mm256_setzero_si256(); 2];
    for chunk in 0..shape.window / 4 {
        // SAFETY: the values are `window/4 × head_width × 4` bytes, the weights at least `window`.
        unsafe {
            let values: *const __m256i = cache.values.as_ptr().add(4 * (chunk * shape.head_width + 16 * column)).cast();
            let weights = _mm256_set1_epi32(cache.weights.as_ptr().add(4 * chunk).cast::<i32>().read_unaligned());
            sums[0] = dot(sums[0], weights, _mm256_loadu_si256(values));
            sums[1] = dot(sums[1], weights, _mm256_loadu_si256(values.add(1)));
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2")]
fn averaged(sums: [__m256i; 2], reciprocal: Reciprocal) -> __m128i {
    let shift = _mm_cvtsi32_si128(reciprocal.shift as i32);
    let shifted = pack_16(_mm256_sra_epi32(sums[0], shift), _mm256_sra_epi32(sums[1], shift));
    let fine = _mm256_mulhrs_epi16(shifted, _mm256_set1_epi16(reciprocal.factor));
    offset_bytes(_mm256_srai_epi16::<6>(_mm256_add_epi16(fine, _mm256_set1_epi16(32))))
}

#[target_feature(enable = "avx2")]
unsafe fn leaves(logits: &[i16], largest: i16, outputs: &mut [u32]) {
    // SAFETY: there are 16 logits.
    let logits = unsafe { _mm256_loadu_si256(logits.as_ptr().cast()) };
    let difference = _mm256_sub_epi16(_mm256_set1_epi16(largest), logits);
    let x = _mm256_slli_epi16::<5>(_mm256_and_si256(difference, _mm256_set1_epi16(1023)));
    let inner = _mm256_sub_epi16(_mm256_set1_epi16(POWER[1]), _mm256_mulhrs_epi16(x, _mm256_set1_epi16(POWER[2])));
    let outer = _mm256_sub_epi16(_mm256_set1_epi16(POWER[0]), _mm256_mulhrs_epi16(x, inner));
    let mantissa = _mm256_sub_epi16(_mm256_set1_epi16(i16::MAX), _mm256_mulhrs_epi16(x, outer));
    let octaves = _mm256_srli_epi16::<10>(difference);
    let halves = [
        (_mm256_castsi256_si128(mantissa), _mm256_castsi256_si128(octaves)),
        (_mm256_extracti128_si256::<1>(mantissa), _mm256_extracti128_si256::<1>(octaves)),
    ];
    for ((mantissa, octaves), output) in halves.into_iter().zip(outputs.chunks_exact_mut(8)) {
        let scaled = _mm256_slli_epi32::<9>(_mm256_cvtepu16_epi32(mantissa));
        let leaf = _mm256_srlv_epi32(scaled, _mm256_cvtepu16_epi32(octaves));
        let leaf = _mm256_add_epi32(leaf, _mm256_set1_epi32(1));
        // SAFETY: a chunk is 32 bytes.
        unsafe { _mm256_storeu_si256(output.as_mut_ptr().cast(), leaf) };
    }
}
