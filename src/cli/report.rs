//! What is said about sizes, in a line or in a table.

use std::fmt::Write;

use anyhow::Result;
use nncz::container::{Archive, Method, VERSION};
use nncz::layout::Layout;
use nncz::net::{self, Shape};

/// One line about what became of a file.
pub fn summary(source: &str, output: &str, original: u64, archive: u64) -> String {
    format!("{source} → {output}: {} → {} bytes ({})", grouped(original), grouped(archive), strength(original, archive))
}

/// The table of `nncz info`.
pub fn info(name: &str, bytes: &[u8]) -> Result<String> {
    let archive = Archive::open(bytes)?;
    let header = archive.header();
    let length = bytes.len() as u64;
    let payload: usize = archive.blocks().iter().map(|block| block.payload_length()).sum();
    let (model, index) = (archive.model_length(), archive.index_length());
    let rest = bytes.len() - payload - model - index;

    let part =
        |bytes: usize| format!("{} bytes ({:.2} %)", grouped(bytes as u64), 100.0 * bytes as f64 / length as f64);
    let mut rows = vec![
        ("format version", VERSION.to_string()),
        ("level", header.level.to_string()),
        ("original", format!("{} bytes", grouped(header.original))),
        ("archive", format!("{} bytes ({})", grouped(length), strength(header.original, length))),
        ("  payload", part(payload)),
        ("  weights", part(model)),
        ("  index", part(index)),
        ("  headers", part(rest)),
        ("layout", layout(&header.layout)),
        ("context tables", format!("2^{} lines", header.tables.bits)),
        ("effort", format!("{:?}", header.tables.effort).to_lowercase()),
        ("network", archive.model()?.map(net::decode).transpose()?.map_or("none".to_owned(), |it| network(&it.shape))),
        ("blocks", blocks(&archive)),
    ];
    if let Some(lanes) = lanes(&archive) {
        rows.push(("lanes", lanes));
    }
    let mut table = format!("{name}\n");
    rows.iter().try_for_each(|(key, value)| writeln!(table, "  {key:<16}{value}"))?;
    Ok(table)
}

fn network(shape: &Shape) -> String {
    let Shape { width, layers, heads, hidden, window, .. } = shape;
    let parameters = grouped(shape.parameters() as u64);
    format!("{parameters} parameters: width {width}, {layers} layers, {heads} heads, hidden {hidden}, window {window}")
}

fn layout(layout: &Layout) -> String {
    match layout {
        Layout::Plain => "plain bytes".to_owned(),
        Layout::Records { length: 1 } => "binary data".to_owned(),
        Layout::Records { length } => format!("binary records of {length} bytes"),
        Layout::Delimited { delimiter, quote, columns } => {
            let quote = quote.map_or(String::new(), |quote| format!(", quoted by {:?}", char::from(quote)));
            let relations = match columns.iter().map(|column| column.relations.len()).sum() {
                0 => String::new(),
                1 => ", one relation between columns".to_owned(),
                relations => format!(", {relations} relations between columns"),
            };
            format!("lines of fields parted by {:?}{quote}{relations}", char::from(*delimiter))
        }
    }
}

fn blocks(archive: &Archive) -> String {
    let count = archive.blocks().len();
    let stored = archive.blocks().iter().filter(|block| block.header.method == Method::Stored).count();
    let Some(first) = archive.blocks().first() else { return "none".to_owned() };
    let length = grouped(first.original.end - first.original.start);
    match stored {
        0 => format!("{count} of {length} bytes"),
        _ => format!("{count} of {length} bytes, {stored} stored as they are"),
    }
}

/// The number of lanes of the coded blocks, if there are any.
fn lanes(archive: &Archive) -> Option<String> {
    let counts = archive.blocks().iter().filter_map(|block| match &block.header.method {
        Method::Stored => None,
        Method::Coded { lanes } => Some(lanes.len()),
    });
    let (least, most) = counts.fold(None, |range, count| match range {
        None => Some((count, count)),
        Some((least, most)) => Some((count.min(least), count.max(most))),
    })?;
    Some(if least == most { least.to_string() } else { format!("{least} to {most}") })
}

/// Ratio and bits per byte.
fn strength(original: u64, archive: u64) -> String {
    if original == 0 {
        return "nothing to compress".to_owned();
    }
    let (original, archive) = (original as f64, archive as f64);
    format!("{:.2}:1, {:.3} bits per byte", original / archive, 8.0 * archive / original)
}

/// A number with its thousands parted.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (19_996_031, "19,996,031")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_summary_says_ratio_and_bits_per_byte() {
        assert_eq!(summary("a", "a.nncz", 1000, 250), "a → a.nncz: 1,000 → 250 bytes (4.00:1, 2.000 bits per byte)");
        assert_eq!(summary("a", "b", 0, 22), "a → b: 0 → 22 bytes (nothing to compress)");
    }
}
