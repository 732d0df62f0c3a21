//! Several tables in one file, as in SQL dumps: which of them a record belongs to.

use serde::{Deserialize, Serialize};

use super::columns::Column;

/// One table of delimited text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// What tells its records from those of others.
    pub mark: Mark,
    /// What is known of the columns, from the first on; those not listed are unknown.
    pub columns: Vec<Column>,
}

/// What tells the records of a table from others. All tables of a file have the same kind of mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// A hash of the name in the statement before them.
    Heading(u32),
    /// Their number of fields.
    Width(u32),
    /// A hash of which of their fields are empty, and of how many there are.
    Shape(u32),
}

/// Tables that are told apart.
pub const SCHEMAS: usize = 16;

/// The shape of a record, field by field.
#[derive(Clone, Copy, Debug)]
pub struct Shape(u32);

impl Default for Shape {
    fn default() -> Self {
        Self(0x811C_9DC5)
    }
}

impl Shape {
    /// FNV-1a of a byte for each field: 1 if it is empty.
    #[inline(always)]
    pub fn after(self, is_empty: bool) -> Self {
        Self((self.0 ^ u32::from(is_empty)).wrapping_mul(0x0100_0193))
    }

    /// As a mark.
    pub fn hash(self) -> u32 {
        self.0
    }
}

/// The table that the record after one of `width` fields and of that shape belongs to: `first_field` are the bytes of its first
/// field, `current` its own table.
pub fn follow(schemas: &[Schema], current: usize, first_field: &[u8], width: usize, shape: Shape) -> usize {
    let Some(Schema { mark, .. }) = schemas.get(current).or(schemas.first()).filter(|_| schemas.len() > 1) else {
        return current;
    };
    let (mark, otherwise) = match mark {
        Mark::Heading(_) => match heading(first_field) {
            Some(heading) => (Mark::Heading(heading), usize::MAX),
            None => return current,
        },
        Mark::Width(_) => (Mark::Width(width as u32), current),
        Mark::Shape(_) => (Mark::Shape(shape.hash()), current),
    };
    schemas.iter().position(|schema| schema.mark == mark).unwrap_or(otherwise)
}

/// A hash of the table's name, if a record begins with `INSERT INTO name` or `COPY name`: FNV-1a of the name up to a blank or `(`,
/// at least 1.
pub fn heading(first_field: &[u8]) -> Option<u32> {
    let name = ["INSERT INTO ", "COPY "].iter().find_map(|statement| {
        let (start, name) = first_field.split_at_checked(statement.len())?;
        start.eq_ignore_ascii_case(statement.as_bytes()).then_some(name)
    })?;
    let name = name.iter().take_while(|byte| !b" (".contains(byte));
    Some(name.fold(0x811C_9DC5u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)).max(1))
}
