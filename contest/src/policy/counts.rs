//! The counts that the models look at.

use rollout_controller::domain::evidence2::{Counts, Reading};
use rollout_controller::domain::minute::{Edges, Histogram, SideCounts};
use rollout_controller::domain::slo::{Metric, Slo};

/// Where the default limits lie among the histogram's edges.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    edges: Edges,
    /// P50, P95, P99.
    at: [usize; 3],
    /// Largest allowed rates in the order of [`Metric::ALL`].
    pub(super) rates: [f64; 4],
}

/// `k` bad among `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) k: u64,
    pub(super) n: u64,
}

impl Bad {
    pub(super) fn rate(self) -> f64 {
        self.k as f64 / (self.n as f64).max(1.0)
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.k += other.k;
        self.n += other.n;
    }
}

impl Limits {
    pub(super) fn new() -> Self {
        let (slo, edges) = (Slo::default(), Edges::default());
        let edge = |metric| {
            let ms = slo.limit_ms(metric).expect("a latency");
            edges.position(ms).expect("default limits are edges")
        };
        let at = Metric::LATENCY.map(edge);
        Self { at, rates: slo.limits(), edges }
    }

    /// Bad requests of a side in the order of [`Metric::ALL`].
    pub(super) fn bad(&self, side: &SideCounts) -> [Bad; 4] {
        let n = side.latency.samples();
        let [p50, p95, p99] = self.at.map(|edge| Bad { k: side.latency.slower_than(edge), n });
        [Bad { k: side.failed(), n: side.requests }, p50, p95, p99]
    }

    /// Whether a side breaks some limit, as a dashboard with these thresholds shows
    /// it; `None` without requests.
    pub(super) fn breaks(&self, bad: &[Bad; 4]) -> Option<bool> {
        (bad[0].n > 0).then(|| bad.iter().zip(self.rates).any(|(bad, limit)| bad.rate() > limit))
    }

    /// A quantile in milliseconds, interpolated on a logarithmic scale within its
    /// bucket; `None` without samples.
    pub(super) fn quantile_ms(&self, latency: &Histogram, q: f64) -> Option<f64> {
        let edges = self.edges.as_ms();
        let rank = q * latency.samples() as f64;
        let mut below = 0.0;
        for (at, &count) in latency.counts().iter().enumerate() {
            let (before, count) = (below, count as f64);
            below += count;
            if count > 0.0 && below >= rank {
                let low = if at == 0 { edges[0] / 1.26 } else { edges[at - 1] };
                let high = edges.get(at).copied().unwrap_or(edges[edges.len() - 1] * 1.26);
                return Some(low * (high / low).powf((rank - before) / count));
            }
        }
        None
    }
}

/// Both sides over all routes; `None` unless all are known.
pub(super) fn sides(reading: &Reading) -> Option<(SideCounts, SideCounts)> {
    let (mut old, mut new) = (SideCounts::default(), SideCounts::default());
    for part in &reading.parts {
        let Counts::Known { old: of_old, new: of_new } = &part.counts else { return None };
        old += of_old;
        new += of_new;
    }
    Some((old, new))
}
