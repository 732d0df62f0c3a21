//! The explanation as a page.

use anyhow::Result;
use maud::{Markup, html};

use super::account::MapRow;
use super::results::{Ablation, Explanation};
use crate::cli::report::{bits_per_byte, grouped};
use crate::cli::web::plot::{self, Axes};
use crate::cli::web::{self, cards};

/// Groups shown.
const GROUPS: usize = 100;
/// Fields of a row in a heat map, and characters of a row that has none.
const FIELDS: usize = 60;

/// The whole page.
pub fn page(explanation: &Explanation) -> Result<String> {
    let Explanation { name, original, archive, .. } = explanation;
    let points: Vec<(f64, f64)> =
        explanation.curve.iter().map(|stretch| (stretch.offset as f64 / 1e6, stretch.bits_per_byte)).collect();
    let axes = Axes { x: "MB into the file", y: "bits per byte" };
    let curve = if points.len() > 2 { Some(plot::curve(&points, axes, plot::trimmed)?) } else { None };
    let title = format!("{name}: where its bits go");
    let dearest = explanation.groups.first();
    let mut shown = vec![
        (
            format!("{} bytes", grouped(*archive)),
            format!("of {} in {} rows", grouped(*original), grouped(explanation.rows)),
        ),
        (bits_per_byte(*original, *archive), "bits per byte".to_owned()),
    ];
    if let Some(group) = dearest {
        shown.push((format!("{:.0} %", 100.0 * group.share), format!("of the archive is {}", group.name)));
    }
    if explanation.weights > 0 {
        shown.push((format!("{} bytes", grouped(explanation.weights)), "weights of the network".to_owned()));
    }
    let body = html! {
        h1 { (title) }
        p.soft { "What every byte costs in the archive, by the predictions that it was coded with." }
        (cards(&shown))
        h2 { "By " (explanation.grouped_by) }
        (groups(explanation))
        @if let Some(curve) = curve {
            h2 { "By position" }
            (web::figure(&curve, "Where the curve rises the data changes: a new pattern, a burst of errors. At the beginning the model knows nothing yet."))
        }
        @if !explanation.is_binary {
            @for (title, map) in ["The first rows", "Rows from the middle"].into_iter().zip(&explanation.maps) {
                @if !map.is_empty() {
                    h2 { (title) }
                    (heat_map(explanation, map))
                }
            }
        }
        @if !explanation.surprising_rows.is_empty() {
            h2 { "The most surprising rows" }
            p.soft { "Those with fields that cost more than such fields cost at worst as a rule, by how many bits in all." }
            (rows(explanation))
        }
        @if let Some(ablation) = &explanation.ablation {
            h2 { "With some of the experts only" }
            (ablated(ablation, explanation.weights))
        }
        h2 { "Blocks" }
        (blocks(explanation))
        footer { p { "nncz " (env!("CARGO_PKG_VERSION")) ", level " (explanation.level) ". Bytes of parts are rounded so that they add up to the archive." } }
    };
    Ok(web::page(&title, &body))
}

fn groups(explanation: &Explanation) -> Markup {
    let all = explanation.archive.max(1) as f64;
    let percent = |bytes: u64| format!("{:.1} %", 100.0 * bytes as f64 / all);
    let most = explanation.groups.first().map_or(1, |group| group.bytes).max(1) as f64;
    let bar = |bytes: u64| format!("width: {:.1}%", 100.0 * bytes as f64 / most);
    let hidden: u64 = explanation.groups.iter().skip(GROUPS).map(|group| group.bytes).sum();
    let hidden = Some(("the other groups", hidden)).filter(|group| group.1 > 0);
    html! {
        div.wide {
            table {
                thead { tr { th { "name" } th { "bytes" } th { "share" } th.barred {} th { "bits/row" } th { "bits/byte" } th.words { "predicted by" } } }
                tbody {
                    @for group in explanation.groups.iter().take(GROUPS) {
                        tr {
                            td { (group.name) }
                            td { (grouped(group.bytes)) }
                            td { (percent(group.bytes)) }
                            td.barred { span.bar style=(bar(group.bytes)) {} }
                            td { (format!("{:.2}", group.bits_per_row)) }
                            td { (format!("{:.3}", group.bits / group.original.max(1) as f64)) }
                            td.words {
                                @for (number, (name, share)) in group.experts.iter().enumerate() {
                                    div.also[number > 0] { (format!("{:.0} % ", 100.0 * share)) (name) }
                                }
                            }
                        }
                    }
                    @for (name, bytes) in hidden.into_iter().chain(explanation.overhead()) {
                        tr { td.soft { (name) } td { (grouped(bytes)) } td { (percent(bytes)) } td.barred { span.bar style=(bar(bytes.min(most as u64))) {} } td colspan="3" {} }
                    }
                    tr.own { td { "archive" } td { (grouped(explanation.archive)) } td { "100 %" } td colspan="4" {} }
                }
            }
        }
    }
}

