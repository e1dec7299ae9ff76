//! Simulated time: metric minutes, schedules and alarms run on it; latencies do not.
//!
//! Simulated time starts at a whole minute and runs `60 s / minute` times as
//! fast as the wall clock. With [`Pace::Manual`] it only moves when a test says
//! so, which makes whole rollouts repeatable to the minute. A running clock can
//! be held at a time until what belongs before it is done, so that a slow machine
//! makes a rollout longer and not different ([`Clock::hold_at`]).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// Milliseconds in a simulated minute.
pub const MINUTE_MS: i64 = 60_000;

/// Tells a function or a CLI what time the cloud has, see [`Clock::as_variable`].
pub const CLOCK_VARIABLE: &str = "ROLLOUT_CLOCK";

/// How fast simulated time runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Real length of one simulated minute; 60 s is real time.
    Minute(Duration),
    /// Time stands still until [`Clock::advance`].
    Manual,
}

/// The one source of simulated time. All instants are milliseconds since 1970, UTC.
#[derive(Debug)]
pub struct Clock {
    pace: Pace,
    legs: Mutex<Legs>,
    jumps: watch::Sender<()>,
}

/// The way of a clock, leg by leg; the last one is under way. Never empty.
#[derive(Debug)]
struct Legs(Vec<Leg>);

/// A stretch in which simulated time runs evenly, until it is held.
#[derive(Clone, Copy, Debug)]
struct Leg {
    since: Instant,
    /// The same by the wall clock.
    anchor: Timestamp,
    from_ms: i64,
    /// Simulated time that this leg does not pass.
    until_ms: Option<i64>,
}

impl Leg {
    fn new(from_ms: i64, until_ms: Option<i64>) -> Self {
        Self { since: Instant::now(), anchor: Timestamp::now(), from_ms, until_ms }
    }

    fn at(&self, instant: Instant, pace: Pace) -> i64 {
        let run_ms = match pace {
            Pace::Manual => 0,
            Pace::Minute(real) => {
                let run = instant.saturating_duration_since(self.since);
                // Far below 2^53 for any run of a development tool.
                #[allow(clippy::cast_possible_truncation)]
                let ms = (run.as_secs_f64() / real.as_secs_f64() * 60_000.0) as i64;
                ms
            }
        };
        let at_ms = self.from_ms + run_ms;
        self.until_ms.map_or(at_ms, |until_ms| at_ms.min(until_ms.max(self.from_ms)))
    }
}

impl Legs {
    fn last(&self) -> Leg {
        *self.0.last().expect("a clock has a leg from its start")
    }

    fn begin(&mut self, from_ms: i64, until_ms: Option<i64>) {
        self.0.push(Leg::new(from_ms, until_ms));
    }
}

impl Clock {
    /// A clock that shows `start` now, cut to the whole minute so that the
    /// first minute is as complete as all others.
    pub fn new(pace: Pace, start: Timestamp) -> Self {
        let start_ms = start.as_millisecond();
        let from_ms = start_ms - start_ms.rem_euclid(MINUTE_MS);
        let first = Leg::new(from_ms, None);
        Self { pace, legs: Mutex::new(Legs(vec![first])), jumps: watch::Sender::new(()) }
    }

    fn legs(&self) -> MutexGuard<'_, Legs> {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Simulated now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.legs().last().at(Instant::now(), self.pace)
    }

    /// Simulated time at an instant of the past, in milliseconds since 1970;
    /// before the clock's start it is the start.
    pub fn at_ms(&self, instant: Instant) -> i64 {
        let legs = self.legs();
        let begun = legs.0.partition_point(|leg| leg.since <= instant);
        legs.0[begun.saturating_sub(1)].at(instant, self.pace)
    }

    /// `start=T,anchor=R,speed=F`: simulated now = T + (real now - R) × F, both RFC
    /// 3339; with `,until=U` not later than U. Whoever has read the text of a clock
    /// that is held may fall behind it, and never runs ahead of it.
    ///
    /// `None` for a manual clock, which stands still.
    pub fn as_variable(&self) -> Option<String> {
        let Pace::Minute(real) = self.pace else { return None };
        let leg = self.legs().last();
        let start = timestamp(leg.from_ms);
        let anchor = leg.anchor;
        let speed = 60.0 / real.as_secs_f64();
        let until = leg.until_ms.map(|until_ms| timestamp(until_ms.max(leg.from_ms)));
        let until = until.map_or(String::new(), |until| format!(",until={until}"));
        Some(format!("start={start},anchor={anchor},speed={speed}{until}"))
    }

    /// Simulated now, as a timestamp.
    pub fn now(&self) -> Timestamp {
        timestamp(self.now_ms())
    }

    /// Number of the minute that is running, counted from 1970.
    pub fn minute(&self) -> i64 {
        self.now_ms().div_euclid(MINUTE_MS)
    }

    /// How fast this clock runs.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Jumps forward, also past a hold; sleepers whose time has come wake at once.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        let mut legs = self.legs();
        let last = legs.last();
        let now_ms = last.at(Instant::now(), self.pace);
        legs.begin(now_ms + ms, last.until_ms);
        drop(legs);
        self.jumps.send_replace(());
    }

    /// Lets simulated time run up to `until_ms` and stand there until this is
    /// called again with a later time. A manual clock stands anyway.
    pub fn hold_at(&self, until_ms: i64) {
        let mut legs = self.legs();
        let now_ms = legs.last().at(Instant::now(), self.pace);
        legs.begin(now_ms, Some(until_ms));
        drop(legs);
        self.jumps.send_replace(());
    }

    /// Real time for which this clock has been held so far.
    pub fn held_for(&self) -> Duration {
        let Pace::Minute(real) = self.pace else {
            return Duration::ZERO;
        };
        let legs = self.legs();
        let ends = legs.0.iter().skip(1).map(|leg| leg.since).chain([Instant::now()]);
        let held = legs.0.iter().zip(ends).filter_map(|(leg, end)| {
            let ran_ms = leg.until_ms?.saturating_sub(leg.from_ms).max(0);
            let ran = real.mul_f64(ran_ms as f64 / MINUTE_MS as f64);
            Some(end.saturating_duration_since(leg.since).saturating_sub(ran))
        });
        held.sum()
    }

    /// Sleeps until simulated time reaches `until_ms`.
    pub async fn sleep_until(&self, until_ms: i64) {
        let mut jumps = self.jumps.subscribe();
        loop {
            let leg = self.legs().last();
            let left_ms = until_ms - leg.at(Instant::now(), self.pace);
            if left_ms <= 0 {
                return;
            }
            let held_before = leg.until_ms.is_some_and(|held_ms| held_ms < until_ms);
            let jumped = jumps.changed();
            match self.pace {
                Pace::Minute(real) if !held_before => {
                    let real_secs = left_ms as f64 / 60_000.0 * real.as_secs_f64();
                    // One extra millisecond, so that rounding never wakes us early.
                    let wait = Duration::from_secs_f64(real_secs) + Duration::from_millis(1);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = jumped => {}
                    }
                }
                Pace::Minute(_) | Pace::Manual => drop(jumped.await),
            }
        }
    }

    /// Sleeps for a stretch of simulated time.
    pub async fn sleep(&self, sim: Duration) {
        let ms = i64::try_from(sim.as_millis()).unwrap_or(i64::MAX / 4);
        self.sleep_until(self.now_ms() + ms).await;
    }
}

