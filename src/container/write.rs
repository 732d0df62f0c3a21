//! Writing an archive, front to back.

use std::io::Write;

use bincode::Options;

use super::parity::{Encoder, Plan};
use super::{
    BlockHeader, END, Header, INDEX_TAG, MAGIC, MODEL_TAG, VERSION, check_limit, combined_crc, section_crc, varint,
};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::limits;
use crate::options::Parity;

/// Writes one archive: the header at once, then the model if there is one, then every block in order.
pub struct Writer<W> {
    sink: W,
    header: Header,
    header_crc: u32,
    parity: Parity,
    encoder: Encoder,
    written: u64,
    /// Length of header and model.
    front: u64,
    blocks: Vec<(BlockHeader, u32)>,
}

/// Bytes that a layout takes in the header.
pub fn length_of(layout: &Layout) -> u64 {
    bincode::DefaultOptions::new().serialized_size(layout).unwrap_or(u64::MAX)
}

/// Bytes of vital parity for a model section of `model` bytes in an archive of about `archive` bytes.
pub fn parity_of(model: u64, archive: u64) -> u64 {
    let parity = Plan { kind: Parity::Vital, archive, front: model, index: archive }.length();
    if is_small(parity, archive, true) { parity } else { 0 }
}

/// Whether an archive may have so much parity unasked: weights are worth 2 % of it, the rest 0.3 %.
fn is_small(parity: u64, archive: u64, network: bool) -> bool {
    parity * 1000 <= archive * if network { 20 } else { 3 }
}

impl<W: Write> Writer<W> {
    /// Writes magic, version and header. Errors: a size in `header` over its limit; what `sink` says.
    pub fn new(sink: W, header: &Header, parity: Parity) -> Result<Self> {
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

        let encoder = Encoder::new(parity);
        let header = header.clone();
        let mut writer = Self { sink, header, header_crc, parity, encoder, written: 0, front: 0, blocks: Vec::new() };
        writer.put_vital(&bytes)?;
        writer.front = writer.written;
        Ok(writer)
    }

    /// Writes the model section, before the first block.
    ///
    /// # Panics
    /// If it comes after a block, or the header says that there is none.
    pub fn model(&mut self, content: &[u8]) -> Result<()> {
        assert!(self.header.network, "the header says that there is a model");
        assert!(self.blocks.is_empty(), "the model section comes before the blocks");
        check_limit("bytes of model", content.len() as u64, limits::MODEL_LENGTH)?;
        let mut bytes = vec![MODEL_TAG];
        varint::write(content.len() as u64, &mut bytes);
        bytes.extend_from_slice(&section_crc(self.header_crc, &bytes).to_le_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(&section_crc(self.header_crc, content).to_le_bytes());
        self.put_vital(&bytes)?;
        self.front = self.written;
        Ok(())
    }

    /// Writes the next block.
    ///
    /// # Panics
    /// If there are more blocks than the header says, or if the payload's length is not what `block` says.
    pub fn block(&mut self, block: &BlockHeader, payload: &[u8]) -> Result<()> {
        let number = self.blocks.len() as u32;
        assert!(number < self.header.blocks, "more blocks than the header says");
        let expected = block.payload_length(&self.header, number);
        assert_eq!(payload.len() as u64, expected, "the payload's length is what its header says");
        let payload_crc = crc32fast::hash(payload);
        let bytes = block.bytes(&self.header, number, payload_crc);
        self.put(&bytes)?;
        self.put(&section_crc(self.header_crc, &bytes).to_le_bytes())?;
        self.put(payload)?;
        self.blocks.push((block.clone(), payload_crc));
        Ok(())
    }

    /// Writes index and parity, as far as there is reason for them, and returns the archive's length.
    ///
    /// # Panics
    /// If there are fewer blocks than the header says.
    pub fn finish(mut self) -> Result<u64> {
        assert_eq!(self.blocks.len(), self.header.blocks as usize, "fewer blocks than the header says");
        let (front, index) = (self.front, self.written);
        let length = self.index(Parity::None).len() as u64;
        let plan = |kind| Plan { kind, archive: index + length, front, index };
        if self.parity == Parity::Vital {
            let without = index + if self.blocks.len() > 1 { length } else { 0 };
            let parity = plan(Parity::Vital).length();
            if !is_small(parity, self.written, self.header.network)
                || self.is_what_outgrows(without, index + length + parity)
            {
                self.parity = Parity::None;
            }
        }
        if self.blocks.len() > 1 || self.parity != Parity::None {
            self.put_vital(&self.index(self.parity))?;
        }
        if self.parity != Parity::None {
            let encoder = std::mem::replace(&mut self.encoder, Encoder::new(Parity::None));
            let parity = encoder.finish(&plan(self.parity), self.header_crc)?;
            self.put_unprotected(&parity)?;
        }
        self.sink.flush()?;
        Ok(self.written)
    }

    fn index(&self, parity: Parity) -> Vec<u8> {
        let mut bytes = vec![INDEX_TAG];
        self.blocks.iter().for_each(|(block, payload_crc)| block.write(&self.header, *payload_crc, &mut bytes));
        let whole = combined_crc(&self.header, self.blocks.iter().map(|(block, _)| block.crc));
        bytes.extend_from_slice(&whole.to_le_bytes());
        bytes.push(parity.code());
        bytes.extend_from_slice(&section_crc(self.header_crc, &bytes).to_le_bytes());
        bytes.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&END);
        bytes
    }

    /// Whether an archive of `without` bytes counts as no longer than its original, and one of `with` as longer.
    fn is_what_outgrows(&self, without: u64, with: u64) -> bool {
        let most = self.header.original + limits::GROWTH;
        without <= most && most < with
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if matches!(self.parity, Parity::Whole(_)) {
            self.encoder.push(bytes)?;
        }
        self.put_unprotected(bytes)
    }

    /// Writes what any parity protects.
    fn put_vital(&mut self, bytes: &[u8]) -> Result<()> {
        if self.parity != Parity::None {
            self.encoder.push(bytes)?;
        }
        self.put_unprotected(bytes)
    }

    fn put_unprotected(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
