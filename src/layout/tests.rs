use super::*;
use proptest::prelude::*;

/// Positions by whole-text splitting, sharing nothing with the cursor. Without quotes.
fn naive_positions(text: &[u8], delimiter: u8) -> Vec<Position> {
    let mut positions = Vec::new();
    let mut above: Option<Vec<Vec<u8>>> = None;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let fields: Vec<Vec<u8>> = line.split_inclusive(|&byte| byte == delimiter).map(<[u8]>::to_vec).collect();
        for (field, bytes) in fields.iter().enumerate() {
            for offset in 0..bytes.len() {
                let above = above.as_ref().and_then(|row| row.get(field)?.get(offset).copied());
                positions.push(Position { field: field as u16, offset: offset as u16, above });
            }
        }
        above = Some(fields);
    }
    positions
}

fn cursor_positions(layout: &Layout, text: &[u8]) -> Vec<Position> {
    let mut cursor = layout.cursor();
    (1..=text.len())
        .map(|length| {
            let position = cursor.position();
            cursor.advance(&text[..length]);
            position
        })
        .collect()
}

const TABLE: &[u8] = b"id,name,city\n1,Anna,Ulm\n22,Bo,Bonn\n333,Cy,Rom\n4,Dee,Linz\n5,Eli,Graz\n";

#[test]
fn a_small_table_is_found_and_followed() {
    let layout = Layout::detect(TABLE);
    assert_eq!(layout, Layout::Delimited { delimiter: b',', quote: None, schemas: Vec::new() });
    assert_eq!(cursor_positions(&layout, TABLE), naive_positions(TABLE, b','));
}

#[test]
fn a_quoted_delimiter_stays_in_its_field_and_a_stray_quote_ends_with_its_line() {
    let text = b"1,\"a,b\",c\n2,\"x,y\n3,d,e\n";
    let fields: Vec<u16> =
        cursor_positions(&Layout::Delimited { delimiter: b',', quote: Some(b'"'), schemas: Vec::new() }, text)
            .iter()
            .map(|position| position.field)
            .collect();
    assert_eq!(fields, [0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 2, 2]);
}

#[test]
fn each_delimiter_is_found_and_prose_and_binary_are_plain() {
    for delimiter in *b",;\t|" {
        let table: Vec<u8> = TABLE.iter().map(|&byte| if byte == b',' { delimiter } else { byte }).collect();
        assert_eq!(Layout::detect(&table), Layout::Delimited { delimiter, quote: None, schemas: Vec::new() });
    }
    let prose = b"It was the best of times, it was the worst of times, it was the age of wisdom, it was\nthe age of \
        foolishness, it was the epoch of belief,\nit was the season of Light, it was the season of Darkness, it was the \
        spring,\nin short\nthe period was so far like the present period\n";
    assert_eq!(Layout::detect(prose), Layout::Plain);
    assert!(matches!(Layout::detect(&[0; 4096]), Layout::Records { .. }));
    assert_eq!(Layout::detect(b""), Layout::Plain);
}

#[test]
fn ragged_rows_and_windows_line_ends_do_not_hide_a_table() {
    let text = b"a;b;c\r\n1;2;3\r\n4;5;6\r\n7;8\r\n6;7;8\r\n9;10;11\r\n1;2;3\r\n";
    assert_eq!(Layout::detect(text), Layout::Delimited { delimiter: b';', quote: None, schemas: Vec::new() });
}

