//! x86-64 with AVX-512 VNNI: dot products of four bytes in each of sixteen lanes.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::super::arithmetic::{EXPONENTIALS, POWER, Reciprocal, Scale, reciprocal, scale_for};
use super::super::weights::Matrix;
use super::quads::{self, Cache};
use super::{AttentionShape, Kernel};

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

/// By sixteen rows and then by four columns: one vector holds `[16 rows][4 columns]`.
pub struct Packed {
    rows: usize,
    columns: usize,
    weights: Vec<__m512i>,
    offsets: Vec<__m512i>,
    multipliers: Vec<__m256i>,
    shift: u8,
}

impl Kernel for Avx512 {
    type Packed = Packed;
    type Cache = Cache;

    fn pack(self, matrix: &Matrix, offset: bool) -> Packed {
        // SAFETY: all are plain integers of the same sizes.
        unsafe {
            Packed {
                rows: matrix.rows,
                columns: matrix.columns,
                weights: quads::weights(matrix).map(|bytes| transmute::<[i8; 64], __m512i>(bytes)).collect(),
                offsets: quads::by_sixteen(&matrix.row_offsets(offset))
                    .map(|offsets| transmute::<[i32; 16], __m512i>(offsets))
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
        for (logits, outputs) in logits.chunks(32).zip(outputs.chunks_mut(32)) {
            // SAFETY: `self` proves the instruction set; a chunk has at most 32 numbers.
            unsafe { leaves(logits, largest, outputs) };
        }
    }
}

/// Multiplies all rows with `TEAM` vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn product<const TEAM: usize>(matrix: &Packed, inputs: &[u8], outputs: &mut [i16]) {
    let groups = matrix.offsets.len();
    let mut group = 0;
    while group < groups {
        // SAFETY: the caller's lengths hold for all groups.
        unsafe {
            match groups - group {
                1 => product_groups::<TEAM, 1>(matrix, inputs, outputs, group),
                2 | 3 => product_groups::<TEAM, 2>(matrix, inputs, outputs, group),
                _ => product_groups::<TEAM, 4>(matrix, inputs, outputs, group),
            }
        }
        group += match groups - group {
            1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
    }
}

/// Multiplies `16·GROUPS` rows from `group` on with `TEAM` vectors, all sums in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn product_groups<const TEAM: usize, const GROUPS: usize>(
    matrix: &Packed,
    inputs: &[u8],
    outputs: &mut [i16],
    group: usize,
) {
    let chunks = matrix.columns / 4;
    let weights = &matrix.weights[group * chunks..(group + GROUPS) * chunks];
    let mut sums: [[__m512i; TEAM]; GROUPS] = std::array::from_fn(|g| [matrix.offsets[group + g]; TEAM]);
    for chunk in 0..chunks {
        for lane in 0..TEAM {
            // SAFETY: inputs hold TEAM vectors of `4·chunks` bytes.
            let input = unsafe { inputs.as_ptr().add(4 * (lane * chunks + chunk)).cast::<i32>().read_unaligned() };
            let input = _mm512_set1_epi32(input);
            for (g, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the slice holds GROUPS·chunks vectors.
                let weights = unsafe { *weights.get_unchecked(g * chunks + chunk) };
                sums[lane] = _mm512_dpbusd_epi32(sums[lane], input, weights);
            }
        }
    }
    let shift = _mm_cvtsi32_si128(matrix.shift.into());
    for (g, sums) in sums.iter().enumerate() {
        let row = 16 * (group + g);
        let mask = match matrix.rows - row {
            left @ 0..16 => (1 << left) - 1,
            _ => u16::MAX,
        };
        for (lane, &sum) in sums.iter().enumerate() {
            let shifted = _mm512_cvtsepi32_epi16(_mm512_sra_epi32(sum, shift));
            let scaled = _mm256_mulhrs_epi16(shifted, matrix.multipliers[group + g]);
            // SAFETY: the mask ends at the last row of this lane.
            unsafe { _mm256_mask_storeu_epi16(outputs.as_mut_ptr().add(lane * matrix.rows + row), mask, scaled) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn sum_of_squares(stream: &[i16]) -> u64 {
    let mut sums = _mm512_setzero_si512();
    for x in stream.chunks_exact(16) {
        // SAFETY: a chunk is 32 bytes.
        let x = unsafe { _mm256_loadu_si256(x.as_ptr().cast()) };
        // A pair's sum can reach 2³¹ and is read as unsigned.
        sums = _mm512_add_epi64(sums, _mm512_cvtepu32_epi64(_mm256_madd_epi16(x, x)));
    }
    _mm512_reduce_add_epi64(sums) as u64
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn offset_bytes(values: __m256i) -> __m128i {
    let clamped = _mm256_max_epi16(_mm256_min_epi16(values, _mm256_set1_epi16(127)), _mm256_set1_epi16(-127));
    _mm256_cvtepi16_epi8(_mm256_add_epi16(clamped, _mm256_set1_epi16(128)))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn exponentials(cache: &mut Cache, shape: &AttentionShape, queries: &[i8], bias: &[i32]) -> u32 {
    let groups = shape.window / 16;
    let Cache { keys, scores, weights, .. } = cache;
    let mut largest = _mm512_set1_epi32(i32::MIN);
    for (group, scores) in scores.chunks_exact_mut(16).take(groups).enumerate() {
        // SAFETY: there are `head_width` queries, the bias has `window` numbers, a chunk of scores 16, the keys `head_width/4 × window × 4` bytes.
        unsafe {
            let mut sum = _mm512_loadu_si512(bias.as_ptr().add(16 * group).cast());
            for chunk in 0..queries.len() / 4 {
                let query = queries.as_ptr().add(4 * chunk).cast::<i32>().read_unaligned();
                let query = _mm512_set1_epi32(query);
                let keys = keys.as_ptr().add(4 * (chunk * shape.window + 16 * group));
                sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(keys.cast()), query);
            }
            _mm512_storeu_si512(scores.as_mut_ptr().cast(), sum);
            largest = _mm512_max_epi32(largest, sum);
        }
    }
    let largest = _mm512_set1_epi32(_mm512_reduce_max_epi32(largest));
    let shift = _mm_cvtsi32_si128(shape.score_shift.into());
    let table = EXPONENTIALS.map(i32::from);
    // SAFETY: the table is 64 bytes.
    let table = unsafe { _mm512_loadu_si512(table.as_ptr().cast()) };
    let mut total = _mm512_setzero_si512();
    for (group, scores) in scores.chunks_exact(16).take(groups).enumerate() {
        // SAFETY: a chunk is 64 bytes.
        let score = unsafe { _mm512_loadu_si512(scores.as_ptr().cast()) };
        let steps = _mm512_srl_epi32(_mm512_sub_epi32(largest, score), shift);
        let near = _mm512_cmplt_epu32_mask(steps, _mm512_set1_epi32(128));
        let mantissa = _mm512_maskz_permutexvar_epi32(near, steps, table);
        let octaves = _mm512_sub_epi32(_mm512_set1_epi32(8), _mm512_srli_epi32::<4>(steps));
        let scaled = _mm512_add_epi32(_mm512_maskz_sllv_epi32(near, mantissa, octaves), _mm512_set1_epi32(128));
        let weight = _mm512_srli_epi32::<8>(scaled);
        total = _mm512_add_epi32(total, weight);
        // SAFETY: `weights` has room for the window.
        unsafe { _mm_storeu_si128(weights.as_mut_ptr().add(16 * group).cast(), _mm512_cvtepi32_epi8(weight)) };
    }
    _mm512_reduce_add_epi32(total) as u32
}

/// `Σ weight·value` over the ring for sixteen elements of the head, from `16·column` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn weighted_sums(cache: &Cache, shape: &AttentionShape, column: usize) -> __m512i {
    let mut sums = [_mm512_setzero_si512(); 4];
    for quad in 0..shape.window / 16 {
        for (i, sum) in sums.iter_mut().enumerate() {
            let chunk = 4 * quad + i;
            // SAFETY: the values are `window/4 × head_width × 4` bytes, the weights at least `window`.
            unsafe {
                let values = cache.values.as_ptr().add(4 * (chunk * shape.head_width + 16 * column));
                let weights = cache.weights.as_ptr().add(4 * chunk).cast::<i32>().read_unaligned();
                *sum = _mm512_dpbusd_epi32(*sum, _mm512_set1_epi32(weights), _mm512_loadu_si512(values.cast()));
            }
        }
    }
    _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]), _mm512_add_epi32(sums[2], sums[3]))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn averaged(sums: __m512i, reciprocal: Reciprocal) -> __m128i {
    let shifted = _mm512_sra_epi32(sums, _mm_cvtsi32_si128(reciprocal.shift as i32));
    let fine = _mm256_mulhrs_epi16(_mm512_cvtepi32_epi16(shifted), _mm256_set1_epi16(reciprocal.factor));
    offset_bytes(_mm256_srai_epi16::<6>(_mm256_add_epi16(fine, _mm256_set1_epi16(32))))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn leaves(logits: &[i16], largest: i16, outputs: &mut [u32]) {
    let mask = ((1u64 << logits.len()) - 1) as u32;
    // SAFETY: the mask ends at the last logit.
    let logits = unsafe { _mm512_maskz_loadu_epi16(mask, logits.as_ptr()) };
    let difference = _mm512_sub_epi16(_mm512_set1_epi16(largest), logits);
    let x = _mm512_slli_epi16::<5>(_mm512_and_si512(difference, _mm512_set1_epi16(1023)));
    let inner = _mm512_sub_epi16(_mm512_set1_epi16(POWER[1]), _mm512_mulhrs_epi16(x, _mm512_set1_epi16(POWER[2])));
    let outer = _mm512_sub_epi16(_mm512_set1_epi16(POWER[0]), _mm512_mulhrs_epi16(x, inner));
    let mantissa = _mm512_sub_epi16(_mm512_set1_epi16(i16::MAX), _mm512_mulhrs_epi16(x, outer));
    let octaves = _mm512_srli_epi16::<10>(difference);
    let halves = [
        (_mm512_castsi512_si256(mantissa), _mm512_castsi512_si256(octaves)),
        (_mm512_extracti64x4_epi64::<1>(mantissa), _mm512_extracti64x4_epi64::<1>(octaves)),
    ];
    for (i, (mantissa, octaves)) in halves.into_iter().enumerate() {
        let scaled = _mm512_slli_epi32::<9>(_mm512_cvtepu16_epi32(mantissa));
        let leaf = _mm512_srlv_epi32(scaled, _mm512_cvtepu16_epi32(octaves));
        let leaf = _mm512_add_epi32(leaf, _mm512_set1_epi32(1));
        // SAFETY: the mask ends at the last output; nothing is touched where it is empty.
        unsafe {
            let output = outputs.as_mut_ptr().wrapping_add(16 * i).cast();
            _mm512_mask_storeu_epi32(output, (mask >> (16 * i)) as u16, leaf);
        }
    }
}
