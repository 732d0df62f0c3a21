//! Outputs: complete under their name, or not there.

use std::fs::{File, FileTimes, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{Gid, Uid, fchown};
use tempfile::NamedTempFile;

use super::super::interrupt::Interrupt;
use super::{Place, Source, is_same_file, leftovers, printable};

/// An output that may be written, as far as can be known beforehand.
pub enum Output {
    /// Standard output, a device or a pipe: written as it comes.
    Stream(Box<dyn Write>),
    /// A file that gets its name when it is complete.
    Draft(Draft),
}

impl Output {
    /// Opens the output for what is made of `source`. Errors: it exists, and not `force`; it is `source` itself; it
    /// is a folder; its own folder is missing or cannot be written.
    pub fn create(place: &Place, force: bool, source: &Source, interrupt: &Arc<Interrupt>) -> Result<Self> {
        let Place::Path(path) = place else { return Ok(Self::Stream(Box::new(io::stdout().lock()))) };
        let name = place.name("");
        let Ok(existing) = path.metadata() else {
            ensure!(path.symlink_metadata().is_err(), "{name} is a symbolic link that leads nowhere");
            return Ok(Self::Draft(Draft::create(path, false, interrupt)?));
        };
        ensure!(!existing.is_dir(), "{name} is a folder; name a file with -o");
        if !existing.is_file() {
            let stream = OpenOptions::new().write(true).open(path).with_context(|| format!("cannot open {name}"))?;
            return Ok(Self::Stream(Box::new(stream)));
        }
        ensure!(!is_same_file(&existing, &source.metadata), "the output {name} is the input itself");
        ensure!(force, "{name} exists; -f overwrites it");
        let path = path.canonicalize().with_context(|| format!("cannot find {name}"))?;
        Ok(Self::Draft(Draft::create(&path, true, interrupt)?))
    }

    /// The folder that the output's bytes gather in, if they do.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Stream(_) => None,
            Self::Draft(draft) => draft.file.path().parent(),
        }
    }

    /// An error if the disk has no room for an output of `length` bytes.
    pub fn check_space(&self, length: u64) -> Result<()> {
        self.folder().map_or(Ok(()), |folder| check_space(folder, length))
    }
}

/// An error if the disk of `folder` has no room for `length` bytes.
pub fn check_space(folder: &Path, length: u64) -> Result<()> {
    let (free, folder) = (free_space(folder)?, printable(folder));
    ensure!(free >= length, "the disk of {folder} has {free} bytes free, and {length} are needed");
    Ok(())
}

/// Bytes that the disk of `folder` has room for.
pub fn free_space(folder: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(folder).context("cannot ask for the free space of the disk")?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A file in the making, beside its final name and readable by its owner only. Dropped, it is gone.
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
    overwrite: bool,
    /// The mode that a new file gets here.
    mode: u32,
    interrupt: Arc<Interrupt>,
    /// What killed runs had left in the folder, now removed.
    pub removed: Vec<PathBuf>,
}

impl Draft {
    fn create(path: &Path, overwrite: bool, interrupt: &Arc<Interrupt>) -> Result<Self> {
        let folder = leftovers::folder_of(path);
        let removed = leftovers::remove(folder);
        let file = leftovers::create(folder)?;
        interrupt.set_draft(Some(file.path()));
        let mode = file.as_file().metadata()?.mode();
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        Ok(Self { file, path: path.to_owned(), overwrite, mode, interrupt: Arc::clone(interrupt), removed })
    }

    /// The file itself, to write and to map.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Makes the file durable, with the owner, the mode and the time of a regular source, and gives it its name. Returns
    /// which of the three the system refused, in words.
    pub fn publish(self, source: &Source) -> Result<Option<String>> {
        let file = self.file.as_file();
        let refused = match source.is_regular() {
            true => take_attributes(file, &source.metadata)?,
            false => take_mode(file, self.mode).err().into_iter().collect(),
        };
        file.sync_all().context("cannot bring the output to the disk")?;
        let Self { file, path, overwrite, interrupt, .. } = self;
        let folder = file.path().parent().map(Path::to_owned);
        let published = if overwrite { file.persist(&path) } else { file.persist_noclobber(&path) };
        if let Err(error) = published {
            if error.error.kind() == io::ErrorKind::AlreadyExists {
                bail!("{} came to exist meanwhile; nothing was overwritten", path.display());
            }
            return Err(error.error).with_context(|| format!("cannot rename the output to {}", path.display()));
        }
        interrupt.set_draft(None);
        if let Some(folder) = folder {
            File::open(folder).and_then(|folder| folder.sync_all()).context("cannot bring the folder to the disk")?;
        }
        Ok((!refused.is_empty()).then(|| format!("{} has not {}", printable(&path), refused.join(", nor "))))
    }
}

/// Gives `file` the owner, the mode and the time of its source, and returns what of that was refused: the bytes are worth
/// more.
fn take_attributes(file: &File, source: &Metadata) -> Result<Vec<String>> {
    let mut refused = Vec::new();
    let mode = take_owner(file, source, &mut refused)?;
    refused.extend(take_mode(file, mode).err());
    let times = FileTimes::new().set_modified(source.modified()?);
    refused.extend(file.set_times(times).err().map(|error| format!("the source's time ({error})")));
    Ok(refused)
}

fn take_mode(file: &File, mode: u32) -> std::result::Result<(), String> {
    let set = file.set_permissions(Permissions::from_mode(mode & 0o777));
    set.map_err(|error| format!("the source's mode ({error})"))
}

/// Gives `file` the group of the source, and if the process may its owner, and returns the mode to set: where the group
/// stays another, it may no more than everybody.
fn take_owner(file: &File, source: &Metadata, refused: &mut Vec<String>) -> Result<u32> {
    let (mode, now) = (source.mode(), file.metadata().context("cannot look at the output")?);
    let (owner, group) = (Uid::from_raw(source.uid()), Gid::from_raw(source.gid()));
    if now.uid() != source.uid() && rustix::process::geteuid().is_root() {
        let set = fchown(file, Some(owner), None);
        refused.extend(set.err().map(|error| format!("the source's owner ({error})")));
    }
    if now.gid() != source.gid() && fchown(file, None, Some(group)).is_err() {
        let both = (mode >> 3) & mode & 0o7;
        return Ok(mode & 0o700 | both << 3 | both);
    }
    Ok(mode)
}

/// Names the output in what goes wrong while it is written, and knows a reader that went away.
pub struct Sink<W> {
    inner: W,
    name: String,
    /// Whether the reader of a pipe has closed it, which is no error.
    pub is_broken_pipe: bool,
}

impl<W: Write> Sink<W> {
    /// Writes to `inner`, called `name` in messages.
    pub fn new(inner: W, name: String) -> Self {
        Self { inner, name, is_broken_pipe: false }
    }

    fn explain<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            self.is_broken_pipe |= error.kind() == io::ErrorKind::BrokenPipe;
            match error.kind() {
                io::ErrorKind::Interrupted => error,
                kind => io::Error::new(kind, format!("cannot write {}: {error}", self.name)),
            }
        })
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.explain(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.explain(result)
    }
}
