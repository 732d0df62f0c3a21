//! Plain Rust: what runs where there is no other kernel, and what the others are compared with.
//!
//! All products are in `sixteen_sums`, which has one instruction that every x86-64 processor knows, but that compilers
//! do not find by themselves.

use super::super::arithmetic::{averaged, exponential, normalised, power_of_two, reciprocal, requantise, scale_for};
use super::super::weights::Matrix;
use super::{AttentionShape, Kernel};
use crate::limits;

/// Plain Rust.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

/// Two neighbouring columns of sixteen rows: what is multiplied with two numbers of a vector at a time.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Columns([Pair; 16]);

type Pair = [i16; 2];

/// A matrix by sixteen rows and then by two columns, with zeros after the last row.
pub struct Packed {
    /// In pairs.
    columns: usize,
    weights: Vec<Columns>,
    offsets: Vec<[i32; 16]>,
    multipliers: Vec<[i16; 16]>,
    shift: u8,
}

/// A ring of keys and values, and one head's scratch.
#[derive(Clone)]
pub struct Cache {
    /// A matrix of a row a slot: its product with a query is the scores.
    keys: Vec<Columns>,
    /// A matrix of a row an element: its product with the exponentials of the scores is their weighted sum.
    values: Vec<Columns>,
    scores: Vec<[i32; 16]>,
    /// Exponentials of the scores.
    weights: Vec<[Pair; 8]>,
}

impl Kernel for Scalar {
    type Packed = Packed;
    type Cache = Cache;

    fn pack(self, matrix: &Matrix, offset: bool) -> Packed {
        let zero = if offset { -128 } else { 0 };
        Packed {
            columns: matrix.columns / 2,
            weights: columns(matrix).collect(),
            offsets: by_sixteen(&matrix.row_sums().map(|sum| zero * sum).collect::<Vec<_>>()).collect(),
            multipliers: by_sixteen(&matrix.multipliers).collect(),
            shift: matrix.shift,
        }
    }

    fn product(self, matrix: &Packed, inputs: &[u8], outputs: &mut [i16]) {
        let mut pairs = [[0; 2]; limits::NETWORK_WIDTH / 2];
        let pairs = &mut pairs[..matrix.columns];
        pairs.iter_mut().zip(inputs.as_chunks().0).for_each(|(pair, input)| *pair = input.map(i16::from));
        let rows = matrix.weights.chunks_exact(matrix.columns).zip(&matrix.offsets).zip(&matrix.multipliers);
        for (((weights, offsets), multipliers), outputs) in rows.zip(outputs.chunks_mut(16)) {
            let sums = sixteen_sums(weights, pairs);
            let row = |i: usize| requantise(sums[i] + offsets[i], matrix.shift, multipliers[i]);
            let requantised: [i16; 16] = std::array::from_fn(row);
            match outputs.first_chunk_mut() {
                Some(outputs) => *outputs = requantised,
                None => outputs.copy_from_slice(&requantised[..outputs.len()]),
            }
        }
    }

    fn normalise(self, stream: &[i16], root_width: u32, outputs: &mut [u8]) {
        let squares = stream.iter().map(|&x| (i32::from(x) * i32::from(x)) as u64).sum();
        let scale = scale_for(squares, root_width);
        outputs.iter_mut().zip(stream).for_each(|(output, &x)| *output = normalised(x, scale));
    }

    fn cache(self, shape: &AttentionShape) -> Cache {
        let (width, window) = (shape.head_width, shape.window);
        Cache {
            keys: vec![Columns([[0; 2]; 16]); window / 16 * width / 2],
            values: vec![Columns([[0; 2]; 16]); width / 16 * window / 2],
            scores: vec![[0; 16]; window / 16],
            weights: vec![[[0; 2]; 8]; window / 16],
        }
    }

