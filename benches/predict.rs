//! The adaptive half alone: `cargo bench --bench predict -- [--bits N] [--effort 0|1|2|3] [--without columns|relations|clues]
//! FILE…` prints each file's size as the sum of −log2 p over its decisions, without container or network, their number per byte, and
//! the speed in bytes per second of the processor's time. Without clues, relations stay; without relations, neither does; without
//! columns, nothing is known of them but where they begin and end.

use std::time::Instant;

use nncz::layout::{Column, Layout};
use nncz::net::Instructions;
use nncz::predict::{Decision, Effort, Predictor, Tables};

fn main() {
    let (mut tables, mut files) = (Tables { bits: 23, effort: Effort::Normal }, Vec::new());
    let mut forget = None;
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        if argument == "--without" {
            forget = arguments.next().map(|part| forgetting(&part));
            continue;
        }
        let mut number = || -> usize { arguments.next().and_then(|text| text.parse().ok()).expect("a number") };
        match argument.as_str() {
            "--bits" => tables.bits = number() as u8,
            "--effort" => tables.effort = [Effort::Fast, Effort::Quick, Effort::Normal, Effort::Full][number().min(3)],
            _ => files.push(argument),
        }
    }
    println!("{:>12} {:>12} {:>7} {:>9} {:>6}  file and layout", "bytes", "coded", "bpb", "decisions", "MB/s");
    for file in files {
        let bytes = std::fs::read(&file).expect("a readable file");
        measure(&file, &bytes, tables, forget);
    }
}

/// Forgets a part of what is known of columns.
type Forget = fn(&mut Vec<Column>);

fn forgetting(part: &str) -> Forget {
    match part {
        "columns" => Vec::clear,
        "relations" => |columns| {
            forgetting("clues")(columns);
            for column in columns {
                (column.relations, column.alternatives) = Default::default();
                column.corrections.clear();
            }
        },
        "clues" => |columns| {
            for column in columns {
                (column.clues, column.further_clues) = Default::default();
                column.relations.iter_mut().chain(&mut column.alternatives).for_each(|relation| relation.clue = None);
            }
        },
        other => panic!("--without columns, relations or clues, not {other}"),
    }
}

fn measure(file: &str, bytes: &[u8], tables: Tables, forget: Option<Forget>) {
    let begin = Instant::now();
    let mut layout = Layout::detect(bytes);
    eprintln!("detected in {:?}", begin.elapsed());
    if let (Layout::Delimited { schemas, .. }, Some(forget)) = (&mut layout, forget) {
        schemas.iter_mut().for_each(|schema| forget(&mut schema.columns));
    }
    let start = seconds();
    let (coded, decisions) = cost(bytes, &layout, tables);
    let seconds = seconds() - start;
    let length = bytes.len() as f64;
    let (rate, speed, name) = (coded * 8.0 / length, length / seconds / 1e6, name(&layout));
    let decisions = decisions as f64 / length;
    println!("{length:>12} {coded:>12.0} {rate:>7.4} {decisions:>9.3} {speed:>6.3}  {file} {name}");
}

/// Seconds that this thread has run; where the system does not count them, those since 1970.
fn seconds() -> f64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = counted.and_then(|text| text.split(' ').next().and_then(|number| number.parse::<f64>().ok()));
    nanoseconds.map_or_else(
        || std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64()),
        |nanoseconds| nanoseconds / 1e9,
    )
}

fn name(layout: &Layout) -> String {
    match layout {
        Layout::Delimited { delimiter, quote, schemas } => {
            let columns = schemas.iter().flat_map(|schema| &schema.columns);
            let relations: usize =
                columns.clone().map(|column| column.relations.len() + column.alternatives.len()).sum();
            format!(
                "{} tables, {} columns by {:?}, quotes {quote:?}, {relations} relations",
                schemas.len(),
                columns.count(),
                char::from(*delimiter)
            )
        }
        other => format!("{other:?}"),
    }
}

/// Bytes that an ideal coder would need, and the decisions it would code.
fn cost(bytes: &[u8], layout: &Layout, tables: Tables) -> (f64, u64) {
    let instructions = Instructions::choose().expect("a known NNCZ_KERNEL");
    let mut predictor = Predictor::new(layout, tables, bytes.len(), instructions);
    let (mut total, mut product, mut decisions) = (0.0, 1.0f64, 0);
    for &byte in bytes {
        let mut code = |decision: Decision, yes: u16| {
            let answer = decision.of(byte);
            decisions += 1;
            product *= f64::from(if answer { u32::from(yes) } else { 65536 - u32::from(yes) }) / 65536.0;
            if product < 1e-200 {
                total -= std::mem::replace(&mut product, 1.0).log2();
            }
            Ok(answer)
        };
        predictor.code_byte(&mut (), &mut code).expect("the coder does not fail");
    }
    ((total - product.log2()) / 8.0, decisions)
}
