//! Dates as servers write them: the three forms of HTTP, ISO 8601, and what is near enough to have one meaning.

use super::Confidence;
use super::duration::{Decimal, billionths, milliseconds_rounded_up};
use crate::time::{WallTime, civil_from_days, days_from_civil};
use std::ops::RangeInclusive;
use std::time::Duration;

const DAY: i64 = 86_400_000;

/// 2019-12-31T23:59:59Z: seen from here, a year of two digits is one of 1970 to 2069.
const BEFORE_2020: WallTime = WallTime(1_577_836_799_000);

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads a moment: ISO 8601 / RFC 3339 (`2026-06-01T12:01:00.5Z`, any offset, a space instead of the `T`) or any of the three
/// forms of RFC 9110 §5.6.7. `None` for what is no such date, for days that do not exist, and for a date without an offset,
/// which could mean any moment of a day. A fraction is rounded up to the millisecond. Two digits of a year are one of 1970 to
/// 2069.
///
/// ```
/// use steadfast::{policy::hint::timestamp, time::WallTime};
///
/// assert_eq!(timestamp("2026-06-01T14:00:00+02:00"), Some(WallTime(1_780_315_200_000)));
/// assert_eq!(timestamp("Mon, 01 Jun 2026 12:00:00 GMT"), Some(WallTime(1_780_315_200_000)));
/// assert_eq!(timestamp("2026-06-01T12:00:00"), None);
/// ```
pub fn timestamp(text: &str) -> Option<WallTime> {
    sure(text, BEFORE_2020)
}

/// A date that has only one meaning, read as of `now`.
pub(super) fn sure(text: &str, now: WallTime) -> Option<WallTime> {
    read(text, now).filter(|(_, confidence)| *confidence > Confidence::Guess).map(|(moment, _)| moment)
}

/// Reads a date; `now` tells the century of an RFC 850 date. The forms of HTTP are certain; a date without an offset is taken
/// for UTC, which is a guess; all else that is a date is likely. Weekdays are not checked against the date, and a leap second is
/// the next second.
pub(super) fn read(text: &str, now: WallTime) -> Option<(WallTime, Confidence)> {
    let text = text.trim_ascii();
    let is_iso = text.as_bytes().get(4) == Some(&b'-');
    let date = if is_iso { read_iso(text)? } else { read_http(text, now)? };
    let confidence = match date.zone {
        _ if !is_iso && is_standard(text) => Confidence::Certain,
        Some(_) => Confidence::Likely,
        None => Confidence::Guess,
    };
    let offset = date.zone.map_or(Some(0), offset_minutes)?;
    let days = days_from_civil(date.day);
    if civil_from_days(days) != date.day {
        return None;
    }
    Some((WallTime(days * DAY + date.milliseconds - offset * 60_000), confidence))
}

/// A moment given in seconds since the epoch, rounded up to the millisecond.
pub(super) fn epoch_seconds(number: Decimal) -> WallTime {
    since_epoch(number.seconds())
}

/// A moment given in milliseconds since the epoch, rounded up to the millisecond.
pub(super) fn epoch_milliseconds(number: Decimal) -> WallTime {
    since_epoch(number.milliseconds())
}

fn since_epoch(duration: Duration) -> WallTime {
    WallTime(i64::try_from(milliseconds_rounded_up(duration)).unwrap_or(i64::MAX))
}

struct Date<'a> {
    /// Year, month and day.
    day: (i64, i64, i64),
    /// Since the day's beginning.
    milliseconds: i64,
    /// What follows the time.
    zone: Option<&'a str>,
}

/// `2026-06-01T12:01:00.123+02:00`.
fn read_iso(text: &str) -> Option<Date<'_>> {
    let (day, rest) = text.split_at_checked(10)?;
    let mut parts = day.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let end = rest.find(|next: char| !next.is_ascii_digit() && !matches!(next, ':' | '.' | ',')).unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(end)?;
    let (time, fraction) = time.split_once(['.', ',']).unwrap_or((time, "0"));
    let fraction = i64::try_from(billionths(fraction)?.div_ceil(1_000_000)).ok()?;
    Some(Date {
        day: (number(year, 4..=4)?, number(month, 2..=2)?, number(day, 2..=2)?),
        milliseconds: time_of_day(time)? + fraction,
        zone: Some(zone.trim_ascii_start()).filter(|zone| !zone.is_empty()),
    })
}

