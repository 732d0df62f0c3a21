//! Damage is noticed: an archive that was changed anywhere gives an error or the right bytes, never others.
#![cfg(feature = "train")]

use std::path::Path;
use std::time::Duration;

use nncz::container::{Archive, Method, Writer};
use nncz::{ErrorKind, NetworkChoice, Options, Parity, Resources, Result, Silent, compress, decompress};

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
