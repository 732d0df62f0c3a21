//! `nncz bench`: other compressors and nncz on a person's own files, side by side.

mod codecs;
mod contender;
mod job;
mod kind;
mod machine;
mod measure;
mod page;
#[cfg(feature = "parquet")]
mod parquet;
mod results;
mod table;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tempfile::NamedTempFile;

use super::args::Bench;
use super::files::{Place, Source};
use super::{Session, report_file};
use contender::Contender;
use machine::Machine;
use measure::Subject;
use results::{FileReport, Report, Row, finish, summary};

pub use contender::{Choice, Contender as Rival};
pub use job::Job;

impl Session {
    /// Measures every contender on every file and shows the tables; returns the exit code.
    pub fn bench(&self, args: &Bench) -> Result<u8> {
        let html = args.html.as_deref().map(|path| report_file::Report::create(path, args.force)).transpose()?;
        let contenders = contenders(args);
        let (mut files, mut worst) = (Vec::new(), 0);
        for path in &args.files {
            let place = Place::input(path);
            match self.bench_file(&place, args, &contenders) {
                Ok(file) => files.push(file),
                Err(error) => worst = worst.max(self.fail(&place.name("standard input"), &error)),
            }
            if self.interrupt.is_requested() {
                return Ok(worst);
            }
        }
        let failed = files.iter().flat_map(|file| &file.rows).any(|row| row.outcome.excuse().is_some());
        if !files.is_empty() {
            let report = report(args, files);
            let text = match (args.json, args.markdown) {
                (true, _) => serde_json::to_string_pretty(&report)? + "\n",
                (_, true) => table::markdown(&report),
                _ => table::text(&report),
            };
            super::print(&text)?;
            if let Some(html) = html {
                html.publish(&page::page(&report)?)?;
            }
        }
        Ok(worst.max(u8::from(failed)))
    }

    fn bench_file(&self, place: &Place, args: &Bench, contenders: &[Contender]) -> Result<FileReport> {
        let input = Input::of(place, args.limit)?;
        let name = place.name("standard input");
        let bar = self.line(&name);
        let subject = Subject {
            path: &input.path,
            length: input.length,
            threads: args.threads.count().get(),
            repeat: args.repeat,
            interrupt: &self.interrupt,
            announce: &|text| bar.set_message(text.to_owned()),
        };
        let mut rows = Vec::new();
        for contender in contenders {
            let outcome = self.interrupt.during(|| subject.measure(contender));
            let outcome = outcome.inspect_err(|_| bar.finish_and_clear())?;
            rows.push(Row { contender: contender.title(), is_nncz: contender.is_nncz(), outcome });
        }
        bar.finish_and_clear();
        let kind = kind::of(&input.path, place.path().unwrap_or(Path::new("")))?;
        let beginning_of = (input.length < input.whole).then_some(input.whole);
        Ok(FileReport { name, kind, bytes: input.length, beginning_of, rows: finish(rows) })
    }

    /// A line on the terminal that says what is going on.
    fn line(&self, name: &str) -> ProgressBar {
        if self.talk.quiet || self.talk.no_progress {
            return ProgressBar::hidden();
        }
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        let style = ProgressStyle::with_template("{prefix}: {msg} {elapsed}");
        line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        line.set_prefix(name.to_owned());
        line.enable_steady_tick(Duration::from_millis(500));
        line
    }
}

/// nncz at each level asked for, then the rivals.
fn contenders(args: &Bench) -> Vec<Contender> {
    let mut contenders: Vec<Contender> = args.levels.iter().map(|&level| Contender::nncz(level)).collect();
    contenders.extend(match args.vs.is_empty() {
        true => Choice::in_process(),
        false => Choice::contenders(&args.vs),
    });
    contenders.extend(args.vs_command.iter().cloned());
    contenders
}

fn report(args: &Bench, files: Vec<FileReport>) -> Report {
    let all: Vec<&FileReport> = files.iter().collect();
    let mut names: Vec<&str> = all.iter().map(|file| file.kind).collect();
    names.sort();
    names.dedup();
    let of_kind = |kind: &&str| {
        let files: Vec<&FileReport> = files.iter().filter(|file| file.kind == *kind).collect();
        summary(kind, &files)
    };
    let kinds = if names.len() > 1 { names.iter().map(of_kind).collect() } else { vec![] };
    let total = (all.len() > 1).then(|| summary("all files", &all));
    Report {
        report: "nncz bench",
        version: results::VERSION,
        machine: Machine::here(),
        repeat: args.repeat,
        threads: args.threads.count().get(),
        total,
        kinds,
        files,
    }
}

/// A file as children can open it.
struct Input {
    path: PathBuf,
    length: u64,
    /// The length of the file that it is the beginning of.
    whole: u64,
    _copy: Option<NamedTempFile>,
}

impl Input {
    /// The file itself, or a copy: of its first `limit` bytes, or of what is not a regular file.
    fn of(place: &Place, limit: Option<u64>) -> Result<Self> {
        let source = Source::open(place)?;
        let content = source.content()?;
        let whole = content.len() as u64;
        let length = limit.map_or(whole, |limit| limit.min(whole));
        match place {
            Place::Path(path) if source.is_regular() && length == whole => {
                let path = path.canonicalize().context("cannot find it")?;
                File::open(&path).and_then(|mut file| file.read(&mut [0])).context("cannot read it")?;
                Ok(Self { path, length, whole, _copy: None })
            }
            _ => {
                super::files::check_space(&std::env::temp_dir(), length)?;
                let mut copy = tempfile::Builder::new().prefix("nncz-bench-").tempfile()?;
                copy.write_all(&content[..length as usize]).context("cannot copy it into a temporary file")?;
                Ok(Self { path: copy.path().to_owned(), length, whole, _copy: Some(copy) })
            }
        }
    }
}
