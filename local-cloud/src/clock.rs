//! Simulated time: metric minutes, schedules and alarms run on it; latencies do not.
//!
//! Simulated time starts at a whole minute and runs `60 s / minute` times as
//! fast as the wall clock. With [`Pace::Manual`] it only moves when a test says
//! so, which makes whole rollouts repeatable to the minute.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// Milliseconds in a simulated minute.
pub const MINUTE_MS: i64 = 60_000;

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
    started: Instant,
    origin_ms: i64,
    pace: Pace,
    advanced_ms: AtomicI64,
    jumps: watch::Sender<()>,
}

impl Clock {
    /// A clock that shows `start` now, cut to the whole minute so that the
    /// first minute is as complete as all others.
    pub fn new(pace: Pace, start: Timestamp) -> Self {
        let start_ms = start.as_millisecond();
        Self {
            started: Instant::now(),
            origin_ms: start_ms - start_ms.rem_euclid(MINUTE_MS),
            pace,
            advanced_ms: AtomicI64::new(0),
            jumps: watch::Sender::new(()),
        }
    }

    /// Simulated now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let run_ms = match self.pace {
            Pace::Manual => 0,
            Pace::Minute(real) => {
                let minutes = self.started.elapsed().as_secs_f64() / real.as_secs_f64();
                // Far below 2^53 for any run of a development tool.
                #[allow(clippy::cast_possible_truncation)]
                let ms = (minutes * 60_000.0) as i64;
                ms
            }
        };
        self.origin_ms + run_ms + self.advanced_ms.load(Ordering::SeqCst)
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

    /// Jumps forward; sleepers whose time has come wake at once.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.advanced_ms.fetch_add(ms, Ordering::SeqCst);
        self.jumps.send_replace(());
    }

    /// Sleeps until simulated time reaches `until_ms`.
    pub async fn sleep_until(&self, until_ms: i64) {
        let mut jumps = self.jumps.subscribe();
        loop {
            let left_ms = until_ms - self.now_ms();
            if left_ms <= 0 {
                return;
            }
            let jumped = jumps.changed();
            match self.pace {
                Pace::Manual => drop(jumped.await),
                Pace::Minute(real) => {
                    let real_secs = left_ms as f64 / 60_000.0 * real.as_secs_f64();
                    // One extra millisecond, so that rounding never wakes us early.
                    let wait = Duration::from_secs_f64(real_secs) + Duration::from_millis(1);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = jumped => {}
                    }
                }
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
}
