//! When advancing is allowed. Never limits a rollback.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// Change windows in one time zone, and dates on which nothing advances.
///
/// No windows at all means: at any time. Written in the config as
/// `windows = ["Mon-Fri 08:00-17:00"]`, `freeze = ["2026-12-20..2027-01-03"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// IANA name, such as `Europe/Berlin`; empty is UTC.
    pub time_zone: String,
    /// Advancing only inside one of these; none: always.
    pub windows: Vec<Window>,
    /// No advancing on these dates, first and last included.
    pub freeze: Vec<Freeze>,
}

/// The same hours on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    first: Weekday,
    last: Weekday,
    from: Time,
    until: Time,
}

/// Dates from first to last, both included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Freeze {
    first: Date,
    last: Date,
}

/// A calendar text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {problem}; write it as `{example}`")]
pub struct CalendarError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
    /// A right one.
    pub example: &'static str,
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

fn day(text: &str) -> Option<Weekday> {
    DAYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, day)| *day)
}

fn day_name(day: Weekday) -> &'static str {
    DAYS.iter().find(|(_, other)| *other == day).map_or("?", |(name, _)| name)
}

impl TryFrom<String> for Window {
    type Error = CalendarError;

    fn try_from(text: String) -> Result<Self, CalendarError> {
        let wrong =
            |problem| CalendarError { text: text.clone(), problem, example: "Mon-Fri 08:00-17:00" };
        let (days, hours) = text.trim().split_once(' ').ok_or(wrong("needs days and hours"))?;
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (from, until) = hours.trim().split_once('-').ok_or(wrong("needs hours from-until"))?;
        let time = |text: &str| {
            // 24:00 is the end of the day.
            let text = if text == "24:00" { "23:59:59.999999999" } else { text };
            text.parse::<Time>().map_err(|_| wrong("has hours that are not HH:MM"))
        };
        let window = Self {
            first: day(first).ok_or(wrong("has a day that is none of Mon … Sun"))?,
            last: day(last).ok_or(wrong("has a day that is none of Mon … Sun"))?,
            from: time(from)?,
            until: time(until)?,
        };
        if window.from >= window.until {
            return Err(wrong("ends before it begins (split it at midnight)"));
        }
        Ok(window)
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        let end_of_day = window.until.second() == 59;
        let until =
            if end_of_day { "24:00".into() } else { window.until.strftime("%H:%M").to_string() };
        let from = window.from.strftime("%H:%M");
        format!("{}-{} {from}-{until}", day_name(window.first), day_name(window.last))
    }
}

impl TryFrom<String> for Freeze {
    type Error = CalendarError;

    fn try_from(text: String) -> Result<Self, CalendarError> {
        let wrong = |problem| CalendarError {
            text: text.clone(),
            problem,
            example: "2026-12-20..2027-01-03",
        };
        let (first, last) = text.trim().split_once("..").unwrap_or((text.trim(), text.trim()));
        let date = |text: &str| {
            text.parse::<Date>().map_err(|_| wrong("has a date that is not YYYY-MM-DD"))
        };
        let freeze = Self { first: date(first)?, last: date(last)? };
        if freeze.first > freeze.last {
            return Err(wrong("ends before it begins"));
        }
        Ok(freeze)
    }
}

impl From<Freeze> for String {
    fn from(freeze: Freeze) -> Self {
        format!("{}..{}", freeze.first, freeze.last)
    }
}

impl Window {
    fn has_day(&self, day: Weekday) -> bool {
        let offset = |day: Weekday| i32::from(day.to_monday_zero_offset());
        let span = (offset(self.last) - offset(self.first)).rem_euclid(7);
        (offset(day) - offset(self.first)).rem_euclid(7) <= span
    }
}

impl Calendar {
    /// Checks the zone's name.
    ///
    /// # Errors
    /// [`CalendarError`] if no such zone is known.
    pub fn check(&self) -> Result<(), CalendarError> {
        if !self.time_zone.is_empty() && TimeZone::get(&self.time_zone).is_err() {
            return Err(CalendarError {
                text: self.time_zone.clone(),
                problem: "is not a known time zone",
                example: "Europe/Berlin",
            });
        }
        Ok(())
    }

