//! What goes in comes out, bit for bit: real files, edges, and anything at all.
#![cfg(feature = "train")]

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use nncz::{
    ErrorKind, NetworkChoice, Options, Progress, Proof, Resources, Silent, Summary, compress, decompress, verify,
};
use proptest::prelude::*;

fn threads(number: usize) -> Resources {
    Resources { threads: NonZeroUsize::new(number).unwrap(), ..Resources::default() }
}

fn packed(source: &[u8], options: &Options) -> Vec<u8> {
    packed_and_proven(source, options).0
}

fn packed_and_proven(source: &[u8], options: &Options) -> (Vec<u8>, Proof) {
    let mut archive = Vec::new();
    let Summary { original, archive: length, proof } = compress(source, options, &mut archive, &Silent).unwrap();
    assert_eq!((original, length), (source.len() as u64, archive.len() as u64));
    (archive, proof)
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
    let noise = noise(300_000);
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
    let verify = |source: &[u8]| verify(&archive, source, &Proof::default(), &threads(1), &Silent);
    assert!(verify(source).is_ok());
    let mut other = source.to_vec();
    other[12_345] ^= 1;
    let error = verify(&other).unwrap_err();
    assert!(error.to_string().contains("12345"), "{error}");
    assert!(verify(&source[1..]).is_err());
}

/// Rows that are longer than the sample of a file that is coded beforehand.
fn long_rows() -> Vec<u8> {
    [example(), example()[..150_000].to_vec()].concat()
}

/// What does not compress (SplitMix64, Steele et al. 2014).
fn noise(length: u64) -> Vec<u8> {
    let number = |i: u64| {
        let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    (1..=length).map(|i| (number(i) >> 56) as u8).collect()
}

#[test]
fn blocks_are_decoded_while_they_are_coded_where_threads_and_memory_allow_it_and_no_byte_changes() {
    let source = long_rows();
    let little = Resources { memory: 70 << 20, ..threads(2) };
    for (block, few, many) in [(2_000_000, little, threads(2)), (600_000, threads(3), threads(4))] {
        let packed = |resources| {
            let options = Options { block: NonZeroU64::new(block), resources, ..level(1) };
            let (archive, proof) = packed_and_proven(&source, &options);
            verify(&archive, &source, &proof, &resources, &Silent).unwrap();
            (archive, [0, 1].map(|number| proof.covers(number)))
        };
        let (alone, along) = (packed(few), packed(many));
        assert!(alone.0 == along.0, "blocks of {block} bytes");
        assert_eq!((alone.1, along.1), ([false, false], [true, block == 600_000]));
    }
}

#[test]
fn stored_blocks_are_not_proven_but_compared() {
    let source = [&long_rows()[..600_000], &noise(600_000)].concat();
    let options = Options { block: NonZeroU64::new(600_000), resources: threads(4), ..level(1) };
    let (mut archive, proof) = packed_and_proven(&source, &options);
    assert!(proof.covers(0) && !proof.covers(1));
    verify(&archive, &source, &proof, &threads(4), &Silent).unwrap();
    let place = archive.len() - 300_000;
    archive[place] ^= 1;
    assert!(verify(&archive, &source, &proof, &threads(4), &Silent).is_err());
}

/// Stops whatever asks.
struct Stopped;

impl Progress for Stopped {
    fn is_cancelled(&self) -> bool {
        true
    }
}

#[test]
fn an_archive_must_be_what_was_decoded_while_it_was_made() {
    let source = long_rows();
    let mut other = source.clone();
    let digit = source.iter().rposition(|&byte| byte == b'7').unwrap();
    other[digit] = b'8';
    let options = Options { resources: threads(2), ..level(1) };
    let (archive, proof) = packed_and_proven(&source, &options);
    let verify = |archive: &[u8], source: &[u8], proof: &Proof| verify(archive, source, proof, &threads(2), &Stopped);

    verify(&archive, &source, &proof).expect("nothing is left to decode");
    assert_eq!(verify(&archive, &source, &Proof::default()).unwrap_err().kind(), ErrorKind::Cancelled);
    for place in [9, 20, archive.len() / 2, archive.len() - 300, archive.len() - 1] {
        let mut altered = archive.clone();
        altered[place] ^= 1;
        assert!(verify(&altered, &source, &proof).is_err(), "byte {place}");
        assert!(verify(&altered[..place], &source, &proof).is_err(), "{place} bytes");
    }

    let refused = |archive: &[u8], source: &[u8], message: &str| {
        let error = verify(archive, source, &proof).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    let of_other = packed(&other, &options);
    refused(&of_other, &source, "block 1 of the archive");
    refused(&of_other, &other, "block 1 of the archive");
    refused(&archive, &other, "block 1 of the source");
    refused(&archive, &source[1..], "as many bytes");
    refused(&packed(&source, &Options { level: 2, ..options }), &source, "header");
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
