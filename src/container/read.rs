//! Reading an archive: everything but the payloads is verified before anything is decoded.

use std::ops::Range;

use bincode::Options;

use super::{
    BLOCK_TAG, BlockHeader, END, EXPANSION, Header, INDEX_TAG, MAGIC, MODEL_TAG, Method, VERSION, check_limit,
    combined_crc, section_crc, varint,
};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;

/// An archive whose structure holds: magic, version, header, block headers and index are sound, and their lengths add
/// up. The model and the payloads are checked when they are asked for.
#[derive(Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    header: Header,
    header_crc: u32,
    header_length: usize,
    model: Option<Model>,
    blocks: Vec<Block>,
    index_length: usize,
}

/// One block of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What its header says.
    pub header: BlockHeader,
    /// The bytes of the original that it restores.
    pub original: Range<u64>,
    /// Where its payload lies in the archive.
    payload: Range<usize>,
    payload_crc: u32,
    /// Length in the archive, header and checksums included.
    length: u64,
}

#[derive(Debug)]
struct Model {
    content: Range<usize>,
    /// The whole section but its checksum.
    section: Range<usize>,
    crc: u32,
}

impl<'a> Archive<'a> {
    /// Parses the structure of an archive.
    ///
    /// Errors: [`ErrorKind::Version`] for a format that this build does not know, [`ErrorKind::Limit`] for sizes
    /// that it does not accept, [`ErrorKind::Damaged`] for everything else that is wrong.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor { bytes, at: 0, place: "the header".into(), header_crc: 0 };
        cursor.magic_and_version()?;
        let header = cursor.header()?;
        let header_length = cursor.at;
        let model = if cursor.peek() == Some(MODEL_TAG) { Some(cursor.model()?) } else { None };
        let mut blocks = Vec::new();
        for number in 0..header.blocks {
            blocks.push(cursor.block(&header, number)?);
        }
        let index_start = cursor.at;
        if blocks.len() > 1 {
            cursor.index(&blocks)?;
        }
        let rest = bytes.len() - cursor.at;
        if rest > 0 {
            return Err(Error::damaged(format!("{rest} bytes follow its end at byte {}", cursor.at)));
        }
        let (header_crc, index_length) = (cursor.header_crc, cursor.at - index_start);
        Ok(Self { bytes, header, header_crc, header_length, model, blocks, index_length })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The content of the model section, if there is one. Errors: it is damaged, and with it the whole original.
    pub fn model(&self) -> Result<Option<&'a [u8]>> {
        let Some(model) = &self.model else { return Ok(None) };
        if section_crc(self.header_crc, &self.bytes[model.section.clone()]) != model.crc {
            let what = format!("the network's weights at byte {} do not match their checksum", model.content.start);
            return Err(Error::damaged(format!("{what}; no byte of the original can be restored")));
        }
        Ok(Some(&self.bytes[model.content.clone()]))
    }

    /// The blocks, in the order of the original.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The payload of block `index`, the streams of its lanes side by side. Errors: it is damaged.
    pub fn payload(&self, index: usize) -> Result<&'a [u8]> {
        let block = &self.blocks[index];
        let payload = &self.bytes[block.payload.clone()];
        if crc32fast::hash(payload) != block.payload_crc {
            return Err(block.damaged(index, self.blocks.len(), "its payload does not match its checksum"));
        }
        Ok(payload)
    }

    /// An error of kind [`ErrorKind::Damaged`] if `restored` is not what block `index` was made from.
    pub fn check_restored(&self, index: usize, restored: &[u8]) -> Result<()> {
        let block = &self.blocks[index];
        let length = block.original.end - block.original.start;
        if restored.len() as u64 != length || crc32fast::hash(restored) != block.header.crc {
            return Err(block.damaged(index, self.blocks.len(), "it restores other bytes than went in"));
        }
        Ok(())
    }

    /// Length of the whole archive.
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Length of magic, version and header.
    pub fn header_length(&self) -> usize {
        self.header_length
    }

    /// Length of the model's content; 0 without a model.
    pub fn model_length(&self) -> usize {
        self.model.as_ref().map_or(0, |model| model.content.len())
    }

    /// Length of the index with its trailer; 0 without one.
    pub fn index_length(&self) -> usize {
        self.index_length
    }
}

impl Block {
    /// Length of the payload.
    pub fn payload_length(&self) -> usize {
        self.payload.len()
    }

    fn damaged(&self, index: usize, blocks: usize, what: &str) -> Error {
        Error::damaged(format!("{}: {what}", name_of_block(index as u64, blocks as u64, &self.original)))
    }
}

