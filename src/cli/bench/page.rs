//! The report as a page.

use anyhow::Result;
use maud::{Markup, html};

use super::results::{Figures, Report, Row};
use super::table::{HEADS, figure_cells, heading, heading_of_all, remarks};
use crate::cli::report::grouped;
use crate::cli::web::plot::{self, Axes, Point};
use crate::cli::web::{self, cards};

/// The whole page.
pub fn page(report: &Report) -> Result<String> {
    let mut sections = Vec::new();
    for summary in report.total.iter().chain(&report.kinds) {
        sections.push(section(&heading_of_all(summary), &summary.rows)?);
    }
    for file in &report.files {
        sections.push(section(&heading(file), &file.rows)?);
    }
    let title = match &report.files[..] {
        [file] => format!("{}: nncz and others", file.name),
        files => format!("{} files: nncz and others", files.len()),
    };
    let body = html! {
        h1 { (title) }
        p.soft { "The same bytes through every compressor, each alone in a process of its own, and every byte compared after its way back." }
        @if let Some(cards) = headline(report) { (cards) }
        @for section in sections { (section) }
        (footer(report))
    };
    Ok(web::page(&title, &body))
}

/// What nncz made of all, beside the best rival.
fn headline(report: &Report) -> Option<Markup> {
    let rows = report.total.as_ref().map_or(&report.files.first()?.rows, |total| &total.rows);
    let own = rows.iter().filter(|row| row.is_nncz).find_map(|row| row.outcome.figures())?;
    let restoring = |row: &&Row| !row.is_nncz && row.outcome.figures().is_some_and(|figures| figures.restores_bytes);
    let mut shown = vec![
        (format!("{:.2} : 1", own.ratio), "compressed by nncz".to_owned()),
        (format!("{} bytes", grouped(own.size)), format!("of {}", grouped(own.original))),
        (format!("{:.3}", own.bits_per_byte), "bits per byte".to_owned()),
    ];
    if let Some((rival, figures)) = rows.iter().find(restoring).and_then(|row| Some((row, row.outcome.figures()?))) {
        let more = 100.0 * (figures.bits_per_byte / own.bits_per_byte - 1.0);
        let words = if more < 0.0 { "less" } else { "more" };
        shown.push((format!("{:.0} % {words}", more.abs()), format!("taken by the best rival, {}", rival.contender)));
    }
    Some(cards(&shown))
}

fn section(title: &str, rows: &[Row]) -> Result<Markup> {
    let done: Vec<(&Row, &Figures)> = rows.iter().filter_map(|row| Some((row, row.outcome.figures()?))).collect();
    let points: Vec<Point> = done
        .iter()
        .filter(|(_, figures)| figures.original > 0)
        .map(|(row, figures)| Point {
            name: row.title(),
            x: figures.decompress.megabytes_per_second,
            y: figures.ratio,
            own: row.is_nncz,
        })
        .collect();
    let axes = Axes { x: "decompression, MB/s", y: "ratio" };
    let plots = if points.len() > 1 { Some(plot::scatter(&points, axes)?) } else { None };
    let mut curves = Vec::new();
    for (row, figures) in done.iter().filter(|(_, figures)| figures.training.len() > 1) {
        let points: Vec<(f64, f64)> = figures
            .training
            .iter()
            .map(|&(bytes, millibits)| (bytes as f64 / 1e6, f64::from(millibits) / 1e3))
            .collect();
        let axes = Axes { x: "MB learned from", y: "bits per byte" };
        curves.push((row, plot::curve(&points, axes, |value| format!("{value}"))?));
    }
    Ok(html! {
        h2 { (title) }
        (table(rows))
        @for remark in remarks(rows) { p.soft { (remark) } }
        @if let Some(plots) = plots {
            h2 { "Ratio and speed of decompression" }
            (web::figure(&plots, "Up and to the right is better. The line joins those that none beats in both."))
        }
        @for (row, plots) in curves {
            h2 { "Training of " (row.title()) }
            (web::figure(&plots, "The network alone, on what it is just learning from."))
        }
    })
}

fn table(rows: &[Row]) -> Markup {
    let processor = |figures: &Figures| {
        format!("{:.2} · {:.2}", figures.compress.processor_seconds, figures.decompress.processor_seconds)
    };
    html! {
        div.wide {
            table {
                thead { tr { @for head in HEADS { th { (head) } } th { "processor s" } } }
                tbody {
                    @for row in rows {
                        tr.own[row.is_nncz] {
                            td { (row.title()) }
                            @match (row.outcome.figures(), row.outcome.excuse()) {
                                (Some(figures), _) => {
                                    @for cell in figure_cells(figures) { td { (cell) } }
                                    td { (processor(figures)) }
                                }
                                (None, excuse) => td.failed colspan="8" { (excuse.map_or("", |(what, _)| what)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn footer(report: &Report) -> Markup {
    let versions: Vec<String> =
        report.machine.versions.iter().map(|(package, version)| format!("{package} {version}")).collect();
    html! {
        footer {
            p { (report.machine.line()) }
            p { (versions.join(" · ")) }
            p {
                "MB are 10⁶ bytes. Speeds are by the clock, reading and writing files included"
                @if report.repeat > 1 { ", medians of " (report.repeat) " runs" }
                "; nncz on up to " (report.threads) " threads, and its compression includes decoding and comparing; rivals in process on one thread. "
                "Memory and processor seconds: compression · decompression, of the whole process."
            }
        }
    }
}
