//! The explanation for a terminal.

use std::fmt::Write;

use comfy_table::{Cell, CellAlignment, Table};

use super::account::MapRow;
use super::results::{Ablation, Explanation, Row};
use crate::cli::report::{grouped, unruled};

/// Groups shown.
const GROUPS: usize = 40;
/// Characters of a row, and of the expert's name.
const ROW_WIDTH: usize = 150;
const EXPERT_WIDTH: usize = 60;
/// Characters of the curve.
const CURVE: usize = 72;
/// Rows of the heat map and characters of each.
const MAP_ROWS: usize = 8;
const MAP_WIDTH: usize = 120;

/// All of it; `in_colour` if the terminal shows colours.
pub fn text(explanation: &Explanation, in_colour: bool) -> String {
    let Explanation { name, original, archive, rows, .. } = explanation;
    let mut text = format!("{name}: {} → {} bytes, {} rows\n\n", grouped(*original), grouped(*archive), grouped(*rows));
    text += &groups(explanation);
    text += &curve(explanation);
    if in_colour && !explanation.is_binary {
        text += &heat("the first rows", &explanation.maps[0]);
        text += &heat("rows of the middle", &explanation.maps[1]);
    }
    if let Some(ablation) = &explanation.ablation {
        text += &ablated(ablation, explanation.weights);
    }
    if !explanation.surprising_rows.is_empty() {
        text += "the most surprising rows\n";
        explanation.surprising_rows.iter().for_each(|found| text += &row(found));
    }
    text
}

fn groups(explanation: &Explanation) -> String {
    let mut table = Table::new();
    table.set_header([explanation.grouped_by, "bytes", "share", "bits/row", "predicted by"]);
    let share = |bytes: u64| format!("{:.1} %", 100.0 * bytes as f64 / explanation.archive.max(1) as f64);
    for group in explanation.groups.iter().take(GROUPS) {
        let expert = group.experts.first();
        let expert =
            expert.map_or(String::new(), |(name, share)| format!("{:.0} % {}", 100.0 * share, cut(name, EXPERT_WIDTH)));
        let bits = format!("{:.2}", group.bits_per_row);
        table.add_row([group.name.clone(), grouped(group.bytes), share(group.bytes), bits, expert].map(Cell::new));
    }
    let rest: u64 = explanation.groups.iter().skip(GROUPS).map(|group| group.bytes).sum();
    let number = explanation.groups.len().saturating_sub(GROUPS);
    let more = (number > 0).then(|| (format!("{number} more"), rest));
    let parts = explanation.overhead().chain([("archive", explanation.archive)]);
    for (name, bytes) in more.into_iter().chain(parts.map(|(name, bytes)| (name.to_owned(), bytes))) {
        table.add_row([name, grouped(bytes), share(bytes)].map(Cell::new));
    }
    for column in table.column_iter_mut().skip(1).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    unruled(table) + "\n"
}

/// The curve as a line of bars.
fn curve(explanation: &Explanation) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let points: Vec<f64> = explanation.curve.iter().map(|stretch| stretch.bits_per_byte).collect();
    if points.len() < CURVE {
        return String::new();
    }
    let part = |number: usize| &points[number * points.len() / CURVE..(number + 1) * points.len() / CURVE];
    let means: Vec<f64> = (0..CURVE).map(part).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect();
    let most = means.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let bars: String = means.iter().map(|mean| BARS[((mean / most * 8.0) as usize).min(7)]).collect();
    format!("bits per byte from the file's beginning to its end, up to {most:.3}\n  {bars}\n\n")
}

/// Rows with their dear bytes on a red ground.
fn heat(title: &str, rows: &[MapRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("{title}: the redder, the dearer\n");
    for row in rows.iter().take(MAP_ROWS) {
        text += "  ";
        let shown: Vec<u8> = row.bytes.iter().map(|byte| byte.0).take(MAP_WIDTH).collect();
        for (&byte, &(_, bits, _)) in shown.iter().zip(&row.bytes).filter(|(byte, _)| !byte.is_ascii_control()) {
            let character = if byte.is_ascii() { char::from(byte) } else { '·' };
            // Six steps of red of the 256 colours.
            let step = super::level(bits) / 2;
            match step {
                0 => text.push(character),
                step => {
                    write!(text, "\x1b[48;5;{}m\x1b[97m{character}\x1b[0m", 16 + 36 * (step + 1).min(5)).ok();
                }
            }
        }
        text.push('\n');
    }
    text + "\n"
}

fn ablated(ablation: &Ablation, weights: u64) -> String {
    let mut text = "bytes of payload, if only these had predicted\n".to_owned();
    for (name, bytes) in ablation.parts() {
        writeln!(text, "  {name:<28}{:>13}", grouped(bytes)).ok();
    }
    if let Some(saved) = ablation.saved() {
        writeln!(text, "the network saves {} bytes for {} bytes of weights", grouped(saved), grouped(weights)).ok();
    }
    text + "\n"
}

fn row(row: &Row) -> String {
    let fields: Vec<String> =
        row.fields.iter().take(3).map(|field| format!("{} {:.0} bits", field.group, field.bits)).collect();
    format!(
        "  row {}: {:.1} bits ({})\n    {}\n",
        grouped(row.number),
        row.bits,
        fields.join(", "),
        cut(&row.text, ROW_WIDTH)
    )
}

/// At most `width` characters.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
