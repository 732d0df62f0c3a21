//! The laws of the house: imports point downward, only integers predict, candle stays where floats train, only the
//! command line prints or exits, and `unsafe` stays in few places.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the roof down. A room imports only those below it.
const HOUSE: [&str; 20] = [
    "main",
    "cli",
    "lib",
    "stream",
    "compress",
    "decompress",
    "plan",
    "train",
    "block",
    "container",
    "predict",
    "net",
    "layout",
    "coder",
    "parallel",
    "options",
    "machine",
    "progress",
    "error",
    "limits",
];
/// Where floats may be: training, and the ratios in reports.
const FLOATS: [&str; 2] = ["train/", "cli/"];
const CANDLE: [&str; 1] = ["train/"];
/// What may speak to a person and end the process.
const VOICE: [&str; 1] = ["cli/"];
/// Vector instructions, advice to the memory system, and the memory map.
const UNSAFE: [&str; 6] =
    ["net/kernels/", "train/cpu/", "predict/vector/", "predict/slots.rs", "predict/mod.rs", "cli/files/map.rs"];

#[test]
fn every_source_file_keeps_the_laws() {
    let house = House::new(&fs::read_to_string(source_folder().join("lib.rs")).unwrap());
    let files = source_files(&source_folder());
    assert!(files.len() > 30, "{} files", files.len());
    let broken: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let name = path.strip_prefix(source_folder()).unwrap().to_str().unwrap();
            house.violations(name, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_place_that_a_law_excepts_exists() {
    for place in [&FLOATS[..], &CANDLE, &VOICE, &UNSAFE].concat() {
        assert!(source_folder().join(place).exists(), "{place}");
    }
    for room in HOUSE {
        let is_there = source_folder().join(room).is_dir() || source_folder().join(format!("{room}.rs")).is_file();
        assert!(is_there, "{room}");
    }
}

#[test]
fn what_breaks_a_law_is_found() {
    for (file, text, expected) in [
        ("net/step.rs", "use crate::predict::Predictor;", "imports predict"),
        ("net/step.rs", "use crate::{limits, error::Result, container::part};", "imports container"),
        ("net/kernels/avx2.rs", "use super::super::super::train;", "imports train"),
        ("net/mod.rs", "mod tests { use super::super::plan::Plan; }", "imports plan"),
        ("coder.rs", "fn f() { let x = crate::layout::Layout::Plain; }", "imports layout"),
        ("limits.rs", "use crate::Result;", "imports error"),
        ("predict/mod.rs", "use crate::compress;", "imports compress"),
        ("error.rs", "use crate::*;", "imports everything"),
        ("error.rs", "use crate::nowhere::Thing;", "no such room"),
        ("attic.rs", "", "no place in the house"),
        ("net/step.rs", "fn f(x: f32) {}", "a float: f32"),
        ("predict/mixer.rs", "const A: u32 = (2.5 * 2) as u32;", "a float: 2.5"),
        ("predict/mixer.rs", "let x = 1e6 as u32;", "a float: 1e6"),
        ("layout/mod.rs", "let x = 1f64 as u32;", "a float: 1f64"),
        ("compress.rs", "use candle_core::Tensor;", "candle"),
        ("compress.rs", "fn f() { println!(\"\"); }", "println! outside"),
        ("net/mod.rs", "fn f() { dbg!(1); }", "dbg! outside"),
        ("plan.rs", "fn f() { std::process::exit(1); }", "process::exit outside"),
        ("container/read.rs", "fn f() { unsafe { g() } }", "unsafe outside"),
    ] {
        let found = example_house().violations(file, text);
        assert!(found.len() == 1 && found[0].contains(expected), "{file}: {text}: {found:?}");
    }
}

#[test]
fn what_keeps_the_laws_is_left_alone() {
    for (file, text) in [
        ("net/step.rs", "use super::shape::Shape; use crate::{limits, layout::{Position, Cursor}, error::Result};"),
        ("net/kernels/avx2.rs", "use super::super::arithmetic::exponential; use super::Kernel;"),
        ("net/mod.rs", "pub(crate) fn f() {} mod tests { use super::*; }"),
        ("compress.rs", "use crate::Result; use crate::train; // use crate::cli; f32 println!()"),
        ("coder.rs", "/* crate::predict /* 0.5 */ f64 */ const A: &str = \"crate::predict 1.5 \\\" unsafe\";"),
        (
            "coder.rs",
            "const A: &str = r#\"unsafe \" f32\"#; const B: u8 = b'\"'; fn f<'a>(x: &'a u8) { 'f64: loop {} }",
        ),
        ("coder.rs", "let x = pair.0.1 + array[0..2][1] + 0x1f32 + 0b1 + 1_000u64 + 0xe5 + 2usize;"),
        ("cli/report.rs", "use nncz::container::Archive; fn f(x: f64) { eprintln!(\"{}\", 8.0 * x); }"),
        ("train/model.rs", "use candle_core::Tensor; use crate::net::Shape; const RATE: f64 = 1e-3;"),
        ("cli/files/map.rs", "fn f() { unsafe { map() } }"),
    ] {
        let found = example_house().violations(file, text);
        assert!(found.is_empty(), "{file}: {text}: {found:?}");
    }
}

fn example_house() -> House {
    House::new("mod error; pub use error::{Error, ErrorKind, Result}; pub use compress::compress;")
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => source_files(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => vec![],
        })
        .collect()
}

/// The rooms by the names that the crate's root gives their items.
struct House {
    room_of_item: HashMap<String, String>,
}

impl House {
    /// Takes the `pub use room::{items}` of lib.rs.
    fn new(lib: &str) -> Self {
        let tokens = tokens(lib);
        let mut room_of_item = HashMap::new();
        for (i, token) in tokens.iter().enumerate() {
            if token != "use" || tokens[i + 2..i + 4] != [":", ":"] {
                continue;
            }
            let room = &tokens[i + 1];
            let end = tokens[i..].iter().position(|token| token == ";").map_or(tokens.len(), |length| i + length);
            for item in &tokens[i + 4..end] {
                room_of_item.insert(item.clone(), room.clone());
            }
        }
        Self { room_of_item }
    }

    /// Every breach of a law in `text`, the content of `file` in the source folder.
    fn violations(&self, file: &str, text: &str) -> Vec<String> {
        let tokens = tokens(text);
        let mut found = self.imports_upward(file, &tokens);
        let allowed = |places: &[&str]| places.iter().any(|place| file.starts_with(place));
        for (i, token) in tokens.iter().enumerate() {
            let next = |offset: usize| tokens.get(i + offset).map_or("", String::as_str);
            if is_float(token) && !allowed(&FLOATS) {
                found.push(format!("a float: {token}"));
            }
            if token.starts_with("candle") && !allowed(&CANDLE) {
                found.push("candle outside training".to_owned());
            }
            let prints = ["print", "println", "eprint", "eprintln", "dbg"].contains(&token.as_str()) && next(1) == "!";
            let exits = token == "process" && ["exit", "abort"].contains(&next(3));
            if (prints || exits) && !allowed(&VOICE) {
                let what = if prints { format!("{token}!") } else { format!("process::{}", next(3)) };
                found.push(format!("{what} outside the command line"));
            }
            if token == "unsafe" && !allowed(&UNSAFE) {
                found.push("unsafe outside its places".to_owned());
            }
        }
        found.into_iter().map(|what| format!("src/{file}: {what}")).collect()
    }

    fn imports_upward(&self, file: &str, tokens: &[String]) -> Vec<String> {
        let modules = modules(file);
        let room = modules.first().map_or(file.trim_end_matches(".rs"), String::as_str);
        let Some(own) = HOUSE.iter().position(|&name| name == room) else {
            return vec!["it has no place in the house".to_owned()];
        };
        if ["main", "lib"].contains(&room) {
            return vec![];
        }
        let mut found = Vec::new();
        for item in root_items(&modules, tokens) {
            let target = self.room_of_item.get(&item).unwrap_or(&item);
            match HOUSE.iter().position(|name| name == target) {
                _ if item == "*" => found.push("it imports everything".to_owned()),
                None => found.push(format!("it imports {target}: no such room")),
                Some(place) if place < own => found.push(format!("it imports {target}, which is above {room}")),
                Some(_) => {}
            }
        }
        found
    }
}

/// The module path of a file in the source folder.
fn modules(file: &str) -> Vec<String> {
    let mut modules: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if ["mod", "lib", "main"].contains(&modules[modules.len() - 1].as_str()) {
        modules.pop();
    }
    modules
}

/// The items of the crate's root that paths begin with, in a file that is the module `modules`.
fn root_items(modules: &[String], tokens: &[String]) -> Vec<String> {
    let mut items = Vec::new();
    let mut depth = modules.len();
    let mut inline_modules = vec![];
    let mut braces = 0;
    let mut i = 0;
    while i < tokens.len() {
        let is_path =
            |at: usize| tokens.get(at + 1).is_some_and(|t| t == ":") && tokens.get(at + 2) == tokens.get(at + 1);
        match tokens[i].as_str() {
            "{" => {
                braces += 1;
                if i >= 2 && tokens[i - 2] == "mod" {
                    inline_modules.push(braces);
                    depth += 1;
                }
            }
            "}" => {
                if inline_modules.last() == Some(&braces) {
                    inline_modules.pop();
                    depth -= 1;
                }
                braces -= 1;
            }
            "crate" | "nncz" | "super" if is_path(i) && (i == 0 || tokens[i - 1] != ":") => {
                let mut left = if tokens[i] == "super" { depth } else { 0 };
                while tokens[i] == "super" && is_path(i) {
                    left -= 1;
                    i += 3;
                }
                i += if tokens[i] == "crate" || tokens[i] == "nncz" { 3 } else { 0 };
                if left == 0 {
                    items.extend(heads(&tokens[i..]));
                }
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    items
}

/// The first name of a path, or of each path of a group in braces.
fn heads(tokens: &[String]) -> Vec<String> {
    if tokens.first().is_none_or(|token| token != "{") {
        return tokens.first().cloned().into_iter().collect();
    }
    let mut heads = Vec::new();
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            name if depth == 1 && name != "," && ["{", ","].contains(&tokens[i - 1].as_str()) => {
                heads.push(name.to_owned());
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn is_float(token: &str) -> bool {
    if ["f16", "f32", "f64", "bf16"].contains(&token) {
        return true;
    }
    let is_decimal = token.starts_with(|c: char| c.is_ascii_digit()) && !token[1..].starts_with(['x', 'b', 'o']);
    let digits = token.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    is_decimal && digits.starts_with(['.', 'e', 'E', 'f'])
}

/// Names, numbers and single characters of Rust source text, without comments, strings, characters and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let at = |i: usize| characters.get(i).copied().unwrap_or('\0');
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens: Vec<String> = Vec::new();
    let mut i = 0;
    while i < characters.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => i = end_of_line(&characters, i),
            '/' if at(i + 1) == '*' => i = end_of_comment(&characters, i),
            '"' => i = end_of_string(&characters, i),
            'r' | 'b' | 'c' if raw_string(&characters, i).is_some() => i = raw_string(&characters, i).unwrap(),
            '\'' if at(i + 1) == '\\' => {
                i = (i + 3..characters.len()).find(|&i| at(i) == '\'').map_or(i + 1, |i| i + 1)
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            '\'' => i = (i + 1..=characters.len()).find(|&i| !is_name(at(i))).unwrap_or(characters.len()),
            c if c.is_ascii_digit() => {
                let is_field = tokens.last().is_some_and(|token| token == ".");
                while is_name(at(i)) || (at(i) == '.' && at(i + 1).is_ascii_digit() && !is_field) {
                    i += 1;
                }
                tokens.push(characters[start..i].iter().collect());
            }
            c if is_name(c) => {
                while is_name(at(i)) {
                    i += 1;
                }
                tokens.push(characters[start..i].iter().collect());
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                i += 1;
            }
        }
    }
    tokens
}

fn end_of_line(characters: &[char], start: usize) -> usize {
    (start..characters.len()).find(|&i| characters[i] == '\n').unwrap_or(characters.len())
}

fn end_of_comment(characters: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i + 1 < characters.len() {
        match (characters[i], characters[i + 1]) {
            ('/', '*') => (depth, i) = (depth + 1, i + 2),
            ('*', '/') => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    characters.len()
}

fn end_of_string(characters: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < characters.len() && characters[i] != '"' {
        i += if characters[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// The end of the raw string that begins at `start`, if one does.
fn raw_string(characters: &[char], start: usize) -> Option<usize> {
    let mut i = start + characters[start..].iter().take_while(|c| "brc".contains(**c)).count();
    if !characters[start..i].contains(&'r') || start > 0 && characters[start - 1].is_alphanumeric() {
        return None;
    }
    let hashes = characters[i..].iter().take_while(|&&c| c == '#').count();
    i += hashes;
    if characters.get(i) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = characters[i + 1..].windows(end.len()).position(|window| window == end)?;
    Some(i + 1 + length + end.len())
}
