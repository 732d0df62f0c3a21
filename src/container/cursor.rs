//! A walk over the archive's bytes that knows what it is reading.

use std::ops::Range;

use bincode::Options;

use super::{
    BLOCK_TAG, BlockHeader, EXPANSION, Header, INDEX_TAG, MAGIC, MODEL_TAG, Method, VERSION, check_limit, section_crc,
    varint,
};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::options::Parity;

/// What is being read, for messages.
#[derive(Clone, Copy)]
enum Place {
    Header,
    Model,
    Block,
    Index,
}

/// Where the next byte is read, and in what.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub at: usize,
    pub header_crc: u32,
    place: Place,
}

/// The model section: where its content lies, and the checksum of that.
#[derive(Debug)]
pub(super) struct Model {
    pub content: Range<usize>,
    pub crc: u32,
}

/// A block's header as it was found.
pub(super) struct Found {
    pub number: u32,
    pub header: BlockHeader,
    pub payload: Range<usize>,
    pub payload_crc: u32,
}

/// What the index says.
#[derive(Debug)]
pub(super) struct Index {
    pub range: Range<usize>,
    /// Header and checksum of the payload, by block.
    pub blocks: Vec<(BlockHeader, u32)>,
    pub whole: u32,
    pub parity: Parity,
}

