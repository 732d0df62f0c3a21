//! What each layout's experts look at: the contexts' hashes, the match models' keys, the mixers' selectors.

mod followers;
mod guess;
mod names;
mod nesting;
mod records;
mod rows;
mod text;

use crate::layout::{Cursor, Layout, Structure};
use crate::net::Foretold;

use super::certain::ASKED;
use super::matching::{MATCHES, Match};
use super::mixer::{FOURS, Four, SELECTORS};
use super::slots::CONTEXTS;
use super::vector::WIDTH;
use records::RecordTrail;
pub use rows::NumberField;
use rows::{PLACES, RowTrail};
use text::TextTrail;

/// The context of what the match models predict, which is known last.
pub const MATCH_CONTEXT: usize = 0;
/// Fields told apart by the final maps.
const FIELD_CLASSES: usize = 256;
/// Weight sets of the final mixer: the last eight are for the bits of a byte that is known to be wrong.
pub const FINAL_SETS: usize = PLACES + 8;
/// Places of trust.
pub const TRUST_PLACES: usize = 2 * PLACES;

/// Contexts by whose counts a mixer is selected, and the sets of that one.
pub const COUNTED: usize = 5;
const COUNTS: usize = 1 << (2 * COUNTED);
/// Contexts where there are few.
pub const FEW: usize = 8;
/// Those of the first sixteen contexts that stay where there are few.
const FEW_TEXT: [usize; FEW] = [0, 1, 2, 3, 5, 7, 11, 14];
const FEW_RECORDS: [usize; FEW] = [0, 1, 2, 5, 7, 9, 10, 12];
const FEW_ROWS: [usize; FEW] = [0, 2, 7, 10, 12, 13, 14, 15];

/// Contexts that are asked whether a byte is certain.
const ASKED_TEXT: [usize; ASKED] = [5, 11];
const ASKED_RECORDS: [usize; ASKED] = [4, 11];
const ASKED_FEW_RECORDS: [usize; ASKED] = [2, 10];
const ASKED_ROWS: [usize; ASKED] = [15, 12];

/// Which experts work on a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experts {
    Text,
    Records,
    Rows,
}

/// What experts remember of the bytes so far.
#[derive(Clone, Debug)]
pub struct Trail {
    /// The last eight bytes, the latest lowest.
    last: u64,
    /// What the match models predict, the one of the longest repeats first; 0 if nothing.
    guess: u8,
    part: Part,
}

/// What they remember, per kind of experts.
#[derive(Clone, Debug)]
enum Part {
    Text(TextTrail),
    Records(RecordTrail),
    Rows(Box<RowTrail>),
}

/// The weight sets for the decision on an expected byte: of the first three mixers (the last one's follows from how many
/// contexts agree), and of the last layer; and the final map's curve.
pub struct Selectors {
    pub sets: [usize; SELECTORS - 1],
    pub last_set: usize,
    pub last_curve: usize,
}

impl Experts {
    pub fn new(layout: &Layout) -> Self {
        match layout {
            Layout::Plain => Experts::Text,
            Layout::Records { .. } => Experts::Records,
            Layout::Delimited { .. } => Experts::Rows,
        }
    }

    /// The contexts that stay where there are few.
    pub fn few(self) -> [usize; FEW] {
        match self {
            Experts::Text => FEW_TEXT,
            Experts::Records => FEW_RECORDS,
            Experts::Rows => FEW_ROWS,
        }
    }

    /// The contexts, of so many, that are asked whether a byte is certain, as they are counted there.
    pub fn asked(self, contexts: usize) -> [usize; ASKED] {
        let place = |number: usize| match contexts {
            FEW => self.few().iter().position(|&few| few == number).unwrap_or(number),
            _ => number,
        };
        match self {
            Experts::Text => ASKED_TEXT.map(place),
            Experts::Records if contexts == FEW => ASKED_FEW_RECORDS.map(place),
            Experts::Records => ASKED_RECORDS,
            Experts::Rows => ASKED_ROWS.map(place),
        }
    }

    /// Where the rates of mixers settle, in 1/1024: binary data changes its nature all along.
    pub fn settled_rate(self) -> i32 {
        match self {
            Experts::Text | Experts::Rows => 120,
            Experts::Records => 300,
        }
    }

