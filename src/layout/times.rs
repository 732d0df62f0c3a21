//! Dates and times of day as columns write them.
//!
//! A *pattern* says how: `YYYY`, `MM`, `DD`, `hh`, `mm` and `ss` stand for their digits, a single `M`, `D` or `h` for a number without
//! leading zeros, `MMM` for the month's English name in three letters, everything else for itself.

/// The letters of year, month, day, hour, minute and second.
const LETTERS: &[u8; 6] = b"YMDhms";
/// What `MMM` stands for.
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
/// What a pattern without a part stands for: 0000-03-01 00:00:00.
const BEGINNING: [i64; 6] = [0, 3, 1, 0, 0, 0];
/// The places of the month and of the hour among the parts.
const MONTH: usize = 1;
const HOUR: usize = 3;
/// Seconds that an hour, a minute and a second have.
const UNITS: [i64; 3] = [3600, 60, 1];
/// The same of a day.
pub const DAY: i64 = 86400;

/// Longest time that is known as one.
pub const TIME_MOST: usize = 24;
/// Different hours and minutes that a column of four digits must have to be one of times.
const HOURS_LEAST: usize = 4;
const MINUTES_LEAST: usize = 10;

/// Seconds since 0000-03-01 00:00:00 of the `text`'s beginning, if it is written as `pattern` says.
pub fn parse_time(text: &[u8], pattern: &[u8]) -> Option<i64> {
    let (mut numbers, mut rest) = (BEGINNING, text);
    for run in pattern.chunk_by(u8::eq) {
        match part(run) {
            Some(MONTH) if run.len() == 3 => (numbers[MONTH], rest) = leading_month(rest)?,
            Some(part) => (numbers[part], rest) = leading_number(rest, run.len())?,
            None => rest = rest.strip_prefix(run)?,
        }
    }
    let [year, month, day, hour, minute, second] = numbers;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Writes the time of `value` seconds as `pattern` says, and returns its length; 0 if there is no room for it.
pub fn render_time(value: i64, pattern: &[u8], text: &mut [u8; TIME_MOST]) -> usize {
    let (year, month, day) = date(value.div_euclid(DAY));
    let seconds = value.rem_euclid(DAY);
    let numbers = [year.rem_euclid(10_000), month, day, seconds / 3600, seconds / 60 % 60, seconds % 60];
    let mut length = 0;
    for run in pattern.chunk_by(u8::eq) {
        let number = part(run).map(|part| numbers[part]);
        let digits = run.len() + usize::from(run.len() == 1 && number.is_some_and(|number| number > 9));
        let Some(room) = text.get_mut(length..length + digits) else { return 0 };
        match number {
            Some(month) if digits == 3 => room.copy_from_slice(MONTHS[month as usize - 1]),
            Some(mut number) => {
                for digit in room.iter_mut().rev() {
                    *digit = b'0' + (number % 10) as u8;
                    number /= 10;
                }
            }
            None => room.copy_from_slice(run),
        }
        length += digits;
    }
    length
}

/// Where the digits of the hour, or what comes first of the clock, begin in `pattern`.
#[inline(always)]
pub fn clock_start(pattern: &[u8]) -> Option<usize> {
    pattern.iter().position(|letter| b"hms".contains(letter))
}

/// Whether one of so many digits of a part stands at a place of `pattern`, not of one or two, nor a name.
#[inline(always)]
pub fn is_digit(pattern: &[u8], place: usize) -> bool {
    run_at(pattern, place).is_some_and(|(run, _)| matches!(run.len(), 2 | 4) && part(run).is_some())
}

/// Seconds that a digit of the clock counts at a place of `pattern`, where it has two of them.
#[inline(always)]
pub fn clock_unit(pattern: &[u8], place: usize) -> Option<i64> {
    let (run, index) = run_at(pattern, place).filter(|(run, _)| run.len() == 2)?;
    let unit = UNITS.get(part(run)?.checked_sub(HOUR)?)?;
    Some(unit * [10, 1][index])
}

/// The run of equal letters around a place of `pattern`, and the place in it.
#[inline(always)]
fn run_at(pattern: &[u8], place: usize) -> Option<(&[u8], usize)> {
    let letter = pattern.get(place)?;
    let before = pattern[..place].iter().rev().take_while(|other| *other == letter).count();
    let after = pattern[place..].iter().take_while(|other| *other == letter).count();
    Some((&pattern[place - before..place + after], before))
}

/// The pattern that nearly all of `values` are written in, all of a column's being `all`; `like` is one of them.
pub fn pattern_of(like: &[u8], values: &[&[u8]], all: usize) -> Option<String> {
    let seconds = |pattern: &str| values.iter().filter_map(|value| parse_time(value, pattern.as_bytes())).collect();
    patterns(like).into_iter().find_map(|candidates| {
        // Of equals the last is taken, and the likeliest stands first.
        let parsed = candidates.into_iter().rev().map(|pattern| (seconds(&pattern), pattern));
        let (seconds, pattern) = parsed.max_by_key(|(seconds, _): &(Vec<i64>, String)| seconds.len())?;
        let is_time = pattern != "hhmm" || are_times(seconds.iter().map(|seconds| seconds / 60));
        (nearly_all(seconds.len(), all) && is_time).then_some(pattern)
    })
}

/// Whether `count` of a column's values are enough to take `all` for alike: nine in ten.
pub fn nearly_all(count: usize, all: usize) -> bool {
    count * 10 >= all * 9
}

/// Minutes since midnight of a time of day that is written as a number, hours times 100 and minutes.
pub fn clock_minutes(number: i64) -> Option<i64> {
    ((0..=2400).contains(&number) && number % 100 < 60).then(|| minutes_up_to(number))
}

/// The minutes of the first time of day that is not before `number`, which need not be one.
pub fn minutes_up_to(number: i64) -> i64 {
    number.div_euclid(100) * 60 + number.rem_euclid(100).min(60)
}

/// The number for so many minutes, which wrap around at midnight.
pub fn clock_number(minutes: i64) -> i64 {
    let minutes = minutes.rem_euclid(24 * 60);
    minutes / 60 * 100 + minutes % 60
}

/// Whether so many `minutes` are those of times that come at all hours and minutes.
pub fn are_times(minutes: impl Iterator<Item = i64>) -> bool {
    let (mut hours, mut of_hour) = ([false; 25], [false; 60]);
    for minutes in minutes {
        (hours[(minutes / 60).rem_euclid(25) as usize], of_hour[minutes.rem_euclid(60) as usize]) = (true, true);
    }
    let count = |seen: &[bool]| seen.iter().filter(|&&seen| seen).count();
    count(&hours) >= HOURS_LEAST && count(&of_hour) >= MINUTES_LEAST
}

/// Which part a run of equal letters of a pattern stands for, if it does.
fn part(run: &[u8]) -> Option<usize> {
    let part = LETTERS.iter().position(|letter| run.first() == Some(letter))?;
    let is_sound = match part {
        0 => run.len() == 4,
        MONTH => run.len() <= 3,
        2..=HOUR => run.len() <= 2,
        _ => run.len() == 2,
    };
    is_sound.then_some(part)
}

/// The number of the month whose name `text` begins with, and what comes after it.
fn leading_month(text: &[u8]) -> Option<(i64, &[u8])> {
    let (name, rest) = text.split_first_chunk()?;
    let place = MONTHS.iter().position(|&month| month == name)?;
    Some((place as i64 + 1, rest))
}

/// The number of so many digits that `text` begins with, or where that is 1, of one or two without leading zeros; and what comes
/// after it.
fn leading_number(text: &[u8], digits: usize) -> Option<(i64, &[u8])> {
    let is_digit = |place: usize| text.get(place).is_some_and(u8::is_ascii_digit);
    let digits = match digits {
        1 if text.first() != Some(&b'0') && is_digit(1) => 2,
        digits => digits,
    };
    let (number, rest) = text.split_at_checked(digits)?;
    let value =
        number.iter().try_fold(0, |sum, &digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')));
    Some((value?, rest))
}

/// The patterns that `sample` may be written in, those of most digits first; where several have the same digits, together.
fn patterns(sample: &[u8]) -> Vec<Vec<String>> {
    let sample = &sample[..sample.len().min(TIME_MOST)];
    if !sample.is_ascii() {
        return Vec::new();
    }
    let kind = |byte: &u8| (byte.is_ascii_digit(), byte.is_ascii_alphabetic());
    let runs: Vec<&[u8]> = sample.chunk_by(|left, right| kind(left) == kind(right)).collect();
    let mut found = Vec::new();
    // A part comes first, and then others in turns with what parts them.
    for parts in (1..=runs.len().div_ceil(2)).rev() {
        let orders = ORDERS.iter().filter(|order| order.len() == parts);
        found.push(orders.flat_map(|order| written(&runs[..2 * parts - 1], order)).collect());
    }
    found
}

/// What runs of digits may stand for, in the order of likelihood.
const ORDERS: [&[&str]; 20] = [
    &["YYYY", "MM", "DD", "hh", "mm", "ss"],
    &["MM", "DD", "YYYY", "hh", "mm", "ss"],
    &["DD", "MM", "YYYY", "hh", "mm", "ss"],
    &["DD", "MMM", "YYYY", "hh", "mm", "ss"],
    &["YYYY", "MM", "DD", "hh", "mm"],
    &["MM", "DD", "YYYY", "hh", "mm"],
    &["DD", "MM", "YYYY", "hh", "mm"],
    &["DD", "MMM", "YYYY", "hh", "mm"],
    &["YYYY", "MM", "DD"],
    &["MM", "DD", "YYYY"],
    &["DD", "MM", "YYYY"],
    &["DD", "MMM", "YYYY"],
    &["MMM", "DD", "YYYY"],
    &["hh", "mm", "ss"],
    &["hh", "mm"],
    &["YYYYMMDD", "hhmmss"],
    &["YYYYMMDD", "hhmm"],
    &["YYYYMMDDhhmmss"],
    &["YYYYMMDD"],
    &["hhmm"],
];

/// The patterns of `runs` in that order: with leading zeros, and without them where that can be told from the sample. What parts
/// hours and minutes is a colon, lest a number with decimals be a time.
fn written(runs: &[&[u8]], order: &[&str]) -> Vec<String> {
    let (mut padded, mut plain) = (String::new(), String::new());
    let (mut can_be_padded, mut can_be_plain) = (true, false);
    for (index, run) in runs.iter().enumerate() {
        if index % 2 == 1 {
            let is_between = |left: &str, right: &str| order[index / 2] == left && order[index / 2 + 1] == right;
            let is_wrong = is_between("hh", "mm") && *run != b":"
                || run.iter().any(|byte| LETTERS.contains(byte))
                || run.len() > 2;
            if is_wrong {
                return Vec::new();
            }
            let text = String::from_utf8_lossy(run);
            padded += &text;
            plain += &text;
            continue;
        }
        let part = order[index / 2];
        let may_be_plain = matches!(part, "MM" | "DD" | "hh");
        if run.len() != part.len() && !(may_be_plain && run.len() == 1) {
            return Vec::new();
        }
        can_be_padded &= run.len() == part.len();
        can_be_plain |= may_be_plain;
        padded += part;
        plain += if may_be_plain { &part[1..] } else { part };
    }
    let patterns = [(can_be_padded, padded), (can_be_plain, plain)];
    patterns.into_iter().filter_map(|(can_be, pattern)| can_be.then_some(pattern)).collect()
}

/// Days from 0000-03-01 to a date of the Gregorian calendar (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month_from_march + 2) / 5
        + day
        - 1
}

/// The date that lies `days` after 0000-03-01: the inverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a column of `values` is held to be written in.
    fn found(values: &[&str]) -> Option<String> {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        pattern_of(values[values.len() / 2], &values, values.len())
    }

    fn rendered(value: i64, pattern: &str) -> String {
        let mut text = [0; TIME_MOST];
        let length = render_time(value, pattern.as_bytes(), &mut text);
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn patterns_are_found_on_what_is_written() {
        for (values, pattern) in [
            (&["2020-03-01 00:20:18", "2020-12-31 23:59:59"][..], "YYYY-MM-DD hh:mm:ss"),
            (&["2013-01-01T10:00:00Z", "2013-01-02T11:00:00Z"], "YYYY-MM-DDThh:mm:ss"),
            (&["2015.01.02", "2015.11.30"], "YYYY.MM.DD"),
            (&["01/02/2015 10:30", "12/31/2015 07:05"], "MM/DD/YYYY hh:mm"),
            (&["01/02/2015", "31/12/2015"], "DD/MM/YYYY"),
            (&["1/2/2015", "11/30/2015", "12/1/2015"], "M/D/YYYY"),
            (&["10/Oct/2000:13:55:36 -0700", "11/Nov/2000:00:00:01 -0700"], "DD/MMM/YYYY:hh:mm:ss"),
            (&["Jun 12 1998", "Aug 07 1998"], "MMM DD YYYY"),
            (&["9:05", "10:30", "0:59"], "h:mm"),
            (&["09:05:00", "10:30:00"], "hh:mm:ss"),
            (&["20150102 093000", "20151231 160000"], "YYYYMMDD hhmmss"),
            (&["20150102", "20151231"], "YYYYMMDD"),
        ] {
            assert_eq!(found(values).as_deref(), Some(pattern), "{values:?}");
        }
        for numbers in [&["12.50", "13.25"][..], &["2013", "2014"], &["1", "22"], &["12345678", "99999999"], &["1.2.3"]]
        {
            assert_eq!(found(numbers), None, "{numbers:?}");
        }
        let clock: Vec<String> = (0..200).map(|step| format!("{:04}", clock_number(step * 37))).collect();
        assert_eq!(found(&clock.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(), Some("hhmm"));
    }

    #[test]
    fn what_is_parsed_is_rendered_as_it_was_written() {
        for (text, pattern) in [
            ("2020-02-29 23:59:59", "YYYY-MM-DD hh:mm:ss"),
            ("1/2/2015 0:05", "M/D/YYYY h:mm"),
            ("12/31/1999 23:45", "M/D/YYYY h:mm"),
            ("20150102093001", "YYYYMMDDhhmmss"),
            ("0759", "hhmm"),
            ("29/Feb/2000:13:55:36", "DD/MMM/YYYY:hh:mm:ss"),
            ("May 1 2002", "MMM D YYYY"),
        ] {
            let value = parse_time(text.as_bytes(), pattern.as_bytes());
            assert_eq!(value.map(|value| rendered(value, pattern)).as_deref(), Some(text));
        }
        for odd in ["01/2/2015 0:05", "1/2/2015 00:05", "13/2/2015 0:05", "1/2/2015 24:05", "1/2/2015", "1/2/2015 0:5"]
        {
            assert_eq!(parse_time(odd.as_bytes(), b"M/D/YYYY h:mm"), None, "{odd}");
        }
    }

    #[test]
    fn a_pattern_that_means_nothing_does_no_harm() {
        for pattern in [
            "YYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYY",
            "sss",
            "Y",
            "",
            "M".repeat(40).as_str(),
            "ss:hh",
            "xxMMDDxx",
            "MMMMMM-MMM",
        ] {
            let length = rendered(63_000_000_000, pattern).len();
            assert!(length <= TIME_MOST, "{pattern}");
            parse_time(b"2015-01-02 03:04:05", pattern.as_bytes());
            (0..50).for_each(|place| _ = clock_unit(pattern.as_bytes(), place));
        }
    }

    #[test]
    fn a_clock_goes_on_after_midnight() {
        assert_eq!([clock_minutes(5), clock_minutes(517), clock_minutes(2359)], [Some(5), Some(317), Some(1439)]);
        assert_eq!([clock_minutes(60), clock_minutes(-5), clock_minutes(2401)], [None; 3]);
        assert_eq!([clock_number(317), clock_number(1445), clock_number(-5)], [517, 5, 2355]);
    }
}
