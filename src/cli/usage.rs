//! From what was typed to arguments that make sense together, or to a message that says what would.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use nncz::Part;

use super::args::{Arguments, Command, PlainOutput, Report};

/// The name under which the command is `nncz cat`.
const CAT: &str = "nnczcat";

/// The command line's arguments. Ends the process with a message if they are wrong.
pub fn arguments() -> Arguments {
    let words = words(std::env::args_os().collect());
    let arguments = Arguments::try_parse_from(&words).unwrap_or_else(|error| {
        let is_unknown = matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument);
        match words.get(1).and_then(|word| instead_of(word, &words[1..])).filter(|_| is_unknown) {
            Some(message) => misuse(error.kind(), &message),
            None => with_best_suggestion(error).exit(),
        }
    });
    if let Err(message) = check(&arguments.command) {
        misuse(ErrorKind::ArgumentConflict, message);
    }
    arguments
}

/// Of the commands that are like a mistyped one, the most like one alone.
fn with_best_suggestion(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::Strings(similar)) = error.get(ContextKind::SuggestedSubcommand)
        && let Some(best) = similar.last().cloned()
    {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![best]));
    }
    error
}

fn misuse(kind: ErrorKind, message: &str) -> ! {
    Arguments::command().error(kind, message).exit()
}

/// The words, with the command that the program's own name stands for.
fn words(mut words: Vec<OsString>) -> Vec<OsString> {
    let is_cat = words.first().and_then(|name| Path::new(name).file_name()).is_some_and(|name| name == CAT);
    if is_cat {
        words.insert(1, "cat".into());
    }
    words
}

/// What to say if a file, an option, or another compressor's word stands first where a command should.
fn instead_of(word: &OsStr, words: &[OsString]) -> Option<String> {
    let name = word.to_string_lossy().replace(char::is_control, "?");
    let command = match name.as_str() {
        "-d" | "--decompress" | "extract" | "unpack" | "unzip" | "uncompress" | "expand" => "decompress",
        "-t" | "--test" | "check" | "verify" => "test",
        "-l" | "--list" | "ls" => "list",
        "-z" | "--compress" | "pack" | "zip" => "compress",
        option if option.starts_with('-') => {
            let compress = ["nncz", "compress"].map(OsString::from).into_iter().chain(words.iter().cloned());
            let message = format!("'{name}' comes after a command; try: nncz compress {name} FILE");
            return Arguments::try_parse_from(compress).is_ok().then_some(message);
        }
        _ => {
            let is_archive = Path::new(word).extension() == Some(OsStr::new("nncz"));
            let command = if is_archive { "decompress" } else { "compress" };
            let message = format!("'{name}' is a file, not a command; try: nncz {command} {name}");
            return Path::new(word).exists().then_some(message);
        }
    };
    Some(format!("'{name}' is called {command} here; try: nncz {command} FILE"))
}

/// What clap cannot know to be wrong.
fn check(command: &Command) -> Result<(), &'static str> {
    let (files, output, recursive, report) = match command {
        Command::Compress(args) => (&args.files, &args.output, args.recursive, args.report),
        Command::Decompress(args) => (&args.files, &args.output, args.recursive, args.report),
        Command::Salvage(args) => return check_plain(&args.files, &args.output, args.report),
        Command::Repair(args) => return check_plain(&args.files, &args.output, args.report),
        _ => return Ok(()),
    };
    let has_standard_input = files.is_empty() || files.iter().any(|file| file.as_os_str() == "-");
    let to_standard_output =
        output.stdout || output.output.as_deref().map_or(files.is_empty(), |path| path == Path::new("-"));
    if output.output.is_some() && (files.len() > 1 || recursive) {
        return Err("--output takes the output of one FILE only");
    }
    if let Command::Compress(args) = command {
        if to_standard_output && (files.len() > 1 || recursive) {
            return Err(
                "archives of several files one after the other could not be taken apart again; compress one at a time",
            );
        }
        if args.resume && (has_standard_input || to_standard_output) {
            return Err("--resume needs a FILE and a file to write, to save the state of training beside it");
        }
    }
    if let Command::Decompress(args) = command
        && args.part() != Part::All
        && output.rm
    {
        return Err("--rm is not for a part of the original");
    }
    let writes = !matches!(command, Command::Compress(args) if args.dry_run);
    if report.json && to_standard_output && writes {
        return Err("--json and the output cannot both go to standard output; name a file with -o");
    }
    if output.rm && (has_standard_input || to_standard_output) {
        return Err("--rm needs a FILE to remove and a file to write");
    }
    Ok(())
}

fn check_plain(files: &[PathBuf], output: &PlainOutput, report: Report) -> Result<(), &'static str> {
    let to_standard_output =
        output.stdout || output.output.as_deref().map_or(files.is_empty(), |path| path == Path::new("-"));
    match files.len() {
        2.. if output.output.is_some() => Err("--output takes the output of one FILE only"),
        _ if report.json && to_standard_output => {
            Err("--json and the output cannot both go to standard output; name a file with -o")
        }
        _ => Ok(()),
    }
}
