//! What makes the command pleasant: folders, many files, JSON, help, suggestions, the environment, shells.

mod command;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use command::{Folder, parts, sample, stored};
use serde_json::Value;

/// The JSON objects on standard output, one a line.
fn objects(output: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(output).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn folders_are_gone_through_only_when_asked() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("data/inner")).unwrap();
    folder.write("data/a.nncz", &stored(b"one", 1));
    folder.write("data/inner/b.nncz", &stored(b"three", 1));
    folder.write("data/inner/notes.txt", b"");
    symlink("..", folder.path("data/inner/loop")).unwrap();
    assert!(folder.run("d data").2.contains("data: it is a folder; -r takes every file in it"));
    let (code, _, messages) = folder.run("d -r data");
    assert_eq!(code, 0, "{messages}");
    let last = messages.lines().last().unwrap();
    assert!(last.starts_with("2 files: ") && last.ends_with(" → 8 bytes"), "{messages}");
    assert_eq!(folder.read("data/a"), b"one");
    assert_eq!(folder.read("data/inner/b"), b"three");
    assert_eq!(folder.run("t -r data").2.lines().last().unwrap(), "2 files: sound, 8 bytes");
    assert_eq!(folder.run("d -r -o x data").0, 2);
}

#[test]
fn cat_is_a_command_and_a_name() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(b"one, ", 1));
    folder.write("b.nncz", &stored(b"two", 1));
    assert_eq!(folder.run("cat a.nncz b.nncz"), (0, b"one, two".to_vec(), String::new()));
    symlink(assert_cmd::cargo::cargo_bin!("nncz"), folder.path("nnczcat")).unwrap();
    let output = Command::new(folder.path("nnczcat")).arg("b.nncz").current_dir(folder.path("")).output();
    assert_eq!(parts(output.unwrap()), (0, b"two".to_vec(), String::new()));
}

#[test]
fn cat_still_warns_of_damage() {
    let folder = Folder::new();
    let mut archive = stored(b"one, two", 2);
    *archive.last_mut().unwrap() ^= 1;
    folder.write("a.nncz", &archive);
    let (code, output, messages) = folder.run("cat a.nncz");
    assert_eq!((code, output), (0, b"one, two".to_vec()));
    assert!(messages.contains("the index is damaged"), "{messages}");
}

#[test]
fn an_output_on_the_terminal_stands_alone() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(b"one\ntwo", 2));
    let nncz = assert_cmd::cargo::cargo_bin!("nncz").display();
    for arguments in ["decompress -c a.nncz", "decompress --lines 1..2 a.nncz", "cat a.nncz"] {
        let mut terminal = Command::new("script");
        terminal.args(["-qec", &format!("{nncz} {arguments}"), "/dev/null"]).stdin(std::process::Stdio::null());
        let (code, output, _) = parts(terminal.current_dir(folder.path("")).output().unwrap());
        assert_eq!((code, String::from_utf8_lossy(&output).trim_end()), (0, "one\r\ntwo"), "{arguments}");
    }
}

#[test]
fn json_alone_is_on_standard_output() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(&sample("render.js"), 2));
    folder.write("b.nncz", b"something else");
    let (code, output, messages) = folder.run("test --json a.nncz b.nncz");
    assert_eq!((code, &messages[..]), (3, "nncz: b.nncz: not an nncz archive\n"));
    let [sound, damaged] = &objects(&output)[..] else { panic!("{output:?}") };
    assert_eq!((&sound["file"], &sound["sound"]), (&"a.nncz".into(), &true.into()));
    assert_eq!(sound["original_bytes"], 16_726);
    assert_eq!((&damaged["error"], &damaged["exit_code"]), (&"not an nncz archive".into(), &3.into()));

    let info = &objects(&folder.run("info --json a.nncz").1)[0];
    assert_eq!(
        (&info["blocks"], &info["stored_blocks"], &info["network_parameters"]),
        (&2.into(), &2.into(), &Value::Null)
    );
    let restored = &objects(&folder.run("d --json a.nncz").1)[0];
    assert_eq!((&restored["output"], &restored["original_bytes"]), (&"a".into(), &16_726.into()));
    for mixed in ["d --json -c a.nncz", "d --json", "d --json -o - a.nncz"] {
        let (code, output, messages) = folder.run(mixed);
        assert_eq!((code, output.len()), (2, 0), "{mixed}");
        assert!(messages.contains("--json and the output cannot both go to standard output"), "{messages}");
    }
}

