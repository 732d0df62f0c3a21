//! Archives that were made once must restore the same bytes for ever: with every instruction set and thread count,
//! and by a decoder that was built without training. `tests/golden/make` made them.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use nncz::net::Instructions;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The golden archives, each with the bytes that it must restore.
fn archives() -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(tests().join("golden")).unwrap().map(|entry| entry.unwrap().path());
    let archives = files.filter(|path| path.extension().is_some_and(|extension| extension == "nncz"));
    archives.map(|path| (path.clone(), original(&path))).collect()
}

/// `NAME.VARIANT.nncz` was made from `tests/data/NAME`.
fn original(archive: &Path) -> Vec<u8> {
    let name = archive.with_extension("").with_extension("");
    match name.file_name().unwrap().to_str().unwrap() {
        "empty" => Vec::new(),
        name => std::fs::read(tests().join("data").join(name)).unwrap(),
    }
}

#[test]
fn golden_archives_restore_the_same_bytes_with_every_kernel_and_thread_count() {
    let archives = archives();
    assert!(archives.len() >= 9);
    for (path, original) in archives {
        for instructions in Instructions::available() {
            for threads in ["1", "2", "4"] {
                let mut nncz = Command::new(env!("CARGO_BIN_EXE_nncz"));
                nncz.env("NNCZ_KERNEL", instructions.name()).args(["decompress", "-q", "-c", "-T", threads]).arg(&path);
                let output = nncz.assert().success().get_output().stdout.clone();
                assert!(output == original, "{} with {} on {threads} threads", path.display(), instructions.name());
            }
        }
    }
}

#[test]
fn golden_archives_are_of_every_kind() {
    let networks = archives().iter().filter(|(path, _)| path.to_string_lossy().contains(".network.")).count();
    assert!(networks >= 4);
}
