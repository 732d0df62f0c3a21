//! The network's loss and gradient on the CPU, written by hand: each worker takes whole sequences through all layers
//! and back in buffers of its own. [`super::model`] says the same in candle's operations and is what this is tested
//! against.

mod kernels;
mod lanes;
mod pairs;
mod sequence;

pub use kernels::{Rows, RowsMut, Simd, View};

use self::sequence::{Packed, Worker};
use super::Engine;
use super::batch::Batch;
use super::mixed::Shares;
use super::parameters::Parameters;
use crate::error::Result;
use crate::net::Shape;

/// The network on CPU threads.
pub struct CpuEngine {
    parameters: Parameters,
    packed: Packed,
    simd: Simd,
    workers: Vec<Worker>,
}

impl CpuEngine {
    /// Whether the kernels can compute a network of this shape: its sizes fill whole vectors.
    pub fn supports(shape: &Shape) -> bool {
        let sizes = [usize::from(shape.width), shape.head_width(), shape.hidden.into(), shape.window.into()];
        sizes.iter().all(|size| size.is_multiple_of(16))
    }

    /// A network of `shape` on `threads` workers.
    pub fn new(shape: &Shape, threads: usize, simd: Simd) -> Self {
        let parameters = Parameters::new(shape);
        let packed = Packed::new(shape);
        let workers = (0..threads.max(1)).map(|_| Worker::new(shape, parameters.clone(), simd)).collect();
        Self { parameters, packed, simd, workers }
    }

    /// Every worker takes its share of the sequences; returns the mean loss.
    fn run(&mut self, values: &[f32], batch: &Batch, backward: bool) -> f64 {
        self.packed.fill(self.simd, &self.parameters, values);
        let (packed, count) = (&self.packed, self.workers.len());
        let share = |worker: usize| batch.sequences * worker / count..batch.sequences * (worker + 1) / count;
        std::thread::scope(|scope| {
            let (first, others) = self.workers.split_at_mut(1);
            for (i, worker) in others.iter_mut().enumerate() {
                scope.spawn(move || worker.run(values, packed, batch, share(i + 1), backward));
            }
            first[0].run(values, packed, batch, share(0), backward);
        });
        self.workers.iter().map(|worker| worker.loss).sum::<f64>() / batch.positions().max(1) as f64
    }
}

impl Engine for CpuEngine {
    fn gradient(&mut self, values: &[f32], batch: &Batch, gradient: &mut [f32]) -> Result<(f64, Shares)> {
        let loss = self.run(values, batch, true);
        let mut shares = self.workers[0].shares;
        gradient.copy_from_slice(&self.workers[0].gradient);
        for worker in &self.workers[1..] {
            shares.add(worker.shares);
            gradient.iter_mut().zip(&worker.gradient).for_each(|(sum, addend)| *sum += addend);
        }
        Ok((loss, shares))
    }

    fn loss(&mut self, values: &[f32], batch: &Batch) -> Result<f64> {
        Ok(self.run(values, batch, false))
    }
}
