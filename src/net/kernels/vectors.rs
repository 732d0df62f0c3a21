//! The algorithms of all vector instruction sets, written once over the operations of [`Vectors`].
//!
//! Bytes are multiplied in quads: sixteen rows and four columns of a matrix make one block of 64 bytes, so do four
//! elements of sixteen keys, and sixteen elements of four values.

use super::super::arithmetic::{Reciprocal, Scale, reciprocal, scale_for};
use super::super::weights::Matrix;
use super::{AttentionShape, Kernel};

/// A value of this type proves that the processor has the instruction set whose operations it offers.
///
/// All are called within [`Vectors::enter`], where the compiler may make them single instructions.
pub trait Vectors: Copy + Send + Sync + 'static {
    /// Sixteen 32-bit numbers.
    type Sums: Copy;
    /// Sixteen quads of unsigned bytes.
    type Unsigned: Copy;
    /// Sixteen quads of signed bytes.
    type Signed: Copy;

    /// What [`Vectors::dot`] takes off each unsigned byte: 128 where only signed bytes can be multiplied.
    const ZERO: i32;
    /// How many [`Vectors::Sums`] fit the registers beside a product's operands.
    const SUMS: usize;

    /// Runs `work`, compiled for the instruction set.
    fn enter(self, work: impl Work);

    /// Sixteen zeros.
    fn zero(self) -> Self::Sums;
    /// Reads sixteen numbers.
    fn sums(self, numbers: &[i32; 16]) -> Self::Sums;
    /// Writes sixteen numbers.
    fn store(self, sums: Self::Sums, numbers: &mut [i32; 16]);
    /// The sum of all sixteen.
    fn total(self, sums: Self::Sums) -> i32;
    /// The largest of all sixteen.
    fn largest(self, sums: Self::Sums) -> i32;
    /// The larger of each two.
    fn larger(self, one: Self::Sums, other: Self::Sums) -> Self::Sums;

    /// Reads sixteen quads.
    fn unsigned(self, quads: &[u8; 64]) -> Self::Unsigned;
    /// Reads sixteen quads.
    fn signed(self, quads: &[i8; 64]) -> Self::Signed;
    /// One quad, sixteen times.
    fn spread_unsigned(self, quad: &[u8; 4]) -> Self::Unsigned;
    /// One quad, sixteen times.
    fn spread_signed(self, quad: &[i8; 4]) -> Self::Signed;
    /// Adds to each sum the dot product of its quads, `Σ (unsigned − ZERO)·signed`. The signed bytes are within ±63, so
    /// that two products fit 16 bits.
    fn dot(self, sums: Self::Sums, unsigned: Self::Unsigned, signed: Self::Signed) -> Self::Sums;

    /// [`super::super::arithmetic::requantise`].
    fn requantise(self, sums: Self::Sums, shift: u8, multipliers: &[i16; 16], outputs: &mut [i16; 16]);
    /// [`super::super::arithmetic::exponential`] of `(largest − score) >> shift`.
    fn exponentials(self, scores: &[[i32; 16]; 4], largest: i32, shift: u8, outputs: &mut [u8; 64]);
    /// [`super::super::arithmetic::averaged`].
    fn average(self, sums: Self::Sums, reciprocal: Reciprocal, outputs: &mut [u8; 16]);
    /// `Σ x²`.
    fn squares(self, stream: &[[i16; 16]]) -> u64;
    /// [`super::super::arithmetic::normalised`].
    fn normalised(self, stream: &[i16; 16], scale: Scale, outputs: &mut [u8; 16]);
    /// [`super::super::arithmetic::power_of_two`] of `largest − logit`.
    fn powers_of_two(self, logits: &[i16; 16], largest: i16, outputs: &mut [u32; 16]);
}

/// A primitive with its operands. Everything that it calls is always inlined, so that nothing stays outside of
/// [`Vectors::enter`].
pub trait Work {
    /// Runs it with the operations of an instruction set.
    fn run<V: Vectors>(self, vectors: V);
}

/// Numbers that one vector load takes, in one line of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line<T>(T);

/// Weights by sixteen rows and then by four columns, zeros after the last row.
pub struct Packed {
    rows: usize,
    /// In quads.
    columns: usize,
    weights: Vec<Line<[i8; 64]>>,
    offsets: Vec<Line<[i32; 16]>>,
    multipliers: Vec<Line<[i16; 16]>>,
    shift: u8,
}

