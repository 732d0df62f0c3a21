//! Where in the record am I? Structure is context for the predictor, never a change of the bytes.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

mod clues;
mod columns;
mod corrections;
mod detect;
mod formats;
mod ratios;
mod rows;
mod schemas;
mod survey;
mod times;

pub(crate) use columns::{ALTERNATIVES, CLUES, CORRECTIONS, RELATIONS, TEXT_MAX, leading_bits, significant};
pub use columns::{Clue, Column, Format, Relation, Source, listed};
pub(crate) use corrections::Correction;
pub(crate) use rows::Rows;
pub use schemas::{Mark, Schema};
pub(crate) use schemas::{Shape, follow};
pub(crate) use times::{DAY, TIME_MOST, clock_start, clock_unit, is_digit, minutes_up_to, parse_time};

/// Bytes of a file on which its layout is detected.
pub const SAMPLE: usize = 16 << 20;

/// The structure that a file's bytes follow, as detected at compression and kept in the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// Text, or nothing known.
    Plain,
    /// Records end with a line feed; `delimiter` parts their fields, unless between `quote`s.
    Delimited {
        /// The byte between two fields.
        delimiter: u8,
        /// The byte that opens and closes a field in which the delimiter is an ordinary byte.
        #[serde(with = "one_byte")]
        quote: Option<u8>,
        /// The tables in the file, the longest first.
        schemas: Vec<Schema>,
    },
    /// Binary data in records of one length.
    Records {
        /// Bytes in a record; 1 if no length stands out.
        length: u16,
    },
}

/// Where the byte to be coded next stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The field (column) within the record, from 0.
    pub field: u16,
    /// The byte's place within its field, from 0.
    pub offset: u16,
    /// The byte at the same place of the same field in the previous record, if there is one. Just past that
    /// field's end this is the byte that ended it.
    pub above: Option<u8>,
}

/// Follows the bytes of a block and knows where the next one stands.
#[derive(Clone, Debug)]
pub struct Cursor {
    structure: Structure,
    position: Position,
}

/// What the cursor remembers, per kind of layout.
#[derive(Clone, Debug)]
pub(crate) enum Structure {
    Plain,
    Records { length: usize },
    Rows(Rows),
}

impl Layout {
    /// The layout that the file `source` seems to follow. A wrong guess costs compression only.
    pub fn detect(source: &[u8]) -> Self {
        Self::detect_on(source, SAMPLE, NonZeroUsize::MIN)
    }

    /// The same, found on `sample` bytes at most by so many threads.
    pub fn detect_on(source: &[u8], sample: usize, threads: NonZeroUsize) -> Self {
        detect::detect(source, sample, threads)
    }

    /// A cursor at the start of a block.
    pub fn cursor(&self) -> Cursor {
        let structure = match self {
            Layout::Plain => Structure::Plain,
            Layout::Records { length } => Structure::Records { length: usize::from((*length).max(1)) },
            Layout::Delimited { delimiter, quote, .. } => Structure::Rows(Rows::new(*delimiter, *quote)),
        };
        Cursor { structure, position: Position::default() }
    }
}

impl Cursor {
    /// Where the byte to come next stands.
    #[inline(always)]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Takes note of the last byte of `history`, the block so far. Called once after each byte.
    #[inline(always)]
    pub fn advance(&mut self, history: &[u8]) {
        match &mut self.structure {
            Structure::Plain => {}
            Structure::Records { length } => {
                let offset = usize::from(self.position.offset) + 1;
                self.position.offset = if offset < *length { offset as u16 } else { 0 };
                self.position.above = history.len().checked_sub(*length).map(|place| history[place]);
            }
            Structure::Rows(rows) => {
                rows.advance(history);
                self.position = rows.position(history);
            }
        }
    }

    #[inline(always)]
    pub(crate) fn structure(&self) -> &Structure {
        &self.structure
    }
}

/// An optional byte other than 0, written as one byte.
mod one_byte {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(byte: &Option<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        byte.unwrap_or(0).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
        u8::deserialize(deserializer).map(|byte| (byte != 0).then_some(byte))
    }
}

#[cfg(test)]
mod tests;
