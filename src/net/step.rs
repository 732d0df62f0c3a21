//! One step of the network for a team of lanes: written once, over the primitives of [`super::kernels`].

use std::sync::Arc;

use super::distribution::{Distribution, Ranks};
use super::kernels::{AttentionShape, EMPTY_SLOT, Kernel};
use super::shape::{FORETOLD_STATES, INPUTS, Shape};
use super::weights::{Embedding, Layer, Weights};

/// What the network is told about the byte that it shall predict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The last byte of the lane that it predicted, unless there is none yet.
    pub previous: Option<u8>,
    /// Where it stands.
    pub position: crate::layout::Position,
    /// What the field's relations to others say of it.
    pub foretold: Foretold,
    /// The byte at the same offset of the field to the left, if there is one.
    pub left: Option<u8>,
}

/// What is foretold of a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foretold {
    /// The byte itself, unless nothing is foretold or it ends before.
    pub byte: Option<u8>,
    /// 0 if nothing is foretold of the field; else 1 while the field agrees with it, then 4 and the first difference, bounded
    /// to ±2, between digits, or 7.
    pub state: u8,
}

/// A network with its weights packed for one kernel; shared by all threads.
pub(super) struct Packed<K: Kernel> {
    kernel: K,
    shape: Shape,
    attention: Vec<AttentionShape>,
    /// Row of the byte embeddings for each byte value, then for "none".
    byte_rows: [u16; 257],
    embeddings: [Vec<i16>; INPUTS],
    layers: Vec<PackedLayer<K>>,
    output: K::Packed,
    /// The alphabet, as a [`Distribution`] takes it.
    ranks: Arc<Ranks>,
    root_width: u32,
}

struct PackedLayer<K: Kernel> {
    query: K::Packed,
    key_value: K::Packed,
    /// Per head, by the ring's order: [`ring_bias`] once the ring is full, and before.
    full_bias: Vec<i32>,
    filling_bias: Vec<i32>,
    attention_output: K::Packed,
    up: K::Packed,
    down: K::Packed,
}

/// The lanes' state (their rings of keys and values) and the buffers of a step.
pub(super) struct TeamState<K: Kernel> {
    lanes: Vec<LaneState<K>>,
    stream: Vec<i16>,
    /// 8-bit inputs of the next product.
    activations: Vec<u8>,
    /// 16-bit outputs of the last product.
    outputs: Vec<i16>,
    queries: Vec<i8>,
    leaves: Vec<u32>,
}

struct LaneState<K: Kernel> {
    steps: u64,
    caches: Vec<K::Cache>,
}

impl<K: Kernel> Packed<K> {
    pub fn new(kernel: K, weights: &Weights) -> Self {
        let shape = weights.shape.clone();
        let mut byte_rows = [shape.alphabet.len() as u16; 257];
        for (row, &byte) in shape.alphabet.iter().enumerate() {
            byte_rows[usize::from(byte)] = row as u16;
        }
        Self {
            kernel,
            attention: weights.layers.iter().map(|layer| attention_shape(&shape, layer)).collect(),
            byte_rows,
            embeddings: weights.embeddings.each_ref().map(expand),
            layers: weights.layers.iter().map(|layer| PackedLayer::new(kernel, &shape, layer)).collect(),
            output: kernel.pack(&weights.output, true),
            ranks: Arc::new(Ranks::of(&shape.alphabet)),
            root_width: (u32::from(shape.width) << 16).isqrt(),
            shape,
        }
    }

    pub fn team(&self, lanes: usize) -> TeamState<K> {
        let (width, hidden) = (usize::from(self.shape.width), usize::from(self.shape.hidden));
        let lane =
            || LaneState { steps: 0, caches: self.attention.iter().map(|shape| self.kernel.cache(shape)).collect() };
        TeamState {
            lanes: (0..lanes).map(|_| lane()).collect(),
            stream: vec![0; lanes * width],
            activations: vec![0; lanes * width.max(hidden)],
            outputs: vec![0; lanes * width.max(hidden).max(self.shape.alphabet.len())],
            queries: vec![0; lanes * width],
            leaves: vec![0; self.shape.alphabet.len()],
        }
    }

    /// Steps the first `inputs.len()` lanes of the team.
    pub fn step(&self, team: &mut TeamState<K>, inputs: &[Input], predictions: &mut [Distribution]) {
        let count = inputs.len();
        self.embed(team, inputs);
        for (index, layer) in self.layers.iter().enumerate() {
            self.attend(team, count, index, layer);
            self.feed_forward(team, count, layer);
        }
        self.normalise(team, count);
        let symbols = self.shape.alphabet.len();
        let outputs = &mut team.outputs[..count * symbols];
        let width = usize::from(self.shape.width);
        self.kernel.product(&self.output, &team.activations[..count * width], outputs, count);
        for (logits, prediction) in outputs.chunks_exact(symbols).zip(predictions) {
            self.kernel.leaves(logits, &mut team.leaves);
            prediction.set(&self.ranks, &team.leaves);
        }
        team.lanes[..count].iter_mut().for_each(|lane| lane.steps += 1);
    }

    /// `x = Σ embeddings`.
    fn embed(&self, team: &mut TeamState<K>, inputs: &[Input]) {
        let width = usize::from(self.shape.width);
        for (stream, input) in team.stream.chunks_exact_mut(width).zip(inputs) {
            stream.fill(0);
            for (table, row) in self.embeddings.iter().zip(self.rows(input)) {
                add(stream, &table[row * width..][..width]);
            }
        }
    }