/// Bytes on a ground that is the stronger the more they cost; columns under their names.
fn heat_map(explanation: &Explanation, rows: &[MapRow]) -> Markup {
    let is_table = explanation.grouped_by == "columns";
    html! {
        div.wide {
            @if is_table {
                table.heat {
                    thead { tr { th {} @for name in explanation.names.iter().take(FIELDS) { th { div { (name) } } } } }
                    tbody {
                        @for row in rows {
                            tr {
                                th { (grouped(row.number)) }
                                @for field in row.bytes.chunk_by(|a, b| a.2 == b.2).take(FIELDS) { td { (heated(field)) } }
                            }
                        }
                    }
                }
            } @else {
                pre { @for row in rows { (heated(&row.bytes)) "\n" } }
            }
        }
        p.heat-key.soft { "bits: " @for (level, bits) in [(1, "⅛"), (3, "½"), (5, "2"), (7, "5"), (9, "10 or more")] { b class=(format!("h{level}")) { (bits) } " " } }
    }
}

/// Text, in pieces of equal heat.
fn heated(bytes: &[(u8, f32, usize)]) -> Markup {
    let text: Vec<u8> = bytes.iter().map(|byte| byte.0).collect();
    let end = text.iter().rposition(|byte| !byte.is_ascii_control()).map_or(0, |place| place + 1);
    html! {
        @for piece in bytes[..end].chunk_by(|a, b| super::level(a.1) == super::level(b.1) || b.0 & 0xC0 == 0x80) {
            @let text: Vec<u8> = piece.iter().map(|byte| byte.0).collect();
            @match super::level(piece[0].1) {
                0 => (String::from_utf8_lossy(&text)),
                level => b class=(format!("h{level}")) { (String::from_utf8_lossy(&text)) }
            }
        }
    }
}

fn rows(explanation: &Explanation) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { th { "row" } th { "bits" } th { "beyond" } th.words { "because of" } th.words { "row" } } }
                tbody {
                    @for row in &explanation.surprising_rows {
                        tr {
                            td { (grouped(row.number)) }
                            td { (format!("{:.0}", row.bits)) }
                            td { (format!("{:.0}", row.surprise)) }
                            td.words {
                                @for (number, field) in row.fields.iter().take(3).enumerate() {
                                    div.also[number > 0] { (field.group) " " span.soft { (format!("{:.0} bits", field.bits)) } " " code { (field.text.trim_end_matches([',', ';', '\t'])) } }
                                }
                            }
                            td.words { code.row { (row.text) } }
                        }
                    }
                }
            }
        }
    }
}

fn ablated(ablation: &Ablation, weights: u64) -> Markup {
    let most = ablation.parts().map(|part| part.1).max().unwrap_or(1).max(1) as f64;
    html! {
        div.wide {
            table {
                thead { tr { th { "predicted by" } th { "bytes of payload" } th.barred {} } }
                tbody {
                    @for (name, bytes) in ablation.parts() {
                        tr { td { (name) } td { (grouped(bytes)) } td.barred { span.bar style=(format!("width: {:.1}%", 100.0 * bytes as f64 / most)) {} } }
                    }
                }
            }
        }
        @if let Some(saved) = ablation.saved() {
            p { "The network saves " (grouped(saved)) " bytes, for " (grouped(weights)) " bytes of weights." }
        }
    }
}

fn blocks(explanation: &Explanation) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { th { "block" } th { "original" } th { "payload" } th { "bits/byte" } } }
                tbody {
                    @for (number, block) in explanation.blocks.iter().take(GROUPS).enumerate() {
                        tr { td { (number + 1) } td { (grouped(block.original)) } td { (grouped(block.payload)) } td { (format!("{:.3}", block.bits_per_byte)) @if block.stored { " (stored)" } } }
                    }
                }
            }
        }
        @if explanation.blocks.len() > GROUPS { p.soft { "and " (explanation.blocks.len() - GROUPS) " more" } }
    }
}
