//! What a person at a shell relies on: names, streams, safety of files, messages, exit codes.

mod command;

mod any_build {
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    use std::process::Stdio;
    use std::time::{Duration, SystemTime};

    use super::command::{Folder, parts, sample, signal, stored};

    #[test]
    fn decompress_restores_bytes_mode_and_time_and_keeps_the_archive() {
        let (folder, original) = (Folder::new(), sample("render.js"));
        folder.write("render.js.nncz", &stored(&original, 3));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
        let archive = File::options().write(true).open(folder.path("render.js.nncz")).unwrap();
        archive.set_modified(time).unwrap();
        archive.set_permissions(fs::Permissions::from_mode(0o640)).unwrap();

        let (code, output, messages) = folder.run("decompress render.js.nncz");
        assert_eq!((code, output.len()), (0, 0), "{messages}");
        assert_eq!(messages, "render.js.nncz → render.js: 16,726 bytes\n");
        assert!(folder.read("render.js") == original);
        let metadata = folder.path("render.js").metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
        assert_eq!(metadata.modified().unwrap(), time);
        assert_eq!(folder.names(), ["render.js", "render.js.nncz"]);
    }

    #[test]
    fn standard_streams_are_the_default_and_dashes_name_them() {
        let (folder, original) = (Folder::new(), sample("watch.json"));
        let archive = stored(&original, 1);
        for arguments in ["decompress", "d -", "d -c", "d - -o -", "d -q -T 1"] {
            let (code, output, messages) =
                parts(folder.command(arguments).write_stdin(archive.clone()).output().unwrap());
            assert_eq!(code, 0, "{arguments}: {messages}");
            assert!(output == original, "{arguments}");
        }
        let (code, ..) = parts(folder.command("d -o watch.json").write_stdin(archive).output().unwrap());
        assert_eq!(code, 0);
        assert!(folder.read("watch.json") == original);
    }

