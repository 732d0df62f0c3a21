//! What bytes are summed by: columns, keys, words, places in a record.

use std::collections::HashMap;

use nncz::layout::Layout;

/// Most groups; what comes later is counted in the last.
const GROUPS: usize = 4096;
/// Words of a line that are told apart.
const WORDS: usize = 16;
/// A row that has no end by itself ends after so many bytes.
const ROW: usize = 1 << 14;
/// Bytes in a row of binary data without records.
const LINE: usize = 64;

/// How the bytes of a file are summed.
pub struct Groups {
    rule: Rule,
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    /// Whether the first row names the columns.
    pub has_head: bool,
}

enum Rule {
    /// The fields of delimited rows.
    Columns(Layout),
    /// The keys of JSON.
    Keys(Json),
    /// The words of a line, by number.
    Words,
    /// Letters, digits and so on.
    Classes,
    /// Places in a record.
    Offsets(usize),
}

impl Groups {
    /// For a file of a layout that begins with `sample`.
    pub fn new(layout: &Layout, sample: &[u8]) -> Self {
        let first = sample.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let is_json = matches!(first, Some(b'{' | b'[')) && sample.contains(&b':');
        let rule = match layout {
            Layout::Records { length } => Rule::Offsets(usize::from(*length)),
            _ if is_json => Rule::Keys(Json::default()),
            Layout::Delimited { .. } => Rule::Columns(layout.clone()),
            Layout::Plain if is_log(sample) => Rule::Words,
            Layout::Plain => Rule::Classes,
        };
        let mut groups = Self { rule, names: vec![], numbers: HashMap::new(), has_head: false };
        groups.name_columns(sample);
        groups
    }

    /// What a group is called in the plural.
    pub fn kind(&self) -> &'static str {
        match self.rule {
            Rule::Columns(_) => "columns",
            Rule::Keys(_) => "keys",
            Rule::Words => "words of the line",
            Rule::Classes | Rule::Offsets(1) => "kinds of bytes",
            Rule::Offsets(_) => "places in the record",
        }
    }

    /// Whether groups are the layout's fields.
    pub fn are_fields(&self) -> bool {
        matches!(self.rule, Rule::Columns(_))
    }

    /// Whether the file is to be shown in hexadecimal digits.
    pub fn is_binary(&self) -> bool {
        matches!(self.rule, Rule::Offsets(_))
    }

    /// The names of the groups met so far.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a row ends after `row`, its bytes so far.
    pub fn ends(&mut self, row: &[u8]) -> bool {
        let last = row.last().copied().unwrap_or(0);
        let ends = match &mut self.rule {
            Rule::Offsets(1) => row.len() >= LINE,
            Rule::Offsets(length) => row.len() >= *length,
            Rule::Keys(json) => json.nesting.is_end(last),
            _ => last == b'\n',
        };
        ends || row.len() >= ROW
    }

    /// Writes the group of each byte of `row` to `groups`.
    pub fn assign(&mut self, row: &[u8], groups: &mut Vec<usize>) {
        groups.clear();
        match &mut self.rule {
            Rule::Columns(layout) => {
                // A line feed ends all that a cursor remembers of fields and quotes.
                let mut cursor = layout.cursor();
                for place in 1..=row.len() {
                    groups.push(usize::from(cursor.position().field).min(GROUPS - 1));
                    cursor.advance(&row[..place]);
                }
                let most = groups.iter().copied().max().unwrap_or(0);
                while self.names.len() <= most {
                    self.names.push(format!("column {}", self.names.len() + 1));
                }
            }
            Rule::Keys(json) => {
                let spans = json.spans(row);
                for (end, path) in spans {
                    let number = self.number(path);
                    groups.resize(end, number);
                }
            }
            Rule::Words => {
                let (mut word, mut was_blank) = (0, false);
                for &byte in row {
                    let is_blank = byte == b' ';
                    word += usize::from(was_blank && !is_blank);
                    was_blank = is_blank;
                    groups.push(word.min(WORDS));
                }
                while self.names.len() <= groups.last().copied().unwrap_or(0) {
                    let number = self.names.len() + 1;
                    self.names.push(if number > WORDS { "the rest".to_owned() } else { format!("word {number}") });
                }
            }
            Rule::Classes | Rule::Offsets(1) => {
                for &byte in row {
                    let number = self.number(class(byte).to_owned());
                    groups.push(number);
                }
            }
            Rule::Offsets(length) => {
                let length = (*length).min(GROUPS);
                groups.extend((0..row.len()).map(|place| place.min(length - 1)));
                if self.names.is_empty() {
                    self.names = (0..length).map(|place| format!("byte {place}")).collect();
                }
            }
        }
    }

    /// The number of the group called `name`.
    fn number(&mut self, name: String) -> usize {
        if let Some(&number) = self.numbers.get(&name) {
            return number;
        }
        let number = self.names.len();
        if number + 1 >= GROUPS {
            if number < GROUPS {
                self.names.push("all others".to_owned());
            }
            return GROUPS - 1;
        }
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// Names the columns by the first row, if it holds names: texts, each another, none of them a number.
    fn name_columns(&mut self, sample: &[u8]) {
        let Some(end) = sample.iter().position(|&byte| byte == b'\n') else { return };
        if !self.are_fields() {
            return;
        }
        let mut groups = vec![];
        self.assign(&sample[..=end], &mut groups);
        let mut names = vec![String::new(); self.names.len()];
        let Rule::Columns(Layout::Delimited { delimiter, .. }) = &self.rule else { return };
        for (&byte, &group) in sample[..=end].iter().zip(&groups) {
            if byte != *delimiter && byte.is_ascii_graphic() | (byte >= 128) && byte != b'"' {
                names[group].push(char::from(byte));
            }
        }
        let is_name = |name: &String| {
            name.contains(|c: char| c.is_alphabetic()) && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        self.has_head = names.iter().all(is_name) && distinct.len() == names.len() && names.len() > 1;
        if self.has_head {
            self.names = names;
        }
    }
}

/// What a byte of plain text is.
fn class(byte: u8) -> &'static str {
    match byte {
        b'a'..=b'z' => "small letters",
        b'A'..=b'Z' => "capital letters",
        b'0'..=b'9' => "digits",
        b' ' | b'\t' => "blanks",
        b'\n' | b'\r' => "ends of lines",
        0 => "zeros",
        33..=126 => "punctuation",
        128.. => "bytes from 128",
        _ => "control bytes",
    }
}

