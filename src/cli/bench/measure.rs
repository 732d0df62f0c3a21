//! Runs a contender on a file, in child processes, and checks that it restores every byte.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::contender::{Contender, Method, is_installed};
use super::job::{Cost, Direction, Job, LOOK, MISSING};
use super::results::{Outcome, Speed};
use crate::cli::interrupt::Interrupt;

/// A file that contenders are measured on.
pub struct Subject<'a> {
    /// Where its bytes lie.
    pub path: &'a Path,
    /// Their number.
    pub length: u64,
    /// Threads for nncz.
    pub threads: usize,
    /// Runs to take medians of.
    pub repeat: usize,
    pub interrupt: &'a Arc<Interrupt>,
    /// Told what is going on.
    pub announce: &'a dyn Fn(&str),
}

/// What one run of a contender gave.
struct Round {
    size: u64,
    compress: Cost,
    decompress: Cost,
}

impl Subject<'_> {
    /// Runs `contender` as often as asked. What goes wrong with it is its outcome; the only error is an interrupt.
    pub fn measure(&self, contender: &Contender) -> Result<Outcome> {
        if let Method::Command { program: Some(program), .. } = &contender.method
            && !is_installed(program)
        {
            return Ok(Outcome::Missing(format!("there is no {program} on the path")));
        }
        let mut rounds = Vec::new();
        for number in 0..self.repeat {
            let (name, of) =
                (contender.title(), if self.repeat > 1 { format!(" ({})", number + 1) } else { String::new() });
            let round = self.round(contender, &|what| (self.announce)(&format!("{name}: {what}{of}")));
            self.check_interrupt()?;
            match round {
                Ok(Ok(round)) => rounds.push(round),
                Ok(Err(wrong)) => return Ok(Outcome::Wrong(wrong)),
                Err(error) if error.to_string().ends_with(MISSING) => return Ok(Outcome::Missing(error.to_string())),
                Err(error) => return Ok(Outcome::Failed(format!("{error:#}"))),
            }
        }
        let speed = |cost: fn(&Round) -> &Cost| {
            let all: Vec<&Cost> = rounds.iter().map(cost).collect();
            Speed::median(&all, self.length)
        };
        let (compress, decompress) = (speed(|round| &round.compress), speed(|round| &round.decompress));
        let last = rounds.pop().context("no run was asked for")?;
        let restores = contender.restores_bytes();
        Ok(Outcome::done(self.length, last.size, restores, compress, decompress, last.compress.training))
    }

    /// One run in both directions; `Err` within says in what way the bytes came back wrong.
    fn round(&self, contender: &Contender, announce: &dyn Fn(&str)) -> Result<Result<Round, String>> {
        let folder = tempfile::Builder::new().prefix("nncz-bench-").tempdir().context("cannot make a folder")?;
        let (packed, restored) = (folder.path().join("packed"), folder.path().join("restored"));
        let job = |direction, input: &Path, output: &Path| Job {
            contender: contender.clone(),
            direction,
            source: self.path.to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
            threads: self.threads,
        };
        announce("compressing");
        let compress = self.child(&job(Direction::Compress, self.path, &packed), &folder)?;
        let size = packed.metadata().context("it wrote nothing")?.len();
        announce("decompressing");
        let decompress = self.child(&job(Direction::Decompress, &packed, &restored), &folder)?;
        if contender.restores_bytes()
            && let Some(difference) = difference(self.path, &restored)?
        {
            return Ok(Err(difference));
        }
        Ok(Ok(Round { size, compress, decompress }))
    }

    /// Runs a job in a process of its own, which is ended with all that it started if a person interrupts.
    fn child(&self, job: &Job, folder: &TempDir) -> Result<Cost> {
        let (mut output, mut messages) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut child = Command::new(own_program()?)
            .arg("bench-job")
            .arg(serde_json::to_string(job)?)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(messages.try_clone()?)
            .process_group(0)
            .spawn()
            .context("cannot start a process")?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if self.interrupt.is_requested() {
                kill_process_group(Pid::from_child(&child), Signal::KILL).ok();
                child.wait()?;
                self.check_interrupt()?;
            }
            std::thread::sleep(LOOK);
        };
        if !status.success() {
            return Err(failure(status, &text(&mut messages)?));
        }
        serde_json::from_str(&text(&mut output)?).context("the process did not say what it cost")
    }

    fn check_interrupt(&self) -> Result<()> {
        match self.interrupt.is_requested() {
            true => Err(nncz::Error::new(nncz::ErrorKind::Cancelled, "interrupted").into()),
            false => Ok(()),
        }
    }
}

/// This program, even if its file was replaced meanwhile.
fn own_program() -> Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Ok(running) } else { std::env::current_exe().context("cannot find this program") }
}

/// What a child that failed said last.
fn failure(status: ExitStatus, messages: &str) -> anyhow::Error {
    let said: Vec<&str> = messages.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last: Vec<&str> = said.iter().rev().take(2).rev().map(|line| line.trim_start_matches("nncz: ")).collect();
    match last[..] {
        [] => anyhow!("{status}"),
        _ => anyhow!("{}", last.join("; ")),
    }
}

fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(1 << 20).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where the restored file differs from the source, if it does.
fn difference(source: &Path, restored: &Path) -> Result<Option<String>> {
    let open = |path: &Path| File::open(path).with_context(|| format!("cannot read {}", path.display()));
    let Ok(file) = File::open(restored) else { bail!("it restored nothing") };
    let (expected, found) = (source.metadata()?.len(), file.metadata()?.len());
    let (mut source, mut restored) = (BufReader::new(open(source)?), BufReader::new(file));
    let (mut ours, mut theirs) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut at = 0;
    loop {
        let length = source.by_ref().take(1 << 16).read(&mut ours)?;
        if length == 0 {
            let message = format!("{found} bytes came back of {expected}");
            return Ok((found != expected).then_some(message));
        }
        if restored.read_exact(&mut theirs[..length]).is_err() {
            return Ok(Some(format!("{found} bytes came back of {expected}")));
        }
        if let Some(place) = ours[..length].iter().zip(&theirs).position(|(our, their)| our != their) {
            return Ok(Some(format!("byte {} came back wrong", at + place)));
        }
        at += length;
    }
}