#[test]
fn help_fits_a_screen() {
    let folder = Folder::new();
    for (arguments, lines) in
        [("help", 26), ("--help", 26), ("help compress", 34), ("compress -h", 34), ("d --help", 27)]
    {
        let (code, output, _) = parts(folder.command(arguments).env("COLUMNS", "80").output().unwrap());
        let text = String::from_utf8(output).unwrap();
        assert_eq!(code, 0);
        assert!(text.lines().count() <= lines, "{} lines:\n{text}", text.lines().count());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}

#[test]
fn what_was_mistyped_is_guessed() {
    let folder = Folder::new();
    folder.write("a.csv", b"1,2\n");
    folder.write("a.csv.nncz", &stored(b"1,2\n", 1));
    for (arguments, advice) in [
        ("comprss a.csv", "similar subcommand exists: 'compress'"),
        ("decompres a", "similar subcommand exists: 'decompress'"),
        ("lst a", "similar subcommand exists: 'list'"),
        ("compress --tread 2 a", "--threads"),
        ("a.csv", "'a.csv' is a file, not a command; try: nncz compress a.csv"),
        ("a.csv.nncz", "'a.csv.nncz' is a file, not a command; try: nncz decompress a.csv.nncz"),
        ("-d a.csv.nncz", "'-d' is called decompress here; try: nncz decompress FILE"),
        ("-l a.csv.nncz", "'-l' is called list here; try: nncz list FILE"),
        ("unzip a.csv.nncz", "'unzip' is called decompress here; try: nncz decompress FILE"),
        ("-9 a.csv", "'-9' comes after a command; try: nncz compress -9 FILE"),
    ] {
        let (code, output, messages) = folder.run(arguments);
        assert_eq!((code, output.len()), (2, 0), "{arguments}");
        assert!(messages.contains(advice), "{arguments}: {messages}");
    }
    assert_eq!(folder.names(), ["a.csv", "a.csv.nncz"]);
}

#[test]
fn without_a_terminal_nothing_is_drawn_and_no_colour_is_used() {
    let folder = Folder::new();
    folder.write("a.nncz", &stored(&sample("render.js"), 2));
    for arguments in ["t a.nncz", "d a.nncz", "t --no-progress a.nncz", "help", "explode", "compress --level x"] {
        let (_, output, messages) = folder.run(arguments);
        let text = messages + &String::from_utf8_lossy(&output);
        assert!(!text.contains(['\x1b', '\r']), "{arguments}: {text:?}");
    }
}

#[cfg(feature = "manual")]
#[test]
fn the_manual_and_the_completions_know_every_command() {
    let folder = Folder::new();
    let help = String::from_utf8(folder.run("help").1).unwrap();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"compress") && commands.contains(&"cat"), "{help}");
    for arguments in ["man", "completions bash", "completions zsh", "completions fish"] {
        let (code, output, messages) = folder.run(arguments);
        assert_eq!((code, &messages[..]), (0, ""), "{arguments}");
        let text = String::from_utf8(output).unwrap().replace("\\-", "-");
        for word in commands.iter().copied().chain(["dry-run", "threads", "resume", "json"]) {
            assert!(text.contains(word), "{word} in {arguments}");
        }
    }
    let page = String::from_utf8(folder.run("man").1).unwrap();
    assert!(page.contains(".SH \"EXIT STATUS\"") || page.contains(".SH EXIT STATUS"), "{page}");
}