fn name_of_block(index: u64, blocks: u64, original: &Range<u64>) -> String {
    format!("block {} of {blocks} (bytes {} to {} of the original)", index + 1, original.start, original.end - 1)
}

/// Walks over the archive's bytes; `place` names what is being read.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    place: String,
    header_crc: u32,
}

impl<'a> Cursor<'a> {
    fn magic_and_version(&mut self) -> Result<()> {
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

    fn header(&mut self) -> Result<Header> {
        let length = self.varint()?;
        check_limit("bytes of header", length, limits::HEADER_LENGTH)?;
        let body = self.take(length as usize)?;
        self.header_crc = crc32fast::hash(&self.bytes[..self.at]);
        if self.crc()? != self.header_crc {
            return Err(self.damaged("it does not match its checksum; no byte of the original can be restored"));
        }
        let header: Header = bincode::DefaultOptions::new()
            .with_limit(limits::HEADER_LENGTH)
            .deserialize(body)
            .map_err(|error| self.damaged(error))?;
        header.check()?;
        Ok(header)
    }

    fn model(&mut self) -> Result<Model> {
        self.place = "the network's weights".into();
        let start = self.at;
        self.byte()?;
        let length = self.varint()?;
        check_limit("bytes of model", length, limits::MODEL_LENGTH)?;
        let content = self.range(length)?;
        let section = start..self.at;
        Ok(Model { content, section, crc: self.crc()? })
    }

    fn block(&mut self, header: &Header, number: u32) -> Result<Block> {
        let original = header.range(number);
        let length = original.end - original.start;
        self.place = name_of_block(number.into(), header.blocks.into(), &original);
        let start = self.at;
        if self.byte()? != BLOCK_TAG {
            return Err(self.damaged(format!("it should begin at byte {start} of the archive and does not")));
        }
        let found = if header.blocks > 1 { self.varint()? } else { 0 };
        let method = self.method()?;
        let crc = self.crc()?;
        self.section_end(start)?;
        if found != u64::from(number) {
            return Err(self.damaged(format!("in its place stands block {}", found.saturating_add(1))));
        }
        let payload_length = match &method {
            Method::Stored => length,
            Method::Coded { lanes } => lanes.iter().fold(0u64, |sum, &lane| sum.saturating_add(lane)),
        };
        let payload = self.range(payload_length)?;
        if length > payload_length.saturating_add(8).saturating_mul(EXPANSION) {
            return Err(self.damaged(format!("{payload_length} bytes cannot hold {length}")));
        }
        let payload_crc = self.crc()?;
        let length = (self.at - start) as u64;
        Ok(Block { header: BlockHeader { method, crc }, original, payload, payload_crc, length })
    }

    fn method(&mut self) -> Result<Method> {
        let lanes = usize::from(self.byte()?);
        if lanes == 0 {
            return Ok(Method::Stored);
        }
        if lanes > limits::LANES {
            return Err(self.damaged(format!("its header says {lanes} lanes, over the limit of {}", limits::LANES)));
        }
        Ok(Method::Coded { lanes: (0..lanes).map(|_| self.varint()).collect::<Result<_>>()? })
    }

    fn index(&mut self, blocks: &[Block]) -> Result<()> {
        self.place = "the index (every block is there)".into();
        let start = self.at;
        if self.byte()? != INDEX_TAG {
            return Err(self.damaged("it does not begin where the last block ends"));
        }
        let lengths = blocks.iter().map(|_| self.varint()).collect::<Result<Vec<_>>>()?;
        let whole = self.crc()?;
        self.section_end(start)?;
        let length = self.at - start;
        if self.take(4)? != (length as u32).to_le_bytes() || self.take(END.len())? != END {
            return Err(self.damaged("the archive's last 8 bytes are wrong"));
        }
        let parts = blocks.iter().map(|block| (block.original.end - block.original.start, block.header.crc));
        if !lengths.into_iter().eq(blocks.iter().map(|block| block.length)) || combined_crc(parts) != whole {
            return Err(self.damaged("it contradicts the blocks"));
        }
        Ok(())
    }

    /// Reads the checksum of the section that began at `start` and ends here.
    fn section_end(&mut self, start: usize) -> Result<()> {
        let expected = section_crc(self.header_crc, &self.bytes[start..self.at]);
        if self.crc()? != expected {
            return Err(self.damaged(format!("its header at byte {start} of the archive does not match its checksum")));
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn crc(&mut self) -> Result<u32> {
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
        Error::damaged(format!("{}: {what}", self.place))
    }
}
