//! One worker: sequences forward through the network and back, one at a time.
//!
//! Attention keeps, for each head and position, a row of `window` scores over the last `window` keys, the newest last.
//! Rows are [`PAD`] zeros apart: since the rows of consecutive positions look on keys shifted by one, several of them
//! are then a matrix over the same keys, with a row distance of one element less, and zeros outside the band.

use std::ops::Range;

use super::super::batch::Batch;
use super::super::mixed::{Classes, Shares};
use super::super::parameters::{LayerTensors, Parameters};
use super::pairs::Operand;
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

    /// Width of a row of the residual stream, and its distance to the next.
    fn row(&self) -> [usize; 2] {
        [self.width, apart(self.width)]
    }

    /// From the scores of one position to those of the next.
    fn score_row(&self) -> usize {
        self.window + PAD
    }
}

/// From one row of `width` floats to the next. Rows that are a power of two apart would share few places in the cache.
fn apart(width: usize) -> usize {
    if width < 128 { width } else { width + 16 }
}

/// The weights as products read them. Shared by all workers.
pub struct Packed {
    sizes: Sizes,
    layers: Vec<PackedLayer>,
    output: PackedMatrix,
}

/// A weight matrix twice.
#[derive(Clone)]
struct PackedMatrix {
    outputs: usize,
    inputs: usize,
    /// A row an input, for products with rows of inputs.
    forward: Operand,
    /// A row an output, for products with gradients.
    backward: Operand,
}

#[derive(Clone)]
struct PackedLayer {
    projection: PackedMatrix,
    attention_output: PackedMatrix,
    up: PackedMatrix,
    down: PackedMatrix,
    /// `heads × window`, the newest key last.
    bias: Vec<f32>,
}

impl Packed {
    /// Room for the weights of a network of `shape`.
    pub fn new(shape: &Shape) -> Self {
        let s = Sizes::new(shape);
        let layer = PackedLayer {
            projection: PackedMatrix::new(s.projected, s.width),
            attention_output: PackedMatrix::new(s.width, s.width),
            up: PackedMatrix::new(s.hidden, s.width),
            down: PackedMatrix::new(s.width, s.hidden),
            bias: vec![0.0; s.heads * s.window],
        };
        Self { sizes: s, layers: vec![layer; shape.layers.into()], output: PackedMatrix::new(s.logits, s.width) }
    }

    /// Takes over the parameters `values`.
    pub fn fill(&mut self, simd: Simd, parameters: &Parameters, values: &[f32]) {
        for (packed, layer) in self.layers.iter_mut().zip(&parameters.layers) {
            packed.projection.fill(simd, &values[projection_range(parameters, layer)]);
            packed.attention_output.fill(simd, parameters.slice(values, layer.attention_output));
            packed.up.fill(simd, parameters.slice(values, layer.up));
            packed.down.fill(simd, parameters.slice(values, layer.down));
            let window = self.sizes.window;
            let bias = parameters.slice(values, layer.bias).chunks(window);
            for (to, from) in packed.bias.chunks_mut(window).zip(bias) {
                to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
            }
        }
        self.output.fill(simd, parameters.slice(values, parameters.output));
    }
}

impl PackedMatrix {
    fn new(outputs: usize, inputs: usize) -> Self {
        let (forward, backward) = (Operand::new(inputs, apart(outputs)), Operand::new(outputs, apart(inputs)));
        Self { outputs, inputs, forward, backward }
    }

    /// Takes over `values`, a row an output; there may be fewer than there is room for.
    fn fill(&mut self, simd: Simd, values: &[f32]) {
        let distance = apart(self.outputs);
        let copies = self.backward.values.chunks_mut(apart(self.inputs));
        for (output, (copy, row)) in copies.zip(values.chunks(self.inputs)).enumerate() {
            copy[..self.inputs].copy_from_slice(row);
            for (input, value) in row.iter().enumerate() {
                self.forward.values[input * distance + output] = *value;
            }
        }
        self.forward.pair(simd, [self.outputs, distance]);
        self.backward.pair(simd, [self.inputs, apart(self.inputs)]);
    }

    /// `y = x·Wᵀ`, or `y += x·Wᵀ` with `keep`, for `length` rows of inputs `x`.
    fn forward(&self, simd: Simd, x: &mut Operand, y: &mut [f32], length: usize, keep: bool) {
        let (inputs, outputs) = (apart(self.inputs), apart(self.outputs));
        let y = RowsMut { values: y, apart: outputs };
        if simd.multiplies_pairs() {
            x.pair(simd, [self.inputs, inputs]);
            let a = View { values: &x.across, rows: inputs / 2, columns: 1 };
            let b = Rows { values: &self.forward.down, apart: outputs };
            return simd.product_of_pairs(a, b, y, [length, self.inputs / 2, self.outputs], keep);
        }
        let a = View { values: &x.values, rows: inputs, columns: 1 };
        let b = Rows { values: &self.forward.values, apart: outputs };
        simd.product(a, b, y, [length, self.inputs, self.outputs], keep);
    }

