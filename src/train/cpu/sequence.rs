//! One worker: sequences forward through the network and back, one at a time.
//!
//! Attention keeps, for each head and position, a row of `window` scores over the last `window` keys, the newest last.
//! Rows are [`PAD`] zeros apart: since the rows of consecutive positions look on keys shifted by one, several of them
//! are then a matrix over the same keys, with a row distance of one element less, and zeros outside the band.

use std::ops::Range;

use super::super::batch::Batch;
use super::super::parameters::{LayerTensors, Parameters};
use super::{Rows, RowsMut, Simd, View};
use crate::net::Shape;

/// Zeros between rows of scores; positions are taken in groups of fewer than this.
const PAD: usize = 16;
/// Positions taken together in products with scores: the height of a tile.
const GROUP: usize = 12;

/// The sizes of a network.
#[derive(Clone, Copy)]
struct Sizes {
    width: usize,
    heads: usize,
    head_width: usize,
    /// Query, key and value side by side.
    projected: usize,
    hidden: usize,
    window: usize,
    classes: usize,
    /// Classes, filled up to whole vectors.
    logits: usize,
}

impl Sizes {
    fn new(shape: &Shape) -> Self {
        let (width, head_width, classes) = (usize::from(shape.width), shape.head_width(), shape.alphabet.len());
        Self {
            width,
            heads: shape.heads.into(),
            head_width,
            projected: width + 2 * head_width,
            hidden: shape.hidden.into(),
            window: shape.window.into(),
            classes,
            logits: classes.next_multiple_of(16),
        }
    }

    /// From the scores of one position to those of the next.
    fn score_row(&self) -> usize {
        self.window + PAD
    }
}

/// The weights once more, inputs first, as products with rows of inputs read them. Shared by all workers.
pub struct Packed {
    sizes: Sizes,
    layers: Vec<PackedLayer>,
    output: Vec<f32>,
}

#[derive(Clone)]
struct PackedLayer {
    projection: Vec<f32>,
    attention_output: Vec<f32>,
    up: Vec<f32>,
    down: Vec<f32>,
    /// `heads × window`, the newest key last.
    bias: Vec<f32>,
}

impl Packed {
    /// Room for the weights of a network of `shape`.
    pub fn new(shape: &Shape) -> Self {
        let s = Sizes::new(shape);
        let layer = PackedLayer {
            projection: vec![0.0; s.width * s.projected],
            attention_output: vec![0.0; s.width * s.width],
            up: vec![0.0; s.width * s.hidden],
            down: vec![0.0; s.hidden * s.width],
            bias: vec![0.0; s.heads * s.window],
        };
        Self { sizes: s, layers: vec![layer; shape.layers.into()], output: vec![0.0; s.width * s.logits] }
    }

    /// Takes over the parameters `values`.
    pub fn fill(&mut self, parameters: &Parameters, values: &[f32]) {
        let s = self.sizes;
        for (packed, layer) in self.layers.iter_mut().zip(&parameters.layers) {
            transpose(projection(parameters, layer, values), s.width, &mut packed.projection, s.projected);
            transpose(parameters.slice(values, layer.attention_output), s.width, &mut packed.attention_output, s.width);
            transpose(parameters.slice(values, layer.up), s.width, &mut packed.up, s.hidden);
            transpose(parameters.slice(values, layer.down), s.hidden, &mut packed.down, s.width);
            let bias = parameters.slice(values, layer.bias).chunks(s.window);
            for (to, from) in packed.bias.chunks_mut(s.window).zip(bias) {
                to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
            }
        }
        transpose(parameters.slice(values, parameters.output), s.width, &mut self.output, s.logits);
    }
}

/// Writes the rows of `from`, `columns` each, as the columns of `to`, whose rows are `apart`.
fn transpose(from: &[f32], columns: usize, to: &mut [f32], apart: usize) {
    for (j, row) in from.chunks(columns).enumerate() {
        for (i, value) in row.iter().enumerate() {
            to[i * apart + j] = *value;
        }
    }
}

/// The rows of query, key and value, which lie one after the other in the flat memory.
fn projection<'a>(parameters: &Parameters, layer: &LayerTensors, values: &'a [f32]) -> &'a [f32] {
    &values[projection_range(parameters, layer)]
}

