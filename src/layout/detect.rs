//! Which layout a sample follows.

use super::{FIELDS, Layout};

/// Lines looked at.
const LINES: usize = 4096;
/// Fewest lines that make a table.
const LINES_LEAST: usize = 3;
/// A longer line is no record.
const LINE_LENGTH: usize = 1 << 14;
/// Delimiters, likeliest first: a tie goes to the earlier.
const DELIMITERS: [u8; 8] = *b",\t;|\x01:= ";

pub fn detect(sample: &[u8]) -> Layout {
    let lines = whole_lines(sample);
    if lines.len() < LINES_LEAST || lines.iter().any(|line| line.len() > LINE_LENGTH) {
        return Layout::Plain;
    }
    let quote = lines.iter().any(|line| line.contains(&b'"')).then_some(b'"');
    let mut best = (0, Layout::Plain);
    for delimiter in DELIMITERS {
        let score = regularity(&lines, delimiter, quote);
        if score > best.0 {
            best = (score, Layout::Delimited { delimiter, quote });
        }
    }
    best.1
}

/// The sample's lines without their line feeds; the last one, which may be cut off, only if it ends with one.
fn whole_lines(sample: &[u8]) -> Vec<&[u8]> {
    let end = sample.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
    let lines = sample[..end].split(|&byte| byte == b'\n').take(LINES);
    lines.filter(|line| !line.is_empty()).collect()
}

/// How regularly `delimiter` cuts the lines: 0 if it does not make a table of them, else more for more lines that
/// share the commonest number of fields, and a little more for more fields.
fn regularity(lines: &[&[u8]], delimiter: u8, quote: Option<u8>) -> usize {
    let mut histogram = vec![0usize; FIELDS + 1];
    for line in lines {
        histogram[count(line, delimiter, quote).min(FIELDS)] += 1;
    }
    let (fields, lines_alike) =
        histogram.iter().enumerate().skip(1).max_by_key(|&(_, &lines)| lines).unwrap_or((0, &0));
    // Blanks, colons and equals signs also stand within the fields of prose and logs: only near-perfect order counts.
    let needed = if matches!(delimiter, b' ' | b':' | b'=') { 95 } else { 70 };
    if *lines_alike == 0 || lines_alike * 100 < needed * lines.len() {
        return 0;
    }
    lines_alike * 1000 / lines.len() + fields.min(100)
}

/// Delimiters in `line` outside of quoted fields.
fn count(line: &[u8], delimiter: u8, quote: Option<u8>) -> usize {
    let (mut fields, mut quoted, mut quotable, mut start) = (0, false, false, true);
    for &byte in line {
        if byte == delimiter && !quoted {
            (fields, quotable, start) = (fields + 1, false, true);
            continue;
        }
        if Some(byte) == quote {
            quotable |= start;
            quoted ^= quotable;
        }
        start = false;
    }
    fields
}
