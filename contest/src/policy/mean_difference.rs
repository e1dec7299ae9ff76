//! A one-sided confidence sequence for the difference of means, as GrowthBook's safe
//! rollouts and LaunchDarkly's guarded rollouts describe it.
//!
//! Per metric (errors, slower than each limit: shares, so means of zeros and ones) the
//! difference new minus old over the whole rollout, with the mixture boundary
//!
//! `B = sqrt((V + ρ) ln((V + ρ) / (ρ α²))) / N`, `ρ = S σ² / (2 ln(1/α) + ln(1 + 2 ln(1/α)))`
//!
//! where `σ²` is the variance of the difference times the number of requests `N`, `V = N σ²`
//! and `S = 5,000` requests. When the interval lies wholly on the worse side (a threshold
//! of 0), it is a regression and the rollout is taken back. α = 0.05 one-sided, the
//! documented default. Nothing is a proof *for* the new side: ten minutes a stage by the clock.
//!
//! Sources: <https://docs.growthbook.io/statistics/sequential> (the boundary, S = 5,000),
//! <https://docs.growthbook.io/features/safe-rollouts> (guardrails, automatic rollback),
//! <https://launchdarkly.com/docs/home/releases/regression-detection> (absolute difference,
//! sequential test, one-sided reading), S. Howard et al., arXiv 1810.08240.

use rollout_controller::domain::weight::Weight;

use super::counts::{Bad, Limits, sides};
use super::schedule::{STAGES, Schedule};
use super::{Arrived, Policy, Step};

/// One-sided 0.05 is two-sided 0.1.
const TWO_SIDED_ALPHA: f64 = 0.1;
const TUNING_REQUESTS: f64 = 5000.0;
const MINUTES_EACH: u32 = 10;

pub(super) struct MeanDifference {
    limits: Limits,
    schedule: Schedule,
    /// Per metric: old side, new side.
    sums: [[Bad; 2]; 4],
}

impl MeanDifference {
    pub(super) fn new() -> Self {
        let schedule = Schedule::new(&STAGES, MINUTES_EACH);
        Self { limits: Limits::new(), schedule, sums: Default::default() }
    }
}

/// Lower end of the interval of new minus old; `None` before both sides have counts.
fn lower_end([old, new]: [Bad; 2]) -> Option<f64> {
    if old.n == 0 || new.n == 0 {
        return None;
    }
    // Half a request each way: a side without a single bad one has a variance, too.
    let variance = |side: Bad| {
        let rate = (side.k as f64 + 0.5) / (side.n as f64 + 1.0);
        rate * (1.0 - rate) / side.n as f64
    };
    let n = (old.n + new.n) as f64;
    let per_request = n * (variance(old) + variance(new));
    let twice = 2.0 * (1.0 / TWO_SIDED_ALPHA).ln();
    let rho = TUNING_REQUESTS * per_request / (twice + (1.0 + twice).ln());
    let v = n * per_request;
    let alpha_squared = TWO_SIDED_ALPHA * TWO_SIDED_ALPHA;
    let width = ((v + rho) * ((v + rho) / (rho * alpha_squared)).ln()).sqrt() / n;
    Some(new.rate() - old.rate() - width)
}

impl Policy for MeanDifference {
    fn first_share(&self) -> Weight {
        self.schedule.first()
    }

    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step {
        if let Some((old, new)) = sides(arrived.newest) {
            let bad = self.limits.bad(&old).into_iter().zip(self.limits.bad(&new));
            for (sums, (old, new)) in self.sums.iter_mut().zip(bad) {
                sums[0].add(old);
                sums[1].add(new);
            }
        }
        if self.sums.iter().any(|&sums| lower_end(sums).is_some_and(|low| low > 0.0)) {
            return Step::RollBack;
        }
        self.schedule.step_or_end(share)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bad, lower_end};

    #[test]
    fn a_clear_difference_is_a_regression_and_a_small_one_is_not() {
        let side = |k, n| Bad { k, n };
        assert!(lower_end([side(100, 10_000), side(300, 10_000)]).expect("counts") > 0.0);
        assert!(lower_end([side(100, 10_000), side(110, 10_000)]).expect("counts") < 0.0);
        assert!(lower_end([side(0, 100), side(0, 100)]).expect("counts") < 0.0);
        assert!(lower_end([side(0, 1000), side(50, 50)]).expect("counts") > 0.0, "an outage");
        assert_eq!(lower_end([side(1, 100), side(0, 0)]), None);
    }
}
