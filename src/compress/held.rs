//! The beginning of an archive, held back until the archive is long enough for what decoding it takes.

use std::io::{self, Write};

/// A sink that passes nothing on before it was given `least` bytes.
pub struct Held<'a> {
    sink: &'a mut dyn Write,
    least: u64,
    held: Vec<u8>,
    is_open: bool,
}

impl<'a> Held<'a> {
    /// In front of `sink`.
    pub fn new(sink: &'a mut dyn Write, least: u64) -> Self {
        Self { sink, least, held: Vec::new(), is_open: least == 0 }
    }

    /// Whether all was passed on; if not, nothing was.
    pub fn is_open(&self) -> bool {
        self.is_open
    }
}

impl Write for Held<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_open {
            return self.sink.write(bytes);
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() as u64 >= self.least {
            self.sink.write_all(&std::mem::take(&mut self.held))?;
            self.is_open = true;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_open { self.sink.flush() } else { Ok(()) }
    }
}