/// Whether nearly every line has several digits and several words.
fn is_log(sample: &[u8]) -> bool {
    let lines: Vec<&[u8]> = sample.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).take(200).collect();
    let looks_so = |line: &&&[u8]| {
        line.iter().filter(|byte| byte.is_ascii_digit()).count() > 3
            && line.iter().filter(|&&byte| byte == b' ').count() > 2
    };
    lines.len() > 3 && lines.iter().filter(looks_so).count() * 10 > lines.len() * 9
}

/// Where in JSON a row begins. Anything that is not JSON only makes odd keys.
#[derive(Default)]
struct Json {
    depth: usize,
    /// The keys that lead here, an empty one for a list.
    path: Vec<String>,
    nesting: Nesting,
}

/// How deep the byte just seen stands.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes note of a byte; whether a row ends with it: a line, or an element of the outermost list or object.
    fn is_end(&mut self, byte: u8) -> bool {
        let escaped = std::mem::take(&mut self.escaped);
        match byte {
            b'\n' => {
                self.in_string = false;
                return true;
            }
            b'\\' if self.in_string => self.escaped = !escaped,
            b'"' if !escaped => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' => return self.depth == 1,
            _ => {}
        }
        false
    }
}

impl Json {
    /// The ends of the parts of `row` that belong to one key, each with its path. A key's part begins with its opening
    /// quote and ends where the next one's begins, or with its object.
    fn spans(&mut self, row: &[u8]) -> Vec<(usize, String)> {
        let mut spans: Vec<(usize, String)> = Vec::new();
        let (mut place, mut begun) = (0, 0);
        while place < row.len() {
            match row[place] {
                b'"' => {
                    let end = end_of_string(row, place);
                    let after = (end..row.len()).find(|&at| !row[at].is_ascii_whitespace());
                    if after.is_some_and(|at| row[at] == b':') {
                        if place > begun {
                            spans.push((place, self.name()));
                        }
                        begun = place;
                        let key = String::from_utf8_lossy(&row[place + 1..end.max(place + 2) - 1]).into_owned();
                        self.path.truncate(self.depth.saturating_sub(1));
                        self.path.push(key);
                    }
                    place = end;
                    continue;
                }
                open @ (b'{' | b'[') => {
                    self.path.resize(self.depth, String::new());
                    self.depth += 1;
                    self.path.push(if open == b'[' { "[]".to_owned() } else { String::new() });
                }
                b'}' | b']' => {
                    spans.push((place + 1, self.name()));
                    begun = place + 1;
                    self.depth = self.depth.saturating_sub(1);
                    self.path.truncate(self.depth);
                }
                _ => {}
            }
            place += 1;
        }
        if row.len() > begun {
            spans.push((row.len(), self.name()));
        }
        spans
    }

