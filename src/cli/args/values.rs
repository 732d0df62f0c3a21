//! Values that a person types: levels, durations, networks, sizes, ranges, threads.

use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use nncz::{NetworkChoice, Parity, Resources, limits};

/// `--threads`.
#[derive(Clone, Copy, Debug, Args)]
pub struct Threads {
    /// Threads to work with; 0: one per core
    #[arg(
        short = 'T',
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        env = "NNCZ_THREADS",
        hide_env_values = true
    )]
    threads: usize,
}

impl Threads {
    /// The number asked for, or one per core.
    pub fn count(self) -> NonZeroUsize {
        NonZeroUsize::new(self.threads).unwrap_or_else(|| Resources::default().threads)
    }
}

/// `--threads` and `--memory-limit`.
#[derive(Clone, Copy, Debug, Args)]
pub struct Machine {
    #[command(flatten)]
    threads: Threads,
    /// Most memory to take, as 4GiB; 0: any; else half
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory_limit: Option<u64>,
}

impl Machine {
    /// What was asked for, or what is usual.
    pub fn resources(self) -> Resources {
        let memory = match self.memory_limit {
            None => Resources::default().memory,
            Some(0) => u64::MAX,
            Some(limit) => limit,
        };
        Resources { threads: self.threads.count(), memory }
    }
}

/// `-1` … `-9` or `--level N`, the last one given; else `NNCZ_LEVEL`.
#[derive(Clone, Copy, Debug)]
pub struct Level(pub u8);

const LEVELS: [(&str, char); 9] =
    [("1", '1'), ("2", '2'), ("3", '3'), ("4", '4'), ("5", '5'), ("6", '6'), ("7", '7'), ("8", '8'), ("9", '9')];

impl Args for Level {
    fn augment_args(command: Command) -> Command {
        let level = Arg::new("level")
            .long("level")
            .value_name("N")
            .help("1 (fastest) … 9 (smallest), also as -1 … -9; else 6")
            .env("NNCZ_LEVEL")
            .hide_env_values(true)
            .value_parser(clap::value_parser!(u8).range(1..=9));
        LEVELS.iter().fold(command.arg(level), |command, &(name, flag)| {
            command.arg(Arg::new(name).short(flag).action(ArgAction::Count).hide(true))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Level {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_typed = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let last_place = |name: &str| matches.indices_of(name).and_then(Iterator::last).unwrap_or(0);
        let flags = (1..).zip(LEVELS).filter(|(_, (name, _))| is_typed(name));
        let flags = flags.map(|(level, (name, _))| (last_place(name), level));
        let option = matches.get_one::<u8>("level").copied();
        let typed = option.filter(|_| is_typed("level")).map(|level| (last_place("level"), level));
        let typed = flags.chain(typed).max().map(|(_, level)| level);
        Ok(Self(typed.or(option).unwrap_or(nncz::DEFAULT_LEVEL)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `auto`, `none`, or a width that a network can have.
pub fn network(text: &str) -> Result<NetworkChoice, String> {
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
pub fn duration(text: &str) -> Result<Duration, String> {
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

/// `vital`, `none`, or whole hundredths: `5%`.
pub fn parity(text: &str) -> Result<Parity, String> {
    let share = text.strip_suffix('%').and_then(|number| number.parse().ok());
    match (text, share) {
        ("vital", _) => Ok(Parity::Vital),
        ("none", _) => Ok(Parity::None),
        (_, Some(percent @ 1..=100)) => Ok(Parity::Whole(percent)),
        _ => Err("vital, none, or a share from 1% to 100% is wanted".to_owned()),
    }
}

pub fn block_size(text: &str) -> Result<NonZeroU64, String> {
    let range = 1 << 10..=limits::BLOCK_LENGTH;
    let size = NonZeroU64::new(size(text)?).filter(|size| range.contains(&size.get()));
    size.ok_or_else(|| "a size from 1KiB to 128MiB is wanted".to_owned())
}

/// Bytes, with a decimal or binary unit or without: `4096`, `64k` (of 1024), `500kB` (of 1000), `10MiB`.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes is wanted, as in 4096, 64k, 500kB, 20MB or 1GiB".to_owned();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

/// `A..B`, `A..`, `..B` or `A..+N`: the start, and where the end is or how much is wanted.
fn ends<'a>(text: &'a str) -> Result<(Option<u64>, Option<u64>, bool), String> {
    let (start, end) = text.split_once("..").ok_or("a start and an end are wanted, as in 100..200 or 100..+50")?;
    let (end, is_length) = end.strip_prefix('+').map_or((end, false), |length| (length, true));
    let number = |text: &'a str| if text.is_empty() { Ok(None) } else { size(text).map(Some) };
    if is_length && end.is_empty() {
        return Err("a number is wanted after the +".to_owned());
    }
    Ok((number(start)?, number(end)?, is_length))
}

pub fn byte_range(text: &str) -> Result<Range<u64>, String> {
    let (start, end, is_length) = ends(text)?;
    let start = start.unwrap_or(0);
    let end = end.map_or(u64::MAX, |end| if is_length { start.saturating_add(end) } else { end });
    if start > end { Err("the end lies before the start".to_owned()) } else { Ok(start..end) }
}

pub fn line_range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (start, end, is_length) = ends(text)?;
    let start = start.unwrap_or(1);
    let end = end.map_or(u64::MAX, |end| if is_length { start.saturating_add(end).saturating_sub(1) } else { end });
    match start {
        0 => Err("lines are counted from 1".to_owned()),
        _ if !is_length && start > end => Err("the end lies before the start".to_owned()),
        _ => Ok(start..=end),
    }
}

/// A number of runs.
#[cfg(feature = "reports")]
pub fn repeat(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| (1..=1000).contains(number)).ok_or_else(|| "1 to 1000 is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("10", 10),
            ("7b", 7),
            ("64k", 65_536),
            ("1KiB", 1024),
            ("2kB", 2000),
            ("20MB", 20_000_000),
            ("3GiB", 3 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "k", "1.5M", "-1", "1x", "1Bi", "5mib2", "99999999T", "99999999999GB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(block_size("64k"), Ok(NonZeroU64::new(65_536).unwrap()));
        assert!(block_size("0").is_err() && block_size("129MiB").is_err());
    }

    #[test]
    fn ranges_have_an_end_or_a_length() {
        assert_eq!(byte_range("10MiB..+1MiB"), Ok(10 << 20..11 << 20));
        assert_eq!(byte_range("5..7"), Ok(5..7));
        assert_eq!(byte_range(".."), Ok(0..u64::MAX));
        assert_eq!(line_range("5..7"), Ok(5..=7));
        assert_eq!(line_range("5..+2"), Ok(5..=6));
        assert_eq!(line_range("..3"), Ok(1..=3));
        for wrong in ["", "5", "7..5", "a..b", "1..+", "0..3"] {
            assert!(line_range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parity_is_a_share() {
        assert_eq!(parity("vital"), Ok(Parity::Vital));
        assert_eq!(parity("5%"), Ok(Parity::Whole(5)));
        assert_eq!(parity("none"), Ok(Parity::None));
        for wrong in ["5", "0%", "101%", "-1%", "much"] {
            assert!(parity(wrong).is_err(), "{wrong}");
        }
    }
}