#[cfg(feature = "train")]
mod with_training {
    use super::*;

    #[test]
    fn the_environment_has_a_say_and_the_command_line_the_last_word() {
        let folder = Folder::new();
        folder.write("a", b"content");
        let level = |variable: &str, arguments: &str| {
            let compress = folder.command(&format!("c -f {arguments} a")).env("NNCZ_LEVEL", variable).output().unwrap();
            let (code, _, messages) = parts(compress);
            assert_eq!(code, 0, "{messages}");
            objects(&folder.run("info --json a.nncz").1)[0]["level"].as_u64().unwrap()
        };
        assert_eq!([level("3", ""), level("3", "-2"), level("3", "--level 4"), level("1", "-2 -5")], [3, 2, 4, 5]);
        for (variable, value) in [("NNCZ_LEVEL", "10"), ("NNCZ_LEVEL", "fast"), ("NNCZ_THREADS", "many")] {
            let (code, _, messages) = parts(folder.command("c -f a").env(variable, value).output().unwrap());
            assert_eq!(code, 2, "{messages}");
            assert!(messages.contains(value), "{messages}");
        }
        let with_threads = folder.command("c -f a").env("NNCZ_THREADS", "1").output().unwrap();
        assert_eq!(parts(with_threads).0, 0);
    }

    #[test]
    fn each_file_of_a_folder_gets_an_archive_of_its_own() {
        let folder = Folder::new();
        fs::create_dir_all(folder.path("data/inner")).unwrap();
        folder.write("data/a.js", &sample("render.js"));
        folder.write("data/inner/b.csv", &sample("taxi_50rows.csv"));
        folder.write("data/inner/c.nncz", &stored(b"an archive", 1));
        folder.write("data/inner/b.csv.nncz.training", b"");
        let (code, _, messages) = folder.run("c -1 -r data");
        assert_eq!(code, 0, "{messages}");
        assert!(messages.lines().last().unwrap().starts_with("2 files: 21,521 → "), "{messages}");
        assert!(folder.run("cat data/a.js.nncz").1 == sample("render.js"));
        assert!(folder.run("cat data/inner/b.csv.nncz").1 == sample("taxi_50rows.csv"));
        let (code, output, _) = folder.run("c -1 -r -f --json data");
        assert_eq!((code, objects(&output).len()), (0, 2));
    }

    #[test]
    fn a_dry_run_says_what_it_would_take_and_writes_nothing() {
        let folder = Folder::new();
        folder.write("a.js", &sample("render.js"));
        let (code, output, messages) = folder.run("c --dry-run a.js");
        assert_eq!((code, &messages[..]), (0, ""));
        let table = String::from_utf8(output).unwrap();
        for row in [
            "original        16,726 bytes\n",
            "archive         about ",
            "time            about ",
            "memory          about ",
        ] {
            assert!(table.contains(row), "{row:?} in\n{table}");
        }
        let with_network = &objects(&folder.run("c --dry-run --json --network 32 a.js").1)[0];
        assert_eq!(with_network["trains_network"], true);
        assert!(with_network["training_seconds"].as_f64().unwrap() > 0.0);
        let (code, ..) = parts(folder.command("c --dry-run").write_stdin(sample("watch.json")).output().unwrap());
        assert_eq!(code, 0);
        assert_eq!(folder.names(), ["a.js"]);

        let estimated = with_network["memory_to_decompress_bytes"].as_u64().unwrap();
        assert!((1 << 20..1 << 30).contains(&estimated), "{estimated}");
        let estimate = &objects(&folder.run("c --dry-run --json -1 a.js").1)[0];
        let archive = &objects(&folder.run("c --json -1 a.js").1)[0];
        let [estimated, actual] = [estimate, archive].map(|object| object["archive_bytes"].as_f64().unwrap());
        assert!((estimated / actual - 1.0).abs() < 0.05, "{estimated} estimated, {actual} became");
    }
}
