//! One step of training, by shape and number of threads, beside a plain large product: both in floating-point operations a
//! second, so that it shows how much of the processor training uses.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nncz::layout::Layout;
use nncz::net::Shape;
use nncz::plan::Plan;
use nncz::train::{Budget, Recipe, TrainOptions, Training};
use nncz::{DEFAULT_LEVEL, Device, NetworkChoice, Silent};

/// This crate's lock file: real, and known to every checkout.
const FILE: &[u8] = include_bytes!("../Cargo.lock");

fn steps(criterion: &mut Criterion) {
    for width in [64, 96, 128] {
        let shape = Plan::new(DEFAULT_LEVEL, NetworkChoice::Width(width), FILE).network.expect("it is asked for").shape;
        let mut group = criterion.benchmark_group(format!("train/width {width}"));
        group.sample_size(20);
        for threads in [1, 2] {
            let options =
                TrainOptions { seed: 1, threads, device: Device::Cpu, recipe: Recipe::of(0), checkpoint: None };
            let budget = Budget { bytes: u64::MAX, time: None };
            let training = Training::new(FILE, &Layout::Plain, &shape, &budget, &options, &Silent);
            let mut training = training.expect("the shape fits the file");
            let step = training.step_bytes();
            group.throughput(Throughput::ElementsAndBytes { elements: step * operations(&shape), bytes: step });
            group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
                bencher.iter(|| training.step(0.1).expect("a step on the CPU cannot fail"));
            });
        }
        group.finish();
    }
}

/// Floating-point operations that training takes for a byte: six for each weight of a matrix, and in attention as many
/// for each of the two products over half a window and more that a byte looks back on.
fn operations(shape: &Shape) -> u64 {
    let (width, hidden) = (u64::from(shape.width), u64::from(shape.hidden));
    let key_value = 2 * width / u64::from(shape.heads);
    let layer = width * (2 * width + key_value + 2 * hidden) + 2 * width * u64::from(shape.window) * 3 / 4;
    6 * (u64::from(shape.layers) * layer + width * shape.alphabet.len() as u64)
}

fn product(criterion: &mut Criterion) {
    const SIDE: usize = 1024;
    let matrix = || candle_core::Tensor::rand(-1f32, 1., (SIDE, SIDE), &candle_core::Device::Cpu).expect("memory");
    let (left, right) = (matrix(), matrix());
    let mut group = criterion.benchmark_group("product");
    group.sample_size(20).throughput(Throughput::Elements(2 * (SIDE * SIDE * SIDE) as u64));
    group.bench_function("1024 x 1024, all threads", |bencher| bencher.iter(|| left.matmul(&right)));
}

criterion_group!(benches, product, steps);
criterion_main!(benches);
