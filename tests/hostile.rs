//! A short archive cannot take much: not memory, and not more time than the bytes it declares.

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use nncz::container::{BlockHeader, Header, Method, Writer};
use nncz::layout::Layout;
use nncz::net::{self, Shape, Weights};
use nncz::predict::{Effort, Tables};
use nncz::{ErrorKind, Fill, Parity, Phase, Progress, Resources, Silent, decompress, mend, salvage};

/// Counts what is allocated, and the most that ever was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(block.size(), SeqCst) + block.size(), SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, place: *mut u8, block: Block) {
        NOW.fetch_sub(block.size(), SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, block) }
    }
}

/// An archive of coded blocks that restore nothing in particular, with right checksums. Each has `payload`.
fn archive(blocks: u32, original: u64, tables: u8, payload: &[u8], model: Option<&[u8]>) -> Vec<u8> {
    let layout = Layout::Delimited { delimiter: b',', quote: Some(b'"'), schemas: Vec::new() };
    let header = Header {
        original,
        blocks,
        level: 9,
        network: model.is_some(),
        tables: Tables { bits: tables, effort: Effort::Normal },
        layout,
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header, Parity::None).unwrap();
    if let Some(model) = model {
        writer.model(model).unwrap();
    }
    let header = BlockHeader { newlines: 0, method: Method::Coded { length: payload.len() as u64 }, crc: 0 };
    (0..blocks).for_each(|_| writer.block(&header, payload).unwrap());
    writer.finish().unwrap();
    bytes
}

/// A model section that declares about as many parameters as are allowed, and then ends.
fn beginning_of_a_large_network() -> Vec<u8> {
    let shape = Shape {
        width: 512,
        layers: 5,
        heads: 32,
        hidden: 2048,
        window: 1024,
        fields: 1,
        offsets: 1,
        alphabet: (0..=255).collect(),
        resting: Vec::new(),
    };
    shape.check().unwrap();
    let mut model = net::encode(&Weights::zero(&shape));
    model.truncate(30);
    model
}

/// What counts memory sees one test at a time.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn lies_about_the_structure_take_no_memory_and_no_time() {
    let _turn = TURN.lock().unwrap();
    let crc = |bytes: &[u8]| crc32fast::hash(bytes).to_le_bytes();
    let header = |original: u64, blocks: u32| {
        let layout = Layout::Plain;
        let tables = Tables { bits: 14, effort: Effort::Quick };
        let mut bytes = Vec::new();
        let header = Header { original, blocks, level: 1, network: false, tables, layout };
        drop(Writer::new(&mut bytes, &header, Parity::None).unwrap());
        bytes
    };
    // A header of block `number` with a right checksum, and a payload as long as it likes.
    let block = |archive: &[u8], number: u8, length: &[u8]| {
        let h = &archive[archive.len() - 4..];
        let front = [b"B", &[number, 0, 1][..], length, &[0; 8]].concat();
        let checksum = crc(&[h, &front].concat());
        [&front[..], &checksum].concat()
    };
    let parity = |archive: u64, front: u64, index: u64, kind: u8| {
        let mut head = b"P\0\0\0\0".to_vec();
        for mut number in [archive, front, index] {
            while number >= 128 {
                head.push(number as u8 | 128);
                number >>= 7;
            }
            head.push(number as u8);
        }
        head.push(kind);
        let checksum = crc(&head);
        [&head[..], &checksum].concat()
    };
    let million = header(1 << 40, 1 << 20);
    let several = header(1 << 20, 100);
    let huge = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    let mut hostile = vec![
        million.clone(),
        [&million[..], &b"B".repeat(1 << 20)].concat(),
        [&several[..], &block(&several, 0, &huge)].concat(),
        // Each of a hundred blocks has all that follows as its payload.
        (0..100).rev().fold(several.clone(), |archive, number| {
            let length = 10_000u32 - 1;
            [&archive[..], &block(&several, number, &[length as u8 | 128, (length >> 7) as u8])].concat()
        }),
        // One block ten thousand times.
        [&several[..], &block(&several, 3, &[200, 70]).repeat(10_000)].concat(),
        // End marks of an index that is as long as all before.
        [&million[..], &[&900_000u32.to_le_bytes()[..], b"ZCNN"].concat().repeat(1 << 17)].concat(),
    ];
    let length = hostile[2].len() as u64;
    for (archive, front, index, kind) in [
        (length, 0, 0, 100),
        (length, 5, 5, 101),
        (length, 0, length - 1, 101),
        (1 << 47, 1 << 46, 1 << 46, 1),
        (u64::MAX, u64::MAX, u64::MAX, 101),
        (length, 7, 3, 101),
        (0, 0, 0, 1),
    ] {
        let table = parity(archive, front, index, kind);
        hostile.push([&hostile[2][..], &table, &[0; 3000], &table].concat());
        hostile.push([&hostile[2][..], &table.repeat(20_000)].concat());
    }
    // Heads of parity that each lie where they say.
    let mut heads = hostile[2].clone();
    while heads.len() < 4 << 20 {
        heads.extend(parity(heads.len() as u64, 0, 0, 100));
    }
    hostile.push(heads);
    for (number, archive) in hostile.iter().enumerate() {
        let (start, before) = (Instant::now(), NOW.load(SeqCst));
        MOST.store(before, SeqCst);
        let resources = Resources::default();
        let mut copy = archive.clone();
        mend(&mut copy).unwrap();
        for bytes in [archive, &copy] {
            let mut sink = std::io::sink();
            assert!(decompress(bytes, &resources, &mut sink, &Silent).is_err(), "archive {number}");
            let salvaged = salvage(bytes, Fill::Skip, &resources, &mut sink, &Silent);
            assert!(salvaged.is_ok_and(|salvaged| salvaged.restored == 0), "archive {number}");
        }
        let (taken, time) = ((MOST.load(SeqCst) - before) >> 20, start.elapsed());
        assert!(taken <= 64, "archive {number} took {taken} MiB");
        let seconds = if cfg!(debug_assertions) { 40 } else { 4 };
        assert!(time < Duration::from_secs(seconds), "archive {number} took {time:?}");
        println!("archive {number} of {} bytes: {taken} MiB, {time:?}", archive.len());
    }
}