    /// The gradient by the inputs, `dx = dy·W`, and `dw += dyᵀ·x`, that by the first `outputs` rows of weights. `x` is as
    /// [`Self::forward`] left it.
    fn backward(&self, simd: Simd, x: &Operand, dy: &mut Operand, dx: &mut [f32], dw: &mut [f32], length: usize) {
        let (inputs, outputs) = (apart(self.inputs), apart(self.outputs));
        let used = dw.len() / self.inputs;
        let (dw, dx) = (RowsMut { values: dw, apart: self.inputs }, RowsMut { values: dx, apart: inputs });
        if simd.multiplies_pairs() {
            dy.pair(simd, [self.outputs, outputs]);
            let a = View { values: &dy.down, rows: 1, columns: outputs };
            let b = Rows { values: &x.down, apart: inputs };
            simd.product_of_pairs(a, b, dw, [used, length.div_ceil(2), self.inputs], true);
            let a = View { values: &dy.across, rows: outputs / 2, columns: 1 };
            let b = Rows { values: &self.backward.down, apart: inputs };
            return simd.product_of_pairs(a, b, dx, [length, used.div_ceil(2), self.inputs], false);
        }
        let a = View { values: &dy.values, rows: 1, columns: outputs };
        let b = Rows { values: &x.values, apart: inputs };
        simd.product(a, b, dw, [used, length, self.inputs], true);
        let a = View { values: &dy.values, rows: outputs, columns: 1 };
        let b = Rows { values: &self.backward.values, apart: inputs };
        simd.product(a, b, dx, [length, used, self.inputs], false);
    }
}

/// Query, key and value, which lie one after the other in the flat memory.
fn projection_range(parameters: &Parameters, layer: &LayerTensors) -> Range<usize> {
    parameters.tensors[layer.query].range.start..parameters.tensors[layer.value].range.end
}

/// What the backward pass needs of one layer.
#[derive(Clone, Default)]
struct LayerState {
    /// The residual stream before the layer, normalised, and what it was multiplied by.
    x: Vec<f32>,
    scales: Vec<f32>,
    n: Operand,
    /// Query, key and value of each position.
    projected: Vec<f32>,
    /// `heads × length` rows of probabilities.
    probabilities: Vec<f32>,
    context: Operand,
    /// The residual stream between attention and feed-forward layer, normalised, and its factor.
    middle: Vec<f32>,
    middle_scales: Vec<f32>,
    middle_n: Operand,
    hidden: Operand,
}

/// One thread's buffers.
pub struct Worker {
    sizes: Sizes,
    order: Classes,
    parameters: Parameters,
    simd: Simd,
    length: usize,
    layers: Vec<LayerState>,
    x: Vec<f32>,
    scales: Vec<f32>,
    n: Operand,
    logits: Operand,
    /// Keys or values with the window's zeros before them: as rows, and as columns.
    rows: Vec<f32>,
    columns: Vec<f32>,
    dx: Operand,
    dn: Vec<f32>,
    dhidden: Operand,
    dprojected: Operand,
    dscores: Vec<f32>,
    dbias: Vec<f32>,
    /// The sum of the gradients of the sequences of the last run.
    pub gradient: Vec<f32>,
    /// The same by the shares.
    pub shares: Shares,
    /// The sum of the losses of the positions of the last run, in nats.
    pub loss: f64,
}

impl Worker {
    /// A worker for networks of `shape`.
    pub fn new(shape: &Shape, parameters: Parameters, simd: Simd) -> Self {
        let sizes = Sizes::new(shape);
        let layers = vec![LayerState::default(); shape.layers.into()];
        let (empty, operand) = (Vec::new, Operand::default);
        Self {
            sizes,
            order: Classes::new(&shape.alphabet),
            simd,
            length: 0,
            layers,
            x: empty(),
            scales: empty(),
            n: operand(),
            logits: operand(),
            rows: empty(),
            columns: empty(),
            dx: operand(),
            dn: empty(),
            dhidden: operand(),
            dprojected: operand(),
            dscores: empty(),
            dbias: vec![0.0; sizes.heads * sizes.window],
            gradient: vec![0.0; parameters.len()],
            shares: Shares::ZERO,
            loss: 0.0,
            parameters,
        }
    }