    /// The contexts by whose counts a further mixer is selected.
    pub fn counted(self) -> [usize; COUNTED] {
        match self {
            Experts::Text => [2, 3, 4, 5, 8],
            Experts::Records => [2, 3, 5, 10, 11],
            Experts::Rows => [11, 13, 12, 3, 6],
        }
    }

    /// Weight sets of each mixer.
    pub fn selector_sizes(self) -> [Four<usize>; FOURS] {
        match self {
            Experts::Text => [[256 + 8, 256 * 8, 16 * 16, 2 * 256], [2048, 2048, 2048, COUNTS]],
            Experts::Records => [[256 + 8, 256 * 8, 16 * 16, 2048], [2048, 2048, 2048, COUNTS]],
            Experts::Rows => [[2 * PLACES, 256 + 8, 16 * 16, 2048], [2048, 2048, 1024, COUNTS]],
        }
    }

    /// The same for the decision on an expected byte.
    pub fn byte_selector_sizes(self) -> Four<usize> {
        match self {
            Experts::Text | Experts::Records => [256; SELECTORS],
            Experts::Rows => [2 * PLACES, 256, 256, 256],
        }
    }
}

impl Trail {
    pub fn new(layout: &Layout) -> Self {
        let part = match layout {
            Layout::Plain => Part::Text(TextTrail::default()),
            Layout::Records { length } => Part::Records(RecordTrail::new(usize::from(*length))),
            Layout::Delimited { schemas, .. } => Part::Rows(Box::new(RowTrail::new(schemas))),
        };
        Self { last: 0, guess: 0, part }
    }

    /// Takes note of the last byte of `history`, after the cursor did.
    #[inline(always)]
    pub fn advance(&mut self, cursor: &Cursor, history: &[u8]) {
        let Some(&byte) = history.last() else { return };
        self.last = self.last << 8 | u64::from(byte);
        match (&mut self.part, cursor.structure()) {
            (Part::Text(text), _) => text.advance(history, self.last),
            (Part::Records(records), _) => records.advance(history, self.last),
            (Part::Rows(row), Structure::Rows(rows)) => row.advance(rows, cursor, history, byte),
            (Part::Rows(_), _) => {}
        }
    }

    /// The hashes of so many contexts of the coming byte, [`FEW`], 16 or 32, but the one of [`Self::match_context`].
    #[inline(always)]
    pub fn contexts(&self, contexts: usize, hashes: &mut [u64; CONTEXTS]) {
        let (first, others) = hashes.split_at_mut(WIDTH);
        if contexts < WIDTH {
            // Picked where they are made, so that the others are not made at all.
            let keys = match &self.part {
                Part::Text(text) => picked(text.keys(self.last), FEW_TEXT),
                Part::Records(records) => picked(records.keys(self.last), FEW_RECORDS),
                Part::Rows(row) => picked(row.keys(self.last), FEW_ROWS),
            };
            return hash_keys(&keys, 0, first);
        }
        let keys = match &self.part {
            Part::Text(text) => text.keys(self.last),
            Part::Records(records) => records.keys(self.last),
            Part::Rows(row) => row.keys(self.last),
        };
        hash_keys(&keys, 0, first);
        if contexts > WIDTH {
            let keys = match &self.part {
                Part::Text(text) => text.more_keys(self.last),
                Part::Records(records) => records.more_keys(self.last),
                Part::Rows(_) => return,
            };
            hash_keys(&keys, WIDTH, others);
        }
    }

    /// The hashes of the contexts of the coming byte that are asked whether it is certain, `asked` among so many. Not a part of each
    /// build's code.
    #[inline(never)]
    pub fn asked_contexts(&self, contexts: usize, asked: [usize; ASKED]) -> [u64; ASKED] {
        let picked = |keys: [u64; WIDTH], [first, second]: [usize; ASKED]| [keys[first], keys[second]];
        let [first, second] = match &self.part {
            Part::Text(text) => picked(text.keys(self.last), ASKED_TEXT),
            Part::Records(records) if contexts < WIDTH => picked(records.keys(self.last), ASKED_FEW_RECORDS),
            Part::Records(records) => picked(records.keys(self.last), ASKED_RECORDS),
            Part::Rows(row) => picked(row.keys(self.last), ASKED_ROWS),
        };
        [hashed_key(first, asked[0]), hashed_key(second, asked[1])]
    }

