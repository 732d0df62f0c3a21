//! Plain Rust: what runs where there is no other kernel, and what the others are compared with.
//!
//! All products are in `dot_products`, for which compilers find whatever vectors the target is sure to have.

use super::super::arithmetic::{averaged, exponential, normalised, power_of_two, reciprocal, requantise, scale_for};
use super::super::weights::Matrix;
use super::{AttentionShape, Kernel};
use crate::limits;

/// Plain Rust.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

/// Numbers that are multiplied together: vectors have zeros up to a whole number of chunks.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Chunk([i16; 16]);

/// A matrix row by row.
pub struct Packed {
    columns: usize,
    weights: Vec<Chunk>,
    offsets: Vec<i32>,
    multipliers: Vec<i16>,
    shift: u8,
}

/// A ring of keys and values, and one head's scratch.
#[derive(Clone)]
pub struct Cache {
    /// By slot and then by element.
    keys: Vec<Chunk>,
    /// By element and then by slot.
    values: Vec<Chunk>,
    query: Vec<Chunk>,
    scores: Vec<i32>,
    /// Exponentials of the scores.
    weights: Vec<Chunk>,
    /// Sums of the weighted values.
    sums: Vec<i32>,
}

impl Kernel for Scalar {
    type Packed = Packed;
    type Cache = Cache;

    fn pack(self, matrix: &Matrix, offset: bool) -> Packed {
        Packed {
            columns: matrix.columns,
            weights: matrix.weights.chunks_exact(matrix.columns).flat_map(chunks).collect(),
            offsets: matrix.row_sums().map(|sum| if offset { -128 * sum } else { 0 }).collect(),
            multipliers: matrix.multipliers.clone(),
            shift: matrix.shift,
        }
    }

    fn product(self, matrix: &Packed, inputs: &[u8], outputs: &mut [i16], team: usize) {
        let mut wide = [Chunk([0; 16]); limits::NETWORK_WIDTH / 16];
        let wide = &mut wide[..matrix.columns.div_ceil(16)];
        let mut sums = [0; limits::NETWORK_WIDTH];
        let lanes = inputs.chunks_exact(matrix.columns).zip(outputs.chunks_exact_mut(matrix.offsets.len()));
        for (inputs, outputs) in lanes.take(team) {
            for (wide, inputs) in wide.iter_mut().zip(inputs.chunks(16)) {
                wide.0.iter_mut().zip(inputs).for_each(|(wide, &input)| *wide = input.into());
            }
            let sums = &mut sums[..outputs.len()];
            dot_products(wide, &matrix.weights, sums);
            let rows = sums.iter().zip(&matrix.offsets).zip(&matrix.multipliers);
            for (output, ((sum, offset), multiplier)) in outputs.iter_mut().zip(rows) {
                *output = requantise(sum + offset, matrix.shift, *multiplier);
            }
        }
    }

    fn normalise(self, stream: &[i16], root_width: u32, outputs: &mut [u8]) {
        let squares = stream.iter().map(|&x| (i32::from(x) * i32::from(x)) as u64).sum();
        let scale = scale_for(squares, root_width);
        outputs.iter_mut().zip(stream).for_each(|(output, &x)| *output = normalised(x, scale));
    }

    fn cache(self, shape: &AttentionShape) -> Cache {
        Cache {
            keys: vec![Chunk([0; 16]); shape.window * shape.head_width / 16],
            values: vec![Chunk([0; 16]); shape.head_width * shape.window / 16],
            scores: vec![0; shape.window],
            weights: vec![Chunk([0; 16]); shape.window / 16],
            query: vec![Chunk([0; 16]); shape.head_width / 16],
            sums: vec![0; shape.head_width],
        }
    }

    fn remember(self, cache: &mut Cache, shape: &AttentionShape, slot: usize, key: &[i16], value: &[i16]) {
        let columns = shape.head_width / 16;
        for (chunk, key) in cache.keys[slot * columns..][..columns].iter_mut().zip(key.as_chunks().0) {
            chunk.0 = *key;
        }
        for (values, &value) in cache.values.chunks_exact_mut(shape.window / 16).zip(value) {
            values[slot / 16].0[slot % 16] = value;
        }
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
        let (width, window) = (shape.head_width, shape.window);
        for head in 0..shape.heads {
            let bias = &bias[head * (2 * window - 1) + start..][..window];
            cache.query.iter_mut().zip(chunks(&queries[head * width..][..width])).for_each(|(to, query)| *to = query);
            dot_products(&cache.query, &cache.keys, &mut cache.scores);
            cache.scores.iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
            let reciprocal = reciprocal(exponentials(&cache.scores, shape.score_shift, &mut cache.weights));
            dot_products(&cache.weights, &cache.values, &mut cache.sums);
            for (output, &sum) in outputs[head * width..][..width].iter_mut().zip(&cache.sums) {
                *output = averaged(sum, reciprocal);
            }
        }
    }

    fn leaves(self, logits: &[i16], outputs: &mut [u32]) {
        let largest = logits.iter().copied().fold(i16::MIN, i16::max);
        for (output, &logit) in outputs.iter_mut().zip(logits) {
            *output = power_of_two((i32::from(largest) - i32::from(logit)) as u16);
        }
    }
}

/// The dot product of `one` vector with each of the others. Kept apart, since compilers vectorise it only by itself.
#[inline(never)]
fn dot_products(one: &[Chunk], others: &[Chunk], products: &mut [i32]) {
    for (product, other) in products.iter_mut().zip(others.chunks_exact(one.len())) {
        let mut sums = [0; 16];
        for (one, other) in one.iter().zip(other) {
            for ((sum, &one), &other) in sums.iter_mut().zip(&one.0).zip(&other.0) {
                *sum += i32::from(one) * i32::from(other);
            }
        }
        *product = sums.iter().sum();
    }
}

/// Bytes in whole chunks.
fn chunks(bytes: &[i8]) -> impl Iterator<Item = Chunk> + '_ {
    bytes.chunks(16).map(|bytes| Chunk(std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0).into())))
}

/// Writes the exponential of every score and returns their sum.
fn exponentials(scores: &[i32], shift: u8, weights: &mut [Chunk]) -> u32 {
    const EXPONENTIALS: [u8; 256] = {
        let mut table = [0; 256];
        let mut steps = 0;
        while steps < 256 {
            table[steps] = exponential(steps as u32);
            steps += 1;
        }
        table
    };
    let largest = scores.iter().copied().fold(i32::MIN, i32::max);
    let mut total = 0;
    for (weights, scores) in weights.iter_mut().zip(scores.as_chunks::<16>().0) {
        let steps = scores.map(|score| ((largest - score) >> shift).min(255) as u8);
        weights.0 = steps.map(|steps| EXPONENTIALS[usize::from(steps)].into());
        total += weights.0.iter().map(|&weight| weight as u32).sum::<u32>();
    }
    total
}
