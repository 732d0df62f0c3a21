//! What an explanation says, ready to be shown: every part in bytes, adding up to the archive.

use nncz::container::Header;
use nncz::container::{Archive, Method};
use nncz::predict::{Expert, Part};
use serde::Serialize;

use super::account::{Account, Sum, bits};
use super::shares::apportion;
use super::surprise;

/// Version of the JSON; it changes when a name or a meaning does.
pub const VERSION: u32 = 1;
/// Experts named for each group.
const EXPERTS: usize = 3;

/// The whole explanation.
#[derive(Serialize)]
pub struct Explanation {
    /// Always `nncz explain`.
    pub report: &'static str,
    pub version: u32,
    pub name: String,
    /// Bytes of the original.
    pub original: u64,
    /// Bytes of the archive.
    pub archive: u64,
    pub level: u8,
    pub rows: u64,
    /// What `groups` are: columns, keys, …
    pub grouped_by: &'static str,
    /// Dearest first; their bytes are the blocks' payloads.
    pub groups: Vec<Group>,
    /// Bytes of the network's weights.
    pub weights: u64,
    /// Bytes of the index.
    pub index: u64,
    /// Bytes of parity, for damage.
    pub parity: u64,
    /// Bytes of the headers and checksums of the archive and its blocks.
    pub headers: u64,
    pub blocks: Vec<Block>,
    pub curve: Vec<Stretch>,
    /// The most surprising ones.
    pub surprising_rows: Vec<Row>,
    pub ablation: Option<Ablation>,
    #[serde(skip)]
    pub maps: [Vec<super::account::MapRow>; 2],
    #[serde(skip)]
    pub is_binary: bool,
    /// Names by number.
    #[serde(skip)]
    pub names: Vec<String>,
}

/// A column, key or the like.
#[derive(Serialize)]
pub struct Group {
    pub name: String,
    /// Bytes in the archive.
    pub bytes: u64,
    /// Of the archive.
    pub share: f64,
    pub bits: f64,
    pub bits_per_row: f64,
    pub original: u64,
    /// Who predicted it, and which share of its bytes.
    pub experts: Vec<(String, f64)>,
}

/// A block.
#[derive(Serialize)]
pub struct Block {
    pub original: u64,
    pub payload: u64,
    pub bits_per_byte: f64,
    pub stored: bool,
}

/// A part of the file.
#[derive(Serialize)]
pub struct Stretch {
    pub offset: u64,
    pub bits_per_byte: f64,
}

/// A row and its cost.
#[derive(Serialize)]
pub struct Row {
    /// From 1.
    pub number: u64,
    pub offset: u64,
    pub bits: f64,
    /// Bits beyond what such fields cost at worst as a rule.
    pub surprise: f64,
    pub text: String,
    /// The fields that surprise, with their bits.
    pub fields: Vec<Field>,
}

/// A surprising field.
#[derive(Serialize)]
pub struct Field {
    pub group: String,
    pub bits: f64,
    pub text: String,
}

/// What experts would have reached without the others, in bytes of payload; null without a network.
#[derive(Serialize)]
pub struct Ablation {
    pub match_models: u64,
    pub contexts: u64,
    pub network: Option<u64>,
    pub without_network: Option<u64>,
    pub all: u64,
}

impl Explanation {
    /// What takes bytes besides the groups.
    pub fn overhead(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let parts = [
            ("weights of the network", self.weights),
            ("index", self.index),
            ("parity", self.parity),
            ("headers and checksums", self.headers),
        ];
        parts.into_iter().filter(|part| part.1 > 0)
    }
}

impl Ablation {
    /// Every part that there is, and all, with their bytes.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let parts = [
            ("match models alone", Some(self.match_models)),
            ("contexts alone", Some(self.contexts)),
            ("network alone", self.network),
            ("contexts and match models", self.without_network),
            ("all", Some(self.all)),
        ];
        parts.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)))
    }

    /// The bytes of payload that the network saves, if there is one.
    pub fn saved(&self) -> Option<u64> {
        self.without_network.map(|without| without.saturating_sub(self.all))
    }
}

/// What was found besides the account.
pub struct Found<'a> {
    pub name: String,
    pub archive: &'a Archive<'a>,
    pub account: Account,
    /// Costs of the parts and of all, over the coded blocks.
    pub ablation: Option<([u64; Part::ALL.len()], u64)>,
    /// Rows to show.
    pub rows: usize,
}