impl<'a> Cursor<'a> {
    /// At the start of an archive.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, header_crc: 0, place: Place::Header }
    }

    /// At some other place of an archive whose header has this checksum.
    pub fn within(bytes: &'a [u8], header_crc: u32, at: usize) -> Self {
        Self { bytes, at, header_crc, place: Place::Block }
    }

    pub fn magic_and_version(&mut self) -> Result<()> {
        let found = &self.bytes[..self.bytes.len().min(MAGIC.len())];
        if found != &MAGIC[..found.len()] || found.is_empty() {
            let message = if found.get(1..5) == Some(&MAGIC[1..5]) {
                "its first bytes are those of an nncz archive that was copied as text; copy it again as binary"
            } else {
                "not an nncz archive"
            };
            return Err(Error::new(ErrorKind::Damaged, message));
        }
        self.take(MAGIC.len())?;
        match self.byte()? {
            VERSION => Ok(()),
            version if version > VERSION => Err(Error::new(
                ErrorKind::Version,
                format!(
                    "the archive has format version {version}, this nncz reads version {VERSION}: use a newer nncz"
                ),
            )),
            version => Err(Error::new(
                ErrorKind::Version,
                format!("the archive has format version {version}, this nncz reads only version {VERSION}"),
            )),
        }
    }

    pub fn header(&mut self) -> Result<Header> {
        let length = self.varint()?;
        check_limit("bytes of header", length, limits::HEADER_LENGTH)?;
        let body = self.take(length as usize)?;
        self.header_crc = crc32fast::hash(&self.bytes[..self.at]);
        if self.u32()? != self.header_crc {
            return Err(self.damaged("it does not match its checksum; no byte of the original can be restored"));
        }
        let header: Header = bincode::DefaultOptions::new()
            .with_limit(limits::HEADER_LENGTH)
            .deserialize(body)
            .map_err(|error| self.damaged(error))?;
        header.check()?;
        Ok(header)
    }

    pub fn model(&mut self) -> Result<Model> {
        self.place = Place::Model;
        let start = self.at;
        if self.byte()? != MODEL_TAG {
            return Err(self.damaged(format!("they should begin at byte {start} of the archive and do not")));
        }
        let length = self.varint()?;
        self.section_end(start)?;
        check_limit("bytes of model", length, limits::MODEL_LENGTH)?;
        let content = self.range(length)?;
        Ok(Model { content, crc: self.u32()? })
    }

    /// A block of an archive with this header, payload included.
    pub fn block(&mut self, header: &Header) -> Result<Found> {
        self.place = Place::Block;
        let start = self.at;
        if self.byte()? != BLOCK_TAG {
            return Err(self.damaged(format!("it should begin at byte {start} of the archive and does not")));
        }
        let number = if header.blocks > 1 { self.varint()? } else { 0 };
        let (block, payload_crc) = self.block_header(header)?;
        self.section_end(start)?;
        let number = u32::try_from(number).ok().filter(|&number| number < header.blocks);
        let number = number.ok_or_else(|| self.damaged("its number is beyond the last block's"))?;
        check_payload(header, number, &block).map_err(|what| self.damaged(what))?;
        let payload = self.range(block.payload_length(header, number))?;
        Ok(Found { number, header: block, payload, payload_crc })
    }

    pub fn index(&mut self, header: &Header) -> Result<Index> {
        self.place = Place::Index;
        let start = self.at;
        if self.byte()? != INDEX_TAG {
            return Err(self.damaged(format!("it should begin at byte {start} of the archive and does not")));
        }
        let mut blocks = Vec::new();
        for number in 0..header.blocks {
            let (block, crc) = self.block_header(header)?;
            check_payload(header, number, &block).map_err(|what| self.damaged(what))?;
            blocks.push((block, crc));
        }
        let whole = self.u32()?;
        let parity = Parity::from_code(self.byte()?);
        self.section_end(start)?;
        let parity = parity.ok_or_else(|| self.damaged("it names a kind of parity that there is none of"))?;
        let length = self.at - start;
        if self.take(4)? != (length as u32).to_le_bytes() || self.take(super::END.len())? != super::END {
            return Err(self.damaged("its last 8 bytes are wrong"));
        }
        Ok(Index { range: start..self.at, blocks, whole, parity })
    }

    /// What a block's header and its entry in the index have in common.
    fn block_header(&mut self, header: &Header) -> Result<(BlockHeader, u32)> {
        let newlines = if header.blocks > 1 { self.varint()? } else { 0 };
        let method = self.method()?;
        let crc = self.u32()?;
        Ok((BlockHeader { newlines, method, crc }, self.u32()?))
    }

    fn method(&mut self) -> Result<Method> {
        match self.byte()? {
            0 => Ok(Method::Stored),
            1 => Ok(Method::Coded { length: self.varint()? }),
            other => Err(self.damaged(format!("its header names a method, {other}, that there is none of"))),
        }
    }

    /// Reads the checksum of the section that began at `start` and ends here.
    fn section_end(&mut self, start: usize) -> Result<()> {
        let expected = section_crc(self.header_crc, &self.bytes[start..self.at]);
        if self.u32()? != expected {
            return Err(self.damaged(format!("its header at byte {start} of the archive does not match its checksum")));
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    }

    fn varint(&mut self) -> Result<u64> {
        let rest = &self.bytes[self.at..];
        let Some((value, length)) = varint::read(rest) else {
            let is_cut = rest.len() < 10 && rest.iter().all(|&byte| byte >= 0x80);
            return Err(if is_cut { self.cut_off() } else { self.damaged(format!("no number at byte {}", self.at)) });
        };
        self.at += length;
        Ok(value)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let range = self.range(length as u64)?;
        Ok(&self.bytes[range])
    }

    fn range(&mut self, length: u64) -> Result<Range<usize>> {
        if length > (self.bytes.len() - self.at) as u64 {
            return Err(self.cut_off());
        }
        let start = self.at;
        self.at += length as usize;
        Ok(start..self.at)
    }

    fn cut_off(&self) -> Error {
        self.damaged(format!("the archive ends too early, after {} bytes; it was probably cut off", self.bytes.len()))
    }

    fn damaged(&self, what: impl std::fmt::Display) -> Error {
        match self.place {
            Place::Header => Error::damaged(format!("the header: {what}")),
            Place::Model => Error::damaged(format!("the network's weights: {what}")),
            // Who asked for a block knows which, and says so.
            Place::Block => Error::new(ErrorKind::Damaged, what.to_string()),
            Place::Index => Error::new(ErrorKind::Damaged, format!("the index is damaged: {what}")),
        }
    }
}

/// What is wrong with the length of a block's payload.
fn check_payload(header: &Header, number: u32, block: &BlockHeader) -> std::result::Result<(), String> {
    let range = header.range(number);
    let (original, payload) = (range.end - range.start, block.payload_length(header, number));
    if block.method != Method::Stored && payload >= original {
        return Err(format!("{payload} bytes are no code for {original}"));
    }
    if original > payload.saturating_add(8).saturating_mul(EXPANSION) {
        return Err(format!("{payload} bytes cannot hold {original}"));
    }
    Ok(())
}
