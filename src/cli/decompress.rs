//! `nncz decompress`, `cat`, `test` and `info`: what is done with an archive.

use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;

use anyhow::Result;
use nncz::container::Archive;

use super::files::{Content, Output, Place, Sink, Source};
use super::progress::Follower;
use super::report::{self, Outcome};
use super::{Session, args, targets};

impl Session {
    /// Restores one file, and removes its archive if that is asked for and the file stands.
    pub(super) fn decompress(&self, place: &Place, args: &args::Output, threads: NonZeroUsize) -> Result<Outcome> {
        let source = Source::open(place)?;
        let target = targets::of_decompress(&source, place, args)?;
        let output = self.create(&target, args, &source)?;
        let content = source.content()?;
        let original = Archive::open(&content)?.header().original;
        output.check_space(original)?;

        let (name, target) = (place.name("standard input"), target.name("standard output"));
        match output {
            Output::Draft(draft) => {
                let mut sink = BufWriter::new(Sink::new(draft.file(), target.clone()));
                let decoded = self.decode(&name, &content, threads, &mut sink);
                drop(sink);
                source.check_unchanged()?;
                decoded?;
                draft.publish(&source)?;
            }
            Output::Stream(stream) => {
                let mut sink = Sink::new(stream, target.clone());
                let result = self.decode(&name, &content, threads, &mut sink);
                if !sink.is_broken_pipe {
                    result?;
                }
            }
        }
        if args.rm {
            source.remove()?;
        }
        Ok(report::decompressed(&name, &target, original, content.len() as u64))
    }

    /// Decodes one archive and writes nothing.
    pub(super) fn test(&self, place: &Place, threads: NonZeroUsize) -> Result<Outcome> {
        let content = Source::open(place)?.content()?;
        let name = place.name("standard input");
        let original = Archive::open(&content)?.header().original;
        self.decode(&name, &content, threads, &mut io::sink())?;
        Ok(report::tested(&name, original, content.len() as u64))
    }

    /// Describes one archive.
    pub(super) fn info(&self, place: &Place) -> Result<Outcome> {
        let content = Source::open(place)?.content()?;
        report::info(&place.name("standard input"), &content)
    }

    fn decode(&self, name: &str, archive: &Content, threads: NonZeroUsize, sink: &mut dyn Write) -> Result<()> {
        let follower = Follower::new(name, self.talk, &self.interrupt);
        let result = self.interrupt.during(|| {
            let decoded = nncz::decompress(archive, threads, sink, &follower);
            archive.check_read()?;
            decoded?;
            Ok(sink.flush()?)
        });
        follower.clear();
        result
    }
}