    fn zone(&self) -> TimeZone {
        if self.time_zone.is_empty() {
            return TimeZone::UTC;
        }
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// Whether advancing is allowed at this moment.
    pub fn allows(&self, now: Timestamp) -> bool {
        let local = now.to_zoned_datetime(self.zone()).datetime();
        let frozen = |freeze: &Freeze| (freeze.first..=freeze.last).contains(&local.date());
        let open = |window: &Window| {
            window.has_day(local.date().weekday())
                && (window.from..window.until).contains(&local.time())
        };
        !self.freeze.iter().any(frozen)
            && (self.windows.is_empty() || self.windows.iter().any(open))
    }

    /// The first moment from `now` on at which advancing is allowed, or `None`
    /// if there is none within a year.
    pub fn next_allowed(&self, now: Timestamp) -> Option<Timestamp> {
        if self.allows(now) {
            return Some(now);
        }
        let zone = self.zone();
        let today = now.to_zoned_datetime(zone.clone()).date();
        let midnight = Time::midnight();
        // Advancing can only become allowed when a day or a window begins.
        (0..=366).find_map(|days| {
            let date = today.checked_add(Span::new().days(days)).ok()?;
            let mut starts = vec![midnight];
            starts.extend(self.windows.iter().map(|window| window.from));
            starts.sort_unstable();
            starts.into_iter().find_map(|start| {
                let moment =
                    date.to_datetime(start).to_zoned_datetime(zone.clone()).ok()?.timestamp();
                (moment > now && self.allows(moment)).then_some(moment)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin(windows: &[&str], freeze: &[&str]) -> Calendar {
        let calendar = Calendar {
            time_zone: "Europe/Berlin".into(),
            windows: windows.iter().map(|w| Window::try_from((*w).to_owned()).unwrap()).collect(),
            freeze: freeze.iter().map(|f| Freeze::try_from((*f).to_owned()).unwrap()).collect(),
        };
        calendar.check().unwrap();
        calendar
    }

    #[test]
    fn an_empty_calendar_allows_everything() {
        assert!(Calendar::default().allows(at("2026-11-24T03:00:00Z")));
    }

    #[test]
    fn a_window_is_read_in_its_zone_on_both_sides_of_the_clock_change() {
        let calendar = berlin(&["Mon-Fri 08:00-17:00"], &[]);
        // Berlin is UTC+2 on Friday 23 October and UTC+1 on Monday 26 October 2026.
        assert!(calendar.allows(at("2026-10-23T06:00:00Z")));
        assert!(!calendar.allows(at("2026-10-23T15:00:00Z")));
        assert!(!calendar.allows(at("2026-10-26T06:59:59Z")));
        assert!(calendar.allows(at("2026-10-26T07:00:00Z")));
    }

    #[test]
    fn says_when_advancing_is_allowed_next() {
        let calendar = berlin(&["Mon-Fri 08:00-17:00"], &["2026-12-21..2027-01-03"]);
        let friday_evening = at("2026-12-18T20:00:00Z");
        assert_eq!(calendar.next_allowed(friday_evening), Some(at("2027-01-04T07:00:00Z")));
        let inside = at("2026-11-24T09:00:00Z");
        assert_eq!(calendar.next_allowed(inside), Some(inside));
    }

    #[test]
    fn a_week_may_wrap_around_sunday() {
        let calendar = berlin(&["Sat-Mon 00:00-24:00"], &[]);
        assert!(calendar.allows(at("2026-11-22T12:00:00Z")), "Sunday");
        assert!(calendar.allows(at("2026-11-23T12:00:00Z")), "Monday");
        assert!(!calendar.allows(at("2026-11-24T12:00:00Z")), "Tuesday");
    }

    #[test]
    fn a_frozen_forever_calendar_has_no_next_time() {
        let calendar = berlin(&[], &["2026-01-01..2028-12-31"]);
        assert_eq!(calendar.next_allowed(at("2026-11-24T09:00:00Z")), None);
    }

    #[test]
    fn refuses_texts_with_a_sentence_that_shows_a_right_one() {
        for wrong in ["Mon-Fri", "Mon-Fry 08:00-17:00", "Mon 25:00-26:00", "Mon 17:00-08:00", ""] {
            let error = Window::try_from(wrong.to_owned()).unwrap_err().to_string();
            assert!(error.contains("Mon-Fri 08:00-17:00"), "{error}");
        }
        assert!(Freeze::try_from("2027-01-03..2026-12-20".to_owned()).is_err());
        let one_day = Freeze::try_from("2027-01-03".to_owned()).map(String::from);
        assert_eq!(one_day.as_deref(), Ok("2027-01-03..2027-01-03"));
        let unknown = Calendar { time_zone: "Europe/Berlim".into(), ..Calendar::default() };
        assert!(unknown.check().unwrap_err().to_string().contains("Europe/Berlim"));
    }

    #[test]
    fn texts_survive_a_round_trip() {
        for text in ["Mon-Fri 08:00-17:00", "Sat-Sun 00:00-24:00"] {
            let window = Window::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(window), text);
        }
    }
}
