//! From the name of an input to that of its output, and from a folder to the files in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use walkdir::WalkDir;

use super::args;
use super::files::{Place, Source, with_suffix};

/// What an archive's name ends in.
const SUFFIX: &str = "nncz";
/// What the name of a training that may be resumed ends in, after the archive's.
const TRAINING_SUFFIX: &str = "training";

/// Which files of a folder a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All but archives and what belongs to them.
    Sources,
    /// Archives.
    Archives,
}

/// Where an archive of `place` goes.
pub fn of_compress(source: &Source, place: &Place, args: &args::Output) -> Result<Place> {
    if let Place::Path(path) = place {
        ensure!(!is_archive(path) || args.force, "it already ends in .{SUFFIX}; -f compresses it again");
    }
    if let Some(target) = explicit(place, args) {
        return Ok(target);
    }
    Ok(Place::Path(with_suffix(path_of(source, place)?, SUFFIX)))
}

/// Where the original of the archive `place` goes.
pub fn of_decompress(source: &Source, place: &Place, args: &args::Output) -> Result<Place> {
    if let Some(target) = explicit(place, args) {
        return Ok(target);
    }
    let path = path_of(source, place)?;
    ensure!(is_archive(path), "it does not end in .{SUFFIX}; say with -o or -c where the output should go");
    Ok(Place::Path(path.with_extension("")))
}

/// The file beside an archive whose name ends in `suffix` instead of .nncz.
pub fn beside(source: &Source, place: &Place, args: &args::Output, suffix: &str) -> Result<Place> {
    match of_decompress(source, place, args)? {
        Place::Path(path) if explicit(place, args).is_none() => Ok(Place::Path(with_suffix(&path, suffix))),
        target => Ok(target),
    }
}

/// Where a training whose archive goes to `target` keeps its state.
pub fn of_training(target: &Path) -> PathBuf {
    with_suffix(target, TRAINING_SUFFIX)
}

/// The regular files of a folder and the folders in it, by name, symbolic links not followed; an error for each that
/// cannot be looked at.
pub fn in_folder(folder: &Path, wanted: Wanted) -> impl Iterator<Item = Result<PathBuf>> {
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter();
    let is_taken = move |path: &Path| match wanted {
        Wanted::Archives => is_archive(path),
        Wanted::Sources => !is_archive(path) && !is_training(path) && !Source::is_unfinished(path),
    };
    entries.filter_map(move |entry| match entry {
        Ok(entry) if entry.file_type().is_file() && is_taken(entry.path()) => Some(Ok(entry.into_path())),
        Ok(_) => None,
        Err(error) => Some(Err(error).context("cannot look into the folder")),
    })
}

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == SUFFIX)
}

fn is_training(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == TRAINING_SUFFIX) && is_archive(&path.with_extension(""))
}

/// Where the options, or standard input, send the output.
fn explicit(source: &Place, args: &args::Output) -> Option<Place> {
    match (&args.output, source) {
        (Some(output), _) => Some(Place::output(output)),
        (None, Place::Path(_)) if !args.stdout => None,
        (None, _) => Some(Place::Standard),
    }
}

/// The path that the output's name is derived from.
fn path_of<'a>(source: &Source, place: &'a Place) -> Result<&'a Path> {
    match place {
        Place::Path(path) if source.is_regular() => Ok(path),
        _ => bail!("it is not a regular file; say with -o or -c where the output should go"),
    }
}
