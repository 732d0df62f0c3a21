//! The command line's words, read into what the commands need.

mod values;

use std::io::{self, IsTerminal};
use std::num::NonZeroU64;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nncz::{Device, NetworkChoice, Options, Parity, Part};

#[cfg(feature = "reports")]
use self::values::Threads;
pub use self::values::{Level, Machine};
use self::values::{block_size, byte_range, duration, line_range, network, parity};
#[cfg(feature = "reports")]
use self::values::{repeat, size};
#[cfg(feature = "reports")]
use super::bench::{Choice, Rival};
use super::files::Place;

/// Everything that a person typed.
#[derive(Debug, Parser)]
#[command(
    name = "nncz",
    version,
    about = "Compress large structured files, very small and for years",
    long_about = None,
    max_term_width = 100,
    args_override_self = true,
    arg_required_else_help = true,
    after_help = if cfg!(feature = "manual") {
        "`nncz help COMMAND` has the options of each, `nncz man` prints the whole manual."
    } else {
        "`nncz help COMMAND` has the options of each."
    }
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub talk: Talk,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compress each FILE to FILE.nncz
    #[command(visible_alias = "c")]
    Compress(Compress),
    /// Restore each FILE.nncz to FILE
    #[command(visible_alias = "d")]
    Decompress(Decompress),
    /// Restore to standard output, as nnczcat does
    Cat(Cat),
    /// Decode each archive to see whether it is sound
    #[command(visible_alias = "t")]
    Test(Test),
    /// Restore what is left of each damaged archive
    Salvage(Salvage),
    /// Write each damaged archive anew, if nothing is lost
    Repair(Repair),
    /// Show what is in each archive, and its sizes
    #[command(visible_aliases = ["i", "list"])]
    Info(Info),
    /// Compare nncz with other compressors on each FILE
    #[cfg(feature = "reports")]
    #[command(visible_alias = "b")]
    Bench(Bench),
    /// Show where the bits of an archive go: by column, by position, by row
    #[cfg(feature = "reports")]
    #[command(visible_alias = "x")]
    Explain(Explain),
    /// One direction of one contender, in a process of its own
    #[cfg(feature = "reports")]
    #[command(hide = true)]
    BenchJob {
        /// What to do, in JSON
        job: String,
    },
    /// Print the manual page, for `nncz man | man -l -`
    #[cfg(feature = "manual")]
    #[command(hide = true)]
    Man,
    /// Print the completions for a shell
    #[cfg(feature = "manual")]
    #[command(hide = true)]
    Completions(Completions),
}

/// How much to say; understood before and after the command's name.
#[derive(Clone, Copy, Debug, Args)]
pub struct Talk {
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say what was decided and why
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show no progress
    #[arg(long, global = true)]
    pub no_progress: bool,
}

/// `nncz compress`.
#[derive(Debug, Args)]
pub struct Compress {
    /// What to compress; - or nothing: standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    /// Compress every file in a folder, each on its own
    #[arg(short, long)]
    pub recursive: bool,
    #[command(flatten)]
    pub level: Level,
    #[command(flatten)]
    pub machine: Machine,
    /// Take about so long, checking included: 90s, 10m, 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub time: Option<Duration>,
    /// Say what it would take: time, memory and size
    #[arg(long)]
    pub dry_run: bool,
    /// Keep the state of training, and go on from it
    #[arg(long)]
    pub resume: bool,
    /// Train a network: auto, none, or of this width anyway
    #[arg(long, value_name = "WIDTH", default_value = "auto", value_parser = network)]
    pub network: NetworkChoice,
    /// Parity against damage: vital, none, or as 5%
    #[arg(long, value_name = "SHARE", default_value = "vital", hide_default_value = true, value_parser = parity)]
    pub parity: Parity,
    /// Longest block: the unit of loss and access
    #[arg(long, value_name = "SIZE", value_parser = block_size)]
    pub block_size: Option<NonZeroU64>,
    /// Start of training's random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Where to train: auto, cpu or cuda
    #[arg(long, value_enum, value_name = "DEVICE", default_value_t = DeviceName::Auto, hide_possible_values = true)]
    pub device: DeviceName,
    #[command(flatten)]
    pub report: Report,
}

