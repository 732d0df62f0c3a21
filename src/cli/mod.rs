//! What a person sees: the command line, file safety, progress and reports. The only room that prints or exits.

mod args;
#[cfg(feature = "reports")]
mod bench;
mod files;
mod interrupt;
mod progress;
mod report;
#[cfg(feature = "reports")]
mod report_file;
#[cfg(feature = "reports")]
mod web;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::{CommandFactory, Parser};
use nncz::container::Archive;
use nncz::{ErrorKind, Options};

use self::args::{Arguments, Command, Compress, Talk};
use self::files::{Content, Output, Place, Sink, Source};
use self::interrupt::Interrupt;
use self::progress::Bar;
use self::report::grouped;

const SUFFIX: &str = "nncz";

/// Does what the command line asks for. The exit code: 0 done, 1 error, 2 usage, 3 damaged or not an archive, 4 newer
/// format, 5 refused by a limit, 130 interrupted; of several files, the highest.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(message) = check_usage(&arguments.command) {
        Arguments::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
    match Interrupt::install() {
        Ok(interrupt) => Session { talk: arguments.talk, interrupt }.run(&arguments.command),
        Err(error) => {
            eprintln!("nncz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What clap cannot know to be wrong.
fn check_usage(command: &Command) -> Result<(), &'static str> {
    let (files, output, is_compress) = match command {
        Command::Compress(compress) => (&compress.files, &compress.output, true),
        Command::Decompress(decompress) => (&decompress.files, &decompress.output, false),
        _ => return Ok(()),
    };
    let has_standard_input = files.is_empty() || files.iter().any(|file| file.as_os_str() == "-");
    let to_standard_output = output.stdout || output.output.as_deref() == Some(Path::new("-"));
    if output.output.is_some() && files.len() > 1 {
        return Err("--output takes the output of one FILE only");
    }
    if is_compress && to_standard_output && files.len() > 1 {
        return Err(
            "archives of several files one after the other could not be taken apart again; compress one at a time",
        );
    }
    if matches!(command, Command::Compress(compress) if compress.resume) && (has_standard_input || to_standard_output) {
        return Err("--resume needs a FILE and a file to write, to save the state of training beside it");
    }
    if output.rm && (has_standard_input || to_standard_output) {
        return Err("--rm needs a FILE to remove and a file to write");
    }
    Ok(())
}

/// What all commands share.
struct Session {
    talk: Talk,
    interrupt: Arc<Interrupt>,
}

impl Session {
    fn run(&self, command: &Command) -> ExitCode {
        match command {
            Command::Compress(_) if !cfg!(feature = "train") => {
                eprintln!("nncz: this build only decompresses: it was made without the feature \"train\"");
                ExitCode::FAILURE
            }
            Command::Compress(args) => self.each(&args.files, |place| self.compress(place, args)),
            Command::Decompress(args) => {
                self.each(&args.files, |place| self.decompress(place, &args.output, args.threads.count()))
            }
            Command::Test(args) => self.each(&args.files, |place| self.test(place, args.threads.count())),
            Command::Info(args) => self.each(&args.files, |place| self.info(place)),
            #[cfg(feature = "reports")]
            Command::Bench(args) => self.code(self.bench(args)),
            #[cfg(feature = "reports")]
            Command::BenchJob { job } => self.code(bench::Job::run_here(job).map(|()| 0)),
        }
    }

    /// The exit code of a command that says by itself what goes wrong with its files.
    #[cfg(feature = "reports")]
    fn code(&self, result: Result<u8>) -> ExitCode {
        ExitCode::from(result.unwrap_or_else(|error| {
            eprintln!("nncz: {error:#}");
            exit_code(&error)
        }))
    }

    /// Tries all files, reports what fails, and stops early only if it was interrupted.
    fn each(&self, files: &[PathBuf], work: impl Fn(&Place) -> Result<()>) -> ExitCode {
        let mut places: Vec<Place> = files.iter().map(|file| Place::from_argument(file)).collect();
        if places.is_empty() {
            places.push(Place::Standard);
        }
        let mut worst = 0;
        for place in places {
            if let Err(error) = work(&place) {
                worst = worst.max(self.fail(&place, &error));
            }
            if worst == interrupt::EXIT_CODE {
                break;
            }
        }
        ExitCode::from(worst)
    }

    /// Says what went wrong with a file; returns the exit code for it.
    fn fail(&self, place: &Place, error: &anyhow::Error) -> u8 {
        eprintln!("nncz: {}: {error:#}", place.name("standard input"));
        exit_code(error)
    }

    fn compress(&self, place: &Place, args: &Compress) -> Result<()> {
        let source = Source::open(place)?;
        let target = target_of_compress(&source, place, &args.output)?;
        let output = self.create(&target, &args.output, &source)?;
        if let (Output::Stream(_), Place::Standard, false) = (&output, &target, args.output.force) {
            let message = "compressed bytes are not for a terminal; name a file with -o, or insist with -f";
            ensure!(!io::stdout().is_terminal(), message);
        }
        let content = source.content()?;
        output.check_space(content.len() as u64)?;

        let name = place.name("standard input");
        let checkpoint = target.path().filter(|_| args.resume).map(|path| files::with_suffix(path, "training"));
        let options = args.options(checkpoint.clone());
        let written = match output {
            Output::Draft(draft) => {
                let written = self.compress_and_verify(&name, &source, &content, draft.file(), &options)?.len();
                draft.publish(&source)?;
                written
            }
            Output::Stream(stream) => {
                let spool = tempfile::tempfile().context("cannot make a temporary file")?;
                files::check_space(&std::env::temp_dir(), content.len() as u64)?;
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
        self.say(&report::summary(&name, &target, content.len() as u64, written as u64));
        Ok(())
    }

    /// Writes the archive of `content` to `file`, and returns it when it has been decoded and compared.
    fn compress_and_verify(
        &self,
        name: &str,
        source: &Source,
        content: &[u8],
        file: &std::fs::File,
        options: &Options,
    ) -> Result<Content> {
        let bar = Bar::new(name, self.talk, &self.interrupt);
        let result = self.interrupt.during(|| {
            let mut sink = BufWriter::new(Sink::new(file, "the archive".to_owned()));
            #[cfg(feature = "train")]
            nncz::compress(content, options, &mut sink, &bar)?;
            sink.flush()?;
            let archive = Content::map(file)?;
            let verified = nncz::verify(&archive, content, options.threads, &bar);
            source.check_unchanged()?;
            verified?;
            Ok(archive)
        });
        bar.clear();
        result
    }

    fn decompress(&self, place: &Place, args: &args::Output, threads: NonZeroUsize) -> Result<()> {
        let source = Source::open(place)?;
        let target = target_of_decompress(&source, place, args)?;
        let output = self.create(&target, args, &source)?;
        let content = source.content()?;
        let original = Archive::open(&content)?.header().original;
        output.check_space(original)?;

        let (name, target) = (place.name("standard input"), target.name("standard output"));
        match output {
            Output::Draft(draft) => {
                let mut sink = BufWriter::new(Sink::new(draft.file(), target.clone()));
                self.decode(&name, &content, threads, &mut sink)?;
                drop(sink);
                source.check_unchanged()?;
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
        self.say(&format!("{name} → {target}: {} bytes", grouped(original)));
        Ok(())
    }

    fn test(&self, place: &Place, threads: NonZeroUsize) -> Result<()> {
        let content = Source::open(place)?.content()?;
        let name = place.name("standard input");
        let original = Archive::open(&content)?.header().original;
        self.decode(&name, &content, threads, &mut io::sink())?;
        self.say(&format!("{name}: sound, {} bytes", grouped(original)));
        Ok(())
    }

    fn info(&self, place: &Place) -> Result<()> {
        let content = Source::open(place)?.content()?;
        self.print(&report::info(&place.name("standard input"), &content)?)
    }

    /// Writes to standard output; a reader that went away is no error.
    fn print(&self, text: &str) -> Result<()> {
        let mut sink = Sink::new(io::stdout().lock(), "standard output".to_owned());
        let result = sink.write_all(text.as_bytes());
        if sink.is_broken_pipe { Ok(()) } else { Ok(result?) }
    }

    fn decode(&self, name: &str, archive: &[u8], threads: NonZeroUsize, sink: &mut dyn Write) -> Result<()> {
        let bar = Bar::new(name, self.talk, &self.interrupt);
        let result = self.interrupt.during(|| {
            nncz::decompress(archive, threads, sink, &bar)?;
            Ok(sink.flush()?)
        });
        bar.clear();
        result
    }

    fn create(&self, target: &Place, args: &args::Output, source: &Source) -> Result<Output> {
        if args.rm {
            source.check_removable()?;
        }
        let output = Output::create(target, args.force, source, &self.interrupt)?;
        if let (Output::Stream(_), true) = (&output, args.rm) {
            bail!("the output {} keeps nothing; not with --rm", target.name("standard output"));
        }
        Ok(output)
    }

    fn say(&self, line: &str) {
        if !self.talk.quiet {
            eprintln!("{line}");
        }
    }
}

fn target_of_compress(source: &Source, place: &Place, args: &args::Output) -> Result<Place> {
    if let Place::Path(path) = place {
        let is_archive = path.extension().is_some_and(|extension| extension == SUFFIX);
        ensure!(!is_archive || args.force, "it already ends in .{SUFFIX}; -f compresses it again");
    }
    if let Some(target) = explicit_target(place, args) {
        return Ok(target);
    }
    Ok(Place::Path(files::with_suffix(path_of(source, place)?, SUFFIX)))
}

fn target_of_decompress(source: &Source, place: &Place, args: &args::Output) -> Result<Place> {
    if let Some(target) = explicit_target(place, args) {
        return Ok(target);
    }
    let path = path_of(source, place)?;
    let is_archive = path.extension().is_some_and(|extension| extension == SUFFIX);
    ensure!(is_archive, "it does not end in .{SUFFIX}; say with -o or -c where the output should go");
    Ok(Place::Path(path.with_extension("")))
}

/// Where the options, or standard input, send the output.
fn explicit_target(source: &Place, args: &args::Output) -> Option<Place> {
    match (&args.output, source) {
        (Some(output), _) => Some(Place::from_argument(output)),
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

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<nncz::Error>().map(nncz::Error::kind) {
        Some(ErrorKind::Damaged) => 3,
        Some(ErrorKind::Version) => 4,
        Some(ErrorKind::Limit) => 5,
        Some(ErrorKind::Cancelled) => interrupt::EXIT_CODE,
        _ => 1,
    }
}
