use proptest::prelude::*;

use super::*;
use crate::layout::{Clue, Mark, Schema};
use crate::layout::{Column, Format, Relation, Source};
use crate::options::Parity;
use crate::predict::Effort;

/// An archive taken apart: everything that a decoder uses.
#[derive(Clone, Debug, PartialEq)]
struct Parts {
    header: Header,
    model: Option<Vec<u8>>,
    blocks: Vec<(BlockHeader, Vec<u8>)>,
}

impl Parts {
    fn write(&self, parity: Parity) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &self.header, parity).unwrap();
        if let Some(model) = &self.model {
            writer.model(model).unwrap();
        }
        self.blocks.iter().for_each(|(header, payload)| writer.block(header, payload).unwrap());
        let length = writer.finish().unwrap();
        assert_eq!(length, bytes.len() as u64);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let archive = Archive::open(bytes)?;
        archive.check_complete()?;
        let blocks = archive.blocks().iter();
        Ok(Self {
            header: archive.header().clone(),
            model: archive.model()?.map(<[u8]>::to_vec),
            blocks: blocks
                .map(|block| Ok((block.header.clone(), archive.payload(block)?.to_vec())))
                .collect::<Result<_>>()?,
        })
    }
}

fn header(original: u64, blocks: u32) -> Header {
    Header {
        original,
        blocks,
        level: 6,
        network: false,
        tables: Tables { bits: 22, effort: Effort::Fast },
        layout: Layout::Plain,
    }
}

fn coded(length: u64) -> Method {
    Method::Coded { length }
}

/// `original` in `blocks` blocks, stored and coded by turns; the container does not care what a coded payload means.
fn sample(original: &[u8], blocks: u32, model: Option<Vec<u8>>) -> Parts {
    let header = Header { network: model.is_some(), ..header(original.len() as u64, blocks) };
    let blocks = (0..blocks)
        .map(|number| {
            let range = header.range(number);
            let bytes = original[range.start as usize..range.end as usize].to_vec();
            let length = bytes.len() as u64 - 1;
            let method = if number % 2 == 0 { Method::Stored } else { coded(length) };
            let payload = bytes[usize::from(method != Method::Stored)..].to_vec();
            let newlines = if blocks > 1 { number.into() } else { 0 };
            (BlockHeader { newlines, method, crc: crc32fast::hash(&bytes) }, payload)
        })
        .collect();
    Parts { header, model, blocks }
}

/// The archive that a Python script made from FORMAT.md with zlib's CRC-32: `abcdefg` in two blocks, with a model; the
/// parity of so few bytes is a copy of them.
fn golden() -> Vec<u8> {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    };
    let mut front = hex("894e4e435a0d0a1a0e0807028616012c0000dd7ffc7a4dc801088c2c28");
    front.extend(0..200);
    front.extend(hex("b5da5548"));
    let blocks = hex("42000000c2412435c24124354461df196162634201050103598e6d3b67ba8eebee1e67a278797a");
    let index = hex("490000c2412435c2412435050103598e6d3b67ba8eeba66a2a3165b4770b931f0000005a434e4e");
    let table = hex("50dd7ffc7ab702e9019002655707ea0e6050f5146050f514bb37a862");
    let padding = vec![0; (front.len() + index.len()) % 2];
    [&front[..], &blocks, &index, &table, &front, &index, &padding, &table].concat()
}

#[test]
fn the_format_is_what_its_description_says() {
    let layout = Layout::Delimited { delimiter: b',', quote: None, schemas: Vec::new() };
    let parts = Parts {
        header: Header { layout, network: true, ..header(7, 2) },
        model: Some((0..200).collect()),
        blocks: vec![
            (BlockHeader { newlines: 0, method: Method::Stored, crc: 891568578 }, b"abc".to_vec()),
            (BlockHeader { newlines: 5, method: coded(3), crc: 997035609 }, b"xyz".to_vec()),
        ],
    };
    let golden = golden();
    assert_eq!(Parts::read(&golden).unwrap(), parts);
    assert!(Archive::open(&golden).unwrap().is_sound());

    let plan = parity::Plan { kind: Parity::Vital, archive: 311, front: 233, index: 272 };
    let mut encoder = parity::Encoder::new(Parity::Vital);
    encoder.push(&golden[..233]).unwrap();
    encoder.push(&golden[272..311]).unwrap();
    let header_crc = u32::from_le_bytes(golden[18..22].try_into().unwrap());
    assert_eq!(encoder.finish(&plan, header_crc).unwrap(), golden[311..]);
    let without = parts.write(Parity::None);
    assert_eq!(without[..272], golden[..272]);
    assert_eq!(without.len(), 311);
}