/// `nncz decompress`.
#[derive(Debug, Args)]
pub struct Decompress {
    /// What to restore; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    /// Only these bytes, to standard output: 0..99, 10MiB..+1MiB
    #[arg(long, value_name = "A..B", value_parser = byte_range)]
    range: Option<Range<u64>>,
    /// Only lines A to B, counted from 1: 1..10, 5000..+20
    #[arg(long, value_name = "A..B", value_parser = line_range, conflicts_with = "range")]
    lines: Option<RangeInclusive<u64>>,
    /// Restore every archive in a folder
    #[arg(short, long)]
    pub recursive: bool,
    #[command(flatten)]
    pub machine: Machine,
    #[command(flatten)]
    pub report: Report,
}

/// `nncz cat`.
#[derive(Debug, Args)]
pub struct Cat {
    /// What to restore; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub machine: Machine,
}

/// `nncz test`.
#[derive(Debug, Args)]
pub struct Test {
    /// What to test; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
    /// Test every archive in a folder
    #[arg(short, long)]
    pub recursive: bool,
    #[command(flatten)]
    pub machine: Machine,
    #[command(flatten)]
    pub report: Report,
}

/// `nncz salvage`.
#[derive(Debug, Args)]
pub struct Salvage {
    /// What to restore; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub output: PlainOutput,
    /// Write this byte, 0…255, in place of each lost one
    #[arg(long, value_name = "BYTE")]
    pub fill: Option<u8>,
    #[command(flatten)]
    pub machine: Machine,
    #[command(flatten)]
    pub report: Report,
}

/// `nncz repair`.
#[derive(Debug, Args)]
pub struct Repair {
    /// What to write anew; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub output: PlainOutput,
    #[command(flatten)]
    pub report: Report,
}

/// Where the output goes.
#[derive(Clone, Debug, Args)]
pub struct PlainOutput {
    /// Write to this file; -: standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "stdout")]
    pub output: Option<PathBuf>,
    /// Write to standard output
    #[arg(short = 'c', long)]
    pub stdout: bool,
    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,
}

impl PlainOutput {
    /// The same with the source kept.
    pub fn keeping(&self) -> Output {
        let Self { output, stdout, force } = self.clone();
        Output { output, stdout, force, keep: true, rm: false }
    }
}

/// `nncz info`.
#[derive(Debug, Args)]
pub struct Info {
    /// What to describe; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
    /// Describe every archive in a folder
    #[arg(short, long)]
    pub recursive: bool,
    #[command(flatten)]
    pub report: Report,
}

/// `nncz bench`.
#[cfg(feature = "reports")]
#[derive(Debug, Args)]
pub struct Bench {
    /// What to compress; -: standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Compare with these, each as NAME or NAME:LEVEL: gzip, bzip2, xz (xz:6, xz:9e), zstd (zstd:19+long), brotli, lz4,
    /// ppmd (ppmd:ORDER), parquet; if they are installed zpaq, bzip3, 7z, 7z-ppmd, brotli-command, kanzi, lrzip, paq8px,
    /// cmix; all: the first seven and everything installed; none [default: the first seven]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = Choice::from_word)]
    pub vs: Vec<Choice>,
    /// Compare with a command: 'NAME=compress {in} {out} ;; decompress {in} {out}'
    #[arg(long, value_name = "COMMAND", value_parser = Rival::from_command)]
    pub vs_command: Vec<Rival>,
    /// Levels of nncz
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "6",
          value_parser = clap::value_parser!(u8).range(1..=9))]
    pub levels: Vec<u8>,
    /// Take only the beginning of each file: 500kB, 20MB, 1GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub limit: Option<u64>,
    /// Measure each N times and take medians
    #[arg(long, value_name = "N", default_value = "1", value_parser = repeat)]
    pub repeat: usize,
    /// Print JSON (docs/bench.md describes it)
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print Markdown
    #[arg(long)]
    pub markdown: bool,
    /// Write a page with the table and plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Overwrite the page
    #[arg(short, long)]
    pub force: bool,
    #[command(flatten)]
    pub threads: Threads,
}

/// `nncz completions`.
#[cfg(feature = "manual")]
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// How a command reports.
#[derive(Clone, Copy, Debug, Args)]
pub struct Report {
    /// Report in JSON on standard output, a line a FILE
    #[arg(long)]
    pub json: bool,
}