fn projection_range(parameters: &Parameters, layer: &LayerTensors) -> Range<usize> {
    parameters.tensors[layer.query].range.start..parameters.tensors[layer.value].range.end
}

/// What the backward pass needs of one layer.
#[derive(Clone, Default)]
struct LayerState {
    /// The residual stream before the layer, normalised, and what it was multiplied by.
    x: Vec<f32>,
    scales: Vec<f32>,
    n: Vec<f32>,
    /// Query, key and value of each position.
    projected: Vec<f32>,
    /// `heads × length` rows of probabilities.
    probabilities: Vec<f32>,
    context: Vec<f32>,
    /// The residual stream between attention and feed-forward layer, normalised, and its factor.
    middle: Vec<f32>,
    middle_scales: Vec<f32>,
    middle_n: Vec<f32>,
    hidden: Vec<f32>,
}

/// One thread's buffers.
pub struct Worker {
    sizes: Sizes,
    parameters: Parameters,
    simd: Simd,
    length: usize,
    layers: Vec<LayerState>,
    x: Vec<f32>,
    scales: Vec<f32>,
    n: Vec<f32>,
    logits: Vec<f32>,
    /// Keys or values with the window's zeros before them: as rows, and as columns.
    rows: Vec<f32>,
    columns: Vec<f32>,
    dx: Vec<f32>,
    dn: Vec<f32>,
    dhidden: Vec<f32>,
    dprojected: Vec<f32>,
    dscores: Vec<f32>,
    dbias: Vec<f32>,
    /// The sum of the gradients of the sequences of the last run.
    pub gradient: Vec<f32>,
    /// The sum of the losses of the positions of the last run, in nats.
    pub loss: f64,
}

impl Worker {
    /// A worker for networks of `shape`.
    pub fn new(shape: &Shape, parameters: Parameters, simd: Simd) -> Self {
        let sizes = Sizes::new(shape);
        let layers = vec![LayerState::default(); shape.layers.into()];
        let empty = Vec::new;
        Self {
            sizes,
            simd,
            length: 0,
            layers,
            x: empty(),
            scales: empty(),
            n: empty(),
            logits: empty(),
            rows: empty(),
            columns: empty(),
            dx: empty(),
            dn: empty(),
            dhidden: empty(),
            dprojected: empty(),
            dscores: empty(),
            dbias: vec![0.0; sizes.heads * sizes.window],
            gradient: vec![0.0; parameters.len()],
            loss: 0.0,
            parameters,
        }
    }

    /// Takes the sequences `range` of `batch` forward, and `backward` too if wanted.
    pub fn run(&mut self, values: &[f32], packed: &Packed, batch: &Batch, range: Range<usize>, backward: bool) {
        self.reserve(batch.length);
        self.gradient.fill(0.0);
        self.loss = 0.0;
        for sequence in range {
            let first = sequence * batch.length;
            self.forward(values, packed, batch, first);
            if backward {
                self.backward(values, batch, first);
            }
        }
    }

    fn reserve(&mut self, length: usize) {
        if self.length == length {
            return;
        }
        self.length = length;
        let s = self.sizes;
        let room = |width: usize| vec![0.0; length * width];
        let scores = PAD + s.heads * length * s.score_row();
        let state = LayerState {
            x: room(s.width),
            scales: room(1),
            n: room(s.width),
            projected: room(s.projected),
            probabilities: vec![0.0; scores],
            context: room(s.width),
            middle: room(s.width),
            middle_scales: room(1),
            middle_n: room(s.width),
            hidden: room(s.hidden),
        };
        self.layers.fill(state);
        (self.x, self.scales, self.n, self.logits) = (room(s.width), room(1), room(s.width), room(s.logits));
        (self.dx, self.dn, self.dhidden, self.dprojected) =
            (room(s.width), room(s.width), room(s.hidden), room(s.projected));
        self.dscores = vec![0.0; scores];
        self.rows = vec![0.0; (s.window + length + PAD) * s.head_width];
        self.columns = vec![0.0; (s.window + length + PAD) * s.head_width];
    }

