//! From histograms to the counts the tests work on.

use super::engine::Engine;
use super::state::{Count, RelativeEdges};
use crate::domain::minute::{CommittedMinute, Histogram, Minute, SideCounts};
use crate::domain::weight::Weight;

/// The counts of one side in the terms of the tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests.
    pub requests: u64,
    /// Per metric.
    pub counts: [Count; 4],
    /// Bad among counted in the relative latency comparison, P50, P95, P99;
    /// `n` is 0 where that comparison is off.
    pub relative: [Count; 3],
}

/// One minute in the terms of the tests.
#[derive(Clone, Copy, Debug)]
pub struct TallyMinute {
    /// Which minute.
    pub minute: Minute,
    /// Share of the new side in it.
    pub weight: Weight,
    /// The old side.
    pub old: Tally,
    /// The new side.
    pub new: Tally,
}

impl Engine {
    /// Bad among counted of each metric.
    pub(crate) fn counts(&self, side: &SideCounts) -> [Count; 4] {
        let slow = |edge| Count { k: side.latency.slower_than(edge), n: side.latency.samples() };
        let [p50, p95, p99] = self.limit_edges;
        let errors = Count { k: side.failed(), n: side.requests };
        [errors, slow(p50), slow(p95), slow(p99)]
    }

    /// The edges that at most a share `1 - q` of these latencies exceeds.
    pub(super) fn relative_edges(&self, latency: &Histogram) -> RelativeEdges {
        let samples = latency.samples() as f64;
        let last = self.config().edges_ms.as_ms().len() - 1;
        RelativeEdges([0.50, 0.95, 0.99].map(|q| {
            let allowed = (1.0 - q) * samples;
            // Fewer samples than one beyond the quantile do not place it; and the
            // new side needs a next edge to be measured at.
            if allowed < 1.0 {
                return None;
            }
            let edge = (0..last).find(|&edge| latency.slower_than(edge) as f64 <= allowed)?;
            u16::try_from(edge).ok()
        }))
    }

    /// The edges `(old, new)` of each relative latency comparison, milliseconds.
    pub fn relative_edges_ms(&self, edges: RelativeEdges) -> [Option<(f64, f64)>; 3] {
        let ms = self.config().edges_ms.as_ms();
        edges.0.map(|at| {
            let at = usize::from(at?);
            Some((*ms.get(at)?, *ms.get(at + 1)?))
        })
    }

    /// The edges at which the old side's tails are measured, from milliseconds
    /// known from elsewhere. `None` for none, and for a value that is not among the edges or
    /// has none after it.
    pub fn relative_edges_at(&self, old_ms: [Option<f64>; 3]) -> RelativeEdges {
        let edges = &self.config().edges_ms;
        RelativeEdges(old_ms.map(|ms| {
            let at = edges.position(ms?).filter(|at| at + 1 < edges.as_ms().len())?;
            u16::try_from(at).ok()
        }))
    }

    fn tally(&self, side: &SideCounts, edges: RelativeEdges, further: usize) -> Tally {
        let relative = std::array::from_fn(|q| match edges.old(q) {
            Some(edge) => {
                Count { k: side.latency.slower_than(edge + further), n: side.latency.samples() }
            }
            None => Count::default(),
        });
        Tally { requests: side.requests, counts: self.counts(side), relative }
    }

    pub(super) fn tally_minute(
        &self,
        minute: &CommittedMinute,
        edges: RelativeEdges,
    ) -> TallyMinute {
        TallyMinute {
            minute: minute.minute,
            weight: minute.weight,
            old: self.tally(&minute.old, edges, 0),
            new: self.tally(&minute.new, edges, 1),
        }
    }
}
