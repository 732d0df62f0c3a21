//! Where in the record am I? Structure is context for the predictor, never a change of the bytes.

use serde::{Deserialize, Serialize};

/// The structure that a file's bytes follow, as detected at compression and kept in the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// No structure known.
    Plain,
    /// Records end with a line feed; `delimiter` parts their fields, unless between `quote`s.
    Delimited { delimiter: u8, quote: Option<u8> },
}

/// Where the byte to be coded next stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The field (column) within the record, from 0.
    pub field: u16,
    /// The byte's place within its field, from 0.
    pub offset: u16,
    /// The byte at the same place of the same field in the previous record, if there is one.
    pub above: Option<u8>,
}