    /// Leaves in `logits` the gradient of the batch's mean loss by the logits.
    fn forward(&mut self, values: &[f32], packed: &Packed, batch: &Batch, first: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        self.embed(values, batch, first);
        for index in 0..self.layers.len() {
            let (weights, state) = (&packed.layers[index], &mut self.layers[index]);
            state.x.copy_from_slice(&self.x);
            simd.normalise(&state.x, &mut state.n, &mut state.scales, s.width);
            multiply(simd, &state.n, &weights.projection, &mut state.projected, [length, s.width, s.projected], false);
            self.attend(index, &weights.bias);
            let state = &mut self.layers[index];
            let square = [length, s.width, s.width];
            multiply(simd, &state.context, &weights.attention_output, &mut self.x, square, true);
            state.middle.copy_from_slice(&self.x);
            simd.normalise(&state.middle, &mut state.middle_n, &mut state.middle_scales, s.width);
            multiply(simd, &state.middle_n, &weights.up, &mut state.hidden, [length, s.width, s.hidden], false);
            simd.rectify(&mut state.hidden);
            multiply(simd, &state.hidden, &weights.down, &mut self.x, [length, s.hidden, s.width], true);
        }
        simd.normalise(&self.x, &mut self.n, &mut self.scales, s.width);
        multiply(simd, &self.n, &packed.output, &mut self.logits, [length, s.width, s.logits], false);
        let scale = 1.0 / batch.positions() as f32;
        for (logits, &target) in self.logits.chunks_mut(s.logits).zip(&batch.targets[first..]) {
            self.loss += simd.cross_entropy(logits, s.classes, target as usize, scale);
        }
    }

    fn embed(&mut self, values: &[f32], batch: &Batch, first: usize) {
        let width = self.sizes.width;
        self.x.fill(0.0);
        for (&table, rows) in self.parameters.embeddings.iter().zip(&batch.inputs) {
            let table = self.parameters.slice(values, table);
            for (x, &row) in self.x.chunks_mut(width).zip(&rows[first..]) {
                self.simd.accumulate(&table[row as usize * width..][..width], x);
            }
        }
    }

