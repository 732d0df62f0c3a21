//! What was measured, with all that follows from it: rows, totals, summaries by kind.

use serde::Serialize;

use super::job::Cost;
use super::machine::Machine;

/// Version of the JSON that a report makes; it changes when a name or a meaning does.
pub const VERSION: u32 = 1;

/// Everything that one call of `nncz bench` found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Always `nncz bench`.
    pub report: &'static str,
    pub version: u32,
    pub machine: Machine,
    /// Runs of which speeds are the medians.
    pub repeat: usize,
    /// Threads that nncz was allowed; the rivals in process have one.
    pub threads: usize,
    pub files: Vec<FileReport>,
    /// All files together, if there are several.
    pub total: Option<Summary>,
    /// The files of each kind together, if there are several kinds.
    pub kinds: Vec<Summary>,
}

/// One file's table.
#[derive(Debug, Serialize)]
pub struct FileReport {
    pub name: String,
    /// What it holds: table, JSON, log …
    pub kind: &'static str,
    /// Bytes that were compressed.
    pub bytes: u64,
    /// Length of the whole file, if only its beginning was taken.
    pub beginning_of: Option<u64>,
    pub rows: Vec<Row>,
}

/// Several files together.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub name: String,
    pub files: usize,
    pub bytes: u64,
    pub rows: Vec<Row>,
}

/// One contender's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name and settings, as `--vs` takes them.
    pub contender: String,
    pub is_nncz: bool,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Row {
    /// Name and settings, as a person reads them.
    pub fn title(&self) -> String {
        self.contender.replace(':', " ")
    }
}

/// What came of a contender.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "status", content = "figures", rename_all = "kebab-case")]
pub enum Outcome {
    Done(Box<Figures>),
    Missing(String),
    Failed(String),
    Wrong(String),
}

/// Sizes and speeds.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Files that they are of; of a summary, those on which the contender did not fail.
    pub files: usize,
    /// Bytes that were compressed.
    pub original: u64,
    /// What they became.
    pub size: u64,
    pub ratio: f64,
    pub bits_per_byte: f64,
    /// The size over that of the first nncz that took part, on the same files.
    pub relative_size: Option<f64>,
    /// Whether the bytes themselves come back; Parquet restores values only.
    pub restores_bytes: bool,
    pub compress: Speed,
    pub decompress: Speed,
    /// Where training stood: bytes seen, thousandths of a bit per byte.
    pub training: Vec<(u64, u32)>,
}

/// What one direction took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Speed {
    /// Seconds on the clock.
    pub seconds: f64,
    /// Seconds of all processors together.
    pub processor_seconds: f64,
    /// Original bytes, in 10⁶, per second on the clock.
    pub megabytes_per_second: f64,
    /// Most memory of the process, in bytes.
    pub memory: u64,
}

impl Speed {
    /// The median of several runs over `length` bytes, and the most memory of any.
    pub fn median(costs: &[&Cost], length: u64) -> Self {
        let middle = |value: fn(&Cost) -> f64| {
            let mut values: Vec<f64> = costs.iter().map(|cost| value(cost)).collect();
            values.sort_by(f64::total_cmp);
            let half = values.len() / 2;
            if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
        };
        let memory = costs.iter().map(|cost| cost.memory).max().unwrap_or(0);
        Self::new(middle(|cost| cost.wall), middle(|cost| cost.processor), memory, length)
    }

    fn new(seconds: f64, processor_seconds: f64, memory: u64, length: u64) -> Self {
        Self { seconds, processor_seconds, megabytes_per_second: length as f64 / 1e6 / seconds.max(1e-9), memory }
    }
}

impl Outcome {
    /// The figures of a contender that did its work.
    pub fn done(
        original: u64,
        size: u64,
        restores_bytes: bool,
        compress: Speed,
        decompress: Speed,
        training: Vec<(u64, u32)>,
    ) -> Self {
        Self::Done(Box::new(Figures {
            files: 1,
            original,
            size,
            ratio: original as f64 / size as f64,
            bits_per_byte: if original == 0 { 0.0 } else { 8.0 * size as f64 / original as f64 },
            relative_size: None,
            restores_bytes,
            compress,
            decompress,
            training,
        }))
    }

    /// The figures, if there are any.
    pub fn figures(&self) -> Option<&Figures> {
        if let Self::Done(figures) = self { Some(figures) } else { None }
    }

    /// In a word or two, and at length, why there are none.
    pub fn excuse(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Done(_) => None,
            Self::Missing(why) => Some(("not installed", why)),
            Self::Failed(why) => Some(("failed", why)),
            Self::Wrong(why) => Some(("wrong bytes", why)),
        }
    }
}

