//! Damage is noticed, bounded and mended: an archive that was changed anywhere gives an error or the right bytes, never
//! others. `DAMAGE_TRIES` says how often to try what is random, `DAMAGE_ARCHIVE` which archive to burst.
#![cfg(feature = "train")]

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use nncz::container::{Archive, BlockHeader, Header, Method, Writer};
use nncz::layout::Layout;
use nncz::predict::{Effort, Tables};
use nncz::{
    ErrorKind, Fill, NetworkChoice, Options, Parity, Part, Resources, Result, Silent, compress, decompress, extract,
    mend, salvage,
};

/// The first `length` bytes of the example, in whole rows.
fn rows(length: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/trips.csv")).unwrap();
    let end = bytes[..length].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    bytes.truncate(end);
    bytes
}

fn archive(source: &[u8], network: NetworkChoice) -> Vec<u8> {
    let options = Options { level: 6, network, time: Some(Duration::from_secs(1)), ..Options::default() };
    let mut archive = Vec::new();
    compress(source, &options, &mut archive, &Silent).unwrap();
    archive
}

fn restored(archive: &[u8]) -> Result<Vec<u8>> {
    let mut restored = Vec::new();
    decompress(archive, &Resources::default(), &mut restored, &Silent).map(|()| restored)
}

#[test]
fn every_flipped_byte_and_every_cut_of_a_20_kb_file_is_an_error() {
    let source = rows(20_000);
    for network in [NetworkChoice::None, NetworkChoice::Width(16)] {
        let archive = archive(&source, network);
        assert_eq!(Archive::open(&archive).unwrap().model().unwrap().is_some(), network != NetworkChoice::None);
        assert!(restored(&archive).unwrap() == source);
        for length in 0..archive.len() {
            assert!(restored(&archive[..length]).is_err(), "{network:?}, cut at {length}");
        }
        let mut damaged = archive.clone();
        for at in 0..archive.len() {
            for flip in [0x01, 0x80, 0xff] {
                damaged[at] = archive[at] ^ flip;
                assert!(restored(&damaged).is_err(), "{network:?}, byte {at} flipped by {flip:#x}");
            }
            damaged[at] = archive[at];
        }
    }
}