    /// From the queries, keys and values of a layer its probabilities and context.
    fn attend(&mut self, index: usize, bias: &[f32]) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        let state = &mut self.layers[index];
        let (keys, values) = (s.width, s.width + s.head_width);
        as_columns(&state.projected[keys..], s, &mut self.columns, length);
        as_rows(&state.projected[values..], s, &mut self.rows);
        let scale = (s.head_width as f32).sqrt().recip();
        for position in 0..length {
            scores(
                simd,
                s,
                length,
                position,
                &state.projected[position * s.projected..],
                &self.columns,
                &mut state.probabilities,
            );
            let unseen = s.window.saturating_sub(position + 1);
            for (head, bias) in bias.chunks(s.window).enumerate() {
                let row = &mut state.probabilities[PAD + (head * length + position) * s.score_row()..][..s.window];
                simd.attention_softmax(row, bias, scale, unseen);
            }
        }
        let context = RowsMut { values: &mut state.context, apart: s.width };
        weighted_sums(simd, s, length, &state.probabilities, &self.rows, context);
    }

    fn backward(&mut self, values: &[f32], batch: &Batch, first: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        let output = self.parameters.tensors[self.parameters.output].range.clone();
        let logits = View { values: &self.logits, rows: 1, columns: s.logits };
        add_weights(simd, logits, &self.n, &mut self.gradient[output.clone()], [s.classes, length, s.width]);
        let dlogits = View { values: &self.logits, rows: s.logits, columns: 1 };
        let weights = Rows { values: &values[output], apart: s.width };
        let dn = RowsMut { values: &mut self.dn, apart: s.width };
        simd.product(dlogits, weights, dn, [length, s.classes, s.width], false);
        self.dx.fill(0.0);
        simd.normalise_gradient(&self.x, &self.scales, &self.dn, &mut self.dx, s.width);
        for index in (0..self.layers.len()).rev() {
            self.feed_forward_backward(values, index);
            self.attention_backward(values, index);
        }
        for (&table, rows) in self.parameters.embeddings.iter().zip(&batch.inputs) {
            let gradient = &mut self.gradient[self.parameters.tensors[table].range.clone()];
            for (dx, &row) in self.dx.chunks(s.width).zip(&rows[first..]) {
                simd.accumulate(dx, &mut gradient[row as usize * s.width..][..s.width]);
            }
        }
    }

    /// Takes `dx` from the end of a layer to its middle.
    fn feed_forward_backward(&mut self, values: &[f32], index: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        let (layer, state) = (self.parameters.layers[index], &self.layers[index]);
        let (up, down) = (self.parameters.slice(values, layer.up), self.parameters.slice(values, layer.down));
        let range = |tensor: usize| self.parameters.tensors[tensor].range.clone();
        let (up_range, down_range) = (range(layer.up), range(layer.down));
        let dx = View { values: &self.dx, rows: 1, columns: s.width };
        add_weights(simd, dx, &state.hidden, &mut self.gradient[down_range], [s.width, length, s.hidden]);
        multiply(simd, &self.dx, down, &mut self.dhidden, [length, s.width, s.hidden], false);
        simd.rectify_gradient(&state.hidden, &mut self.dhidden);
        let dhidden = View { values: &self.dhidden, rows: 1, columns: s.hidden };
        add_weights(simd, dhidden, &state.middle_n, &mut self.gradient[up_range], [s.hidden, length, s.width]);
        multiply(simd, &self.dhidden, up, &mut self.dn, [length, s.hidden, s.width], false);
        simd.normalise_gradient(&state.middle, &state.middle_scales, &self.dn, &mut self.dx, s.width);
    }

    /// Takes `dx` from the middle of a layer to its start.
    fn attention_backward(&mut self, values: &[f32], index: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        let layer = self.parameters.layers[index];
        let state = &self.layers[index];
        let weights = self.parameters.slice(values, layer.attention_output);
        let range = self.parameters.tensors[layer.attention_output].range.clone();
        let dx = View { values: &self.dx, rows: 1, columns: s.width };
        add_weights(simd, dx, &state.context, &mut self.gradient[range], [s.width, length, s.width]);
        // The gradient by the context.
        multiply(simd, &self.dx, weights, &mut self.dn, [length, s.width, s.width], false);
        self.scores_backward(index);
        let state = &self.layers[index];
        let range = projection_range(&self.parameters, &layer);
        let dprojected = View { values: &self.dprojected, rows: 1, columns: s.projected };
        add_weights(simd, dprojected, &state.n, &mut self.gradient[range], [s.projected, length, s.width]);
        let weights = projection(&self.parameters, &layer, values);
        multiply(simd, &self.dprojected, weights, &mut self.dn, [length, s.projected, s.width], false);
        simd.normalise_gradient(&state.x, &state.scales, &self.dn, &mut self.dx, s.width);
    }

    /// From the gradient by the context, in `dn`, those by queries, keys, values and biases.
    fn scores_backward(&mut self, index: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        let state = &self.layers[index];
        let (keys, values) = (s.width, s.width + s.head_width);
        as_columns(&state.projected[values..], s, &mut self.columns, length);
        as_rows(&state.projected[keys..], s, &mut self.rows);
        let scale = (s.head_width as f32).sqrt().recip();
        self.dbias.fill(0.0);
        for position in 0..length {
            scores(simd, s, length, position, &self.dn[position * s.width..], &self.columns, &mut self.dscores);
            for (head, dbias) in self.dbias.chunks_mut(s.window).enumerate() {
                let row = PAD + (head * length + position) * s.score_row();
                let (p, dp) = (&state.probabilities[row..][..s.window], &mut self.dscores[row..][..s.window]);
                simd.attention_softmax_gradient(p, dp, dbias, scale);
            }
        }
        let dquery = RowsMut { values: &mut self.dprojected, apart: s.projected };
        weighted_sums(simd, s, length, &self.dscores, &self.rows, dquery);
        let queries = Rows { values: &state.projected, apart: s.projected };
        let dkeys = RowsMut { values: &mut self.dprojected[keys..], apart: s.projected };
        transposed_sums(simd, s, length, &self.dscores, queries, dkeys);
        let dcontext = Rows { values: &self.dn, apart: s.width };
        let dvalues = RowsMut { values: &mut self.dprojected[values..], apart: s.projected };
        transposed_sums(simd, s, length, &state.probabilities, dcontext, dvalues);
        let range = self.parameters.tensors[self.parameters.layers[index].bias].range.clone();
        for (to, from) in self.gradient[range].chunks_mut(s.window).zip(self.dbias.chunks(s.window)) {
            to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to += from);
        }
    }
}

