//! The weights as bytes: one stream of the range coder with adaptive models.

use super::shape::Shape;
use super::weights::{Embedding, Layer, Matrix, Weights};
use crate::coder::{AdaptiveBit, AdaptiveNumber, BitCoder, Decoder, Encoder};
use crate::error::Result;

/// The content of the archive's model section.
pub fn encode(weights: &Weights) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut shape = weights.shape.clone();
    code_shape(&mut encoder, &mut shape);
    code_resting(&mut encoder, &mut shape);
    code_weights(&mut encoder, &mut weights.clone());
    encoder.finish()
}

/// Reads the weights that [`encode`] wrote.
///
/// # Errors
/// A shape over the limits. Other damage is left to the section's checksum: it gives wrong weights, but valid ones.
pub fn decode(bytes: &[u8]) -> Result<Weights> {
    let mut decoder = Decoder::new(bytes);
    let mut shape = Shape::default();
    code_shape(&mut decoder, &mut shape);
    shape.check()?;
    code_resting(&mut decoder, &mut shape);
    let mut weights = Weights::zero(&shape);
    code_weights(&mut decoder, &mut weights);
    Ok(weights)
}

/// Both directions of the shape: seven numbers, then one bit for every byte value. The places where the network rests come once
/// the sizes are known to be right.
fn code_shape(coder: &mut impl BitCoder, shape: &mut Shape) {
    let mut number = AdaptiveNumber::default();
    let mut code = |coder: &mut _, value: u16| number.code(coder, value.into()).min(u16::MAX.into()) as u16;
    shape.width = code(coder, shape.width);
    shape.layers = code(coder, shape.layers.into()).min(255) as u8;
    shape.heads = code(coder, shape.heads.into()).min(255) as u8;
    shape.hidden = code(coder, shape.hidden);
    shape.window = code(coder, shape.window);
    shape.fields = code(coder, shape.fields);
    shape.offsets = code(coder, shape.offsets);
    let mut occurs = [AdaptiveBit::default(); 2];
    let mut previous = false;
    let alphabet = std::mem::take(&mut shape.alphabet);
    for byte in 0..=255 {
        previous = occurs[usize::from(previous)].code(coder, alphabet.contains(&byte));
        if previous {
            shape.alphabet.push(byte);
        }
    }
}

/// Both directions of where the network rests: whether it does anywhere, and if so, one bit for every place.
fn code_resting(coder: &mut impl BitCoder, shape: &mut Shape) {
    if !AdaptiveBit::default().code(coder, !shape.resting.is_empty()) {
        return;
    }
    shape.resting.resize(shape.places(), false);
    let mut rests = [AdaptiveBit::default(); 4];
    let (mut before, offsets) = (false, usize::from(shape.offsets));
    for place in 0..shape.resting.len() {
        let left = place >= offsets && shape.resting[place - offsets];
        before = rests[2 * usize::from(left) + usize::from(before)].code(coder, shape.resting[place]);
        shape.resting[place] = before;
    }
}

/// Both directions of everything else, in the order of the fields.
fn code_weights(coder: &mut impl BitCoder, weights: &mut Weights) {
    let window = usize::from(weights.shape.window);
    let width = usize::from(weights.shape.width);
    let mut embedding_scale = AdaptiveNumber::default();
    for embedding in &mut weights.embeddings {
        code_embedding(coder, embedding, width, &mut embedding_scale);
    }
    let mut scales = MatrixScales::default();
    let mut score_shift = AdaptiveNumber::default();
    let mut bias = AdaptiveNumber::default();
    let mut models: [WeightModel; 5] = Default::default();
    for layer in &mut weights.layers {
        let matrices =
            [&mut layer.query, &mut layer.key_value, &mut layer.attention_output, &mut layer.up, &mut layer.down];
        for (matrix, model) in matrices.into_iter().zip(&mut models) {
            code_matrix(coder, matrix, model, &mut scales);
        }
        layer.score_shift = score_shift.code(coder, layer.score_shift.into()).clamp(0, 16) as u8;
        for head in layer.position_bias.chunks_exact_mut(window) {
            let mut before = 0;
            for value in head {
                let step = bias.code_signed(coder, i32::from(*value) - before);
                *value = (before + step).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
                before = (*value).into();
            }
        }
    }
    code_matrix(coder, &mut weights.output, &mut WeightModel::default(), &mut scales);
}

