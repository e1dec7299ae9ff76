//! From the counts of a minute to the numbers that the bets are about.

use crate::domain::evidence::Count;
use crate::domain::evidence::math::Pair;
use crate::domain::minute::{Edges, Histogram, SideCounts};
use crate::domain::slo::{Metric, Slo};
use crate::domain::weight::Weight;

use super::bets::LogOdds;
use super::choices::{Choices, Stratum, is_worse};
use super::engine::Rules;
use super::reading::{Counts, Reading};

/// `ln 20`: one minute that anybody would call bad.
pub(super) const VISIBLE: f64 = 3.0;
/// While the old side breaks a limit too, the new side is excused up to so many
/// times its rate: what chance and a fair split leave between two equal sides.
pub(super) const GUARD: f64 = 1.25;

/// The part of an old and a new side that one comparison is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) stratum: usize,
    /// All requests go to the new side: by plan there is no old side to compare with.
    pub(super) alone: bool,
    pub(super) old: SideTally,
    pub(super) new: SideTally,
}

/// The counts of one side per metric.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SideTally {
    /// Against the limits.
    pub(super) counts: [Count; 4],
    /// Against the other side: errors, then slower than the old side's P50, P95,
    /// P99; `n` is 0 where that comparison is off.
    pub(super) compared: [Count; 4],
}

impl Cell {
    pub(super) fn limit_pair(&self, metric: Metric) -> Pair {
        pair(self.old.counts[metric.index()], self.new.counts[metric.index()])
    }

    pub(super) fn compared_pair(&self, metric: Metric) -> Pair {
        pair(self.old.compared[metric.index()], self.new.compared[metric.index()])
    }
}

pub(super) fn pair(old: Count, new: Count) -> Pair {
    Pair { k_new: new.k, n_new: new.n, k_old: old.k, n_old: old.n }
}

/// One minute in numbers.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) cells: Vec<Cell>,
    /// Over all known routes.
    pub(super) old: [Count; 4],
    pub(super) new: [Count; 4],
    /// Some route has another share than the rollout.
    pub(super) apart: bool,
    /// Per metric: the old side breaks the limit, visibly, in this very minute.
    pub(super) old_visible: [bool; 4],
    pub(super) new_visible: [bool; 4],
    /// Per metric: the minute does not count against the new side's consistency.
    pub(super) excused: [bool; 4],
}

impl Tally {
    pub(super) const fn requests_new(&self) -> u64 {
        self.new[0].n
    }

    pub(super) const fn requests_old(&self) -> u64 {
        self.old[0].n
    }
}

impl Rules {
    /// The rules of these limits; a limit that is no edge must have been refused before.
    pub fn new(slo: &Slo, edges: &Edges) -> Self {
        let edge = |metric: Metric| {
            slo.limit_ms(metric).and_then(|ms| edges.position(ms)).unwrap_or_default()
        };
        let limits = slo.limits();
        Self {
            limits,
            limit_edges: Metric::LATENCY.map(edge),
            last_edge: edges.as_ms().len() - 1,
            limit_bets: limits.map(LogOdds::worse),
        }
    }

    /// Largest allowed rate of each metric.
    pub const fn limits(&self) -> &[f64; 4] {
        &self.limits
    }

    /// Bad among counted of each metric.
    pub fn counts(&self, side: &SideCounts) -> [Count; 4] {
        let slow = |edge| Count { k: side.latency.slower_than(edge), n: side.latency.samples() };
        let [p50, p95, p99] = self.limit_edges;
        [Count { k: side.failed(), n: side.requests }, slow(p50), slow(p95), slow(p99)]
    }

    /// The edges that at most a share `1 - q` of these latencies exceeds.
    pub(super) fn quantile_edges(&self, latency: &Histogram) -> [Option<u16>; 3] {
        [0.50, 0.95, 0.99].map(|q| {
            let allowed = (1.0 - q) * latency.samples() as f64;
            // Fewer than one request beyond the quantile do not place it; and the
            // new side needs a further edge to be measured at.
            if allowed < 1.0 {
                return None;
            }
            let edge = (0..self.last_edge).find(|&e| latency.slower_than(e) as f64 <= allowed)?;
            u16::try_from(edge).ok()
        })
    }

    /// One minute that anybody would call bad: above the limit, with a likelihood
    /// ratio of at least 20 for some size.
    pub fn visible(&self, metric: Metric, count: Count) -> bool {
        let above = count.k.min(count.n) as f64 > self.limits[metric.index()] * count.n as f64;
        above && self.limit_bets[metric.index()].iter().any(|bet| bet.factor(count, 1.0) >= VISIBLE)
    }

    fn side(&self, side: &SideCounts, edges: [Option<u16>; 3], further: [u8; 3]) -> SideTally {
        let counts = self.counts(side);
        let mut compared = [Count::default(); 4];
        compared[0] = counts[0];
        for (q, edge) in edges.into_iter().enumerate() {
            if let Some(edge) = edge {
                let edge = (usize::from(edge) + usize::from(further[q])).min(self.last_edge);
                compared[q + 1] =
                    Count { k: side.latency.slower_than(edge), n: side.latency.samples() };
            }
        }
        SideTally { counts, compared }
    }

    /// The numbers of a minute, without the routes that `skip` names.
    pub(super) fn tally(&self, choices: &Choices, reading: &Reading, skip: &[bool]) -> Tally {
        let mut cells: Vec<(Weight, Cell)> = Vec::with_capacity(reading.parts.len());
        for (stratum, Stratum { routes, edges }) in choices.strata.iter().enumerate() {
            let first = cells.len();
            for &route in routes {
                let part = &reading.parts[route];
                let Counts::Known { old, new } = &part.counts else { continue };
                if skip.get(route) == Some(&true) {
                    continue;
                }
                let cell = Cell {
                    stratum,
                    alone: part.weight == Weight::FULL,
                    old: self.side(old, *edges, [0; 3]),
                    new: self.side(new, *edges, choices.margin),
                };
                // Routes are only summed where they have the same share: otherwise
                // the sum would compare two mixes.
                match cells[first..].iter_mut().find(|(weight, _)| *weight == part.weight) {
                    Some((_, same)) => same.add(&cell),
                    None => cells.push((part.weight, cell)),
                }
            }
        }
        let cells: Vec<Cell> = cells.into_iter().map(|(_, cell)| cell).collect();
        self.sum_up(cells, reading.is_apart())
    }

    fn sum_up(&self, cells: Vec<Cell>, apart: bool) -> Tally {
        let (mut old, mut new) = ([Count::default(); 4], [Count::default(); 4]);
        for cell in &cells {
            add(&mut old, &cell.old.counts);
            add(&mut new, &cell.new.counts);
        }
        let visible = |counts: &[Count; 4]| {
            Metric::ALL.map(|metric| self.visible(metric, counts[metric.index()]))
        };
        let (old_visible, new_visible) = (visible(&old), visible(&new));
        let excused = std::array::from_fn(|j| {
            apart || (old_visible[j] && !is_worse(pair(old[j], new[j]), GUARD))
        });
        Tally { cells, old, new, apart, old_visible, new_visible, excused }
    }
}

impl Cell {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.old, &other.old), (&mut self.new, &other.new)] {
            add(&mut mine.counts, &theirs.counts);
            add(&mut mine.compared, &theirs.compared);
        }
    }
}

fn add(sums: &mut [Count; 4], counts: &[Count; 4]) {
    for (sum, &count) in sums.iter_mut().zip(counts) {
        sum.add(count);
    }
}
