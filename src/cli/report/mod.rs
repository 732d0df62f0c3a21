//! What is said about files: a line for each and one for all, tables, and JSON.

mod damage;
mod outcome;

use std::fmt::Write;
use std::num::NonZeroUsize;

use anyhow::Result;
use nncz::Parity;
use nncz::container::{Archive, Method, VERSION};
use nncz::layout::{Clue, Column, Layout, Relation, listed};
use nncz::net::{self, Shape};
use serde_json::json;

pub use self::damage::{damage, loss, mending};
pub use self::outcome::{Kind, Outcome, Text, Totals, failure, message};

/// What became of a file that was compressed.
pub fn compressed(source: &str, output: &str, original: u64, archive: u64) -> Outcome {
    let sizes = format!("{} → {} bytes ({})", grouped(original), grouped(archive), strength(original, archive));
    let text = Text::Line(format!("{source} → {output}: {sizes}"));
    Outcome { kind: Kind::Compressed, original, archive, text, details: json!({ "output": output }) }
}

/// What became of an archive that was decompressed.
pub fn decompressed(source: &str, output: &str, original: u64, archive: u64) -> Outcome {
    let text = Text::Line(format!("{source} → {output}: {} bytes", grouped(original)));
    Outcome { kind: Kind::Restored, original, archive, text, details: json!({ "output": output }) }
}

/// What became of an archive of which a part was decompressed.
pub fn extracted(source: &str, output: &str, original: u64, archive: u64) -> Outcome {
    let text = Text::Line(format!("{source} → {output}: a part of {} bytes", grouped(original)));
    Outcome { kind: Kind::Restored, original, archive, text, details: json!({ "output": output, "part": true }) }
}

/// What became of an archive that was written anew.
pub fn repaired(source: &str, output: &str, original: u64, archive: u64) -> Outcome {
    let text = Text::Line(format!("{source} → {output}: repaired"));
    Outcome { kind: Kind::Described, original, archive, text, details: json!({ "output": output, "repaired": true }) }
}

/// What is said of an archive that is sound.
pub fn tested(source: &str, original: u64, archive: u64) -> Outcome {
    let text = Text::Line(format!("{source}: sound, {} bytes", grouped(original)));
    Outcome { kind: Kind::Sound, original, archive, text, details: json!({ "sound": true }) }
}

/// The table of `nncz info`, with all relations between columns if it is `verbose`.
pub fn info(name: &str, bytes: &[u8], verbose: bool) -> Result<Outcome> {
    let archive = Archive::open(bytes)?;
    let header = archive.header();
    let length = bytes.len() as u64;
    let (payload, headers) = (archive.payload_length(), archive.headers_length());
    let (model, index, parity) = (archive.model_length(), archive.index_length(), archive.parity_length());
    let (layout, effort) = (layout(&header.layout), format!("{:?}", header.tables.effort).to_lowercase());
    let stored = stored(&archive);
    let memory = nncz::memory(&archive, NonZeroUsize::MIN)?;

    let weights = archive.model()?.map(net::decode).transpose()?;
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
        ("  parity", parity_of(archive.parity(), part(parity))),
        ("  headers", part(headers)),
        ("layout", layout.clone()),
    ];
    let (relations, corrections) = (relations(&header.layout), corrections(&header.layout));
    if verbose {
        rows.extend(relations.iter().map(|relation| ("  relation", relation.clone())));
        rows.extend(corrections.iter().map(|correction| ("  correction", correction.clone())));
    }
    rows.extend([
        ("context tables", format!("2^{} lines", header.tables.bits)),
        ("effort", effort.clone()),
        ("network", weights.as_ref().map_or("none".to_owned(), |weights| network(&weights.shape))),
        ("blocks", blocks(&archive, stored)),
        ("to decompress", format!("{} MB of memory for each thread", grouped(memory.div_ceil(1_000_000)))),
    ]);
    let details = json!({
        "format_version": VERSION,
        "level": header.level,
        "payload_bytes": payload,
        "weights_bytes": model,
        "index_bytes": index,
        "parity_bytes": parity,
        "parity": parity_name(archive.parity()),
        "headers_bytes": headers,
        "memory_to_decompress_bytes": memory,
        "layout": layout,
        "relations": relations,
        "corrections": corrections,
        "context_tables_log2": header.tables.bits,
        "effort": effort,
        "network_parameters": weights.map(|weights| weights.shape.parameters()),
        "blocks": archive.blocks().len(),
        "stored_blocks": stored,
    });
    let text = Text::Table(table(name, &rows));
    Ok(Outcome { kind: Kind::Described, original: header.original, archive: length, text, details })
}

