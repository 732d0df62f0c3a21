//! `nncz decompress`, `cat` and `info`: what is done with an archive.

use std::io::{BufWriter, Write};

use anyhow::Result;
use nncz::container::Archive;
use nncz::{Part, Resources};

use super::files::{Content, Output, Place, Sink, Source};
use super::progress::Follower;
use super::report::{self, Outcome};
use super::rescue::mended;
use super::{Session, args, targets};

impl Session {
    /// Restores one file or a part of it, and removes its archive if that is asked for and the file stands.
    pub(super) fn decompress(
        &self,
        place: &Place,
        args: &args::Output,
        part: &Part,
        resources: &Resources,
    ) -> Result<Outcome> {
        let source = Source::open(place)?;
        let is_part = *part != Part::All;
        let target = match &args.output {
            None if is_part => Place::Standard,
            _ => targets::of_decompress(&source, place, args)?,
        };
        let output = self.create(&target, args, &source)?;
        let name = place.name("standard input");
        let content = self.archive(&name, &source)?;
        let original = Archive::open(&content)?.header().original;

        let target = target.name("standard output");
        let length = if is_part { 0 } else { original };
        self.write(&name, &source, &content, (output, &target), length, |sink, follower| {
            Ok(nncz::extract(&content, part, resources, sink, follower)?)
        })?;
        if args.rm {
            source.remove()?;
        }
        match is_part {
            false => Ok(report::decompressed(&name, &target, original, content.len() as u64)),
            true => Ok(report::extracted(&name, &target, original, content.len() as u64)),
        }
    }

    /// Describes one archive.
    pub(super) fn info(&self, place: &Place) -> Result<Outcome> {
        let source = Source::open(place)?;
        let name = place.name("standard input");
        let content = self.archive(&name, &source)?;
        report::info(&name, &content, self.talk.verbose)
    }

    /// The bytes of an archive, mended as far as its parity can.
    fn archive(&self, name: &str, source: &Source) -> Result<Content> {
        let (content, mending) = mended(source)?;
        if let Some(mending) = mending {
            report::mending(&mending).iter().for_each(|line| self.say(&format!("nncz: {name}: damaged: {line}")));
            self.say(&format!("nncz: {name}: nncz repair writes it anew"));
        }
        Ok(content)
    }

    /// Lets `work` write an output of up to `length` bytes from `content`, and gives it its name when it is complete.
    pub(super) fn write(
        &self,
        name: &str,
        source: &Source,
        content: &Content,
        (output, target): (Output, &str),
        length: u64,
        work: impl FnOnce(&mut dyn Write, &Follower) -> Result<()>,
    ) -> Result<()> {
        output.check_space(length)?;
        let follower = Follower::new(name, self.talk, &self.interrupt);
        let during = |sink: &mut dyn Write| {
            let result = self.interrupt.during(|| {
                let worked = work(sink, &follower);
                content.check_read()?;
                worked?;
                Ok(sink.flush()?)
            });
            follower.clear();
            result
        };
        match output {
            Output::Draft(draft) => {
                let mut sink = BufWriter::new(Sink::new(draft.file(), target.to_owned()));
                let written = during(&mut sink);
                drop(sink);
                source.check_unchanged()?;
                written?;
                self.publish(name, draft, source)
            }
            Output::Stream(stream) => {
                let mut sink = Sink::new(stream, target.to_owned());
                let written = during(&mut sink);
                if sink.is_broken_pipe { Ok(()) } else { written }
            }
        }
    }
}
