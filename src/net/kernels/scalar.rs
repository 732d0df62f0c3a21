//! Plain Rust: the oracle of every other kernel, and what runs where there is no other.

use super::super::arithmetic::{averaged, exponential, normalised, power_of_two, reciprocal, requantise, scale_for};
use super::super::weights::Matrix;
use super::{AttentionShape, Kernel};

/// Plain Rust.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

/// Row by row, widened to 16 bits, which compilers multiply best.
pub struct Packed {
    columns: usize,
    weights: Vec<i16>,
    offsets: Vec<i32>,
    multipliers: Vec<i16>,
    shift: u8,
}

/// Keys by element and then slot, values by slot and then element.
#[derive(Clone)]
pub struct Cache {
    keys: Vec<i16>,
    values: Vec<i16>,
    scores: Vec<i32>,
    sums: Vec<i32>,
}

impl Kernel for Scalar {
    type Packed = Packed;
    type Cache = Cache;

    fn pack(self, matrix: &Matrix, offset: bool) -> Packed {
        Packed {
            columns: matrix.columns,
            weights: matrix.weights.iter().map(|&weight| weight.into()).collect(),
            offsets: matrix.row_offsets(offset),
            multipliers: matrix.multipliers.clone(),
            shift: matrix.shift,
        }
    }

    fn product(self, matrix: &Packed, inputs: &[u8], outputs: &mut [i16], team: usize) {
        let rows = matrix.multipliers.len();
        let mut wide = [0i16; crate::limits::NETWORK_WIDTH];
        for (inputs, outputs) in inputs.chunks_exact(matrix.columns).zip(outputs.chunks_exact_mut(rows)).take(team) {
            let wide = &mut wide[..matrix.columns];
            wide.iter_mut().zip(inputs).for_each(|(wide, &input)| *wide = input.into());
            for (row, output) in outputs.iter_mut().enumerate() {
                let weights = &matrix.weights[row * matrix.columns..][..matrix.columns];
                let sum: i32 = wide.iter().zip(weights).map(|(&a, &w)| i32::from(a) * i32::from(w)).sum();
                *output = requantise(sum + matrix.offsets[row], matrix.shift, matrix.multipliers[row]);
            }
        }
    }

    fn normalise(self, stream: &[i16], root_width: u32, outputs: &mut [u8]) {
        let squares = stream.iter().map(|&x| (i32::from(x) * i32::from(x)) as u64).sum();
        let scale = scale_for(squares, root_width);
        outputs.iter_mut().zip(stream).for_each(|(output, &x)| *output = normalised(x, scale));
    }

    fn cache(self, shape: &AttentionShape) -> Cache {
        let length = shape.head_width * shape.window;
        Cache {
            keys: vec![0; length],
            values: vec![0; length],
            scores: vec![0; shape.window],
            sums: vec![0; shape.head_width],
        }
    }

    fn remember(self, cache: &mut Cache, shape: &AttentionShape, slot: usize, key: &[i16], value: &[i16]) {
        for (i, &key) in key.iter().enumerate() {
            cache.keys[i * shape.window + slot] = key;
        }
        cache.values[slot * shape.head_width..][..shape.head_width].copy_from_slice(value);
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
        let Cache { keys, values, scores, sums } = cache;
        for head in 0..shape.heads {
            scores.copy_from_slice(&bias[head * (2 * window - 1) + start..][..window]);
            for (query, keys) in queries[head * width..][..width].iter().zip(keys.chunks_exact(window)) {
                scores.iter_mut().zip(keys).for_each(|(score, key)| *score += i32::from(*query) * i32::from(*key));
            }
            let largest = scores.iter().copied().max().unwrap_or(0);
            let mut total = 0;
            sums.fill(0);
            for (&score, values) in scores.iter().zip(values.chunks_exact(width)) {
                let weight = exponential(((largest - score) >> shape.score_shift) as u32);
                if weight != 0 {
                    total += u32::from(weight);
                    sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += i32::from(weight) * i32::from(*v));
                }
            }
            let reciprocal = reciprocal(total);
            let outputs = &mut outputs[head * width..][..width];
            outputs.iter_mut().zip(sums.iter()).for_each(|(output, &sum)| *output = averaged(sum, reciprocal));
        }
    }

    fn leaves(self, logits: &[i16], outputs: &mut [u32]) {
        let largest = logits.iter().copied().max().unwrap_or(0);
        for (output, &logit) in outputs.iter_mut().zip(logits) {
            *output = power_of_two((i32::from(largest) - i32::from(logit)) as u16);
        }
    }
}
