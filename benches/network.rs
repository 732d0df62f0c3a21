//! One step of the network, by instruction set, width and number of lanes in lockstep.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nncz::net::{Distribution, Input, Instructions, Network, Shape, Weights};

fn shape(width: u16, heads: u8) -> Shape {
    let alphabet = (b' '..=b'~').collect();
    Shape { width, layers: 2, heads, hidden: 4 * width, window: 128, fields: 32, offsets: 32, alphabet }
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
    for (width, heads) in [(64, 4), (96, 6), (128, 8)] {
        let weights = weights(&shape(width, heads));
        let mut group = criterion.benchmark_group(format!("step/width {width}"));
        for instructions in Instructions::available() {
            let network = Network::new(&weights, instructions);
            for lanes in [1, 2, 4, 8] {
                let mut team = network.team(lanes);
                let inputs = vec![Input::default(); lanes];
                let mut predictions = vec![Distribution::uniform(); lanes];
                group.throughput(Throughput::Bytes(lanes as u64));
                group.bench_function(BenchmarkId::new(instructions.name(), lanes), |bencher| {
                    bencher.iter(|| network.step(&mut team, &inputs, &mut predictions));
                });
            }
        }
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
