//! Makes the table of what the adaptive state begins with: `cargo bench --bench beginnings -- TABLE DIRECTORY…` codes every file of
//! the directories from plain beginnings with each effort, and writes the means of what those of a kind have come to. The new
//! table's CRC-32 goes into src/predict/FORMAT.md.
//!
//! Ours is made of 43 files, none of which any figure of this project is taken from: tables and JSON of Vega's and R's example data, and
//! documents, sources, catalogues, logs, libraries, fonts and images of a Debian system.

use std::path::PathBuf;

use nncz::layout::Layout;
use nncz::net::Instructions;
use nncz::predict::{Beginnings, Decision, Effort, Learned, Predictor, Tables};

/// Bytes of a file that are coded, at most.
const LONGEST: usize = 1 << 20;
const EFFORTS: [Effort; 4] = [Effort::Fast, Effort::Quick, Effort::Normal, Effort::Full];
/// Places in [`EFFORTS`].
const FAST: usize = 0;
const NORMAL: usize = 2;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let table = arguments.next().expect("the name of the table");
    let mut kinds = [const { Vec::new() }; 3];
    for file in arguments.flat_map(files) {
        let mut bytes = std::fs::read(&file).expect("a readable file");
        bytes.truncate(LONGEST);
        let layout = Layout::detect(&bytes);
        println!("{} as {}", file.display(), ["text", "records", "rows"][kind(&layout)]);
        kinds[kind(&layout)].push(EFFORTS.map(|effort| learned(&bytes, &layout, effort)));
    }
    std::fs::write(&table, kinds.iter().flat_map(|files| sections(files)).collect::<Vec<u8>>())
        .expect("a writable table");
}

fn files(directory: String) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&directory).expect("a readable directory");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn kind(layout: &Layout) -> usize {
    match layout {
        Layout::Plain => 0,
        Layout::Records { .. } => 1,
        Layout::Delimited { .. } => 2,
    }
}

fn learned(bytes: &[u8], layout: &Layout, effort: Effort) -> Learned {
    let (tables, instructions) = (Tables { bits: 22, effort }, Instructions::choose().expect("a known NNCZ_KERNEL"));
    let mut predictor = Predictor::beginning_with(Beginnings::PLAIN, layout, tables, bytes.len(), instructions);
    for &byte in bytes {
        let mut answers = |decision: Decision, _: u16| Ok(decision.of(byte));
        predictor.code_byte(&mut (), &mut answers).expect("nothing fails");
    }
    predictor.learned()
}

/// The sections of a kind: the mixers' of each effort, then the chances'. Upper halves are expected by the fast effort alone in
/// every kind of data, and states are mapped by the others.
fn sections(files: &[[Learned; 4]]) -> Vec<u8> {
    let weights = |effort: usize| {
        let means = means(files.iter().map(|file| &file[effort].weights));
        section(means.into_iter().flat_map(|weight| (weight.unwrap_or(0) as i16).to_le_bytes()).collect())
    };
    let odds = |means: Vec<Option<i32>>| means.into_iter().map(|odds| odds.unwrap_or(0).clamp(-127, 127) as i8 as u8);
    let states = odds(means(files.iter().map(|file| &file[NORMAL].states)));
    let bytes = odds(means(files.iter().map(|file| &file[NORMAL].bytes)));
    let halves = odds(means(files.iter().map(|file| &file[FAST].halves)));
    let chances = section(states.chain(bytes).chain(halves).collect());
    (0..EFFORTS.len()).flat_map(weights).chain(chances).collect()
}

/// The mean of each number, over those that know it.
fn means<'a>(all: impl Iterator<Item = &'a Vec<Option<i32>>>) -> Vec<Option<i32>> {
    let all: Vec<&Vec<Option<i32>>> = all.collect();
    let count = all.first().map_or(0, |first| first.len());
    let mean = |index: usize| {
        let known: Vec<i64> = all.iter().filter_map(|numbers| numbers[index]).map(i64::from).collect();
        known.iter().sum::<i64>().checked_div(known.len() as i64).map(|mean| mean as i32)
    };
    (0..count).map(mean).collect()
}

fn section(bytes: Vec<u8>) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes()[..], &bytes].concat()
}
