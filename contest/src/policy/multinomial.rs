//! A two-sample multinomial mixture, as Netflix describes it for canary tests.
//!
//! Given how many bad events happen, each falls on the new side with the probability
//! of its share if both sides are alike, whatever the rate does over time. A Dirichlet
//! mixture over the alternatives turns the counts on the two sides into an e-process;
//! at `1/α` equality is rejected. One test a metric (errors, slower than each limit),
//! α = 0.01 split evenly over the four, the promise that the evidence engines make. The
//! test is two-sided; only a difference for the worse rolls back. A new share is a new
//! multinomial with a mixture of its own, and the product over the stages is an
//! e-process again. Nothing is a proof *for* the new side: ten minutes a stage by the
//! clock.
//!
//! Sources: M. Lindon, A. Malek, "Anytime-Valid Inference for Multinomial Count Data"
//! (NeurIPS 2022, arXiv 2011.03567), sections 2 and 4 (Dirichlet mixture, time-inhomogeneous
//! counts); M. Lindon, C. Sanden, V. Shirikian, "Rapid Regression Detection in Software
//! Deployments through Sequential Testing" (2022). The concentration of the mixture, 100
//! events around the share, is the model's choice: the paper leaves it to the reader.

use rollout_controller::domain::evidence::math::ln_gamma;
use rollout_controller::domain::weight::Weight;

use super::counts::{Limits, sides};
use super::schedule::{STAGES, Schedule};
use super::{Arrived, Policy, Step};

const ALPHA: f64 = 0.01;
const MINUTES_EACH: u32 = 10;
const CONCENTRATION: f64 = 100.0;

pub(super) struct Multinomial {
    limits: Limits,
    schedule: Schedule,
    /// The share that the counts below belong to.
    share: Weight,
    /// Per metric: bad events on the new side and on the old one at this share.
    events: [[f64; 2]; 4],
    /// Per metric: the logarithm of the evidence of all earlier shares, and the events
    /// on the new side beyond their expectation.
    earlier: [(f64, f64); 4],
}

impl Multinomial {
    pub(super) fn new() -> Self {
        Self {
            limits: Limits::new(),
            schedule: Schedule::new(&STAGES, MINUTES_EACH),
            share: Weight::ZERO,
            events: [[0.0; 2]; 4],
            earlier: [(0.0, 0.0); 4],
        }
    }

    /// Evidence of a metric over all shares, and the excess on the new side.
    fn total(&self, metric: usize) -> (f64, f64) {
        let (log, excess) = self.earlier[metric];
        let [new, old] = self.events[metric];
        let share = self.share.ratio();
        (log + log_evidence(new, old, share), excess + new - share * (new + old))
    }
}

/// Logarithm of the mixture against the share: Beta-binomial over binomial.
fn log_evidence(new: f64, old: f64, share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 || new + old == 0.0 {
        return 0.0;
    }
    let (a, b) = (CONCENTRATION * share, CONCENTRATION * (1.0 - share));
    let ln_beta = |a: f64, b: f64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    ln_beta(a + new, b + old) - ln_beta(a, b) - new * share.ln() - old * (1.0 - share).ln()
}

impl Policy for Multinomial {
    fn first_share(&self) -> Weight {
        self.schedule.first()
    }

    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step {
        if arrived.newest.share != self.share {
            self.earlier = std::array::from_fn(|metric| self.total(metric));
            self.events = [[0.0; 2]; 4];
            self.share = arrived.newest.share;
        }
        if let Some((old, new)) = sides(arrived.newest) {
            let bad = self.limits.bad(&new).into_iter().zip(self.limits.bad(&old));
            for (events, (new, old)) in self.events.iter_mut().zip(bad) {
                events[0] += new.k as f64;
                events[1] += old.k as f64;
            }
        }
        let reject = -(ALPHA / 4.0).ln();
        for metric in 0..4 {
            let (log, excess) = self.total(metric);
            if log >= reject && excess > 0.0 {
                return Step::RollBack;
            }
        }
        self.schedule.step_or_end(share)
    }
}

#[cfg(test)]
mod tests {
    use super::log_evidence;

    #[test]
    fn the_mixture_has_a_mean_of_one_under_equality() {
        // Over every outcome of 12 events at a share of a quarter.
        let (n, share) = (12_u32, 0.25_f64);
        let mut mean = 0.0;
        let mut ways = 1.0;
        for k in 0..=n {
            let probability =
                ways * share.powi(k.cast_signed()) * (1.0 - share).powi((n - k).cast_signed());
            mean += probability * log_evidence(f64::from(k), f64::from(n - k), share).exp();
            ways *= f64::from(n - k) / f64::from(k + 1);
        }
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        assert!(log_evidence(100.0, 100.0, 0.1) > 50.0);
    }
}