    /// The path as a person writes it.
    fn name(&self) -> String {
        let mut name = String::new();
        for key in self.path.iter().filter(|key| !key.is_empty()) {
            if key != "[]" && !name.is_empty() {
                name.push('.');
            }
            name += key;
        }
        let is_only_lists = name.chars().all(|c| "[].".contains(c));
        if is_only_lists { "between records".to_owned() } else { name }
    }
}

/// The place after the string that begins at `start`.
fn end_of_string(row: &[u8], start: usize) -> usize {
    let mut place = start + 1;
    while place < row.len() {
        match row[place] {
            b'\\' => place += 1,
            b'"' => return place + 1,
            _ => {}
        }
        place += 1;
    }
    row.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of each group of `text`, rows as the rule cuts them.
    fn by_group(text: &[u8]) -> Vec<(String, String)> {
        let mut groups = Groups::new(&Layout::detect(text), text);
        let (mut row, mut numbers, mut texts) = (vec![], vec![], vec![String::new(); 99]);
        for (place, &byte) in text.iter().enumerate() {
            row.push(byte);
            if groups.ends(&row) || place + 1 == text.len() {
                groups.assign(&row, &mut numbers);
                assert_eq!(numbers.len(), row.len());
                for (&byte, &number) in row.iter().zip(&numbers) {
                    texts[number].push(char::from(byte));
                }
                row.clear();
            }
        }
        groups.names().iter().cloned().zip(texts).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn columns_have_the_names_of_the_head() {
        let text = b"id,town\n1,Ulm\n2,\"Bonn, old\"\n3,Trier\n4,Mainz\n";
        let expected = [("id", "id,1,2,3,4,"), ("town", "town\nUlm\n\"Bonn, old\"\nTrier\nMainz\n")];
        assert_eq!(by_group(text), pairs(&expected));
        let text = b"1,Ulm\n2,Bonn\n3,Trier\n";
        assert_eq!(by_group(text), pairs(&[("column 1", "1,2,3,"), ("column 2", "Ulm\nBonn\nTrier\n")]));
    }

    #[test]
    fn keys_have_their_paths() {
        let text = b"[{\"a\": 1, \"b\": {\"c\": \"x:\\\"y\", \"d\": [2, 3]}}, {\"a\": 4}]";
        let groups = by_group(text);
        let text_of =
            |name: &str| &groups.iter().find(|group| group.0 == name).unwrap_or_else(|| panic!("{groups:?}")).1;
        assert_eq!(text_of("[].a"), "\"a\": 1, \"a\": 4}");
        assert_eq!(text_of("[].b.c"), "\"c\": \"x:\\\"y\", ");
        assert!(text_of("[].b.d[]").contains("2, 3"));
    }

    #[test]
    fn words_of_log_lines_are_numbered() {
        let text: String = (0..9).map(|n| format!("2024-01-0{n} 10:00:0{n} started worker {n}\n")).collect();
        let sample = text.replace("worker 3", "3").into_bytes();
        let mut groups = Groups { rule: Rule::Words, names: vec![], numbers: HashMap::new(), has_head: false };
        assert!(is_log(&sample));
        let mut numbers = vec![];
        groups.assign(b"a bc  d\n", &mut numbers);
        assert_eq!(numbers, [0, 0, 1, 1, 1, 1, 2, 2]);
    }
}
