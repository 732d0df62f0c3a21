//! Where each tensor of a network lies in the flat memory that holds all of its parameters.

use std::ops::Range;

use super::random::Random;
use crate::net::{INPUTS, Shape};

/// What a tensor is for; the optimiser and the rounding treat the kinds differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table of rows added to the residual stream.
    Embedding,
    /// A matrix between two hidden vectors.
    Hidden,
    /// The biases of the attention scores.
    Bias,
    /// The matrix that gives the logits.
    Output,
}

/// One tensor: its kind and its place.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// What it is, for messages.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Outputs (or the table's rows).
    pub rows: usize,
    /// Inputs (or the table's columns).
    pub columns: usize,
    /// Its elements in the flat memory, row by row.
    pub range: Range<usize>,
}

/// The tensors of one layer, as indices into [`Parameters::tensors`].
#[derive(Clone, Copy, Debug)]
pub struct LayerTensors {
    /// `width × width`.
    pub query: usize,
    /// `head_width × width`.
    pub key: usize,
    /// `head_width × width`.
    pub value: usize,
    /// `heads × window`, by distance.
    pub bias: usize,
    /// `width × width`.
    pub attention_output: usize,
    /// `hidden × width`.
    pub up: usize,
    /// `width × hidden`.
    pub down: usize,
}

/// The order of a network's tensors.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// All tensors; together they cover the flat memory without gaps.
    pub tensors: Vec<Tensor>,
    /// The embedding tables, in the order of [`INPUTS`].
    pub embeddings: [usize; INPUTS],
    /// The layers, first to last.
    pub layers: Vec<LayerTensors>,
    /// `alphabet × width`.
    pub output: usize,
}

impl Parameters {
    /// The tensors of a network of `shape`.
    pub fn new(shape: &Shape) -> Self {
        let mut tensors: Vec<Tensor> = Vec::new();
        let mut add = |name: String, kind, rows: usize, columns: usize| {
            let start = tensors.last().map_or(0, |last| last.range.end);
            tensors.push(Tensor { name, kind, rows, columns, range: start..start + rows * columns });
            tensors.len() - 1
        };
        let (width, hidden) = (usize::from(shape.width), usize::from(shape.hidden));
        let rows = shape.input_rows();
        let names = ["previous byte", "field", "offset", "byte above", "foretold byte", "foretold", "byte to the left"];
        let embeddings =
            std::array::from_fn(|i| add(format!("{} embedding", names[i]), Kind::Embedding, rows[i], width));
        let layers = (0..shape.layers)
            .map(|layer| {
                let mut add = |name, kind, rows, columns| add(format!("layer {layer} {name}"), kind, rows, columns);
                LayerTensors {
                    query: add("query", Kind::Hidden, width, width),
                    key: add("key", Kind::Hidden, shape.head_width(), width),
                    value: add("value", Kind::Hidden, shape.head_width(), width),
                    bias: add("bias", Kind::Bias, shape.heads.into(), shape.window.into()),
                    attention_output: add("attention output", Kind::Hidden, width, width),
                    up: add("up", Kind::Hidden, hidden, width),
                    down: add("down", Kind::Hidden, width, hidden),
                }
            })
            .collect();
        let output = add("output".into(), Kind::Output, shape.alphabet.len(), width);
        Self { tensors, embeddings, layers, output }
    }

    /// Number of all elements.
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |last| last.range.end)
    }

    /// The elements of tensor `index` in the flat memory `values`.
    pub fn slice<'a>(&self, values: &'a [f32], index: usize) -> &'a [f32] {
        &values[self.tensors[index].range.clone()]
    }

    /// Random values to start training from. What adds to the residual stream starts small, so that a fresh layer
    /// changes little; biases fall with the distance, at another slope for each head (as in ALiBi, Press et al. 2021).
    pub fn initial(&self, random: &mut Random) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        let towards_residual: Vec<usize> =
            self.layers.iter().flat_map(|layer| [layer.attention_output, layer.down]).collect();
        for (index, tensor) in self.tensors.iter().enumerate() {
            let slice = &mut values[tensor.range.clone()];
            let narrow = 1.0 / (tensor.columns as f32).sqrt();
            let deviation = match tensor.kind {
                Kind::Embedding => 0.5,
                Kind::Hidden if towards_residual.contains(&index) => 0.2 * narrow,
                Kind::Hidden => narrow,
                Kind::Output => 0.1 * narrow,
                Kind::Bias => 0.0,
            };
            slice.fill_with(|| deviation * random.normal());
            if tensor.kind == Kind::Bias {
                for (head, row) in slice.chunks_mut(tensor.columns).enumerate() {
                    let slope = 0.25f32.powi(head as i32 + 1);
                    row.iter_mut().enumerate().for_each(|(distance, bias)| *bias = -slope * distance as f32);
                }
            }
        }
        values
    }
}
