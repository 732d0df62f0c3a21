//! What is fuzzed: each takes any bytes and panics where a promise is broken.

use std::io::Write;
use std::num::NonZeroUsize;

use nncz::container::{Archive, BlockHeader, Header, Method, Writer};
use nncz::layout::Layout;
use nncz::predict::{Effort, Tables};
use nncz::{ErrorKind, Fill, Parity, Part, Resources, Silent, extract, mend, net, salvage};

/// Longest original that is decoded: a declared size bounds the time, not the fuzzer's patience.
const LONGEST: u64 = 1 << 14;

/// Everything that reads an archive, on bytes as they come.
pub fn archive(bytes: &[u8]) {
    let Ok(archive) = Archive::open(bytes) else { return drop(mend(&mut bytes.to_vec())) };
    if archive.header().original > LONGEST || archive.header().tables.bits > 16 {
        return;
    }
    archive.is_sound();
    let whole = read(bytes, &Part::All);
    // Every decoding takes milliseconds: not all of what follows each time.
    let choice = crc32fast::hash(bytes) % 4;
    if choice == 0 || whole.is_none() {
        let left = kept(bytes);
        assert!(whole.is_none() || left == whole, "salvage restores what decompression does");
    }
    let mut mended = bytes.to_vec();
    if mend(&mut mended).is_ok_and(|mending| mending.is_some()) {
        drop(read(&mended, &Part::All));
    }
    if let Some(whole) = whole.filter(|_| choice == 1) {
        assert_eq!(whole.len() as u64, archive.header().original);
        let (from, to) = (whole.len() / 3, whole.len() / 2);
        assert_eq!(read(bytes, &Part::Bytes(from as u64..to as u64)).as_deref(), Some(&whole[from..to]));
        let lines = read(bytes, &Part::Lines(2..=3));
        let expected: Vec<u8> =
            whole.split_inclusive(|&byte| byte == b'\n').skip(1).take(2).flatten().copied().collect();
        // The numbers of lines are the archive's word for it, where its maker lied about them.
        assert!(lines.is_none() || lines == Some(expected) || archive.header().blocks > 1);
    }
}

/// An archive under right checksums, made of what the bytes say: header, layout, weights, blocks, parity.
pub fn parts(bytes: &[u8]) {
    let mut data = Data(bytes);
    let blocks = u32::from(data.byte() % 4);
    let original =
        if blocks == 0 { 0 } else { u64::from(blocks) + u64::from(data.byte()) * u64::from(data.byte() % 48) };
    let effort = [Effort::Fast, Effort::Quick, Effort::Normal, Effort::Full][usize::from(data.byte() % 4)];
    let tables = Tables { bits: data.byte() % 17, effort };
    let weights = data.list();
    let network = data.byte() % 4 == 0 && blocks > 0;
    let header = Header { original, blocks, level: 1, network, tables, layout: layout(&mut data) };
    let parity = [Parity::None, Parity::Vital, Parity::Whole(1 + data.byte() % 100)][usize::from(data.byte() % 3)];
    let mut archive = Vec::new();
    let Ok(mut writer) = Writer::new(&mut archive, &header, parity) else { return };
    if network && writer.model(weights).is_err() {
        return;
    }
    for number in 0..blocks {
        let range = header.range(number);
        let length = (range.end - range.start) as usize;
        let newlines = if blocks > 1 { u64::from(data.byte() % 8) } else { 0 };
        let mut payload = data.list().to_vec();
        let method = match data.byte() % 4 {
            0 => {
                payload.resize(length, 7);
                Method::Stored
            }
            _ => {
                payload.truncate(length.saturating_sub(1));
                Method::Coded { length: payload.len() as u64 }
            }
        };
        let crc = if method == Method::Stored { crc32fast::hash(&payload) } else { 0 };
        writer.block(&BlockHeader { newlines, method, crc }, &payload).expect("memory takes what is written");
    }
    writer.finish().expect("memory takes what is written");
    let opened = Archive::open(&archive).expect("what was written can be opened");
    assert!(opened.check_complete().is_ok() && opened.is_sound());
    self::archive(&archive);

    let mut damaged = archive.clone();
    let length = 1 + usize::from(data.byte());
    let start = usize::from(data.byte()) * archive.len() / 256;
    damaged[start..].iter_mut().take(length).for_each(|byte| *byte ^= 1 + data.byte() % 255);
    self::archive(&damaged);
    let at = usize::from(data.byte()) * archive.len() / 256;
    self::archive(&archive[..at]);
    self::archive(&[&archive[..at], data.0, &archive[at..]].concat());
}

/// The weights of a network.
pub fn weights(bytes: &[u8]) {
    if let Ok(weights) = net::decode(bytes) {
        weights.shape.check().expect("what was decoded has a shape within the limits");
    }
}

fn layout(data: &mut Data<'_>) -> Layout {
    let options = || bincode::Options::with_limit(bincode::DefaultOptions::new(), 1 << 16);
    let bytes = data.list();
    bincode::Options::deserialize(bincode::Options::allow_trailing_bytes(options()), bytes).unwrap_or(Layout::Plain)
}

fn resources() -> Resources {
    Resources { threads: NonZeroUsize::MIN, memory: 256 << 20 }
}

/// What is restored; errors are of the kinds that an archive can cause.
fn read(bytes: &[u8], part: &Part) -> Option<Vec<u8>> {
    let mut restored = Vec::new();
    let result = extract(bytes, part, &resources(), &mut restored, &Silent);
    check(result.as_ref().err().map(nncz::Error::kind));
    result.ok().map(|()| restored)
}

/// What a salvage leaves, if it loses nothing.
fn kept(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut restored = Vec::new();
    let result = salvage(bytes, Fill::Skip, &resources(), &mut restored as &mut dyn Write, &Silent);
    check(result.as_ref().err().map(nncz::Error::kind));
    let salvaged = result.ok()?;
    assert_eq!(salvaged.restored, restored.len() as u64);
    salvaged.lost.is_empty().then_some(restored)
}

fn check(kind: Option<ErrorKind>) {
    assert!(matches!(kind, None | Some(ErrorKind::Damaged | ErrorKind::Limit | ErrorKind::Version)), "{kind:?}");
}

/// Bytes that are read as choices; zeros at their end.
struct Data<'a>(&'a [u8]);

impl<'a> Data<'a> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// Some bytes after their number.
    fn list(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        self.0.split_off(..length).unwrap_or(&[])
    }
}
