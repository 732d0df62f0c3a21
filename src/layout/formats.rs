//! How the values of a column are written, found on a sample of them.

use super::columns::{Column, Format, parse_number};
use super::survey::ROWS_LEAST;
use super::times::{are_times, clock_minutes, nearly_all, pattern_of};

/// The column that nearly all of `texts` belong to, if there are enough of them; else one of which nothing is known.
pub fn column_of(texts: &[&[u8]]) -> Column {
    let Some(&like) = texts.get(texts.len() / 2).filter(|_| texts.len() >= ROWS_LEAST) else {
        return Column::default();
    };
    let lead = lead(like, texts);
    let values: Vec<&[u8]> = texts.iter().filter_map(|text| text.strip_prefix(lead)).collect();
    let time = || pattern_of(&like[lead.len()..], &values, texts.len()).map(|pattern| Format::Time { pattern });
    let number = || {
        let (least, most) = decimals(&values, texts.len())?;
        let number = Format::Number { whole: whole(&values), least, most };
        Some(if most == 0 && are_clocks(&values) { Format::Clock } else { number })
    };
    match time().or_else(number) {
        Some(format) => Column { format, lead: lead.len() as u8, ..Column::default() },
        None => Column::default(),
    }
}

/// What stands before the value proper in `like`, one of `texts`: all that comes before the first digit, and its point or minus, if nearly
/// all begin with that, else what comes up to a mark before it.
fn lead<'a>(like: &'a [u8], texts: &[&[u8]]) -> &'a [u8] {
    let is_start = |place: usize| match like[place] {
        b'0'..=b'9' => true,
        b'-' => place == 0 || !like[place - 1].is_ascii_alphanumeric(),
        b'.' => like.get(place + 1).is_some_and(u8::is_ascii_digit),
        _ => false,
    };
    let start = (0..like.len()).find(|&place| is_start(place)).unwrap_or(like.len()).min(255);
    let (whole, counted) = (&like[..start], |lead: &[u8]| texts.iter().filter(|text| text.starts_with(lead)).count());
    if start < like.len() && nearly_all(counted(whole), texts.len()) {
        return whole;
    }
    let before = whole.iter().rposition(|byte| b":\"'(= ".contains(byte)).map_or(0, |place| place + 1);
    &like[..before]
}

/// Fewest (by all but one value in fifty) and most decimals, if nearly `all` values are numbers.
fn decimals(values: &[&[u8]], all: usize) -> Option<(u8, u8)> {
    let mut histogram = [0usize; 10];
    for value in values {
        let after_point = value.iter().skip_while(|&&byte| byte != b'.').skip(1);
        let decimals = after_point.take_while(|byte| byte.is_ascii_digit()).count().min(9);
        histogram[decimals] += usize::from(parse_number(value, decimals).is_some());
    }
    let numbers: usize = histogram.iter().sum();
    if !nearly_all(numbers, all) {
        return None;
    }
    let mut below = 0;
    let least = histogram.iter().position(|&count| {
        below += count;
        below * 50 > numbers
    })?;
    let most = histogram.iter().rposition(|&count| count > 0)?;
    Some((least as u8, most as u8))
}

/// Digits before the point that numbers have at least: none where most of those below 1 have none, all where all have as many and
/// some of them are zeros.
fn whole(values: &[&[u8]]) -> u8 {
    let numbers = values.iter().map(|value| value.strip_prefix(b"-").unwrap_or(value));
    let numbers: Vec<&[u8]> = numbers.filter(|number| number.iter().any(u8::is_ascii_digit)).collect();
    let digits = |number: &[u8]| number.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let count = |is_wanted: &dyn Fn(&[u8]) -> bool| numbers.iter().filter(|number| is_wanted(number)).count();
    if count(&|number| number[0] == b'.') > count(&|number| number.starts_with(b"0.")) {
        return 0;
    }
    let longest = numbers.iter().map(|number| digits(number)).max().unwrap_or(1);
    let is_filled = count(&|number| digits(number) == longest) * 100 >= numbers.len() * 99
        && count(&|number| digits(number) > 1 && number[0] == b'0') > 0;
    if is_filled { longest.min(255) as u8 } else { 1 }
}

/// Whether whole numbers are times of day, hours times 100 and minutes.
fn are_clocks(values: &[&[u8]]) -> bool {
    let minutes: Vec<Option<i64>> =
        values.iter().filter_map(|value| parse_number(value, 0)).map(clock_minutes).collect();
    minutes.iter().all(Option::is_some) && are_times(minutes.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_without_decimals_now_and_then_makes_no_clock() {
        let written = |cents: usize| match cents % 7 {
            0 => format!("{}", cents * 103 % 24 * 100 + cents % 60),
            _ => format!("{}.{:02}", cents * 17 % 3000, cents % 99 + 1),
        };
        let prices: Vec<String> = (0..2000).map(written).collect();
        let column = column_of(&prices.iter().map(String::as_bytes).collect::<Vec<_>>());
        assert_eq!(column.format, Format::Number { whole: 1, least: 0, most: 2 });
    }
}
