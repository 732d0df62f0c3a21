//! Every kernel against the formulas, on whole networks and on each primitive, and the weights' way into bytes and back.

use proptest::prelude::*;

use super::arithmetic::{averaged, exponential, normalised, power_of_two, reciprocal, requantise, scale_for};
use super::kernels::{AttentionShape, Kernel, scalar::Scalar};
use super::*;
use crate::layout::Position;

/// A small generator (SplitMix64), so that the networks of a test are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number in `low…high`.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Matrix {
        Matrix {
            rows,
            columns,
            weights: (0..rows * columns).map(|_| self.within(-63, 63) as i8).collect(),
            multipliers: (0..rows).map(|_| self.within(0, 32767) as i16).collect(),
            shift: self.within(0, 8) as u8,
        }
    }

    fn weights(&mut self, shape: &Shape) -> Weights {
        let mut weights = Weights::zero(shape);
        for embedding in &mut weights.embeddings {
            embedding.weights.iter_mut().for_each(|weight| *weight = self.within(-63, 63) as i8);
            embedding.multiplier = self.within(0, 4000) as u16;
        }
        for layer in &mut weights.layers {
            let Layer { query, key_value, position_bias, score_shift, attention_output, up, down } = layer;
            for matrix in [query, key_value, attention_output, up, down] {
                *matrix = self.matrix(matrix.rows, matrix.columns);
            }
            position_bias.iter_mut().for_each(|bias| *bias = self.within(-1000, 1000) as i16);
            *score_shift = self.within(0, 10) as u8;
        }
        weights.output = self.matrix(weights.output.rows, weights.output.columns);
        weights
    }
}

fn shape(width: u16, heads: u8, window: u16, alphabet: &[u8]) -> Shape {
    let sizes = Shape { width, layers: 2, heads, hidden: 4 * width, window, ..Shape::default() };
    Shape { fields: 5, offsets: 7, alphabet: alphabet.to_vec(), ..sizes }
}

fn input(random: &mut Random) -> Input {
    let byte = |number: i64| u8::try_from(number).ok();
    Input {
        previous: byte(random.within(0, 256)),
        position: Position {
            field: random.within(0, 9) as u16,
            offset: random.within(0, 9) as u16,
            above: byte(random.within(0, 256)),
        },
        foretold: Foretold { byte: byte(random.within(0, 256)), state: random.within(0, 7) as u8 },
        left: byte(random.within(0, 256)),
    }
}

/// What a network predicts over `steps` steps: every node's continuations.
fn predictions(network: &Network, steps: usize, seed: u64) -> Vec<[u32; 2]> {
    let mut random = Random(seed);
    let (mut session, mut distribution) = (network.session(), Distribution::uniform());
    let mut nodes = Vec::new();
    for _ in 0..steps {
        network.advance(&mut session, &input(&mut random));
        network.predict(&mut session, &mut distribution);
        nodes.extend((1..256).map(|node| distribution.continuations(node)));
    }
    nodes
}

#[test]
fn every_kernel_predicts_what_the_formulas_do() {
    let text: Vec<u8> = (b' '..=b'z').collect();
    let all: Vec<u8> = (0..=255).collect();
    for (width, heads, window, alphabet) in
        [(64, 4, 64, &text[..]), (96, 6, 128, &all), (128, 4, 64, &text[..40]), (16, 1, 192, b"\n")]
    {
        let weights = Random(u64::from(width)).weights(&shape(width, heads, window, alphabet));
        let steps = usize::from(window) + 70;
        let expected = predictions(&Network::packed(Formulas, &weights), steps, 1);
        for instructions in Instructions::available() {
            let network = Network::new(&weights, instructions);
            assert!(predictions(&network, steps, 1) == expected, "{} at width {width}", instructions.name());
        }
    }
}

#[test]
fn a_network_that_is_seldom_asked_answers_as_one_that_always_is() {
    let weights = Random(5).weights(&shape(64, 4, 64, b"0123456789,\n"));
    for instructions in Instructions::available() {
        let network = Network::new(&weights, instructions);
        let (mut always, mut seldom) = (network.session(), network.session());
        let (mut expected, mut found) = (Distribution::uniform(), Distribution::uniform());
        let mut random = Random(3);
        for step in 0..200 {
            let input = input(&mut random);
            network.advance(&mut always, &input);
            network.predict(&mut always, &mut expected);
            network.advance(&mut seldom, &input);
            if step % 3 == 0 {
                network.predict(&mut seldom, &mut found);
                assert!((1..256).all(|node| found.continuations(node) == expected.continuations(node)), "step {step}");
            }
        }
    }
}