    /// Takes note of what the match models predict. Gives the hash of context [`MATCH_CONTEXT`].
    #[inline(always)]
    pub fn match_context(&mut self, [first, second, third]: &[Match; MATCHES]) -> u64 {
        self.guess = first.predicted().or(second.predicted()).or(third.predicted()).unwrap_or(0);
        let guess = |model: &Match| model.predicted().map_or(256, u64::from);
        let repeated = guess(first).min(guess(second));
        let key = match &self.part {
            Part::Text(_) | Part::Records(_) => repeated << 32 | guess(third) << 16 | first.class() as u64,
            Part::Rows(_) => guess(third) << 16 | repeated,
        };
        hashed_key(key, MATCH_CONTEXT)
    }

    /// The match models' keys: the last 16 bytes, the last 6, and one that the layout chooses.
    #[inline(always)]
    pub fn match_keys(&self, history: &[u8]) -> [u64; MATCHES] {
        let longest = match history.len().checked_sub(16) {
            Some(start) => {
                let before = history[start..start + 8].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
                mix(before, self.last)
            }
            None => 0,
        };
        let third = match &self.part {
            Part::Text(text) => text.match_key(),
            Part::Records(_) => self.last & 0xFFFF_FFFF,
            Part::Rows(row) => row.match_key(),
        };
        [longest, mix(1, self.last & 0xFFFF_FFFF_FFFF), mix(2, third)]
    }

    /// The weight sets to use for a bit. `partial` is the byte so far with a leading 1, `bit_index` its length;
    /// `classes` are the match models' classes of length; `excluding` says whether the bits so far are those of a byte
    /// that is known to be wrong.
    #[inline(always)]
    pub fn selectors(
        &self,
        partial: usize,
        bit_index: usize,
        classes: [usize; MATCHES],
        excluding: bool,
    ) -> Four<usize> {
        let bits = if excluding { 256 + bit_index } else { partial };
        let previous = self.previous();
        let matched = classes[0] * 16 + classes[1].max(classes[2]);
        match &self.part {
            Part::Text(text) => [bits, previous * 8 + bit_index, matched, text.place_class(partial, bit_index)],
            Part::Records(records) => {
                [bits, previous * 8 + bit_index, matched, records.column() & 255 | (bit_index << 8)]
            }
            Part::Rows(row) => {
                let matched = classes[0] * 16 + classes[2];
                [row.place_class(partial, bit_index), bits, matched, row.guess_class(partial, bit_index)]
            }
        }
    }

    /// The weight sets of the four further mixers; `counts` is that of the last one.
    #[inline(always)]
    pub fn more_selectors(&self, bit_index: usize, counts: usize) -> Four<usize> {
        let hashed = |key: u64, bits: u32| (mix(key, 1) >> (64 - bits)) as usize;
        match &self.part {
            Part::Text(text) => {
                let [kinds, marks] = text.more_sets();
                [hashed(self.last & 0xFFFF, 11), hashed(kinds, 11), hashed(marks, 11), counts]
            }
            Part::Records(records) => {
                let column = records.column() as u64;
                [records.above() * 8 + bit_index, hashed(self.last & 0xFFFF, 11), hashed(column, 11), counts]
            }
            Part::Rows(row) => {
                let [prefix, left] = row.more_sets();
                [self.previous() * 8 + bit_index, hashed(prefix, 11), hashed(left, 10), counts]
            }
        }
    }

    /// The weight sets to use for the decision on the expected byte `byte`; `classes` as above.
    #[inline(always)]
    pub fn byte_selectors(&self, byte: u8, classes: [usize; MATCHES]) -> Selectors {
        let (previous, expected) = (self.previous(), usize::from(byte));
        let matched = classes[0] * 16 + classes[1].max(classes[2]);
        let sets = match &self.part {
            Part::Text(_) => [expected, previous, matched],
            Part::Records(records) => [expected, records.column() & 255, matched],
            Part::Rows(row) => {
                let matched = classes[0] * 16 + classes[2];
                [row.place_class(256 | expected, 8), expected, matched]
            }
        };
        Selectors { sets, last_set: self.final_set(), last_curve: self.final_curve() }
    }

