//! What each expert looks at, in words.

use crate::layout::{Clue, Column, Layout, Relation, listed};

use super::super::Effort;
use super::super::evidence::Expert;
use super::{Experts, FEW};

/// Delimited text, as far as a column's relations do not say otherwise.
const ROWS: [&str; 16] = [
    "what the match models predict",
    "the last 3 bytes",
    "the last 6 bytes",
    "the field so far",
    "the field and the last 3 bytes",
    "the field so far and which fields equal those above",
    "the field so far and the field to the left",
    "the byte above",
    "the byte to the left",
    "the place in the field and the last 2 bytes",
    "the field so far and the third field to the left",
    "the field so far and two fields to the left",
    "the field so far and the field above",
    "the field so far, the field above and the one to the left",
    "the number so far",
    "the last 4 bytes",
];

const TEXT: [&str; 32] = [
    "what the match models predict",
    "the last 2 bytes",
    "the last 3 bytes",
    "the last 4 bytes",
    "the last 5 bytes",
    "the last 6 bytes",
    "what followed the last 3 bytes before",
    "the word so far",
    "the word so far and the word before",
    "the kinds of the last 8 bytes",
    "the word so far and the key",
    "the shape of the line so far",
    "the word so far and what it stands within",
    "the column and the bytes above",
    "the last 3 marks and the last byte",
    "the word so far and the line's first word",
    "the last 8 bytes",
    "the word so far and two words before",
    "what followed the last byte before",
    "the last byte",
    "the words' shapes",
    "the key and the last 3 bytes",
    "the line's first word and the column",
    "the word so far and the last 4 marks",
    "two words before",
    "the word so far and the second word before",
    "the kinds of the last 6 bytes and the last 2 bytes",
    "four shapes",
    "the word so far and two shapes before",
    "nothing at all",
    "what the last 2 bytes stand within",
    "the bytes above and the last 2 bytes",
];

const MATCHES: [&str; 3] = ["a repeat of 16 bytes or more", "a repeat of 6 bytes or more", "a repeat of the place"];

impl Expert {
    /// What the expert, one that works on such files with such effort, looks at in `field` of a file of this layout.
    pub fn describe(self, layout: &Layout, effort: Effort, field: usize) -> String {
        let number = match self {
            Self::Network => return "the network".to_owned(),
            Self::Numbers => return "how far such numbers lie from what is expected".to_owned(),
            Self::Match(number) => return MATCHES[usize::from(number)].to_owned(),
            Self::Context(number) if effort == Effort::Fast => Experts::new(layout).few()[usize::from(number) % FEW],
            Self::Context(number) => usize::from(number),
        };
        let name = match layout {
            Layout::Plain => TEXT[number],
            Layout::Records { .. } if number == 0 => TEXT[0],
            Layout::Records { .. } => return format!("context {number} of records"),
            Layout::Delimited { schemas, .. } => {
                let only = if let [only] = &schemas[..] { only.columns.get(field) } else { None };
                let special = only.and_then(|column| in_column(column, number, field));
                return special.unwrap_or_else(|| ROWS[number].to_owned());
            }
        };
        name.to_owned()
    }
}

/// The contexts whose meaning depends on what is known of the column.
fn in_column(column: &Column, number: usize, field: usize) -> Option<String> {
    let relation = |index: usize| Some(column.relations.get(index)?.describe(field));
    let told = |what: String, relation: &Relation| match relation.clue {
        Some(clue) => format!("{what}, and {clue}"),
        None => what,
    };
    let clues = |clues: &[Clue], count: usize| {
        let so_far = match column.relations.first().filter(|_| column.clues_to_rests) {
            Some(relation) => format!("how far {} holds", relation.describe(field)),
            None => "the field so far".to_owned(),
        };
        Some(format!("{so_far} and {}", listed(clues.get(..count)?)))
    };
    match number {
        2 | 4 if !column.alternatives.is_empty() => {
            let first = column.alternatives.first()?;
            let what = match column.alternatives.len() {
                1 => first.describe(field),
                all => format!("{}, or one of {} others", first.describe(field), all - 1),
            };
            Some(if number == 2 { told(what, first) } else { what })
        }
        2 | 4 => relation(1),
        10 => relation(0),
        15 => Some(told(relation(0)?, column.relations.first()?)),
        1 => clues(&column.further_clues, 1),
        3 => clues(&column.further_clues, 2),
        11 => clues(&column.clues, 3),
        12 => clues(&column.clues, 1),
        13 => clues(&column.clues, 2),
        _ => None,
    }
}