    #[test]
    fn several_archives_go_to_standard_output_one_after_the_other() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(b"one, ", 1));
        folder.write("b.nncz", &stored(b"two", 1));
        assert_eq!(folder.run("d -c a.nncz b.nncz").1, b"one, two");
    }

    #[test]
    fn an_existing_file_is_overwritten_only_by_force() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(b"new", 1));
        folder.write("a", b"old");
        let (code, _, messages) = folder.run("d a.nncz");
        assert_eq!(code, 1);
        assert!(messages.contains("a.nncz: a exists; -f overwrites it"), "{messages}");
        assert_eq!(folder.read("a"), b"old");
        assert_eq!(folder.run("d -f a.nncz").0, 0);
        assert_eq!(folder.read("a"), b"new");
        assert_eq!(folder.names(), ["a", "a.nncz"]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_one_line_and_exit_code_1() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(b"content", 1));
        folder.write("a.zip", &stored(b"content", 1));
        fs::create_dir(folder.path("folder")).unwrap();
        symlink("nowhere", folder.path("dangling")).unwrap();
        let before = folder.names();
        for (arguments, reason) in [
            ("d missing.nncz", "missing.nncz: cannot open it: No such file"),
            ("d folder", "folder: it is a folder"),
            ("d a.zip", "does not end in .nncz; say with -o or -c"),
            ("d a.nncz -o a.nncz -f", "is the input itself"),
            ("d a.nncz -o folder -f", "folder is a folder"),
            ("d a.nncz -o absent/a", "cannot write into the folder absent"),
            ("d a.nncz -o dangling", "symbolic link that leads nowhere"),
            ("d a.nncz -o /dev/full", "cannot write /dev/full: No space left on device"),
            ("d --rm a.nncz -o /dev/null", "not with --rm"),
            ("d /dev/null", "not a regular file"),
            ("t folder", "folder: it is a folder"),
            ("i missing", "missing: cannot open it"),
        ] {
            let (code, output, messages) = folder.run(arguments);
            assert_eq!((code, output.len()), (1, 0), "{arguments}: {messages}");
            assert!(messages.starts_with("nncz: ") && messages.lines().count() == 1, "{arguments}: {messages}");
            assert!(messages.contains(reason), "{arguments}: {messages}");
        }
        assert_eq!(folder.names(), before);
    }

    #[test]
    fn misuse_has_exit_code_2() {
        let folder = Folder::new();
        folder.write("a", b"a");
        for arguments in [
            "",
            "explode a",
            "compress --level 0 a",
            "compress --time 10 a",
            "compress --device tpu a",
            "compress -q -v a",
            "compress -c -o b a",
            "compress -c a a",
            "compress -o b a a",
            "compress -o - a a",
            "compress --rm -c a",
            "compress --rm -o - a",
            "compress --rm",
            "decompress --rm -",
            "decompress -6 a",
            "test -o b a",
        ] {
            let (code, output, messages) = folder.run(arguments);
            assert_eq!((code, output.len()), (2, 0), "{arguments}: {messages}");
            assert!(messages.contains("--help") || messages.contains("Usage: nncz"), "{arguments}: {messages}");
        }
        assert_eq!(folder.names(), ["a"]);
    }

    #[test]
    fn help_and_version_go_to_standard_output() {
        let folder = Folder::new();
        for arguments in ["--help", "compress --help", "help decompress", "--version"] {
            let (code, output, messages) = folder.run(arguments);
            assert_eq!((code, &messages[..]), (0, ""), "{arguments}");
            assert!(output.starts_with(b"nncz 0.") || output.windows(11).any(|text| text == b"Usage: nncz"));
        }
    }

    #[test]
    fn damage_is_exit_code_3_names_the_place_and_leaves_nothing() {
        let (folder, original) = (Folder::new(), sample("fields.c"));
        let archive = stored(&original, 2);
        let mut flipped = archive.clone();
        let place = archive.len() - 3000;
        flipped[place] ^= 0x20;
        folder.write("flipped.nncz", &flipped);
        folder.write("cut.nncz", &archive[..archive.len() / 2]);
        folder.write("foreign.nncz", &original);
        folder.write("empty.nncz", b"");
        folder.write("longer.nncz", &[&archive[..], b"tail"].concat());
        let before = folder.names();
        for (name, reason) in [
            ("flipped", "block 2 of 2 (bytes 5575 to 11149 of the original)"),
            ("cut", "cut off"),
            ("foreign", "not an nncz archive"),
            ("empty", "not an nncz archive"),
            ("longer", "4 bytes follow its end"),
        ] {
            for command in ["d", "t"] {
                let (code, output, messages) = folder.run(&format!("{command} {name}.nncz"));
                assert_eq!((code, output.len()), (3, 0), "{messages}");
                assert!(messages.starts_with(&format!("nncz: {name}.nncz: ")), "{messages}");
                assert!(messages.contains(reason), "{messages}");
                assert!(messages.lines().count() == 1 || command == "t", "{messages}");
            }
        }
        assert_eq!(folder.names(), before);
    }

    #[test]
    fn a_newer_format_is_exit_code_4_and_a_limit_5() {
        let folder = Folder::new();
        let mut newer = stored(b"bytes", 1);
        newer[8] += 1;
        folder.write("newer.nncz", &newer);
        let (code, _, messages) = folder.run("d newer.nncz");
        assert_eq!(code, 4, "{messages}");
        assert!(messages.contains("use a newer nncz"), "{messages}");

        let one_block_of_a_terabyte = [253, 0, 0, 0, 0, 0, 1, 0, 0, 1, 6, 14, 0];
        let mut large =
            [&stored(b"", 0)[..9], &[one_block_of_a_terabyte.len() as u8], &one_block_of_a_terabyte].concat();
        large.extend(crc32fast::hash(&large).to_le_bytes());
        folder.write("large.nncz", &large);
        let (code, _, messages) = folder.run("d large.nncz");
        assert_eq!(code, 5, "{messages}");
        assert_eq!(folder.names(), ["large.nncz", "newer.nncz"]);
    }

    #[test]
    fn all_files_are_tried_and_the_worst_exit_code_returned() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(b"a", 1));
        folder.write("b.nncz", b"something else");
        folder.write("c.nncz", &stored(b"c", 1));
        let (code, _, messages) = folder.run("d missing.nncz b.nncz a.nncz missing.nncz c.nncz");
        assert_eq!(code, 3);
        assert_eq!(messages.lines().count(), 6, "{messages}");
        assert!(messages.ends_with("\n2 files: 68 → 2 bytes; 3 failed\n"), "{messages}");
        assert_eq!((folder.read("a"), folder.read("c")), (b"a".to_vec(), b"c".to_vec()));
    }

    #[test]
    fn the_source_goes_only_when_asked_and_only_after_success() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(b"content", 1));
        folder.write("b.nncz", b"no archive");
        symlink("a.nncz", folder.path("link.nncz")).unwrap();
        assert_eq!(folder.run("d --rm b.nncz").0, 3);
        assert_eq!(folder.run("d --rm link.nncz").0, 1);
        assert_eq!(folder.run("d --rm --keep a.nncz").0, 0);
        assert_eq!(folder.names(), ["a", "a.nncz", "b.nncz", "link.nncz"]);
        assert_eq!(folder.run("d -k --rm -f a.nncz").0, 0);
        assert_eq!(folder.names(), ["a", "b.nncz", "link.nncz"]);
        assert_eq!(folder.read("a"), b"content");
    }

    #[test]
    fn quiet_says_nothing_but_errors() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(b"content", 1));
        assert_eq!(folder.run("-q d a.nncz"), (0, vec![], String::new()));
        assert_eq!(folder.run("t -q a.nncz"), (0, vec![], String::new()));
        assert!(folder.run("d -q a.nncz").2.contains("exists"));
    }

    #[test]
    fn a_closed_pipe_is_success() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(&vec![b'x'; 8 << 20], 8));
        for arguments in ["d -c a.nncz", "i a.nncz"] {
            let process = folder.process(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
            let mut process = process.unwrap();
            let mut reader = process.stdout.take().unwrap();
            if arguments.starts_with('d') {
                reader.read_exact(&mut [0; 10]).unwrap();
            }
            drop(reader);
            let (code, _, messages) = parts(process.wait_with_output().unwrap());
            assert_eq!(code, 0, "{arguments}: {messages}");
            assert!(!messages.contains("nncz:"), "{arguments}: {messages}");
        }
    }

    #[test]
    fn a_device_is_written_to_and_stays_one() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(b"content", 1));
        assert_eq!(folder.run("d -f a.nncz -o /dev/null").0, 0);
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let (code, output, _) = folder.run("d a.nncz -o /dev/stdout");
        assert_eq!((code, &output[..]), (0, &b"content"[..]));
    }

    #[test]
    fn test_says_that_an_archive_is_sound() {
        let folder = Folder::new();
        folder.write("a.nncz", &stored(b"content", 1));
        assert_eq!(folder.run("test a.nncz").2, "a.nncz: sound, 7 bytes\n");
        assert_eq!(folder.names(), ["a.nncz"]);
    }

    #[test]
    fn info_is_a_table_on_standard_output_of_where_the_bytes_are() {
        let (folder, original) = (Folder::new(), sample("render.js"));
        let archive = stored(&original, 2);
        folder.write("render.js.nncz", &archive);
        let (code, output, messages) = folder.run("info render.js.nncz");
        assert_eq!((code, &messages[..]), (0, ""));
        let table = String::from_utf8(output).unwrap();
        for row in [
            "render.js.nncz\n",
            "format version  14\n",
            "original        16,726 bytes\n",
            "payload       16,726 bytes",
            "weights       0 bytes (0.00 %)",
            "network         none\n",
            "layout          plain bytes\n",
            "blocks          2 of 8,363 bytes, 2 stored as they are\n",
        ] {
            assert!(table.contains(row), "{row:?} in\n{table}");
        }
    }

    #[test]
    fn names_of_any_bytes_work_and_do_not_steer_the_terminal() {
        let folder = Folder::new();
        let name = std::ffi::OsStr::from_bytes(b"a\n\x1b[31m\xff.nncz");
        fs::write(folder.path("").join(name), stored(b"content", 1)).unwrap();
        let output = folder.command("d").arg(name).output().unwrap();
        let (code, _, messages) = parts(output);
        assert_eq!((code, messages.lines().count()), (0, 1), "{messages:?}");
        assert!(!messages.contains('\x1b'), "{messages:?}");
        let restored = folder.path("").join(std::ffi::OsStr::from_bytes(b"a\n\x1b[31m\xff"));
        assert_eq!(fs::read(restored).unwrap(), b"content");
    }

    #[test]
    fn a_signal_while_waiting_for_input_ends_at_once() {
        let folder = Folder::new();
        let process = folder.process("d -o out").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = process.unwrap();
        let input = process.stdin.take();
        while folder.names().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(process.id(), "INT");
        assert_eq!(process.wait().unwrap().code(), Some(130));
        drop(input);
        assert!(folder.names().is_empty());
    }
}

