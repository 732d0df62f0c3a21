//! The manual page and the completions, made from what the command line understands.

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::Arguments;

/// The manual page, for man(1).
pub fn page() -> Result<String> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).section("1").manual("User Commands");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    let mut text = Roff::new();
    text.control("SH", ["DESCRIPTION"]);
    for paragraph in DESCRIPTION {
        text.control("PP", []).text([roman(*paragraph)]);
    }
    text.control("SH", ["COMMANDS"]);
    for part in command.get_subcommands().filter(|part| part.get_name() != "help") {
        describe(part, &mut text);
    }
    for (heading, terms) in
        [("EXIT STATUS", EXIT_STATUS), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES), ("EXAMPLES", EXAMPLES)]
    {
        text.control("SH", [heading]);
        for (term, meaning) in terms {
            text.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
        }
    }
    text.control("SH", ["SEE ALSO"]).text([roman("xz(1), zstd(1), tar(1)")]);
    text.to_writer(&mut page)?;
    String::from_utf8(page).context("the manual page is no text")
}

/// The completions for `shell`.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "nncz", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// One command: how it is called, what it does, its options.
fn describe(command: &Command, text: &mut Roff) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    text.control("SS", [usage.as_str()]);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    text.text([roman(format!("{about}."))]);
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set() && !argument.is_global_set()) {
        let names = [
            argument.get_short().map(|short| format!("-{short}")),
            argument.get_long().map(|long| format!("--{long}")),
        ];
        let names = names.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let takes_value = argument.get_action().takes_values();
        let value = argument.get_value_names().filter(|_| takes_value).map(|names| names.join(" ")).unwrap_or_default();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        text.control("TP", []).text([bold(names), roman(" "), roman(value)]).text([roman(help)]);
    }
}

const DESCRIPTION: &[&str] = &[
    "nncz compresses large structured files (trip records, logs, database dumps, sensor data) that are kept for years. \
     It predicts every byte with contexts that know the columns of the file and, where that pays, with a small network \
     that is trained on this one file and travels in the archive.",
    "Every archive is decoded and compared with its source before it gets its name. The source is kept unless \
     --rm is given.",
    "While a network is in training, the first Ctrl-C ends the training and goes on to write the archive with what was \
     learned; the second aborts. At any other time Ctrl-C aborts and leaves nothing behind.",
    "Without a FILE, or where FILE is -, standard input is read and standard output is written. nnczcat is nncz cat.",
];

const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "All was done. A reader that closed its pipe early counts as done."),
    ("1", "Something could not be read or written."),
    ("2", "The command line was wrong."),
    ("3", "An archive is damaged, or the file is no archive."),
    ("4", "An archive has a format that this version does not know."),
    ("5", "A limit refused an archive."),
    ("130", "It was interrupted."),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NNCZ_LEVEL", "The level to compress at where none is given, 1 to 9."),
    ("NNCZ_THREADS", "The threads to work with where -T is not given."),
    ("NO_COLOR", "If set, nothing is shown in colour."),
    ("TMPDIR", "Where input that is no regular file is copied to, in place of /tmp."),
];

const FILES: &[(&str, &str)] = &[
    ("FILE.nncz", "The archive of FILE."),
    ("FILE.nncz.training", "The state of a training that --resume goes on from. It goes when the archive stands."),
    (
        ".nncz-*.part",
        "An output in the making. It is left only by a process that was killed; the next one that writes into the \
         same folder removes it.",
    ),
];

const EXAMPLES: &[(&str, &str)] = &[
    ("nncz compress trips.csv", "Makes trips.csv.nncz."),
    ("nncz compress --time 10m --rm trips.csv", "Takes about ten minutes, and removes trips.csv in the end."),
    ("nncz compress -r archive/2019", "Compresses every file in the folder, each to an archive of its own."),
    ("pg_dump shop | nncz compress -o shop.sql.nncz", "Compresses what comes through a pipe."),
    ("nncz cat trips.csv.nncz | head", "Shows the beginning."),
    ("nncz test --json *.nncz", "Checks archives, for scripts."),
];
