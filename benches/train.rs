//! One step of training, by shape and number of threads.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nncz::layout::Layout;
use nncz::net::Shape;
use nncz::train::{Budget, Recipe, TrainOptions, Training};
use nncz::{Device, Silent};

/// This crate's lock file: real, and known to every checkout.
const FILE: &[u8] = include_bytes!("../Cargo.lock");

fn shape(width: u16, heads: u8) -> Shape {
    let alphabet = (0..=255).filter(|byte| FILE.contains(byte)).collect();
    Shape { width, layers: 2, heads, hidden: 4 * width, window: 128, fields: 32, offsets: 32, alphabet }
}

fn steps(criterion: &mut Criterion) {
    for (width, heads) in [(64, 4), (96, 6), (128, 8)] {
        let shape = shape(width, heads);
        let mut group = criterion.benchmark_group(format!("train/width {width}"));
        group.sample_size(20);
        for threads in [1, 2] {
            let options =
                TrainOptions { seed: 1, threads, device: Device::Cpu, recipe: Recipe::default(), checkpoint: None };
            let budget = Budget { bytes: u64::MAX, time: None };
            let training = Training::new(FILE, &Layout::Plain, &shape, &budget, &options, &Silent);
            let mut training = training.expect("the shape fits the file");
            group.throughput(Throughput::Bytes(training.step_bytes()));
            group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
                bencher.iter(|| training.step(0.1).expect("a step on the CPU cannot fail"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