#[test]
fn a_hostile_archive_of_140_bytes_takes_at_most_64_mib() {
    let _turn = TURN.lock().unwrap();
    let noise: Vec<u8> = (1u32..60).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let models = [vec![], vec![0; 20], vec![0xff; 20], noise[..20].to_vec(), beginning_of_a_large_network()];
    let largest_of_30_bytes = 38 << 16;
    let mut hostile = Vec::new();
    for (original, tables) in
        [(64 << 20, 20), (largest_of_30_bytes, 24), (largest_of_30_bytes, 20), (132_000, 15), (2_000, 24), (2_000, 0)]
    {
        hostile.push(archive(1, original, tables, &noise[..30], None));
    }
    hostile.extend(models.iter().map(|model| archive(1, 500, 14, &noise[..20], Some(model))));

    for (number, archive) in hostile.iter().enumerate() {
        let start = Instant::now();
        let (kind, taken) = outcome(archive, &Silent);
        assert!([ErrorKind::Damaged, ErrorKind::Limit].contains(&kind), "archive {number}: {kind:?}");
        assert!(taken <= 64, "archive {number} took {taken} MiB");
        let seconds = if cfg!(debug_assertions) { 300 } else { 30 };
        assert!(start.elapsed() < Duration::from_secs(seconds), "archive {number} took {:?}", start.elapsed());
    }
    // A network with the largest tables that go with it, and several blocks at once: up to the first byte decoded.
    let mut most = [0, 0];
    for tables in 10..=20 {
        let with_network = archive(1, 1 << 20, tables, &noise[..14], Some(&models[4]));
        let blocks = archive(3, 3 << 19, tables, &noise[..4], None);
        for (archive, most) in [with_network, blocks].iter().zip(&mut most) {
            let (kind, taken) = outcome(archive, &Impatient);
            assert!([ErrorKind::Cancelled, ErrorKind::Limit].contains(&kind), "tables {tables}: {kind:?}");
            assert!(taken <= 64, "tables {tables}: {taken} MiB");
            *most = taken.max(*most);
        }
    }
    assert!(most.iter().all(|&most| most >= 32), "{most:?} MiB");
}

/// The error and the most memory taken, in MiB.
fn outcome(archive: &[u8], progress: &dyn Progress) -> (ErrorKind, usize) {
    assert!(archive.len() <= 140, "{} bytes", archive.len());
    let before = NOW.load(SeqCst);
    MOST.store(before, SeqCst);
    let resources = Resources { threads: NonZeroUsize::new(8).unwrap(), ..Resources::default() };
    let error = decompress(archive, &resources, &mut std::io::sink(), progress).unwrap_err();
    (error.kind(), (MOST.load(SeqCst) - before) >> 20)
}

/// Stops the work where it first looks.
struct Impatient;

impl Progress for Impatient {
    fn begin(&self, _: Phase, _: u64) {}
    fn advance(&self, _: u64) {}
    fn training(&self, _: u64, _: u32) {}
    fn note(&self, _: &str) {}
    fn is_cancelled(&self) -> bool {
        true
    }
}
