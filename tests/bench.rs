//! What a person who compares compressors relies on.
#![cfg(feature = "reports")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder with two genuine small files, and the command run in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["taxi_50rows.csv", "watch.json"] {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
            fs::copy(source, folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code, standard output and standard error of `nncz bench` with these words.
    fn bench(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = assert_cmd::Command::cargo_bin("nncz").unwrap();
        let output = command.arg("bench").args(words).current_dir(self.0.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, words: &[&str]) -> (i32, Value) {
        let (code, output, messages) = self.bench(&[&["--json"], words].concat());
        (code, serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}{messages}")))
    }
}

/// The row of a contender in a list of rows.
fn row<'a>(rows: &'a Value, contender: &str) -> &'a Value {
    let rows = rows["rows"].as_array().unwrap();
    rows.iter().find(|row| row["contender"] == contender).unwrap_or_else(|| panic!("no {contender} in {rows:?}"))
}

#[test]
fn every_contender_is_measured_and_sizes_are_those_of_the_files() {
    let folder = Folder::new();
    let (code, report) = folder.json(&["--levels", "1,2", "--vs", "gzip,xz:6,ppmd:8", "taxi_50rows.csv"]);
    assert_eq!((code, &report["report"], &report["version"]), (0, &"nncz bench".into(), &1.into()));
    let file = &report["files"][0];
    assert_eq!((&file["bytes"], &file["kind"]), (&4795.into(), &"table".into()));
    for contender in ["nncz:1", "nncz:2", "gzip:9", "xz:6", "ppmd:8"] {
        let figures = &row(file, contender)["figures"];
        let size = figures["size"].as_u64().unwrap();
        assert!((500..3000).contains(&size), "{contender}: {size}");
        assert!((figures["bits_per_byte"].as_f64().unwrap() - 8.0 * size as f64 / 4795.0).abs() < 1e-9);
        for direction in ["compress", "decompress"] {
            assert!(figures[direction]["seconds"].as_f64().unwrap() > 0.0);
            assert!(figures[direction]["memory"].as_u64().unwrap() > 1_000_000);
        }
    }
    let mut command = assert_cmd::Command::cargo_bin("nncz").unwrap();
    let archive = command.args(["compress", "-1", "-c", "taxi_50rows.csv"]).current_dir(folder.0.path()).output();
    let length = archive.unwrap().stdout.len();
    let figures = &row(file, "nncz:1")["figures"];
    assert_eq!((&figures["size"], &figures["relative_size"]), (&length.into(), &1.0.into()));
}

#[test]
fn a_rival_that_fails_is_a_row_that_says_so_and_spoils_no_other() {
    let folder = Folder::new();
    let commands = [
        "honest=gzip -c {in} > {out} ;; gzip -dc {in} > {out}",
        "liar=cp {in} {out} ;; tr 0 1 < {in} > {out}",
        "short=cp {in} {out} ;; head -c 99 {in} > {out}",
        "gone=no-such-program {in} {out} ;; true {in} {out}",
        "broken=echo out of luck >&2; exit 3 {in} {out} ;; true {in} {out}",
    ];
    let mut words = vec!["--levels", "1", "--vs", "bzip2", "taxi_50rows.csv", "nowhere.csv", "watch.json"];
    commands.iter().for_each(|command| words.extend(["--vs-command", command]));
    let (code, report) = folder.json(&words);
    assert_eq!((code, report["files"].as_array().unwrap().len()), (1, 2));
    for file in report["files"].as_array().unwrap() {
        for (contender, status) in [("nncz:1", "done"), ("bzip2:9", "done"), ("honest", "done"), ("short", "wrong")] {
            assert_eq!(row(file, contender)["status"], status, "{file}");
        }
        assert_eq!(row(file, "gone")["status"], "missing");
        assert_eq!(row(file, "broken")["status"], "failed");
        assert!(row(file, "broken")["figures"].as_str().unwrap().contains("out of luck"));
    }
    assert_eq!(row(&report["files"][0], "liar")["status"], "wrong");

    let (code, output, messages) = folder.bench(&words);
    assert_eq!(code, 1);
    assert!(messages.contains("nowhere.csv: cannot open it"), "{messages}");
    for part in ["wrong bytes", "not installed", "failed", "gone: not installed", "99 bytes came back of 4795"] {
        assert!(output.contains(part), "{part}: {output}");
    }
}

#[test]
fn several_files_have_totals_and_summaries_by_kind() {
    let folder = Folder::new();
    let (code, report) = folder.json(&["--levels", "1", "--vs", "zstd:3", "taxi_50rows.csv", "watch.json"]);
    assert_eq!(code, 0);
    let size = |part: &Value, contender| row(part, contender)["figures"]["size"].as_u64().unwrap();
    for contender in ["nncz:1", "zstd:3"] {
        let files: u64 = report["files"].as_array().unwrap().iter().map(|file| size(file, contender)).sum();
        let kinds: u64 = report["kinds"].as_array().unwrap().iter().map(|kind| size(kind, contender)).sum();
        assert_eq!((files, kinds), (size(&report["total"], contender), files));
    }
    assert_eq!((&report["total"]["bytes"], &report["total"]["files"]), (&6003.into(), &2.into()));
}

#[test]
fn a_limit_takes_a_prefix_and_says_so() {
    let folder = Folder::new();
    let (code, output, _) = folder.bench(&["--levels", "1", "--vs", "none", "--limit", "2kB", "taxi_50rows.csv"]);
    assert_eq!(code, 0);
    assert!(output.starts_with("taxi_50rows.csv: the first 2,000 of 4,795 bytes (table)\n"), "{output}");
}

#[test]
fn markdown_has_the_same_rows_and_nothing_around_its_cells() {
    let folder = Folder::new();
    let (_, output, _) = folder.bench(&["--levels", "1", "--vs", "gzip", "--markdown", "watch.json"]);
    let cells: Vec<usize> =
        output.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count()).collect();
    assert_eq!(cells, [9, 9, 9, 9], "{output}");
}

#[test]
fn the_page_stands_alone_and_is_not_overwritten_unasked() {
    let folder = Folder::new();
    let words = ["--levels", "1", "--vs", "gzip,lz4", "--html", "report.html", "taxi_50rows.csv", "watch.json"];
    assert_eq!(folder.bench(&words).0, 0);
    let page = fs::read_to_string(folder.path("report.html")).unwrap();
    assert!(page.len() < 1_000_000 && page.contains("<svg") && page.contains("lz4 12"));
    let links = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for reference in ["http:", "https:", "src=", "@import", "url(", "<script"] {
        assert!(!links.contains(reference), "{reference}");
    }
    let (code, _, messages) = folder.bench(&words);
    assert_eq!(code, 1);
    assert!(messages.contains("report.html exists; -f overwrites it"), "{messages}");
    assert_eq!(folder.bench(&[&words[..], &["-f"]].concat()).0, 0);
}

#[test]
fn an_interrupt_ends_the_rival_too() {
    let folder = Folder::new();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("nncz"))
        .args(["bench", "--levels", "1", "--vs", "none", "watch.json"])
        .args(["--vs-command", "slow=touch started; sleep 60; cp {in} {out} ;; cp {in} {out}"])
        .env("TMPDIR", folder.0.path())
        .current_dir(folder.0.path())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let begun = || fs::read_dir(folder.0.path()).unwrap().flatten().any(|entry| entry.path().join("started").exists());
    while !begun() {
        assert!(start.elapsed() < Duration::from_secs(30), "the rival was not started");
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(40));
    let names: Vec<_> = fs::read_dir(folder.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
