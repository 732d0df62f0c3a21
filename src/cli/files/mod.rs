//! File safety: what may be read, what may be written, and how an output comes to be complete or not at all.

pub mod leftovers;
mod map;
mod output;

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

pub use self::map::Content;
#[cfg(feature = "reports")]
pub use self::output::check_space;
pub use self::output::{Draft, Output, Sink, free_space};

/// Where input comes from or output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard input or output.
    Standard,
    /// A path, as it was typed or made from one that was.
    Path(PathBuf),
}

/// `path` with one more extension.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

impl Place {
    /// An input; `-` is standard input.
    pub fn input(argument: &Path) -> Self {
        Self::named(argument, "/dev/stdin")
    }

    /// An output; `-` is standard output.
    pub fn output(argument: &Path) -> Self {
        Self::named(argument, "/dev/stdout")
    }

    fn named(argument: &Path, stream: &str) -> Self {
        let is_standard = argument.as_os_str() == "-" || argument.as_os_str() == stream;
        if is_standard { Self::Standard } else { Self::Path(argument.to_owned()) }
    }

    /// The path, unless it is a standard stream.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Standard => None,
            Self::Path(path) => Some(path),
        }
    }

    /// The name for messages, without characters that would steer a terminal.
    pub fn name(&self, standard: &str) -> String {
        match self {
            Self::Standard => standard.to_owned(),
            Self::Path(path) => printable(path),
        }
    }
}

/// A path without characters that would steer a terminal.
pub fn printable(path: &Path) -> String {
    path.to_string_lossy().replace(|c: char| c.is_control(), "?")
}

/// An open input.
pub struct Source {
    place: Place,
    file: File,
    metadata: Metadata,
}

impl Source {
    /// Opens the input. Errors: it is a folder, cannot be read, or is a terminal.
    pub fn open(place: &Place) -> Result<Self> {
        let file = match place {
            Place::Standard => {
                ensure!(!io::stdin().is_terminal(), "it is a terminal; name a FILE (see nncz --help)");
                File::from(rustix::io::dup(io::stdin()).context("cannot read standard input")?)
            }
            Place::Path(path) => File::open(path).context("cannot open it")?,
        };
        let metadata = file.metadata().context("cannot look at it")?;
        ensure!(!metadata.is_dir(), "it is a folder; -r takes every file in it, or pack it with tar first");
        Ok(Self { place: place.clone(), file, metadata })
    }

    /// Whether `path` is the name of an unfinished output.
    pub fn is_unfinished(path: &Path) -> bool {
        path.file_name().and_then(|name| name.to_str()).is_some_and(leftovers::is_name)
    }

    /// Whether the input is a regular file that has a name.
    pub fn is_regular(&self) -> bool {
        self.metadata.is_file() && self.place != Place::Standard
    }

    /// The whole content, mapped; what is not a regular file is first copied into a temporary one.
    pub fn content(&self) -> Result<Content> {
        // Files of /proc say that they are empty and are not.
        if self.metadata.is_file() && self.metadata.len() > 0 && self.place != Place::Standard {
            return Content::map(&self.file);
        }
        let mut spool = tempfile::tempfile().context("cannot make a temporary file")?;
        let folder = std::env::temp_dir();
        io::copy(&mut &self.file, &mut spool).with_context(|| {
            format!("cannot copy the input into {} (TMPDIR may name another folder)", folder.display())
        })?;
        Content::map(&spool)
    }

    /// An error if a regular file's length or time of change is not what it was when it was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        let now = self.file.metadata().context("cannot look at it")?;
        let is_same = now.len() == self.metadata.len() && now.modified()? == self.metadata.modified()?;
        ensure!(!self.is_regular() || is_same, "it changed while it was read; nothing was written, try again");
        Ok(())
    }

    /// Whether the source may be removed once it is done with: a regular file under its own name, and its only one
    /// unless `force`.
    pub fn check_removable(&self, force: bool) -> Result<()> {
        let Place::Path(path) = &self.place else { bail!("standard input cannot be removed") };
        let named = path.symlink_metadata().context("cannot look at it")?;
        ensure!(named.is_file(), "it is not a regular file; --rm removes only such");
        let names = named.nlink();
        ensure!(force || names == 1, "the file has {names} names (hard links); --rm -f removes this one");
        Ok(())
    }

    /// Removes the source, unless something else has its name by now or it was written to.
    pub fn remove(&self) -> Result<()> {
        if let Place::Path(path) = &self.place {
            let named = path.symlink_metadata().context("it is not there to be removed")?;
            let is_written = named.len() != self.metadata.len() || named.modified()? != self.metadata.modified()?;
            ensure!(is_same_file(&named, &self.metadata), "not removed: it is another file by now");
            ensure!(!is_written, "not removed: it was written to after it was read");
            std::fs::remove_file(path).context("cannot remove it")?;
        }
        Ok(())
    }
}

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
