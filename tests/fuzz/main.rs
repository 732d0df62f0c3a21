//! A bounded run of the fuzzer's subjects (fuzz/ runs them for long and guided by coverage), on golden archives and on
//! random bytes, mutated. `FUZZ_SECONDS` says for how long; a failure names the seed that repeats it.

mod subjects;

use std::time::{Duration, Instant};

#[test]
fn mutated_archives_break_no_promise() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let archives = files.filter(|path| path.extension().is_some_and(|extension| extension == "nncz"));
    let corpus: Vec<Vec<u8>> = archives.map(|path| std::fs::read(path).unwrap()).filter(|it| it.len() < 4000).collect();
    assert!(corpus.len() >= 4);
    let seconds = std::env::var("FUZZ_SECONDS").map_or(4, |seconds| seconds.parse().unwrap());
    let (begin, mut runs) = (Instant::now(), 0u32);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let mut random = Random(u64::from(runs) << 32);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(&corpus, &mut random)));
        assert!(outcome.is_ok(), "run {runs} fails");
        runs += 1;
    }
    println!("{runs} runs in {:?}", begin.elapsed());
    assert!(runs > 20, "{runs} runs");
}

fn one(corpus: &[Vec<u8>], random: &mut Random) {
    let mut below = |limit: usize| (random.next() % limit.max(1) as u64) as usize;
    let mut bytes = corpus[below(corpus.len())].clone();
    for _ in 0..1 + below(4) {
        let (at, length) = (below(bytes.len()), below(64));
        match below(4) {
            0 => bytes[at] ^= 1 << below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, (0..length).map(|i| (i * 37) as u8).collect::<Vec<_>>())),
            _ => drop(bytes.drain(at..(at + length).min(bytes.len()))),
        }
        if bytes.is_empty() {
            return;
        }
    }
    subjects::archive(&bytes);
    let choices: Vec<u8> = (0..below(600)).map(|_| below(256) as u8).collect();
    subjects::weights(&choices);
    if below(4) == 0 {
        subjects::parts(&choices);
    }
}

/// The generator SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
