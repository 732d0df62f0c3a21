//! The machine and the versions that gave the figures.

use std::fs;

use serde::Serialize;

use super::codecs::Codec;

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    /// In bytes; none if the system does not say.
    pub memory: Option<u64>,
    pub system: String,
    /// The instruction set that nncz takes.
    pub instructions: String,
    /// nncz, then the crates that hold the rivals in process.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| value(&text, "MemTotal"));
        let kibibytes = |text: String| text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        let system = rustix::system::uname();
        let own = ("nncz".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        let rivals = Codec::ALL.map(|codec| (codec.package().to_owned(), locked_version(codec.package())));
        Self {
            processor: value(&processors, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory.and_then(kibibytes).map(|number| number * 1024),
            system: format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy()),
            instructions: nncz::net::Instructions::choose().map_or("none".to_owned(), |it| it.name().to_owned()),
            versions: std::iter::once(own).chain(rivals).collect(),
        }
    }

    /// The machine in a line.
    pub fn line(&self) -> String {
        let memory = self.memory.map_or(String::new(), |bytes| format!(", {} GB of memory", bytes / 1_000_000_000));
        format!("{} ({}), {} cores{memory}, {}", self.processor, self.instructions, self.cores, self.system)
    }
}

/// The version of a crate that this program was locked to.
fn locked_version(package: &str) -> String {
    let name = format!("name = \"{package}\"");
    let mut lines = include_str!("../../../Cargo.lock").lines().skip_while(|line| *line != name);
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \""));
    version.map_or("unknown".to_owned(), |version| version.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rival_has_a_version() {
        for (package, version) in Machine::here().versions {
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{package}: {version}");
        }
    }
}
