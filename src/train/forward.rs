//! The float network one position at a time, as the integer network runs it, to learn the range of what it computes.

use super::batch::Batch;
use super::parameters::{LayerTensors, Parameters};
use super::{NORM_EPSILON, NORM_LIMIT};
use crate::net::{INPUTS, Shape};

/// The largest magnitudes met in one layer.
#[derive(Clone, Debug, Default)]
pub struct LayerRange {
    /// Of each row of the queries.
    pub query: Vec<f32>,
    /// Of each row of the keys.
    pub key: Vec<f32>,
    /// Of each row of the values.
    pub value: Vec<f32>,
    /// Of each row that attention adds to the residual stream.
    pub attention_output: Vec<f32>,
    /// Of each row of the feed-forward layer, before negative numbers are cut off.
    pub up: Vec<f32>,
    /// Of the same, positive numbers only.
    pub hidden: f32,
    /// Of each row that the feed-forward layer adds to the residual stream.
    pub down: Vec<f32>,
}

/// The largest magnitudes met anywhere.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// Of the residual stream.
    pub residual: f32,
    /// In the layers.
    pub layers: Vec<LayerRange>,
    /// Of each logit.
    pub output: Vec<f32>,
}

/// The float network with its cache of keys and values.
pub struct Forward<'a> {
    shape: &'a Shape,
    parameters: &'a Parameters,
    values: &'a [f32],
    /// For each layer, keys and values of the current sequence.
    cache: Vec<[Vec<f32>; 2]>,
    /// What was met so far.
    pub ranges: Ranges,
}

impl<'a> Forward<'a> {
    /// The network of `shape` under the parameters `values`.
    pub fn new(shape: &'a Shape, parameters: &'a Parameters, values: &'a [f32]) -> Self {
        let layers = usize::from(shape.layers);
        let ranges = Ranges { layers: vec![LayerRange::default(); layers], ..Ranges::default() };
        Self { shape, parameters, values, cache: vec![Default::default(); layers], ranges }
    }

    /// Runs over all sequences and returns the mean loss in nats a byte.
    pub fn loss(&mut self, batch: &Batch) -> f64 {
        let mut sum = 0.0;
        for sequence in 0..batch.sequences {
            self.cache.iter_mut().flatten().for_each(Vec::clear);
            for position in sequence * batch.length..(sequence + 1) * batch.length {
                let rows: [u32; INPUTS] = std::array::from_fn(|i| batch.inputs[i][position]);
                let logits = self.step(rows);
                let largest = logits.iter().fold(f32::MIN, |a, &b| a.max(b));
                let total: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
                sum += f64::from(total.ln() + largest - logits[batch.targets[position] as usize]);
            }
        }
        sum / batch.positions().max(1) as f64
    }

    fn step(&mut self, rows: [u32; INPUTS]) -> Vec<f32> {
        let width = usize::from(self.shape.width);
        let mut x = vec![0.0; width];
        for (table, row) in self.parameters.embeddings.iter().zip(rows) {
            add(&mut x, &self.parameters.slice(self.values, *table)[row as usize * width..][..width]);
        }
        for (index, layer) in self.parameters.layers.iter().enumerate() {
            note(&mut self.ranges.residual, &x);
            let n = normalise(&x);
            let (query, key, value) =
                (self.product(layer.query, &n), self.product(layer.key, &n), self.product(layer.value, &n));
            self.cache[index][0].extend(&key);
            self.cache[index][1].extend(&value);
            let context = self.attend(index, layer, &query);
            let attended = self.product(layer.attention_output, &context);
            add(&mut x, &attended);
            note(&mut self.ranges.residual, &x);
            let up = self.product(layer.up, &normalise(&x));
            let hidden: Vec<f32> = up.iter().map(|u| u.max(0.0)).collect();
            let down = self.product(layer.down, &hidden);
            add(&mut x, &down);
            let range = &mut self.ranges.layers[index];
            note(&mut range.hidden, &hidden);
            note_rows(&mut range.query, &query);
            note_rows(&mut range.key, &key);
            note_rows(&mut range.value, &value);
            note_rows(&mut range.attention_output, &attended);
            note_rows(&mut range.up, &up);
            note_rows(&mut range.down, &down);
        }
        note(&mut self.ranges.residual, &x);
        let logits = self.product(self.parameters.output, &normalise(&x));
        note_rows(&mut self.ranges.output, &logits);
        logits
    }

    fn attend(&self, index: usize, layer: &LayerTensors, query: &[f32]) -> Vec<f32> {
        let (width, window) = (self.shape.head_width(), usize::from(self.shape.window));
        let [keys, values] = &self.cache[index];
        let seen = (keys.len() / width).min(window);
        let bias = self.parameters.slice(self.values, layer.bias);
        let mut context = Vec::with_capacity(query.len());
        for (query, bias) in query.chunks(width).zip(bias.chunks(window)) {
            let latest = keys.rchunks(width).take(seen);
            let scale = (width as f32).sqrt().recip();
            let scores: Vec<f32> = latest.zip(bias).map(|(key, bias)| dot(query, key) * scale + bias).collect();
            let largest = scores.iter().fold(f32::MIN, |a, &b| a.max(b));
            let exponentials: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
            let total: f32 = exponentials.iter().sum();
            let mut sum = vec![0.0; width];
            for (value, exponential) in values.rchunks(width).zip(&exponentials) {
                sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += exponential / total * value);
            }
            context.extend(sum);
        }
        context
    }

    fn product(&self, tensor: usize, input: &[f32]) -> Vec<f32> {
        self.parameters.slice(self.values, tensor).chunks(input.len()).map(|row| dot(row, input)).collect()
    }
}

fn normalise(x: &[f32]) -> Vec<f32> {
    let mean_square = dot(x, x) / x.len() as f32;
    let scale = (mean_square + NORM_EPSILON).sqrt().recip();
    x.iter().map(|x| (x * scale).clamp(-NORM_LIMIT, NORM_LIMIT)).collect()
}

/// The product of two vectors, in 16 partial sums so that the compiler can use vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

fn add(sum: &mut [f32], addend: &[f32]) {
    sum.iter_mut().zip(addend).for_each(|(sum, addend)| *sum += addend);
}

fn note(largest: &mut f32, values: &[f32]) {
    *largest = values.iter().fold(*largest, |largest, value| largest.max(value.abs()));
}

fn note_rows(largest: &mut Vec<f32>, values: &[f32]) {
    largest.resize(values.len(), 0.0);
    largest.iter_mut().zip(values).for_each(|(largest, value)| *largest = largest.max(value.abs()));
}
