//! File safety: what may be read, what may be written, and how an output comes to be complete or not at all.

use std::fs::{File, FileTimes, Metadata, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Write};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use memmap2::Mmap;
use tempfile::NamedTempFile;

use super::interrupt::Interrupt;

/// Free space to leave on the disk beside the largest output possible.
const DISK_SLACK: u64 = 1 << 20;

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
    /// `-` is the standard stream.
    pub fn from_argument(argument: &Path) -> Self {
        if argument.as_os_str() == "-" { Self::Standard } else { Self::Path(argument.to_owned()) }
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
            Self::Path(path) => path.to_string_lossy().replace(|c: char| c.is_control(), "?"),
        }
    }
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
                ensure!(!io::stdin().is_terminal(), "standard input is a terminal; name a FILE (see nncz --help)");
                File::from(rustix::io::dup(io::stdin()).context("cannot read standard input")?)
            }
            Place::Path(path) => File::open(path).context("cannot open it")?,
        };
        let metadata = file.metadata().context("cannot look at it")?;
        ensure!(!metadata.is_dir(), "it is a folder; nncz takes files, for example a tar archive of the folder");
        Ok(Self { place: place.clone(), file, metadata })
    }

    /// Whether the input is a regular file that has a name.
    pub fn is_regular(&self) -> bool {
        self.metadata.is_file() && self.place != Place::Standard
    }

    /// The whole content, mapped; what is not a regular file is first copied into a temporary one.
    pub fn content(&self) -> Result<Content> {
        if self.is_regular() {
            return Content::map(&self.file);
        }
        let mut spool = tempfile::tempfile().context("cannot make a temporary file")?;
        io::copy(&mut &self.file, &mut spool).context("cannot copy the input into a temporary file")?;
        Content::map(&spool)
    }

    /// An error if a regular file's length or time of change is not what it was when it was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        let now = self.file.metadata().context("cannot look at it")?;
        let is_same = now.len() == self.metadata.len() && now.modified()? == self.metadata.modified()?;
        ensure!(!self.is_regular() || is_same, "it changed while it was read; nothing was written, try again");
        Ok(())
    }

    /// Whether the source may be removed once it is done with: a regular file under its own name.
    pub fn check_removable(&self) -> Result<()> {
        let Place::Path(path) = &self.place else { bail!("standard input cannot be removed") };
        let named = path.symlink_metadata().context("cannot look at it")?;
        ensure!(named.is_file(), "it is not a regular file; --rm removes only such");
        Ok(())
    }

    /// Removes the source, unless something else has its name by now.
    pub fn remove(&self) -> Result<()> {
        self.check_removable()?;
        if let Place::Path(path) = &self.place {
            ensure!(is_same_file(&path.symlink_metadata()?, &self.metadata), "not removed: it is another file by now");
            std::fs::remove_file(path).context("cannot remove it")?;
        }
        Ok(())
    }
}

/// The bytes of a file, mapped into memory.
pub struct Content(Mmap);

impl Content {
    /// Maps the whole of `file`.
    pub fn map(file: &File) -> Result<Self> {
        // SAFETY: nothing but bytes is read through the map, and no invariant rests on what they are. A process that
        // changes the file meanwhile can change what is read, which `Source::check_unchanged` and the comparison of
        // the restored bytes notice; one that shortens it can end this process, which has then published nothing.
        let map = unsafe { Mmap::map(file) };
        Ok(Self(map.context("cannot map it into memory")?))
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

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
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Stream(_) => None,
            Self::Draft(draft) => draft.file.path().parent(),
        }
    }

    /// An error if the disk has no room for an output of up to `length` bytes.
    pub fn check_space(&self, length: u64) -> Result<()> {
        let Some(folder) = self.folder() else { return Ok(()) };
        check_space(folder, length)
    }
}

/// An error if the disk that holds `folder` has no room for `length` bytes.
pub fn check_space(folder: &Path, length: u64) -> Result<()> {
    let disk = rustix::fs::statvfs(folder).context("cannot ask for the free space of the disk")?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let (needed, folder) = (length.saturating_add(DISK_SLACK), folder.display());
    ensure!(free >= needed, "the disk of {folder} has {free} bytes free, and up to {needed} are needed");
    Ok(())
}

/// A file in the making, beside its final name and readable by its owner only. Dropped, it is gone.
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
    overwrite: bool,
    /// The mode that a new file gets here.
    mode: u32,
    interrupt: Arc<Interrupt>,
}

impl Draft {
    fn create(path: &Path, overwrite: bool, interrupt: &Arc<Interrupt>) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".nncz-")
            .suffix(".part")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .with_context(|| format!("cannot write into the folder {}", folder.display()))?;
        interrupt.set_draft(Some(file.path()));
        let mode = file.as_file().metadata()?.mode();
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        Ok(Self { file, path: path.to_owned(), overwrite, mode, interrupt: Arc::clone(interrupt) })
    }

    /// The file itself, to write and to map.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Makes the file durable, with the mode and the time of a regular source, and gives it its name.
    pub fn publish(self, source: &Source) -> Result<()> {
        let (file, is_regular) = (self.file.as_file(), source.is_regular());
        let mode = if is_regular { source.metadata.mode() } else { self.mode };
        file.set_permissions(Permissions::from_mode(mode & 0o777)).context("cannot set the output's mode")?;
        if is_regular {
            let times = FileTimes::new().set_modified(source.metadata.modified()?);
            file.set_times(times).context("cannot set the output's time")?;
        }
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
        Ok(())
    }
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

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
