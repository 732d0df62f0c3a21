//! What goes wrong around the command: kills, full disks, files that change, odd files. The source or a complete
//! archive always exists, and a message says what happened.

mod command;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Command, Stdio};
use std::time::Duration;

use command::{Folder, parts, signal, stored};

/// Waits until `is_so`.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_a_killed_run_leaves_is_removed_by_the_next_and_nothing_else_is() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(b"content", 1));
    folder.write(".nncz-other", b"");
    let mut waiting = folder.process("d -o b").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut killed = folder.process("d -o c").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    until(|| folder.names().len() == 4);
    signal(killed.id(), "KILL");
    killed.wait().unwrap();
    assert_eq!(folder.names().len(), 4);

    let (code, _, messages) = folder.run("d a.nncz");
    assert_eq!(code, 0);
    assert!(messages.contains(".part, left by a run that was killed\n"), "{messages}");
    waiting.stdin.take().unwrap().write_all(&stored(b"piped", 1)).unwrap();
    assert!(waiting.wait().unwrap().success());
    assert_eq!(folder.names(), [".nncz-other", "a", "a.nncz", "b"]);
    assert_eq!(folder.read("b"), b"piped");
}

#[test]
fn an_archive_that_is_cut_short_while_it_is_decoded_is_an_error() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(&vec![b'x'; 32 << 20], 8));
    let mut process = folder.process("d -c -T1 a.nncz").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = process.stdout.take().unwrap();
    output.read_exact(&mut [0; 10]).unwrap();
    File::options().write(true).open(folder.path("a.nncz")).unwrap().set_len(100).unwrap();
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();
    let (code, _, messages) = parts(process.wait_with_output().unwrap());
    assert_eq!(code, 1, "{messages}");
    assert!(messages.contains("a.nncz: it could not be read to its end: it was cut short"), "{messages}");
    assert!(rest.len() < 32 << 20 && rest.iter().all(|&byte| byte == b'x'));
}

#[test]
fn a_limit_on_the_size_of_files_is_a_message_and_leaves_nothing() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(&vec![b'x'; 1 << 20], 1));
    let nncz = assert_cmd::cargo::cargo_bin!("nncz");
    let limited = format!("ulimit -f 100; exec {} d a.nncz", nncz.display());
    let output = Command::new("bash").args(["-c", &limited]).current_dir(folder.path("")).output().unwrap();
    let (code, _, messages) = parts(output);
    assert_eq!(code, 1, "{messages}");
    assert!(messages.starts_with("nncz: a.nncz: cannot write a: File too large"), "{messages}");
    assert_eq!(folder.names(), ["a.nncz"]);
}

#[test]
fn a_folder_that_cannot_be_written_into_is_named() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(b"content", 1));
    let (code, _, messages) = folder.run("d a.nncz -o /proc/a");
    assert_eq!(code, 1);
    assert!(messages.starts_with("nncz: a.nncz: cannot write into the folder /proc: "), "{messages}");
}

#[test]
fn hard_and_symbolic_links_keep_what_they_are() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(b"content", 1));
    fs::hard_link(folder.path("a.nncz"), folder.path("b.nncz")).unwrap();
    symlink("a.nncz", folder.path("link.nncz")).unwrap();
    let (code, _, messages) = folder.run("d --rm b.nncz");
    assert_eq!(code, 1);
    assert!(messages.contains("the file has 2 names (hard links); --rm -f removes this one"), "{messages}");
    assert_eq!(folder.run("d link.nncz").0, 0);
    assert_eq!(folder.read("link"), b"content");
    assert_eq!(folder.run("d --rm -f b.nncz").0, 0);
    assert_eq!(folder.names(), ["a.nncz", "b", "link", "link.nncz"]);
}

#[test]
fn the_owner_is_restored_where_that_is_allowed() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(b"content", 1));
    let is_root = std::os::unix::fs::chown(folder.path("a.nncz"), Some(12_345), Some(54_321)).is_ok();
    assert_eq!(folder.run("d a.nncz").0, 0);
    let (archive, restored) = (folder.path("a.nncz").metadata().unwrap(), folder.path("a").metadata().unwrap());
    assert_eq!((restored.uid(), restored.gid()), (archive.uid(), archive.gid()));
    assert_eq!(restored.uid() == 12_345, is_root);
}

/// As in a container without capabilities, or on a disk from elsewhere.
#[test]
fn an_owner_that_root_may_not_set_is_said_and_costs_nothing_else() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(b"content", 1));
    if std::os::unix::fs::chown(folder.path("a.nncz"), Some(12_345), Some(54_321)).is_err() {
        return;
    }
    let nncz = assert_cmd::cargo::cargo_bin!("nncz");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-chown", "--inh-caps=-chown"]).arg(nncz).args(["d", "a.nncz"]);
    let (code, _, messages) = parts(command.current_dir(folder.path("")).output().unwrap());
    assert_eq!(code, 0, "{messages}");
    assert!(messages.contains("a has not the source's owner (Operation not permitted)\n"), "{messages}");
    assert_eq!(folder.read("a"), b"content");
    assert_eq!(folder.path("a").metadata().unwrap().uid(), 0);
}

#[test]
fn named_pipes_and_device_names_of_the_streams_are_streams() {
    let folder = Folder::new();
    let archive = stored(b"content", 1);
    assert!(Command::new("mkfifo").arg(folder.path("pipe")).status().unwrap().success());
    let (path, bytes) = (folder.path("pipe"), archive.clone());
    let writer = std::thread::spawn(move || fs::write(path, bytes).unwrap());
    assert_eq!(folder.run("d pipe -o from-pipe").0, 0);
    writer.join().unwrap();
    assert_eq!(folder.read("from-pipe"), b"content");

    folder.write("a.nncz", &archive);
    let output = File::create(folder.path("out")).unwrap();
    let input = File::open(folder.path("a.nncz")).unwrap();
    let mut process = folder.process("d /dev/stdin -o /dev/stdout");
    assert!(process.stdin(input).stdout(output).status().unwrap().success());
    assert_eq!(folder.read("out"), b"content");
    assert_eq!(folder.names(), ["a.nncz", "from-pipe", "out", "pipe"]);
}

