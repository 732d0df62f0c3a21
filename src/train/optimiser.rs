//! How gradients move the parameters: Muon for the matrices between hidden vectors, Adam for all others.

use super::cpu::{Rows, RowsMut, Simd, View};
use super::parameters::{Kind, Parameters, Tensor};

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
    /// Part of themselves that matrices lose, relative to the rate (Loshchilov and Hutter, 2017).
    pub decay: f32,
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
    simd: Simd,
    /// One a thread.
    scratch: Vec<Scratch>,
}

/// Memory for one matrix at a time; a matrix is kept here with its longer side as rows.
#[derive(Clone, Debug, Default)]
struct Scratch {
    direction: Vec<f32>,
    next: Vec<f32>,
    gram: Vec<f32>,
    gram_square: Vec<f32>,
}

/// What one step does to one tensor.
struct Task<'a> {
    tensor: &'a Tensor,
    values: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Optimiser {
    /// An optimiser at its first step, which works on `threads` threads.
    pub fn new(parameters: &Parameters, threads: usize) -> Self {
        let len = parameters.len();
        Self {
            steps: 0,
            first: vec![0.0; len],
            second: vec![0.0; len],
            simd: Simd::detect(),
            scratch: vec![Scratch::default(); threads.max(1)],
        }
    }

    /// Its steps so far and its moments.
    pub fn state(&self) -> (u32, &[f32], &[f32]) {
        (self.steps, &self.first, &self.second)
    }

    /// Continues from what [`Optimiser::state`] gave.
    pub fn restore(&mut self, steps: u32, first: Vec<f32>, second: Vec<f32>) {
        (self.steps, self.first, self.second) = (steps, first, second);
    }

    /// Moves `values` against `gradient`.
    pub fn step(&mut self, parameters: &Parameters, values: &mut [f32], gradient: &[f32], rates: Rates) {
        self.steps += 1;
        let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt() as f32;
        let scale = if norm > rates.clip { rates.clip / norm } else { 1.0 };
        let (steps, simd) = (self.steps, self.simd);
        let mut shares = share(parameters, values, gradient, &mut self.first, &mut self.second, self.scratch.len());
        std::thread::scope(|scope| {
            let work = move |share: Vec<Task<'_>>, scratch: &mut Scratch| {
                share.into_iter().for_each(|task| task.run(scratch, simd, scale, rates, steps));
            };
            let mut scratches = self.scratch.iter_mut();
            let (own, own_scratch) = (shares.pop(), scratches.next());
            for (share, scratch) in shares.into_iter().zip(scratches) {
                scope.spawn(move || work(share, scratch));
            }
            if let (Some(share), Some(scratch)) = (own, own_scratch) {
                work(share, scratch);
            }
        });
    }
}

/// Deals the tensors out to `count` threads, each next one to the thread that has least to do.
fn share<'a>(
    parameters: &'a Parameters,
    mut values: &'a mut [f32],
    mut gradient: &'a [f32],
    mut first: &'a mut [f32],
    mut second: &'a mut [f32],
    count: usize,
) -> Vec<Vec<Task<'a>>> {
    let mut shares: Vec<(usize, Vec<Task<'a>>)> = (0..count).map(|_| (0, Vec::new())).collect();
    for tensor in &parameters.tensors {
        let len = tensor.range.len();
        let task = Task {
            tensor,
            values: values.split_off_mut(..len).unwrap_or_default(),
            gradient: gradient.split_off(..len).unwrap_or_default(),
            first: first.split_off_mut(..len).unwrap_or_default(),
            second: second.split_off_mut(..len).unwrap_or_default(),
        };
        let cost = if tensor.kind == Kind::Hidden { len * tensor.rows.min(tensor.columns) } else { len };
        if let Some(share) = shares.iter_mut().min_by_key(|share| share.0) {
            share.0 += cost;
            share.1.push(task);
        }
    }
    shares.into_iter().map(|share| share.1).collect()
}

