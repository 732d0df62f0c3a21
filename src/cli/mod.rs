//! What a person sees: the command line, file safety, progress and reports. The only room that prints or exits.
// Without training, nothing compresses.
#![cfg_attr(not(feature = "train"), allow(dead_code, unused_imports))]

mod args;
#[cfg(feature = "reports")]
mod bench;
#[cfg(feature = "train")]
mod compress;
mod decompress;
#[cfg(feature = "reports")]
mod explain;
mod files;
mod interrupt;
#[cfg(feature = "manual")]
mod manual;
mod progress;
mod report;
#[cfg(feature = "reports")]
mod report_file;
mod rescue;
mod targets;
mod usage;
#[cfg(feature = "reports")]
mod web;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use nncz::{ErrorKind, Part};

use self::args::{Command, Talk};
use self::files::{Draft, Output, Place, Sink, Source};
use self::interrupt::Interrupt;
use self::report::{Outcome, Totals};
use self::targets::Wanted;

/// Does what the command line asks for. The exit code: 0 done, 1 error, 2 usage, 3 damaged or not an archive, 4 newer
/// format, 5 refused by a limit, 130 interrupted; of several files, the highest.
pub fn run() -> ExitCode {
    let arguments = usage::arguments();
    match Interrupt::install() {
        Ok(interrupt) => Session { talk: arguments.talk, terse: false, interrupt }.run(&arguments.command),
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("nncz: {error:#}");
    ExitCode::FAILURE
}

/// What all commands share.
struct Session {
    talk: Talk,
    /// Whether success needs no words: the output itself is what a person looks at.
    terse: bool,
    interrupt: Arc<Interrupt>,
}

/// The files that a command is for, and how it reports.
struct Operands<'a> {
    files: &'a [PathBuf],
    /// The files to take from folders, if it goes into them.
    in_folders: Option<Wanted>,
    json: bool,
}

impl Session {
    fn run(&self, command: &Command) -> ExitCode {
        match command {
            #[cfg(not(feature = "train"))]
            Command::Compress(_) => {
                fail(&anyhow!("this build only decompresses: it was made without the feature \"train\""))
            }
            #[cfg(feature = "train")]
            Command::Compress(args) => {
                let operands = Operands::new(&args.files, args.recursive.then_some(Wanted::Sources), args.report.json);
                self.each(&operands, |place| match args.dry_run {
                    true => self.estimate(place, args),
                    false => self.compress(place, args),
                })
            }
            Command::Decompress(args) => {
                let operands = Operands::archives(&args.files, args.recursive, args.report);
                let session = if args.shows_output() { &self.terse() } else { self };
                session.each(&operands, |place| {
                    session.decompress(place, &args.output, &args.part(), &args.machine.resources())
                })
            }
            Command::Cat(args) => {
                let output = args::Output { stdout: true, ..Default::default() };
                let (session, resources) = (self.terse(), args.machine.resources());
                let operands = Operands::new(&args.files, None, false);
                session.each(&operands, |place| session.decompress(place, &output, &Part::All, &resources))
            }
            Command::Test(args) => {
                let operands = Operands::archives(&args.files, args.recursive, args.report);
                self.each(&operands, |place| self.test(place, &args.machine.resources()))
            }
            Command::Salvage(args) => {
                let operands = Operands::new(&args.files, None, args.report.json);
                self.each(&operands, |place| self.salvage(place, args))
            }
            Command::Repair(args) => {
                let operands = Operands::new(&args.files, None, args.report.json);
                self.each(&operands, |place| self.repair(place, &args.output.keeping()))
            }
            Command::Info(args) => {
                let operands = Operands::archives(&args.files, args.recursive, args.report);
                self.each(&operands, |place| self.info(place))
            }
            #[cfg(feature = "reports")]
            Command::Bench(args) => self.code(self.bench(args)),
            #[cfg(feature = "reports")]
            Command::Explain(args) => self.code(self.explain(args)),
            #[cfg(feature = "reports")]
            Command::BenchJob { job } => self.code(bench::Job::run_here(job).map(|()| 0)),
            #[cfg(feature = "manual")]
            Command::Man => {
                manual::page().and_then(|text| print(&text)).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
            }
            #[cfg(feature = "manual")]
            Command::Completions(args) => {
                print(&manual::completions(args.shell)).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
            }
        }
    }

    /// The same session where the output itself is looked at: without a bar, and without a word on success.
    fn terse(&self) -> Self {
        let talk = Talk { no_progress: true, ..self.talk };
        Self { talk, terse: !talk.verbose, interrupt: Arc::clone(&self.interrupt) }
    }

