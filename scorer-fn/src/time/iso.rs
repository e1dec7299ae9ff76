//! What `datetime.fromisoformat` of Python 3.11 makes of a text, down to what it overlooks.

use super::{
    OffsetTime, SECONDS_PER_DAY, civil_from_days, days_from_civil, days_in_month, digits,
    fraction_nanos, nanos_of_day, out_of_range,
};

/// Why Python's `datetime.fromisoformat` refuses a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsoError {
    /// The shape is wrong; Python names the whole text.
    Shape,
    /// A field is out of range; Python names the field.
    Range(String),
}

/// What `datetime.fromisoformat` makes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PythonTime {
    /// Without zone; Python refuses to compare it with an aware time.
    Naive,
    /// With zone.
    Aware(OffsetTime),
}

/// Reads a text as `datetime.fromisoformat` of Python 3.11 does: a calendar date
/// (`YYYY-MM-DD`, `YYYYMMDD`) or a week date (`YYYY-Www[-D]`, `YYYYWww[D]`),
/// one character of any kind, and the time of day.
///
/// # Errors
/// [`IsoError`] says which of Python's two kinds of message follows.
pub fn parse_python_iso(text: &str) -> Result<PythonTime, IsoError> {
    if text.len() < 7 {
        return Err(IsoError::Shape);
    }
    let date_len = date_length(text.as_bytes())?;
    // One separator of any kind; it may be longer than a byte.
    let (date, after_date) = text.split_at_checked(date_len).ok_or(IsoError::Shape)?;
    let [year, month, day] = read_date(date.as_bytes())?;
    let mut chars = after_date.chars();
    let clock = chars.next().map(|_| chars.as_str());
    if clock == Some("") {
        return Err(IsoError::Shape);
    }
    let (clock, zone) = split_zone(clock.unwrap_or("00"))?;
    let tail = if zone.is_some() { Tail::IsOverlooked } else { Tail::Nothing };
    let [hour, minute, second, micro] = clock_fields(clock.as_bytes(), tail)?;
    let days = days_from_civil(year, month, day)?;
    let nanos = nanos_of_day(hour, minute, second, micro)?;
    Ok(match zone {
        None => PythonTime::Naive,
        Some(offset_secs) => PythonTime::Aware(OffsetTime { days, nanos, offset_secs }),
    })
}

/// How many bytes of a text (7 at least) are the date; its fifth and sixth
/// character tell the spelling. In week dates a digit or a hyphen may belong to
/// the day or to the time, and Python goes by what follows.
fn date_length(text: &[u8]) -> Result<usize, IsoError> {
    if text.len() == 7 {
        return Ok(7);
    }
    match (text[4], text[5]) {
        (b'-', b'W') if text.get(8) != Some(&b'-') => Ok(8),
        (b'-', b'W') if text.len() == 9 => Err(IsoError::Shape),
        // Two digits behind the hyphen are an hour, one is a day.
        (b'-', b'W') if text.get(10).is_some_and(u8::is_ascii_digit) => Ok(8),
        (b'-', _) => Ok(10),
        (b'W', _) => {
            let digits = text[7..].iter().take_while(|b| b.is_ascii_digit()).count();
            // A digit may be the separator, and the fields of a time have two each.
            Ok(if digits == 0 || (digits > 1 && digits % 2 == 1) { 7 } else { 8 })
        }
        _ => Ok(8),
    }
}

/// Year, month and day, which may not exist; the week and day of a week date do.
fn read_date(text: &[u8]) -> Result<[u32; 3], IsoError> {
    let mut rest = text;
    let mut field = |hyphen: bool, mark: &[u8], len: usize| {
        let hyphen: &[u8] = if hyphen { b"-" } else { b"" };
        let after = rest.strip_prefix(hyphen)?.strip_prefix(mark)?;
        let (part, after) = after.split_at_checked(len)?;
        rest = after;
        digits(part)
    };
    let hyphens = text.get(4) == Some(&b'-');
    let year = field(false, b"", 4).ok_or(IsoError::Shape)?;
    if text.get(4 + usize::from(hyphens)) == Some(&b'W') {
        let week = field(hyphens, b"W", 2).ok_or(IsoError::Shape)?;
        let has_day = text.len() > 7 + usize::from(hyphens);
        let day = if has_day { field(hyphens, b"", 1).ok_or(IsoError::Shape)? } else { 1 };
        return week_date(year, week, day);
    }
    let month = field(hyphens, b"", 2).ok_or(IsoError::Shape)?;
    let day = field(hyphens, b"", 2).ok_or(IsoError::Shape)?;
    if !rest.is_empty() {
        return Err(IsoError::Shape);
    }
    Ok([year, month, day])
}

