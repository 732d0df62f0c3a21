//! Writing an archive, front to back.

use std::io::Write;

use bincode::Options;

use super::{
    BLOCK_TAG, BlockHeader, END, Header, INDEX_TAG, MAGIC, MODEL_TAG, Method, VERSION, check_limit, combined_crc,
    section_crc, varint,
};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;

/// Writes one archive: the header at once, then the model if there is one, then every block in order.
pub struct Writer<W> {
    sink: W,
    header: Header,
    header_crc: u32,
    written: u64,
    /// Length in the archive, length of the original bytes and their CRC-32, by block.
    blocks: Vec<(u64, u64, u32)>,
}

impl<W: Write> Writer<W> {
    /// Writes magic, version and header. Errors: a size in `header` over its limit; what `sink` says.
    pub fn new(sink: W, header: &Header) -> Result<Self> {
        header.check()?;
        let body = bincode::DefaultOptions::new()
            .with_limit(limits::HEADER_LENGTH)
            .serialize(header)
            .map_err(|error| Error::new(ErrorKind::Limit, format!("the header cannot be written: {error}")))?;
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        varint::write(body.len() as u64, &mut bytes);
        bytes.extend_from_slice(&body);
        let header_crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&header_crc.to_le_bytes());

        let mut writer = Self { sink, header: header.clone(), header_crc, written: 0, blocks: Vec::new() };
        writer.put(&bytes)?;
        Ok(writer)
    }

    /// Writes the model section, before the first block.
    pub fn model(&mut self, content: &[u8]) -> Result<()> {
        assert!(self.blocks.is_empty(), "the model section comes before the blocks");
        check_limit("bytes of model", content.len() as u64, limits::MODEL_LENGTH)?;
        let mut bytes = vec![MODEL_TAG];
        varint::write(content.len() as u64, &mut bytes);
        bytes.extend_from_slice(content);
        self.put_section(&bytes)
    }

    /// Writes the next block.
    ///
    /// # Panics
    /// If there are more blocks than the header says, or if the payload's length is not what `block` says.
    pub fn block(&mut self, block: &BlockHeader, payload: &[u8]) -> Result<()> {
        let number = self.blocks.len() as u32;
        assert!(number < self.header.blocks, "more blocks than the header says");
        let range = self.header.range(number);
        let start = self.written;
        let mut bytes = vec![BLOCK_TAG];
        if self.header.blocks > 1 {
            varint::write(number.into(), &mut bytes);
        }
        let expected = match &block.method {
            Method::Stored => {
                bytes.push(0);
                range.end - range.start
            }
            Method::Coded { lanes } => {
                assert!((1..=limits::LANES).contains(&lanes.len()), "between one and {} lanes", limits::LANES);
                bytes.push(lanes.len() as u8);
                lanes.iter().for_each(|&length| varint::write(length, &mut bytes));
                lanes.iter().sum()
            }
        };
        assert_eq!(payload.len() as u64, expected, "the payload's length is what its header says");
        bytes.extend_from_slice(&block.crc.to_le_bytes());
        self.put_section(&bytes)?;
        self.put(payload)?;
        self.put(&crc32fast::hash(payload).to_le_bytes())?;
        self.blocks.push((self.written - start, range.end - range.start, block.crc));
        Ok(())
    }

    /// Writes the index, if there are blocks enough for one, and returns the archive's length.
    ///
    /// # Panics
    /// If there are fewer blocks than the header says.
    pub fn finish(mut self) -> Result<u64> {
        assert_eq!(self.blocks.len(), self.header.blocks as usize, "fewer blocks than the header says");
        if self.blocks.len() > 1 {
            let mut bytes = vec![INDEX_TAG];
            self.blocks.iter().for_each(|&(length, _, _)| varint::write(length, &mut bytes));
            let whole = combined_crc(self.blocks.iter().map(|&(_, length, crc)| (length, crc)));
            bytes.extend_from_slice(&whole.to_le_bytes());
            self.put_section(&bytes)?;
            self.put(&(bytes.len() as u32 + 4).to_le_bytes())?;
            self.put(&END)?;
        }
        self.sink.flush()?;
        Ok(self.written)
    }

    fn put_section(&mut self, bytes: &[u8]) -> Result<()> {
        self.put(bytes)?;
        self.put(&section_crc(self.header_crc, bytes).to_le_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
