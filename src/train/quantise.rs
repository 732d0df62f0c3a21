//! From floats to the integer network: steps, units and shifts.
//!
//! A *step* is what one integer weight stands for; a *unit* is how many integers stand for 1.0 of something computed.

use super::batch::Corpus;
use super::forward::{Forward, LayerRange, Ranges};
use super::parameters::{Kind, LayerTensors, Parameters, Tensor};
use crate::error::{Error, ErrorKind, Result};
use crate::net::{Embedding, Layer, Matrix, Shape, Weights};

/// Largest integer weight.
const WEIGHT_LIMIT: f32 = 63.0;
/// Integers for 1.0 after normalisation.
const NORM_UNIT: f32 = 32.0;
/// Integers for one nat of a logit: 1024 an octave.
const LOGIT_UNIT: f32 = 1024.0 * std::f32::consts::LOG2_E;
/// Biases are rounded to multiples of this many 1/256 octaves, or of this times a power of two: the exponential's table is not finer
/// than 16, and equal low bits cost nothing to send.
const BIAS_GRAIN: f32 = 8.0;
const MOST_BIAS_GRAINS: f32 = 128.0;
/// Biases for 1.0 of a score: 256 an octave.
const BIAS_UNIT: f32 = 256.0 * std::f32::consts::LOG2_E;
/// Largest factor of a matrix' row, in 2⁻¹⁵.
const LARGEST_MULTIPLIER: f32 = 32767.0;
/// The largest step between weights of logits that a factor expresses.
const LARGEST_OUTPUT_STEP: f32 = LARGEST_MULTIPLIER / 32768.0 * NORM_UNIT / LOGIT_UNIT;
/// How much larger than met on the sample the residual stream may become before it saturates.
const RESIDUAL_HEADROOM: f32 = 4.0;
/// The same for the 16-bit sums of a product.
const SUM_HEADROOM: f32 = 1.5;
/// The sample that ranges are taken from: sequences, and their length in windows.
const SAMPLE: [usize; 2] = [12, 4];

/// Writes to `rounded` the nearest values to `values` that the integer weights can stand for, if each tensor has the step that `steps`
/// says.
pub fn round_parameters(parameters: &Parameters, values: &[f32], rounded: &mut [f32], steps: &[f32]) {
    for (tensor, &least) in parameters.tensors.iter().zip(steps) {
        let (from, to) = (&values[tensor.range.clone()], &mut rounded[tensor.range.clone()]);
        let step_length = row_length(tensor);
        for (from, to) in from.chunks(step_length).zip(to.chunks_mut(step_length)) {
            let step = step(tensor.kind, from, least);
            for (from, to) in from.iter().zip(to) {
                *to = level(tensor.kind, *from, step) * step;
            }
        }
    }
}

/// The integer network whose weights, with these `steps` of tensors, are the nearest to `values`; ranges come from a sample of `corpus`.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if the values are not finite.
pub fn quantise(values: &[f32], shape: &Shape, corpus: &Corpus, steps: &[f32]) -> Result<Weights> {
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Error::new(ErrorKind::Unsupported, "training diverged: a weight is not finite"));
    }
    let parameters = Parameters::new(shape);
    let mut rounded = values.to_vec();
    round_parameters(&parameters, values, &mut rounded, steps);
    let mut forward = Forward::new(shape, &parameters, &rounded);
    forward.loss(&corpus.spread(SAMPLE[0], SAMPLE[1] * usize::from(shape.window)));
    let rounding = Rounding { shape, parameters: &parameters, values, steps, ranges: &forward.ranges };
    Ok(rounding.weights(corpus))
}

/// Everything that the integer weights follow from.
struct Rounding<'a> {
    shape: &'a Shape,
    parameters: &'a Parameters,
    values: &'a [f32],
    /// The least step of each tensor.
    steps: &'a [f32],
    ranges: &'a Ranges,
}

/// Units of the vectors of one layer.
struct Units {
    query: f32,
    key: f32,
    value: f32,
    hidden: f32,
    score_shift: u8,
}

