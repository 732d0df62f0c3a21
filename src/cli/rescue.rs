//! `nncz test`, `salvage` and `repair`: what is done about damage.

use std::io;

use anyhow::Result;
use nncz::container::{Archive, rewrite};
use nncz::{Error, ErrorKind, Fill, Mending, Resources};

use super::args::{self, Salvage};
use super::files::{Content, Place, Source};
use super::progress::Follower;
use super::report::{self, Outcome};
use super::{Session, targets};

impl Session {
    /// Decodes everything and says how much is damaged, and what can be done about it.
    pub(super) fn test(&self, place: &Place, resources: &Resources) -> Result<Outcome> {
        let (source, name) = (Source::open(place)?, place.name("standard input"));
        let (content, mending) = mended(&source)?;
        let original = Archive::open(&content)?.header().original;
        let follower = Follower::new(&name, self.talk, &self.interrupt);
        let outcome =
            self.interrupt.during(|| nncz::salvage(&content, Fill::Skip, resources, &mut io::sink(), &follower));
        follower.clear();
        content.check_read()?;
        let outcome = outcome?;
        if mending.is_none() && outcome.lost.is_empty() && outcome.remarks.is_empty() {
            return Ok(report::tested(&name, original, content.len() as u64));
        }
        let lines = mending.iter().flat_map(report::mending).chain(report::damage(&outcome));
        lines.for_each(|line| self.say(&format!("nncz: {name}: {line}")));
        let verdict = match outcome.lost.len() {
            0 => "damaged archive: every byte of the original can be restored; nncz repair mends it".to_owned(),
            _ => report::loss(&outcome, original),
        };
        Err(Error::new(ErrorKind::Damaged, verdict).into())
    }

    /// Restores what is left of one archive.
    pub(super) fn salvage(&self, place: &Place, args: &Salvage) -> Result<Outcome> {
        let (source, name) = (Source::open(place)?, place.name("standard input"));
        let output = args.output.keeping();
        let target = targets::beside(&source, place, &output, "salvaged")?;
        let output = self.create(&target, &output, &source)?;
        let (content, mending) = mended(&source)?;
        let original = Archive::open(&content)?.header().original;
        let (fill, length) = match args.fill {
            None => (Fill::Skip, 0),
            Some(byte) => (Fill::Byte(byte), original),
        };
        let target = target.name("standard output");
        let mut salvaged = nncz::Salvage::default();
        self.write(&name, &source, &content, (output, &target), length, |sink, follower| {
            salvaged = nncz::salvage(&content, fill, &args.machine.resources(), sink, follower)?;
            Ok(())
        })?;
        let lines = mending.iter().flat_map(report::mending).chain(report::damage(&salvaged));
        lines.for_each(|line| self.say(&format!("nncz: {name}: {line}")));
        if salvaged.lost.is_empty() {
            return Ok(report::decompressed(&name, &target, original, content.len() as u64));
        }
        let verdict = format!("{}; they are in {target}", report::loss(&salvaged, original));
        Err(Error::new(ErrorKind::Damaged, verdict).into())
    }

    /// Writes one archive anew, if nothing of it is lost and something is damaged.
    pub(super) fn repair(&self, place: &Place, args: &args::Output) -> Result<Outcome> {
        let (source, name) = (Source::open(place)?, place.name("standard input"));
        let target = targets::beside(&source, place, args, "repaired.nncz")?;
        let (content, mending) = mended(&source)?;
        let archive = Archive::open(&content)?;
        let original = archive.header().original;
        if mending.is_none() && archive.is_sound() && args.output.is_none() && !args.stdout {
            return Ok(report::tested(&name, original, archive.length()));
        }
        let output = self.create(&target, args, &source)?;
        let target = target.name("standard output");
        self.write(&name, &source, &content, (output, &target), archive.length(), |sink, _| {
            rewrite(&archive, sink).map(drop).map_err(|error| match error.kind() {
                ErrorKind::Damaged => {
                    let message = format!("{error}; it cannot be repaired, nncz salvage restores what is left");
                    Error::new(ErrorKind::Damaged, message).into()
                }
                _ => error.into(),
            })
        })?;
        let lines = mending.iter().flat_map(report::mending);
        lines.for_each(|line| self.say(&format!("nncz: {name}: {line}")));
        Ok(report::repaired(&name, &target, original, archive.length()))
    }
}

/// The bytes of an archive, mended as far as its parity can, and what was mended.
pub fn mended(source: &Source) -> Result<(Content, Option<Mending>)> {
    let mut content = source.content()?;
    let mending = nncz::mend(&mut content)?;
    Ok((content, mending))
}