/// The calendar date of an ISO 8601 week date, perhaps in the year 10,000.
fn week_date(year: u32, week: u32, day: u32) -> Result<[u32; 3], IsoError> {
    if year == 0 {
        // CPython counts on from a negative day and complains about what it finds there.
        let exists = (1..=52).contains(&week) && (1..=7).contains(&day);
        return Err(if exists { out_of_range("month must be in 1..12") } else { IsoError::Shape });
    }
    let new_year = days_from_civil(year, 1, 1)?;
    // 1970-01-01 was a Thursday; Monday is 0.
    let weekday = (new_year + 3).rem_euclid(7);
    let is_leap = days_in_month(year, 2) == 29;
    let weeks = if weekday == 3 || (weekday == 2 && is_leap) { 53 } else { 52 };
    if !(1..=weeks).contains(&week) || !(1..=7).contains(&day) {
        return Err(IsoError::Shape);
    }
    // The first week is the one that has the first Thursday.
    let first_monday = new_year - weekday + if weekday > 3 { 7 } else { 0 };
    let days = first_monday + i64::from((week - 1) * 7 + (day - 1));
    let (year, month, day) = civil_from_days(days);
    Ok([year, month, day].map(|field| u32::try_from(field).unwrap_or(0)))
}

/// The clock, and the zone in seconds; a fraction of a second in it is cut off.
fn split_zone(text: &str) -> Result<(&str, Option<i32>), IsoError> {
    let Some(at) = text.find(['-', '+', 'Z']) else {
        return Ok((text, None));
    };
    let (clock, zone) = text.split_at(at);
    if zone == "Z" {
        return Ok((clock, Some(0)));
    }
    let east = match zone.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return Err(IsoError::Shape),
    };
    let [hours, minutes, seconds, _] = clock_fields(&zone.as_bytes()[1..], Tail::Nothing)?;
    let total = hours * 3600 + minutes * 60 + seconds;
    if total >= 86_400 {
        return Err(out_of_range(&offset_too_large(i64::from(east) * i64::from(total))));
    }
    Ok((clock, Some(east * i32::try_from(total).unwrap_or(0))))
}

/// Python's words for an offset of a day or more.
fn offset_too_large(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let rest = if rest == 0 { String::new() } else { format!(", seconds={rest}") };
    format!(
        "offset must be a timedelta strictly between -timedelta(hours=24) and timedelta(hours=24), \
         not datetime.timedelta(days={days}{rest})."
    )
}

/// What may stand between the clock and the end of its text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    Nothing,
    /// Before a zone CPython overlooks one character of any kind behind a
    /// field, and anything behind six digits of a fraction.
    IsOverlooked,
}

/// `HH[:MM[:SS]]` or the same without colons, and a fraction behind any of
/// these fields: hour, minute, second, microsecond.
///
/// As in CPython a colon does for the point behind the seconds, and without
/// colons nothing does, too.
fn clock_fields(text: &[u8], tail: Tail) -> Result<[u32; 4], IsoError> {
    let mut fields = [0; 4];
    let mut at = 0;
    let mut colons = false;
    for (index, field) in fields.iter_mut().take(3).enumerate() {
        let part = text.get(at..at + 2).ok_or(IsoError::Shape)?;
        *field = digits(part).ok_or(IsoError::Shape)?;
        at += 2;
        let Some(mark) = text.get(at) else {
            return Ok(fields);
        };
        if at + 1 == text.len() {
            return match tail {
                Tail::IsOverlooked => Ok(fields),
                Tail::Nothing => Err(IsoError::Shape),
            };
        }
        if index == 0 {
            colons = *mark == b':';
        }
        match mark {
            b'.' | b',' => {
                at += 1;
                break;
            }
            b':' if colons => at += 1,
            _ if colons => return Err(IsoError::Shape),
            _ => {}
        }
    }
    let rest = &text[at..];
    let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if len < rest.len() && (len < 6 || tail == Tail::Nothing) {
        return Err(IsoError::Shape);
    }
    fields[3] = u32::try_from(fraction_nanos(&rest[..len]) / 1000).unwrap_or(0);
    Ok(fields)
}