impl Rounding<'_> {
    fn weights(&self, corpus: &Corpus) -> Weights {
        let units: Vec<Units> = self.ranges.layers.iter().map(|range| self.units(range)).collect();
        let mut residual = 32767.0 / RESIDUAL_HEADROOM / self.ranges.residual.max(1e-6);
        while !self.fits(residual, &units) {
            residual *= 0.5;
        }
        let used = corpus.used_rows(self.shape);
        let embeddings =
            std::array::from_fn(|input| self.embedding(self.parameters.embeddings[input], &used[input], residual));
        let layers = self.parameters.layers.iter().zip(&self.ranges.layers).zip(&units);
        let output = self.matrix(&[self.parameters.output], &[&self.ranges.output], NORM_UNIT, &[LOGIT_UNIT]);
        Weights {
            shape: self.shape.clone(),
            embeddings,
            layers: layers.map(|((tensors, range), units)| self.layer(tensors, range, units, residual)).collect(),
            output,
        }
    }

    /// The finest units whose numbers fit, and the shift that brings the scores to 1/16 octave.
    fn units(&self, range: &LayerRange) -> Units {
        let largest = |rows: &[f32]| rows.iter().fold(1e-6f32, |a, &b| a.max(b));
        let (query, key) = (63.0 / largest(&range.query), 127.0 / largest(&range.key));
        // A score of one nat, in octaves of the scaled product.
        let octaves = std::f32::consts::LOG2_E / (self.shape.head_width() as f32).sqrt();
        let score_shift = (query * key / octaves).log2().floor() - 4.0;
        let score_shift = score_shift.clamp(0.0, 16.0);
        Units {
            query,
            key: octaves * (score_shift + 4.0).exp2() / query,
            value: 63.0 / largest(&range.value),
            hidden: 255.0 / range.hidden.max(1e-6),
            score_shift: score_shift as u8,
        }
    }

    /// Whether the factors of all that is added to the residual stream can be expressed.
    fn fits(&self, residual: f32, units: &[Units]) -> bool {
        let layers = self.parameters.layers.iter().zip(&self.ranges.layers).zip(units);
        let mut matrices = layers.flat_map(|((tensors, range), units)| {
            [
                (tensors.attention_output, &range.attention_output, 2.0 * units.value),
                (tensors.down, &range.down, units.hidden),
            ]
        });
        matrices.all(|(tensor, range, input)| {
            let steps = self.steps(tensor);
            let shift = sum_shift(steps.iter().zip(range).map(|(step, largest)| largest * input / step));
            steps.iter().all(|step| step * residual / input * f32::from(shift).exp2() * 32768.0 <= LARGEST_MULTIPLIER)
        }) && self.parameters.embeddings.iter().all(|table| self.steps(*table)[0] * residual * 256.0 <= 65535.0)
    }

    fn layer(&self, tensors: &LayerTensors, range: &LayerRange, units: &Units, residual: f32) -> Layer {
        let info = &self.parameters.tensors[tensors.bias];
        let rows = self.parameters.slice(self.values, tensors.bias).chunks(info.columns).zip(self.steps(tensors.bias));
        let bias = rows.flat_map(|(row, step)| row.iter().map(move |&bias| level(Kind::Bias, bias, step) * step));
        Layer {
            query: self.matrix(&[tensors.query], &[&range.query], NORM_UNIT, &[units.query]),
            key_value: self.matrix(
                &[tensors.key, tensors.value],
                &[&range.key, &range.value],
                NORM_UNIT,
                &[units.key, units.value],
            ),
            position_bias: bias.map(|bias| (bias * BIAS_UNIT).round() as i16).collect(),
            score_shift: units.score_shift,
            attention_output: self.matrix(
                &[tensors.attention_output],
                &[&range.attention_output],
                2.0 * units.value,
                &[residual],
            ),
            up: self.matrix(&[tensors.up], &[&range.up], NORM_UNIT, &[units.hidden]),
            down: self.matrix(&[tensors.down], &[&range.down], units.hidden, &[residual]),
        }
    }

    fn embedding(&self, table: usize, used: &[bool], residual: f32) -> Embedding {
        let tensor = &self.parameters.tensors[table];
        let step = self.steps(table)[0];
        let rows = self.parameters.slice(self.values, table).chunks(tensor.columns).zip(used);
        let weights = rows.flat_map(|(row, &used)| {
            row.iter().map(move |&value| if used { level(tensor.kind, value, step) as i8 } else { 0 })
        });
        Embedding { weights: weights.collect(), multiplier: (step * residual * 256.0).round() as u16 }
    }

    /// Tensors one above the other as one matrix, from inputs in unit `input` to outputs in the unit of their tensor.
    fn matrix(&self, tensors: &[usize], ranges: &[&Vec<f32>], input: f32, outputs: &[f32]) -> Matrix {
        let Tensor { columns, kind, .. } = self.parameters.tensors[tensors[0]];
        let steps: Vec<Vec<f32>> = tensors.iter().map(|&tensor| self.steps(tensor)).collect();
        let fine = |step: f32| step / split(kind, step);
        let rows = steps.iter().zip(ranges).flat_map(|(steps, range)| steps.iter().zip(range.iter()));
        let mut shift = sum_shift(rows.map(|(step, largest)| largest * input / fine(*step)));
        let factor =
            |step: f32, output: f32, shift: u8| fine(step) * output / input * f32::from(shift).exp2() * 32768.0;
        let largest =
            steps.iter().zip(outputs).flat_map(|(steps, &output)| steps.iter().map(move |&step| (step, output)));
        let largest = largest.map(|(step, output)| factor(step, output, 0)).fold(0.0, f32::max);
        while shift > 0 && largest * f32::from(shift).exp2() > LARGEST_MULTIPLIER {
            shift -= 1;
        }
        let mut matrix = Matrix { rows: 0, columns, weights: Vec::new(), multipliers: Vec::new(), shift };
        for ((&tensor, steps), &output) in tensors.iter().zip(&steps).zip(outputs) {
            for (row, &step) in self.parameters.slice(self.values, tensor).chunks(columns).zip(steps) {
                matrix.rows += 1;
                let split = split(kind, step);
                matrix.weights.extend(row.iter().map(|&value| (level(kind, value, step) * split) as i8));
                matrix.multipliers.push(factor(step, output, shift).round().min(LARGEST_MULTIPLIER) as i16);
            }
        }
        matrix
    }

    /// The step of each row of a tensor.
    fn steps(&self, tensor: usize) -> Vec<f32> {
        let info = &self.parameters.tensors[tensor];
        let rows = self.parameters.slice(self.values, tensor).chunks(row_length(info));
        rows.map(|row| step(info.kind, row, self.steps[tensor])).collect()
    }
}