    /// Takes the sequences `range` of `batch` forward, and `backward` too if wanted.
    pub fn run(&mut self, values: &[f32], packed: &Packed, batch: &Batch, range: Range<usize>, backward: bool) {
        self.reserve(batch.length);
        self.gradient.fill(0.0);
        self.shares = Shares::ZERO;
        self.loss = 0.0;
        for sequence in range {
            let first = sequence * batch.length;
            self.forward(values, packed, batch, first);
            if backward {
                self.backward(packed, batch, first);
            }
        }
    }

    fn reserve(&mut self, length: usize) {
        if self.length == length {
            return;
        }
        self.length = length;
        let s = self.sizes;
        let room = |width: usize| vec![0.0; length * apart(width)];
        let operand = |width: usize| Operand::new(length, apart(width));
        let scores = PAD + s.heads * length * s.score_row();
        let state = LayerState {
            x: room(s.width),
            scales: room(1),
            n: operand(s.width),
            projected: room(s.projected),
            probabilities: vec![0.0; scores],
            context: operand(s.width),
            middle: room(s.width),
            middle_scales: room(1),
            middle_n: operand(s.width),
            hidden: operand(s.hidden),
        };
        self.layers.fill(state);
        (self.x, self.scales, self.dn) = (room(s.width), room(1), room(s.width));
        (self.n, self.logits) = (operand(s.width), operand(s.logits));
        (self.dx, self.dhidden, self.dprojected) = (operand(s.width), operand(s.hidden), operand(s.projected));
        self.dscores = vec![0.0; scores];
        self.rows = vec![0.0; (s.window + length + PAD) * s.head_width];
        self.columns = vec![0.0; (s.window + length + PAD) * s.head_width];
    }

    /// Leaves in `logits` the gradient by the logits: of the batch's mean loss, or of what advice makes of it.
    fn forward(&mut self, values: &[f32], packed: &Packed, batch: &Batch, first: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        self.embed(values, batch, first);
        for index in 0..self.layers.len() {
            let (weights, state) = (&packed.layers[index], &mut self.layers[index]);
            state.x.copy_from_slice(&self.x);
            simd.normalise(&state.x, &mut state.n.values, &mut state.scales, s.row());
            weights.projection.forward(simd, &mut state.n, &mut state.projected, length, false);
            self.attend(index, &weights.bias);
            let state = &mut self.layers[index];
            weights.attention_output.forward(simd, &mut state.context, &mut self.x, length, true);
            state.middle.copy_from_slice(&self.x);
            simd.normalise(&state.middle, &mut state.middle_n.values, &mut state.middle_scales, s.row());
            weights.up.forward(simd, &mut state.middle_n, &mut state.hidden.values, length, false);
            simd.rectify(&mut state.hidden.values);
            weights.down.forward(simd, &mut state.hidden, &mut self.x, length, true);
        }
        simd.normalise(&self.x, &mut self.n.values, &mut self.scales, s.row());
        packed.output.forward(simd, &mut self.n, &mut self.logits.values, length, false);
        let scale = 1.0 / batch.positions() as f32;
        let targets = batch.targets[first..].iter().map(|&target| target as usize);
        for ((place, logits), target) in self.logits.values.chunks_mut(apart(s.logits)).enumerate().zip(targets) {
            let logits = &mut logits[..s.logits];
            match &batch.heard {
                None => self.loss += simd.cross_entropy(logits, s.classes, target, scale),
                Some(heard) => {
                    self.loss += simd.cross_entropy(logits, s.classes, target, 1.0);
                    self.shares.add(self.order.mix(&mut logits[..s.classes], target, heard, first + place, scale));
                }
            }
        }
    }

    fn embed(&mut self, values: &[f32], batch: &Batch, first: usize) {
        let width = self.sizes.width;
        self.x.fill(0.0);
        for (&table, rows) in self.parameters.embeddings.iter().zip(&batch.inputs) {
            let table = self.parameters.slice(values, table);
            for (x, &row) in self.x.chunks_mut(apart(width)).zip(&rows[first..]) {
                self.simd.accumulate(&table[row as usize * width..][..width], &mut x[..width]);
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
                &state.projected[position * apart(s.projected)..],
                &self.columns,
                &mut state.probabilities,
            );
            let unseen = s.window.saturating_sub(position + 1);
            for (head, bias) in bias.chunks(s.window).enumerate() {
                let row = &mut state.probabilities[PAD + (head * length + position) * s.score_row()..][..s.window];
                simd.attention_softmax(row, bias, scale, unseen);
            }
        }
        let context = RowsMut { values: &mut state.context.values, apart: apart(s.width) };
        weighted_sums(simd, s, length, &state.probabilities, &self.rows, context);
    }