    /// Tries all files, reports what becomes of each and of all together, and stops early only if it was interrupted.
    fn each(&self, operands: &Operands, work: impl Fn(&Place) -> Result<Outcome>) -> ExitCode {
        let mut totals = Totals::default();
        for place in operands.places() {
            let begin = Instant::now();
            let (name, result) = match place {
                Ok(place) => (place.name("standard input"), work(&place)),
                Err((folder, error)) => (folder.name(""), Err(error)),
            };
            totals.add(&result);
            match result.and_then(|outcome| self.report(&name, &outcome, operands.json, begin)) {
                Ok(()) => {}
                Err(error) => {
                    let code = self.fail(&name, &error);
                    totals.worst = totals.worst.max(code);
                    if operands.json && print(&report::failure(&name, &error, code)).is_err() {
                        break;
                    }
                }
            }
            if totals.worst == interrupt::EXIT_CODE {
                break;
            }
        }
        if let Some(line) = totals.summary().filter(|_| !operands.json && !self.terse) {
            self.say(&line);
        }
        ExitCode::from(totals.worst)
    }

    /// The exit code of a command that says by itself what goes wrong with its files.
    #[cfg(feature = "reports")]
    fn code(&self, result: Result<u8>) -> ExitCode {
        ExitCode::from(result.unwrap_or_else(|error| {
            eprintln!("nncz: {error:#}");
            exit_code(&error)
        }))
    }

    /// Says what went wrong with a file; returns the exit code for it.
    fn fail(&self, name: &str, error: &anyhow::Error) -> u8 {
        eprintln!("nncz: {name}: {}", report::message(error));
        exit_code(error)
    }

    /// Says what became of one file.
    fn report(&self, name: &str, outcome: &Outcome, json: bool, begin: Instant) -> Result<()> {
        match &outcome.text {
            _ if json => print(&outcome.json(name, begin.elapsed())),
            report::Text::Line(_) if self.terse => Ok(()),
            report::Text::Line(line) => {
                self.say(line);
                Ok(())
            }
            report::Text::Table(table) => print(table),
        }
    }

    /// Opens the output for what is made of `source`.
    fn create(&self, target: &Place, args: &args::Output, source: &Source) -> Result<Output> {
        if args.rm {
            source.check_removable(args.force)?;
        }
        let output = Output::create(target, args.force, source, &self.interrupt)?;
        match &output {
            Output::Stream(_) if args.rm => {
                bail!("the output {} keeps nothing; not with --rm", target.name("standard output"))
            }
            Output::Stream(_) => {}
            Output::Draft(draft) => {
                for path in &draft.removed {
                    self.say(&format!("nncz: removed {}, left by a run that was killed", files::printable(path)));
                }
            }
        }
        Ok(output)
    }

    /// Gives an output its name, and says what of its source's attributes it could not get.
    fn publish(&self, name: &str, draft: Draft, source: &Source) -> Result<()> {
        if let Some(refused) = draft.publish(source)? {
            self.say(&format!("nncz: {name}: {}", report::message(&anyhow!(refused))));
        }
        Ok(())
    }

    fn say(&self, line: &str) {
        if !self.talk.quiet {
            eprintln!("{line}");
        }
    }
}

impl<'a> Operands<'a> {
    fn new(files: &'a [PathBuf], in_folders: Option<Wanted>, json: bool) -> Self {
        Self { files, in_folders, json }
    }

    fn archives(files: &'a [PathBuf], recursive: bool, report: args::Report) -> Self {
        Self::new(files, recursive.then_some(Wanted::Archives), report.json)
    }

    /// Every file, those of folders one by one, or a folder that cannot be looked into.
    fn places(&self) -> Box<dyn Iterator<Item = std::result::Result<Place, (Place, anyhow::Error)>> + '_> {
        if self.files.is_empty() {
            return Box::new(std::iter::once(Ok(Place::Standard)));
        }
        Box::new(self.files.iter().flat_map(|file| {
            let place = Place::input(file);
            match self.in_folders.filter(|_| file.is_dir()) {
                None => Box::new(std::iter::once(Ok(place))) as Box<dyn Iterator<Item = _>>,
                Some(wanted) => Box::new(targets::in_folder(file, wanted).map(move |path| match path {
                    Ok(path) => Ok(Place::Path(path)),
                    Err(error) => Err((place.clone(), error)),
                })),
            }
        }))
    }
}

/// Writes `text` to standard output. A reader that went away is no error.
fn print(text: &str) -> Result<()> {
    let mut sink = Sink::new(io::stdout().lock(), "standard output".to_owned());
    let result = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
    if sink.is_broken_pipe { Ok(()) } else { Ok(result?) }
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
