//! What a run that was killed leaves: unfinished outputs under a name of their own, which no process holds any more.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nncz::UNFINISHED;
use tempfile::NamedTempFile;

use super::printable;

const PREFIX: &str = UNFINISHED[0];
const SUFFIX: &str = UNFINISHED[1];

/// Whether `name` is that of an unfinished output.
pub fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// The folder that a path lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// A new unfinished output in a folder, held as long as it is open.
pub fn create(folder: &Path) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).permissions(Permissions::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(folder);
        let file = file.with_context(|| format!("cannot write into the folder {}", printable(folder)))?;
        if hold(&file) {
            return Ok(file);
        }
    }
}

/// Holds an unfinished output as long as it is open; false if another process removed it before that.
fn hold(file: &NamedTempFile) -> bool {
    // On a file system without locks, nothing is ever taken for a leftover either.
    if let Err(std::fs::TryLockError::WouldBlock) = file.as_file().try_lock() {
        return false;
    }
    match (file.path().symlink_metadata(), file.as_file().metadata()) {
        (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}

/// Removes the leftovers in a folder and returns their names.
pub fn remove(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_name))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .filter(|path| remove_if_left(path))
        .collect()
}

fn remove_if_left(path: &Path) -> bool {
    let Ok(file) = File::options().read(true).write(true).open(path) else { return false };
    file.try_lock().is_ok() && std::fs::remove_file(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_holds_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let draft = || tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder.path()).unwrap();
        let (held, left) = (draft(), draft().keep().unwrap().1);
        std::fs::write(folder.path().join(".nncz-mine"), "").unwrap();
        assert!(hold(&held));
        assert_eq!(remove(folder.path()), [left]);
        assert!(held.path().exists());
        assert!(hold(&held));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
