//! What a person who asks where the bits go relies on.
#![cfg(feature = "reports")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

mod command;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Exit code, standard output and standard error of `nncz explain` with these words, split at blanks.
fn explain(words: &str, file: &Path) -> (i32, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("nncz").unwrap();
    let output = command.arg("explain").args(words.split_whitespace()).arg(file).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(words: &str, file: &Path) -> Value {
    let (code, output, messages) = explain(&format!("--json {words}"), file);
    assert_eq!(code, 0, "{messages}");
    serde_json::from_str(&output).unwrap()
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn sum(values: &Value, key: &str) -> u64 {
    values.as_array().unwrap().iter().map(|value| number(value, key)).sum()
}

/// Whether the parts add up, in the archive and in the original.
fn check_sums(found: &Value, archive: u64, original: u64) {
    let parts = sum(&found["groups"], "bytes")
        + ["weights", "index", "parity", "headers"].map(|part| number(found, part)).iter().sum::<u64>();
    assert_eq!((parts, number(found, "archive")), (archive, archive));
    assert_eq!((sum(&found["groups"], "original"), number(found, "original")), (original, original));
    assert_eq!(sum(&found["groups"], "bytes"), sum(&found["blocks"], "payload"));
    // What the predictions cost is what the coder wrote, but for its ends.
    let bits: f64 = found["groups"].as_array().unwrap().iter().map(|group| group["bits"].as_f64().unwrap()).sum();
    let payload = sum(&found["blocks"], "payload") as f64;
    assert!((bits / 8.0 - payload).abs() <= 0.001 * payload + 40.0, "{bits} bits, {payload} bytes");
}

#[test]
fn the_parts_of_every_golden_archive_add_up_to_its_length() {
    let mut seen = 0;
    for entry in fs::read_dir(repository().join("tests/golden")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "nncz") {
            let name = path.file_name().unwrap().to_str().unwrap();
            let original = match name.split(".fastest").next().unwrap().split(".network").next().unwrap() {
                "empty" => 0,
                name => repository().join("tests/data").join(name).metadata().unwrap().len(),
            };
            let found = json("", &path);
            check_sums(&found, path.metadata().unwrap().len(), original);
            assert_eq!(number(&found, "weights") > 0, name.contains("network"));
            seen += 1;
        }
    }
    assert!(seen > 5);
}

#[test]
fn the_parts_of_an_archive_of_several_stored_blocks_add_up() {
    let original = b"a line of text\nanother one\n".repeat(9);
    let archive = command::stored(&original, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stored.nncz");
    fs::write(&path, &archive).unwrap();
    let found = json("", &path);
    check_sums(&found, archive.len() as u64, original.len() as u64);
    assert!(number(&found, "index") > 0 && found["blocks"][2]["stored"] == true);
    assert_eq!(number(&found, "rows"), 18);
}

#[test]
fn columns_are_those_of_the_file() {
    let path = repository().join("examples/trips.csv");
    let text = fs::read_to_string(&path).unwrap();
    let head: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let found = json("-1", &path);
    let groups = found["groups"].as_array().unwrap();
    assert_eq!((groups.len(), number(&found, "rows")), (head.len(), text.lines().count() as u64));
    for (column, name) in head.iter().enumerate() {
        // A field ends with the delimiter or the end of its line.
        let length: usize = text.lines().map(|line| line.split(',').nth(column).unwrap().len() + 1).sum();
        let group = groups.iter().find(|group| group["name"] == *name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(number(group, "original"), length as u64, "{name}");
        assert!(!group["experts"].as_array().unwrap().is_empty());
    }
    let total = groups.iter().find(|group| group["name"] == "total_amount").unwrap();
    assert!(total["experts"][0][0].as_str().unwrap().starts_with("total_amount = fare_amount + tip_amount"), "{total}");
}

#[test]
fn a_file_and_its_archive_have_one_explanation() {
    let folder = tempfile::tempdir().unwrap();
    let source = repository().join("tests/data/watch.json");
    let archive = folder.path().join("watch.json.nncz");
    let mut command = assert_cmd::Command::cargo_bin("nncz").unwrap();
    assert!(command.args(["compress", "-2", "-o"]).arg(&archive).arg(&source).output().unwrap().status.success());
    let (mut of_file, mut of_archive) = (json("-2", &source), json("", &archive));
    for found in [&mut of_file, &mut of_archive] {
        found["name"] = Value::Null;
    }
    assert_eq!(of_file, of_archive);
    check_sums(&of_archive, archive.metadata().unwrap().len(), source.metadata().unwrap().len());
}

#[test]
fn altered_rows_are_among_the_most_surprising() {
    let text = fs::read_to_string(repository().join("examples/trips.csv")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut alter = |row: usize, change: &dyn Fn(&mut Vec<String>)| {
        let mut fields: Vec<String> = lines[row - 1].split(',').map(str::to_owned).collect();
        change(&mut fields);
        lines[row - 1] = fields.join(",");
    };
    alter(2500, &|fields| fields[5] = fields[1].clone());
    alter(4000, &|fields| fields[1] = fields[1].replace("2020", "1920"));
    alter(5500, &|fields| fields[8] = "N/A".to_owned());
    alter(7000, &|fields| drop(fields.remove(3)));
    alter(8500, &|fields| fields[16] = fields[16].replace('.', "") + "00");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("altered.csv");
    fs::write(&path, lines.join("\n") + "\n").unwrap();

    let found = json("--rows 20", &path);
    let rows = found["surprising_rows"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    for altered in [2500, 4000, 5500, 7000, 8500u64] {
        let row = rows.iter().find(|row| row["number"] == altered).unwrap_or_else(|| panic!("row {altered}: {rows:?}"));
        assert_eq!(row["text"], lines[altered as usize - 1].as_str());
        let start: usize = lines[..altered as usize - 1].iter().map(|line| line.len() + 1).sum();
        assert_eq!(number(row, "offset"), start as u64);
    }
}

#[test]
fn ablation_says_what_the_parts_would_have_reached() {
    let golden = |name: &str| -> PathBuf { repository().join("tests/golden").join(name) };
    let found = json("--ablation", &golden("taxi_50rows.csv.network.nncz"));
    let parts = &found["ablation"];
    let (all, payload) = (number(parts, "all"), sum(&found["blocks"], "payload"));
    assert!(all.abs_diff(payload) < 40, "{parts}");
    for part in ["match_models", "contexts", "network", "without_network"] {
        assert!((all / 2..4795).contains(&number(parts, part)), "{parts}");
    }
    let found = json("--ablation", &golden("taxi_50rows.csv.fastest.nncz"));
    assert_eq!(found["ablation"]["network"], Value::Null);
    assert!(number(&found["ablation"], "match_models") > number(&found["ablation"], "all"));
    assert!(number(&found["ablation"], "contexts") < number(&found["ablation"], "match_models") * 9 / 10);
    assert_eq!(json("", &golden("taxi_50rows.csv.fastest.nncz"))["ablation"], Value::Null);
}

#[test]
fn the_page_stands_alone_and_shows_text_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("a.csv"), folder.path().join("a.html"));
    let rows: String = (0..300).map(|row| format!("{row},<b>&{},x\n", row % 7)).collect();
    fs::write(&file, format!("number,<script>,name\n{rows}")).unwrap();
    let words = format!("-1 --html {}", page.display());
    let (code, output, messages) = explain(&words, &file);
    assert_eq!(code, 0, "{messages}");
    assert!(output.contains("headers and checksums") && messages.contains("not an archive"), "{output}{messages}");
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.len() < 1_000_000 && text.contains("<svg") && text.contains("&lt;script&gt;"));
    let links = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for reference in ["http:", "https:", "src=", "@import", "url(", "<script"] {
        assert!(!links.contains(reference), "{reference}");
    }
    assert!(explain(&words, &file).2.contains("exists; -f overwrites it"));
}

#[test]
fn what_is_damaged_or_missing_is_said_with_the_exit_code_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = fs::read(repository().join("tests/golden/fields.c.fastest.nncz")).unwrap();
    let middle = archive.len() / 2;
    archive[middle] ^= 1;
    let path = folder.path().join("damaged.nncz");
    fs::write(&path, archive).unwrap();
    let (code, output, messages) = explain("", &path);
    assert_eq!((code, output.as_str()), (3, ""));
    assert!(messages.contains("damaged.nncz: damaged archive"), "{messages}");
    assert_eq!(explain("", &folder.path().join("nowhere")).0, 1);
}