/// A number that looks random but is always the same for `seed`.
fn noise(seed: u64) -> u64 {
    (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
}

fn schemas(text: &[u8]) -> Vec<Schema> {
    match Layout::detect(text) {
        Layout::Delimited { schemas, .. } => schemas,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_tables_of_a_dump_are_told_apart_by_their_statements() {
    let dump = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/trips.sql")).unwrap();
    let schemas = schemas(&dump);
    let [trip, fare] = ["trip", "fare"].map(|name| {
        let heading = schemas::heading(format!("insert into {name} VALUES (1").as_bytes()).unwrap();
        schemas.iter().position(|schema| schema.heading == heading).unwrap()
    });
    assert_eq!((schemas.len(), trip != fare), (2, true));
    assert_eq!(follow(&schemas, 0, b"INSERT INTO fare VALUES (1", 6), fare);
    assert_eq!(follow(&schemas, fare, b"(2", 6), fare);
    assert_eq!(follow(&schemas, fare, b"INSERT INTO trip VALUES (1", 6), trip);
    let unknown = follow(&schemas, trip, b"COPY other (a", 6);
    assert!(schemas.get(unknown).is_none());
    assert_eq!(follow(&schemas, unknown, b"INSERT INTO trip(a", 6), trip);
    assert!(matches!(schemas[trip].columns[1].format, Format::Time { .. }));
    assert!(matches!(schemas[fare].columns[1].format, Format::Number { .. }));
}

#[test]
fn tables_without_statements_are_told_apart_by_their_width() {
    let narrow = (0..500u64).map(|row| format!("{row},{}\n", noise(row) % 1000));
    let wide = (0..600u64).map(|row| format!("{row},{},x,{}\n", noise(row) % 7, noise(row + 1) % 9));
    let schemas = schemas(narrow.chain(wide).collect::<String>().as_bytes());
    assert_eq!(schemas.iter().map(|schema| (schema.heading, schema.width)).collect::<Vec<_>>(), [(0, 4), (0, 2)]);
    assert_eq!(follow(&schemas, 0, b"1", 2), 1);
    assert_eq!(follow(&schemas, 1, b"1", 9), 1);
}

#[test]
fn a_share_that_is_now_one_and_now_another_is_found() {
    let rows = (0..1000u64).map(|row| {
        let (price, extra) = (500 + noise(row) % 4000, noise(row + 5000) % 3 * 50);
        let tip = (price + extra + 80) * [0, 20, 25][noise(row + 9000) as usize % 3];
        let cents = |value: u64| format!("{}.{:02}", value / 100, value % 100);
        format!("{},{},{}\n", cents(price), cents(extra), cents((tip + 50) / 100))
    });
    let column = schemas(rows.collect::<String>().as_bytes())[0].columns[2].clone();
    let told: Vec<String> = column.alternatives.iter().map(|relation| relation.describe(2)).collect();
    for share in ["0.199 column 1 + 0.199 column 2 + 1", "0.250 column 1 + 0.250 column 2 + 2"] {
        assert!(told.iter().any(|told| told.contains(share)), "{share} in {told:?}");
    }
    assert!(column.alternatives.iter().all(|relation| relation.held > 5));
}

#[test]
fn a_column_is_told_by_the_rough_number_of_another() {
    let rows = (0..3000u64).map(|row| {
        let place = noise(row) % 1_000_000;
        format!("{}.{:06},{}\n", place % 5, place, place / 125_000)
    });
    let column = schemas(rows.collect::<String>().as_bytes())[0].columns[1].clone();
    let place = Source { above: false, field: 0 };
    assert!(matches!(column.clues[0], Clue::Number(source, _) if source == place), "{:?}", column.clues);
}

#[test]
fn a_column_is_told_by_how_long_something_took() {
    let rows = (0..3000u64).map(|row| {
        let (begin, took) = (noise(row) % 40_000, noise(row + 9000) % 4000);
        let clock = |seconds: u64| format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("{},{},{}\n", clock(begin), clock(begin + took), took.ilog2())
    });
    let column = schemas(rows.collect::<String>().as_bytes())[0].columns[2].clone();
    let ends = [1, 0].map(|field| Source { above: false, field });
    assert!(matches!(column.clues[0], Clue::Difference(between, _) if between == ends), "{:?}", column.clues);
}

proptest! {
    #[test]
    fn the_cursor_agrees_with_splitting_the_text(text in proptest::collection::vec(prop_oneof![Just(b','), Just(b'\n'), any::<u8>()], 0..400)) {
        let layout = Layout::Delimited { delimiter: b',', quote: None, schemas: Vec::new() };
        prop_assert_eq!(cursor_positions(&layout, &text), naive_positions(&text, b','));
    }

    #[test]
    fn any_sample_has_a_layout(sample in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let layout = Layout::detect(&sample);
        cursor_positions(&layout, &sample);
    }
}

#[test]
fn times_with_colons_do_not_part_a_table_of_commas() {
    let rows = |row: u64| format!("2020-03-01 {:02}:{:02}:00,{}.5\n", row / 60, row % 60, row * 37 % 50);
    let layout = Layout::detect((0..300).map(rows).collect::<String>().as_bytes());
    assert!(matches!(layout, Layout::Delimited { delimiter: b',', .. }), "{layout:?}");
}
