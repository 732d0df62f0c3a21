//! Which layout a file is coded by: the one that it seems to have, unless a piece of it is smaller by another.

use super::Job;
use crate::block::Coding;
use crate::container;
use crate::error::Result;
use crate::layout::Layout;
use crate::limits;
use crate::options::Resources;
use crate::predict::Tables;
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
        let Layout::Delimited { delimiter, quote, ref schemas } = self.layout else { return Ok(()) };
        let bare = Layout::Delimited { delimiter, quote, schemas: Vec::new() };
        let others = if schemas.is_empty() { vec![Layout::Plain] } else { vec![bare, Layout::Plain] };
        let piece = &self.source[..self.source.len().min(PIECE)];
        let tables = self.tables_for_sample(piece.len(), resources);
        let detected = self.length_by(&self.layout, piece, tables)?;
        let is_all = piece.len() == self.source.len();
        let mut least = if is_all { detected } else { detected / 100 * CLEARLY_SMALLER };
        for layout in others {
            let length = self.length_by(&layout, piece, tables)?;
            if length < least {
                (self.layout, least) = (layout, length);
            }
        }
        Ok(())
    }

    /// Length of `piece` coded by `layout`, with its share of the layout's description, which is paid for once in a file.
    fn length_by(&self, layout: &Layout, piece: &[u8], tables: Tables) -> Result<u64> {
        let description = container::length_of(layout);
        if description > limits::HEADER_LENGTH - OTHER_FIELDS {
            return Ok(u64::MAX);
        }
        let stream = Coding { layout, tables, ..self.coding(None) }.encode(piece, &Silent)?;
        Ok(stream.len() as u64 + description * piece.len() as u64 / self.source.len().max(1) as u64)
    }
}