/// `Mon, 01 Jun 2026 12:01:00 GMT`, `Monday, 01-Jun-26 12:01:00 GMT` or `Mon Jun  1 12:01:00 2026`; the weekday may be missing.
fn read_http(text: &str, now: WallTime) -> Option<Date<'_>> {
    let (first, rest) = text.split_once([',', ' '])?;
    let mut words = if is_weekday(first) { rest } else { text }.split_ascii_whitespace();
    let first = words.next()?;
    let (day, month, year, time);
    if let Some((digits, month_and_year)) = first.split_once('-') {
        (month, year) = month_and_year.split_once('-')?;
        (day, time) = (digits, words.next()?);
    } else if first.starts_with(|next: char| next.is_ascii_digit()) {
        (day, month, year, time) = (first, words.next()?, words.next()?, words.next()?);
    } else {
        (month, day, time, year) = (first, words.next()?, words.next()?, words.next()?);
    }
    let zone = words.next();
    if words.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let (month, day) = (i64::try_from(month).ok()? + 1, number(day, 1..=2)?);
    let milliseconds = time_of_day(time)?;
    let year = match year.len() {
        2 => full_year(number(year, 2..=2)?, (month, day, milliseconds), now),
        _ => number(year, 4..=4)?,
    };
    Some(Date { day: (year, month, day), milliseconds, zone })
}

/// The year that two digits mean: one that would be more than fifty years ahead is past (RFC 9110 §5.6.7).
fn full_year(two_digits: i64, within_year: (i64, i64, i64), now: WallTime) -> i64 {
    let (year, month, day) = civil_from_days(now.0.div_euclid(DAY));
    let last = year + 50;
    let found = last - (last - two_digits).rem_euclid(100);
    if found == last && within_year > (month, day, now.0.rem_euclid(DAY)) { found - 100 } else { found }
}

/// `12:01:00` or `12:01`, in milliseconds.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| number(part, 2..=2));
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let is_time = parts.next().is_none() && hours < 24 && minutes < 60 && seconds <= 60;
    is_time.then_some(((hours * 60 + minutes) * 60 + seconds) * 1000)
}

/// How many minutes a zone is ahead of UTC: `GMT`, `UTC`, `Z`, `+02:00`, `-0530`, `+02`.
fn offset_minutes(zone: &str) -> Option<i64> {
    if ["GMT", "UTC", "UT", "Z"].iter().any(|name| name.eq_ignore_ascii_case(zone)) {
        return Some(0);
    }
    let (sign, offset) = match zone.strip_prefix('+') {
        Some(offset) => (1, offset),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = match offset.len() {
        2 => (offset, "00"),
        _ => offset.split_once(':').or_else(|| offset.split_at_checked(2))?,
    };
    let (hours, minutes) = (number(hours, 2..=2)?, number(minutes, 2..=2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// So many digits, and nothing else, as a number.
fn number(text: &str, lengths: RangeInclusive<usize>) -> Option<i64> {
    let is_number = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A weekday's name or its first three letters.
fn is_weekday(word: &str) -> bool {
    WEEKDAYS
        .iter()
        .any(|name| name.eq_ignore_ascii_case(word) || name.get(..3).is_some_and(|name| name.eq_ignore_ascii_case(word)))
}

/// Whether a date is written as HTTP has it, to the letter.
fn is_standard(text: &str) -> bool {
    let has_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'A' => byte.is_ascii_uppercase(),
                b'a' => byte.is_ascii_lowercase(),
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            })
    };
    let is_rfc_850 = |(weekday, rest): (&str, &str)| weekday.len() > 3 && has_form(rest, " 00-Aaa-00 00:00:00 GMT");
    has_form(text, "Aaa, 00 Aaa 0000 00:00:00 GMT")
        || has_form(text, "Aaa Aaa 00 00:00:00 0000")
        || has_form(text, "Aaa Aaa  0 00:00:00 0000")
        || text.split_once(',').is_some_and(is_rfc_850)
}
