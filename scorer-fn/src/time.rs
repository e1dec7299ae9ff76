//! Times with their offset: the two spellings that the contract needs.
//!
//! A credential's `expirationDate` is read twice. Python's rules
//! ([`parse_python_iso`]) decide whether the stamp counts and how its date is
//! printed; RFC 3339 ([`OffsetTime::parse_rfc3339`]) decides how the signed
//! message is spelt. Both keep the offset, which is why an instant alone is
//! not enough. No zone names occur, so no zone database is linked.

mod iso;

use std::time::{SystemTime, UNIX_EPOCH};

pub use iso::{IsoError, PythonTime, parse_python_iso};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
pub type Micros = i64;

/// The clock of this machine.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}

/// A local date and time with its distance from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetTime {
    /// Local days since 1970-01-01.
    days: i64,
    /// Local time of day, 0 to 86,399,999,999,999 nanoseconds.
    nanos: u64,
    /// Seconds east of UTC, less than a day either way.
    offset_secs: i32,
}

impl OffsetTime {
    /// A UTC time, exact to the microsecond.
    pub fn from_micros(at: Micros) -> Self {
        let per_day = SECONDS_PER_DAY * MICROS_PER_SECOND;
        let nanos = u64::try_from(at.rem_euclid(per_day)).unwrap_or(0) * 1000;
        Self { days: at.div_euclid(per_day), nanos, offset_secs: 0 }
    }

    /// The moment, rounded down to a microsecond.
    pub fn micros(&self) -> Micros {
        let seconds = self.days * SECONDS_PER_DAY - i64::from(self.offset_secs);
        seconds * MICROS_PER_SECOND + i64::try_from(self.nanos / 1000).unwrap_or(0)
    }

    /// Reads `2025-01-02T03:04:05[.fraction](Z|±HH:MM)`.
    ///
    /// Fractions beyond nine digits are cut off, as chrono does. Seconds reach
    /// 59: a leap second cannot be a Python time either.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 20
            || bytes[4] != b'-'
            || bytes[7] != b'-'
            || !matches!(bytes[10], b'T' | b't')
        {
            return None;
        }
        if bytes[13] != b':' || bytes[16] != b':' {
            return None;
        }
        let field = |at: usize, len: usize| digits(&bytes[at..at + len]);
        let days = days_from_civil(field(0, 4)?, field(5, 2)?, field(8, 2)?).ok()?;
        let (hour, minute, second) = (field(11, 2)?, field(14, 2)?, field(17, 2)?);
        let mut nanos = nanos_of_day(hour, minute, second, 0).ok()?;
        let mut rest = &bytes[19..];
        if rest[0] == b'.' {
            let len = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            if len == 0 {
                return None;
            }
            nanos += fraction_nanos(&rest[1..=len]);
            rest = &rest[1 + len..];
        }
        let offset_secs = match rest {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
                if *sign == b'-' { -seconds } else { seconds }
            }
            _ => return None,
        };
        Some(Self { days, nanos, offset_secs })
    }

    /// RFC 3339 with 0, 3, 6 or 9 fraction digits, as few as are needed.
    ///
    /// `zulu` spells a zero offset `Z`.
    pub fn respell(&self, zulu: bool) -> String {
        let fraction = self.nanos % NANOS_PER_SECOND;
        let digits = match fraction {
            0 => String::new(),
            f if f % 1_000_000 == 0 => format!(".{:03}", f / 1_000_000),
            f if f % 1000 == 0 => format!(".{:06}", f / 1000),
            f => format!(".{f:09}"),
        };
        let zone = if zulu && self.offset_secs == 0 { "Z".to_owned() } else { self.zone() };
        format!("{}{digits}{zone}", self.to_seconds())
    }

    /// [`respell`](Self::respell) of the same moment in UTC.
    pub fn respell_utc(&self) -> String {
        self.in_utc().respell(true)
    }

    /// Python's `isoformat()`: six fraction digits or none, offset as given.
    pub fn python_isoformat(&self) -> String {
        let micros = self.nanos % NANOS_PER_SECOND / 1000;
        let digits = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        format!("{}{digits}{}", self.to_seconds(), self.zone())
    }

    /// The spelling in `registry_event`: milliseconds, cut off, and `Z` for UTC.
    pub fn event_spelling(&self) -> String {
        let micros = self.nanos % NANOS_PER_SECOND / 1000;
        let digits = if micros == 0 { String::new() } else { format!(".{:03}", micros / 1000) };
        let zone = if self.offset_secs == 0 { "Z".to_owned() } else { self.zone() };
        format!("{}{digits}{zone}", self.to_seconds())
    }

    fn in_utc(self) -> Self {
        let seconds = self.days * SECONDS_PER_DAY
            + i64::try_from(self.nanos / NANOS_PER_SECOND).unwrap_or(0)
            - i64::from(self.offset_secs);
        let second_of_day = u64::try_from(seconds.rem_euclid(SECONDS_PER_DAY)).unwrap_or(0);
        let nanos = second_of_day * NANOS_PER_SECOND + self.nanos % NANOS_PER_SECOND;
        Self { days: seconds.div_euclid(SECONDS_PER_DAY), nanos, offset_secs: 0 }
    }

    fn to_seconds(self) -> String {
        let (year, month, day) = civil_from_days(self.days);
        let second = self.nanos / NANOS_PER_SECOND;
        let (hour, minute) = (second / 3600, second / 60 % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", second % 60)
    }

    fn zone(&self) -> String {
        let sign = if self.offset_secs < 0 { '-' } else { '+' };
        let total = self.offset_secs.unsigned_abs();
        let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
        if seconds == 0 {
            format!("{sign}{hours:02}:{minutes:02}")
        } else {
            format!("{sign}{hours:02}:{minutes:02}:{seconds:02}")
        }
    }
}

fn out_of_range(field: &str) -> IsoError {
    IsoError::Range(field.to_owned())
}

/// Up to nine ASCII digits as a number.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// Digits after the point, as nanoseconds; what is beyond the ninth is cut off.
fn fraction_nanos(text: &[u8]) -> u64 {
    (0..9).fold(0, |value, at| value * 10 + text.get(at).map_or(0, |byte| u64::from(byte - b'0')))
}

fn nanos_of_day(hour: u32, minute: u32, second: u32, micro: u32) -> Result<u64, IsoError> {
    if hour > 23 {
        return Err(out_of_range("hour must be in 0..23"));
    }
    if minute > 59 {
        return Err(out_of_range("minute must be in 0..59"));
    }
    if second > 59 {
        return Err(out_of_range("second must be in 0..59"));
    }
    Ok(u64::from(hour * 3600 + minute * 60 + second) * NANOS_PER_SECOND + u64::from(micro) * 1000)
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
///
/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn days_from_civil(year: u32, month: u32, day: u32) -> Result<i64, IsoError> {
    if year == 0 || year > 9999 {
        return Err(out_of_range(&format!("year {year} is out of range")));
    }
    if !(1..=12).contains(&month) {
        return Err(out_of_range("month must be in 1..12"));
    }
    if day == 0 || day > days_in_month(year, month) {
        return Err(out_of_range("day is out of range for month"));
    }
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Ok(era * 146_097 + day_of_era - 719_468)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}
