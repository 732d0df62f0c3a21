use super::*;

/// The field `number`, of which `expected` is expected.
fn number_field(number: usize, column: &Column, expected: i64) -> NumberField<'_> {
    NumberField {
        number,
        column,
        expected: [Some(expected), None],
        base: Some(expected),
        corrections: [None; CORRECTIONS],
    }
}

/// The odds, by the first guide, that each of some bytes comes next in a number of `format` of which `written` stands there,
/// where `expected` was missed by `missed` before.
fn odds_of(format: Format, written: &[u8], expected: i64, missed: &[i64], bytes: &[u8]) -> Vec<i32> {
    let column = Column { format, ..Column::default() };
    let field = number_field(3, &column, expected);
    let (mut numbers, mut outlook) = (Numbers::new(), Outlook::default());
    numbers.styles[3] = Style { longest: 3, end: b',' };
    for difference in missed {
        numbers.begin(&mut outlook, Some(expected + difference), Some(NumberField { ..field }));
    }
    numbers.begin(&mut outlook, None, Some(field));
    written.iter().for_each(|&byte| numbers.follow(&mut outlook, byte, &column.format));
    numbers.weigh(&mut outlook, &column);
    bytes.iter().map(|&byte| outlook.stretch_byte(byte)[0]).collect()
}

#[test]
fn a_number_close_to_what_is_expected_is_likely_across_a_carry() {
    let price = || Format::Number { whole: 1, least: 2, most: 2 };
    let missed = [-3, 2, 1, -2, 4, 0, -1, 3].repeat(50);
    // 99.98 is expected: 99.9… and 100.0… are likely, in this order; 98 and 101 are not.
    let first = odds_of(price(), b"", 9998, &missed, b"91-8");
    assert!(first[0] > 0 && first[1] > -1200 && first[2] < -1000 && first[3] < -1000, "{first:?}");
    let second = odds_of(price(), b"1", 9998, &missed, b"0.,1");
    assert!(second[0] > 1000 && second[1..].iter().all(|&odds| odds < -1000), "{second:?}");
    let last = odds_of(price(), b"100.00", 9998, &missed, b",0");
    assert!(last[0] > 1000 && last[1] < -1000, "{last:?}");
}

#[test]
fn what_was_missed_where_the_clue_said_the_same_is_corrected() {
    let column = Column { format: Format::Number { whole: 1, least: 0, most: 0 }, ..Column::default() };
    let (mut numbers, mut outlook) = (Numbers::new(), Outlook::default());
    numbers.styles[0] = Style { longest: 3, end: b',' };
    let corrected = |place: u64| {
        let hash = Some(mix(7, place));
        NumberField { corrections: [hash, None, None], ..number_field(0, &column, 100) }
    };
    // At one place 30 more than expected is usual, at the other 20 less.
    numbers.begin(&mut outlook, None, Some(corrected(0)));
    for step in 0..400 {
        let place = step % 2;
        let missed = [30, -20][place as usize] + step as i64 / 2 % 3 - 1;
        numbers.begin(&mut outlook, Some(100 + missed), Some(corrected(1 - place)));
    }
    numbers.begin(&mut outlook, None, Some(corrected(0)));
    numbers.weigh(&mut outlook, &column);
    let of = |byte: u8| [0, RELATIONS].map(|guide| outlook.stretch_byte(byte)[guide]);
    let ([plain_one, one], [plain_eight, eight]) = (of(b'1'), of(b'8'));
    assert!(one > 1000 && eight < -2000, "with corrections: {one}, {eight}");
    assert!(plain_one < 1000 && plain_eight > -1000, "without: {plain_one}, {plain_eight}");
}

