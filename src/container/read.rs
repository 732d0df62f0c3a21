//! Reading an archive: its structure is verified before anything is decoded, and what is damaged is told from what is
//! not.

use std::ops::Range;

use super::cursor::{Cursor, Found, Index, Model};
use super::parity::Plan;
use super::{BlockHeader, Header, combined_crc, mend, search, section_crc};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Parity;

/// An archive whose header is sound, with all of its blocks that could be found.
///
/// The model and the payloads are checked when they are asked for.
#[derive(Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    header: Header,
    header_crc: u32,
    header_length: usize,
    model: std::result::Result<Option<Model>, String>,
    /// Ascending.
    blocks: Vec<Block>,
    index_length: usize,
    parity: Parity,
    parity_length: usize,
    /// Damage that costs nothing.
    remarks: Vec<String>,
    /// The first damage that the walk from section to section met.
    damage: Option<String>,
    /// Bytes after the archive's end.
    excess: usize,
}

/// One block of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number, from 0.
    pub number: u32,
    /// What its header says.
    pub header: BlockHeader,
    /// The bytes of the original that it restores.
    pub original: Range<u64>,
    /// Where its payload lies in the archive.
    payload: Range<usize>,
    payload_crc: u32,
}

impl<'a> Archive<'a> {
    /// Parses the structure of an archive. If it does not hold, the blocks are looked for all over the archive.
    ///
    /// Errors: [`ErrorKind::Version`] for a format that this build does not know, [`ErrorKind::Limit`] for sizes
    /// that it does not accept, [`ErrorKind::Damaged`] for a header that is damaged, without which nothing can be read.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        cursor.magic_and_version()?;
        let header = cursor.header()?;
        let (header_crc, header_length) = (cursor.header_crc, cursor.at);
        let model = if header.network { cursor.model().map(Some) } else { Ok(None) };
        if let Err(error) = &model
            && error.kind() == ErrorKind::Limit
        {
            return Err(Error::new(error.kind(), error.to_string()));
        }
        let mut archive = Self {
            bytes,
            header,
            header_crc,
            header_length,
            model: model.map_err(|error| error.to_string()),
            blocks: Vec::new(),
            index_length: 0,
            parity: Parity::default(),
            parity_length: 0,
            remarks: Vec::new(),
            damage: None,
            excess: 0,
        };
        let walked = match &archive.model {
            Ok(_) => archive.walk(cursor),
            Err(what) => Err(Error::new(ErrorKind::Damaged, what.clone())),
        };
        if let Err(error) = walked {
            archive.search(error);
        }
        Ok(archive)
    }

    /// Follows the sections one after the other to the end.
    fn walk(&mut self, mut cursor: Cursor<'a>) -> Result<()> {
        for number in 0..self.header.blocks {
            let wrong = |what: &str| Error::damaged(format!("{}: {what}", self.header.name_of_block(number)));
            let found = cursor.block(&self.header).map_err(|error| wrong(&error.to_string()))?;
            if found.number != number {
                return Err(wrong(&format!("in its place stands block {}", u64::from(found.number) + 1)));
            }
            self.blocks.push(Block::new(&self.header, found));
        }
        let start = cursor.at;
        let rest = &self.bytes[start..];
        if self.header.blocks > 1 || rest.first() == Some(&super::INDEX_TAG) {
            let index = cursor.index(&self.header).and_then(|index| self.check_index(index));
            match index {
                Ok(index) => self.tail(&index)?,
                Err(error) if self.header.blocks > 1 => self.remarks.push(format!("{error}; every block is there")),
                Err(error) => return Err(error),
            }
            return Ok(());
        }
        self.parity = Parity::None;
        if rest.is_empty() { Ok(()) } else { Err(self.excess(start)) }
    }

    /// An error if the index contradicts the blocks.
    fn check_index(&self, index: Index) -> Result<Index> {
        let is_same = index.blocks.iter().zip(&self.blocks);
        let is_same =
            is_same.into_iter().all(|((header, crc), block)| (header, crc) == (&block.header, &block.payload_crc));
        if !is_same || combined_crc(&self.header, self.blocks.iter().map(|block| block.header.crc)) != index.whole {
            return Err(Error::new(ErrorKind::Damaged, "the index contradicts the blocks"));
        }
        Ok(index)
    }

    /// Notes what follows the index: the parity that it names, and nothing else.
    fn tail(&mut self, index: &Index) -> Result<()> {
        self.index_length = index.range.len();
        self.parity = index.parity;
        let rest = &self.bytes[index.range.end..];
        self.parity_length = rest.len();
        if index.parity == Parity::None {
            return if rest.is_empty() { Ok(()) } else { Err(self.excess(index.range.end)) };
        }
        let front = self.blocks.first().map_or(self.header_length, |block| {
            block.payload.start - block.header.bytes(&self.header, 0, block.payload_crc).len() - 4
        });
        let plan = Plan {
            kind: index.parity,
            archive: index.range.end as u64,
            front: front as u64,
            index: index.range.start as u64,
        };
        let (length, table) = (plan.length(), plan.table_length() as usize);
        if rest.len() as u64 > length {
            return Err(self.excess(index.range.end + length as usize));
        }
        let head = plan.head(self.header_crc);
        let is_sound =
            rest.len() as u64 == length && rest.starts_with(&head) && rest[rest.len() - table..] == rest[..table];
        if !is_sound {
            self.remarks.push("the parity is damaged or was cut off; nncz repair makes it anew".to_owned());
        }
        Ok(())
    }

    /// Takes the blocks that are to be found anywhere, after the walk met `damage`.
    fn search(&mut self, damage: Error) {
        let from = match &self.model {
            Ok(Some(model)) => model.content.end + 4,
            _ => self.header_length,
        };
        let found = search::blocks(self.bytes, &self.header, self.header_crc, from);
        self.blocks = found.into_values().map(|found| Block::new(&self.header, found)).collect();
        if let Some(index) = search::index(self.bytes, &self.header, self.header_crc) {
            self.index_length = index.range.len();
            self.parity = index.parity;
        }
        if self.excess == 0 && self.model.is_ok() && self.blocks.len() == self.header.blocks as usize {
            self.remarks.push(format!("{damage}; every block was found all the same"));
        } else {
            self.damage = Some(damage.to_string());
        }
    }

    /// The error of bytes from `start` on that do not belong to the archive.
    fn excess(&mut self, start: usize) -> Error {
        self.excess = self.bytes.len() - start;
        Error::damaged(format!("{} bytes follow its end at byte {start}", self.excess))
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The content of the model section, if there is one. Errors: it is damaged, and with it the whole original.
    pub fn model(&self) -> Result<Option<&'a [u8]>> {
        let model = match &self.model {
            Ok(None) => return Ok(None),
            Ok(Some(model)) => model,
            Err(what) => {
                return Err(Error::new(ErrorKind::Damaged, format!("{what}; no byte of the original can be restored")));
            }
        };
        let content = &self.bytes[model.content.clone()];
        if section_crc(self.header_crc, content) != model.crc {
            let what = format!("the network's weights at byte {} do not match their checksum", model.content.start);
            return Err(Error::damaged(format!("{what}; no byte of the original can be restored")));
        }
        Ok(Some(content))
    }

    /// The blocks that were found, in the order of the original.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Block `number`. Errors: it could not be found.
    pub fn block(&self, number: u32) -> Result<&Block> {
        let place = self.blocks.binary_search_by_key(&number, |block| block.number);
        place.map(|place| &self.blocks[place]).map_err(|_| {
            let name = self.header.name_of_block(number);
            match &self.damage {
                Some(damage) if damage.contains(&name) => Error::new(ErrorKind::Damaged, damage.clone()),
                _ => Error::damaged(format!("{name}: it is not to be found")),
            }
        })
    }

    /// The payload of a block. Errors: it is damaged.
    pub fn payload(&self, block: &Block) -> Result<&'a [u8]> {
        let payload = &self.bytes[block.payload.clone()];
        if crc32fast::hash(payload) != block.payload_crc {
            return Err(self.damaged(block, "its payload does not match its checksum"));
        }
        Ok(payload)
    }

    /// An error of kind [`ErrorKind::Damaged`] if `restored` is not what `block` was made from.
    pub fn check_restored(&self, block: &Block, restored: &[u8]) -> Result<()> {
        if restored.len() as u64 != block.original_length() || crc32fast::hash(restored) != block.header.crc {
            return Err(self.damaged(block, "it restores other bytes than went in"));
        }
        Ok(())
    }

    /// An error of kind [`ErrorKind::Damaged`] unless every block was found, and nothing else.
    pub fn check_complete(&self) -> Result<()> {
        let mut numbers = 0..self.header.blocks;
        if self.blocks.len() < numbers.len() {
            numbers.try_for_each(|number| self.block(number).map(drop))?;
        }
        match &self.damage {
            Some(damage) => Err(Error::new(ErrorKind::Damaged, damage.clone())),
            None => Ok(()),
        }
    }

    /// Whether nothing at all is damaged, as far as checksums tell.
    pub fn is_sound(&self) -> bool {
        let is_whole = self.check_complete().is_ok() && self.remarks.is_empty() && self.model().is_ok();
        is_whole
            && self.blocks.iter().all(|block| self.payload(block).is_ok())
            && (self.parity == Parity::None || mend::is_sound(self.bytes))
    }

    /// Damage that costs nothing but safety, in words.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The parity that the index says there is; what is usual if it is not to be found.
    pub fn parity(&self) -> Parity {
        self.parity
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
        self.model.iter().flatten().map(|model| model.content.len()).sum()
    }

    /// Length of all payloads.
    pub fn payload_length(&self) -> usize {
        self.blocks.iter().map(Block::payload_length).sum()
    }

    /// Length of what is neither payload, model, index nor parity.
    pub fn headers_length(&self) -> usize {
        let parts = self.payload_length() + self.model_length() + self.index_length + self.parity_length;
        self.bytes.len().saturating_sub(parts)
    }

    /// Length of the parity; 0 without any.
    pub fn parity_length(&self) -> usize {
        self.parity_length
    }

    /// Length of the index; 0 without one.
    pub fn index_length(&self) -> usize {
        self.index_length
    }

    fn damaged(&self, block: &Block, what: &str) -> Error {
        Error::damaged(format!("{}: {what}", self.header.name_of_block(block.number)))
    }
}

impl Block {
    fn new(header: &Header, found: Found) -> Self {
        let Found { number, header: block, payload, payload_crc } = found;
        Self { number, header: block, original: header.range(number), payload, payload_crc }
    }

    /// Number of the bytes that it restores.
    pub fn original_length(&self) -> u64 {
        self.original.end - self.original.start
    }

    /// Length of the payload.
    pub fn payload_length(&self) -> usize {
        self.payload.len()
    }
}