#[test]
fn weights_come_back_from_their_bytes() {
    for (width, heads, alphabet) in [(64, 4, &b"abc"[..]), (32, 2, &[0, 255]), (96, 3, &[7])] {
        let weights = Random(9).weights(&shape(width, heads, 64, alphabet));
        assert_eq!(decode(&encode(&weights)).unwrap(), weights);
    }
}

#[test]
fn where_a_network_rests_comes_back_and_takes_few_bytes() {
    let mut shape = Shape { fields: 64, offsets: 32, ..shape(16, 1, 64, b"01") };
    let plain = encode(&Weights::zero(&shape)).len();
    shape.resting = (0..shape.places()).map(|place| place < 700 && place % 32 > 2 && place % 32 < 20).collect();
    let weights = Weights::zero(&shape);
    let bytes = encode(&weights);
    assert_eq!(decode(&bytes).unwrap(), weights);
    assert!(bytes.len() < plain + 64, "{} bytes, {plain} without", bytes.len());
    for (field, offset, rests) in
        [(0, 2, false), (0, 3, true), (3, 19, true), (3, 20, false), (30, 3, false), (99, 99, false)]
    {
        let position = Position { field, offset, above: None };
        assert_eq!(weights.shape.rests_at(&position), rests, "field {field}, offset {offset}");
    }
}

#[test]
fn small_weights_take_few_bytes() {
    let mut weights = Random(3).weights(&shape(64, 4, 64, b"0123456789"));
    for layer in &mut weights.layers {
        let matrices =
            [&mut layer.query, &mut layer.key_value, &mut layer.attention_output, &mut layer.up, &mut layer.down];
        matrices.into_iter().flat_map(|matrix| &mut matrix.weights).for_each(|weight| *weight %= 2);
        layer.position_bias.fill(0);
    }
    let bits_per_weight = encode(&weights).len() * 8 / weights.shape.parameters();
    assert!(bits_per_weight <= 2, "{bits_per_weight} bits per weight of magnitude 0 or 1");
}

#[test]
fn a_shape_over_the_limits_is_refused() {
    let good = shape(64, 4, 64, b"01");
    assert!(good.check().is_ok());
    for bad in [
        Shape { width: 60, ..good.clone() },
        Shape { heads: 0, ..good.clone() },
        Shape { window: 65, ..good.clone() },
        Shape { hidden: 0, ..good.clone() },
        Shape { alphabet: Vec::new(), ..good.clone() },
        Shape { layers: 255, ..good.clone() },
        Shape { window: 65472, ..good.clone() },
        Shape { fields: 65535, offsets: 65535, width: 512, heads: 4, ..good.clone() },
        Shape { fields: 2048, offsets: 64, ..good.clone() },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_decode_to_a_network_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(weights) = decode(&bytes) {
            prop_assert!(weights.shape.check().is_ok());
        }
    }

    #[test]
    fn products_agree(rows in 1usize..70, quads in 1usize..40, offset: bool, extreme: bool, seed: u64) {
        let columns = 4 * quads;
        let mut random = Random(seed);
        let mut matrix = random.matrix(rows, columns);
        let mut inputs: Vec<u8> = (0..columns).map(|_| random.next() as u8).collect();
        if extreme {
            matrix.weights.iter_mut().for_each(|weight| *weight = if *weight < 0 { -63 } else { 63 });
            inputs.iter_mut().for_each(|input| *input = if *input < 128 { 0 } else { 255 });
        }
        check_kernels(&ProductCase { matrix, inputs, offset })?;
    }

    #[test]
    fn normalised_vectors_agree(length in 1usize..33, bits in 0u32..16, seed: u64) {
        let mut random = Random(seed);
        let stream: Vec<i16> = (0..16 * length).map(|_| (random.next() as i16) >> bits).collect();
        check_kernels(&NormaliseCase { stream })?;
    }

    #[test]
    fn extreme_vectors_normalise_alike(length in 1usize..33, value in prop::sample::select(vec![i16::MIN, -1, 0, 1, i16::MAX])) {
        check_kernels(&NormaliseCase { stream: vec![value; 16 * length] })?;
    }

    #[test]
    fn attention_agrees(heads in 1usize..10, columns in 1usize..4, turns in 1usize..4, filled in 1usize..200, score_shift in 0u8..13, extreme: bool, seed: u64) {
        let shape = AttentionShape { heads, head_width: 16 * columns, window: 64 * turns, score_shift };
        check_kernels(&AttentionCase { shape, filled, extreme, seed })?;
    }

    #[test]
    fn leaves_agree(logits in prop::collection::vec(any::<i16>(), 1..257)) {
        check_kernels(&LeavesCase { logits })?;
    }

    #[test]
    fn extreme_leaves_agree(length in 1usize..50, seed: u64) {
        let mut random = Random(seed);
        let extremes = [i16::MIN, i16::MIN + 1, -1, 0, 1, 1023, 1024, i16::MAX];
        check_kernels(&LeavesCase { logits: (0..length).map(|_| extremes[random.within(0, 7) as usize]).collect() })?;
    }
}

