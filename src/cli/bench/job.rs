//! What a child process does: one direction of one contender, alone, measured from within.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nncz::{Options, Progress, Resources};
use serde::{Deserialize, Serialize};

use super::contender::{Contender, Method};
use crate::cli::files::{Content, Place, Source};

/// One run of a contender.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    pub contender: Contender,
    pub direction: Direction,
    /// The file itself; when decompressing, only its name may matter.
    pub source: PathBuf,
    pub input: PathBuf,
    pub output: PathBuf,
    /// Threads for nncz.
    pub threads: usize,
}

/// Which way a job goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    Compress,
    Decompress,
}

/// What a run took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// Time on the clock, in seconds.
    pub wall: f64,
    /// Time of all processors together, in seconds.
    pub processor: f64,
    /// Most memory at any time, in bytes.
    pub memory: u64,
    /// Where training stood: bytes seen, thousandths of a bit per byte.
    pub training: Vec<(u64, u32)>,
}

/// The exit code of a shell that did not find a command.
const NOT_FOUND: i32 = 127;
/// Said by a child whose command is missing, for the parent to tell from other failures.
pub const MISSING: &str = "not installed";

impl Job {
    /// Runs the job that `text` describes and prints what it cost.
    pub fn run_here(text: &str) -> Result<()> {
        let job: Self = serde_json::from_str(text).context("not a job of nncz bench")?;
        println!("{}", serde_json::to_string(&job.run()?)?);
        Ok(())
    }

    fn run(&self) -> Result<Cost> {
        let who = match self.contender.method {
            Method::Command { .. } => UsageWho::RUSAGE_CHILDREN,
            _ => UsageWho::RUSAGE_SELF,
        };
        let processor_before = processor_seconds(&getrusage(who)?);
        let start = Instant::now();
        let training = self.work()?;
        let wall = start.elapsed().as_secs_f64();
        let usage = getrusage(who)?;
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        let memory = usage.max_rss() as u64 * unit;
        Ok(Cost { wall, processor: processor_seconds(&usage) - processor_before, memory, training })
    }

    /// Does the work; returns the curve of a training.
    fn work(&self) -> Result<Vec<(u64, u32)>> {
        match &self.contender.method {
            Method::Nncz { level } => return self.nncz(*level),
            Method::InProcess { codec, level, long } => {
                let mut input = File::open(&self.input)?;
                let length = input.metadata()?.len();
                let mut output = BufWriter::with_capacity(1 << 18, File::create(&self.output)?);
                match self.direction {
                    Direction::Compress => codec.compress(*level, *long, &mut input, length, &mut output)?,
                    Direction::Decompress => drop(codec.decompress(*level, input, &mut output)?),
                }
                output.flush()?;
            }
            Method::Command { compress, decompress, .. } => {
                let line = if self.direction == Direction::Compress { compress } else { decompress };
                self.shell(line)?;
            }
            #[cfg(feature = "parquet")]
            Method::Parquet { level } => match self.direction {
                Direction::Compress => super::parquet::compress(&self.input, &self.output, *level)?,
                Direction::Decompress => super::parquet::decompress(&self.input, &self.output)?,
            },
            #[cfg(not(feature = "parquet"))]
            Method::Parquet { .. } => bail!("this build has no Parquet: it was made without the feature \"parquet\""),
        }
        Ok(vec![])
    }

    /// As `nncz compress` does it, the comparison at the end included.
    fn nncz(&self, level: u8) -> Result<Vec<(u64, u32)>> {
        let content = Source::open(&Place::Path(self.input.clone()))?.content()?;
        let usual = Resources::default();
        let resources = Resources { threads: NonZeroUsize::new(self.threads).unwrap_or(usual.threads), ..usual };
        let options = Options { level, resources, ..Options::default() };
        let curve = Curve::default();
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&self.output)?;
        let mut sink = BufWriter::new(&file);
        match self.direction {
            Direction::Compress => {
                let proof = nncz::compress(&content, &options, &mut sink, &curve)?.proof;
                sink.flush()?;
                nncz::verify(&Content::map(&file)?, &content, &proof, &resources, &curve)?;
            }
            Direction::Decompress => {
                nncz::decompress(&content, &resources, &mut sink, &curve)?;
                sink.flush()?;
            }
        }
        Ok(curve.0.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn shell(&self, line: &str) -> Result<()> {
        let line = line
            .replace("{in}", &quoted(&self.input)?)
            .replace("{out}", &quoted(&self.output)?)
            .replace("{source}", &quoted(&self.source)?);
        let mut command = Command::new("sh");
        command.arg("-c").arg(&line).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status().context("cannot run the shell")?;
        ensure!(status.code() != Some(NOT_FOUND), MISSING);
        if !status.success() {
            bail!("{line}: {status}");
        }
        Ok(())
    }
}

/// A path as a word for the shell.
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(format!("'{}'", text.replace('\'', "'\\''")))
}

fn processor_seconds(usage: &Usage) -> f64 {
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Writes down how training goes.
#[derive(Default)]
struct Curve(Mutex<Vec<(u64, u32)>>);

/// Most points of a training curve.
const POINTS: usize = 400;

impl Progress for Curve {
    fn training(&self, bytes: u64, millibits: u32) {
        let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        points.push((bytes, millibits));
        if points.len() > 2 * POINTS {
            let mut number = 0;
            points.retain(|_| {
                number += 1;
                number % 2 == 0
            });
        }
    }
}

/// How long to wait between two looks at a child.
pub const LOOK: Duration = Duration::from_millis(5);