#[cfg(not(feature = "train"))]
#[test]
fn a_build_without_training_says_that_it_only_decompresses() {
    let folder = command::Folder::new();
    folder.write("a", b"content");
    let (code, _, messages) = folder.run("compress a");
    assert_eq!((code, messages.lines().count()), (1, 1));
    assert!(messages.contains("this build only decompresses"), "{messages}");
    assert_eq!(folder.names(), ["a"]);
}

#[cfg(feature = "train")]
mod with_training {
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;
    use std::time::{Duration, SystemTime};

    use super::command::{Folder, parts, sample, signal};

    #[test]
    fn info_says_the_relations_between_columns_in_words_if_asked() {
        let trips = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/trips.csv");
        let folder = Folder::new();
        assert_eq!(folder.run(&format!("compress -1 -o trips.nncz {trips}")).0, 0);
        let said = |words: &str| String::from_utf8(folder.run(&format!("{words} trips.nncz")).1).unwrap();
        assert!(!said("info").contains("relation  "));
        let all = said("info -v");
        assert!(all.contains("column 17 = column 10 + column 13 + column 11 + column 14"), "{all}");
        let copy = "column 6 = column 7 of the row before (exact in ";
        assert!(
            all.contains(copy)
                && all.contains("whether it holds is told by roughly column 3 of the row before - column 2)"),
            "{all}"
        );
        assert!(
            all.contains("  correction    column 9, by what was missed after the same roughly column 3 - column 2"),
            "{all}"
        );
    }