    fn backward(&mut self, packed: &Packed, batch: &Batch, first: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        let range = self.parameters.tensors[self.parameters.output].range.clone();
        packed.output.backward(simd, &self.n, &mut self.logits, &mut self.dn, &mut self.gradient[range], length);
        self.dx.values.fill(0.0);
        simd.normalise_gradient(&self.x, &self.scales, &self.dn, &mut self.dx.values, s.row());
        for index in (0..self.layers.len()).rev() {
            self.feed_forward_backward(&packed.layers[index], index);
            self.attention_backward(&packed.layers[index], index);
        }
        for (&table, rows) in self.parameters.embeddings.iter().zip(&batch.inputs) {
            let gradient = &mut self.gradient[self.parameters.tensors[table].range.clone()];
            for (dx, &row) in self.dx.values.chunks(apart(s.width)).zip(&rows[first..]) {
                simd.accumulate(&dx[..s.width], &mut gradient[row as usize * s.width..][..s.width]);
            }
        }
    }

    /// Takes `dx` from the end of a layer to its middle.
    fn feed_forward_backward(&mut self, weights: &PackedLayer, index: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        let (layer, state) = (self.parameters.layers[index], &self.layers[index]);
        let range = |tensor: usize| self.parameters.tensors[tensor].range.clone();
        let (up, down) = (range(layer.up), range(layer.down));
        let dhidden = &mut self.dhidden;
        weights.down.backward(simd, &state.hidden, &mut self.dx, &mut dhidden.values, &mut self.gradient[down], length);
        simd.rectify_gradient(&state.hidden.values, &mut dhidden.values);
        weights.up.backward(simd, &state.middle_n, dhidden, &mut self.dn, &mut self.gradient[up], length);
        simd.normalise_gradient(&state.middle, &state.middle_scales, &self.dn, &mut self.dx.values, s.row());
    }

    /// Takes `dx` from the middle of a layer to its start.
    fn attention_backward(&mut self, weights: &PackedLayer, index: usize) {
        let (s, simd, length) = (self.sizes, self.simd, self.length);
        let layer = self.parameters.layers[index];
        let range = self.parameters.tensors[layer.attention_output].range.clone();
        let context = &self.layers[index].context;
        // The gradient by the context.
        weights.attention_output.backward(simd, context, &mut self.dx, &mut self.dn, &mut self.gradient[range], length);
        self.scores_backward(index);
        let state = &self.layers[index];
        let dw = &mut self.gradient[projection_range(&self.parameters, &layer)];
        weights.projection.backward(simd, &state.n, &mut self.dprojected, &mut self.dn, dw, length);
        simd.normalise_gradient(&state.x, &state.scales, &self.dn, &mut self.dx.values, s.row());
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
            scores(simd, s, length, position, &self.dn[position * apart(s.width)..], &self.columns, &mut self.dscores);
            for (head, dbias) in self.dbias.chunks_mut(s.window).enumerate() {
                let row = PAD + (head * length + position) * s.score_row();
                let (p, dp) = (&state.probabilities[row..][..s.window], &mut self.dscores[row..][..s.window]);
                simd.attention_softmax_gradient(p, dp, dbias, scale);
            }
        }
        let dquery = RowsMut { values: &mut self.dprojected.values, apart: apart(s.projected) };
        weighted_sums(simd, s, length, &self.dscores, &self.rows, dquery);
        let queries = Rows { values: &state.projected, apart: apart(s.projected) };
        let dkeys = RowsMut { values: &mut self.dprojected.values[keys..], apart: apart(s.projected) };
        transposed_sums(simd, s, length, &self.dscores, queries, dkeys);
        let dcontext = Rows { values: &self.dn, apart: apart(s.width) };
        let dvalues = RowsMut { values: &mut self.dprojected.values[values..], apart: apart(s.projected) };
        transposed_sums(simd, s, length, &state.probabilities, dcontext, dvalues);
        let range = self.parameters.tensors[self.parameters.layers[index].bias].range.clone();
        for (to, from) in self.gradient[range].chunks_mut(s.window).zip(self.dbias.chunks(s.window)) {
            to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to += from);
        }
    }
}

/// Copies vectors (keys or values, among the rows of all that is projected) behind `window` zeros.
fn as_rows(vectors: &[f32], s: Sizes, rows: &mut [f32]) {
    let places = rows[s.window * s.head_width..].chunks_mut(s.head_width);
    for (to, from) in places.zip(vectors.chunks(apart(s.projected))) {
        to.copy_from_slice(&from[..s.head_width]);
    }
}

/// The same, transposed.
fn as_columns(vectors: &[f32], s: Sizes, columns: &mut [f32], length: usize) {
    let distance = s.window + length + PAD;
    for (position, vector) in vectors.chunks(apart(s.projected)).enumerate() {
        for (i, &value) in vector[..s.head_width].iter().enumerate() {
            columns[i * distance + s.window + position] = value;
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
