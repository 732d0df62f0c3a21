//! Several tables in one file, as in SQL dumps: which of them a record belongs to.

use serde::{Deserialize, Serialize};

use super::columns::Column;

/// One table of delimited text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// A hash of the name in the statement before its records, 0 if they are known by their number of fields.
    pub heading: u32,
    /// Fields of a record.
    pub width: u16,
    /// What is known of the columns, from the first on; those not listed are unknown.
    pub columns: Vec<Column>,
}

/// Tables that are told apart.
pub const SCHEMAS: usize = 16;

/// The table that the record after one of `width` fields belongs to: `first_field` are the bytes of its first field, `current`
/// its own table.
pub fn follow(schemas: &[Schema], current: usize, first_field: &[u8], width: usize) -> usize {
    match schemas.get(current) {
        _ if schemas.len() < 2 => current,
        None | Some(Schema { heading: 1.., .. }) => match heading(first_field) {
            Some(heading) => schemas.iter().position(|schema| schema.heading == heading).unwrap_or(usize::MAX),
            None => current,
        },
        Some(schema) if usize::from(schema.width) == width => current,
        Some(_) => schemas.iter().position(|schema| usize::from(schema.width) == width).unwrap_or(current),
    }
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
