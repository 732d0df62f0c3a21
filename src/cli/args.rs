//! The command line's words, read into what the commands need.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, Command as ClapCommand, FromArgMatches, Parser, Subcommand, ValueEnum};
use nncz::{Device, NetworkChoice, Options, limits};

#[cfg(feature = "reports")]
use super::bench::{Choice, Rival};

/// Everything that a person typed.
#[derive(Debug, Parser)]
#[command(name = "nncz", version, about, long_about = None, max_term_width = 100, args_override_self = true, arg_required_else_help = true)]
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
    /// Decode each archive without writing anything, to see whether it is sound
    #[command(visible_alias = "t")]
    Test(Test),
    /// Show what each archive holds and where its bytes go
    #[command(visible_alias = "i")]
    Info(Info),
    /// Compare nncz with other compressors on each FILE
    #[cfg(feature = "reports")]
    #[command(visible_alias = "b")]
    Bench(Bench),
    /// One direction of one contender, in a process of its own
    #[cfg(feature = "reports")]
    #[command(hide = true)]
    BenchJob {
        /// What to do, in JSON
        job: String,
    },
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
}

/// `nncz compress`.
#[derive(Debug, Args)]
pub struct Compress {
    /// What to compress; - or nothing: standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub level: Level,
    #[command(flatten)]
    pub threads: Threads,
    /// Which network to train: auto (as the level says, kept if it pays), none, or one of this width, kept anyway
    #[arg(long, value_name = "WIDTH", default_value = "auto", value_parser = network)]
    pub network: NetworkChoice,
    /// Train for about as long as this: 90s, 10m, 1h30m [default: as the level says]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub time: Option<Duration>,
    /// Save the state of training beside the output, as FILE.nncz.training, and go on from there if it stopped
    #[arg(long)]
    pub resume: bool,
    /// Start of the random numbers that training draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Where to train: on the CPU, on an NVIDIA GPU, or on a GPU if there is one
    #[arg(long, value_enum, value_name = "DEVICE", default_value_t = DeviceName::Auto)]
    pub device: DeviceName,
}

/// `nncz decompress`.
#[derive(Debug, Args)]
pub struct Decompress {
    /// What to restore; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub threads: Threads,
}

/// `nncz test`.
#[derive(Debug, Args)]
pub struct Test {
    /// What to test; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub threads: Threads,
}

/// `nncz info`.
#[derive(Debug, Args)]
pub struct Info {
    /// What to describe; - or nothing: standard input
    #[arg(value_name = "FILE.nncz")]
    pub files: Vec<PathBuf>,
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

/// Where the output goes, and what becomes of the source.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// Write to this file; -: standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "stdout")]
    pub output: Option<PathBuf>,
    /// Write to standard output
    #[arg(short = 'c', long)]
    pub stdout: bool,
    /// Overwrite the output, write to a terminal, compress an archive again
    #[arg(short, long)]
    pub force: bool,
    /// Keep the source (the default)
    #[arg(short, long, overrides_with = "rm")]
    pub keep: bool,
    /// Remove the source once its output is complete, checked and on the disk
    #[arg(long, conflicts_with = "stdout", overrides_with = "keep")]
    pub rm: bool,
}

/// `--threads`.
#[derive(Clone, Copy, Debug, Args)]
pub struct Threads {
    /// Threads to work with; 0: one per core
    #[arg(short = 'T', long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

impl Threads {
    /// The number asked for, or one per core.
    pub fn count(self) -> NonZeroUsize {
        NonZeroUsize::new(self.threads).unwrap_or_else(|| Options::default().threads)
    }
}

/// The names of [`Device`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceName {
    Cpu,
    Cuda,
    Auto,
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
            threads: self.threads.count(),
            network: self.network,
            time: self.time,
            seed: self.seed,
            device,
            checkpoint,
        }
    }
}

/// `-1` … `-9` or `--level N`; the last one given counts.
#[derive(Clone, Copy, Debug)]
pub struct Level(u8);

const LEVELS: [(&str, char); 9] =
    [("1", '1'), ("2", '2'), ("3", '3'), ("4", '4'), ("5", '5'), ("6", '6'), ("7", '7'), ("8", '8'), ("9", '9')];

impl Args for Level {
    fn augment_args(command: ClapCommand) -> ClapCommand {
        let level = Arg::new("level")
            .long("level")
            .value_name("N")
            .help("How hard to try, also as -1 (fastest) … -9 (smallest) [default: 6]")
            .value_parser(clap::value_parser!(u8).range(1..=9));
        LEVELS.iter().fold(command.arg(level), |command, &(name, flag)| {
            command.arg(Arg::new(name).short(flag).action(ArgAction::Count).hide(true))
        })
    }

    fn augment_args_for_update(command: ClapCommand) -> ClapCommand {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Level {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |name: &str| matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine);
        let last_place = |name: &str| matches.indices_of(name).and_then(Iterator::last).unwrap_or(0);
        let flags = (1..).zip(LEVELS).filter(|(_, (name, _))| typed(name));
        let flags = flags.map(|(level, (name, _))| (last_place(name), level));
        let option = matches.get_one::<u8>("level").map(|&level| (last_place("level"), level));
        Ok(Self(flags.chain(option).max().map_or(nncz::DEFAULT_LEVEL, |(_, level)| level)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `auto`, `none`, or a width that a network can have.
fn network(text: &str) -> Result<NetworkChoice, String> {
    match text {
        "auto" => Ok(NetworkChoice::Auto),
        "none" => Ok(NetworkChoice::None),
        width => match width.parse() {
            Ok(width) if (1..=limits::NETWORK_STREAM).contains(&usize::from(width)) && width % 16 == 0 => {
                Ok(NetworkChoice::Width(width))
            }
            _ => Err(format!("auto, none or a multiple of 16 up to {} is wanted", limits::NETWORK_STREAM)),
        },
    }
}

/// Whole numbers with units, largest first or not: `1h30m`, `90s`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number with a unit is wanted, as in 90s, 10m or 1h30m".to_owned();
    let mut seconds = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let mut characters = rest[digits..].chars();
        let unit = match characters.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            _ => return Err(wrong()),
        };
        seconds = number.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        rest = characters.as_str();
    }
    if seconds == 0 { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

/// Bytes with a decimal or binary unit: `500kB`, `20MB`, `1GiB`, `4096`.
#[cfg(feature = "reports")]
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes is wanted, as in 4096, 500kB, 20MB or 1GiB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).filter(|&bytes| bytes > 0).ok_or_else(wrong)
}

/// A number of runs.
#[cfg(feature = "reports")]
fn repeat(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| (1..=1000).contains(number)).ok_or_else(|| "1 to 1000 is wanted".to_owned())
}

#[cfg(test)]
mod tests {
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
    fn durations_need_units() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1h30m"), Ok(5400));
        for wrong in ["", "10", "m", "1d", "-5s", "1.5h", "0s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[cfg(feature = "reports")]
    #[test]
    fn sizes_have_decimal_and_binary_units() {
        for (text, bytes) in [("1", 1), ("500kB", 500_000), ("20MB", 20_000_000), ("3m", 3_000_000), ("1GiB", 1 << 30)]
        {
            assert_eq!(size(text), Ok(bytes));
        }
        for wrong in ["", "0", "MB", "1.5MB", "1TB", "-1", "99999999999999999999", "99999999999GB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
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
        assert_eq!(options("--threads 0").threads, Options::default().threads);
        assert_eq!(options("").threads, Options::default().threads);
        assert_eq!(options("-T3").threads.get(), 3);
    }
}
