//! The network in floats as a composition of candle's operations: what runs on a GPU, and what every faster
//! implementation is tested against.

use candle_core::{D, DType, Device, Tensor, Var};

use super::batch::Batch;
use super::mixed::{Classes, Heard, Shares};
use super::parameters::Parameters;
use super::{Engine, NORM_LIMIT};
use crate::error::{Error, ErrorKind, Result};
use crate::net::Shape;

/// Stands for the score of a position that may not be seen.
const UNSEEN: f64 = -1e9;

/// The network on a candle device.
pub struct Model {
    shape: Shape,
    parameters: Parameters,
    device: Device,
}

impl Model {
    /// A network of `shape` that computes on `device`.
    pub fn new(shape: &Shape, device: Device) -> Self {
        Self { shape: shape.clone(), parameters: Parameters::new(shape), device }
    }

    /// `positions × classes` under `variables`, one a tensor of [`Parameters`], all of one float type.
    pub fn logits(&self, variables: &[Tensor], batch: &Batch) -> candle_core::Result<Tensor> {
        let mut x = self.embed(variables, batch)?;
        for layer in &self.parameters.layers {
            let n = normalise(&x)?;
            let q = n.matmul(&variables[layer.query].t()?)?;
            let k = n.matmul(&variables[layer.key].t()?)?;
            let v = n.matmul(&variables[layer.value].t()?)?;
            let context = self.attend(&q, &k, &v, &variables[layer.bias], batch)?;
            x = (x + context.matmul(&variables[layer.attention_output].t()?)?)?;
            let u = normalise(&x)?.matmul(&variables[layer.up].t()?)?.relu()?;
            x = (x + u.matmul(&variables[layer.down].t()?)?)?;
        }
        normalise(&x)?.matmul(&variables[self.parameters.output].t()?)
    }

    /// The mean cross-entropy in nats of the `logits` for `batch`.
    pub fn loss(&self, logits: &Tensor, batch: &Batch) -> candle_core::Result<Tensor> {
        let targets = Tensor::from_slice(&batch.targets, batch.positions(), &self.device)?;
        candle_nn::loss::cross_entropy(logits, &targets)
    }

    /// Something whose gradient is that of what the network is to be good at where contexts give advice: the product of the logits
    /// and that gradient by them, which is made on the CPU. And the gradient by the shares.
    fn mixed(&self, logits: &Tensor, batch: &Batch, heard: &Heard) -> candle_core::Result<(Tensor, Shares)> {
        let (classes, mut shares) = (Classes::new(&self.shape.alphabet), Shares::ZERO);
        let mut gradient = candle_nn::ops::softmax(&logits.detach(), D::Minus1)?.flatten_all()?.to_vec1::<f32>()?;
        let (rows, scale) = (gradient.chunks_mut(self.shape.alphabet.len()), 1.0 / batch.positions() as f32);
        for (place, (row, &target)) in rows.zip(&batch.targets).enumerate() {
            row[target as usize] -= 1.0;
            shares.add(classes.mix(row, target as usize, heard, place, scale));
        }
        Ok(((logits * Tensor::from_vec(gradient, logits.shape(), &self.device)?)?.sum_all()?, shares))
    }