#[cfg(feature = "train")]
mod with_training {
    use std::io::BufRead;
    use std::time::Instant;

    use super::*;
    use crate::command::sample;

    fn has_draft(folder: &Folder) -> bool {
        folder.names().iter().any(|name| name.starts_with(".nncz-") && name.ends_with(".part"))
    }

    fn long_text() -> Vec<u8> {
        sample("render.js").repeat(60)
    }

    #[test]
    fn kills_at_any_moment_lose_nothing() {
        let folder = Folder::new();
        let original = sample("render.js").repeat(4);
        for after in [1, 15, 40, 80, 120, 160] {
            folder.write("a", &original);
            let mut process = folder.process("c -1 --rm -f a").stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(after));
            process.kill().unwrap();
            process.wait().unwrap();
            if !folder.path("a").exists() {
                assert_eq!(folder.run("d a.nncz").0, 0, "killed after {after} ms");
            }
            assert!(folder.read("a") == original, "killed after {after} ms");
        }
        assert_eq!(folder.run("c -1 --rm -f a").0, 0);
        assert_eq!(folder.names(), ["a.nncz"]);
    }

    #[test]
    fn a_source_that_is_cut_short_meanwhile_gives_no_archive() {
        let folder = Folder::new();
        folder.write("a", &long_text());
        let process = folder.process("c -1 a").stderr(Stdio::piped()).spawn().unwrap();
        until(|| has_draft(&folder));
        File::options().write(true).open(folder.path("a")).unwrap().set_len(1000).unwrap();
        let (code, _, messages) = parts(process.wait_with_output().unwrap());
        assert_eq!(code, 1);
        assert!(messages.contains("a: it changed while it was read; nothing was written, try again"), "{messages}");
        assert_eq!(folder.names(), ["a"]);
    }

    #[test]
    fn of_two_processes_with_one_file_one_writes_its_archive() {
        let folder = Folder::new();
        folder.write("a", &long_text());
        let start = || folder.process("c -1 a").stderr(Stdio::piped()).spawn().unwrap();
        let results = [start(), start()].map(|process| parts(process.wait_with_output().unwrap()));
        let mut codes = results.each_ref().map(|(code, ..)| *code);
        codes.sort();
        assert_eq!(codes, [0, 1], "{results:?}");
        assert!(results.iter().any(|(_, _, messages)| messages.contains("exist")), "{results:?}");
        assert_eq!(folder.names(), ["a", "a.nncz"]);
        assert!(folder.run("d -c a.nncz").1 == long_text());
    }

    #[test]
    fn sparse_files_and_files_that_hide_their_length_come_back() {
        let folder = Folder::new();
        let sparse = File::create(folder.path("sparse")).unwrap();
        sparse.set_len(2 << 20).unwrap();
        assert_eq!(folder.run("c -1 sparse").0, 0);
        assert!(folder.run("d -c sparse.nncz").1 == vec![0; 2 << 20]);
        assert_eq!(folder.run("c -1 /proc/version -o version.nncz").0, 0);
        assert_eq!(folder.run("d -c version.nncz").1, fs::read("/proc/version").unwrap());
    }

    /// Starts a compression that would train for minutes and returns when it does.
    fn training(folder: &Folder) -> std::process::Child {
        folder.write("a.csv", &sample("taxi_50rows.csv").repeat(40));
        let arguments = "c --device cpu --network 32 --time 10m -v a.csv";
        let mut process = folder.process(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let messages = process.stderr.as_mut().unwrap();
        let mut line = String::new();
        while !line.contains("training begins") {
            line.clear();
            assert_ne!(std::io::BufReader::with_capacity(1, &mut *messages).read_line(&mut line).unwrap(), 0);
        }
        process
    }

    #[test]
    fn the_first_interrupt_ends_training_and_the_archive_gets_what_was_learned() {
        let folder = Folder::new();
        let process = training(&folder);
        std::thread::sleep(Duration::from_millis(500));
        signal(process.id(), "INT");
        let begin = Instant::now();
        let (code, _, messages) = parts(process.wait_with_output().unwrap());
        assert_eq!(code, 0, "{messages}");
        assert!(
            messages.contains("training ends; the archive gets what was learned (Ctrl-C again aborts)"),
            "{messages}"
        );
        assert!(begin.elapsed() < Duration::from_secs(60));
        assert!(folder.run("d -c a.csv.nncz").1 == folder.read("a.csv"));
        let table = String::from_utf8(folder.run("info a.csv.nncz").1).unwrap();
        assert!(table.contains("width 32"), "{table}");
    }

    #[test]
    fn the_second_interrupt_aborts_and_so_does_a_request_to_terminate() {
        for signals in [&["INT", "INT"][..], &["TERM"]] {
            let folder = Folder::new();
            let process = training(&folder);
            for name in signals {
                signal(process.id(), name);
                std::thread::sleep(Duration::from_millis(50));
            }
            let (code, _, messages) = parts(process.wait_with_output().unwrap());
            assert_eq!(code, 130, "{messages}");
            assert!(messages.ends_with("nncz: a.csv: interrupted\n"), "{messages}");
            assert_eq!(folder.names(), ["a.csv"]);
        }
    }
}