/// The keys and values of one layer, and the scratch of up to four heads.
#[derive(Clone)]
pub struct Cache {
    /// By sixteen slots, then by sixteen elements, each four quads of elements; offset by 128.
    keys: Vec<[Line<[u8; 64]>; 4]>,
    /// By sixteen elements, then by 64 slots, each sixteen quads of slots.
    values: Vec<[Line<[i8; 64]>; 16]>,
    /// What [`Vectors::dot`] takes off the weighted sums of the values.
    zeros: Vec<Line<[i32; 16]>>,
    /// By 64 slots and then by head.
    scores: Vec<[Line<[[i32; 16]; 4]>; 4]>,
    /// Exponentials of the scores.
    weights: Vec<[Line<[u8; 64]>; 4]>,
}

impl<V: Vectors> Kernel for V {
    type Packed = Packed;
    type Cache = Cache;

    fn pack(self, matrix: &Matrix, offset: bool) -> Packed {
        let zero = V::ZERO - if offset { 128 } else { 0 };
        Packed {
            rows: matrix.rows,
            columns: matrix.columns / 4,
            weights: blocks(matrix).map(Line).collect(),
            offsets: by_sixteen(&matrix.row_sums().map(|sum| zero * sum).collect::<Vec<_>>()).collect(),
            multipliers: by_sixteen(&matrix.multipliers).collect(),
            shift: matrix.shift,
        }
    }

    fn product(self, matrix: &Packed, inputs: &[u8], outputs: &mut [i16]) {
        self.enter(Product { matrix, inputs: inputs.as_chunks().0, outputs });
    }

    fn normalise(self, stream: &[i16], root_width: u32, outputs: &mut [u8]) {
        self.enter(Normalise { stream: stream.as_chunks().0, root_width, outputs: outputs.as_chunks_mut().0 });
    }

    fn cache(self, shape: &AttentionShape) -> Cache {
        let (columns, groups, blocks) = (shape.head_width / 16, shape.window / 16, shape.window / 64);
        Cache {
            keys: vec![[Line([128; 64]); 4]; groups * columns],
            values: vec![[Line([0; 64]); 16]; columns * blocks],
            zeros: vec![Line([0; 16]); columns],
            scores: vec![[Line([[0; 16]; 4]); 4]; blocks],
            weights: vec![[Line([0; 64]); 4]; blocks],
        }
    }

    fn remember(self, cache: &mut Cache, shape: &AttentionShape, slot: usize, key: &[i16], value: &[i16]) {
        let (columns, blocks) = (shape.head_width / 16, shape.window / 64);
        for (column, key) in key.as_chunks::<16>().0.iter().enumerate() {
            let lines = &mut cache.keys[slot / 16 * columns + column];
            for (line, key) in lines.iter_mut().zip(key.as_chunks::<4>().0) {
                line.0.as_chunks_mut::<4>().0[slot % 16] = key.map(|key| (key + 128) as u8);
            }
        }
        for (column, value) in value.as_chunks::<16>().0.iter().enumerate() {
            let line = &mut cache.values[column * blocks + slot / 64][slot % 64 / 4].0;
            let quads = line.as_chunks_mut::<4>().0.iter_mut();
            for ((quad, zero), &value) in quads.zip(&mut cache.zeros[column].0).zip(value) {
                let old = std::mem::replace(&mut quad[slot % 4], value as i8);
                *zero += V::ZERO * (i32::from(value) - i32::from(old));
            }
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
        self.enter(Attend { cache, shape, queries, bias, start, outputs });
    }

    fn leaves(self, logits: &[i16], outputs: &mut [u32]) {
        self.enter(Leaves { logits, outputs });
    }
}

struct Product<'a> {
    matrix: &'a Packed,
    inputs: &'a [[u8; 4]],
    outputs: &'a mut [i16],
}

impl Work for Product<'_> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) {
        let Self { matrix, inputs, outputs } = self;
        let groups = matrix.offsets.len();
        let mut group = 0;
        while group < groups {
            group += match (groups - group).min(V::SUMS) {
                0 | 1 => product_of_groups::<V, 1>(vectors, matrix, inputs, outputs, group),
                2 | 3 => product_of_groups::<V, 2>(vectors, matrix, inputs, outputs, group),
                _ => product_of_groups::<V, 4>(vectors, matrix, inputs, outputs, group),
            };
        }
    }
}