fn code_embedding(coder: &mut impl BitCoder, embedding: &mut Embedding, width: usize, scale: &mut AdaptiveNumber) {
    embedding.multiplier = scale.code(coder, embedding.multiplier.into()).min(u16::MAX.into()) as u16;
    let mut model = WeightModel::default();
    let mut unused = AdaptiveBit::default();
    for row in embedding.weights.chunks_exact_mut(width) {
        let zero = row.iter().all(|&weight| weight == 0);
        if !unused.code(coder, zero) {
            row.iter_mut().for_each(|weight| *weight = model.code(coder, *weight));
        }
    }
}

fn code_matrix(coder: &mut impl BitCoder, matrix: &mut Matrix, model: &mut WeightModel, scales: &mut MatrixScales) {
    matrix.shift = scales.shift.code(coder, matrix.shift.into()).min(16) as u8;
    for (row, multiplier) in matrix.weights.chunks_exact_mut(matrix.columns).zip(&mut matrix.multipliers) {
        *multiplier = scales.multiplier.code(coder, *multiplier as u32).min(i16::MAX as u32) as i16;
        row.iter_mut().for_each(|weight| *weight = model.code(coder, *weight));
    }
}

#[derive(Default)]
struct MatrixScales {
    shift: AdaptiveNumber,
    multiplier: AdaptiveNumber,
}

/// The model of one kind of weights: a magnitude by six adaptive bits, in the context of the magnitudes before it.
struct WeightModel {
    magnitudes: [[AdaptiveBit; 64]; 8],
    signs: AdaptiveBit,
    /// Recent magnitudes, averaged with weight 1/16, in 1/16.
    recent: u32,
}

impl Default for WeightModel {
    fn default() -> Self {
        Self { magnitudes: [[AdaptiveBit::default(); 64]; 8], signs: AdaptiveBit::default(), recent: 0 }
    }
}

impl WeightModel {
    fn code(&mut self, coder: &mut impl BitCoder, weight: i8) -> i8 {
        let magnitude = usize::from(weight.unsigned_abs());
        let context = (32 - self.recent.leading_zeros()).saturating_sub(3).min(7) as usize;
        let mut node = 1;
        for place in (0..6).rev() {
            let bit = self.magnitudes[context][node].code(coder, magnitude >> place & 1 != 0);
            node = node << 1 | usize::from(bit);
        }
        let magnitude = (node & 63) as i8;
        self.recent += (magnitude as u32) - self.recent / 16;
        let negative = magnitude != 0 && self.signs.code(coder, weight < 0);
        if negative { -magnitude } else { magnitude }
    }
}

impl Weights {
    /// A network of zeros.
    pub fn zero(shape: &Shape) -> Self {
        let (width, hidden) = (usize::from(shape.width), usize::from(shape.hidden));
        let layer = || Layer {
            query: Matrix::zero(width, width),
            key_value: Matrix::zero(2 * shape.head_width(), width),
            position_bias: vec![0; usize::from(shape.heads) * usize::from(shape.window)],
            score_shift: 4,
            attention_output: Matrix::zero(width, width),
            up: Matrix::zero(hidden, width),
            down: Matrix::zero(width, hidden),
        };
        Self {
            shape: shape.clone(),
            embeddings: shape.input_rows().map(|rows| Embedding { weights: vec![0; rows * width], multiplier: 0 }),
            layers: (0..shape.layers).map(|_| layer()).collect(),
            output: Matrix::zero(shape.alphabet.len(), width),
        }
    }
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zero(rows: usize, columns: usize) -> Self {
        Self { rows, columns, weights: vec![0; rows * columns], multipliers: vec![0; rows], shift: 0 }
    }
}
