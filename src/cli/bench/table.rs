//! The report as text: aligned for a terminal, or as Markdown.

use std::fmt::Write;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::results::{Figures, FileReport, Report, Row, Summary};
use crate::cli::report::{grouped, unruled};

/// Heads of the columns.
pub const HEADS: [&str; 8] =
    ["contender", "bytes", "ratio", "bits/byte", "compress MB/s", "decompress MB/s", "memory MB", "vs nncz"];

/// For a terminal.
pub fn text(report: &Report) -> String {
    render(report, "", |rows| unruled(table(rows)))
}

/// For a page in Markdown.
pub fn markdown(report: &Report) -> String {
    render(report, "### ", |rows| {
        let mut table = table(rows);
        table.load_style(presets::ASCII_MARKDOWN);
        let text = table.to_string();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // Figures stand at the right.
        if let Some(rule) = lines.get_mut(1) {
            let cells = rule.trim_matches('|').split('|').enumerate();
            let aligned = cells.map(|(index, cell)| match index {
                0 => cell.to_owned(),
                _ => format!("{}:", &cell[..cell.len() - 1]),
            });
            *rule = format!("|{}|", aligned.collect::<Vec<_>>().join("|"));
        }
        format!("\n{}\n\n", lines.join("\n"))
    })
}

/// Every part of the report with its head and its notes.
fn render(report: &Report, head: &str, table: impl Fn(&[Row]) -> String) -> String {
    let mut text = String::new();
    for file in &report.files {
        text += &format!("{head}{}\n{}", heading(file), table(&file.rows));
        notes(&file.rows, &mut text);
        text.push('\n');
    }
    for summary in report.total.iter().chain(&report.kinds) {
        text += &format!("{head}{}\n{}", heading_of_all(summary), table(&summary.rows));
        for row in &summary.rows {
            if let Some(figures) = row.outcome.figures().filter(|figures| figures.files < summary.files) {
                writeln!(text, "{}: on {} of {} files", row.contender, figures.files, summary.files).ok();
            }
        }
        text.push('\n');
    }
    let runs = if report.repeat > 1 { format!("; medians of {} runs", report.repeat) } else { String::new() };
    let threads =
        if report.threads > 1 { format!("up to {} threads", report.threads) } else { "one thread".to_owned() };
    text + &format!(
        "{}\nnncz on {threads}, rivals in process on one{runs}; memory: compress · decompress\n",
        report.machine.line()
    )
}

/// The file's name and size.
pub fn heading(file: &FileReport) -> String {
    let bytes = grouped(file.bytes);
    match file.beginning_of {
        None => format!("{}: {bytes} bytes ({})", file.name, file.kind),
        Some(whole) => format!("{}: the first {bytes} of {} bytes ({})", file.name, grouped(whole), file.kind),
    }
}

/// The name and size of several files.
pub fn heading_of_all(summary: &Summary) -> String {
    format!("{}: {} files, {} bytes", summary.name, summary.files, grouped(summary.bytes))
}

/// What is to be said of rows that failed or do not restore the bytes.
pub fn remarks(rows: &[Row]) -> impl Iterator<Item = String> {
    rows.iter().filter_map(|row| match (row.outcome.excuse(), row.outcome.figures()) {
        (Some((what, why)), _) => Some(format!("{}: {what}: {why}", row.contender)),
        (_, Some(figures)) if !figures.restores_bytes => {
            Some(format!("{}: keeps the table's values, but does not restore the file's bytes", row.contender))
        }
        _ => None,
    })
}

fn notes(rows: &[Row], text: &mut String) {
    remarks(rows).for_each(|remark| {
        writeln!(text, "{remark}").ok();
    });
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.set_header(HEADS);
    for row in rows {
        let mut cells = vec![row.title()];
        match (row.outcome.figures(), row.outcome.excuse()) {
            (Some(figures), _) => cells.extend(figure_cells(figures)),
            (None, excuse) => cells.push(excuse.map_or("", |(what, _)| what).to_owned()),
        }
        cells.resize(HEADS.len(), String::new());
        table.add_row(cells.into_iter().map(Cell::new));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The cells after the contender's name.
pub fn figure_cells(figures: &Figures) -> Vec<String> {
    let megabytes = |bytes: u64| format!("{:.0}", bytes as f64 / 1e6);
    vec![
        grouped(figures.size),
        significant(figures.ratio),
        format!("{:.3}", figures.bits_per_byte),
        significant(figures.compress.megabytes_per_second),
        significant(figures.decompress.megabytes_per_second),
        format!("{} · {}", megabytes(figures.compress.memory), megabytes(figures.decompress.memory)),
        figures.relative_size.map_or(String::new(), |relative| format!("{relative:.2}×")),
    ]
}

/// A number with about three significant digits.
fn significant(number: f64) -> String {
    match number {
        _ if number >= 99.95 => format!("{number:.0}"),
        _ if number >= 9.995 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