/// The table of `nncz compress --dry-run`.
#[cfg(feature = "train")]
pub fn estimate(name: &str, estimate: &nncz::Estimate) -> Outcome {
    let nncz::Estimate { original, archive, .. } = *estimate;
    let total = estimate.training + estimate.coding;
    let rows = [
        ("original", format!("{} bytes", grouped(original))),
        ("archive", format!("about {} bytes ({})", grouped(archive), strength(original, archive))),
        ("network", estimate.reason.clone()),
        ("time", format!("about {}", duration(total))),
        ("  training", duration(estimate.training)),
        ("  coding", format!("{}, checking included", duration(estimate.coding))),
        ("memory", format!("about {} MB, the file itself not counted", megabytes(estimate.memory))),
        ("to decompress", format!("about {} MB", megabytes(estimate.memory_to_decompress))),
    ];
    let details = json!({
        "dry_run": true,
        "trains_network": estimate.trains,
        "reason": estimate.reason,
        "training_seconds": estimate.training.as_secs_f64(),
        "coding_seconds": estimate.coding.as_secs_f64(),
        "memory_bytes": estimate.memory,
        "memory_to_decompress_bytes": estimate.memory_to_decompress,
    });
    Outcome { kind: Kind::Described, original, archive, text: Text::Table(table(name, &rows)), details }
}

fn table(name: &str, rows: &[(&str, String)]) -> String {
    rows.iter().fold(format!("{name}\n"), |mut table, (key, value)| {
        // Writing to a String does not fail.
        let _ = writeln!(table, "  {key:<16}{value}");
        table
    })
}

#[cfg(feature = "train")]
fn megabytes(bytes: u64) -> String {
    grouped(bytes.div_ceil(1_000_000))
}