    #[test]
    fn real_files_come_back_by_name_with_mode_and_time() {
        let folder = Folder::new();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_400_000_000);
        for name in ["taxi_50rows.csv", "watch.json"] {
            folder.write(name, &sample(name));
            let file = File::options().write(true).open(folder.path(name)).unwrap();
            file.set_modified(time).unwrap();
            file.set_permissions(fs::Permissions::from_mode(0o604)).unwrap();
        }
        let (code, output, messages) = folder.run("compress taxi_50rows.csv watch.json");
        assert_eq!((code, output.len()), (0, 0), "{messages}");
        assert!(messages.starts_with("taxi_50rows.csv → taxi_50rows.csv.nncz: 4,795 → "), "{messages}");
        let last = messages.lines().last().unwrap();
        assert!(messages.lines().count() == 3 && last.starts_with("2 files: 6,003 → "), "{messages}");
        assert!(last.ends_with(" bits per byte)"), "{messages}");
        for name in ["taxi_50rows.csv", "watch.json"] {
            let archive = folder.path(&format!("{name}.nncz")).metadata().unwrap();
            assert_eq!(archive.permissions().mode() & 0o7777, 0o604);
            assert_eq!(archive.modified().unwrap(), time);
            assert!(archive.len() < sample(name).len() as u64 / 2);
            assert_eq!(folder.run(&format!("test -q {name}.nncz")).0, 0);
            assert!(folder.run(&format!("decompress -c {name}.nncz")).1 == sample(name));
            assert!(folder.read(name) == sample(name));
        }
    }

    #[test]
    fn a_pipe_goes_in_and_out() {
        let (folder, original) = (Folder::new(), sample("watch.json"));
        let (code, archive, messages) =
            parts(folder.command("compress -1").write_stdin(original.clone()).output().unwrap());
        assert_eq!(code, 0, "{messages}");
        assert!(messages.starts_with("standard input → standard output: 1,208 → "), "{messages}");
        let (code, restored, _) = parts(folder.command("d").write_stdin(archive).output().unwrap());
        assert_eq!(code, 0);
        assert!(restored == original);
        assert!(folder.names().is_empty());
    }

    #[test]
    fn an_empty_file_comes_back() {
        let folder = Folder::new();
        folder.write("empty", b"");
        assert_eq!(folder.run("compress empty").0, 0);
        assert_eq!(folder.run("d -f empty.nncz").0, 0);
        assert_eq!(folder.read("empty"), b"");
        assert!(folder.read("empty.nncz").len() < 40);
    }

    #[test]
    fn what_should_not_be_compressed_is_refused() {
        let folder = Folder::new();
        folder.write("a", b"content");
        folder.write("b.nncz", b"content");
        folder.write("a.nncz", b"precious");
        fs::create_dir(folder.path("folder")).unwrap();
        let before = folder.names();
        for (arguments, reason) in [
            ("c a", "a.nncz exists; -f overwrites it"),
            ("c b.nncz", "already ends in .nncz; -f compresses it again"),
            ("c folder", "it is a folder"),
            ("c missing", "missing: cannot open it"),
            ("c a -f -o a", "is the input itself"),
            ("c /dev/null", "not a regular file"),
        ] {
            let (code, output, messages) = folder.run(arguments);
            assert_eq!((code, output.len(), messages.lines().count()), (1, 0, 1), "{arguments}: {messages}");
            assert!(messages.contains(reason), "{arguments}: {messages}");
        }
        assert_eq!(folder.names(), before);
        assert_eq!(folder.read("a.nncz"), b"precious");
        assert_eq!(folder.run("c -f a b.nncz").0, 0);
        assert_eq!(folder.run("d -c a.nncz").1, b"content");
        assert_eq!(folder.run("d -c b.nncz.nncz").1, b"content");
    }

    #[test]
    fn the_level_is_in_the_archive_and_the_last_one_counts() {
        let folder = Folder::new();
        folder.write("a", b"content");
        for (arguments, level) in [("", 6), ("-9 -3", 3), ("-2 --level 5", 5)] {
            assert_eq!(folder.run(&format!("c -f {arguments} a")).0, 0);
            let table = String::from_utf8(folder.run("i a.nncz").1).unwrap();
            assert!(table.contains(&format!("level           {level}\n")), "{table}");
        }
    }

    #[test]
    fn the_source_goes_only_when_its_archive_stands() {
        let folder = Folder::new();
        folder.write("a", b"content");
        folder.write("a.nncz", b"in the way");
        assert_eq!(folder.run("c --rm a").0, 1);
        assert_eq!(folder.names(), ["a", "a.nncz"]);
        assert_eq!(folder.run("c --rm -f a").0, 0);
        assert_eq!(folder.names(), ["a.nncz"]);
        assert_eq!(folder.run("d -c a.nncz").1, b"content");
    }

    /// Starts a compression that takes a while and returns when it has begun.
    fn slow_compression(folder: &Folder) -> std::process::Child {
        let copies = if cfg!(debug_assertions) { 2 } else { 100 };
        folder.write("slow.txt", &sample("render.js").repeat(copies));
        let process = folder.process("c -1 --rm slow.txt").stderr(Stdio::piped()).spawn().unwrap();
        while !folder.names().iter().any(|name| name.ends_with(".part")) {
            std::thread::sleep(Duration::from_millis(2));
        }
        process
    }

    #[test]
    fn an_interrupt_leaves_the_source_and_nothing_else() {
        let folder = Folder::new();
        let process = slow_compression(&folder);
        signal(process.id(), "INT");
        let (code, _, messages) = parts(process.wait_with_output().unwrap());
        assert_eq!(code, 130);
        assert_eq!(messages, "nncz: slow.txt: interrupted\n");
        assert_eq!(folder.names(), ["slow.txt"]);
    }

    #[test]
    fn a_source_that_changes_meanwhile_gives_no_archive() {
        let folder = Folder::new();
        let process = slow_compression(&folder);
        let mut source = File::options().append(true).open(folder.path("slow.txt")).unwrap();
        source.write_all(b"one more line\n").unwrap();
        let (code, _, messages) = parts(process.wait_with_output().unwrap());
        assert_eq!(code, 1);
        assert!(messages.contains("slow.txt: it changed while it was read"), "{messages}");
        assert_eq!(folder.names(), ["slow.txt"]);
    }

    #[test]
    fn unfinished_output_is_private() {
        let folder = Folder::new();
        let process = slow_compression(&folder);
        let name = folder.names().into_iter().find(|name| name.ends_with(".part")).unwrap();
        let mode = folder.path(&name).metadata().unwrap().permissions().mode() & 0o777;
        signal(process.id(), "INT");
        process.wait_with_output().unwrap();
        assert_eq!(mode, 0o600);
    }
}
