//! What goes in comes out, bit for bit: real files, edges, and anything at all.
#![cfg(feature = "train")]

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use nncz::{NetworkChoice, Options, Resources, Silent, compress, decompress, verify};
use proptest::prelude::*;

fn threads(number: usize) -> Resources {
    Resources { threads: NonZeroUsize::new(number).unwrap(), ..Resources::default() }
}

fn packed(source: &[u8], options: &Options) -> Vec<u8> {
    let mut archive = Vec::new();
    let summary = compress(source, options, &mut archive, &Silent).unwrap();
    assert_eq!((summary.original, summary.archive), (source.len() as u64, archive.len() as u64));
    archive
}

fn restored(archive: &[u8], number: usize) -> Vec<u8> {
    let mut restored = Vec::new();
    decompress(archive, &threads(number), &mut restored, &Silent).unwrap();
    restored
}

fn level(level: u8) -> Options {
    Options { level, time: Some(Duration::from_secs(2)), ..Options::default() }
}

fn example() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/trips.csv")).unwrap()
}

/// The files that come with the tests, whatever their kind.
fn small_files() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn real_files_come_back_at_the_fastest_and_the_default_level() {
    let files = small_files();
    assert!(files.len() >= 4);
    for (name, source) in files {
        for number in [1, 6] {
            let archive = packed(&source, &level(number));
            assert!(restored(&archive, 1) == source, "{name} at level {number}");
            assert!(archive.len() < source.len() / 2 + 100, "{name} at level {number}: {} bytes", archive.len());
        }
    }
}

#[test]
fn the_example_becomes_smaller_than_with_any_usual_archiver() {
    let source = example();
    let archive = packed(&source, &level(1));
    assert!(restored(&archive, 2) == source);
    // bzip2 -9 makes 125 KB of it, xz -9e 145 KB.
    assert!(archive.len() < 120_000, "{} bytes", archive.len());
}

#[test]
fn edges_come_back_and_grow_by_a_few_bytes_at_most() {
    let noise: Vec<u8> =
        (0..300_000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29) as u8 ^ ((i * i) >> 7) as u8).collect();
    let zeros = vec![0; 1 << 20];
    let one_long_line = vec![b','; 100_000];
    for source in [&[][..], b"A", b"\0\xff", b"\n", &noise, &zeros, &one_long_line] {
        let archive = packed(source, &level(6));
        assert!(restored(&archive, 2) == source);
        assert!(archive.len() <= source.len() + 100);
    }
    assert!(packed(&zeros, &level(6)).len() < 200);
}

#[test]
fn a_long_run_of_one_byte_comes_back() {
    let run = vec![0; 5 << 20];
    let archive = packed(&run, &level(1));
    assert!(restored(&archive, 2) == run);
    assert!(archive.len() < 150);
}

#[test]
fn what_is_verified_is_the_source_itself() {
    let source = &example()[..50_000];
    let archive = packed(source, &level(1));
    assert!(verify(&archive, source, &threads(1), &Silent).is_ok());
    let mut other = source.to_vec();
    other[12_345] ^= 1;
    let error = verify(&archive, &other, &threads(1), &Silent).unwrap_err();
    assert!(error.to_string().contains("12345"), "{error}");
    assert!(verify(&archive, &source[1..], &threads(1), &Silent).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_come_back(source in prop::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert_eq!(restored(&packed(&source, &level(1)), 1), source);
    }

    #[test]
    fn any_rows_come_back(rows in prop::collection::vec("[0-9a-c\",;]{0,12}(\r\n|\n|,)", 0..300)) {
        let source = rows.concat().into_bytes();
        prop_assert_eq!(restored(&packed(&source, &level(2)), 1), source);
    }
}

#[test]
fn a_network_changes_no_byte_whatever_the_threads_and_instructions() {
    let source = &example()[..150_000];
    let options = |number| Options { network: NetworkChoice::Width(32), resources: threads(number), ..level(6) };
    for trained_on in [1, 2] {
        let archive = packed(source, &options(trained_on));
        for number in [1, 2, 4] {
            assert!(restored(&archive, number) == source, "trained on {trained_on} threads, decoded on {number}");
        }
    }
}

#[test]
fn the_same_file_seed_and_level_on_one_thread_give_the_same_archive() {
    let source = &example()[..200_000];
    let options = Options { network: NetworkChoice::Width(16), resources: threads(1), level: 4, ..Options::default() };
    let [one, other] = [5, 5].map(|seed| packed(source, &Options { seed, ..options.clone() }));
    assert!(one == other);
    assert!(one != packed(source, &Options { seed: 6, ..options }));
}
