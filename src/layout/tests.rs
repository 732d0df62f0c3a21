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
    assert_eq!(layout, Layout::Delimited { delimiter: b',', quote: None, columns: Vec::new() });
    assert_eq!(cursor_positions(&layout, TABLE), naive_positions(TABLE, b','));
}

#[test]
fn a_quoted_delimiter_stays_in_its_field_and_a_stray_quote_ends_with_its_line() {
    let text = b"1,\"a,b\",c\n2,\"x,y\n3,d,e\n";
    let fields: Vec<u16> =
        cursor_positions(&Layout::Delimited { delimiter: b',', quote: Some(b'"'), columns: Vec::new() }, text)
            .iter()
            .map(|position| position.field)
            .collect();
    assert_eq!(fields, [0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 2, 2]);
}

#[test]
fn each_delimiter_is_found_and_prose_and_binary_are_plain() {
    for delimiter in *b",;\t|" {
        let table: Vec<u8> = TABLE.iter().map(|&byte| if byte == b',' { delimiter } else { byte }).collect();
        assert_eq!(Layout::detect(&table), Layout::Delimited { delimiter, quote: None, columns: Vec::new() });
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
    assert_eq!(Layout::detect(text), Layout::Delimited { delimiter: b';', quote: None, columns: Vec::new() });
}

proptest! {
    #[test]
    fn the_cursor_agrees_with_splitting_the_text(text in proptest::collection::vec(prop_oneof![Just(b','), Just(b'\n'), any::<u8>()], 0..400)) {
        let layout = Layout::Delimited { delimiter: b',', quote: None, columns: Vec::new() };
        prop_assert_eq!(cursor_positions(&layout, &text), naive_positions(&text, b','));
    }

    #[test]
    fn any_sample_has_a_layout(sample in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let layout = Layout::detect(&sample);
        cursor_positions(&layout, &sample);
    }
}
