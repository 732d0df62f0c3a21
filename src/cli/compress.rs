//! `nncz compress`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::{Context, Result, ensure};
use nncz::Options;

use super::args::{self, Compress};
use super::files::{self, Content, Output, Place, Sink, Source};
use super::progress::Follower;
use super::report::{self, Outcome};
use super::{Session, targets};

impl Session {
    /// Compresses one file, and removes it if that is asked for and its archive stands.
    pub(super) fn compress(&self, place: &Place, args: &Compress) -> Result<Outcome> {
        let source = Source::open(place)?;
        let target = targets::of_compress(&source, place, &args.output)?;
        let output = self.create(&target, &args.output, &source)?;
        check_terminal(&output, &target, &args.output)?;
        let content = source.content()?;
        let name = place.name("standard input");
        self.warn_of_full_disk(&name, &output, content.len() as u64)?;
        let training = target.path().map(targets::of_training);
        if let Some(path) = training.as_ref().filter(|path| !args.resume && path.exists()) {
            let path = files::printable(path);
            self.say(&format!("nncz: {name}: {path} is of a training that was interrupted; --resume goes on from it"));
        }

        let checkpoint = training.filter(|_| args.resume);
        let options = args.options(checkpoint.clone());
        let written = match output {
            Output::Draft(draft) => {
                let written = self.compress_and_verify(&name, &source, &content, draft.file(), &options)?.len();
                self.publish(&name, draft, &source)?;
                written
            }
            Output::Stream(stream) => {
                let spool = tempfile::tempfile().context("cannot make a temporary file")?;
                let archive = self.compress_and_verify(&name, &source, &content, &spool, &options)?;
                let mut sink = Sink::new(stream, target.name("standard output"));
                let result = sink.write_all(&archive).and_then(|()| sink.flush());
                if !sink.is_broken_pipe {
                    result?;
                }
                archive.len()
            }
        };
        if let Some(checkpoint) = checkpoint.filter(|path| path.exists()) {
            std::fs::remove_file(&checkpoint).with_context(|| format!("cannot remove {}", checkpoint.display()))?;
        }
        if args.output.rm {
            source.remove()?;
        }
        let target = target.name("standard output");
        Ok(report::compressed(&name, &target, content.len() as u64, written as u64))
    }

    /// Says what [`Self::compress`] would take.
    pub(super) fn estimate(&self, place: &Place, args: &Compress) -> Result<Outcome> {
        let source = Source::open(place)?;
        let content = source.content()?;
        let name = place.name("standard input");
        let follower = Follower::new(&name, self.talk, &self.interrupt);
        let estimate = self.interrupt.during(|| nncz::estimate(&content, &args.options(None), &follower));
        follower.clear();
        content.check_read()?;
        Ok(report::estimate(&name, &estimate?))
    }

    /// Writes the archive of `content` to `file`, and returns it when it has been decoded and compared.
    fn compress_and_verify(
        &self,
        name: &str,
        source: &Source,
        content: &Content,
        file: &File,
        options: &Options,
    ) -> Result<Content> {
        let follower = Follower::new(name, self.talk, &self.interrupt);
        let result = self.interrupt.during(|| {
            let mut sink = BufWriter::new(Sink::new(file, "the archive".to_owned()));
            let compressed = nncz::compress(content, options, &mut sink, &follower);
            source.check_unchanged()?;
            let proof = compressed?.proof;
            sink.flush()?;
            let archive = Content::map(file)?;
            let verified = nncz::verify(&archive, content, &proof, &options.resources, &follower);
            source.check_unchanged()?;
            content.check_read()?;
            verified?;
            Ok(archive)
        });
        follower.clear();
        result
    }

    /// An archive is smaller than its source, but nobody knows beforehand how much.
    fn warn_of_full_disk(&self, name: &str, output: &Output, length: u64) -> Result<()> {
        let temporary = std::env::temp_dir();
        let folder = output.folder().unwrap_or(&temporary);
        let free = files::free_space(folder)?;
        if free < length {
            let folder = files::printable(folder);
            self.say(&format!("nncz: {name}: the disk of {folder} has only {free} bytes free for the archive"));
        }
        Ok(())
    }
}

fn check_terminal(output: &Output, target: &Place, args: &args::Output) -> Result<()> {
    if let (Output::Stream(_), Place::Standard, false) = (output, target, args.force) {
        let message = "compressed bytes are not for a terminal; name a file with -o, or insist with -f";
        ensure!(!io::stdout().is_terminal(), message);
    }
    Ok(())
}