impl Task<'_> {
    fn run(self, scratch: &mut Scratch, simd: Simd, scale: f32, rates: Rates, steps: u32) {
        match self.tensor.kind {
            Kind::Hidden => {
                let (rows, columns) = (self.tensor.rows, self.tensor.columns);
                scratch.momentum(self.first, self.gradient, scale, [rows, columns]);
                scratch.orthogonalise(simd, rows.max(columns), rows.min(columns));
                // An orthogonal matrix of r×c has entries of mean square 1/max(r, c).
                let rate = rates.muon * (rows.max(columns) as f32 / columns as f32).sqrt();
                scratch.apply(self.values, rate, rates.decay, [rows, columns]);
            }
            Kind::Embedding | Kind::Bias | Kind::Output => {
                adam(self.values, self.gradient, self.first, self.second, scale, rates.adam, steps);
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
    /// Moves the momentum and leaves Nesterov's look-ahead of it as the direction, transposed if it is wide.
    fn momentum(&mut self, momentum: &mut [f32], gradient: &[f32], scale: f32, [rows, columns]: [usize; 2]) {
        let padded = rows.min(columns).next_multiple_of(16);
        self.direction.clear();
        self.direction.resize(rows.max(columns) * padded, 0.0);
        let (row_step, column_step) = if rows >= columns { (padded, 1) } else { (1, padded) };
        let places = momentum.chunks_mut(columns).zip(gradient.chunks(columns)).enumerate();
        for (row, (momentum, gradient)) in places {
            for (column, (m, gradient)) in momentum.iter_mut().zip(gradient).enumerate() {
                let gradient = gradient * scale;
                *m += (1.0 - MUON_DECAY) * (gradient - *m);
                self.direction[row * row_step + column * column_step] = gradient + MUON_DECAY * (*m - gradient);
            }
        }
    }

    /// Brings the singular values of the direction (`long` rows of `short`, filled up to whole vectors) near to 1.
    fn orthogonalise(&mut self, simd: Simd, long: usize, short: usize) {
        let padded = short.next_multiple_of(16);
        let norm = self.direction.iter().map(|x| x * x).sum::<f32>().sqrt();
        let scale = 1.0 / (norm + 1e-12);
        self.direction.iter_mut().for_each(|x| *x *= scale);
        self.gram.resize(padded * padded, 0.0);
        self.gram_square.resize(padded * padded, 0.0);
        self.next.resize(long * padded, 0.0);
        let [linear, cubic, quintic] = NEWTON_SCHULZ;
        for _ in 0..NEWTON_SCHULZ_STEPS {
            let transposed = View { values: &self.direction, rows: 1, columns: padded };
            let gram = RowsMut { values: &mut self.gram, apart: padded };
            simd.product(transposed, rows(&self.direction, padded), gram, [padded, long, padded], false);
            let square = RowsMut { values: &mut self.gram_square, apart: padded };
            simd.product(view(&self.gram, padded), rows(&self.gram, padded), square, [padded, padded, padded], false);
            for (square, gram) in self.gram_square.iter_mut().zip(&self.gram) {
                *square = quintic * *square + cubic * gram;
            }
            self.next.clear();
            self.next.extend(self.direction.iter().map(|x| linear * x));
            let next = RowsMut { values: &mut self.next, apart: padded };
            simd.product(
                view(&self.direction, padded),
                rows(&self.gram_square, padded),
                next,
                [long, padded, padded],
                true,
            );
            std::mem::swap(&mut self.direction, &mut self.next);
        }
    }

    /// Takes `rate` times the direction, and `decay` times `rate` of themselves, from `values`.
    fn apply(&self, values: &mut [f32], rate: f32, decay: f32, [rows, columns]: [usize; 2]) {
        let padded = rows.min(columns).next_multiple_of(16);
        let (row_step, column_step) = if rows >= columns { (padded, 1) } else { (1, padded) };
        let kept = 1.0 - rate * decay;
        for (row, values) in values.chunks_mut(columns).enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                *value = kept * *value - rate * self.direction[row * row_step + column * column_step];
            }
        }
    }
}

fn rows(values: &[f32], apart: usize) -> Rows<'_> {
    Rows { values, apart }
}

fn view(values: &[f32], rows: usize) -> View<'_> {
    View { values, rows, columns: 1 }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn muon_makes_directions_nearly_orthogonal() {
        let mut random = Random::new(3);
        for (rows, columns) in [(16, 48), (48, 16), (24, 40), (32, 32)] {
            let gradient: Vec<f32> = (0..rows * columns).map(|_| random.normal()).collect();
            let (mut scratch, mut momentum) = (Scratch::default(), vec![0.0; rows * columns]);
            scratch.momentum(&mut momentum, &gradient, 1.0, [rows, columns]);
            scratch.orthogonalise(Simd::detect(), rows.max(columns), rows.min(columns));
            let mut values = vec![0.0; rows * columns];
            scratch.apply(&mut values, -1.0, 0.0, [rows, columns]);
            let along: f32 = values.iter().zip(&gradient).map(|(a, b)| a * b).sum();
            assert!(along > 0.0);
            let square = values.iter().map(|x| x * x).sum::<f32>() / rows.min(columns) as f32;
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
