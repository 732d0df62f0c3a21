//! Values that a person types: levels, durations, networks, threads.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use nncz::{NetworkChoice, Options, limits};

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
        NonZeroUsize::new(self.threads).unwrap_or_else(|| Options::default().threads)
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

/// Bytes with a decimal or binary unit: `500kB`, `20MB`, `1GiB`, `4096`.
#[cfg(feature = "reports")]
pub fn size(text: &str) -> Result<u64, String> {
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
}
