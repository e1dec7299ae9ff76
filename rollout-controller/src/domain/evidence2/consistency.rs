//! Faults that come and go: averages over minutes, not over requests.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::Count;
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;

/// Minutes with traffic that the next step looks back on. A fault that returns
/// within it cannot climb; wider would hold a healthy service longer after one burst.
pub(super) const WINDOW: u32 = 15;

/// What an average may be above a limit, as a part of it, and still keep it: 0.1 and 0.2 come
/// to a little more than 0.3. The rounding of a day's minutes is less.
const ROUNDING: f64 = 1e-9;

/// The most that an average may be to keep a limit.
fn kept_up_to(limit: f64) -> f64 {
    limit * (1.0 + ROUNDING)
}

/// A minute in which the new side visibly broke a limit and was not excused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadMinute {
    /// Which minute.
    pub minute: Minute,
    /// Its number among the minutes with traffic.
    number: u64,
    /// Per metric: bad among counted, where the limit was visibly broken.
    pub bad: [Option<Count>; 4],
}

impl BadMinute {
    /// Share of requests that were bad, 0 where the limit was not visibly broken.
    fn share(&self, metric: Metric) -> f64 {
        self.bad[metric.index()].map_or(0.0, |Count { k, n }| k as f64 / (n as f64).max(1.0))
    }
}

/// The bad minutes of the window and of the whole rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Consistency {
    /// Minutes with traffic, read completely.
    minutes: u64,
    /// Bad minutes among the last 15, oldest first.
    recent: Vec<BadMinute>,
    /// Per metric: sum of the shares of all bad minutes, and how many there were.
    sum: [f64; 4],
    bad: [u64; 4],
}

impl Consistency {
    /// One more minute with traffic; `bad` per metric where it was visibly bad.
    pub(super) fn add(&mut self, minute: Minute, bad: [Option<Count>; 4]) {
        let seen = self.add_late(minute, bad);
        let number = self.minutes;
        self.recent.retain(|bad| bad.number + u64::from(WINDOW) > number);
        self.recent.extend(seen);
    }

    /// A minute that came too late to say anything about the present.
    pub(super) fn add_late(
        &mut self,
        minute: Minute,
        bad: [Option<Count>; 4],
    ) -> Option<BadMinute> {
        self.minutes += 1;
        let seen = BadMinute { minute, number: self.minutes, bad };
        for metric in Metric::ALL {
            if bad[metric.index()].is_some() {
                self.sum[metric.index()] += seen.share(metric);
                self.bad[metric.index()] += 1;
            }
        }
        bad.iter().any(Option::is_some).then_some(seen)
    }

    /// Minutes with traffic so far.
    pub(super) const fn minutes(&self) -> u64 {
        self.minutes
    }

    /// Bad minutes among the last 15.
    pub(super) fn recent(&self, metric: Metric) -> impl DoubleEndedIterator<Item = &BadMinute> {
        self.recent.iter().filter(move |minute| minute.bad[metric.index()].is_some())
    }

    /// Share that was bad in an average minute of the last 15.
    pub(super) fn recent_mean(&self, metric: Metric) -> f64 {
        self.recent.iter().map(|minute| minute.share(metric)).sum::<f64>() / f64::from(WINDOW)
    }

    /// Minutes of good traffic after which the average of the last 15 keeps the
    /// limit; 0 if it does now, which is the rule.
    pub(super) fn recent_free_in(&self, metric: Metric, limit: f64) -> u64 {
        let allowed = kept_up_to(limit) * f64::from(WINDOW);
        let mut later = 0.0;
        let mut free = 0;
        // From the newest back: whatever does not fit any more must have left first.
        for minute in self.recent.iter().rev() {
            later += minute.share(metric);
            if later > allowed {
                free = minute.number + u64::from(WINDOW) - self.minutes;
                break;
            }
        }
        free
    }

    /// Share that was bad in an average minute of the rollout, counting only
    /// visibly bad minutes.
    pub(super) fn whole_mean(&self, metric: Metric) -> f64 {
        self.sum[metric.index()] / (self.minutes as f64).max(1.0)
    }

    /// Whether that average is above the limit.
    pub(super) fn whole_breaks(&self, metric: Metric, limit: f64) -> bool {
        self.sum[metric.index()] > self.minutes as f64 * kept_up_to(limit)
    }

    /// Minutes of good traffic after which that average keeps the limit.
    pub(super) fn whole_free_in(&self, metric: Metric, limit: f64) -> u64 {
        let needed = (self.sum[metric.index()] / kept_up_to(limit)).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and neither is negative"
        )]
        let needed = needed as u64;
        needed.saturating_sub(self.minutes)
    }

    /// Bad minutes of the rollout.
    pub(super) const fn whole_bad(&self, metric: Metric) -> u64 {
        self.bad[metric.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_that_is_the_limit_keeps_it_however_its_sum_is_rounded() {
        let mut seen = Consistency::default();
        for k in [10, 20].into_iter().chain([0; 28]) {
            let bad = (k > 0).then_some(Count { k, n: 100 });
            seen.add(Minute(0), [bad, None, None, None]);
        }
        let errors = Metric::ALL[0];
        assert!(seen.sum[0] > 0.3 && seen.minutes() == 30, "{seen:?}");
        assert!(!seen.whole_breaks(errors, 0.01), "30 minutes of 1% in the mean");
        assert_eq!(seen.whole_free_in(errors, 0.01), 0);
        assert!(seen.whole_breaks(errors, 0.009_999_9));
        let mut recent = Consistency::default();
        for k in [10, 20] {
            recent.add(Minute(0), [Some(Count { k, n: 100 }), None, None, None]);
        }
        assert_eq!(recent.recent_free_in(errors, 0.02), 0, "30% in 15 minutes");
        assert!(recent.recent_free_in(errors, 0.019_999) > 0);
        assert_eq!((recent.whole_free_in(errors, 0.01), recent.whole_bad(errors)), (28, 2));
    }
}
