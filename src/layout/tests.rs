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
fn noise(number: u64) -> u64 {
    let scattered = |number: u64| (number ^ number >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    scattered(scattered(number + 1)) >> 33
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
        schemas.iter().position(|schema| schema.mark == Mark::Heading(heading)).unwrap()
    });
    assert_eq!((schemas.len(), trip != fare), (2, true));
    let follow = |current, first_field: &[u8]| follow(&schemas, current, first_field, 6, Shape::default());
    assert_eq!(follow(0, b"INSERT INTO fare VALUES (1"), fare);
    assert_eq!(follow(fare, b"(2"), fare);
    assert_eq!(follow(fare, b"INSERT INTO trip VALUES (1"), trip);
    let unknown = follow(trip, b"COPY other (a");
    assert!(schemas.get(unknown).is_none());
    assert_eq!(follow(unknown, b"INSERT INTO trip(a"), trip);
    assert!(matches!(schemas[trip].columns[1].format, Format::Time { .. }));
    assert!(matches!(schemas[fare].columns[1].format, Format::Number { .. }));
}

#[test]
fn tables_without_statements_are_told_apart_by_their_width() {
    // Any field may be empty, so that nothing else tells them apart.
    let any = |row: u64| if noise(row).is_multiple_of(3) { String::new() } else { (noise(row) % 1000).to_string() };
    let narrow = (0..900u64).map(|row| format!("{row},{}\n", any(row)));
    let wide = (0..2000u64).map(|row| format!("{row},{},x,{}\n", any(row), any(row + 9000)));
    let schemas = schemas(narrow.chain(wide).collect::<String>().as_bytes());
    assert_eq!(schemas.iter().map(|schema| schema.mark).collect::<Vec<_>>(), [Mark::Width(4), Mark::Width(2)]);
    assert_eq!(follow(&schemas, 0, b"1", 2, Shape::default()), 1);
    assert_eq!(follow(&schemas, 1, b"1", 9, Shape::default()), 1);
}

#[test]
fn a_delay_is_one_clock_less_another() {
    let departures = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/departures.csv")).unwrap();
    let columns = &schemas(&departures)[0].columns;
    assert!([3, 4, 6, 7].iter().all(|&clock| columns[clock].format == Format::Clock));
    assert_eq!(columns[18].format, Format::Time { pattern: "YYYY-MM-DDThh:mm:ss".into() });
    let first = |field: usize| columns[field].relations[0].describe(field);
    assert_eq!([first(5), first(8)], ["column 6 = column 4 - column 5", "column 9 = column 7 - column 8"]);
    assert!([5, 8].iter().all(|&delay| columns[delay].relations[0].held > 95));
}

#[test]
fn numbers_are_found_however_they_are_written() {
    let row = |row: u64| {
        let (small, large) = (noise(row) % 1000, 1_000_000 + noise(row + 5000) % 9_000_000);
        format!("INV-{row:06},.{small:03},{large},${small}.5,{}.{}\n", small / 10, small % 10)
    };
    let text: String = (0..500).map(row).collect();
    let columns = &schemas(text.as_bytes())[0].columns;
    let number = |whole, least, most| Format::Number { whole, least, most };
    let expected =
        [(4, number(6, 0, 0)), (0, number(0, 3, 3)), (0, number(1, 0, 0)), (1, number(1, 1, 1)), (0, number(1, 1, 1))];
    for (column, (lead, format)) in columns.iter().zip(expected) {
        assert_eq!((column.lead, &column.format), (lead, &format));
    }
    assert_eq!(columns[0].relations[0].describe(0), "column 1 = column 1 of the row before + 1");
}

#[test]
fn records_of_two_kinds_are_told_apart_by_their_empty_fields() {
    // Of one kind the last field is the sum of the first two, of the other their difference.
    let of = |row: u64| (500 + noise(row) % 300, noise(row + 9000) % 20);
    let sum = |row: u64| format!("{0},{1},,{2}\n", of(row).0, of(row).1, of(row).0 + of(row).1);
    let difference = |row: u64| format!("{0},{1},x,{2}\n", of(row).0, of(row).1, of(row).0 - of(row).1);
    let rows: String = (0..4000).map(|row| if row / 500 % 2 == 0 { sum(row) } else { difference(row) }).collect();
    let schemas = schemas(rows.as_bytes());
    let held: Vec<u8> = schemas.iter().map(|schema| schema.columns[3].relations[0].held).collect();
    assert_eq!(held, [100, 100]);
    let shape = [false, false, true, false].into_iter().fold(Shape::default(), Shape::after);
    let of_sums = schemas.iter().position(|schema| schema.mark == Mark::Shape(shape.hash())).unwrap();
    assert_eq!(follow(&schemas, 1 - of_sums, b"1", 4, shape), of_sums);
    assert_eq!(follow(&schemas, of_sums, b"1", 4, Shape::default()), of_sums, "a shape that is not known");
}

#[test]
fn what_a_long_file_comes_to_is_looked_at() {
    let row = |row: u64| {
        let (first, second) = (500 + noise(row) % 300, noise(row + 9000) % 20);
        format!("{first},{second},{}\n", if row < 400 { first + second } else { first - second })
    };
    let rows: String = (0..4000).map(row).collect();
    let held = |sample: usize| match Layout::detect_on(rows.as_bytes(), sample, NonZeroUsize::MIN) {
        Layout::Delimited { schemas, .. } => schemas[0].columns[2].relations[0].held,
        other => panic!("{other:?}"),
    };
    assert!((85..95).contains(&held(rows.len())));
    // In the first twelfth all are sums.
    assert!((85..95).contains(&held(rows.len() / 12)));
}

