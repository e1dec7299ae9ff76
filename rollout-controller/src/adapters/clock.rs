//! The clock, real or that of a stand-in with fast time.
//!
//! A stand-in that runs an hour in a minute sets `ROLLOUT_CLOCK` for the functions
//! and for `rolloutctl` alike. Deadlines of writes, the SDK's signatures and the
//! database keep real time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::ports::{Clock, SystemClock};

/// The environment variable.
pub const VARIABLE: &str = "ROLLOUT_CLOCK";

/// Names the stand-in; AWS itself has real time only.
const STAND_IN: &str = "AWS_ENDPOINT_URL";

/// Fast enough to run a day in a second; a typing error is faster still.
const FASTEST: f64 = 86_400.0;

/// A value of [`VARIABLE`] that is no clock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{VARIABLE} is {found:?}: {problem}; write \
     start=2026-11-24T08:00:00Z,anchor=2026-11-24T12:34:56Z,speed=60, or unset it for real time"
)]
pub struct ClockError {
    found: String,
    problem: String,
}

/// Time that shows `start` when real time is `anchor`, goes `speed` times as fast
/// from there, and stands at `until` if there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FastClock {
    start: Timestamp,
    anchor: Timestamp,
    speed: f64,
    until: Option<Timestamp>,
}

impl FastClock {
    fn at(&self, real: Timestamp) -> Timestamp {
        let passed = real.duration_since(self.anchor).as_secs_f64() * self.speed;
        let passed = SignedDuration::try_from_secs_f64(passed).unwrap_or(SignedDuration::ZERO);
        let now = self.start.saturating_add(passed).unwrap_or(self.start);
        self.until.map_or(now, |until| now.min(until))
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.at(Timestamp::now())
    }
}

impl std::str::FromStr for FastClock {
    type Err = ClockError;

    fn from_str(text: &str) -> Result<Self, ClockError> {
        let refused = |problem: String| ClockError { found: text.to_owned(), problem };
        let (mut start, mut anchor, mut speed, mut until) = (None, None, None, None);
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim());
            let time = || {
                value.parse::<Timestamp>().map_err(|error| refused(format!("{name} is {error}")))
            };
            let again = match name {
                "start" => start.replace(time()?).is_some(),
                "anchor" => anchor.replace(time()?).is_some(),
                "until" => until.replace(time()?).is_some(),
                "speed" => {
                    let factor = value.parse::<f64>().ok();
                    let factor = factor.filter(|factor| *factor > 0.0 && *factor <= FASTEST);
                    let problem =
                        || refused(format!("speed is {value:?}, a number above 0 up to {FASTEST}"));
                    speed.replace(factor.ok_or_else(problem)?).is_some()
                }
                other => return Err(refused(format!("{other:?} is not known"))),
            };
            if again {
                return Err(refused(format!("{name} stands twice")));
            }
        }
        let missing = |name: &str| refused(format!("{name} is missing"));
        Ok(Self {
            start: start.ok_or_else(|| missing("start"))?,
            anchor: anchor.ok_or_else(|| missing("anchor"))?,
            speed: speed.ok_or_else(|| missing("speed"))?,
            until,
        })
    }
}

/// The clock that the environment asks for; `var` reads a variable.
///
/// # Errors
/// [`ClockError`] if [`VARIABLE`] is set and makes no sense, or is set where no
/// stand-in is: ages, pauses and change windows of a real rollout would be wrong.
pub fn clock(var: impl Fn(&str) -> Option<String>) -> Result<Arc<dyn Clock>, ClockError> {
    let set = |name| var(name).filter(|value| !value.trim().is_empty());
    match set(VARIABLE) {
        Some(found) if set(STAND_IN).is_none() => {
            let problem = format!("only a stand-in has fast time, and {STAND_IN} names none");
            Err(ClockError { found, problem })
        }
        Some(value) => Ok(Arc::new(value.parse::<FastClock>()?)),
        None => Ok(Arc::new(SystemClock)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_A_MINUTE: &str = "start=2026-01-01T00:00:00Z,anchor=2026-11-24T12:00:00Z,speed=60";

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_minute_after_the_anchor_an_hour_has_passed() {
        let clock: FastClock = HOUR_A_MINUTE.parse().unwrap();
        assert_eq!(clock.at(time("2026-11-24T12:00:00Z")), time("2026-01-01T00:00:00Z"));
        assert_eq!(clock.at(time("2026-11-24T12:01:00Z")), time("2026-01-01T01:00:00Z"));
        assert_eq!(clock.at(time("2026-11-24T11:59:59Z")), time("2025-12-31T23:59:00Z"));
        let held = format!("{HOUR_A_MINUTE},until=2026-01-01T00:30:00Z");
        let held: FastClock = held.parse().unwrap();
        assert_eq!(held.at(time("2026-11-24T12:00:10Z")), time("2026-01-01T00:10:00Z"));
        assert_eq!(held.at(time("2026-11-24T12:01:00Z")), time("2026-01-01T00:30:00Z"));
    }

    #[test]
    fn deadlines_stay_in_real_time() {
        let clock = clock(|_| Some(HOUR_A_MINUTE.to_owned())).unwrap();
        let (before, real) = (Timestamp::now(), clock.real());
        assert!(real >= before && real <= Timestamp::now());
        assert!(clock.now() != clock.real());
    }

    #[test]
    fn no_variable_is_real_time() {
        for value in [None, Some(String::new())] {
            let clock = clock(|_| value.clone()).unwrap();
            let before = Timestamp::now();
            assert!(clock.now() >= before && clock.now() <= Timestamp::now());
        }
    }

    #[test]
    fn on_aws_itself_a_fast_clock_is_refused() {
        let with = |endpoint: Option<&str>| {
            let endpoint = endpoint.map(str::to_owned);
            clock(move |name| match name {
                VARIABLE => Some(HOUR_A_MINUTE.to_owned()),
                STAND_IN => endpoint.clone(),
                _ => None,
            })
        };
        assert!(with(Some("http://127.0.0.1:4566")).is_ok());
        for none in [None, Some(""), Some(" ")] {
            let Err(error) = with(none) else { panic!("{none:?}") };
            let text = error.to_string();
            assert!(text.contains("AWS_ENDPOINT_URL names none; write start="), "{text}");
            assert!(text.ends_with("or unset it for real time"), "{text}");
        }
    }

    #[test]
    fn what_is_no_clock_is_refused_with_the_variable_and_the_fix() {
        for (value, problem) in [
            ("60", "\"60\" is not known"),
            ("start=2026-01-01T00:00:00Z,speed=60", "anchor is missing"),
            ("start=now,anchor=2026-11-24T12:00:00Z,speed=60", "start is "),
            ("start=2026-01-01T00:00:00Z,anchor=2026-11-24T12:00:00Z,speed=0", "speed is \"0\""),
            (
                "start=2026-01-01T00:00:00Z,anchor=2026-11-24T12:00:00Z,speed=nan",
                "speed is \"nan\"",
            ),
            ("speed=1,speed=2", "speed stands twice"),
        ] {
            let Err(error) = clock(|_| Some(value.to_owned())) else { panic!("{value}") };
            let text = error.to_string();
            assert!(text.starts_with("ROLLOUT_CLOCK is ") && text.contains("; write start="));
            assert!(text.contains(problem), "{text}");
        }
    }
}
