//! A report that is written to a file once it is complete.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

use super::files::leftovers;

/// A file to come, in a folder that was found to take it.
pub struct Report {
    draft: NamedTempFile,
    path: PathBuf,
    force: bool,
}

impl Report {
    /// Makes sure, before the long work, that the file may be written. Errors: it exists, and not `force`; its folder
    /// is missing or takes no files.
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        ensure!(force || path.symlink_metadata().is_err(), "{} exists; -f overwrites it", path.display());
        let draft = leftovers::create(leftovers::folder_of(path))?;
        Ok(Self { draft, path: path.to_owned(), force })
    }

    /// Writes the report and gives it its name.
    pub fn publish(mut self, text: &str) -> Result<()> {
        let name = self.path.display().to_string();
        self.draft.write_all(text.as_bytes()).with_context(|| format!("cannot write {name}"))?;
        let published =
            if self.force { self.draft.persist(&self.path) } else { self.draft.persist_noclobber(&self.path) };
        published.with_context(|| format!("cannot write {name}"))?;
        Ok(())
    }
}