/// `c = a·b` or `c += a·b`, all with their rows close together.
fn multiply(simd: Simd, a: &[f32], b: &[f32], c: &mut [f32], [m, k, n]: [usize; 3], keep: bool) {
    let (a, b) = (View { values: a, rows: k, columns: 1 }, Rows { values: b, apart: n });
    simd.product(a, b, RowsMut { values: c, apart: n }, [m, k, n], keep);
}

/// Adds to the gradient of a weight matrix the product of the gradient by its outputs with its inputs.
fn add_weights(simd: Simd, doutputs: View<'_>, inputs: &[f32], gradient: &mut [f32], [m, k, n]: [usize; 3]) {
    simd.product(doutputs, Rows { values: inputs, apart: n }, RowsMut { values: gradient, apart: n }, [m, k, n], true);
}

/// Copies vectors (keys or values, from place to place `projected` apart) behind `window` zeros.
fn as_rows(vectors: &[f32], s: Sizes, rows: &mut [f32]) {
    let places = rows[s.window * s.head_width..].chunks_mut(s.head_width);
    for (to, from) in places.zip(vectors.chunks(s.projected)) {
        to.copy_from_slice(&from[..s.head_width]);
    }
}

/// The same, transposed.
fn as_columns(vectors: &[f32], s: Sizes, columns: &mut [f32], length: usize) {
    let apart = s.window + length + PAD;
    for (position, vector) in vectors.chunks(s.projected).enumerate() {
        for (i, &value) in vector[..s.head_width].iter().enumerate() {
            columns[i * apart + s.window + position] = value;
        }
    }
}

/// For every head the products of one position's vector with the vectors of the last `window` positions.
fn scores(simd: Simd, s: Sizes, length: usize, position: usize, vector: &[f32], columns: &[f32], to: &mut [f32]) {
    let heads = View { values: vector, rows: s.head_width, columns: 1 };
    let window = Rows { values: &columns[position + 1..], apart: s.window + length + PAD };
    let to = RowsMut { values: &mut to[PAD + position * s.score_row()..], apart: length * s.score_row() };
    simd.product(heads, window, to, [s.heads, s.head_width, s.window], false);
}

/// For every head and position the sum of the last `window` vectors, weighted with its row of `weights`.
fn weighted_sums(simd: Simd, s: Sizes, length: usize, weights: &[f32], rows: &[f32], to: RowsMut<'_>) {
    for head in 0..s.heads {
        for first in (0..length).step_by(GROUP) {
            let count = GROUP.min(length - first);
            let start = PAD + (head * length + first) * s.score_row();
            let weights = View { values: &weights[start..], rows: s.score_row() - 1, columns: 1 };
            let vectors = Rows { values: &rows[(first + 1) * s.head_width..], apart: s.head_width };
            let start = first * to.apart + head * s.head_width;
            let to = RowsMut { values: &mut to.values[start..], apart: to.apart };
            simd.product(weights, vectors, to, [count, s.window + count - 1, s.head_width], false);
        }
    }
}

/// For every position the sum, over heads and over the positions that see it, of their vectors weighted with what they
/// give it.
fn transposed_sums(simd: Simd, s: Sizes, length: usize, weights: &[f32], vectors: Rows<'_>, to: RowsMut<'_>) {
    for first in (0..length).step_by(GROUP) {
        let count = GROUP.min(length - first);
        let seen_by = (s.window + count - 1).min(length - first);
        for head in 0..s.heads {
            let start = PAD + (head * length + first) * s.score_row() + s.window - 1;
            let weights = View { values: &weights[start..], rows: 1, columns: s.score_row() - 1 };
            let start = first * vectors.apart + head * s.head_width;
            let vectors = Rows { values: &vectors.values[start..], apart: vectors.apart };
            let to = RowsMut { values: &mut to.values[first * to.apart..], apart: to.apart };
            simd.product(weights, vectors, to, [count, seen_by, s.head_width], head > 0);
        }
    }
}
