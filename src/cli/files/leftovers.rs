//! What a run that was killed leaves: unfinished outputs under a name of their own, which no process holds any more.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Names of unfinished outputs begin and end so.
pub const PREFIX: &str = ".nncz-";
pub const SUFFIX: &str = ".part";

/// Whether `name` is that of an unfinished output.
pub fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Holds an unfinished output as long as it is open; false if another process removed it before that.
pub fn hold(file: &NamedTempFile) -> bool {
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