/// In units that a person would use: `1h05m`, `2m30s`, `12s`.
#[cfg(feature = "train")]
fn duration(time: std::time::Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

fn parity_of(parity: Parity, length: String) -> String {
    match parity {
        Parity::None => "none".to_owned(),
        kind => format!("{length}, {}", parity_name(kind)),
    }
}

fn parity_name(parity: Parity) -> String {
    match parity {
        Parity::None => "none".to_owned(),
        Parity::Vital => "vital".to_owned(),
        Parity::Whole(percent) => format!("{percent}%"),
    }
}

fn network(shape: &Shape) -> String {
    let Shape { width, layers, heads, hidden, window, .. } = shape;
    let parameters = grouped(shape.parameters() as u64);
    let rests = match shape.resting.iter().filter(|&&rests| rests).count() {
        0 => String::new(),
        places => format!(", rests at {places} places"),
    };
    format!(
        "{parameters} parameters: width {width}, {layers} layers, {heads} heads, hidden {hidden}, window {window}{rests}"
    )
}

fn layout(layout: &Layout) -> String {
    match layout {
        Layout::Plain => "plain bytes".to_owned(),
        Layout::Records { length: 1 } => "binary data".to_owned(),
        Layout::Records { length } => format!("binary records of {length} bytes"),
        Layout::Delimited { delimiter, quote, schemas } => {
            let quote = quote.map_or(String::new(), |quote| format!(", quoted by {:?}", char::from(quote)));
            let tables = if schemas.len() > 1 { format!(", {} tables", schemas.len()) } else { String::new() };
            let columns = schemas.iter().flat_map(|schema| &schema.columns);
            let relations = match columns.map(|column| column.relations.len() + column.alternatives.len()).sum() {
                0 => String::new(),
                1 => ", one relation between columns".to_owned(),
                relations => format!(", {relations} relations between columns"),
            };
            format!("lines of fields parted by {:?}{quote}{tables}{relations}", char::from(*delimiter))
        }
    }
}

/// Each relation between columns in words, with how often it held in the sample it was found in and what tells whether it does.
fn relations(layout: &Layout) -> Vec<String> {
    let in_words = |field: usize, relation: &Relation, of_which: &str| {
        let told = relation.clue.map_or(String::new(), |clue| format!("; {of_which} is told by {clue}"));
        format!("{} (exact in {} % of the sample{told})", relation.describe(field), relation.held)
    };
    in_columns(layout, |field, column| {
        let relations = column.relations.iter().map(|relation| in_words(field, relation, "whether it holds"));
        let which = if column.alternatives.len() > 1 { "which of these holds" } else { "whether it holds" };
        let alternatives = column.alternatives.iter().map(|relation| in_words(field, relation, which));
        relations.chain(alternatives).collect()
    })
}

/// The clues by which what a column's first relation expects is corrected, in words.
fn corrections(layout: &Layout) -> Vec<String> {
    in_columns(layout, |field, column| {
        let in_words =
            |clues: &Vec<Clue>| format!("column {}, by what was missed after the same {}", field + 1, listed(clues));
        column.corrections.iter().map(in_words).collect()
    })
}

/// What there is to say of each column of each table.
fn in_columns(layout: &Layout, words: impl Fn(usize, &Column) -> Vec<String>) -> Vec<String> {
    let Layout::Delimited { schemas, .. } = layout else { return Vec::new() };
    let mut all = Vec::new();
    for (number, schema) in schemas.iter().enumerate() {
        let table = if schemas.len() > 1 { format!("table {}: ", number + 1) } else { String::new() };
        for (field, column) in schema.columns.iter().enumerate() {
            all.extend(words(field, column).into_iter().map(|words| format!("{table}{words}")));
        }
    }
    all
}

/// The number of blocks that are stored as they are.
fn stored(archive: &Archive) -> usize {
    archive.blocks().iter().filter(|block| block.header.method == Method::Stored).count()
}

fn blocks(archive: &Archive, stored: usize) -> String {
    let count = archive.blocks().len();
    let Some(first) = archive.blocks().first() else { return "none".to_owned() };
    let length = grouped(first.original_length());
    match stored {
        0 => format!("{count} of {length} bytes"),
        _ => format!("{count} of {length} bytes, {stored} stored as they are"),
    }
}

/// Bits of archive for each byte of the original.
pub fn bits_per_byte(original: u64, archive: u64) -> String {
    format!("{:.3}", 8.0 * archive as f64 / original.max(1) as f64)
}

/// Ratio and bits per byte.
fn strength(original: u64, archive: u64) -> String {
    if original == 0 {
        return "nothing to compress".to_owned();
    }
    let (ratio, bits) = (original as f64 / archive as f64, bits_per_byte(original, archive));
    format!("{ratio:.2}:1, {bits} bits per byte")
}

/// The lines of a table without rules, moved in a little.
#[cfg(feature = "reports")]
pub fn unruled(mut table: comfy_table::Table) -> String {
    table.load_style(comfy_table::presets::NOTHING);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if index == 0 { 2 } else { 1 }, 1));
    }
    table.to_string().lines().map(|line| line.trim_end().to_owned() + "\n").collect()
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
    fn a_line_says_ratio_and_bits_per_byte() {
        let line = |original, archive| match compressed("a", "b", original, archive).text {
            Text::Line(line) | Text::Table(line) => line,
        };
        assert_eq!(line(1000, 250), "a → b: 1,000 → 250 bytes (4.00:1, 2.000 bits per byte)");
        assert_eq!(line(0, 22), "a → b: 0 → 22 bytes (nothing to compress)");
    }
}
