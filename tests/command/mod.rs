//! The command in a folder of its own.
#![allow(dead_code, reason = "every test takes what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use nncz::Parity;
use nncz::container::{BlockHeader, Header, Method, Writer};
use nncz::layout::Layout;
use nncz::predict::{Effort, Tables};

/// A folder for one test, with the command run in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in the folder, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The command with `arguments`, parted by spaces, ready to run here.
    pub fn command(&self, arguments: &str) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::cargo_bin("nncz").unwrap();
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command
    }

    /// The same for [`std::process`], to start without waiting.
    pub fn process(&self, arguments: &str) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("nncz"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command
    }

    /// Runs the command and returns its exit code, standard output and standard error.
    pub fn run(&self, arguments: &str) -> (i32, Vec<u8>, String) {
        parts(self.command(arguments).output().unwrap())
    }
}

/// Exit code, standard output and standard error.
pub fn parts(output: Output) -> (i32, Vec<u8>, String) {
    (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

/// A genuine small file.
pub fn sample(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// An archive of `original` in `blocks` stored blocks, which needs no compressor.
pub fn stored(original: &[u8], blocks: u32) -> Vec<u8> {
    let length = original.len() as u64;
    let header = Header {
        original: length,
        blocks,
        level: 1,
        network: false,
        tables: Tables { bits: 14, effort: Effort::Quick },
        layout: Layout::Plain,
    };
    let mut archive = Vec::new();
    let mut writer = Writer::new(&mut archive, &header, Parity::None).unwrap();
    for number in 0..blocks {
        let range = header.range(number);
        let bytes = &original[range.start as usize..range.end as usize];
        let newlines = if blocks > 1 { bytes.iter().filter(|&&byte| byte == b'\n').count() as u64 } else { 0 };
        let block = BlockHeader { newlines, method: Method::Stored, crc: crc32fast::hash(bytes) };
        writer.block(&block, bytes).unwrap();
    }
    writer.finish().unwrap();
    archive
}

/// Sends a signal, by its name without SIG.
pub fn signal(process: u32, name: &str) {
    let status = std::process::Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(status.unwrap().success());
}
