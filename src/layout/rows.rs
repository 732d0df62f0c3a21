//! Records of delimited fields, one a line.

use super::Position;

/// Fields told apart in one record; the bytes of all later ones count as one long last field.
pub(crate) const FIELDS: usize = 1024;

/// The place within delimited text. A line feed always ends the record, even between quotes: a stray quote must
/// not swallow the file.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    delimiter: u8,
    quote: Option<u8>,
    /// The current field began with a quote and stands inside it.
    quoted: bool,
    /// The current field has no letter or digit yet, so that a quote opens it; or one did.
    quotable: bool,
    start: usize,
    current: Vec<Span>,
    previous: Vec<Span>,
}

/// One field's bytes `start..end` in the block; `end` is the place of the byte that ended it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub end: usize,
}

/// What the last byte did to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Inside,
    FieldEnd,
    RecordEnd,
}

impl Rows {
    pub fn new(delimiter: u8, quote: Option<u8>) -> Self {
        Self { delimiter, quote, quoted: false, quotable: true, start: 0, current: Vec::new(), previous: Vec::new() }
    }

    /// The field the next byte belongs to.
    #[inline(always)]
    pub fn field(&self) -> usize {
        self.current.len()
    }

    /// Where the current field started in the block.
    #[inline(always)]
    pub fn start(&self) -> usize {
        self.start
    }

    /// The finished fields of the current record.
    #[inline(always)]
    pub fn current(&self) -> &[Span] {
        &self.current
    }

    /// The fields of the previous record.
    #[inline(always)]
    pub fn previous(&self) -> &[Span] {
        &self.previous
    }

    /// Takes note of the last byte of `history`.
    #[inline(always)]
    pub fn advance(&mut self, history: &[u8]) -> Event {
        let Some(&byte) = history.last() else { return Event::Inside };
        let place = history.len() - 1;
        if byte == b'\n' {
            self.current.push(Span { start: self.start, end: place });
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.clear();
            self.open(place + 1);
            return Event::RecordEnd;
        }
        if byte == self.delimiter && !self.quoted && self.current.len() + 1 < FIELDS {
            self.current.push(Span { start: self.start, end: place });
            self.open(place + 1);
            return Event::FieldEnd;
        }
        if Some(byte) == self.quote {
            self.quoted ^= self.quotable;
        } else if !self.quoted && byte.is_ascii_alphanumeric() && self.quotable {
            self.quotable = history[self.start..place].iter().any(|&byte| Some(byte) == self.quote);
        }
        Event::Inside
    }

    /// Where the byte after `history` stands.
    #[inline(always)]
    pub fn position(&self, history: &[u8]) -> Position {
        let offset = history.len() - self.start;
        let above = self.previous.get(self.current.len()).and_then(|span| {
            let place = span.start + offset;
            if place <= span.end { history.get(place).copied() } else { None }
        });
        Position { field: self.current.len() as u16, offset: offset.min(u16::MAX as usize) as u16, above }
    }

    #[inline(always)]
    fn open(&mut self, start: usize) {
        self.start = start;
        self.quoted = false;
        self.quotable = true;
    }
}
