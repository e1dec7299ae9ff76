//! A model of Kayenta's judge (NetflixACAJudge) behind a stepwise rollout.
//!
//! Each metric is a series of one value a minute for canary and baseline: error rate,
//! P50, P95, P99. A two-sided Mann-Whitney test at 98% gives the interval of the shift
//! between the two; the metric is *High* when that interval lies wholly above a quarter
//! (`tolerance` 0.25) of the estimated shift. The score is the share of metrics that
//! pass: below 75 (*marginal*) the canary fails at once, and at the last analysis it
//! must reach 95 (*pass*). Ten minutes a stage, an analysis after each, on all data so
//! far (a growing window).
//!
//! Sources: <https://spinnaker.io/docs/guides/user/canary/judge/> (validation, Mann-Whitney,
//! scoring), <https://spinnaker.io/docs/guides/user/canary/stage/> (interval, growing
//! window, marginal and pass), C. Graff et al., "Automated Canary Analysis at Netflix
//! with Kayenta" (2018). Confidence 98% and tolerance 0.25 are the judge's documented
//! configuration properties. The interval is the usual large-sample one (E. Lehmann,
//! Nonparametrics, 1975, section 2.6). Spinnaker advises at least 50 values a series and hours
//! of canary; an hour is what the other policies take.

use rollout_controller::domain::weight::Weight;

use super::counts::{Limits, sides};
use super::schedule::{STAGES, Schedule};
use super::{Arrived, Policy, Step};

const MINUTES_EACH: u32 = 10;
const TOLERANCE: f64 = 0.25;
/// Quantile of the standard normal at 0.99: two-sided 98%.
const Z: f64 = 2.326_347_874;
const MARGINAL: f64 = 75.0;
const PASS: f64 = 95.0;

pub(super) struct Kayenta {
    limits: Limits,
    schedule: Schedule,
    minutes: u32,
    /// Baseline and canary, one value a minute.
    series: [[Vec<f64>; 2]; 4],
}

impl Kayenta {
    pub(super) fn new() -> Self {
        let schedule = Schedule::new(&STAGES, MINUTES_EACH);
        Self { limits: Limits::new(), schedule, minutes: 0, series: Default::default() }
    }

    /// Share of metrics that pass, percent. A metric without data is not counted.
    fn score(&self) -> f64 {
        let judged: Vec<bool> =
            self.series.iter().filter_map(|[base, canary]| is_high(base, canary)).collect();
        if judged.is_empty() {
            return 0.0;
        }
        100.0 * judged.iter().filter(|&&high| !high).count() as f64 / judged.len() as f64
    }
}

/// Whether the canary's values lie above the baseline's; `None` without values.
fn is_high(base: &[f64], canary: &[f64]) -> Option<bool> {
    if base.is_empty() || canary.is_empty() {
        return None;
    }
    let mut shifts: Vec<f64> =
        canary.iter().flat_map(|c| base.iter().map(move |b| c - b)).collect();
    let (m, n) = (base.len() as f64, canary.len() as f64);
    let middle = shifts.len() / 2;
    let estimate = *shifts.select_nth_unstable_by(middle, f64::total_cmp).1;
    let below = m * n / 2.0 - Z * (m * n * (m + n + 1.0) / 12.0).sqrt();
    if below < 0.0 {
        // Too few values for an interval.
        return Some(false);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let at = below as usize;
    let low = *shifts.select_nth_unstable_by(at, f64::total_cmp).1;
    Some(low > TOLERANCE * estimate.abs())
}

impl Policy for Kayenta {
    fn first_share(&self) -> Weight {
        self.schedule.first()
    }

    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step {
        if let Some((old, new)) = sides(arrived.newest) {
            for (side, at) in [(&old, 0), (&new, 1)] {
                if side.requests > 0 {
                    self.series[0][at].push(self.limits.bad(side)[0].rate());
                }
                for (series, q) in self.series[1..].iter_mut().zip([0.50, 0.95, 0.99]) {
                    series[at].extend(self.limits.quantile_ms(&side.latency, q));
                }
            }
        }
        self.minutes += 1;
        if !self.minutes.is_multiple_of(MINUTES_EACH) {
            return self.schedule.step(share);
        }
        let score = self.score();
        // The canary analysis ends where the last old server would go.
        let step = self.schedule.step_or_end(share);
        if score < MARGINAL || (step == Step::Complete && score < PASS) {
            return Step::RollBack;
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::is_high;

    #[test]
    fn a_shift_is_high_and_noise_is_not() {
        let base: Vec<f64> = (0..20).map(|i| 100.0 + f64::from(i * 7 % 20)).collect();
        let shifted: Vec<f64> = base.iter().map(|b| b + 30.0).collect();
        assert_eq!(is_high(&base, &shifted), Some(true));
        assert_eq!(is_high(&shifted, &base), Some(false));
        assert_eq!(is_high(&base, &base), Some(false));
        assert_eq!(is_high(&base, &[]), None);
        assert_eq!(is_high(&[1.0], &[9.0]), Some(false), "one value proves nothing");
    }
}