/// Sorts the rows, smallest first and failures last, and says how large each is beside the first nncz.
pub fn finish(mut rows: Vec<Row>) -> Vec<Row> {
    let size = |row: &Row| row.outcome.figures().map(|figures| figures.size);
    let reference = rows.iter().find(|row| row.is_nncz).and_then(size);
    for row in &mut rows {
        if let (Outcome::Done(figures), Some(reference)) = (&mut row.outcome, reference) {
            figures.relative_size = Some(figures.size as f64 / reference as f64);
        }
    }
    rows.sort_by_key(|row| size(row).unwrap_or(u64::MAX));
    rows
}

/// The files together.
pub fn summary(name: &str, files: &[&FileReport]) -> Summary {
    let mut rows: Vec<Row> = Vec::new();
    for row in files.iter().flat_map(|file| &file.rows) {
        if !rows.iter().any(|known| known.contender == row.contender) {
            rows.push(Row { outcome: together(&row.contender, files), ..row.clone() });
        }
    }
    rows.sort_by_key(|row| row.outcome.figures().map_or(u64::MAX, |figures| figures.size));
    Summary { name: name.to_owned(), files: files.len(), bytes: files.iter().map(|file| file.bytes).sum(), rows }
}

/// A contender's figures over those of the files on which it did not fail.
fn together(contender: &str, files: &[&FileReport]) -> Outcome {
    let of =
        |file: &&FileReport| file.rows.iter().find(|row| row.contender == contender).map(|row| row.outcome.clone());
    let all: Vec<Outcome> = files.iter().filter_map(of).collect();
    let done: Vec<&Figures> = all.iter().filter_map(Outcome::figures).collect();
    let (Some(first), original) = (done.first(), done.iter().map(|figures| figures.original).sum()) else {
        return all.into_iter().next().unwrap_or(Outcome::Failed("no file".to_owned()));
    };
    let size = done.iter().map(|figures| figures.size).sum();
    let speed = |of: fn(&Figures) -> &Speed| {
        let sum = |value: fn(&Speed) -> f64| done.iter().map(|figures| value(of(figures))).sum();
        let memory = done.iter().map(|figures| of(figures).memory).max().unwrap_or(0);
        Speed::new(sum(|speed| speed.seconds), sum(|speed| speed.processor_seconds), memory, original)
    };
    let (compress, decompress) = (speed(|figures| &figures.compress), speed(|figures| &figures.decompress));
    let Outcome::Done(mut figures) = Outcome::done(original, size, first.restores_bytes, compress, decompress, vec![])
    else {
        unreachable!("done gives figures")
    };
    let reference = |figures: &Figures| Some(figures.size as f64 / figures.relative_size?);
    let references: Option<Vec<f64>> = done.iter().map(|figures| reference(figures)).collect();
    figures.relative_size = references.map(|references| size as f64 / references.iter().sum::<f64>());
    figures.files = done.len();
    Outcome::Done(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contender: &str, original: u64, size: u64, seconds: f64) -> Row {
        let cost = Cost { wall: seconds, processor: seconds, memory: size, training: vec![] };
        let speed = Speed::median(&[&cost], original);
        let outcome = Outcome::done(original, size, true, speed, speed, vec![]);
        Row { contender: contender.to_owned(), is_nncz: contender == "nncz", outcome }
    }

    fn file(rows: Vec<Row>) -> FileReport {
        FileReport { name: "file".to_owned(), kind: "table", bytes: 1000, beginning_of: None, rows: finish(rows) }
    }

    #[test]
    fn totals_are_of_the_files_on_which_a_contender_did_not_fail() {
        let missing = Row { outcome: Outcome::Missing("gone".to_owned()), ..row("xz", 1, 1, 1.0) };
        let first = file(vec![row("nncz", 1000, 100, 1.0), row("xz", 1000, 300, 0.5)]);
        let second = file(vec![missing, row("nncz", 3000, 200, 4.0)]);
        let total = summary("all", &[&first, &second]);
        let figures: Vec<_> = total.rows.iter().map(|row| row.outcome.figures().unwrap()).collect();
        assert_eq!(total.rows[0].contender, "nncz");
        assert_eq!((figures[0].files, figures[0].original, figures[0].size), (2, 4000, 300));
        assert!((figures[0].compress.megabytes_per_second - 0.0008).abs() < 1e-9);
        assert_eq!((figures[1].files, figures[1].original, figures[1].size), (1, 1000, 300));
        assert_eq!((figures[0].relative_size, figures[1].relative_size), (Some(1.0), Some(3.0)));
    }

    #[test]
    fn medians_are_of_sorted_runs() {
        let costs =
            [3.0, 1.0, 2.0].map(|wall| Cost { wall, processor: 2.0 * wall, memory: wall as u64, training: vec![] });
        let speed = Speed::median(&costs.each_ref(), 4_000_000);
        assert_eq!((speed.seconds, speed.processor_seconds, speed.memory), (2.0, 4.0, 3));
        assert_eq!(speed.megabytes_per_second, 2.0);
        assert_eq!(Speed::median(&[&costs[0], &costs[1]], 1).seconds, 2.0);
    }
}
