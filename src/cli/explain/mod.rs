//! `nncz explain`: where the bits of an archive go, by column, by position, by row and by byte.

mod account;
mod groups;
mod page;
mod results;
mod shares;
mod surprise;
mod text;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::{Context, Result};
use nncz::container::{Archive, MAGIC};
use nncz::predict::Part;

use super::args::Explain;
use super::files::{Content, Place, Source, check_space};
use super::progress::Follower;
use super::report_file::Report;
use super::{Session, report::grouped};
use account::Account;
use results::{Explanation, Found};

impl Session {
    /// Explains one file; returns the exit code.
    pub fn explain(&self, args: &Explain) -> Result<u8> {
        let html = args.html.as_deref().map(|path| Report::create(path, args.force)).transpose()?;
        let place = Place::input(&args.file);
        let explanation = match self.explanation(&place, args) {
            Ok(explanation) => explanation,
            Err(error) => return Ok(self.fail(&place.name("standard input"), &error)),
        };
        let in_colour = io::stdout().is_terminal();
        let text = match args.json {
            true => serde_json::to_string_pretty(&explanation)? + "\n",
            false => text::text(&explanation, in_colour),
        };
        super::print(&text)?;
        if let Some(html) = html {
            html.publish(&page::page(&explanation)?)?;
        }
        Ok(0)
    }

    fn explanation(&self, place: &Place, args: &Explain) -> Result<Explanation> {
        let content = Source::open(place)?.content()?;
        let name = place.name("standard input");
        let follower = Follower::new(&name, self.talk, &self.interrupt);
        let result = self.interrupt.during(|| {
            let compressed;
            let bytes: &[u8] = if content.starts_with(&MAGIC) {
                &content
            } else {
                compressed = self.compressed(&content, args, &follower)?;
                self.say(&format!(
                    "{name}: not an archive; compressed to {} bytes, to see",
                    grouped(compressed.len() as u64)
                ));
                &compressed
            };
            let archive = Archive::open(bytes)?;
            let mut account = Account::new(&archive.header().layout, archive.header().original);
            let mut ablation = args.ablation.then_some(([0; Part::ALL.len()], 0));
            let explained = nncz::explain(&archive, args.ablation, &args.machine.resources(), &follower, |block| {
                account.take(&block);
                if let (Some((sums, all)), Some(costs)) = (&mut ablation, block.ablation) {
                    sums.iter_mut().zip(costs).for_each(|(sum, cost)| *sum += cost);
                    *all += block.costs.iter().map(|&cost| u64::from(cost)).sum::<u64>();
                }
                Ok(())
            });
            content.check_read()?;
            explained?;
            Ok(Explanation::new(Found { name: name.clone(), archive: &archive, account, ablation, rows: args.rows }))
        });
        follower.clear();
        result
    }

    /// An archive of `content`, in a temporary file.
    fn compressed(&self, content: &[u8], args: &Explain, follower: &Follower) -> Result<Content> {
        check_space(&std::env::temp_dir(), content.len() as u64)?;
        let file: File = tempfile::tempfile().context("cannot make a temporary file")?;
        let mut sink = BufWriter::new(&file);
        nncz::compress(content, &args.options(), &mut sink, follower)?;
        sink.flush()?;
        Content::map(&file)
    }
}

/// How hot a byte of so many bits is, 0 to 9.
fn level(bits: f32) -> u32 {
    const STEPS: [f32; 9] = [0.1, 0.25, 0.5, 1.0, 1.5, 3.0, 5.0, 7.5, 10.0];
    STEPS.iter().filter(|&&step| bits >= step).count() as u32
}