    /// The same for the decision on the upper half of `byte`, `after` the byte that was expected was wrong or not.
    #[inline(always)]
    pub fn half_selectors(&self, byte: u8, classes: [usize; MATCHES], after: bool) -> Selectors {
        let half = usize::from(byte >> 4) * 2 + usize::from(after);
        let matched = classes[0] * 16 + classes[1].max(classes[2]);
        let sets = match &self.part {
            Part::Text(_) => [half, self.previous(), matched],
            Part::Records(records) => [half, records.column() & 255, matched],
            Part::Rows(row) => {
                let matched = classes[0] * 16 + classes[2];
                [row.place_class(16 | usize::from(byte >> 4), 4), half, matched]
            }
        };
        Selectors { sets, last_set: self.final_set(), last_curve: self.final_curve() }
    }

    /// The final mixer's weight set, but for the last eight.
    #[inline(always)]
    pub fn final_set(&self) -> usize {
        match &self.part {
            Part::Rows(row) => row.place_number(),
            Part::Text(text) => text.place_number(),
            Part::Records(records) => records.above(),
        }
    }

    /// The place where likely bytes must have been right often enough, below [`TRUST_PLACES`]: in text the last byte and roughly
    /// the `class` of the first match model; in rows the field, the offset and whether that model predicts.
    #[inline(always)]
    pub fn trust_place(&self, class: usize) -> usize {
        match &self.part {
            Part::Text(_) => self.previous() * 4 + class / 4,
            Part::Rows(row) => row.place_number() * 2 + usize::from(class > 0),
            _ => self.final_set(),
        }
    }

    /// The first final map's context, below 256.
    #[inline(always)]
    pub fn first_curve(&self) -> usize {
        match &self.part {
            Part::Records(records) => records.above(),
            Part::Text(_) | Part::Rows(_) => self.previous(),
        }
    }

    /// The second final map's context, below 256.
    #[inline(always)]
    pub fn final_curve(&self) -> usize {
        match &self.part {
            Part::Text(_) | Part::Records(_) => usize::from(self.guess),
            Part::Rows(row) => row.field_class(),
        }
    }

    /// What is remembered of delimited text.
    #[inline(always)]
    pub fn rows(&self) -> Option<&RowTrail> {
        if let Part::Rows(row) = &self.part { Some(row) } else { None }
    }

    /// What relations say of the coming byte.
    pub fn foretold(&self) -> Foretold {
        match &self.part {
            Part::Rows(row) => row.foretold(),
            _ => Foretold::default(),
        }
    }

    /// The byte at the same offset of the field to the left.
    pub fn left(&self) -> Option<u8> {
        match &self.part {
            Part::Rows(row) => row.left_byte(),
            _ => None,
        }
    }

    /// The last byte, 0 at the start.
    #[inline(always)]
    pub fn previous(&self) -> usize {
        (self.last & 255) as usize
    }
}

/// Those of `keys` that stay where there are few.
#[inline(always)]
fn picked(keys: [u64; WIDTH], few: [usize; FEW]) -> [u64; FEW] {
    // Without a loop the compiler sees which keys are never asked for.
    let [a, b, c, d, e, f, g, h] = few;
    [keys[a], keys[b], keys[c], keys[d], keys[e], keys[f], keys[g], keys[h]]
}

/// The hashes of the keys of contexts from number `first` on.
#[inline(always)]
fn hash_keys(keys: &[u64], first: usize, hashes: &mut [u64]) {
    for ((hash, &key), number) in hashes.iter_mut().zip(keys).zip(first..) {
        *hash = hashed_key(key, number);
    }
}

/// The hash of a context of that number.
#[inline(always)]
fn hashed_key(key: u64, number: usize) -> u64 {
    mix(key, number as u64 + 1)
}

/// A hash of two values whose upper bits are well spread.
#[inline(always)]
pub fn mix(first: u64, second: u64) -> u64 {
    let product = (first.rotate_left(25) ^ second).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ product >> 32
}
