//! A report that is written to a file once it is complete.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

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
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let draft = tempfile::Builder::new()
            .prefix(".nncz-")
            .suffix(".part")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder);
        let draft = draft.with_context(|| format!("cannot write into the folder {}", folder.display()))?;
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
