//! One step of the network, by instruction set and width; and the primitives that it is
//! made of, each by itself, at the sizes of a network 64 wide.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nncz::net::kernels::{AttentionShape, Kernel, scalar::Scalar};
use nncz::net::{Distribution, Input, Instructions, Matrix, Network, Shape, Weights};
use nncz::plan::Plan;
use nncz::{DEFAULT_LEVEL, NetworkChoice};

/// That of a network so wide for a file of printable characters.
fn shape(width: u16) -> Shape {
    let characters: Vec<u8> = (b' '..=b'~').collect();
    Plan::new(DEFAULT_LEVEL, NetworkChoice::Width(width), &characters).network.expect("it is asked for").shape
}

/// Weights that keep every sum in its range; their values do not change how long a step takes.
fn weights(shape: &Shape) -> Weights {
    let mut weights = Weights::zero(shape);
    let mut state = 1u32;
    let mut small = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i8 / 4
    };
    for embedding in &mut weights.embeddings {
        embedding.weights.iter_mut().for_each(|weight| *weight = small());
        embedding.multiplier = 2000;
    }
    for layer in &mut weights.layers {
        layer.score_shift = 6;
        let matrices =
            [&mut layer.query, &mut layer.key_value, &mut layer.attention_output, &mut layer.up, &mut layer.down];
        for matrix in matrices.into_iter().chain([&mut weights.output]) {
            matrix.weights.iter_mut().for_each(|weight| *weight = small());
            matrix.multipliers.fill(2000);
            matrix.shift = 3;
        }
    }
    weights
}

fn steps(criterion: &mut Criterion) {
    for width in [64, 96, 128] {
        let weights = weights(&shape(width));
        let mut group = criterion.benchmark_group(format!("step/width {width}"));
        for instructions in Instructions::available() {
            let network = Network::new(&weights, instructions);
            let (mut session, mut prediction) = (network.session(), Distribution::uniform());
            group.throughput(Throughput::Bytes(1));
            group.bench_function(instructions.name(), |bencher| {
                bencher.iter(|| {
                    network.advance(&mut session, &Input::default());
                    network.predict(&mut session, &mut prediction);
                });
            });
            group.bench_function(format!("{}, unasked", instructions.name()), |bencher| {
                bencher.iter(|| network.advance(&mut session, &Input::default()));
            });
        }
    }
}

fn primitives(criterion: &mut Criterion) {
    primitives_of(criterion, "scalar", Scalar);
    #[cfg(target_arch = "x86_64")]
    {
        use nncz::net::kernels::{avx2::Avx2, avx2::AvxVnni, avx512::Avx512};
        if let Some(kernel) = Avx2::detect() {
            primitives_of(criterion, "avx2", kernel);
        }
        if let Some(kernel) = AvxVnni::detect() {
            primitives_of(criterion, "avxvnni", kernel);
        }
        if let Some(kernel) = Avx512::detect() {
            primitives_of(criterion, "avx512", kernel);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(kernel) = nncz::net::kernels::neon::Neon::detect() {
        primitives_of(criterion, "neon", kernel);
    }
}

fn primitives_of(criterion: &mut Criterion, name: &str, kernel: impl Kernel) {
    for (rows, columns) in [(64, 64), (256, 64), (64, 256)] {
        let matrix = matrix(rows, columns);
        let packed = kernel.pack(&matrix, true);
        let (inputs, mut outputs) = (vec![200; columns], vec![0; rows]);
        let mut group = criterion.benchmark_group(format!("product/{rows} × {columns}"));
        group.throughput(Throughput::Elements((rows * columns) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| kernel.product(&packed, &inputs, &mut outputs)));
    }
    attention_of(criterion, name, kernel);
    let (stream, mut outputs) = ([300; 64], [0; 64]);
    criterion.benchmark_group("normalise").bench_function(name, |bencher| {
        bencher.iter(|| kernel.normalise(&stream, 2048, &mut outputs));
    });
    let (logits, mut leaves) = (std::array::from_fn::<i16, 95, _>(|i| 100 * i as i16), [0; 95]);
    criterion.benchmark_group("leaves").bench_function(name, |bencher| {
        bencher.iter(|| kernel.leaves(&logits, &mut leaves));
    });
}

/// All four heads.
fn attention_of(criterion: &mut Criterion, name: &str, kernel: impl Kernel) {
    let shape = AttentionShape { heads: 4, head_width: 16, window: 128, score_shift: 6 };
    let mut cache = kernel.cache(&shape);
    for slot in 0..shape.window {
        kernel.remember(&mut cache, &shape, slot, &[slot as i16 - 64; 16], &[63 - slot as i16 / 2; 16]);
    }
    let (queries, bias, mut outputs) = ([5; 64], vec![0; 4 * 255], [0; 64]);
    criterion.benchmark_group("attend").bench_function(name, |bencher| {
        bencher.iter(|| kernel.attend(&mut cache, &shape, &queries, &bias, 77, &mut outputs));
    });
}

fn matrix(rows: usize, columns: usize) -> Matrix {
    let weights = (0..rows * columns).map(|i| (i % 127) as i8 - 63).collect();
    Matrix { rows, columns, weights, multipliers: vec![2000; rows], shift: 3 }
}

/// All of them together take about two minutes.
fn brief() -> Criterion {
    let (warm_up, measurement) = (Duration::from_millis(300), Duration::from_secs(1));
    Criterion::default().warm_up_time(warm_up).measurement_time(measurement).nresamples(2000)
}

criterion_group!(name = benches; config = brief(); targets = steps, primitives);
criterion_main!(benches);
