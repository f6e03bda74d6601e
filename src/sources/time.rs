//! Parsing and formatting of times in logs.

use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, MS_PER_SEC};

const MS_PER_MIN: i64 = 60 * MS_PER_SEC;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
///
/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01. Same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0i64, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    })
}

fn epoch_ms(date: (i64, i64, i64), clock: (i64, i64, i64)) -> Option<i64> {
    let ((year, month, day), (hour, minute, second)) = (date, clock);
    let valid = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then(|| {
        days_from_civil(year, month, day) * MS_PER_DAY
            + hour * MS_PER_HOUR
            + minute * MS_PER_MIN
            + second.min(59) * MS_PER_SEC
    })
}

/// Milliseconds since the epoch of an RFC 3339 time; a fraction is truncated to milliseconds. `None`
/// for other text.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let date = (
        digits(&bytes[..4])?,
        digits(&bytes[5..7])?,
        digits(&bytes[8..10])?,
    );
    let clock = (
        digits(&bytes[11..13])?,
        digits(&bytes[14..16])?,
        digits(&bytes[17..19])?,
    );
    let (fraction_ms, zone) = fraction(&bytes[19..])?;
    Some(epoch_ms(date, clock)? + fraction_ms - zone_ms(zone)?)
}

/// As [`parse_rfc3339`], and without a zone as UTC, as exports write it.
#[must_use]
pub fn parse_utc(text: &str) -> Option<i64> {
    parse_rfc3339(text)
        .or_else(|| parse_rfc3339(&format!("{text}Z")))
        .or_else(|| parse_us(text))
}

/// A time as Azure's exports write it: `12/31/2025 3:03:58 PM`, in UTC.
fn parse_us(text: &str) -> Option<i64> {
    let [date, clock, half] = parts(text, ' ')?;
    let [month, day, year] = parts(date, '/')?;
    let [hour, minute, second] = parts(clock, ':')?;
    let number = |text: &str| digits(text.as_bytes()).filter(|_| (1..=4).contains(&text.len()));
    let hour = hour_of_day(number(hour)?, half)?;
    let date = (number(year)?, number(month)?, number(day)?);
    epoch_ms(date, (hour, number(minute)?, number(second)?))
}

/// The hour of a clock of twelve hours, whose half of the day is `AM` or `PM`.
fn hour_of_day(hour: i64, half: &str) -> Option<i64> {
    let afternoon = match half {
        "AM" => 0,
        "PM" => 12,
        _ => return None,
    };
    (1..=12).contains(&hour).then_some(hour % 12 + afternoon)
}

/// The three parts of `text`.
fn parts(text: &str, separator: char) -> Option<[&str; 3]> {
    let parts: Vec<&str> = text.splitn(4, separator).collect();
    parts.try_into().ok()
}

fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits_and_zone)) = rest.split_first() else {
        return Some((0, rest));
    };
    let length = digits_and_zone
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    if length == 0 {
        return None;
    }
    let ms = (0..3).fold(0, |ms, at| {
        let digit = if at < length {
            i64::from(digits_and_zone[at] - b'0')
        } else {
            0
        };
        ms * 10 + digit
    });
    Some((ms, &digits_and_zone[length..]))
}

fn zone_ms(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let (hours, minutes) = (digits(hours)?, digits(&[*m1, *m2])?);
            let ms = (hours < 24 && minutes < 60)
                .then_some(hours * MS_PER_HOUR + minutes * MS_PER_MIN)?;
            Some(if *sign == b'-' { -ms } else { ms })
        }
        _ => None,
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Milliseconds since the epoch of a time as CloudTrail writes the expiry of credentials:
/// `Jul 10, 2023, 1:05:22 PM`, in UTC.
#[must_use]
pub fn parse_aws_expiration(text: &str) -> Option<i64> {
    let mut words = text
        .split([' ', ',', '\u{202f}'])
        .filter(|word| !word.is_empty());
    let month_name = words.next()?;
    let month = MONTHS.iter().position(|m| *m == month_name)? as i64 + 1;
    let day = digits(words.next()?.as_bytes())?;
    let year = digits(words.next()?.as_bytes())?;
    let mut clock = words.next()?.split(':').map(|part| digits(part.as_bytes()));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let hour = hour_of_day(hour, words.next()?)?;
    epoch_ms((year, month, day), (hour, minute, second))
}

/// The day in UTC, such as `2026-11-23`.
#[must_use]
pub fn format_day(time: EventTime) -> String {
    let (year, month, day) = civil_from_days(time.epoch_ms().div_euclid(MS_PER_DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn format_rfc3339(time: EventTime) -> String {
    let of_day = time.epoch_ms().rem_euclid(MS_PER_DAY);
    format!(
        "{}T{:02}:{:02}:{:02}.{:03}Z",
        format_day(time),
        of_day / MS_PER_HOUR,
        of_day / MS_PER_MIN % 60,
        of_day / MS_PER_SEC % 60,
        of_day % MS_PER_SEC
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(text: &str) -> Option<i64> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|t| t.as_millisecond())
    }

    #[test]
    fn times_agree_with_another_library() {
        for text in [
            "2026-11-23T10:15:30.123Z",
            "2026-11-23T10:15:30Z",
            "2024-02-29T23:59:59.9+05:30",
            "1999-12-31T00:00:00.123456789-11:00",
        ] {
            assert_eq!(parse_rfc3339(text), reference(text), "{text}");
        }
    }

    #[test]
    fn invalid_times_are_rejected() {
        for text in [
            "",
            "2026",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+0530",
            "é026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Zx",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn the_expiry_of_aws_credentials_is_parsed() {
        let ms = |text| parse_rfc3339(text);
        assert_eq!(
            parse_aws_expiration("Jul 10, 2023, 1:05:22 PM"),
            ms("2023-07-10T13:05:22Z")
        );
        assert_eq!(
            parse_aws_expiration("Jul 10, 2023, 12:31:14 PM"),
            ms("2023-07-10T12:31:14Z")
        );
        assert_eq!(
            parse_aws_expiration("Jan 1, 2024, 12:00:00 AM"),
            ms("2024-01-01T00:00:00Z")
        );
        assert_eq!(parse_aws_expiration("Jul 32, 2023, 1:05:22 PM"), None);
        assert_eq!(parse_aws_expiration("tomorrow"), None);
    }

    #[test]
    fn times_of_azure_s_exports_are_read() {
        for (text, expected) in [
            ("12/31/2025 3:03:58 PM", Some("2025-12-31T15:03:58Z")),
            ("1/2/2026 12:00:01 AM", Some("2026-01-02T00:00:01Z")),
            ("13/1/2026 1:00:00 PM", None),
            ("1/2/2026 13:00:00 PM", None),
            ("1/2/2026 1:00:00", None),
        ] {
            assert_eq!(parse_utc(text), expected.and_then(parse_rfc3339), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_survives_a_round_trip(ms in 946_684_800_000i64..4_102_444_799_999) {
            let time = EventTime::from_epoch_ms(ms).unwrap();
            let text = format_rfc3339(time);
            prop_assert_eq!(parse_rfc3339(&text), Some(ms));
            prop_assert_eq!(reference(&text), Some(ms));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (parse_rfc3339(&text), parse_aws_expiration(&text));
        }
    }
}
