//! Which layout a file is coded by: the one that it seems to have, unless a piece of it is smaller by another.

use super::{Job, total};
use crate::block::Coding;
use crate::container;
use crate::error::Result;
use crate::layout::Layout;
use crate::limits;
use crate::options::Resources;
use crate::parallel::in_order;
use crate::progress::Silent;

/// Bytes that layouts are tried on.
const PIECE: usize = 128 << 10;
/// Bytes of a header beside its layout, at most.
const OTHER_FIELDS: u64 = 64;
/// Percents of the detected layout's length that another must not exceed: what is known of columns pays more later on.
const CLEARLY_SMALLER: u64 = 97;

impl Job<'_> {
    /// Codes a piece of what looks like a table as one, as one whose columns are not described, and as plain text, and
    /// settles for the shortest.
    pub(super) fn settle_layout(&mut self, resources: &Resources) -> Result<()> {
        let Layout::Delimited { delimiter, quote, .. } = self.layout else { return Ok(()) };
        let bare = Layout::Delimited { delimiter, quote, schemas: Vec::new() };
        let layouts = [self.layout.clone(), bare, Layout::Plain];
        let piece = &self.source[..self.source.len().min(PIECE)];
        let tables = self.tables_for_sample(piece.len(), resources);
        let mut lengths = Vec::new();
        let code = |number: usize| {
            let coding = Coding { layout: &layouts[number], tables, ..self.coding(None, false) };
            coding.encode(piece, 1, &Silent)
        };
        in_order(layouts.len(), self.threads, code, |number, streams| {
            // A description is paid for once: it counts in full where the piece is the whole file.
            let description = container::length_of(&layouts[number]);
            let share = description * piece.len() as u64 / self.source.len().max(1) as u64;
            let fits = description <= limits::HEADER_LENGTH - OTHER_FIELDS;
            lengths.push(if fits { total(&streams) + share } else { u64::MAX });
            Ok(())
        })?;
        let least = if piece.len() == self.source.len() { lengths[0] } else { lengths[0] / 100 * CLEARLY_SMALLER };
        let best = layouts.into_iter().zip(lengths).skip(1).filter(|&(_, length)| length < least).min_by_key(|of| of.1);
        if let Some((layout, _)) = best {
            self.layout = layout;
        }
        Ok(())
    }
}
