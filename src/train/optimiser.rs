//! How gradients move the parameters: Muon for the matrices between hidden vectors, Adam for all others.

use super::parameters::{Kind, Parameters};
use super::product::{Matrix, product};

/// Decay of Adam's first and second moment.
const ADAM_DECAY: [f32; 2] = [0.9, 0.99];
/// Decay of Muon's momentum.
const MUON_DECAY: f32 = 0.95;
/// Coefficients of the quintic Newton-Schulz iteration of Muon (Keller Jordan, 2024).
const NEWTON_SCHULZ: [f32; 3] = [3.4445, -4.7750, 2.0315];
const NEWTON_SCHULZ_STEPS: usize = 5;

/// The size of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of the matrices that Muon moves: the root mean square of their change, relative to `1/√columns`-sized weights.
    pub muon: f32,
    /// Of everything that Adam moves.
    pub adam: f32,
    /// The largest norm of the whole gradient; a longer one is shortened.
    pub clip: f32,
}

/// The state of both optimisers, in flat memory beside the parameters'.
#[derive(Clone, Debug)]
pub struct Optimiser {
    steps: u32,
    /// Adam's first moment or Muon's momentum.
    first: Vec<f32>,
    /// Adam's second moment; unused where Muon works.
    second: Vec<f32>,
    scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
struct Scratch {
    direction: Vec<f32>,
    next: Vec<f32>,
    gram: Vec<f32>,
    gram_square: Vec<f32>,
}

impl Optimiser {
    /// An optimiser at its first step.
    pub fn new(parameters: &Parameters) -> Self {
        let len = parameters.len();
        Self { steps: 0, first: vec![0.0; len], second: vec![0.0; len], scratch: Scratch::default() }
    }

    /// Moves `values` against `gradient`.
    pub fn step(&mut self, parameters: &Parameters, values: &mut [f32], gradient: &[f32], rates: Rates) {
        self.steps += 1;
        let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt() as f32;
        let scale = if norm > rates.clip { rates.clip / norm } else { 1.0 };
        for tensor in &parameters.tensors {
            let range = tensor.range.clone();
            let (values, gradient) = (&mut values[range.clone()], &gradient[range.clone()]);
            let first = &mut self.first[range.clone()];
            match tensor.kind {
                Kind::Hidden => {
                    self.scratch.momentum(first, gradient, scale);
                    self.scratch.orthogonalise(tensor.rows, tensor.columns);
                    // An orthogonal matrix of r×c has entries of mean square 1/max(r, c).
                    let rate = rates.muon * (tensor.rows.max(tensor.columns) as f32 / tensor.columns as f32).sqrt();
                    for (value, direction) in values.iter_mut().zip(&self.scratch.direction) {
                        *value -= rate * direction;
                    }
                }
                Kind::Embedding | Kind::Bias | Kind::Output => {
                    adam(values, gradient, first, &mut self.second[range], scale, rates.adam, self.steps);
                }
            }
        }
    }
}

/// One step of Adam (Kingma and Ba, 2014) without weight decay, in one pass.
fn adam(v: &mut [f32], g: &[f32], first: &mut [f32], second: &mut [f32], scale: f32, rate: f32, steps: u32) {
    let correction = ADAM_DECAY.map(|decay| 1.0 - decay.powi(steps.min(10_000) as i32));
    let rate = rate / correction[0];
    let unbias = 1.0 / correction[1];
    for (((value, &gradient), m), s) in v.iter_mut().zip(g).zip(first).zip(second) {
        let gradient = gradient * scale;
        *m += (1.0 - ADAM_DECAY[0]) * (gradient - *m);
        *s += (1.0 - ADAM_DECAY[1]) * (gradient * gradient - *s);
        *value -= rate * *m / ((*s * unbias).sqrt() + 1e-10);
    }
}

impl Scratch {
    /// Moves the momentum and leaves Nesterov's look-ahead of it as the direction.
    fn momentum(&mut self, momentum: &mut [f32], gradient: &[f32], scale: f32) {
        self.direction.clear();
        self.direction.extend(momentum.iter_mut().zip(gradient).map(|(m, &gradient)| {
            let gradient = gradient * scale;
            *m += (1.0 - MUON_DECAY) * (gradient - *m);
            gradient + MUON_DECAY * (*m - gradient)
        }));
    }

    /// Brings the singular values of the direction (`rows × columns`) near to 1.
    fn orthogonalise(&mut self, rows: usize, columns: usize) {
        let norm = self.direction.iter().map(|x| x * x).sum::<f32>().sqrt();
        let scale = 1.0 / (norm + 1e-12);
        self.direction.iter_mut().for_each(|x| *x *= scale);
        // The Gram matrix is taken on the shorter side.
        let (short, long) = (rows.min(columns), rows.max(columns));
        self.gram.resize(short * short, 0.0);
        self.gram_square.resize(short * short, 0.0);
        self.next.resize(rows * columns, 0.0);
        let [linear, cubic, quintic] = NEWTON_SCHULZ;
        for _ in 0..NEWTON_SCHULZ_STEPS {
            let x = Matrix::new(&self.direction, columns);
            let (left, right) = if rows <= columns { (x, x.transposed()) } else { (x.transposed(), x) };
            product(&mut self.gram, left, right, [short, long, short], 0.0);
            let gram = Matrix::new(&self.gram, short);
            product(&mut self.gram_square, gram, gram, [short, short, short], 0.0);
            for (square, gram) in self.gram_square.iter_mut().zip(&self.gram) {
                *square = quintic * *square + cubic * gram;
            }
            self.next.iter_mut().zip(&self.direction).for_each(|(next, x)| *next = linear * x);
            let gram = Matrix::new(&self.gram_square, short);
            if rows <= columns {
                product(&mut self.next, gram, x, [short, short, long], 1.0);
            } else {
                product(&mut self.next, x, gram, [long, short, short], 1.0);
            }
            std::mem::swap(&mut self.direction, &mut self.next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn muon_makes_directions_nearly_orthogonal() {
        let mut random = Random::new(3);
        for (rows, columns) in [(16, 48), (48, 16), (32, 32)] {
            let direction: Vec<f32> = (0..rows * columns).map(|_| random.normal()).collect();
            let mut scratch = Scratch { direction: direction.clone(), ..Scratch::default() };
            scratch.orthogonalise(rows, columns);
            let along: f32 = scratch.direction.iter().zip(&direction).map(|(a, b)| a * b).sum();
            assert!(along > 0.0);
            let square = scratch.direction.iter().map(|x| x * x).sum::<f32>() / rows.min(columns) as f32;
            assert!((0.5..1.4).contains(&square), "mean squared singular value {square}");
        }
    }

    #[test]
    fn adam_moves_each_weight_by_the_rate_at_first() {
        let (mut values, mut first, mut second) = (vec![1.0, 1.0], vec![0.0; 2], vec![0.0; 2]);
        adam(&mut values, &[3.0, -0.01], &mut first, &mut second, 1.0, 0.1, 1);
        assert!((values[0] - 0.9).abs() < 1e-4 && (values[1] - 1.1).abs() < 1e-4, "{values:?}");
    }
}