    fn remember(self, cache: &mut Cache, shape: &AttentionShape, slot: usize, key: &[i16], value: &[i16]) {
        let pairs = shape.head_width / 2;
        for (columns, key) in cache.keys[slot / 16 * pairs..][..pairs].iter_mut().zip(key.as_chunks().0) {
            columns.0[slot % 16] = *key;
        }
        for (values, value) in cache.values.chunks_exact_mut(shape.window / 2).zip(value.as_chunks::<16>().0) {
            let columns = &mut values[slot / 2].0;
            columns.iter_mut().zip(value).for_each(|(pair, value)| pair[slot % 2] = *value);
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
        let Cache { keys, values, scores, weights } = cache;
        let mut query = [[0; 2]; limits::NETWORK_STREAM / 2];
        let query = &mut query[..width / 2];
        for head in 0..shape.heads {
            let bias = bias[head * (2 * window - 1) + start..][..window].as_chunks::<16>().0;
            let queries = queries[head * width..][..width].as_chunks().0;
            query.iter_mut().zip(queries).for_each(|(pair, query)| *pair = query.map(i16::from));
            for ((scores, keys), bias) in scores.iter_mut().zip(keys.chunks_exact(width / 2)).zip(bias) {
                let products = sixteen_sums(keys, query);
                *scores = std::array::from_fn(|i| products[i] + bias[i]);
            }
            let reciprocal = reciprocal(exponentials(scores, shape.score_shift, weights));
            let outputs = outputs[head * width..][..width].as_chunks_mut::<16>().0;
            for (outputs, values) in outputs.iter_mut().zip(values.chunks_exact(window / 2)) {
                *outputs = sixteen_sums(values, weights.as_flattened()).map(|sum| averaged(sum, reciprocal));
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

/// The products of sixteen rows with a vector.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn sixteen_sums(rows: &[Columns], vector: &[Pair]) -> [i32; 16] {
    use std::arch::x86_64::*;
    let mut sums = [0; 16];
    // SAFETY: every x86-64 processor has SSE2, and what is loaded or stored are sixteen bytes each, loaded from aligned
    // quarters of the columns.
    unsafe {
        let mut fours = [_mm_setzero_si128(); 4];
        for (columns, &[even, odd]) in rows.iter().zip(vector) {
            let pair = _mm_set1_epi32(i32::from(odd) << 16 | i32::from(even as u16));
            for (four, pairs) in fours.iter_mut().zip(columns.0.as_chunks::<4>().0) {
                *four = _mm_add_epi32(*four, _mm_madd_epi16(_mm_load_si128(pairs.as_ptr().cast()), pair));
            }
        }
        for (sums, four) in sums.as_chunks_mut::<4>().0.iter_mut().zip(fours) {
            _mm_storeu_si128(sums.as_mut_ptr().cast(), four);
        }
    }
    sums
}

/// The products of sixteen rows with a vector.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn sixteen_sums(rows: &[Columns], vector: &[Pair]) -> [i32; 16] {
    let mut sums = [0; 16];
    for (columns, pair) in rows.iter().zip(vector) {
        for (sum, weights) in sums.iter_mut().zip(&columns.0) {
            *sum += i32::from(weights[0]) * i32::from(pair[0]) + i32::from(weights[1]) * i32::from(pair[1]);
        }
    }
    sums
}

/// A matrix by sixteen rows and then by two columns.
fn columns(matrix: &Matrix) -> impl Iterator<Item = Columns> + '_ {
    let weight = |row: usize, column: usize| match row < matrix.rows {
        true => matrix.weights[row * matrix.columns + column].into(),
        false => 0,
    };
    let pair = move |row: usize, pair: usize| [weight(row, 2 * pair), weight(row, 2 * pair + 1)];
    (0..matrix.rows.div_ceil(16)).flat_map(move |group| {
        (0..matrix.columns / 2).map(move |column| Columns(std::array::from_fn(|i| pair(16 * group + i, column))))
    })
}

/// Numbers of the rows, sixteen together, with zeros after the last.
fn by_sixteen<T: Copy + Default>(rows: &[T]) -> impl Iterator<Item = [T; 16]> + '_ {
    rows.chunks(16).map(|rows| std::array::from_fn(|i| rows.get(i).copied().unwrap_or_default()))
}

/// Writes the exponential of every score and returns their sum.
fn exponentials(scores: &[[i32; 16]], shift: u8, weights: &mut [[Pair; 8]]) -> u32 {
    const EXPONENTIALS: [u8; 256] = {
        let mut table = [0; 256];
        let mut steps = 0;
        while steps < 256 {
            table[steps] = exponential(steps as u32);
            steps += 1;
        }
        table
    };
    let largest = scores.as_flattened().iter().copied().fold(i32::MIN, i32::max);
    let mut total = 0;
    for (weights, scores) in weights.iter_mut().zip(scores) {
        let steps = scores.map(|score| ((largest - score) >> shift).min(255) as u8);
        for (weight, steps) in weights.as_flattened_mut().iter_mut().zip(steps) {
            let exponential = EXPONENTIALS[usize::from(steps)];
            total += u32::from(exponential);
            *weight = exponential.into();
        }
    }
    total
}