#[test]
fn a_piece_of_a_dump_stands_under_the_last_statement_before_it() {
    let table = |name: &str, rows: u64, wide: bool| {
        let row = |row: u64| if wide { format!("{row}\t{}\tx\n", row * 2) } else { format!("{row}\t{}\n", row * 7) };
        format!("COPY {name} (a, b) FROM stdin;\n{}\\.\n", (0..rows).map(row).collect::<String>())
    };
    let dump = [table("small", 3000, true), table("large", 60_000, false)].concat();
    let Layout::Delimited { schemas, .. } = Layout::detect_on(dump.as_bytes(), dump.len() / 4, NonZeroUsize::MIN)
    else {
        panic!("a table")
    };
    let [large, small] =
        ["COPY large ", "COPY small "].map(|statement| Mark::Heading(schemas::heading(statement.as_bytes()).unwrap()));
    assert_eq!(schemas.iter().map(|schema| schema.mark).collect::<Vec<_>>(), [large, small]);
}

#[test]
fn what_a_place_usually_adds_is_found() {
    // What something costs is told by its size and, for the rest, by the place.
    let rows = (0..6000u64).map(|row| {
        let (size, place) = (noise(row) % 5000, noise(row + 9000) % 40);
        format!("p{place},{size},{}\n", 3 * size + noise(place + 90_000) % 30_000 + noise(row + 50_000) % 60)
    });
    let column = schemas(rows.collect::<String>().as_bytes())[0].columns[2].clone();
    assert_eq!(column.corrections[0], [Clue::Text(Source { above: false, field: 0 })], "{column:?}");
}

#[test]
fn clues_are_sought_to_what_a_relation_misses() {
    // A sum, at two of nine places with a fee.
    let rows = (0..4000u64).map(|row| {
        let (fare, tip, place) = (noise(row) % 900, noise(row + 9000) % 90, noise(row + 20_000) % 9);
        format!("{place},{fare},{tip},{}\n", fare + tip + if place > 6 { 275 } else { 0 })
    });
    let column = schemas(rows.collect::<String>().as_bytes())[0].columns[3].clone();
    let place = Clue::Text(Source { above: false, field: 0 });
    assert_eq!((column.clues_to_rests, &column.clues[..1]), (true, &[place][..]), "{column:?}");
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
fn a_copy_of_the_record_before_is_found_with_what_tells_it() {
    // Who sets out soon after the last arrival sets out from there.
    let (mut last, mut now) = (0, 0);
    let rows = (0..3000u64).map(|row| {
        let wait = if noise(row).is_multiple_of(5) { 1 + noise(row + 9000) % 4 } else { 100 + noise(row + 9000) % 900 };
        let from = if wait < 5 { last } else { noise(row + 20_000) % 300 };
        let (begin, end) = (now + wait, now + wait + 30 + noise(row + 30_000) % 300);
        (last, now) = (noise(row + 40_000) % 300, end);
        let clock = |seconds: u64| {
            let of_day = seconds % 86_400;
            format!(
                "2020-03-{:02} {:02}:{:02}:{:02}",
                1 + seconds / 86_400,
                of_day / 3600,
                of_day / 60 % 60,
                of_day % 60
            )
        };
        format!("{},{},{from},{last}\n", clock(begin), clock(end))
    });
    let column = schemas(rows.collect::<String>().as_bytes())[0].columns[2].clone();
    let copy = column.relations.first().or(column.alternatives.first()).unwrap();
    assert_eq!(copy.describe(2), "column 3 = column 4 of the row before");
    let between = [Source { above: true, field: 1 }, Source { above: false, field: 0 }];
    assert!(matches!(copy.clue, Some(Clue::Difference(sources, _)) if sources == between), "{copy:?}");
}

#[test]
fn what_tells_whether_a_relation_holds_is_found() {
    // A sum, where the first column says so.
    let rows = (0..3000u64).map(|row| {
        let (kind, first, second) = (noise(row) % 5, noise(row + 9000) % 9000, noise(row + 20_000) % 9000);
        let sum = if kind < 2 { first + second } else { noise(row + 30_000) % 18_000 };
        format!("{kind},{first},{second},{sum}\n")
    });
    let column = schemas(rows.collect::<String>().as_bytes())[0].columns[3].clone();
    assert!(column.relations[0].describe(3).contains("column 2") && !column.clues_to_rests, "{column:?}");
    assert_eq!(column.relations[0].clue, Some(Clue::Text(Source { above: false, field: 0 })), "{column:?}");
}

#[test]
fn names_of_things_are_no_shares_of_other_names() {
    let rows = (0..3000u64).map(|row| format!("{},{}\n", noise(row) % 260, noise(row + 9000) % 260));
    let column = schemas(rows.collect::<String>().as_bytes())[0].columns[1].clone();
    assert!(column.alternatives.is_empty(), "{:?}", column.alternatives);
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
        let (begin, took) = (noise(row) % 40_000, 1 + noise(row + 9000) % 4000);
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