/// Number of consecutive elements that share a step: a row, or all of an embedding table.
fn row_length(tensor: &Tensor) -> usize {
    match tensor.kind {
        Kind::Embedding => tensor.range.len(),
        Kind::Hidden | Kind::Bias | Kind::Output => tensor.columns,
    }
}

/// What one integer weight of a row stands for: `least`, or more if the row's largest would not fit.
fn step(kind: Kind, row: &[f32], least: f32) -> f32 {
    if kind == Kind::Bias {
        let grains = (least * BIAS_UNIT / BIAS_GRAIN).clamp(1.0, MOST_BIAS_GRAINS);
        return BIAS_GRAIN * grains.log2().floor().exp2() / BIAS_UNIT;
    }
    let largest = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    (largest / WEIGHT_LIMIT).max(least).max(1e-9)
}

/// How many steps a value is nearest to, among those that integer weights can express.
fn level(kind: Kind, value: f32, step: f32) -> f32 {
    let level = (value / step).round();
    let limit = (WEIGHT_LIMIT / split(kind, step)).floor();
    if kind == Kind::Bias { level } else { level.clamp(-limit, limit) }
}

/// How many finer steps one becomes: those of logits are mostly so coarse that no factor expresses them.
fn split(kind: Kind, step: f32) -> f32 {
    if kind == Kind::Output { (step / LARGEST_OUTPUT_STEP).ceil().clamp(1.0, WEIGHT_LIMIT) } else { 1.0 }
}