/// `nncz explain`.
#[cfg(feature = "reports")]
#[derive(Debug, Args)]
pub struct Explain {
    /// An archive, or a file that is compressed first, only to see; -: standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Surprising rows to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub rows: usize,
    /// Also find what the network, the contexts and the match models would have reached without each other
    #[arg(long)]
    pub ablation: bool,
    /// Print JSON (docs/explain.md describes it)
    #[arg(long)]
    pub json: bool,
    /// Write a page with the table, the curve and the heat map
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Overwrite the page
    #[arg(short, long)]
    pub force: bool,
    #[command(flatten)]
    pub level: Level,
    #[command(flatten)]
    pub machine: Machine,
}

#[cfg(feature = "reports")]
impl Explain {
    /// How to compress a file that is no archive yet.
    pub fn options(&self) -> Options {
        Options { level: self.level.0, resources: self.machine.resources(), ..Options::default() }
    }
}

/// Where the output goes, and what becomes of the source.
#[derive(Clone, Debug, Default, Args)]
pub struct Output {
    /// Write to this file; -: standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "stdout")]
    pub output: Option<PathBuf>,
    /// Write to standard output
    #[arg(short = 'c', long)]
    pub stdout: bool,
    /// Overwrite, write to a terminal, compress an archive
    #[arg(short, long)]
    pub force: bool,
    /// Keep the source (the default)
    #[arg(short, long, overrides_with = "rm")]
    pub keep: bool,
    /// Remove the source once its output is checked
    #[arg(long, conflicts_with = "stdout", overrides_with = "keep")]
    pub rm: bool,
}

/// The names of [`Device`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceName {
    Auto,
    Cpu,
    Cuda,
}

impl Decompress {
    /// Whether the original comes up on the terminal.
    pub fn shows_output(&self) -> bool {
        let Output { output, stdout, .. } = &self.output;
        let is_standard = match output {
            Some(path) => Place::output(path) == Place::Standard,
            None => *stdout || self.part() != Part::All || self.files.iter().all(|file| file.as_os_str() == "-"),
        };
        is_standard && io::stdout().is_terminal()
    }

    /// What is asked for of the original.
    pub fn part(&self) -> Part {
        match (&self.range, &self.lines) {
            (Some(bytes), _) => Part::Bytes(bytes.clone()),
            (None, Some(lines)) => Part::Lines(lines.clone()),
            (None, None) => Part::All,
        }
    }
}

impl Compress {
    /// What the library is asked for.
    pub fn options(&self, checkpoint: Option<PathBuf>) -> Options {
        let device = match self.device {
            DeviceName::Cpu => Device::Cpu,
            DeviceName::Cuda => Device::Cuda,
            DeviceName::Auto => Device::Auto,
        };
        Options {
            level: self.level.0,
            resources: self.machine.resources(),
            network: self.network,
            parity: self.parity,
            block: self.block_size,
            time: self.time,
            seed: self.seed,
            device,
            checkpoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use nncz::Resources;

    use super::*;

    fn options(arguments: &str) -> Options {
        let words = ["nncz", "compress", "file"].into_iter().chain(arguments.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Compress(compress) => compress.options(None),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_words_are_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_last_level_counts() {
        let level = |arguments| options(arguments).level;
        assert_eq!(level(""), 6);
        assert_eq!(level("-1"), 1);
        assert_eq!(level("--level 9"), 9);
        assert_eq!(level("-3 -9 -2"), 2);
        assert_eq!(level("-9 --level 4"), 4);
        assert_eq!(level("--level=4 -qf9"), 9);
        assert_eq!(level("-5 -5"), 5);
        assert!(Arguments::try_parse_from(["nncz", "compress", "--level", "10"]).is_err());
    }

    #[test]
    fn a_network_has_a_width_that_the_format_allows() {
        assert_eq!(options("").network, NetworkChoice::Auto);
        assert_eq!(options("--network none").network, NetworkChoice::None);
        assert_eq!(options("--network 64").network, NetworkChoice::Width(64));
        for wrong in ["0", "40", "528", "-16", "65552", "large"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn zero_threads_means_all() {
        assert_eq!(options("--threads 0").resources, Resources::default());
        assert_eq!(options("").resources, Resources::default());
        assert_eq!(options("-T3").resources.threads.get(), 3);
        assert_eq!(options("--memory-limit 3MiB").resources.memory, 3 << 20);
    }
}