    fn rows(&self, input: &Input) -> [usize; INPUTS] {
        let byte_row = |byte: Option<u8>| self.byte_rows[byte.map_or(256, usize::from)].into();
        let position = &input.position;
        [
            byte_row(input.previous),
            position.field.min(self.shape.fields - 1).into(),
            position.offset.min(self.shape.offsets - 1).into(),
            byte_row(position.above),
            byte_row(input.foretold.byte),
            usize::from(input.foretold.state).min(FORETOLD_STATES - 1),
            byte_row(input.left),
        ]
    }

    /// `x += output(attention(norm(x)))`.
    fn attend(&self, team: &mut TeamState<K>, count: usize, index: usize, layer: &PackedLayer<K>) {
        let shape = &self.attention[index];
        let (width, head) = (usize::from(self.shape.width), shape.head_width);
        self.normalise(team, count);
        let normal = &team.activations[..count * width];
        let outputs = &mut team.outputs[..count * width];
        self.kernel.product(&layer.query, normal, outputs, count);
        for (query, &output) in team.queries.iter_mut().zip(outputs.iter()) {
            *query = output.clamp(-63, 63) as i8;
        }
        let keys_values = &mut team.outputs[..count * 2 * head];
        self.kernel.product(&layer.key_value, normal, keys_values, count);
        let window = shape.window as u64;
        let slot = |lane: &LaneState<K>| (lane.steps % window) as usize;
        for (lane, key_value) in team.lanes[..count].iter_mut().zip(keys_values.chunks_exact_mut(2 * head)) {
            let (key, value) = key_value.split_at_mut(head);
            key.iter_mut().for_each(|key| *key = (*key).clamp(-127, 127));
            value.iter_mut().for_each(|value| *value = (*value).clamp(-63, 63));
            let slot = slot(lane);
            self.kernel.remember(&mut lane.caches[index], shape, slot, key, value);
        }
        let vectors = team.queries.chunks_exact(width).zip(team.activations.chunks_exact_mut(width));
        for (lane, (query, output)) in team.lanes[..count].iter_mut().zip(vectors) {
            let bias = if lane.steps < window { &layer.filling_bias } else { &layer.full_bias };
            let start = shape.window - 1 - slot(lane);
            self.kernel.attend(&mut lane.caches[index], shape, query, bias, start, output);
        }
        self.product_into_stream(team, count, &layer.attention_output, width);
    }

    /// `x += down(relu(up(norm(x))))`.
    fn feed_forward(&self, team: &mut TeamState<K>, count: usize, layer: &PackedLayer<K>) {
        let (width, hidden) = (usize::from(self.shape.width), usize::from(self.shape.hidden));
        self.normalise(team, count);
        let outputs = &mut team.outputs[..count * hidden];
        self.kernel.product(&layer.up, &team.activations[..count * width], outputs, count);
        for (activation, &output) in team.activations.iter_mut().zip(outputs.iter()) {
            *activation = output.clamp(0, 255) as u8;
        }
        self.product_into_stream(team, count, &layer.down, hidden);
    }

    fn product_into_stream(&self, team: &mut TeamState<K>, count: usize, matrix: &K::Packed, columns: usize) {
        let width = usize::from(self.shape.width);
        let outputs = &mut team.outputs[..count * width];
        self.kernel.product(matrix, &team.activations[..count * columns], outputs, count);
        add(&mut team.stream[..count * width], outputs);
    }

    fn normalise(&self, team: &mut TeamState<K>, count: usize) {
        let width = usize::from(self.shape.width);
        let lanes = team.stream.chunks_exact(width).zip(team.activations.chunks_exact_mut(width));
        for (stream, activations) in lanes.take(count) {
            self.kernel.normalise(stream, self.root_width, activations);
        }
    }
}

impl<K: Kernel> PackedLayer<K> {
    fn new(kernel: K, shape: &Shape, layer: &Layer) -> Self {
        let window = usize::from(shape.window);
        let scale = |bias: &i16| (i32::from(*bias) << layer.score_shift) >> 4;
        let by_distance: Vec<i32> = layer.position_bias.iter().map(scale).collect();
        let heads = || by_distance.chunks_exact(window);
        Self {
            query: kernel.pack(&layer.query, true),
            key_value: kernel.pack(&layer.key_value, true),
            full_bias: heads().flat_map(|bias| ring_bias(bias, true)).collect(),
            filling_bias: heads().flat_map(|bias| ring_bias(bias, false)).collect(),
            attention_output: kernel.pack(&layer.attention_output, true),
            up: kernel.pack(&layer.up, true),
            down: kernel.pack(&layer.down, false),
        }
    }
}

/// The bias by distance, laid out so that its part from `window − 1 − slot` on belongs to the slots 0, 1, … of the
/// ring when the current position stands in `slot`. While the ring is not `full`, later slots are empty.
fn ring_bias(by_distance: &[i32], full: bool) -> impl Iterator<Item = i32> + '_ {
    let window = by_distance.len();
    (0..2 * window - 1).map(move |i| match i {
        i if i < window => by_distance[window - 1 - i],
        i if full => by_distance[2 * window - 1 - i],
        _ => EMPTY_SLOT,
    })
}

fn attention_shape(shape: &Shape, layer: &Layer) -> AttentionShape {
    AttentionShape {
        heads: shape.heads.into(),
        head_width: shape.head_width(),
        window: shape.window.into(),
        score_shift: layer.score_shift,
    }
}

/// The table's rows in the residual stream's units.
fn expand(embedding: &Embedding) -> Vec<i16> {
    let scale = |&weight: &i8| (i32::from(weight) * i32::from(embedding.multiplier) + 128) >> 8;
    embedding.weights.iter().map(|weight| scale(weight).clamp(i16::MIN.into(), i16::MAX.into()) as i16).collect()
}

fn add(stream: &mut [i16], terms: &[i16]) {
    stream.iter_mut().zip(terms).for_each(|(x, &term)| *x = x.saturating_add(term));
}