/// Multiplies `GROUPS` groups of sixteen rows with a vector, all sums in registers, and returns `GROUPS`.
#[inline(always)]
fn product_of_groups<V: Vectors, const GROUPS: usize>(
    vectors: V,
    matrix: &Packed,
    inputs: &[[u8; 4]],
    outputs: &mut [i16],
    first: usize,
) -> usize {
    let columns = matrix.columns;
    let weights: [_; GROUPS] = std::array::from_fn(|group| &matrix.weights[(first + group) * columns..][..columns]);
    let mut sums = [vectors.zero(); GROUPS];
    for (sums, offsets) in sums.iter_mut().zip(&matrix.offsets[first..]) {
        *sums = vectors.sums(&offsets.0);
    }
    let inputs = &inputs[..columns];
    for column in 0..columns {
        let input = vectors.spread_unsigned(&inputs[column]);
        for group in 0..GROUPS {
            let weights = vectors.signed(&weights[group][column].0);
            sums[group] = vectors.dot(sums[group], input, weights);
        }
    }
    let outputs = &mut outputs[16 * first..matrix.rows];
    if outputs.len() >= 16 * GROUPS {
        requantise_groups(vectors, matrix, first, sums, &mut outputs.as_chunks_mut().0[..GROUPS]);
    } else {
        let mut padded = [[0; 16]; GROUPS];
        requantise_groups(vectors, matrix, first, sums, &mut padded);
        outputs.copy_from_slice(&padded.as_flattened()[..outputs.len()]);
    }
    GROUPS
}

#[inline(always)]
fn requantise_groups<V: Vectors, const GROUPS: usize>(
    vectors: V,
    matrix: &Packed,
    first: usize,
    sums: [V::Sums; GROUPS],
    outputs: &mut [[i16; 16]],
) {
    let multipliers = &matrix.multipliers[first..][..GROUPS];
    for group in 0..GROUPS {
        vectors.requantise(sums[group], matrix.shift, &multipliers[group].0, &mut outputs[group]);
    }
}

struct Normalise<'a> {
    stream: &'a [[i16; 16]],
    root_width: u32,
    outputs: &'a mut [[u8; 16]],
}

impl Work for Normalise<'_> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) {
        let scale = scale_for(vectors.squares(self.stream), self.root_width);
        for (stream, outputs) in self.stream.iter().zip(self.outputs) {
            vectors.normalised(stream, scale, outputs);
        }
    }
}

struct Attend<'a> {
    cache: &'a mut Cache,
    shape: &'a AttentionShape,
    queries: &'a [i8],
    bias: &'a [i32],
    start: usize,
    outputs: &'a mut [u8],
}

impl Work for Attend<'_> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) {
        let Self { cache, shape, queries, bias, start, outputs } = self;
        for first in (0..shape.heads).step_by(4) {
            let queries = &queries[first * shape.head_width..];
            let bias = &bias[first * (2 * shape.window - 1) + start..];
            let outputs = &mut outputs[first * shape.head_width..];
            match shape.heads - first {
                1 => attend::<_, 1>(vectors, cache, shape, queries, bias, outputs),
                2 => attend::<_, 2>(vectors, cache, shape, queries, bias, outputs),
                3 => attend::<_, 3>(vectors, cache, shape, queries, bias, outputs),
                _ => attend::<_, 4>(vectors, cache, shape, queries, bias, outputs),
            }
        }
    }
}

/// Attends with `HEADS` heads, which share each key and each value that is loaded.
#[inline(always)]
fn attend<V: Vectors, const HEADS: usize>(
    vectors: V,
    cache: &mut Cache,
    shape: &AttentionShape,
    queries: &[i8],
    bias: &[i32],
    outputs: &mut [u8],
) {
    let (width, window) = (shape.head_width, shape.window);
    let queries = std::array::from_fn(|head| queries[head * width..][..width].as_chunks::<4>().0.as_chunks().0);
    let bias = std::array::from_fn(|head| bias[head * (2 * window - 1)..][..window].as_chunks().0);
    let largest = scores::<V, HEADS>(vectors, cache, &queries, &bias);
    let reciprocals = exponentials::<V, HEADS>(vectors, cache, largest, shape.score_shift);
    for column in 0..width / 16 {
        let sums: [_; HEADS] = weighted_sums(vectors, cache, column);
        for head in 0..HEADS {
            let outputs = &mut outputs[head * width..][..width].as_chunks_mut().0[column];
            vectors.average(sums[head], reciprocals[head], outputs);
        }
    }
}

/// Writes the score of every slot for each head, and returns the largest of each head.
///
/// `queries` are by sixteen elements and then by four; `bias` is by sixteen slots.
#[inline(always)]
fn scores<V: Vectors, const HEADS: usize>(
    vectors: V,
    cache: &mut Cache,
    queries: &[&[[[i8; 4]; 4]]; HEADS],
    bias: &[&[[i32; 16]]; HEADS],
) -> [i32; HEADS] {
    let columns = queries[0].len();
    let mut largest = [vectors.sums(&[i32::MIN; 16]); HEADS];
    for (block, scores) in cache.scores.iter_mut().enumerate() {
        for group in 0..4 {
            let mut sums = [vectors.zero(); HEADS];
            for head in 0..HEADS {
                sums[head] = vectors.sums(&bias[head][4 * block + group]);
            }
            let keys = &cache.keys[(4 * block + group) * columns..][..columns];
            for (column, keys) in keys.iter().enumerate() {
                for (quad, keys) in keys.iter().enumerate() {
                    let keys = vectors.unsigned(&keys.0);
                    for head in 0..HEADS {
                        sums[head] = vectors.dot(sums[head], keys, vectors.spread_signed(&queries[head][column][quad]));
                    }
                }
            }
            for head in 0..HEADS {
                vectors.store(sums[head], &mut scores[head].0[group]);
                largest[head] = vectors.larger(largest[head], sums[head]);
            }
        }
    }
    let mut maxima = [0; HEADS];
    for head in 0..HEADS {
        maxima[head] = vectors.largest(largest[head]);
    }
    maxima
}