    /// `positions × width`: the sum of the inputs' embeddings. Rows are chosen by a product with ones and zeros: the gradient
    /// of candle's `index_select` takes one row after the other on a GPU.
    fn embed(&self, variables: &[Tensor], batch: &Batch) -> candle_core::Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (table, rows) in self.parameters.embeddings.iter().map(|&table| &variables[table]).zip(&batch.inputs) {
            let rows = Tensor::from_slice(rows, (rows.len(), 1), &self.device)?;
            let all = Tensor::arange(0, table.dim(0)? as u32, &self.device)?.unsqueeze(0)?;
            let addend = rows.broadcast_eq(&all)?.to_dtype(table.dtype())?.matmul(table)?;
            sum = Some(match sum {
                Some(sum) => (sum + addend)?,
                None => addend,
            });
        }
        sum.ok_or_else(|| candle_core::Error::Msg("a network without inputs".into()))
    }

    /// Attention of all query heads (`positions × width`) to the one key and value head
    /// (`positions × head_width`) over the last `window` positions of each sequence.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, bias: &Tensor, batch: &Batch) -> candle_core::Result<Tensor> {
        let (b, l) = (batch.sequences, batch.length);
        let (heads, head_width) = (usize::from(self.shape.heads), self.shape.head_width());
        let q = (q.reshape((b, l * heads, head_width))? * (head_width as f64).powf(-0.5))?;
        let k = k.reshape((b, l, head_width))?;
        let v = v.reshape((b, l, head_width))?;
        let scores = q.matmul(&k.transpose(1, 2)?)?.reshape((b, l, heads, l))?;
        let bias = self.banded_bias(bias, l)?.transpose(0, 1)?.reshape((1, l * heads * l))?;
        // A product with ones in place of a broadcast, whose gradient is a sum over few sequences for each of many scores:
        // candle takes a block of a GPU's threads for each such sum.
        let bias = Tensor::ones((b, 1), bias.dtype(), &self.device)?.matmul(&bias)?.reshape((b, l, heads, l))?;
        let scores = (scores + bias)?;
        let probabilities = candle_nn::ops::softmax(&scores, D::Minus1)?.reshape((b, l * heads, l))?;
        probabilities.matmul(&v)?.reshape((b * l, heads * head_width))
    }

    /// `heads × length × length`: the bias of each query and key position by their distance, [`UNSEEN`] where the key
    /// lies ahead or has left the window. A row of `2·length` entries, repeated and read again with rows one
    /// shorter, moves by one place from row to row: a Toeplitz matrix that has a gradient.
    fn banded_bias(&self, bias: &Tensor, length: usize) -> candle_core::Result<Tensor> {
        let heads = usize::from(self.shape.heads);
        let window = usize::from(self.shape.window).min(length);
        let backwards: Vec<u32> = (1..window as u32).rev().collect();
        let unseen = Tensor::full(UNSEEN, (heads, 2 * length - window), &self.device)?.to_dtype(bias.dtype())?;
        let mut parts = vec![bias.narrow(1, 0, 1)?, unseen];
        if window > 1 {
            parts.push(bias.index_select(&Tensor::from_vec(backwards, window - 1, &self.device)?, 1)?);
        }
        Tensor::cat(&parts, 1)?
            .unsqueeze(1)?
            .broadcast_as((heads, length, 2 * length))?
            .reshape((heads, 2 * length * length))?
            .narrow(1, 0, length * (2 * length - 1))?
            .reshape((heads, length, 2 * length - 1))?
            .narrow(2, 0, length)?
            .contiguous()
    }

    fn variables(&self, values: &[f32]) -> candle_core::Result<Vec<Var>> {
        let tensors = &self.parameters.tensors;
        tensors.iter().map(|t| Var::from_slice(&values[t.range.clone()], (t.rows, t.columns), &self.device)).collect()
    }

    fn step(&self, values: &[f32], batch: &Batch, gradient: Option<&mut [f32]>) -> candle_core::Result<(f64, Shares)> {
        let variables = self.variables(values)?;
        let tensors: Vec<Tensor> = variables.iter().map(|variable| variable.as_tensor().clone()).collect();
        let logits = self.logits(&tensors, batch)?;
        let (loss, mut shares) = (self.loss(&logits, batch)?, Shares::ZERO);
        if let Some(gradient) = gradient {
            let mut least = loss.clone();
            if let Some(heard) = &batch.heard {
                (least, shares) = self.mixed(&logits, batch, heard)?;
            }
            let gradients = least.backward()?;
            for (tensor, variable) in self.parameters.tensors.iter().zip(&variables) {
                let found = gradients
                    .get(variable)
                    .ok_or_else(|| candle_core::Error::Msg(format!("the {} has no gradient", tensor.name)))?;
                gradient[tensor.range.clone()].copy_from_slice(&found.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok((loss.to_dtype(DType::F64)?.to_scalar::<f64>()?, shares))
    }
}

impl Engine for Model {
    fn gradient(&mut self, values: &[f32], batch: &Batch, gradient: &mut [f32]) -> Result<(f64, Shares)> {
        self.step(values, batch, Some(gradient)).map_err(failed)
    }

    /// One sequence at a time: each takes memory by the square of its length.
    fn loss(&mut self, values: &[f32], batch: &Batch) -> Result<f64> {
        let losses = (0..batch.sequences).map(|number| Ok(self.step(values, &batch.sequence(number), None)?.0));
        let sum: f64 = losses.sum::<candle_core::Result<f64>>().map_err(failed)?;
        Ok(sum / batch.sequences.max(1) as f64)
    }
}

/// Root-mean-square normalisation, limited to what the integer network can represent.
fn normalise(x: &Tensor) -> candle_core::Result<Tensor> {
    let mean_square = x.sqr()?.mean_keepdim(D::Minus1)?;
    let scale = (mean_square + f64::from(super::NORM_EPSILON))?.sqrt()?.recip()?;
    x.broadcast_mul(&scale)?.clamp(-f64::from(NORM_LIMIT), f64::from(NORM_LIMIT))
}

fn failed(error: candle_core::Error) -> Error {
    Error::new(ErrorKind::Unsupported, format!("training failed: {error}"))
}