/// The least shift that brings 32-bit sums of these sizes to 16 bits.
fn sum_shift(sums: impl Iterator<Item = f32>) -> u8 {
    let largest = sums.fold(1.0f32, f32::max) * SUM_HEADROOM;
    (largest / 32767.0).log2().ceil().clamp(0.0, 16.0) as u8
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::super::tests::{FILE, shape};
    use super::*;
    use crate::layout::Layout;

    /// So much of each tensor's root mean square.
    fn steps(parameters: &Parameters, values: &[f32], coarseness: f32) -> Vec<f32> {
        let root_mean_square =
            |values: &[f32]| (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt();
        parameters.tensors.iter().map(|tensor| coarseness * root_mean_square(&values[tensor.range.clone()])).collect()
    }

    /// What a matrix stands for, in floats.
    fn real(matrix: &Matrix, row: usize, column: usize, input: f32, output: f32) -> f32 {
        let factor = f32::from(matrix.multipliers[row]) / 32768.0 / f32::from(matrix.shift).exp2();
        f32::from(matrix.weights[row * matrix.columns + column]) * factor * input / output
    }

    /// Fine steps and fresh weights, and coarse ones with logits as large as they become where some bytes follow with certainty.
    #[test]
    fn integers_stand_for_the_rounded_values() {
        for (coarseness, growth) in [(0.15, 1.0), (0.4, 40.0)] {
            check_integers(coarseness, growth);
        }
    }

    fn check_integers(coarseness: f32, growth: f32) {
        let shape = shape(32, 2, 2, 16);
        let parameters = Parameters::new(&shape);
        let mut values = parameters.initial(&mut Random::new(4));
        values[parameters.tensors[parameters.output].range.clone()].iter_mut().for_each(|value| *value *= growth);
        let corpus = Corpus::new(FILE, &Layout::Plain, &shape);
        let steps = steps(&parameters, &values, coarseness);
        let weights = quantise(&values, &shape, &corpus, &steps).unwrap();
        let mut rounded = values.clone();
        round_parameters(&parameters, &values, &mut rounded, &steps);
        let check = |matrix: &Matrix, tensor: usize, input: f32, output: f32| {
            let tensor = &parameters.tensors[tensor];
            for (i, &expected) in rounded[tensor.range.clone()].iter().enumerate() {
                let got = real(matrix, i / tensor.columns, i % tensor.columns, input, output);
                let tolerance = 1e-5 + 0.01 * expected.abs();
                assert!((got - expected).abs() < tolerance, "{} {i}: {got} for {expected}", tensor.name);
            }
        };
        check(&weights.output, parameters.output, NORM_UNIT, LOGIT_UNIT);
        for (layer, tensors) in weights.layers.iter().zip(&parameters.layers) {
            assert_eq!(layer.key_value.rows, 2 * shape.head_width());
            assert!(layer.down.multipliers.iter().all(|&multiplier| multiplier > 0));
            assert_eq!(layer.position_bias.len(), parameters.tensors[tensors.bias].range.len());
        }
        let embedding = &weights.embeddings[0];
        let none = &embedding.weights[shape.alphabet.len() * 32..];
        assert!(none.iter().any(|&weight| weight != 0), "the start of the file uses the row of no previous byte");
        assert!(weights.embeddings[1].weights[32..].iter().all(|&weight| weight == 0), "rows never used become 0");
    }

    /// A long training lets queries and keys grow, so that products of the largest are far beyond the units of a score.
    #[test]
    fn keys_of_sharp_attention_do_not_saturate() {
        let shape = shape(32, 2, 2, 16);
        let parameters = Parameters::new(&shape);
        let corpus = Corpus::new(FILE, &Layout::Plain, &shape);
        for growth in [1.0, 3.0, 8.0] {
            let mut values = parameters.initial(&mut Random::new(4));
            for tensor in parameters.layers.iter().flat_map(|layer| [layer.query, layer.key]) {
                values[parameters.tensors[tensor].range.clone()].iter_mut().for_each(|value| *value *= growth);
            }
            let mut forward = Forward::new(&shape, &parameters, &values);
            forward.loss(&corpus.spread(SAMPLE[0], SAMPLE[1] * usize::from(shape.window)));
            let ranges = &forward.ranges;
            let steps = steps(&parameters, &values, 0.4);
            let rounding = Rounding { shape: &shape, parameters: &parameters, values: &values, steps: &steps, ranges };
            for range in &ranges.layers {
                let units = rounding.units(range);
                let largest = |rows: &[f32]| rows.iter().fold(0.0f32, |a, &b| a.max(b));
                let (query, key) = (units.query * largest(&range.query), units.key * largest(&range.key));
                assert!((31.5..64.0).contains(&query) && (31.5..128.0).contains(&key), "{growth}: {query}, {key}");
            }
        }
    }

    #[test]
    fn weights_that_are_not_finite_are_refused() {
        let shape = shape(16, 1, 1, 16);
        let parameters = Parameters::new(&shape);
        let values = vec![f32::NAN; parameters.len()];
        let steps = steps(&parameters, &values, 0.1);
        let corpus = Corpus::new(FILE, &Layout::Plain, &shape);
        assert!(quantise(&values, &shape, &corpus, &steps).is_err());
    }
}