/// Writes the exponential of every score, and returns what divides by their sum, for each head.
#[inline(always)]
fn exponentials<V: Vectors, const HEADS: usize>(
    vectors: V,
    cache: &mut Cache,
    largest: [i32; HEADS],
    shift: u8,
) -> [Reciprocal; HEADS] {
    let ones = vectors.spread_signed(&[1; 4]);
    let mut totals = [vectors.sums(&[4 * V::ZERO * cache.scores.len() as i32; 16]); HEADS];
    for (scores, weights) in cache.scores.iter().zip(&mut cache.weights) {
        for head in 0..HEADS {
            vectors.exponentials(&scores[head].0, largest[head], shift, &mut weights[head].0);
            totals[head] = vectors.dot(totals[head], vectors.unsigned(&weights[head].0), ones);
        }
    }
    let mut reciprocals = [Reciprocal { shift: 0, factor: 0 }; HEADS];
    for head in 0..HEADS {
        reciprocals[head] = reciprocal(vectors.total(totals[head]) as u32);
    }
    reciprocals
}

/// `Σ weight·value` over the ring for sixteen elements of each head, from `16·column` on.
#[inline(always)]
fn weighted_sums<V: Vectors, const HEADS: usize>(vectors: V, cache: &Cache, column: usize) -> [V::Sums; HEADS] {
    let blocks = cache.weights.len();
    let mut sums = [vectors.sums(&cache.zeros[column].0); HEADS];
    for (values, weights) in cache.values[column * blocks..][..blocks].iter().zip(&cache.weights) {
        for (quad, values) in values.iter().enumerate() {
            let values = vectors.signed(&values.0);
            for head in 0..HEADS {
                let weights = vectors.spread_unsigned(&weights[head].0.as_chunks().0[quad]);
                sums[head] = vectors.dot(sums[head], weights, values);
            }
        }
    }
    sums
}

struct Leaves<'a> {
    logits: &'a [i16],
    outputs: &'a mut [u32],
}

impl Work for Leaves<'_> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) {
        let Self { logits, outputs } = self;
        let outputs = &mut outputs[..logits.len()];
        let Some(last) = logits.last_chunk::<16>() else {
            let largest = logits.iter().copied().fold(i16::MIN, i16::max);
            let (mut padded, mut powers) = ([largest; 16], [0; 16]);
            padded[..logits.len()].copy_from_slice(logits);
            vectors.powers_of_two(&padded, largest, &mut powers);
            return outputs.copy_from_slice(&powers[..logits.len()]);
        };
        let chunks = logits.as_chunks::<16>().0;
        let largest = chunks.iter().fold(*last, larger).into_iter().fold(i16::MIN, i16::max);
        for (logits, outputs) in chunks.iter().zip(outputs.as_chunks_mut().0) {
            vectors.powers_of_two(logits, largest, outputs);
        }
        // It may overlap those before.
        if let Some(outputs) = outputs.last_chunk_mut() {
            vectors.powers_of_two(last, largest, outputs);
        }
    }
}

#[inline(always)]
fn larger(mut one: [i16; 16], other: &[i16; 16]) -> [i16; 16] {
    for i in 0..16 {
        one[i] = one[i].max(other[i]);
    }
    one
}

/// A matrix by sixteen rows and then by four columns.
fn blocks(matrix: &Matrix) -> impl Iterator<Item = [i8; 64]> + '_ {
    let weight = |row: usize, column: usize| match row < matrix.rows {
        true => matrix.weights[row * matrix.columns + column],
        false => 0,
    };
    let groups = 0..matrix.rows.div_ceil(16);
    groups.flat_map(move |group| {
        (0..matrix.columns / 4).map(move |quad| std::array::from_fn(|i| weight(16 * group + i / 4, 4 * quad + i % 4)))
    })
}

/// Numbers of the rows, sixteen together, with zeros after the last.
fn by_sixteen<T: Copy + Default>(rows: &[T]) -> impl Iterator<Item = Line<[T; 16]>> + '_ {
    rows.chunks(16).map(|rows| Line(std::array::from_fn(|i| rows.get(i).copied().unwrap_or_default())))
}
