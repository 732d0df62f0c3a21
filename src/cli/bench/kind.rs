//! What sort of file it is, for summaries.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Result;
use nncz::layout::Layout;

/// Bytes that are looked at.
const SAMPLE: u64 = 1 << 20;

/// The kind of the file at `path`, which a person calls `name`.
pub fn of(path: &Path, name: &Path) -> Result<&'static str> {
    let mut sample = Vec::new();
    File::open(path)?.take(SAMPLE).read_to_end(&mut sample)?;
    let extension = name.extension().map(|extension| extension.to_ascii_lowercase()).unwrap_or_default();
    Ok(kind(&sample, extension.to_str().unwrap_or("")))
}

fn kind(sample: &[u8], extension: &str) -> &'static str {
    match extension {
        "csv" | "tsv" => return "table",
        "json" | "jsonl" | "ndjson" | "geojson" => return "JSON",
        "sql" => return "SQL",
        "log" => return "log",
        "xml" | "html" | "svg" => return "markup",
        _ => {}
    }
    let first = sample.iter().find(|byte| !byte.is_ascii_whitespace());
    match (Layout::detect(sample), first) {
        (Layout::Records { .. }, _) => "binary",
        (_, Some(b'{' | b'[')) => "JSON",
        (_, Some(b'<')) => "markup",
        (Layout::Delimited { .. }, _) => "table",
        (Layout::Plain, _) => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_and_else_the_content() {
        assert_eq!(kind(b"", "csv"), "table");
        assert_eq!(kind(b"insert into", "sql"), "SQL");
        assert_eq!(kind(b"\n {\"a\": 1}", ""), "JSON");
        assert_eq!(kind(b"<p>", "txt"), "markup");
        assert_eq!(kind(&b"1,2,3\n".repeat(20), ""), "table");
        assert_eq!(kind(b"It was a dark and stormy night", "txt"), "text");
        assert_eq!(kind(&[0, 1, 2, 255].repeat(99), "bin"), "binary");
    }
}
