//! The example file there and back on the contexts alone, by level, on one thread.

use std::num::NonZeroUsize;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nncz::{NetworkChoice, Options, Resources, Silent, compress, decompress};

const FILE: &[u8] = include_bytes!("../examples/trips.csv");

fn roundtrip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("roundtrip");
    group.sample_size(10).throughput(Throughput::Bytes(FILE.len() as u64));
    for level in [1, 3, 6, 9] {
        let resources = Resources { threads: NonZeroUsize::MIN, ..Resources::default() };
        let options = Options { level, resources, network: NetworkChoice::None, ..Options::default() };
        let pack = || {
            let mut archive = Vec::new();
            compress(FILE, &options, &mut archive, &Silent).expect("memory takes what is written");
            archive
        };
        group.bench_function(BenchmarkId::new("compress", level), |bencher| bencher.iter(pack));
        let archive = pack();
        group.bench_function(BenchmarkId::new("decompress", level), |bencher| {
            bencher.iter(|| {
                let mut restored = Vec::with_capacity(FILE.len());
                decompress(&archive, &resources, &mut restored, &Silent).expect("the archive is sound");
                restored
            });
        });
    }
    group.finish();
}

criterion_group!(benches, roundtrip);
criterion_main!(benches);