#[test]
fn parity_restores_header_model_and_index() {
    for range in [0..233, 100..101, 272..311, 17..20] {
        let mut damaged = golden();
        damaged[range.clone()].iter_mut().for_each(|byte| *byte ^= 0x55);
        let mending = mend(&mut damaged).unwrap().unwrap();
        assert_eq!(mending, Mending { mended: vec![0..233, 272..311], lost: vec![], parity: 0 });
        assert_eq!(damaged, golden(), "{range:?}");
    }
}

#[test]
fn parity_for_everything_restores_any_burst_as_long_as_its_share() {
    let original: Vec<u8> = (0..40_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let bytes = sample(&original, 7, Some(vec![3; 5000])).write(Parity::Whole(10));
    assert!(mend(&mut bytes.clone()).unwrap().is_none());
    // Five shards of parity: a burst of three shards' length damages four, or five where the last one is short.
    for start in (0..bytes.len() - 3072).step_by(997) {
        let mut damaged = bytes.clone();
        damaged[start..start + 3072].fill(0xa5);
        let mending = mend(&mut damaged).unwrap().unwrap();
        let read = Parts::read(&damaged).unwrap();
        assert!(mending.lost.is_empty(), "burst at {start}: {mending:?}");
        let mut repaired = Vec::new();
        rewrite(&Archive::open(&damaged).unwrap(), &mut repaired).unwrap();
        assert_eq!(repaired, bytes, "burst at {start}, {} blocks", read.blocks.len());
    }
    let mut damaged = bytes.clone();
    damaged[1000..9000].fill(0xa5);
    assert!(!mend(&mut damaged).unwrap().unwrap().lost.is_empty());
}

#[test]
fn blocks_are_found_without_index_behind_garbage_and_before_a_cut() {
    let original: Vec<u8> = (0..9_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let parts = sample(&original, 9, None);
    let bytes = parts.write(Parity::None);
    let sound = |bytes: &[u8]| -> Vec<u32> {
        let archive = Archive::open(bytes).unwrap();
        let blocks = archive.blocks().iter().filter(|block| {
            let payload = archive.payload(block);
            payload.is_ok_and(|payload| payload == parts.blocks[block.number as usize].1)
        });
        blocks.map(|block| block.number).collect()
    };
    let garbage = &bytes[3000..3333];
    for at in (40..bytes.len()).step_by(97) {
        let spliced = [&bytes[..at], garbage, &bytes[at..]].concat();
        assert!(sound(&spliced).len() >= 8, "{garbage:?} at {at}: {:?}", sound(&spliced));
        let cut = sound(&bytes[..at]);
        assert!(cut.len() >= (at - 40) / 1030, "cut at {at}: {cut:?}");
        let without = [&bytes[..at], &bytes[bytes.len().min(at + 50)..]].concat();
        assert!(sound(&without).len() >= 7, "50 bytes missing at {at}");
    }
    // The index has a copy of a header.
    let at = bytes.len() / 2;
    let start = (at..).find(|&at| bytes[at] == b'B' && bytes[at + 1] == 5).unwrap();
    let mut damaged = bytes.clone();
    damaged[start..start + 18].fill(0);
    assert_eq!(sound(&damaged).len(), 9);
    assert_eq!(Parts::read(&damaged).unwrap(), parts);
    assert!(!Archive::open(&damaged).unwrap().is_sound());
}

#[test]
fn a_layout_is_what_its_description_says() {
    let source = |above, field| Source { above, field };
    let number = Column {
        format: Format::Number { whole: 1, least: 1, most: 2 },
        lead: 1,
        clues: vec![Clue::Text(source(true, 300)), Clue::Number(source(false, 2), 3)],
        further_clues: vec![Clue::Difference([source(false, 1), source(true, 0)], 2)],
        clues_to_rests: true,
        relations: vec![Relation {
            constant: -1,
            terms: vec![(1 << 20, source(false, 4))],
            clue: Some(Clue::Text(source(true, 3))),
            held: 7,
        }],
        corrections: vec![vec![Clue::Text(source(false, 5))]],
        alternatives: vec![Relation::default()],
    };
    let time = Column { format: Format::Time { pattern: "hh:mm:ss".to_owned() }, ..Column::default() };
    let layout = Layout::Delimited {
        delimiter: b',',
        quote: Some(b'"'),
        schemas: vec![Schema { mark: Mark::Shape(9), columns: vec![number, time] }],
    };
    let described = [
        &[1, b',', b'"', 1, 2, 9, 2][..],
        &[
            1, 1, 1, 2, 1, 2, 0, 1, 251, 44, 1, 1, 0, 2, 3, 1, 2, 0, 1, 1, 0, 2, 1, 1, 1, 1, 252, 0, 0, 32, 0, 0, 4, 1,
            0, 1, 3, 7, 1, 1, 0, 0, 5, 1, 0, 0, 0, 0,
        ],
        &[2, 8],
        b"hh:mm:ss",
        &[0, 0, 0, 0, 0, 0, 0],
    ];
    let serialized = |layout| bincode::Options::serialize(bincode::DefaultOptions::new(), layout).unwrap();
    assert_eq!(serialized(&layout), described.concat());
    assert_eq!(serialized(&Layout::Records { length: 70 }), [2, 70]);
    assert_eq!(serialized(&Layout::Plain), [0]);
}

#[test]
fn what_does_not_compress_grows_by_at_most_100_bytes() {
    let bytes = vec![7; 1_000_000];
    let parts = |length: usize| Parts {
        header: header(1_000_000, 1),
        model: None,
        blocks: vec![(BlockHeader { newlines: 0, method: coded(length as u64), crc: 1 }, bytes[..length].to_vec())],
    };
    assert!(parts(999_999).write(Parity::Vital).len() <= 1_000_100);
    let compressed = [Parity::None, Parity::Vital].map(|parity| parts(900_000).write(parity).len());
    assert!(compressed[0] < compressed[1], "{compressed:?}");
}

#[test]
fn a_small_archive_has_at_most_40_bytes_around_its_payload() {
    let header = Header {
        layout: Layout::Delimited { delimiter: b',', quote: Some(b'"'), schemas: Vec::new() },
        ..header(65_000, 1)
    };
    let block = BlockHeader { newlines: 0, method: coded(9000), crc: 1 };
    let bytes = Parts { header, model: None, blocks: vec![(block, vec![0; 9000])] }.write(Parity::None);
    assert!(bytes.len() <= 9040, "{} bytes", bytes.len() - 9000);
}

#[test]
fn any_flipped_byte_and_any_cut_is_noticed() {
    let small = sample(b"one block only", 1, None);
    let empty = sample(b"", 0, None);
    let several = sample(b"a few bytes in four blocks", 4, Some(b"weights".to_vec()));
    for (parts, parity) in [
        (&small, Parity::None),
        (&empty, Parity::None),
        (&several, Parity::None),
        (&small, Parity::Whole(5)),
        (&several, Parity::Whole(50)),
    ] {
        let bytes = parts.write(parity);
        let check = |damaged: &[u8], what: &str| {
            let is_sound = Archive::open(damaged).is_ok_and(|archive| archive.is_sound());
            // A cut at the very end of the blocks leaves an archive without index and parity.
            assert!(!is_sound || parity != Parity::None && parts.blocks.len() == 1, "{what}");
            assert!(Parts::read(damaged).is_ok_and(|read| read == *parts) || Parts::read(damaged).is_err(), "{what}");
        };
        assert_eq!(Parts::read(&bytes).unwrap(), *parts);
        assert!(Archive::open(&bytes).unwrap().is_sound());
        for length in 0..bytes.len() {
            check(&bytes[..length], &format!("cut at {length}"));
        }
        for at in 0..bytes.len() {
            for flip in 1..=255 {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                check(&damaged, &format!("byte {at} flipped by {flip}"));
            }
        }
        let more = [&bytes[..], b"\0"].concat();
        assert!(Parts::read(&more).is_err(), "trailing byte");
    }
}

#[test]
fn errors_tell_foreign_newer_and_damaged_archives_apart() {
    let kind_and_message = |bytes: &[u8]| {
        let error = Parts::read(bytes).unwrap_err();
        (error.kind(), error.to_string())
    };
    assert_eq!(kind_and_message(b"").0, ErrorKind::Damaged);
    let (kind, message) = kind_and_message(b"hello, world");
    assert_eq!((kind, &message[..]), (ErrorKind::Damaged, "not an nncz archive"));
    assert!(kind_and_message(b"\x89NNCZ\n\x1a\x01").1.contains("copied as text"));

    let mut newer = golden();
    newer[8] = VERSION + 1;
    let (kind, message) = kind_and_message(&newer);
    assert_eq!(kind, ErrorKind::Version);
    assert!(message.contains("newer nncz"), "{message}");

    let mut damaged = golden();
    let second_payload = 272 - 3;
    damaged[second_payload] ^= 1;
    let (kind, message) = kind_and_message(&damaged);
    assert_eq!(kind, ErrorKind::Damaged);
    assert!(message.contains("block 2 of 2 (bytes 3 to 6 of the original)"), "{message}");
}

#[test]
fn sections_of_another_archive_do_not_fit() {
    let (one, other) = (sample(b"the one", 1, None), sample(b"another", 1, None));
    let (one, mut other) = (
        Parts { header: Header { level: 1, ..one.header.clone() }, ..one }.write(Parity::None),
        other.write(Parity::None),
    );
    let header_length = Archive::open(&one).unwrap().header_length();
    other.splice(..header_length, one[..header_length].iter().copied());
    assert_eq!(Parts::read(&other).unwrap_err().kind(), ErrorKind::Damaged);
    assert!(Archive::open(&other).unwrap().blocks().is_empty());
}

#[test]
fn hostile_sizes_are_refused() {
    let kind = |header: Header, blocks: Vec<(BlockHeader, Vec<u8>)>| {
        let body = bincode::Options::serialize(bincode::DefaultOptions::new(), &header).unwrap();
        let mut bytes = [&MAGIC[..], &[VERSION, body.len() as u8], &body].concat();
        let header_crc = crc32fast::hash(&bytes);
        bytes.extend(header_crc.to_le_bytes());
        for (block, payload) in blocks {
            let Method::Coded { length } = block.method else { panic!("coded") };
            let mut section = vec![BLOCK_TAG, 1];
            varint::write(length, &mut section);
            section.extend(block.crc.to_le_bytes());
            section.extend(crc32fast::hash(&payload).to_le_bytes());
            section.extend(section_crc(header_crc, &section).to_le_bytes());
            section.extend_from_slice(&payload);
            bytes.extend(section);
        }
        let opened = Archive::open(&bytes).and_then(|archive| archive.check_complete());
        opened.map_err(|error| error.kind())
    };
    let block = |length| vec![(BlockHeader { newlines: 0, method: coded(length), crc: 0 }, vec![0; 30])];

    assert_eq!(kind(header(100, 1), block(30)), Ok(()));
    assert_eq!(kind(header(limits::BLOCK_LENGTH + 1, 1), vec![]), Err(ErrorKind::Limit));
    assert_eq!(kind(header(u64::MAX, u32::MAX), vec![]), Err(ErrorKind::Limit));
    let tables = Tables { bits: limits::TABLE_BITS + 1, effort: Effort::Full };
    assert_eq!(kind(Header { tables, ..header(1, 1) }, vec![]), Err(ErrorKind::Limit));
    assert_eq!(kind(header(1, 2), vec![]), Err(ErrorKind::Damaged));
    assert_eq!(kind(header(1, 0), vec![]), Err(ErrorKind::Damaged));
    assert_eq!(kind(header(u64::from(u32::MAX), 1 << 20), vec![]), Err(ErrorKind::Damaged), "no such blocks");
    assert_eq!(kind(header(limits::BLOCK_LENGTH, 1), block(30)), Err(ErrorKind::Damaged), "a bomb");
    assert_eq!(kind(header(100, 1), block(u64::MAX)), Err(ErrorKind::Damaged));
}

#[test]
fn parts_are_equal_to_a_byte_and_cover_everything() {
    for (length, parts) in [(0, 1), (1, 1), (10, 3), (1 << 46, 1 << 20), (u64::MAX, u64::from(u32::MAX))] {
        assert_eq!(part(length, parts, 0).start, 0);
        assert_eq!(part(length, parts, parts - 1).end, length);
        for index in [0, parts / 2, parts - 1] {
            let range = part(length, parts, index);
            assert!((length / parts..=length.div_ceil(parts)).contains(&(range.end - range.start)));
        }
    }
    assert_eq!((0..3).map(|i| part(10, 3, i)).collect::<Vec<_>>(), [0..3, 3..6, 6..10]);
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        original in prop::collection::vec(any::<u8>(), 0..300),
        blocks in 1u32..12,
        model in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
    ) {
        let blocks = blocks.min(original.len() as u32);
        let parts = sample(&original, blocks, if blocks > 0 { model } else { None });
        let bytes = parts.write(Parity::None);
        prop_assert_eq!(Parts::read(&bytes).unwrap(), parts);
        let archive = Archive::open(&bytes).unwrap();
        for block in archive.blocks() {
            let range = block.original.start as usize..block.original.end as usize;
            archive.check_restored(block, &original[range]).unwrap();
            prop_assert!(archive.check_restored(block, b"something else").is_err());
        }
    }

    #[test]
    fn several_damaged_bytes_never_change_the_content(
        original in prop::collection::vec(any::<u8>(), 1..300),
        blocks in 1u32..6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let parts = sample(&original, blocks.min(original.len() as u32), Some(vec![7; 50]));
        let mut bytes = parts.write(Parity::None);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = Parts::read(&bytes) {
            prop_assert_eq!(read, parts);
        }
    }

    #[test]
    fn varints_round_trip_and_refuse_longer_forms(value: u64, tail: u8) {
        let mut bytes = Vec::new();
        varint::write(value, &mut bytes);
        let length = bytes.len();
        bytes.push(tail);
        prop_assert_eq!(varint::read(&bytes), Some((value, length)));
        prop_assert_eq!(varint::read(&bytes[..length - 1]), None);
        bytes[length - 1] |= 0x80;
        bytes[length] = 0;
        prop_assert_eq!(varint::read(&bytes), None);
    }
}
