//! Who takes part: `--vs LIST`, `--vs-command` and `--levels`, read into contenders.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::codecs::Codec;

/// One row of the table: a compressor at one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contender {
    /// Its name, as in `--vs`.
    pub name: String,
    /// Its level and options, as in `--vs` after the colon; empty if it has none.
    pub settings: String,
    /// How it is run.
    pub method: Method,
}

/// How a contender is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// This program's own library.
    Nncz { level: u8 },
    /// A crate, in process.
    InProcess { codec: Codec, level: u32, long: bool },
    /// Two lines for the shell, with `{in}`, `{out}` and `{source}` to be filled in.
    Command { program: Option<String>, compress: String, decompress: String },
    /// Apache Parquet with zstd, which keeps a table's values but not its bytes.
    Parquet { level: i32 },
}

/// What one word of `--vs` asks for.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Every rival in process, and every known command that is installed.
    All,
    /// Nobody but nncz.
    None,
    /// This one.
    One(Contender),
}

/// A compressor that is run as a command if it is installed.
struct KnownCommand {
    name: &'static str,
    /// What it may be called, the likeliest first.
    programs: &'static [&'static str],
    levels: Option<(RangeInclusive<u32>, u32)>,
    compress: &'static str,
    decompress: &'static str,
}

/// Commands that are known, each at its strongest level by default.
const COMMANDS: [KnownCommand; 9] = [
    KnownCommand {
        name: "zpaq",
        programs: &["zpaq"],
        levels: Some((0..=5, 5)),
        compress: "zpaq add {out}.zpaq {in} -method {level} && mv {out}.zpaq {out}",
        decompress: "ln {in} {in}.zpaq && zpaq extract {in}.zpaq {source} -to {out}; rm {in}.zpaq",
    },
    KnownCommand {
        name: "bzip3",
        programs: &["bzip3"],
        levels: Some((1..=511, 128)),
        compress: "bzip3 -e -b {level} -c {in} > {out}",
        decompress: "bzip3 -d -c {in} > {out}",
    },
    KnownCommand {
        name: "7z",
        programs: &["7z", "7zz"],
        levels: Some((0..=9, 9)),
        compress: "{program} a -t7z -mx={level} {out}.7z {in} && mv {out}.7z {out}",
        decompress: "{program} x -so {in} > {out}",
    },
    KnownCommand {
        name: "7z-ppmd",
        programs: &["7z", "7zz"],
        levels: Some((1..=9, 9)),
        compress: "{program} a -t7z -m0=ppmd -mx={level} {out}.7z {in} && mv {out}.7z {out}",
        decompress: "{program} x -so {in} > {out}",
    },
    KnownCommand {
        name: "brotli-command",
        programs: &["brotli"],
        levels: Some((0..=11, 11)),
        compress: "brotli -q {level} -c {in} > {out}",
        decompress: "brotli -d -c {in} > {out}",
    },
    KnownCommand {
        name: "kanzi",
        programs: &["kanzi"],
        levels: Some((0..=9, 9)),
        compress: "kanzi -c -f -l {level} -i {in} -o {out}",
        decompress: "kanzi -d -f -i {in} -o {out}",
    },
    KnownCommand {
        name: "lrzip",
        programs: &["lrzip"],
        levels: Some((1..=9, 9)),
        compress: "lrzip -z -L {level} -o {out} {in}",
        decompress: "lrzip -d -o {out} {in}",
    },
    KnownCommand {
        name: "paq8px",
        programs: &["paq8px"],
        levels: Some((1..=12, 12)),
        compress: "paq8px -{level} {in} {out}",
        decompress: "paq8px -d {in} {out}",
    },
    KnownCommand {
        name: "cmix",
        programs: &["cmix"],
        levels: None,
        compress: "cmix -c {in} {out}",
        decompress: "cmix -d {in} {out}",
    },
];

impl KnownCommand {
    /// The name that it is installed under, if it is.
    fn installed(&self) -> Option<&'static str> {
        self.programs.iter().copied().find(|program| is_installed(program))
    }
}

impl Contender {
    /// nncz itself at a level.
    pub fn nncz(level: u8) -> Self {
        Self { name: "nncz".to_owned(), settings: level.to_string(), method: Method::Nncz { level } }
    }

    /// The name with the settings, as `--vs` takes them.
    pub fn title(&self) -> String {
        if self.settings.is_empty() { self.name.clone() } else { format!("{}:{}", self.name, self.settings) }
    }

    /// Whether it gives every byte back.
    pub fn restores_bytes(&self) -> bool {
        !matches!(self.method, Method::Parquet { .. })
    }

    /// Whether it is nncz itself.
    pub fn is_nncz(&self) -> bool {
        matches!(self.method, Method::Nncz { .. })
    }

    fn in_process(codec: Codec, level: u32, long: bool) -> Self {
        let settings = codec.settings(level, long);
        Self { name: codec.name().to_owned(), settings, method: Method::InProcess { codec, level, long } }
    }

    fn known(command: &KnownCommand, level: Option<u32>) -> Self {
        let settings = level.map_or(String::new(), |level| level.to_string());
        let program = command.installed().unwrap_or(command.programs[0]);
        let fill = |line: &str| line.replace("{level}", &settings).replace("{program}", program);
        let (compress, decompress) = (fill(command.compress), fill(command.decompress));
        let program = Some(program.to_owned());
        Self { name: command.name.to_owned(), settings, method: Method::Command { program, compress, decompress } }
    }