#[test]
fn products_agree_at_every_number_of_rows() {
    let mut random = Random(11);
    for rows in 1..=130 {
        let inputs = (0..16).map(|_| random.next() as u8).collect();
        let case = ProductCase { matrix: random.matrix(rows, 16), inputs, offset: rows % 2 == 0 };
        check_kernels(&case).unwrap();
    }
}

#[test]
fn every_distance_of_scores_weighs_alike() {
    for score_shift in [0, 1, 4, 7, 12] {
        let shape = AttentionShape { heads: 1, head_width: 16, window: 64, score_shift };
        for first in 0..12 {
            check_kernels(&DistanceCase { shape: &shape, first: 24 * first }).unwrap();
        }
    }
}

/// One call of a primitive, whose outputs must be the same with every kernel.
trait Case {
    type Outputs: PartialEq + std::fmt::Debug;
    fn run(&self, kernel: impl Kernel) -> Self::Outputs;
}

fn check_kernels<C: Case>(case: &C) -> std::result::Result<(), TestCaseError> {
    let expected = case.run(Formulas);
    prop_assert_eq!(&case.run(Scalar), &expected);
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(kernel) = kernels::avx2::Avx2::detect() {
            prop_assert_eq!(&case.run(kernel), &expected);
        }
        if let Some(kernel) = kernels::avx2::AvxVnni::detect() {
            prop_assert_eq!(&case.run(kernel), &expected);
        }
        if let Some(kernel) = kernels::avx512::Avx512::detect() {
            prop_assert_eq!(&case.run(kernel), &expected);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(kernel) = kernels::neon::Neon::detect() {
        prop_assert_eq!(&case.run(kernel), &expected);
    }
    Ok(())
}

/// The format's formulas, number by number.
#[derive(Clone, Copy)]
struct Formulas;

/// A matrix, and what its inputs are offset by.
struct Plain(Matrix, i32);

/// The key and the value of each slot.
type Ring = Vec<(Vec<i32>, Vec<i32>)>;

impl Kernel for Formulas {
    type Packed = Plain;
    type Cache = Ring;

    fn pack(self, matrix: &Matrix, offset: bool) -> Plain {
        Plain(matrix.clone(), if offset { 128 } else { 0 })
    }

    fn product(self, Plain(matrix, offset): &Plain, inputs: &[u8], outputs: &mut [i16]) {
        for (row, output) in outputs.iter_mut().enumerate() {
            let term = |column: usize| {
                let input = i32::from(inputs[column]) - offset;
                input * i32::from(matrix.weights[row * matrix.columns + column])
            };
            *output = requantise((0..matrix.columns).map(term).sum(), matrix.shift, matrix.multipliers[row]);
        }
    }

    fn normalise(self, stream: &[i16], root_width: u32, outputs: &mut [u8]) {
        let scale = scale_for(stream.iter().map(|&x| i64::from(x).pow(2) as u64).sum(), root_width);
        outputs.iter_mut().zip(stream).for_each(|(output, &x)| *output = normalised(x, scale));
    }

    fn cache(self, shape: &AttentionShape) -> Ring {
        vec![(vec![0; shape.head_width], vec![0; shape.head_width]); shape.window]
    }

    fn remember(self, ring: &mut Ring, _: &AttentionShape, slot: usize, key: &[i16], value: &[i16]) {
        let numbers = |numbers: &[i16]| numbers.iter().copied().map(i32::from).collect();
        ring[slot] = (numbers(key), numbers(value));
    }

    fn attend(
        self,
        ring: &mut Ring,
        shape: &AttentionShape,
        queries: &[i8],
        bias: &[i32],
        start: usize,
        outputs: &mut [u8],
    ) {
        for head in 0..shape.heads {
            let own = head * shape.head_width..(head + 1) * shape.head_width;
            let bias = &bias[head * (2 * shape.window - 1) + start..];
            let product =
                |key: &[i32]| -> i32 { queries[own.clone()].iter().zip(key).map(|(&q, k)| i32::from(q) * k).sum() };
            let scores: Vec<i32> = ring.iter().zip(bias).map(|((key, _), bias)| bias + product(key)).collect();
            let largest = scores.iter().copied().max().unwrap();
            let weight = |score: &i32| i32::from(exponential(((largest - score) >> shape.score_shift) as u32));
            let weights: Vec<i32> = scores.iter().map(weight).collect();
            let reciprocal = reciprocal(weights.iter().sum::<i32>() as u32);
            for (element, output) in outputs[own.clone()].iter_mut().enumerate() {
                *output =
                    averaged(ring.iter().zip(&weights).map(|((_, value), w)| w * value[element]).sum(), reciprocal);
            }
        }
    }

    fn leaves(self, logits: &[i16], outputs: &mut [u32]) {
        let largest = i32::from(logits.iter().copied().max().unwrap());
        outputs.iter_mut().zip(logits).for_each(|(output, &l)| *output = power_of_two((largest - i32::from(l)) as u16));
    }
}

struct ProductCase {
    matrix: Matrix,
    inputs: Vec<u8>,
    offset: bool,
}

impl Case for ProductCase {
    type Outputs = Vec<i16>;

    fn run(&self, kernel: impl Kernel) -> Vec<i16> {
        let mut outputs = vec![0; self.matrix.rows];
        kernel.product(&kernel.pack(&self.matrix, self.offset), &self.inputs, &mut outputs);
        outputs
    }
}

struct NormaliseCase {
    stream: Vec<i16>,
}

impl Case for NormaliseCase {
    type Outputs = Vec<u8>;

    fn run(&self, kernel: impl Kernel) -> Vec<u8> {
        let mut outputs = vec![0; self.stream.len()];
        kernel.normalise(&self.stream, ((self.stream.len() as u32) << 16).isqrt(), &mut outputs);
        outputs
    }
}

struct AttentionCase {
    shape: AttentionShape,
    filled: usize,
    extreme: bool,
    seed: u64,
}

impl Case for AttentionCase {
    type Outputs = Vec<u8>;

    fn run(&self, kernel: impl Kernel) -> Vec<u8> {
        let AttentionShape { heads, head_width, window, .. } = self.shape;
        let mut random = Random(self.seed);
        let extreme = self.extreme;
        let mut number = |limit: i64| match (extreme, random.within(-limit, limit)) {
            (true, number) => (limit * number.signum()) as i16,
            (false, number) => number as i16,
        };
        let mut cache = kernel.cache(&self.shape);
        for slot in 0..self.filled {
            let key: Vec<i16> = (0..head_width).map(|_| number(127)).collect();
            let value: Vec<i16> = (0..head_width).map(|_| number(63)).collect();
            kernel.remember(&mut cache, &self.shape, slot % window, &key, &value);
        }
        let queries: Vec<i8> = (0..heads * head_width).map(|_| number(63) as i8).collect();
        let bias: Vec<i32> = (0..heads * (2 * window - 1)).map(|_| i32::from(number(20000)) << 3).collect();
        let mut outputs = vec![0; heads * head_width];
        kernel.attend(&mut cache, &self.shape, &queries, &bias, self.filled % window, &mut outputs);
        outputs
    }
}

/// A ring whose slots' scores lie `first`, `first + 1`, … steps below the largest.
struct DistanceCase<'a> {
    shape: &'a AttentionShape,
    first: i32,
}

impl Case for DistanceCase<'_> {
    type Outputs = Vec<u8>;

    fn run(&self, kernel: impl Kernel) -> Vec<u8> {
        let mut cache = kernel.cache(self.shape);
        for slot in 0..64 {
            kernel.remember(
                &mut cache,
                self.shape,
                slot,
                &[0; 16],
                &[if slot % 3 == 0 { -63 } else { slot as i16 }; 16],
            );
        }
        let distance = |slot: i32| if slot == 0 { 0 } else { self.first + slot };
        let bias: Vec<i32> = (0..127).map(|slot| -(distance(slot) << self.shape.score_shift)).collect();
        let mut outputs = vec![0; 16];
        kernel.attend(&mut cache, self.shape, &[0; 16], &bias, 0, &mut outputs);
        outputs
    }
}

struct LeavesCase {
    logits: Vec<i16>,
}

impl Case for LeavesCase {
    type Outputs = Vec<u32>;

    fn run(&self, kernel: impl Kernel) -> Vec<u32> {
        let mut outputs = vec![0; self.logits.len()];
        kernel.leaves(&self.logits, &mut outputs);
        outputs
    }
}
