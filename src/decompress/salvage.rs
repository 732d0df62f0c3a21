//! What is left of a damaged archive: every block that is sound, and which bytes are lost.

use std::io::{self, Read, Write};
use std::ops::Range;

use super::decoder::Decoder;
use crate::container::Archive;
use crate::error::{Error, Result};
use crate::options::Resources;
use crate::progress::{Phase, Progress};

/// What is written in place of lost bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Nothing: what follows moves up.
    Skip,
    /// This byte for each, so that all others stay where they were.
    Byte(u8),
}

/// What came of a salvage.
#[derive(Debug, Default)]
pub struct Salvage {
    /// Number of the bytes that were restored.
    pub restored: u64,
    /// What was not, in order.
    pub lost: Vec<Lost>,
    /// What is wrong beside the blocks.
    pub remarks: Vec<String>,
}

/// A block, or several in a row, that were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Their numbers, from 0.
    pub blocks: Range<u32>,
    /// Their bytes of the original.
    pub bytes: Range<u64>,
    /// The lines that these bytes are of, from 1, as far as it is known: the first, and the last.
    pub lines: (Option<u64>, Option<u64>),
    /// What is wrong.
    pub reason: String,
}

/// Decodes every sound block of `archive` into `sink`, whatever is wrong with the others, and however they lie.
///
/// # Errors
/// [`crate::ErrorKind::Damaged`] if header or network are damaged, without which nothing can be decoded; else as
/// [`crate::decompress`].
pub fn salvage(
    archive: &[u8],
    fill: Fill,
    resources: &Resources,
    sink: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<Salvage> {
    let archive = Archive::open(archive)?;
    progress.begin(Phase::Decoding, archive.header().original);
    let decoder = Decoder::new(&archive, resources, progress)?;
    let mut outcome = Salvage { remarks: archive.remarks().to_vec(), ..Salvage::default() };
    if archive.blocks().len() == archive.header().blocks as usize {
        outcome.remarks.extend(archive.check_complete().err().map(|error| error.to_string()));
    }
    let mut next = 0;
    let numbers: Vec<u32> = archive.blocks().iter().map(|block| block.number).collect();
    let mut ledger = Ledger { archive: &archive, fill, sink, line: Some(1), outcome };
    decoder.each(&numbers, progress, |number, result| {
        ledger.missing(next..number)?;
        next = number + 1;
        match result {
            Err(error) => ledger.lose(number..number + 1, &error),
            Ok(bytes) => ledger.keep(&bytes),
        }
    })?;
    ledger.missing(next..archive.header().blocks)?;
    Ok(ledger.outcome)
}

/// What was restored and what was lost up to some byte of the original.
struct Ledger<'a> {
    archive: &'a Archive<'a>,
    fill: Fill,
    sink: &'a mut dyn Write,
    /// The line that the next byte is of, as long as it is known.
    line: Option<u64>,
    outcome: Salvage,
}

impl Ledger<'_> {
    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        self.outcome.restored += bytes.len() as u64;
        self.line = self.line.map(|line| line + memchr::memchr_iter(b'\n', bytes).count() as u64);
        Ok(self.sink.write_all(bytes)?)
    }

    fn missing(&mut self, numbers: Range<u32>) -> Result<()> {
        match self.archive.block(numbers.start) {
            Err(error) if !numbers.is_empty() => self.lose(numbers, &error),
            _ => Ok(()),
        }
    }

    fn lose(&mut self, numbers: Range<u32>, error: &Error) -> Result<()> {
        let header = self.archive.header();
        let bytes = header.range(numbers.start).start..header.range(numbers.end - 1).end;
        if let Fill::Byte(byte) = self.fill {
            io::copy(&mut io::repeat(byte).take(bytes.end - bytes.start), self.sink)?;
        }
        let first = self.line;
        // The only block does not say how many lines it has.
        let block = self.archive.block(numbers.start).ok().filter(|_| header.blocks > 1);
        self.line = first.zip(block).and_then(|(line, block)| line.checked_add(block.header.newlines));
        self.outcome.lost.push(Lost { blocks: numbers, bytes, lines: (first, self.line), reason: error.to_string() });
        Ok(())
    }
}