impl Explanation {
    /// From what was found.
    pub fn new(found: Found<'_>) -> Self {
        let Found { name, archive, account, ablation, rows } = found;
        let Account { groups, sums, curve, surprise, maps, rows: row_count, .. } = account;
        let header = archive.header();
        let (names, kind, are_fields, is_binary) = match &groups {
            Some(groups) => (groups.names().to_vec(), groups.kind(), groups.are_fields(), groups.is_binary()),
            None => (vec![], "columns", false, false),
        };
        let (payload, headers) = (archive.payload_length() as u64, archive.headers_length() as u64);
        let (weights, index) = (archive.model_length() as u64, archive.index_length() as u64);
        let parity = archive.parity_length() as u64;
        let costs: Vec<u64> = sums.iter().map(|sum| sum.cost).collect();
        let bytes = apportion(payload, &costs);
        let layout = if are_fields { Some(&header.layout) } else { None };
        let mut groups: Vec<Group> = sums
            .iter()
            .zip(bytes)
            .enumerate()
            .filter(|(_, (sum, _))| sum.bytes > 0)
            .map(|(number, (sum, bytes))| Group {
                name: names[number].clone(),
                bytes,
                share: bytes as f64 / archive.length() as f64,
                bits: bits(sum.cost),
                bits_per_row: bits(sum.cost) / row_count.max(1) as f64,
                original: sum.bytes,
                experts: experts(sum, header, layout.map(|_| number), &names),
            })
            .collect();
        groups.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(b.bits.total_cmp(&a.bits)));
        let points = curve.len() as u128;
        let place = |number: usize| (number as u128 * u128::from(header.original)).div_ceil(points) as u64;
        let has_network = weights > 0;
        Self {
            report: "nncz explain",
            version: VERSION,
            name,
            original: header.original,
            archive: archive.length(),
            level: header.level,
            rows: row_count,
            grouped_by: kind,
            groups,
            weights,
            index,
            parity,
            headers,
            blocks: archive.blocks().iter().map(Block::new).collect(),
            curve: curve
                .iter()
                .enumerate()
                .map(|(number, &(bytes, cost))| Stretch {
                    offset: place(number),
                    bits_per_byte: bits(cost) / bytes.max(1) as f64,
                })
                .collect(),
            surprising_rows: surprise.most(rows).into_iter().map(|row| Row::new(row, &names)).collect(),
            ablation: ablation.map(|(parts, all)| Ablation::new(parts, all, has_network)),
            maps,
            is_binary,
            names,
        }
    }
}

impl Block {
    fn new(block: &nncz::container::Block) -> Self {
        let (original, payload) = (block.original_length(), block.payload_length() as u64);
        let stored = block.header.method == Method::Stored;
        Self { original, payload, bits_per_byte: 8.0 * payload as f64 / original as f64, stored }
    }
}

impl Row {
    fn new(row: surprise::Row, names: &[String]) -> Self {
        let surprise::Row { number, offset, text, bits, surprise, fields } = row;
        let field = |(group, bits, text): (usize, f64, Vec<u8>)| Field {
            group: names[group].clone(),
            bits,
            text: plain(&text),
        };
        Self { number, offset, bits, surprise, text: plain(&text), fields: fields.into_iter().map(field).collect() }
    }
}

impl Ablation {
    fn new(parts: [u64; Part::ALL.len()], all: u64, has_network: bool) -> Self {
        let bytes = |cost: u64| (bits(cost) / 8.0).ceil() as u64;
        let of = |part: Part| {
            Part::ALL.iter().zip(parts).find(|(other, _)| **other == part).map_or(0, |(_, cost)| bytes(cost))
        };
        Self {
            match_models: of(Part::Matches),
            contexts: of(Part::Contexts),
            network: has_network.then(|| of(Part::Network)),
            without_network: has_network.then(|| of(Part::WithoutNetwork)),
            all: bytes(all),
        }
    }
}

/// Who predicted the bytes of a group; a column if `field` says which.
fn experts(sum: &Sum, header: &Header, field: Option<usize>, names: &[String]) -> Vec<(String, f64)> {
    let mut experts: Vec<(String, f64)> = Vec::new();
    for expert in Expert::all().filter(|expert| sum.experts[expert.index()] > 0) {
        let share = sum.experts[expert.index()] as f64 / sum.bytes as f64;
        let mut name = expert.describe(&header.layout, header.tables.effort, field.unwrap_or(usize::MAX));
        if field.is_some() {
            name = with_names(&name, names);
        }
        match experts.iter_mut().find(|known| known.0 == name) {
            Some(known) => known.1 += share,
            None => experts.push((name, share)),
        }
    }
    experts.sort_by(|a, b| b.1.total_cmp(&a.1));
    experts.truncate(EXPERTS);
    experts
}

/// Puts the columns' names for their numbers.
fn with_names(text: &str, names: &[String]) -> String {
    let mut parts = text.split("column ");
    let mut named = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let name = part[..digits].parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
        match name {
            Some(name) => named += &format!("{name}{}", &part[digits..]),
            None => named += &format!("column {part}"),
        }
    }
    named
}

/// Bytes as text without control characters.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches(['\n', '\r']).chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_called_by_their_names() {
        let names = ["id".to_owned(), "fare".to_owned()];
        assert_eq!(with_names("column 2 = 2 column 1 of the row before", &names), "fare = 2 id of the row before");
        assert_eq!(with_names("the column and column 3", &names), "the column and column 3");
    }
}