#[test]
fn a_time_is_expected_by_the_clock() {
    let format = || Format::Time { pattern: "YYYY-MM-DD hh:mm:ss".into() };
    let column = Column { format: format(), ..Column::default() };
    let expected = column.parse(b"2020-03-01 23:59:30").unwrap();
    let missed: Vec<i64> = (0..600).map(|step| step % 60).collect();
    let next = odds_of(format(), b"2020-03-02 ", expected, &missed, b"012");
    assert!(next[0] > 1000 && next[1] < -1000 && next[2] < -1000, "{next:?}");
    let minute = odds_of(format(), b"2020-03-01 23:", expected, &missed, b"56");
    assert!(minute[0] > 1000 && minute[1] < -1000, "{minute:?}");
    assert_eq!(odds_of(format(), b"2020-03", expected, &missed, b"-"), [0]);
}

#[test]
fn a_clock_is_expected_across_the_hour() {
    // 7:58 is expected, and late by up to four minutes: 7:58 to 8:02.
    let missed: Vec<i64> = (0..600).map(|step| step % 5).collect();
    let odds_after = |written: &[u8], bytes: &[u8]| odds_of(Format::Clock, written, 7 * 60 + 58, &missed, bytes);
    let first = odds_after(b"", b"781");
    assert!(first[0] > -500 && first[1] > 0 && first[2] < -1500, "{first:?}");
    let after_eight = odds_after(b"80", b"0126");
    assert!(after_eight[..3].iter().all(|&odds| odds > -500) && after_eight[3] < -1500, "{after_eight:?}");
    let no_such_minute = odds_after(b"7", b"56");
    assert!(no_such_minute[0] > 1000 && no_such_minute[1] < -1000, "{no_such_minute:?}");
}

#[test]
fn zeros_fill_a_number_up_or_are_left_out() {
    let filled = || Format::Number { whole: 6, least: 0, most: 0 };
    let missed = [0, 1, 1, 1, 2].repeat(100);
    for (written, next, other) in
        [(&b""[..], b'0', b'1'), (b"000", b'1', b','), (b"00012", b'4', b'9'), (b"000124", b',', b'0')]
    {
        let odds = odds_of(filled(), written, 123, &missed, &[next, other]);
        assert!(odds[0] > -500 && odds[1] < -1000, "{}: {odds:?}", written.escape_ascii());
    }
    let bare = || Format::Number { whole: 0, least: 0, most: 2 };
    let odds = odds_of(bare(), b"", 50, &missed, b".05");
    assert!(odds[0] > 1000 && odds[1] < -1000 && odds[2] < -1000, "{odds:?}");
    let odds = odds_of(bare(), b".", 50, &missed, b"54");
    assert!(odds[0] > 500 && odds[1] < -500, "{odds:?}");
}

#[test]
fn the_bits_of_a_byte_have_the_odds_of_the_byte() {
    let format = Format::Number { whole: 1, least: 0, most: 2 };
    let column = Column { format, ..Column::default() };
    let mut numbers = Numbers::new();
    let mut outlook = Outlook::default();
    numbers.styles[0] = Style { longest: 2, end: b'}' };
    let field = || number_field(0, &column, 1234);
    (0..100).for_each(|step| numbers.begin(&mut outlook, Some(1000 + step * 7 % 500), Some(field())));
    numbers.weigh(&mut outlook, &column);
    let chance = |odds: i32| u64::from(crate::predict::logistic::tables().squash(odds));
    for byte in *b"-.0159}" {
        let mut product = 1 << 32;
        let mut node = 1;
        for place in (0..8).rev() {
            let bit = usize::from(byte >> place & 1);
            let one = chance(outlook.stretch(node)[0]);
            product = (product * if bit == 1 { one } else { (1 << 16) - one }) >> 16;
            node = 2 * node + bit;
        }
        let whole = chance(outlook.stretch_byte(byte)[0]);
        assert!((product >> 16).abs_diff(whole) < 20 + whole / 16, "{byte}: {product} and {whole}");
    }
}

#[test]
fn what_is_no_number_is_not_followed() {
    let format = || Format::Number { whole: 1, least: 0, most: 2 };
    for odd in [&b"x"[..], b"1x", b"007", b"1.2.3", b"--1", b"1234567890123456789"] {
        assert_eq!(odds_of(format(), odd, 100, &[0], b"0"), [0], "{}", odd.escape_ascii());
    }
}
