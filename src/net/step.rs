//! One step of the network: written once, over the primitives of [`super::kernels`].

use std::sync::Arc;

use super::distribution::{Distribution, Ranks};
use super::kernels::{AttentionShape, EMPTY_SLOT, Kernel};
use super::shape::{FORETOLD_STATES, INPUTS, Shape};
use super::weights::{Embedding, Layer, Weights};

/// What the network is told about the byte that it shall predict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The last byte that it predicted, unless there is none yet.
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

/// What it remembers (the rings of keys and values), and the buffers of a step.
pub(super) struct State<K: Kernel> {
    /// Steps begun.
    steps: u64,
    caches: Vec<K::Cache>,
    stream: Vec<i16>,
    /// 8-bit inputs of the next product.
    activations: Vec<u8>,
    /// 16-bit outputs of the last product.
    outputs: Vec<i16>,
    queries: Vec<i8>,
    leaves: Vec<u32>,
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

    pub fn state(&self) -> State<K> {
        let (width, hidden) = (usize::from(self.shape.width), usize::from(self.shape.hidden));
        let symbols = self.shape.alphabet.len();
        State {
            steps: 0,
            caches: self.attention.iter().map(|shape| self.kernel.cache(shape)).collect(),
            stream: vec![0; width],
            activations: vec![0; width.max(hidden)],
            outputs: vec![0; width.max(hidden).max(symbols)],
            queries: vec![0; width],
            leaves: vec![0; symbols],
        }
    }

    /// Goes on to the next byte, as far as those behind it will see.
    pub fn advance(&self, state: &mut State<K>, input: &Input) {
        self.embed(state, input);
        state.steps += 1;
        for (index, layer) in self.layers.iter().enumerate() {
            self.remember(state, index, layer);
            if index + 1 < self.layers.len() {
                self.attend(state, index, layer);
                self.feed_forward(state, layer);
            }
        }
    }

    /// The rest of the step: what the last layer and the output make of it.
    pub fn predict(&self, state: &mut State<K>, prediction: &mut Distribution) {
        if let Some(last) = self.layers.last() {
            self.attend(state, self.layers.len() - 1, last);
            self.feed_forward(state, last);
        }
        self.normalise(state);
        let logits = &mut state.outputs[..self.shape.alphabet.len()];
        self.kernel.product(&self.output, &state.activations, logits);
        self.kernel.leaves(logits, &mut state.leaves);
        prediction.set(&self.ranks, &state.leaves);
    }

    /// `x = Σ embeddings`.
    fn embed(&self, state: &mut State<K>, input: &Input) {
        let width = state.stream.len();
        state.stream.fill(0);
        for (table, row) in self.embeddings.iter().zip(self.rows(input)) {
            add(&mut state.stream, &table[row * width..][..width]);
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

    /// Puts the key and the value of `norm(x)` into the layer's rings.
    fn remember(&self, state: &mut State<K>, index: usize, layer: &PackedLayer<K>) {
        self.normalise(state);
        let shape = &self.attention[index];
        let State { steps, caches, activations, outputs, .. } = state;
        let key_value = &mut outputs[..2 * shape.head_width];
        self.kernel.product(&layer.key_value, activations, key_value);
        let (key, value) = key_value.split_at_mut(shape.head_width);
        key.iter_mut().for_each(|key| *key = (*key).clamp(-127, 127));
        value.iter_mut().for_each(|value| *value = (*value).clamp(-63, 63));
        self.kernel.remember(&mut caches[index], shape, slot(*steps, shape), key, value);
    }

    /// `x += output(attention(norm(x)))`, `norm(x)` being that of [`Self::remember`].
    fn attend(&self, state: &mut State<K>, index: usize, layer: &PackedLayer<K>) {
        let shape = &self.attention[index];
        let State { steps, caches, stream, activations, outputs, queries, .. } = state;
        let projected = &mut outputs[..stream.len()];
        self.kernel.product(&layer.query, activations, projected);
        for (query, &output) in queries.iter_mut().zip(projected.iter()) {
            *query = output.clamp(-63, 63) as i8;
        }
        let bias = if *steps <= shape.window as u64 { &layer.filling_bias } else { &layer.full_bias };
        let start = shape.window - 1 - slot(*steps, shape);
        let attended = &mut activations[..stream.len()];
        self.kernel.attend(&mut caches[index], shape, queries, bias, start, attended);
        self.product_into_stream(state, &layer.attention_output);
    }

    /// `x += down(relu(up(norm(x))))`.
    fn feed_forward(&self, state: &mut State<K>, layer: &PackedLayer<K>) {
        self.normalise(state);
        let outputs = &mut state.outputs[..usize::from(self.shape.hidden)];
        self.kernel.product(&layer.up, &state.activations, outputs);
        for (activation, &output) in state.activations.iter_mut().zip(outputs.iter()) {
            *activation = output.clamp(0, 255) as u8;
        }
        self.product_into_stream(state, &layer.down);
    }

    fn product_into_stream(&self, state: &mut State<K>, matrix: &K::Packed) {
        let outputs = &mut state.outputs[..state.stream.len()];
        self.kernel.product(matrix, &state.activations, outputs);
        add(&mut state.stream, outputs);
    }

    fn normalise(&self, state: &mut State<K>) {
        let State { stream, activations, .. } = state;
        self.kernel.normalise(stream, self.root_width, &mut activations[..stream.len()]);
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

/// Where in the rings the position of the latest of so many steps stands.
fn slot(steps: u64, shape: &AttentionShape) -> usize {
    ((steps - 1) % shape.window as u64) as usize
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