/// A timestamp from milliseconds since 1970, clamped to what a calendar can show.
pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        "2026-11-24T08:00:31Z".parse().unwrap()
    }

    #[test]
    fn a_manual_clock_starts_at_a_whole_minute_and_moves_only_when_told() {
        let clock = Clock::new(Pace::Manual, start());
        assert_eq!(clock.now().to_string(), "2026-11-24T08:00:00Z");
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.now().to_string(), "2026-11-24T08:01:30Z");
    }

    #[test]
    fn the_variable_gives_the_same_time_as_the_clock() {
        assert_eq!(Clock::new(Pace::Manual, start()).as_variable(), None);
        let clock = Clock::new(Pace::Minute(Duration::from_millis(700)), start());
        clock.advance(Duration::from_hours(3));
        let text = clock.as_variable().unwrap();
        let part = |name: &str| {
            let found = text.split(',').find_map(|part| part.strip_prefix(name));
            found.unwrap_or_else(|| panic!("{name} in {text}")).to_owned()
        };
        let start: Timestamp = part("start=").parse().unwrap();
        let anchor: Timestamp = part("anchor=").parse().unwrap();
        let speed: f64 = part("speed=").parse().unwrap();
        let now = |real: Timestamp| {
            start.as_millisecond() as f64 + real.duration_since(anchor).as_secs_f64() * speed * 1e3
        };
        let before = now(Timestamp::now());
        let shown = clock.now_ms() as f64;
        let after = now(Timestamp::now());
        // Two clocks were read one after the other at the start: a hair of real time, sped up.
        let slack = 1_000.0 * speed;
        assert!(before - slack <= shown && shown <= after + slack, "{before} {shown} {after}");
        let until = clock.now_ms() + MINUTE_MS;
        clock.hold_at(until);
        let held = clock.as_variable().unwrap();
        assert!(held.ends_with(&format!(",until={}", timestamp(until))), "{held}");
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_jumps_past_its_time() {
        let clock = std::sync::Arc::new(Clock::new(Pace::Manual, start()));
        let until = clock.now_ms() + 120_000;
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(until).await;
                clock.now_ms()
            }
        });
        clock.advance(Duration::from_mins(1));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_mins(1));
        assert_eq!(sleeper.await.unwrap(), until);
    }

    #[tokio::test]
    async fn a_held_clock_stands_until_it_is_let_go_and_remembers_when() {
        let clock = Clock::new(Pace::Minute(Duration::from_millis(10)), start());
        // A time that is over: it stands where it is.
        clock.hold_at(0);
        let stands_at = clock.now_ms();
        let standing = Instant::now();
        let sleeper = clock.sleep_until(stands_at + MINUTE_MS);
        let late = tokio::time::timeout(Duration::from_millis(30), sleeper).await;
        assert!(late.is_err(), "three minutes' worth of real time, and none has passed");
        assert_eq!(clock.now_ms(), stands_at);
        assert!(clock.held_for() >= Duration::from_millis(30));
        let next = stands_at + 7 * MINUTE_MS;
        clock.hold_at(next);
        clock.sleep_until(next).await;
        assert_eq!(clock.now_ms(), next);
        assert_eq!(clock.at_ms(standing), stands_at);
        assert!(clock.at_ms(Instant::now()) >= clock.at_ms(standing));
    }
}