    /// `NAME=compress {in} {out} ;; decompress {in} {out}`.
    pub fn from_command(text: &str) -> Result<Self, String> {
        let wrong = || "NAME=compress {in} {out} ;; decompress {in} {out} is wanted".to_owned();
        let (name, lines) = text.split_once('=').ok_or_else(wrong)?;
        let (compress, decompress) = lines.split_once(";;").ok_or_else(wrong)?;
        let has_both = |line: &str| line.contains("{in}") && line.contains("{out}");
        if name.trim().is_empty() || !has_both(compress) || !has_both(decompress) {
            return Err(wrong());
        }
        let (compress, decompress) = (compress.trim().to_owned(), decompress.trim().to_owned());
        let method = Method::Command { program: None, compress, decompress };
        Ok(Self { name: name.trim().to_owned(), settings: String::new(), method })
    }
}

impl Choice {
    /// One word of `--vs`: `all`, `none`, or a name with an optional level and options.
    pub fn from_word(word: &str) -> Result<Self, String> {
        match word {
            "all" => return Ok(Self::All),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let (name, settings) = word.split_once(':').map_or((word, None), |(name, settings)| (name, Some(settings)));
        if let Some(codec) = Codec::ALL.into_iter().find(|codec| codec.name() == name) {
            let (level, long) = match settings {
                None => codec.strongest(),
                Some(settings) => codec.parse(settings)?,
            };
            return Ok(Self::One(Contender::in_process(codec, level, long)));
        }
        if name == "parquet" {
            let level = parse_level(name, settings.unwrap_or("19"), &(1..=22))?;
            let method = Method::Parquet { level: level as i32 };
            return Ok(Self::One(Contender { name: name.to_owned(), settings: level.to_string(), method }));
        }
        let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
            return Err(format!("{name} is not known; known are {}", known_names().join(", ")));
        };
        let level = match (&command.levels, settings) {
            (None, None) => None,
            (None, Some(_)) => return Err(format!("{name} has no levels")),
            (Some((_, strongest)), None) => Some(*strongest),
            (Some((range, _)), Some(settings)) => Some(parse_level(name, settings, range)?),
        };
        Ok(Self::One(Contender::known(command, level)))
    }

    /// The contenders of all words, each once.
    pub fn contenders(choices: &[Self]) -> Vec<Contender> {
        let mut contenders: Vec<Contender> = Vec::new();
        for choice in choices {
            let more = match choice {
                Self::None => vec![],
                Self::One(contender) => vec![contender.clone()],
                Self::All => {
                    let mut all = Self::in_process();
                    let installed = COMMANDS.iter().filter(|command| command.installed().is_some());
                    let strongest = |command: &KnownCommand| command.levels.as_ref().map(|(_, level)| *level);
                    all.extend(installed.map(|command| Contender::known(command, strongest(command))));
                    all
                }
            };
            more.into_iter().for_each(|contender| {
                if !contenders.contains(&contender) {
                    contenders.push(contender);
                }
            });
        }
        contenders
    }

    /// Every rival in process at its strongest.
    pub fn in_process() -> Vec<Contender> {
        let strongest = |codec: Codec| (codec, codec.strongest());
        Codec::ALL.map(strongest).map(|(codec, (level, long))| Contender::in_process(codec, level, long)).to_vec()
    }
}

/// Whether `program` is on the path.
pub fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// A level within its range.
pub fn parse_level(name: &str, text: &str, range: &RangeInclusive<u32>) -> Result<u32, String> {
    let level = text.parse().ok().filter(|level| range.contains(level));
    level.ok_or_else(|| format!("{name} has levels {} to {}, not {text}", range.start(), range.end()))
}

fn known_names() -> Vec<&'static str> {
    let commands = COMMANDS.iter().map(|command| command.name);
    Codec::ALL.iter().map(|codec| codec.name()).chain(["parquet"]).chain(commands).chain(["all", "none"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(words: &[&str]) -> Vec<String> {
        let choices: Vec<Choice> = words.iter().map(|word| Choice::from_word(word).unwrap()).collect();
        Choice::contenders(&choices).iter().map(Contender::title).collect()
    }

    #[test]
    fn words_name_a_contender_and_its_settings() {
        assert_eq!(titles(&["gzip", "xz:6", "zstd:19+long"]), ["gzip:9", "xz:6", "zstd:19+long"]);
        assert_eq!(titles(&["xz", "zstd", "xz:9e"]), ["xz:9e", "zstd:22+long"]);
        assert_eq!(titles(&["zpaq", "zpaq:3", "cmix"]), ["zpaq:5", "zpaq:3", "cmix"]);
        assert_eq!(titles(&["none"]), Vec::<String>::new());
        for wrong in ["", "rar", "gzip:10", "xz:e", "gzip:9+long", "cmix:3", "zpaq:x"] {
            assert!(Choice::from_word(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_command_names_what_it_reads_and_writes() {
        let contender = Contender::from_command("mine=a < {in} > {out} ;; b {in} {out}").unwrap();
        assert_eq!((contender.title(), contender.is_nncz()), ("mine".to_owned(), false));
        for wrong in ["", "a {in} {out} ;; b {in} {out}", "m=a {in} {out}", "m=a {in} ;; b {in} {out}"] {
            assert!(Contender::from_command(wrong).is_err(), "{wrong}");
        }
    }
}
