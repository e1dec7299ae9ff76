//! How much the requests of a minute depend on each other, learnt from earlier
//! minutes only.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::math::dispersion_term;
use crate::domain::evidence::{Baseline, Count};
use crate::domain::slo::Metric;

/// Pairs of minutes' worth of belief that requests are independent: half an hour
/// of evidence must speak against it before it is given up.
const PRIOR_PAIRS: f64 = 30.0;
/// Largest dispersion that one pair of minutes can show for clusters of fixed
/// size, so that the onset of a fault does not pass for noise.
const CLUSTER_CLIP: f64 = 9.0;
/// Bounds of the correlation that one pair can show: what lies below is chance,
/// what lies above would be a fault's onset. The upper one is this, or the
/// correlation that a cluster of 9 would show among fewer requests.
const CORRELATION: (f64, f64) = (-0.02, 0.02);
/// Most requests that one pair counts for, so that a busy minute does not
/// outweigh an hour of quiet ones.
const MOST_WEIGHT: f64 = 200.0;
/// Belief in no correlation, in the same unit: 15 pairs of busy minutes.
const PRIOR_WEIGHT: f64 = 3000.0;
/// What the old side's rate keeps of itself from one minute to the next: half of
/// it is 34 minutes old.
const RATE_DECAY: f64 = 0.98;
/// Requests at the limit that the old side's rate starts from.
const RATE_PRIOR: f64 = 50.0;

/// Noise of both sides and the old side's recent rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Per metric: old side, new side.
    sides: [[SideNoise; 2]; 4],
    old_rate: [Baseline; 4],
}

/// Two estimates for one metric of one side, from successive minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::domain) struct SideNoise {
    clusters: f64,
    pairs: u32,
    correlation: f64,
    weight: f64,
    last: Count,
}

impl SideNoise {
    pub(in crate::domain) fn learn(&mut self, now: Count) {
        let last = std::mem::replace(&mut self.last, now);
        let unclipped = f64::INFINITY;
        let Some(term) = dispersion_term((now.k, now.n), (last.k, last.n), unclipped) else {
            return;
        };
        self.clusters += term.min(CLUSTER_CLIP);
        self.pairs = self.pairs.saturating_add(1);
        // Harmonic mean of the two counts, less one: how many others a request
        // could depend on.
        let others = 2.0 / (1.0 / now.n as f64 + 1.0 / last.n as f64) - 1.0;
        if others > 1.0 {
            let (low, high) = CORRELATION;
            let seen = ((term - 1.0) / others).clamp(low, high.max((CLUSTER_CLIP - 1.0) / others));
            let weight = others.min(MOST_WEIGHT);
            self.correlation += weight * seen;
            self.weight += weight;
        }
    }

    /// The next count does not follow the last one learnt: the two say nothing about noise.
    pub(in crate::domain) fn interrupt(&mut self) {
        self.last = Count::default();
    }

    /// `D` of `n` requests by this side alone, `1.0..=n`.
    pub(in crate::domain) fn dispersion(&self, n: u64) -> f64 {
        dispersion(self.cluster_size(), self.correlation(), n)
    }

    fn cluster_size(&self) -> f64 {
        (PRIOR_PAIRS + self.clusters) / (PRIOR_PAIRS + f64::from(self.pairs))
    }

    fn correlation(&self) -> f64 {
        self.correlation / (self.weight + PRIOR_WEIGHT)
    }
}

impl Noise {
    /// Learns from one complete minute, after everything was bet on it.
    pub(super) fn learn(&mut self, old: &[Count; 4], new: &[Count; 4]) {
        for metric in Metric::ALL.map(Metric::index) {
            let [of_old, of_new] = &mut self.sides[metric];
            of_old.learn(old[metric]);
            of_new.learn(new[metric]);
            self.old_rate[metric].learn(old[metric], RATE_DECAY);
        }
    }

    /// The next minute does not follow the last one learnt: the two say nothing
    /// about noise.
    pub(super) fn interrupt(&mut self) {
        for side in self.sides.as_flattened_mut() {
            side.interrupt();
        }
    }

    /// `D`: how many independent requests fewer `n` requests of this metric are
    /// worth, `1.0..=n`. The larger of clusters of fixed size and correlation
    /// within the minute.
    pub fn dispersion(&self, metric: Metric, n: u64) -> f64 {
        let [old, new] = &self.sides[metric.index()];
        let clusters = old.cluster_size().max(new.cluster_size());
        dispersion(clusters, old.correlation().max(new.correlation()), n)
    }

    /// The old side's recent rate of a metric, drawn towards `limit`.
    pub(super) fn old_rate(&self, metric: Metric, limit: f64) -> f64 {
        self.old_rate[metric.index()].rate(limit, RATE_PRIOR)
    }

    /// Whether every number is one.
    pub(super) fn is_sound(&self) -> bool {
        Metric::ALL.iter().all(|&metric| {
            self.dispersion(metric, 1000).is_finite() && self.old_rate(metric, 0.01).is_finite()
        })
    }
}

/// The larger of clusters of fixed size and correlation within the minute.
fn dispersion(clusters: f64, correlation: f64, n: u64) -> f64 {
    let n = (n as f64).max(1.0);
    clusters.max(1.0 + (n - 1.0) * correlation.max(0.0)).clamp(1.0, n)
}

#[cfg(test)]
mod tests {
    use super::{Noise, RATE_PRIOR};
    use serde_json::json;

    #[test]
    fn a_rate_that_is_no_number_is_not_sound() {
        assert!(Noise::default().is_sound());
        for metric in 0..4 {
            let mut noise = json!(Noise::default());
            noise["old_rate"][metric]["all"] = json!(-RATE_PRIOR);
            let noise: Noise = serde_json::from_value(noise).expect("noise");
            assert!(!noise.is_sound(), "{metric}");
        }
    }
}