/// The same archive with other payloads and another model, under right checksums.
fn rewritten(archive: &[u8], model: impl Fn(&mut Vec<u8>), payload: impl Fn(&mut [u8])) -> Vec<u8> {
    let archive = Archive::open(archive).unwrap();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, archive.header(), Parity::None).unwrap();
    if let Some(content) = archive.model().unwrap() {
        let mut content = content.to_vec();
        model(&mut content);
        writer.model(&content).unwrap();
    }
    for block in archive.blocks() {
        let mut content = archive.payload(block).unwrap().to_vec();
        payload(&mut content);
        writer.block(&block.header, &content).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

#[test]
fn damage_under_right_checksums_is_noticed_in_the_restored_bytes() {
    let source = rows(2_000);
    let tries = if cfg!(debug_assertions) { 4 } else { 60 };
    for network in [NetworkChoice::None, NetworkChoice::Width(16)] {
        let archive = archive(&source, network);
        let opened = Archive::open(&archive).unwrap();
        assert!(matches!(opened.blocks()[0].header.method, Method::Coded { .. }));
        let is_noticed = |archive: &[u8]| match restored(archive) {
            Ok(bytes) => bytes == source,
            Err(error) => [ErrorKind::Damaged, ErrorKind::Limit].contains(&error.kind()),
        };
        let length = opened.payload(&opened.blocks()[0]).unwrap().len();
        for number in 0..tries {
            let at = number * length / tries;
            let changed = rewritten(&archive, |_| {}, |payload| payload[at] ^= 1 << (number % 8));
            assert!(is_noticed(&changed), "{network:?}, payload, byte {at}");
        }
        let length = opened.model().unwrap().map_or(0, <[u8]>::len);
        for number in 0..tries.min(length) {
            let at = number * length / tries;
            let changed = rewritten(&archive, |model| model[at] ^= 1 << (number % 8), |_| {});
            assert!(is_noticed(&changed), "{network:?}, model, byte {at}");
            let cut = rewritten(&archive, |model| model.truncate(at), |_| {});
            assert!(is_noticed(&cut), "{network:?}, model cut at {at}");
        }
    }
}

fn tries(usual: u64) -> u64 {
    std::env::var("DAMAGE_TRIES").map_or(usual, |tries| tries.parse().unwrap())
}

/// A number below `limit`, as random as need be.
fn random(number: u64, limit: usize) -> usize {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as usize % limit.max(1)
}

/// An archive of small blocks without a network.
fn in_blocks(source: &[u8], block: u64, parity: Parity) -> Vec<u8> {
    let options = Options { level: 1, block: NonZeroU64::new(block), parity, ..Options::default() };
    let mut archive = Vec::new();
    compress(source, &options, &mut archive, &Silent).unwrap();
    archive
}

/// Whether a damaged archive still gives all blocks as they are in the sound one, and each of them so or not at all.
fn is_as_it_was(damaged: &[u8], sound: &[u8]) -> bool {
    let (Ok(damaged), sound) = (Archive::open(damaged), Archive::open(sound).unwrap()) else { return false };
    assert_eq!(damaged.header(), sound.header());
    let mut is_whole = damaged.check_complete().is_ok();
    for block in damaged.blocks() {
        let original = sound.block(block.number).unwrap();
        match damaged.payload(block) {
            Err(_) => is_whole = false,
            Ok(payload) => {
                assert_eq!((&block.header, payload), (&original.header, sound.payload(original).unwrap()));
            }
        }
    }
    is_whole
}

#[test]
fn random_flips_cuts_and_splices_never_give_other_bytes() {
    let source = rows(6_000);
    let (mut mended, mut right, mut refused) = (0, 0, 0);
    let archives = [Parity::None, Parity::Whole(5), Parity::Whole(40)].map(|parity| in_blocks(&source, 1500, parity));
    for number in 0..tries(600) {
        let archive = &archives[random(7 * number, archives.len())];
        let at = random(3 * number, archive.len());
        let mut damaged = archive.clone();
        match number % 8 {
            0 | 1 => damaged.truncate(at),
            2 => drop(damaged.splice(at..at, archive[at / 2..at].iter().copied())),
            3 => drop(damaged.drain(at..archive.len().min(at + random(number, 500)))),
            _ => damaged[at] ^= 1 << random(number, 8),
        }
        let is_mended = mend(&mut damaged).unwrap().is_some_and(|mending| !mending.mended.is_empty());
        // What is decoded, if anything, is what was encoded; decoding itself takes too long to do it each time.
        let is_decodable = is_as_it_was(&damaged, archive);
        if number % 101 == 0 {
            match restored(&damaged) {
                Ok(bytes) => assert!(is_decodable && bytes == source, "try {number}, byte {at}"),
                Err(error) => {
                    assert!(!is_decodable, "try {number}: {error}");
                    assert!([ErrorKind::Damaged, ErrorKind::Version].contains(&error.kind()), "try {number}: {error}");
                }
            }
        }
        right += u64::from(is_decodable);
        refused += u64::from(!is_decodable);
        mended += u64::from(is_mended && is_decodable);
    }
    println!("{right} right, {mended} of them mended by parity; {refused} refused; none wrong");
    assert!(mended > 0 && refused > 0);
}

/// An archive of two stored blocks and a model section as long as weights are, with the usual parity.
fn with_model_of_noise() -> Vec<u8> {
    let noise: Vec<u8> = (0..600_000).map(|i| random(i, 256) as u8).collect();
    let header = Header {
        original: noise.len() as u64,
        blocks: 2,
        level: 6,
        network: true,
        tables: Tables { bits: 14, effort: Effort::Quick },
        layout: Layout::Plain,
    };
    let mut archive = Vec::new();
    let mut writer = Writer::new(&mut archive, &header, Parity::Vital).unwrap();
    writer.model(&noise[..30_000]).unwrap();
    for bytes in noise.chunks(300_000) {
        let crc = crc32fast::hash(bytes);
        writer.block(&BlockHeader { newlines: 0, method: Method::Stored, crc }, bytes).unwrap();
    }
    writer.finish().unwrap();
    archive
}

#[test]
fn any_burst_of_4_kib_in_what_is_vital_is_mended() {
    let archive = match std::env::var_os("DAMAGE_ARCHIVE") {
        Some(path) => std::fs::read(path).unwrap(),
        None => with_model_of_noise(),
    };
    let opened = Archive::open(&archive).unwrap();
    assert_eq!(opened.parity(), Parity::Vital, "this archive has no parity for what is vital");
    let front = 0..opened.header_length() + opened.model_length();
    let end = archive.len() - opened.parity_length();
    let index = end - opened.index_length()..end;
    for number in 0..tries(200) {
        let (section, length) = (if number % 4 == 3 { &index } else { &front }, 1 + random(5 * number, 4096));
        let length = if number % 2 == 0 { 4096 } else { length }.min(section.len());
        let start = section.start + random(number, section.len() - length + 1);
        let mut damaged = archive.clone();
        damaged[start..start + length].iter_mut().for_each(|byte| *byte = !*byte);
        let mending = mend(&mut damaged).unwrap().unwrap();
        assert!(mending.lost.is_empty() && !mending.mended.is_empty(), "{length} bytes at {start}: {mending:?}");
        assert!(damaged == archive, "{length} bytes at {start}");
    }
    println!("{} of {} bursts mended", tries(200), tries(200));
    for number in 0..tries(200) {
        let start = index.start + random(number, archive.len() - index.start);
        let mut damaged = archive.clone();
        damaged[start..].iter_mut().take(4096).for_each(|byte| *byte = !*byte);
        mend(&mut damaged).unwrap();
        assert!(is_as_it_was(&damaged, &archive), "burst at {start}, across the end of the index");
    }
}

#[test]
fn a_damaged_block_costs_that_block_alone() {
    let source = rows(24_000);
    let archive = in_blocks(&source, 4000, Parity::None);
    let opened = Archive::open(&archive).unwrap();
    let blocks = opened.blocks().len();
    assert_eq!(blocks, 6);
    let part = |number: u32| opened.header().range(number);
    for number in 0..blocks {
        let lost = part(number as u32);
        let mut expected = source.clone();
        expected[lost.start as usize..lost.end as usize].fill(b'?');
        let payload = opened.payload(&opened.blocks()[number]).unwrap();
        let place = payload.as_ptr() as usize - archive.as_ptr() as usize;
        let mut damaged = archive.clone();
        damaged[place + payload.len() / 2] ^= 4;
        let without_index = damaged[..archive.len() - opened.index_length()].to_vec();
        let spliced = [&damaged[..place + 9], b"garbage", &damaged[place + 9..]].concat();
        for damaged in [damaged, without_index, spliced] {
            let mut bytes = Vec::new();
            let outcome = salvage(&damaged, Fill::Byte(b'?'), &Resources::default(), &mut bytes, &Silent).unwrap();
            assert!(bytes == expected, "block {number}");
            assert_eq!(outcome.lost.len(), 1);
            assert_eq!(outcome.lost[0].bytes, lost);
            let line = |at: u64| 1 + source[..at as usize].iter().filter(|&&byte| byte == b'\n').count() as u64;
            assert_eq!(outcome.lost[0].lines, (Some(line(lost.start)), Some(line(lost.end))));
            assert!(restored(&damaged).is_err());
        }
    }
}

#[test]
fn a_part_needs_only_the_blocks_it_lies_in() {
    let source = rows(24_000);
    let mut archive = in_blocks(&source, 4000, Parity::None);
    let taken = |archive: &[u8], part: &Part| {
        let mut bytes = Vec::new();
        extract(archive, part, &Resources::default(), &mut bytes, &Silent).map(|()| bytes)
    };
    let lines: Vec<&[u8]> = source.split_inclusive(|&byte| byte == b'\n').collect();
    for (from, to) in [(0, 0), (0, 1), (3999, 4001), (100, 19_000), (23_000, u64::MAX), (70_000, 80_000), (0, u64::MAX)]
    {
        let within = |at: u64| source.len().min(at as usize);
        assert!(taken(&archive, &Part::Bytes(from..to)).unwrap() == source[within(from)..within(to)], "{from}..{to}");
    }
    for (first, last) in [(1, 1), (1, 40), (37, 38), (2, 200), (lines.len() as u64, u64::MAX), (9_999, 10_000)] {
        let expected = lines.iter().skip(first as usize - 1).take((last - first).saturating_add(1) as usize);
        let expected: Vec<u8> = expected.copied().flatten().copied().collect();
        assert!(taken(&archive, &Part::Lines(first..=last)).unwrap() == expected, "lines {first} to {last}");
    }
    // The other blocks may be damaged.
    let opened = Archive::open(&archive).unwrap();
    let place = opened.payload(&opened.blocks()[0]).unwrap().as_ptr() as usize - archive.as_ptr() as usize;
    archive[place + 5] ^= 1;
    assert!(taken(&archive, &Part::Bytes(8000..9000)).unwrap() == source[8000..9000]);
    assert!(taken(&archive, &Part::Lines(60..=80)).is_ok());
    assert!(taken(&archive, &Part::Bytes(0..10)).is_err());
    assert!(taken(&archive, &Part::All).is_err());
}
