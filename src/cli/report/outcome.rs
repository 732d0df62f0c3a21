//! What became of one file, and of all.

use std::time::Duration;

use anyhow::{Error, Result};
use serde_json::{Value, json};

use super::{grouped, strength};

/// What was done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Compressed,
    Restored,
    Sound,
    /// Nothing but to look at it.
    Described,
}

/// What became of one file.
pub struct Outcome {
    pub kind: Kind,
    /// Length of the original.
    pub original: u64,
    /// Length of the archive.
    pub archive: u64,
    pub text: Text,
    /// A JSON object with what else there is to say.
    pub details: Value,
}

/// What a person reads.
pub enum Text {
    /// A line on standard error.
    Line(String),
    /// Lines on standard output.
    Table(String),
}

impl Outcome {
    /// One line of JSON.
    pub fn json(&self, file: &str, time: Duration) -> String {
        let seconds = (time.as_secs_f64() * 1000.0).round() / 1000.0;
        let mut object = json!({
            "file": file,
            "original_bytes": self.original,
            "archive_bytes": self.archive,
            "seconds": seconds,
        });
        if let (Some(object), Some(details)) = (object.as_object_mut(), self.details.as_object()) {
            object.extend(details.clone());
        }
        format!("{object}\n")
    }
}

/// One line of JSON about a file that something went wrong with.
pub fn failure(file: &str, error: &Error, code: u8) -> String {
    format!("{}\n", json!({ "file": file, "error": message(error), "exit_code": code }))
}

/// What went wrong and why, without what means nothing to a person: the system's numbers, and the random names of
/// unfinished outputs.
pub fn message(error: &Error) -> String {
    let mut message = format!("{error:#}");
    for (start, end) in [(" (os error ", ")"), (" at path \"", "\"")] {
        while let Some(first) = message.find(start) {
            let rest = first + start.len();
            let last = message[rest..].find(end).map_or(message.len(), |length| rest + length + end.len());
            message.replace_range(first..last, "");
        }
    }
    message
}

/// What became of all files.
#[derive(Default)]
pub struct Totals {
    /// The highest exit code.
    pub worst: u8,
    kind: Option<Kind>,
    done: u64,
    failed: u64,
    original: u64,
    archive: u64,
}

impl Totals {
    /// Counts one file.
    pub fn add(&mut self, result: &Result<Outcome>) {
        match result {
            Err(_) => self.failed += 1,
            Ok(outcome) => {
                self.kind = Some(outcome.kind);
                self.done += 1;
                self.original += outcome.original;
                self.archive += outcome.archive;
            }
        }
    }

    /// The line for more than one file, if there is anything to add up.
    pub fn summary(&self) -> Option<String> {
        let (original, archive) = (grouped(self.original), grouped(self.archive));
        let sizes = match self.kind? {
            _ if self.done + self.failed < 2 => return None,
            Kind::Described => return None,
            Kind::Compressed => format!("{original} → {archive} bytes ({})", strength(self.original, self.archive)),
            Kind::Restored => format!("{archive} → {original} bytes"),
            Kind::Sound => format!("sound, {original} bytes"),
        };
        let files = if self.done == 1 { "1 file".to_owned() } else { format!("{} files", grouped(self.done)) };
        let failed = if self.failed == 0 { String::new() } else { format!("; {} failed", grouped(self.failed)) };
        Some(format!("{files}: {sizes}{failed}"))
    }
}
